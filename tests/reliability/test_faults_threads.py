"""Many threads at once: a first call, other schedulers, one object, missing layers."""

import json
import os
import sys

import numba
import pytest
from helpers import run_python, threading_layers

LAYERS = threading_layers()

PREAMBLE = """
import hashlib, json, sys, threading, warnings
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from helpers import estimator_of, force_threads, make_data, weights_of
warnings.simplefilter("ignore")
X, y = make_data("multiclass", n=401, p=20)
def new(seed=0, name="estimator-clf", **params):
    params = {"hidden_layer_sizes": (31, 9), "max_iter": 3, "n_threads": 2, **params}
    return estimator_of(name, random_state=seed, **params)
def result(model):
    arrays = [*weights_of(model), model.predict_proba(X)]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()
"""


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_the_first_fits_of_a_process_from_eight_threads(tmp_path):
    """All need kernels that are not there yet; each is compiled once."""
    code = """
    from fastnn import compilation
    from fastnn.kernels import _jit
    made, original = [], _jit._compile
    def counted(unit, dtype):
        made.append([unit.__name__, unit.function.__module__, dtype.name])
        return original(unit, dtype)
    _jit._compile = counted
    meeting = threading.Barrier(8)
    def fit(seed):
        meeting.wait()
        return result(new(seed, n_threads=1).fit(X, y))
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(fit, range(8)))
    alone = [result(new(seed, n_threads=1).fit(X, y)) for seed in range(8)]
    print(json.dumps([together == alone, len(set(alone)), made]))
    """
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    same, different, made = run_python(PREAMBLE, code, **env)
    assert same
    assert different == 8
    assert len(made) > 10
    assert len(set(map(tuple, made))) == len(made)


@pytest.mark.parametrize("layer", LAYERS)
def test_dask_s_threads_give_the_same_bits(layer):
    pytest.importorskip("dask")
    code = """
    import dask
    calls = force_threads()
    jobs = [dask.delayed(lambda seed: result(new(seed).fit(X, y)))(s) for s in range(6)]
    together = dask.compute(*jobs, scheduler="threads", num_workers=4)
    alone = [result(new(seed).fit(X, y)) for seed in range(6)]
    print(json.dumps([list(together) == alone, len(set(alone)), calls["parallel"]]))
    """
    env = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    same, different, parallel = run_python(PREAMBLE, code, **env)
    assert same
    assert different == 6
    assert parallel > 6


# A network that is fitted while others predict with it has weights on the way from one
# model to the next: results are undefined then, the process and the end are not.
ONE_OBJECT = """
import copy, io, pickle
calls = force_threads()
a, b = y, (y + 1) % 4
model = new(max_iter=5)
expected = result(model.fit(X, a)), result(model.fit(X, b))
stop, found, errors = threading.Event(), set(), set()
def predict():
    while not stop.is_set():
        try:
            found.add(model.predict_proba(X[:7]).shape)
        except Exception as error:
            errors.add(type(error).__name__)
def copy_it():
    while not stop.is_set():
        for way in (copy.deepcopy, pickle.dumps, lambda m: m.save(io.BytesIO())):
            try:
                way(model)
            except Exception as error:
                errors.add(type(error).__name__)
readers = [threading.Thread(target=work) for work in [predict] * 4 + [copy_it]]
for thread in readers:
    thread.start()
after = [result(model.fit(X, labels)) for _ in range(15) for labels in (a, b)]
stop.set()
for thread in readers:
    thread.join()
def refit(labels):
    try:
        model.fit(X, labels)
    except Exception as error:
        errors.add(type(error).__name__)
with ThreadPoolExecutor(4) as pool:
    list(pool.map(refit, [a, b] * 10))
last = result(model.fit(X, b))
print(json.dumps([after == list(expected) * 15, last == expected[1], sorted(errors),
                  [list(shape) for shape in found], calls["parallel"]]))
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_fits_and_predictions_with_one_object(layer):
    """No crash and no hang; once the fit is over, all is as if there had been one."""
    env = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    fits, last, errors, shapes, parallel = run_python(PREAMBLE, ONE_OBJECT, **env)
    assert fits
    assert last
    assert set(errors) <= {"NotFittedError", "AttributeError", "KeyError", "ValueError"}
    assert shapes == [[7, 4]]
    assert parallel > 10


SWAP = """
from sklearn.base import clone
calls = force_threads()
models = [new(max_iter=5).fit(X, y), None]
rows = X[:7]
allowed = set()
def digest(model):
    return hashlib.sha256(model.predict_proba(rows).tobytes()).hexdigest()
served = {"model": models[0]}
stop, found = threading.Event(), []
def predict():
    while not stop.is_set():
        found.append(digest(served["model"]))
readers = [threading.Thread(target=predict) for _ in range(4)]
for thread in readers:
    thread.start()
for seed in range(1, 9):
    fresh = clone(served["model"]).set_params(random_state=seed).fit(X, y)
    allowed.add(digest(fresh))
    served["model"] = fresh
stop.set()
for thread in readers:
    thread.join()
allowed.add(digest(models[0]))
print(json.dumps([set(found) <= allowed, len(set(found)), len(allowed)]))
"""


def test_a_served_model_is_replaced_by_a_clone():
    """What the page on reliability recommends: every answer is a whole model's."""
    whole, seen, models = run_python(PREAMBLE, SWAP)
    assert whole
    assert models == 9
    assert 2 <= seen <= 9


MISSING = {
    "no OpenMP, no TBB": ("default", ["omppool", "tbbpool"], "workqueue"),
    "OpenMP asked for": ("omp", ["omppool"], None),
    "TBB asked for": ("tbb", ["tbbpool"], None),
    "none at all": ("default", ["omppool", "tbbpool", "workqueue"], None),
}


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="no layer is loaded")
@pytest.mark.parametrize("case", MISSING)
def test_threading_layers_that_are_missing(case):
    """The same bits, from threads or without; several threads at once, too."""
    asked, missing, used = MISSING[case]
    code = """
    for name in json.loads(sys.argv[1]):
        sys.modules["numba.np.ufunc." + name] = None  # importing it fails
    import numba
    expected = [result(new(seed, n_threads=1).fit(X, y)) for seed in range(4)]
    calls = force_threads()
    alone = [result(new(seed).fit(X, y)) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda s: result(new(s).fit(X, y)), range(4)))
    try:
        layer = numba.threading_layer()
    except ValueError:
        layer = None
    print(json.dumps([alone == expected == together, layer, calls["parallel"] > 0]))
    """
    same, layer, parallel = run_python(
        PREAMBLE,
        code,
        args=(json.dumps(missing),),
        NUMBA_THREADING_LAYER=asked,
        NUMBA_NUM_THREADS="2",
    )
    assert same
    assert layer == used
    assert parallel == (used is not None)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork, other workers")
def test_workers_share_the_cores():
    """Each of two worker processes uses its share; limits from outside are heeded."""
    code = """
    import os, joblib
    from fastnn import threads
    cores = threads.available()
    def inside():
        from fastnn import threads
        return threads.available(), threads.count(None, 1e12), threads.count(64, 1e12)
    workers = joblib.Parallel(n_jobs=2)(joblib.delayed(inside)() for _ in range(4))
    print(json.dumps([cores, workers]))
    """
    cores, workers = run_python("import json", code)
    share = max(1, cores // 2)
    assert workers == [[share, share, share]] * 4
    one = """
    from fastnn import threads
    print(json.dumps([threads.available(), threads.count(None, 1e12)]))
    """
    assert run_python("import json", one, LOKY_MAX_CPU_COUNT="1") == [1, 1]
    assert run_python("import json", one, NUMBA_NUM_THREADS="1") == [1, 1]
    pinned = """
    import json, os
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    """
    if hasattr(os, "sched_setaffinity"):
        assert run_python(pinned, one) == [1, 1]


FORKS = """
    import json, os, threading, time, warnings
    from helpers import make_data
    from fastnn import Activation, MLPRegressor
    warnings.simplefilter("ignore")
    X, y = make_data("regression", n=60)
    def scaled(factor):
        return Activation(lambda z: factor * z, lambda z: factor, name="scaled")
    def learn(factor):
        net = MLPRegressor((3,), activation=scaled(factor), max_iter=1, random_state=0)
        return float(net.fit(X, y).predict(X[:1])[0])
    expected, stop = learn(0.5), threading.Event()
    def compile_on():
        factor = 1.0
        while not stop.is_set():
            factor += 1
            scaled(factor)
    compiler = threading.Thread(target=compile_on)
    compiler.start()
    statuses = []
    for i in range(6):
        time.sleep(0.05 * i)  # somewhere in the middle
        child = os.fork()
        if not child:
            learn(-1.0)  # compiled in the child
            os._exit(0 if learn(0.5) == expected else 3)
        _, status = os.waitpid(child, 0)
        statuses.append(os.waitstatus_to_exitcode(status))
    stop.set()
    compiler.join()
    print(json.dumps(statuses))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.skipif(sys.platform == "darwin", reason="numpy's BLAS forbids forks")
def test_forks_while_another_thread_compiles():
    """The child has no other threads: their locks would be held for good."""
    assert run_python(FORKS, timeout=150) == [0] * 6


# The thread is none that Python lists, as those of OpenMP; C code works in it without
# the GIL, and the fork comes meanwhile.
ENDING = """
    import _thread, hashlib, json, os
    from fastnn.kernels import _forks
    _forks._LONGEST_WAIT = 60  # seconds; the machine may be busy
    def work(started, ended):
        started.release()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 20_000)  # some milliseconds
        ended.append(1)
    statuses = []
    for _ in range(5):
        started, ended = _thread.allocate_lock(), []
        started.acquire()
        _thread.start_new_thread(work, (started, ended))
        started.acquire()
        child = os.fork()
        if not child:
            os._exit(0 if ended else 3)
        _, status = os.waitpid(child, 0)
        statuses.append(os.waitstatus_to_exitcode(status))
    print(json.dumps(statuses))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are not seen")
def test_a_fork_waits_for_threads_that_are_about_to_end():
    """They hold a lock of the C runtime as they end, and a child would wait for it."""
    assert run_python(ENDING, timeout=150) == [0] * 5
