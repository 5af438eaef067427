"""scikit-learn's own searches and curves over our networks, wherever they are fitted.

Each of joblib's backends gets a process of its own, which starts its workers once.
"""

import functools
import importlib.util
import json

import numba
import pytest
from helpers import run_python

pytestmark = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="as many fits take long without a compiler"
)

TOOLS = (
    "GridSearchCV",
    "RandomizedSearchCV",
    "HalvingGridSearchCV",
    "cross_validate",
    "cross_val_predict",
    "learning_curve",
    "learning_curve, incremental",
    "validation_curve",
)

CODE = """
import hashlib, json, os, sys, threading
from contextlib import contextmanager, nullcontext
import numpy as np
from helpers import make_data, weights_of
from joblib import Parallel, delayed, parallel_config
from sklearn import model_selection as sk
from sklearn.model_selection import _search_successive_halving as sk_halving
from fastnn import MLPClassifier, MLPRegressor

# stopped by `tol`, so that there is no warning of `max_iter`
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 40, "tol": 1e9, "n_iter_no_change": 2,
         "random_state": 0, "batch_size": 20, "learning_rate_init": 0.05}
GRID = {"alpha": [1e-4, 1.0], "activation": ["relu", "tanh"]}
ALPHAS = {"param_name": "alpha", "param_range": [1e-4, 1e-2, 1.0]}
TIMES = ("fit_time", "score_time")

def told(search, X):
    columns = {k: v for k, v in search.cv_results_.items() if not k.endswith(TIMES)}
    return [*columns.values(), weights_of(search.best_estimator_), search.predict(X)]

def grid(network, X, y, **where):
    return told(sk.GridSearchCV(network, GRID, cv=3, **where).fit(X, y), X)

def drawn(network, X, y, **where):
    search = sk.RandomizedSearchCV(network, GRID, n_iter=3, cv=3, random_state=0,
                                   return_train_score=True, **where)
    return told(search.fit(X, y), X)

def halving(network, X, y, **where):
    search = sk_halving.HalvingGridSearchCV(
        network, GRID, cv=3, resource="max_iter", min_resources=5, max_resources=20,
        factor=2, **where)
    return told(search.fit(X, y), X)

def validated(network, X, y, **where):
    found = sk.cross_validate(network, X, y, cv=3, return_train_score=True,
                              return_estimator=True, **where)
    return [found["test_score"], found["train_score"],
            [weights_of(fitted) for fitted in found["estimator"]]]

def predicted(network, X, y, **where):
    return sk.cross_val_predict(network, X, y, cv=3, **where)

def curve(network, X, y, **where):
    return sk.learning_curve(network, X, y, cv=3, train_sizes=[0.4, 1.0], **where)[:3]

def incremental(network, X, y, **where):
    return curve(network, X, y, exploit_incremental_learning=True, **where)

def varied(network, X, y, **where):
    return sk.validation_curve(network, X, y, cv=3, **ALPHAS, **where)

TOOLS = dict(zip(json.loads(sys.argv[2]), [
    grid, drawn, halving, validated, predicted, curve, incremental, varied],
    strict=True))

def bits(found):
    if isinstance(found, (list, tuple)):
        return "".join(map(bits, found))
    found = np.ma.getdata(found)
    numbers = found.dtype != object
    return hashlib.sha256(
        found.tobytes() if numbers else str(found.tolist()).encode()).hexdigest()

@contextmanager
def cluster():
    from distributed import Client, LocalCluster
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made,
        Client(made),
        parallel_config(backend="dask"),
    ):
        yield

def context(backend):
    if backend == "none":
        return nullcontext()
    return cluster() if backend == "dask" else parallel_config(backend=backend)

def where_it_runs():
    return os.getpid(), threading.get_ident()

def run(backend):
    n_jobs = 1 if backend == "none" else 2
    results = {}
    with context(backend):
        seen = Parallel(n_jobs=n_jobs)(delayed(where_it_runs)() for _ in range(4))
        for kind, network in (("multiclass", MLPClassifier), ("regression",
                                                              MLPRegressor)):
            X, y = make_data(kind, n=60, p=4)
            for name, tool in TOOLS.items():
                found = tool(network(**SMALL), X, y, n_jobs=n_jobs)
                results[f"{kind}: {name}"] = hashlib.sha256(
                    bits(found).encode()).hexdigest()
    here = where_it_runs()
    same = [a in those for a, those in zip(here, zip(*seen))]
    return results, same

if __name__ == "__main__":
    print(json.dumps({name: run(name) for name in json.loads(sys.argv[1])}))
"""


@functools.cache
def results_of(*backends):
    """Return results by backend, and whether fits were in the main process, thread."""
    return run_python(CODE, args=(json.dumps(backends), json.dumps(TOOLS)), timeout=300)


def needs(module):
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"needs {module}")


@pytest.mark.parametrize(
    ("backend", "is_process", "is_thread"),
    [
        ("sequential", True, True),
        ("threading", True, False),
        ("loky", False, None),
        ("multiprocessing", False, None),
        pytest.param("dask", False, None, marks=needs("distributed")),
    ],
)
def test_results_are_the_same_wherever_networks_are_fitted(
    backend, is_process, is_thread
):
    here = results_of("none", "sequential", "threading")
    expected, _ = here["none"]
    if backend not in here:
        here = results_of(backend)
    results, (same_process, same_thread) = here[backend]
    assert same_process == is_process  # it is the backend that was asked for
    if is_thread is not None:
        assert same_thread == is_thread
    assert len(expected) == 2 * len(TOOLS)
    assert len(set(expected.values())) == len(expected)
    different = [name for name in expected if results[name] != expected[name]]
    assert not different
