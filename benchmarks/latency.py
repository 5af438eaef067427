"""Time predictions, one row to ten thousand, beside scikit-learn and ONNX Runtime.

``python -m benchmarks.latency`` prints microseconds per call of `predict_proba` with a
network of 64-100-50-10 units, with the same weights everywhere. The libraries take
turns, round after round, in one process; the best round counts.

fastnn
    `MLPClassifier.predict_proba` on a float32 array, validated in each call.
scikit-learn
    `MLPClassifier.predict_proba` on a float64 array, validated in each call.
ONNX Runtime
    `InferenceSession.run` on a float32 array, of products, biases, relu and softmax
    and nothing else; its threads are as many as there are cores. Nothing is validated.
    Without the packages `onnx` and `onnxruntime` the column stays empty.
"""

import argparse
import time
from functools import partial
from statistics import median

import numpy as np

from .machine import count_cores, describe_machine, limit_cores
from .models import find_class, fit_quietly
from .tables import format_number as show
from .tables import format_table

FEATURES, HIDDEN, CLASSES = 64, (100, 50), 10
ROWS = (1, 10, 100, 1000, 10_000)
NAMES = {
    "fastnn": "fastnn f32",
    "sklearn": "scikit-learn f64",
    "onnx": "ONNX Runtime f32",
}
SETTLE_S = 0.02
GROUP_S = 0.002


def fit_networks():
    """Return fastnn's network and scikit-learn's, with the same weights."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, FEATURES), dtype=np.float32)
    y = rng.integers(CLASSES, size=len(X))
    models = {}
    for library, dtype in (("fastnn", np.float32), ("sklearn", np.float64)):
        model = find_class(library, "classification")(
            hidden_layer_sizes=HIDDEN, max_iter=2, random_state=0
        )
        models[library] = fit_quietly(model, X.astype(dtype), y)
    ours, theirs = models["fastnn"], models["sklearn"]
    theirs.coefs_ = [W.astype(np.float64) for W in ours.coefs_]
    theirs.intercepts_ = [b.astype(np.float64) for b in ours.intercepts_]
    return ours, theirs


def make_session(model, threads):
    """Return an ONNX Runtime session of a fitted network's layers.

    Raises
    ------
    ImportError
        If `onnx` or `onnxruntime` is missing.
    """
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, below = [], [], "X"
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for i, (W, b) in enumerate(layers):
        names = [f"W{i}", f"b{i}"]
        for name, array in zip(names, (W, b), strict=True):
            array = np.ascontiguousarray(array, np.float32)
            constants.append(numpy_helper.from_array(array, name))
        nodes.append(helper.make_node("Gemm", [below, *names], [f"Z{i}"]))
        last = i == len(layers) - 1
        below = "P" if last else f"A{i}"
        nodes.append(
            helper.make_node("Softmax" if last else "Relu", [f"Z{i}"], [below])
        )
    tensors = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])]
        for name, width in (("X", FEATURES), ("P", CLASSES))
    ]
    graph = helper.make_graph(nodes, "network", *tensors, constants)
    # Versions that releases of some years can read.
    program = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        program.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def make_calls(n_rows, ours, theirs, session):
    """Return a call without arguments per library, for the same rows."""
    X = np.random.default_rng(1).standard_normal((n_rows, FEATURES), dtype=np.float32)
    calls = {
        "fastnn": partial(ours.predict_proba, X),
        "sklearn": partial(theirs.predict_proba, X.astype(np.float64)),
    }
    if session is not None:
        calls["onnx"] = lambda: session.run(None, {"X": X})[0]
    expected = calls["sklearn"]()
    for name, call in calls.items():
        if not np.allclose(call(), expected, atol=1e-5):
            raise RuntimeError(f"{name} predicts something else")
    return calls


def clock(call, n_calls):
    """Return the seconds of one call, measured over several."""
    start = time.perf_counter()
    for _ in range(n_calls):
        call()
    return (time.perf_counter() - start) / n_calls


def clock_round(call, seconds):
    """Return the best group's seconds per call, of groups of about GROUP_S each.

    A call that takes longer is a group of its own: on a machine with other work, an
    average over many long calls measures that work as well.
    """
    stop = time.perf_counter() + seconds
    best = clock(call, 1)
    while time.perf_counter() < stop:
        best = min(best, clock(call, max(1, int(GROUP_S / best))))
    return best


def measure(calls, repeat, seconds):
    """Return the best seconds per call, by library, and the median of the rounds.

    Every library gets `seconds` in each of `repeat` rounds, and a warm-up of the same
    length, in which it may start threads.
    """
    for call in calls.values():
        clock_round(call, seconds)
    rounds = {name: [] for name in calls}
    names = list(calls)
    for turn in range(repeat):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            time.sleep(SETTLE_S)  # let the last one's idle threads go to sleep
            rounds[name].append(clock_round(calls[name], seconds))
    return {name: (min(times), median(times)) for name, times in rounds.items()}


def report(results, markdown):
    """Print a line per number of rows: times, and how often fastnn's they are."""
    others = list(NAMES)[1:]
    table = []
    for n_rows, times in results.items():
        line = [f"{n_rows:,}"]
        for name in NAMES:
            best, middle = (1e6 * t for t in times.get(name, (np.nan, np.nan)))
            known = name in times
            line.append(f"{show(best)} ({show(middle)})" if known else "")
        for name in others:
            known = name in times
            line.append(
                f"{show(times[name][0] / times['fastnn'][0])}x" if known else ""
            )
        table.append(line)
    ratios = [f"{NAMES[name].rsplit(' ', 1)[0]} / fastnn" for name in others]
    print("µs per call: the best, and in brackets the rounds' median")
    print(format_table(["rows", *NAMES.values(), *ratios], table, markdown))


def main(arguments=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency",
        description="Time predictions of fastnn, scikit-learn and ONNX Runtime.",
    )
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS, metavar="N")
    parser.add_argument("--repeat", type=int, default=9, help="rounds; 9 by default")
    parser.add_argument("--seconds", type=float, default=0.1, help="of each turn")
    parser.add_argument("--threads", type=int, help="cores to use; all by default")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(arguments)
    if options.threads is not None:
        limit_cores(options.threads)
    ours, theirs = fit_networks()
    missing, session = "", None
    try:
        session = make_session(ours, count_cores())
    except ImportError as error:
        missing = f"no ONNX Runtime: {error}"
    results = {}
    for n_rows in options.rows:
        calls = make_calls(n_rows, ours, theirs, session)
        results[n_rows] = measure(calls, options.repeat, options.seconds)
    report(results, options.markdown)
    print("\n".join(filter(None, [missing, *describe_machine()])))


if __name__ == "__main__":
    main()
