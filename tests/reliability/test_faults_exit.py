"""A process that ends while it trains, and fits where programs rarely make them."""

import os
import signal
import sys

import pytest
from helpers import run_python, threading_layers

LAYERS = threading_layers()

PREAMBLE = """
import atexit, hashlib, json, os, signal, sys, threading, time, warnings
import numpy as np
from helpers import estimator_of, force_threads, make_data, weights_of
warnings.simplefilter("ignore")
X, y = make_data("multiclass", n=401, p=20)
def new(**params):
    params = {"hidden_layer_sizes": (31, 9), "max_iter": 3, "n_threads": 2, **params}
    return estimator_of("estimator-clf", random_state=0, **params)
def result(model):
    arrays = [*weights_of(model), model.predict_proba(X)]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()
calls = force_threads()
expected = result(new().fit(X, y))
assert calls["parallel"] or sys.argv[1:] == ["one"]
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_the_process_ends_while_a_thread_trains(layer):
    """In a daemon thread, which Python leaves behind wherever it is."""
    code = """
    started = threading.Event()
    def train():
        for seed in range(10**9):
            new(max_iter=20, n_threads=seed % 2 + 1).fit(X, y)
            started.set()
    for _ in range(2):
        threading.Thread(target=train, daemon=True).start()
    assert started.wait(60)
    time.sleep(0.05)
    print(json.dumps("ended"))
    """
    assert run_python(PREAMBLE, code, NUMBA_THREADING_LAYER=layer) == "ended"


def test_the_process_ends_while_a_thread_compiles(tmp_path):
    """As far as a fit's first kernels, from an empty cache."""
    code = """
    from fastnn.kernels import _jit
    import fastnn
    X = np.ones((8, 2))
    model = fastnn.MLPRegressor((2,), max_iter=1)
    threading.Thread(target=model.fit, args=(X, X[:, 0]), daemon=True).start()
    began = time.monotonic()
    while not list(_jit.CACHE_FOLDER.rglob("*.nbc")):
        assert time.monotonic() < began + 60
        time.sleep(0.01)
    print(json.dumps(hasattr(model, "loss_")))
    """
    imports = PREAMBLE[: PREAMBLE.index("X, y")]
    assert run_python(imports, code, NUMBA_CACHE_DIR=str(tmp_path)) is False


@pytest.mark.parametrize("layer", LAYERS)
def test_a_fit_when_the_process_ends(layer):
    """Registered with atexit; also a type whose kernels are not loaded yet."""
    code = """
    def last():
        again = result(new().fit(X, y)) == expected
        other = new(dtype="float64").fit(X, y).predict_proba(X)
        print(json.dumps([again, bool(np.isfinite(other).all())]))
    atexit.register(last)
    """
    found = run_python(PREAMBLE, code, NUMBA_THREADING_LAYER=layer)
    assert found == [True, True]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of POSIX")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_fit_in_a_signal_handler(layer):
    """It interrupts fits and predictions, and neither notices the other."""
    code = """
    within, depth = [], []
    def handler(number, frame):
        if depth:
            return
        depth.append(1)
        within.append(result(new().fit(X, y)))
        depth.pop()
    signal.signal(signal.SIGALRM, handler)
    long = new(max_iter=150, tol=0.0, n_iter_no_change=10**6)
    before = result(long.fit(X, y))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.02)
    after = []
    while len(within) <= 2 and len(after) < 1000:
        after.append(result(long.fit(X, y)))
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(json.dumps([len(within) > 2, set(within) == {expected},
                      set(after) == {before}]))
    """
    found = run_python(PREAMBLE, code, NUMBA_THREADING_LAYER=layer)
    assert found == [True, True, True]


MEMORY = """
import resource
def limit(extra):
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, resource.RLIM_INFINITY))
def fails(call, *arguments):
    try:
        call(*arguments)
    except MemoryError as error:
        return bool(str(error)) or type(error).__name__
    return "no error"
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_a_process_that_may_not_have_more_memory():
    """MemoryError, wherever it comes up; the model is as it was, and goes on."""
    code = """
    X, y = X.astype(np.float32), y
    big = np.zeros((60_000, 20), np.float32)
    labels = np.arange(60_000) % 2000
    models = {name: estimator_of(name, hidden_layer_sizes=(31, 9), max_iter=3,
                                 random_state=0, n_threads=1, dtype="float32")
              for name in ("classifier", "estimator-clf")}
    found = {}
    for name, model in models.items():
        model.fit(X, y).partial_fit(X, y)
        model.fit(X, y)
    wide = new(n_threads=1, max_iter=1, hidden_layer_sizes=(9,)).fit(
        big[:2000], labels[:2000])
    wide.predict_proba(big[:5])
    limit(60 << 20)
    for name, model in models.items():
        before = result(model)
        state = sorted(vars(model))
        model.set_params(hidden_layer_sizes=(3000, 3000))
        got = [fails(model.fit, X, y), sorted(vars(model)) == state]
        model.set_params(hidden_layer_sizes=(31, 9))
        got += [result(model) == before]
        model.partial_fit(X, y)
        got += [result(model.fit(X, y)) == before]
        found[name] = got
    before = weights_of(wide)
    found["prediction"] = [fails(wide.predict_proba, big), fails(wide.predict, big)]
    same = all((a == b).all() for a, b in zip(before, weights_of(wide)))
    small = wide.predict_proba(big[:5]).shape == (5, 2000)
    print(json.dumps([found, bool(same), small]))
    """
    found, same, small = run_python(PREAMBLE, MEMORY, code, args=("one",))
    assert found.pop("prediction") == [True, True]
    assert len(found) == 2
    for name, got in found.items():
        assert got == [True, True, True, True], name
    assert same
    assert small


def test_a_finaliser_that_loads_kernels_as_the_process_ends():
    """Of garbage in a circle: Python still starts threads, but none of them runs."""
    code = """
    class Last:
        def __del__(self):
            model = MLPRegressor((3,), max_iter=1, random_state=0).fit(X, X[:, 0])
            print(json.dumps([sys.is_finalizing(), len(model.predict(X))]), flush=True)
    from fastnn import MLPRegressor
    import gc
    last = Last()
    last.circle = last
    gc.collect()
    del last
    """
    ending, n = run_python(PREAMBLE, code, args=("one",), timeout=60)
    assert n == 401
    assert ending or sys.version_info >= (3, 12)
