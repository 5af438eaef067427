"""Networks trained together in processes of their own: signals, forks and memory."""

import json
import os
import sys
from pathlib import Path

import numba
import pytest
from helpers import run_python, threading_layers

compiled = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="sizes and times are those of compiled kernels"
)
measures = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not Path("/proc/self/clear_refs").exists(),
    reason="the peak of a process's memory is read from Linux's /proc",
)

PREAMBLE = """
import hashlib, json, os, signal, sys, threading, time, warnings
import numpy as np
from helpers import force_threads, make_data, weights_of
from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.model_selection import GridSearchCV, HalvingGridSearchCV
from fastnn.learning.population import Population, Task
warnings.simplefilter("ignore")

def bits(models):
    arrays = [a for model in models for a in weights_of(model)]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()

def strike_after(seconds):
    struck = []
    def strike():
        struck.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(seconds, strike)
    timer.start()
    return timer, struck
"""

SEARCH = """
X, y = make_data("multiclass", n=1500, p=40)
endless = {"max_iter": 10**7, "tol": 0.0, "n_iter_no_change": 10**9}
network = MLPEstimator((40, 20), random_state=0, **endless)
grid = {"learning_rate_init": [1e-3, 1e-4], "activation": ["relu", "tanh"]}
kind = {"grid": GridSearchCV, "halving": HalvingGridSearchCV}[sys.argv[1]]
options = {} if kind is GridSearchCV else {
    "resource": "max_iter", "min_resources": 10**6, "max_resources": 10**7}
search = kind(network, grid, cv=2, n_jobs=int(sys.argv[2]), **options)
timer, struck = strike_after(0.5)
try:
    search.fit(X, y)
    delay = None
except KeyboardInterrupt:
    delay = time.perf_counter() - struck[0]
timer.join()
names = [thread.name for thread in threading.enumerate()]
print(json.dumps([delay, names, hasattr(search, "cv_results_")]))
"""


@compiled
@pytest.mark.parametrize(("kind", "n_jobs"), [("grid", 2), ("halving", 1)])
def test_an_interrupt_ends_a_search(kind, n_jobs):
    delay, threads, fitted = run_python(PREAMBLE, SEARCH, args=(kind, n_jobs))
    assert delay is not None
    # A thread is asked between two calls of the kernels, which take milliseconds.
    assert delay < 2
    assert threads == ["MainThread"]
    assert not fitted


LONG = """
# A batch of all rows under batch normalisation is one call of the kernels.
X, y = make_data("multiclass", n=30000, p=200)
network = MLPEstimator((256, 256), batch_norm=True, batch_size=30000, random_state=0)
network.set_params(tol=0.0, n_iter_no_change=10**9, max_iter=1).fit(X[:100], y[:100])
network.set_params(max_iter=10**7)
grid = {"learning_rate_init": [1e-3, 1e-4], "solver": ["adam", "lbfgs"]}
delays = []
for repeat in range(4):
    search = GridSearchCV(network, grid, cv=2, n_jobs=2)
    timer, struck = strike_after(0.5 + 0.15 * repeat)
    try:
        search.fit(X, y)
    except KeyboardInterrupt:
        delays.append(time.perf_counter() - struck[0])
    timer.join()
print(json.dumps([sorted(delays), threading.active_count()]))
"""


@compiled
def test_an_interrupt_ends_a_search_within_long_epochs():
    """Every thread's kernel is told to leave off: an epoch takes seconds."""
    delays, n_alive = run_python(PREAMBLE, LONG)
    assert len(delays) == 4
    assert delays[1] < 0.2  # the best half: other programs may stop this one
    assert n_alive == 1


AGAIN = """
from fastnn import prediction
from fastnn.learning import epochs
if json.loads(sys.argv[2]):  # every call is a long one, which leaves off
    epochs._FLOPS_PER_CALL, epochs._SECONDS_PER_CALL = 1e6, 0.0
    prediction._FLOPS_PER_CALL = 1e5
X, y = make_data("multiclass", n=1500, p=40)
endless = {"max_iter": 10**7, "tol": 0.0, "n_iter_no_change": 10**9}
variants = [{}, {"solver": "sgd"}, {"dropout": 0.2, "early_stopping": True},
            {"batch_norm": True}]
rows = np.arange(0, 1500, 2)
def make(max_iter, i):
    params = {**endless, **variants[i], "max_iter": max_iter, "random_state": i}
    return MLPEstimator((30, 20), **params)
together = Population([Task(make(10**7, i), X, y, rows) for i in range(4)],
                      int(sys.argv[1]))
together.advance(1)
stops = []
for repeat in range(4):
    timer, _ = strike_after(0.05 + 0.06 * repeat)
    try:
        together.advance()
    except KeyboardInterrupt:
        stops.append([together.epochs(i) for i in range(4)])
    timer.join()
most = max(stops[-1]) + 2
together.advance(most)
mine = [together.result(i) for i in range(4)]
alone = [make(most, i).fit(X[rows], y[rows]) for i in range(4)]
same = [a.loss_curve_ == b.loss_curve_ for a, b in zip(mine, alone)]
print(json.dumps([stops, same, bits(mine) == bits(alone), threading.active_count()]))
"""


@compiled
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_after_an_interrupt_training_goes_on(n_threads, early):
    """As if there had been none: whole epochs only, and the same random numbers.

    early : bool
        Whether calls of the kernels are interrupted within, and epochs undone.
    """
    stops, curves, weights, n_alive = run_python(
        PREAMBLE, AGAIN, args=(n_threads, json.dumps(early))
    )
    assert len(stops) == 4
    assert max(stops[-1]) > max(stops[0]) > 1
    assert curves == [True] * 4
    assert weights
    assert n_alive == 1


FORK = """
X, y = make_data("multiclass", n=200)
calls = force_threads()
MLPEstimator((9,), max_iter=2, n_threads=2, random_state=0).fit(X, y)
assert calls["parallel"], calls

def search():
    grid = {"solver": ["adam", "sgd", "lbfgs"], "alpha": [0.1, 1.0]}
    network = MLPEstimator((9,), max_iter=3, random_state=0)
    together = GridSearchCV(network, grid, cv=2, n_jobs=2, refit=True).fit(X, y)
    return bits([together.best_estimator_]) + str(
        together.cv_results_["mean_test_score"].tolist())

before = search()
receive, send = os.pipe()
child = os.fork()
if not child:
    os.write(send, search().encode())
    os._exit(0)
os.close(send)
with os.fdopen(receive) as file:
    found = file.read()
status = os.waitpid(child, 0)[1]
print(json.dumps([status, found == before, search() == before]))
"""


@compiled
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("layer", threading_layers())
def test_a_search_with_each_layer_and_after_a_fork(layer):
    found = run_python(PREAMBLE, FORK, NUMBA_THREADING_LAYER=layer)
    assert found == [0, True, True]


# 40 networks, of which two at a time are trained. Each has its targets at their rows
# and, as classes or numbers, in the order of X; the orders of its own rows, given and
# drawn. Code and Python's memory are warmed up by a small population.
MEMORY = """
import ctypes
from pathlib import Path
n, d = json.loads(sys.argv[1])
path = sys.argv[2]

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    found = [line for line in lines if line.startswith(field + ":")]
    return 1024 * int(found[0].split()[1])

rng = np.random.default_rng(0)
X = rng.standard_normal((n, d), dtype=np.float32)
np.save(path, X)
X = np.load(path, mmap_mode="r")
assert np.isfinite(X.sum())
y = rng.standard_normal(n, dtype=np.float32)
folds = [np.flatnonzero(np.arange(n) % 5 != k) for k in range(5)]

def train(X, y, folds):
    tasks = [
        Task(MLPRegressor((4,), max_iter=1, batch_size=1000, random_state=seed,
                          solver=solver), X, y, fold)
        for fold in folds for seed in range(4) for solver in ("sgd", "adam")
    ]
    together = Population(tasks, 2)
    together.advance()
    assert [together.epochs(i) for i in range(40)] == [1] * 40

train(X[:5000], y[:5000], [fold[fold < 5000] for fold in folds])
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
train(X, y, folds)
print(json.dumps([status("VmHWM") - before, X.nbytes]))
"""

# Numbers of 4 bytes in a row, for a network: encoded targets at their rows and y at
# them (2), y and encoded targets of the fold (2 · 0.8), two orders of the fold in
# int64 (4 · 0.8).
PER_ROW = 4 * (2 + 2 * 0.8 + 4 * 0.8)
FIXED_BYTES = 2_000_000  # as in test_memory: a large page where a small one would do


@compiled
@measures
def test_many_networks_take_little_memory(tmp_path):
    shape = (100_000, 100)
    args = (json.dumps(shape), tmp_path / "X.npy")
    added, size = run_python(PREAMBLE, MEMORY, args=args)
    assert size == 4 * shape[0] * shape[1]
    assert 2 * PER_ROW * shape[0] < 0.15 * size  # what two at a time should take
    assert added < 0.15 * size + 2 * FIXED_BYTES, added / size
