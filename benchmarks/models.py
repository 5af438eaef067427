"""Estimators for the asv benchmarks, by library name."""

import warnings
from functools import cache, lru_cache

import numba
import numpy as np

from fastnn.compilation import compile_parallel

from .workloads import WORKLOADS, make_data

LIBRARIES = ("fastnn", "sklearn")


def find_class(library, task):
    """Return the estimator class.

    Parameters
    ----------
    library : {"fastnn", "sklearn"}
        Where it comes from.
    task : {"classification", "regression"}
        Classifier or regressor.
    """
    if library == "fastnn":
        import fastnn as module
    else:
        from sklearn import neural_network as module
    return getattr(module, "MLPRegressor" if task == "regression" else "MLPClassifier")


def make_model(library, workload, epochs):
    """Return an unfitted estimator that trains for exactly `epochs` epochs."""
    params = workload.estimator_params(epochs)
    if library == "fastnn":
        params["dtype"] = "float32"
    return find_class(library, workload.task)(**params)


@lru_cache(maxsize=2)
def load(library, name):
    """Return the data of a workload: float32 for fastnn, float64 for sklearn."""
    X, y = make_data(WORKLOADS[name])
    if library == "fastnn":
        return X, y
    return X.astype(np.float64), y if y.dtype.kind == "i" else y.astype(np.float64)


@cache
def warm_up(library, name):
    """Compile, once in a process, what a fit of this workload uses.

    The warm-up's arrays have the types, layouts and options of the timed ones,
    on the fewest rows that make a full batch and a remainder.
    """
    workload = WORKLOADS[name]
    X, y = load(library, name)
    if library == "fastnn":
        compile_twins("float32")
    rows = min(workload.n_samples, workload.batch + workload.batch // 2)
    fit_quietly(make_model(library, workload, 1), X[:rows], y[:rows])


@cache
def compile_twins(dtype):
    """Compile the loops that share work among threads, and start the threads.

    A fit does both when it has worked for a while, in the middle of a timed one.
    """
    compile_parallel(dtype)
    numba.get_num_threads()


def fit_quietly(model, X, y):
    """Fit without the warning that the last epoch was reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)
