"""Threads, caches and settings of Numba that need a process of their own.

`docs/reliability_traps.md` lists what is known to go wrong there.
"""

import os
import sys
import warnings

import numpy as np
import pytest
from fastnn.kernels import _host
from helpers import (
    estimator_of,
    ignore_convergence,
    make_data,
    run_python,
    threading_layers,
)
from sklearn.exceptions import ConvergenceWarning

pytestmark = [
    ignore_convergence,
    pytest.mark.skipif(_host.JIT_DISABLED, reason="nothing is compiled"),
]

LAYERS = threading_layers()

PREAMBLE = """
import hashlib, json, os, signal, sys, threading, time, warnings
import numpy as np
import numba
from helpers import data_for, estimator_of, make_data, weights_of
warnings.simplefilter("ignore")

def bits(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
                          ).hexdigest()

X, y = make_data("multiclass", n=301, p=20)
def new(**params):
    params = {"hidden_layer_sizes": (24,), "max_iter": 3, "random_state": 0, **params}
    return estimator_of("estimator-clf", **params)
def result(**params):
    model = new(**params).fit(X, y)
    return bits(*weights_of(model), model.predict_proba(X))
def started():
    try:
        return numba.threading_layer()
    except ValueError:
        return None
def hits_and_misses():
    from fastnn import compilation
    made = [k for unit in compilation.units().values() for k in unit._compiled.values()]
    return [sum(sum(getattr(k.stats, name).values()) for k in made)
            for name in ("cache_hits", "cache_misses")]
"""


def test_a_small_fit_leaves_openmp_alone():
    """Numba #9387: to start its threads is to set OpenMP's number for the process."""
    code = """
    import threadpoolctl
    def pools():
        return sorted((p["filepath"], p["num_threads"])
                      for p in threadpoolctl.threadpool_info())
    with threadpoolctl.threadpool_limits(1, "openmp"):
        before = pools()
        for name in ("classifier", "estimator-reg"):
            X, y = data_for(name)
            for solver in ("adam", "lbfgs"):
                model = estimator_of(name, solver=solver, max_iter=20).fit(X, y)
                model.predict(X)
        after = pools()
    layers = [started()]
    from helpers import force_threads
    force_threads()
    new(n_threads=2).fit(X, np.arange(len(X)) % 2)
    layers.append(started())
    print(json.dumps([before == after, len(before), layers]))
    """
    env = {"NUMBA_NUM_THREADS": "2"}
    same, n_pools, layers = run_python(PREAMBLE, code, **env)
    assert same
    assert n_pools > 0
    assert layers[0] is None
    assert layers[1] is not None  # and this is how it shows


def test_the_number_of_threads_is_put_back():
    """It belongs to the calling thread, and an exception must not leave it changed."""
    code = """
    from helpers import force_threads
    from fastnn import threads
    calls = force_threads()
    assert threads.can_start()
    numba.set_num_threads(3)
    seen = []
    def kernel(*arguments):
        seen.append(numba.get_num_threads())
    def fail(*arguments):
        raise MemoryError
    for wanted in (1, 2, 4, 99):
        threads.run_parallel(kernel, wanted, ())
    try:
        threads.run_parallel(fail, 2, ())
    except MemoryError:
        seen.append("raised")
    after = [numba.get_num_threads()]
    new(n_threads=4).fit(X, y).predict(X)
    after.append(numba.get_num_threads())
    def elsewhere():
        numba.set_num_threads(1)
        new(n_threads=4).fit(X, y)
        after.append(numba.get_num_threads())
    worker = threading.Thread(target=elsewhere)
    worker.start()
    worker.join()
    after.append(numba.get_num_threads())
    assert threads._one_at_a_time.acquire(blocking=False), "its lock is still held"
    print(json.dumps([seen, after, calls["parallel"] > 5]))
    """
    env = {"NUMBA_NUM_THREADS": "4", "NUMBA_THREADING_LAYER": "workqueue"}
    seen, after, used = run_python(PREAMBLE, code, **env)
    assert seen == [1, 2, 4, 4, "raised"]
    assert after == [3, 3, 1, 3]
    assert used


def test_limits_of_other_libraries_do_not_count_but_ours_do():
    """Threadpoolctl sees OpenMP, and Numba does not ask it: `n_threads` limits."""
    code = """
    import threadpoolctl
    from helpers import force_threads
    calls = force_threads()
    counts, got = [], []
    with threadpoolctl.threadpool_limits(1):
        for n_threads in (1, 2, 4):
            before = calls["parallel"]
            got.append(result(n_threads=n_threads))
            counts.append(calls["parallel"] - before)
    print(json.dumps([counts, len(set(got))]))
    """
    counts, different = run_python(PREAMBLE, code, NUMBA_NUM_THREADS="4")
    assert counts[0] == 0
    assert min(counts[1:]) > 0
    assert different == 1


QUOTA = """
import json
import numba
from fastnn import threads
print(json.dumps([numba.config.NUMBA_NUM_THREADS, threads.available(),
                  threads.count(None, 1e12), threads.count(3, 1e12)]))
"""


def test_threads_by_default_are_no_more_than_the_quota():
    """Numba counts the machine's cores, whatever a container may use of them.

    joblib reads the quota; its own variable stands for one here.
    """
    env = {"NUMBA_NUM_THREADS": "6", "LOKY_MAX_CPU_COUNT": "1"}
    assert run_python(QUOTA, **env) == [6, 1, 1, 3]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinities here")
def test_threads_by_default_are_no_more_than_the_cores_allowed():
    limit = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert run_python(limit, QUOTA)[:3] == [1, 1, 1]


CHANGED = """
from pathlib import Path
from helpers import force_threads
from fastnn.kernels import _jit, activations
calls = force_threads()
before = result(n_threads=2)
_jit.CACHE_FOLDER = Path(sys.argv[1])
dtype = np.dtype("float32")
_jit._compile(activations.mish, dtype)
files = sorted(_jit.CACHE_FOLDER.rglob("*.nbc"))
os.environ["NUMBA_NUM_THREADS"] = "1"
said = []
for cached in (True, False):
    if not cached:
        _jit.CACHE_FOLDER = None
    try:
        _jit._compile(activations.gelu, dtype)
    except RuntimeError as error:
        said.append(str(error))
_jit.CACHE_FOLDER = Path(sys.argv[1])
report = {"said": said, "files": files == sorted(_jit.CACHE_FOLDER.rglob("*.nbc")),
          "problem": _jit.CACHE_PROBLEM, "same": result(n_threads=2) == before}
os.environ["NUMBA_NUM_THREADS"] = "2"
_jit._compile(activations.gelu, dtype)
report["parallel"] = calls["parallel"] > 0
print(json.dumps(report))
"""


def test_the_number_of_threads_changed_in_the_environment(tmp_path):
    """Any library can do that, and Numba then refuses to compile anything."""
    report = run_python(PREAMBLE, CHANGED, args=(tmp_path,), NUMBA_NUM_THREADS="2")
    first, second = report.pop("said")
    assert first == second
    assert "NUMBA_NUM_THREADS was changed" in first
    assert "Set it back" in first
    assert "n_threads" in first
    assert report == {"files": True, "problem": None, "same": True, "parallel": True}


def test_code_compiled_for_other_threads_and_another_layer():
    """Numba #7518: what one number of threads had cached crashed with another."""
    code = """
    from helpers import force_threads
    calls = force_threads()
    got = result(n_threads=4)
    print(json.dumps([got, calls["parallel"] > 1, started(), hits_and_misses()]))
    """
    found = []
    for layer, n in ((LAYERS[0], "2"), (LAYERS[-1], "4")):
        env = {"NUMBA_NUM_THREADS": n, "NUMBA_THREADING_LAYER": layer}
        found.append(run_python(PREAMBLE, code, **env))
        assert found[-1][1]
        assert found[-1][2] == layer
    assert len({got for got, *_ in found}) == 1
    hits, misses = found[-1][3]
    assert misses == 0
    assert hits > 10


CHECKED = """
import json
import numpy as np
from fastnn.kernels import _host, _jit, layout
_jit.CACHE_FOLDER = None
call = layout.PACK.call
@_jit.unit(layout.PACK)
def write(net, arena, theta, start):
    '''Write one number.'''
    arena[start] = theta[start]
@_jit.unit(layout.PACK)
def pass_on(net, arena, theta, start):
    '''Call it by its address.'''
    call(net[0], net, arena, theta, start)
dtype = np.dtype("float64")
net = np.array([write.address(dtype)], np.int64)
said = []
for unit in (write, pass_on):
    for place in (2, 3):
        try:
            said.append(unit[dtype](net, np.zeros(3), np.ones(9), place))
        except IndexError:
            said.append("IndexError")
print(json.dumps([_host.SIMD, said]))
"""


def test_bounds_checks_see_through_calls_by_address():
    """An index out of an array is an error in the caller's caller, in Python."""
    simd, said = run_python(CHECKED, NUMBA_BOUNDSCHECK="1")
    assert not simd  # vector code, which cannot be checked, has its plain twins
    assert said == [None, "IndexError"] * 2


def test_all_that_is_allocated_is_freed():
    """Numba's own count: each array that a kernel was given, and nothing else."""
    code = """
    from numba.core.runtime import rtsys
    from helpers import force_threads
    calls = force_threads()
    def work():
        for name in ("classifier", "estimator-reg"):
            X, y = data_for(name)
            for solver in ("adam", "lbfgs"):
                model = estimator_of(name, hidden_layer_sizes=(7,), max_iter=3,
                                     solver=solver, n_threads=2, batch_size=20)
                model.fit(X, y).predict(X)
    counts = []
    for _ in range(2):
        work()
        counts.append(list(rtsys.get_allocation_stats()))
    print(json.dumps([counts, calls["parallel"]]))
    """
    env = {"NUMBA_NRT_STATS": "1", "NUMBA_NUM_THREADS": "2"}
    counts, parallel = run_python(PREAMBLE, code, **env)
    assert parallel > 0
    assert counts[0][0] > 0
    for alloc, free, mi_alloc, mi_free in counts:
        assert alloc == free
        assert mi_alloc == mi_free
        assert alloc == mi_alloc  # records of arrays; no array itself


def test_other_settings_of_the_compiler_have_another_folder():
    """As variables of the environment, which is how they are set."""
    code = """
    import json, os, sys
    import numba
    from fastnn.kernels import _cache
    keys = [_cache._key()]
    for name in sys.argv[1:]:
        os.environ[name] = "0" if name.endswith("VECTORIZE") else "1"
        if name == "NUMBA_SLP_VECTORIZE":
            os.environ[name] = "1"
        numba.core.config.reload_config()
        keys.append(_cache._key())
        del os.environ[name]
        numba.core.config.reload_config()
        assert _cache._key() == keys[0], name
    print(json.dumps(keys))
    """
    settings = ("BOUNDSCHECK", "OPT", "DEBUGINFO", "LOOP_VECTORIZE", "SLP_VECTORIZE")
    names = [f"NUMBA_{name}" for name in settings]
    keys = run_python(code, args=names)
    assert len(set(keys)) == len(settings) + 1


def fitted_outputs():
    """Return the predictions of a small fit in float64."""
    X, y = make_data("regression", n=60, p=9)
    model = estimator_of(
        "regressor", hidden_layer_sizes=(7,), max_iter=5, activation="tanh",
        random_state=0, batch_size=16,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y).predict(X).tolist()


@pytest.mark.skipif(sys.platform == "win32", reason="compiles for minutes there")
def test_another_width_of_vectors_has_the_same_numbers_but_for_rounding():
    """As on another processor: sums are grouped otherwise, and no more differs."""
    code = """
    import json
    import fastnn
    from fastnn.kernels import _host
    from test_traps_processes import fitted_outputs
    print(json.dumps([_host.VECTOR_BYTES, fitted_outputs()]))
    """
    here = fitted_outputs()
    other = "16" if _host.VECTOR_BYTES != 16 else "32"
    width, there = run_python(code, FASTNN_VECTOR_BYTES=other)
    assert str(width) == other
    np.testing.assert_allclose(there, here, rtol=1e-10, atol=1e-12)
