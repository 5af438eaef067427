"""Interrupts, divergence, forks, threads and global state.

Whatever can hang or kill a process runs in a process of its own with a time limit.
"""

import os

import numpy as np
import pytest
from helpers import (
    NAMES,
    data_for,
    error_of,
    estimator_of,
    ignore_convergence,
    outputs,
    partial_fit_args,
    run_python,
    snapshot,
    threading_layers,
    weights_of,
)

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0}
LAYERS = threading_layers()
FORKING = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

PREAMBLE = """
import hashlib, json, os, signal, sys, threading, time, warnings
import numpy as np
from helpers import data_for, estimator_of, make_data, weights_of
warnings.simplefilter("ignore")

def bits(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
                          ).hexdigest()

X, y = make_data("multiclass", n=1501, p=40)
def new(seed=0, name="estimator-clf", **params):
    params = {"hidden_layer_sizes": (96, 33), "max_iter": 3, **params}
    return estimator_of(name, random_state=seed, n_threads=4, **params)
def result(model):
    return bits(*weights_of(model), model.predict_proba(X))
"""

INTERRUPT = """
solver, name = sys.argv[1], sys.argv[2]
endless = {"tol": 0.0, "n_iter_no_change": 10**9, "solver": solver, "max_fun": 10**9}
endless |= {"learning_rate_init": 1e-3, "hidden_layer_sizes": (40, 21)}
X, y = data_for(name, n=1501, p=40)
def make(epochs):
    return new(name=name, max_iter=epochs, **endless)
make(2).fit(X, y)
rng = np.random.RandomState(1)
report = {"hits": 0, "before": 0, "delay": 0.0}
for repeat in range(7):
    model = make(10**7)
    moment = [0.0]
    def strike():
        moment[0] = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(rng.uniform(0.02, 0.4), strike)
    in_fit = True
    try:
        timer.start()
        model.fit(X, y)
        in_fit = False
        time.sleep(1)
    except KeyboardInterrupt:
        if in_fit:
            report["delay"] = max(report["delay"], time.perf_counter() - moment[0])
    timer.join()
    if not in_fit or not getattr(model, "n_iter_", 0):
        report["before"] += 1
        continue
    epochs = model.n_iter_
    assert all(np.isfinite(w).all() for w in weights_of(model))
    if solver != "lbfgs":
        assert len(model.loss_curve_) == epochs, (len(model.loss_curve_), epochs)
        assert model.loss_ == model.loss_curve_[-1]
        assert model.t_ == epochs * len(X)
    whole = make(epochs).fit(X, y)
    assert bits(*weights_of(whole)) == bits(*weights_of(model)), epochs
    assert bits(whole.predict(X)) == bits(model.predict(X))
    report["hits"] += 1
    if name.startswith("estimator") and solver != "lbfgs":
        model.set_params(warm_start=True, max_iter=3).fit(X, y)
        longer = make(epochs + 3).fit(X, y)
        assert bits(*weights_of(longer)) == bits(*weights_of(model)), epochs
        assert longer.loss_curve_ == model.loss_curve_
print(json.dumps(report))
"""


@pytest.mark.parametrize("name", ["classifier", "regressor", "estimator-clf"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_interrupt_keeps_the_last_whole_epoch(solver, name):
    """Every interrupted model equals, bit for bit, a fit of that many epochs."""
    report = run_python(PREAMBLE, INTERRUPT, args=(solver, name))
    assert report["hits"] >= 2
    # An interrupt waits for one epoch at most, which takes milliseconds here.
    assert report["delay"] < 2


def test_interrupt_ends_a_grid_search():
    code = """
    from sklearn.model_selection import GridSearchCV
    model = new(max_iter=10**7, tol=0.0, n_iter_no_change=10**9)
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2).fit(X, y)
    except KeyboardInterrupt:
        print(json.dumps("stopped"))
    """
    assert run_python(PREAMBLE, code) == "stopped"


# The first step makes weights of this size, and their product overflows the type.
# The activation is linear because a ReLU network can die of it with a finite loss.
HUGE_RATE = {"float32": 1e30, "float64": 1e200}


def assert_divergence_is_explained(call, *args):
    with pytest.raises(ValueError, match="non-finite") as caught:
        call(*args)
    text = str(caught.value)
    assert text.startswith("Solver produced non-finite parameter weights")
    assert "epoch" in text
    assert "learning_rate_init" in text or "learning rate" in text


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("dtype", HUGE_RATE)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_refit_that_diverges_leaves_the_model_alone(
    name, solver, dtype, early_stopping
):
    X, y = data_for(name, n=60, p=5)
    params = {**FAST, "batch_size": 10, "solver": solver, "dtype": dtype}
    params["activation"] = "identity"
    model = estimator_of(name, **params, early_stopping=early_stopping).fit(X, y)
    before, predicted = snapshot(model), outputs(model, X)
    # A million epochs would take minutes: the fit must stop in the epoch that failed.
    model.set_params(max_iter=10**6, tol=0.0, n_iter_no_change=np.inf)
    model.set_params(learning_rate_init=HUGE_RATE[dtype])
    assert_divergence_is_explained(model.fit, X, y)
    assert snapshot(model) == before
    np.testing.assert_array_equal(outputs(model, X), predicted)
    model.set_params(learning_rate_init=1e-3, max_iter=2).fit(X, y)
    assert all(np.isfinite(w).all() for w in weights_of(model))


@pytest.mark.parametrize("route", ["partial_fit", "warm_start"])
@pytest.mark.parametrize("dtype", HUGE_RATE)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_more_training_that_diverges_leaves_the_model_alone(name, solver, dtype, route):
    """One batch per epoch: it makes huge weights, which cannot be used."""
    X, y = data_for(name, n=60, p=5)
    # scikit-learn's `partial_fit` keeps the rate that a solver began with.
    params = {**FAST, "solver": "adam" if solver == "sgd" else "sgd", "dtype": dtype}
    model = estimator_of(name, **params, activation="identity")
    model.partial_fit(X, y, **partial_fit_args(name, y))
    before = snapshot(model)
    model.set_params(solver=solver, learning_rate_init=HUGE_RATE[dtype])
    model.set_params(warm_start=route == "warm_start", max_iter=10**6, tol=0.0)
    train = model.fit if route == "warm_start" else model.partial_fit
    assert_divergence_is_explained(train, X, y)
    assert snapshot(model) == before


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", NAMES)
def test_first_fit_that_diverges_leaves_no_bad_numbers(name, solver):
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(
        name, **FAST, solver=solver, learning_rate_init=1e200, dtype="float64"
    )
    error = error_of(model.fit, X * 1e250, y)
    assert error is not None
    assert "non-finite" in str(error)
    for weights in getattr(model, "coefs_", []):
        assert np.isfinite(weights).all()


@pytest.mark.parametrize("name", ["regressor", "estimator-reg"])
def test_targets_too_large_for_their_squares(name):
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(name, **FAST, dtype="float64")
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, y * 1e200)


@pytest.mark.parametrize("name", ["regressor", "estimator-reg"])
def test_poisson_refuses_negative_targets(name):
    X, _ = data_for(name, n=60, p=5)
    with pytest.raises(ValueError, match=r"y|non-finite"):
        estimator_of(name, **FAST, loss="poisson").fit(X, np.full(60, -1.0))


@pytest.mark.parametrize("name", NAMES)
def test_planted_nan_is_noticed(name):
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(name, **FAST).fit(X, y)
    model.coefs_[0][1, 1] = np.nan
    with pytest.raises(ValueError, match="non-finite"):
        model.partial_fit(X, y)


FORKS = {
    "Process": """
        import multiprocessing as mp
        context = mp.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=lambda: queue.put(work()))
        child.start()
        got = queue.get(timeout=60)
        child.join()
        """,
    "Pool": """
        import multiprocessing as mp
        with mp.get_context("fork").Pool(2) as pool:
            got = pool.map(job, range(3))[2]
        """,
    "ProcessPoolExecutor": """
        import multiprocessing as mp
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(2, mp.get_context("fork")) as pool:
            got = list(pool.map(job, range(3)))[2]
        """,
    "os.fork": """
        got = in_child(work)
        """,
    "grandchild": """
        got = in_child(lambda: in_child(work))
        """,
    "grandchild of a child that worked": """
        got = in_child(lambda: (work(), in_child(work))[1])
        """,
}

FORK_PREAMBLE = """
from helpers import force_threads
calls = force_threads()
def work():
    again = new().fit(X, y)
    other = new(seed=1, max_iter=2).partial_fit(X, y, classes=np.unique(y))
    return [result(again), bits(trained.predict_proba(X)), result(other)]
def job(_):
    return work()
def in_child(function):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(write, json.dumps(function()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with status {status}"
    return json.loads(text)
trained = new().fit(X, y)
expected = work()
assert calls["parallel"] >= 5, calls
"""


@FORKING
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("way", FORKS)
def test_work_after_a_fork(way, layer):
    end = "print(json.dumps([list(got), expected, work()]))"
    env = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    got, expected, after = run_python(
        PREAMBLE, FORK_PREAMBLE, FORKS[way], end, timeout=90, **env
    )
    assert got == expected == after


THREADS = """
from concurrent.futures import ThreadPoolExecutor
import joblib
from helpers import force_threads
from sklearn.model_selection import GridSearchCV

calls = force_threads()
names = ["estimator-clf", "classifier"]
def fit(seed):
    solver = ["sgd", "adam"][seed // 2 % 2]
    return new(seed, names[seed % 2], solver=solver).fit(X, y)
def search():
    model = new(max_iter=2, hidden_layer_sizes=(20,))
    found = GridSearchCV(model, {"alpha": [0.0, 0.1, 1.0]}, cv=2, n_jobs=4).fit(X, y)
    scores = found.cv_results_["mean_test_score"]
    return bits(scores, *weights_of(found.best_estimator_))

with ThreadPoolExecutor(8) as pool:
    together = [result(m) for m in pool.map(fit, range(8))]
alone = [result(fit(seed)) for seed in range(8)]
one = fit(0)
with ThreadPoolExecutor(8) as pool:
    shared = list(pool.map(lambda _: bits(one.predict_proba(X)), range(40)))
with joblib.parallel_config("threading"):
    threaded = search()
with joblib.parallel_config("sequential"):
    sequential = search()
print(json.dumps({
    "fits": together == alone, "different": len(set(alone)),
    "predictions": set(shared) == {bits(one.predict_proba(X))},
    "search": threaded == sequential, "parallel": calls["parallel"] >= 20,
}))
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_many_threads_give_the_bits_of_one(layer):
    env = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    report = run_python(PREAMBLE, THREADS, **env)
    assert report.pop("different") == 8
    assert set(report) == {"fits", "predictions", "search", "parallel"}
    assert all(report.values()), report


def test_worker_processes_give_the_same_bits():
    code = """
    import joblib
    model = new().fit(X, y)
    run = joblib.Parallel(n_jobs=2, max_nbytes=1000)
    parts = run(joblib.delayed(model.predict_proba)(X[i::2]) for i in range(2))
    fits = run(joblib.delayed(new().fit)(X, y) for _ in range(2))
    print(json.dumps([bits(*parts), bits(*[model.predict_proba(X[i::2])
                      for i in range(2)]), *map(result, [model, *fits])]))
    """
    parts, expected, *fits = run_python(PREAMBLE, code)
    assert parts == expected
    assert len(set(fits)) == 1


def test_global_state_is_left_alone():
    code = """
    import json, os, warnings
    import numba, numpy as np, sklearn.neural_network, threadpoolctl
    from numba.core import config
    import pandas, polars, pytest
    def state():
        pools = sorted((p["filepath"], p["num_threads"])
                       for p in threadpoolctl.threadpool_info()
                       if p["user_api"] == "blas")
        return {
            "random": repr(np.random.get_state()[1].tolist()),
            "errors": np.geterr(), "filters": repr(warnings.filters),
            "environment": dict(os.environ), "threads": numba.get_num_threads(),
            "layer": str(config.THREADING_LAYER), "blas": pools,
        }
    X = np.random.RandomState(0).standard_normal((500, 30))
    y = (X[:, 0] > 0).astype(int)
    steps = [state()]
    import fastnn
    steps.append(state())
    models = [fastnn.MLPClassifier, fastnn.MLPRegressor, fastnn.MLPEstimator]
    for threads in (None, 1, 2):
        for solver in ("adam", "sgd", "lbfgs"):
            for maker in models:
                model = maker(max_iter=300, tol=0.1, random_state=0, solver=solver,
                              n_threads=threads, hidden_layer_sizes=(30,))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model.fit(X, y)
                model.predict(X)
                steps.append(state())
    changed = [[i, key] for i, step in enumerate(steps) for key in step
               if step[key] != steps[0][key]]
    print(json.dumps(changed))
    """
    assert run_python(code) == []
