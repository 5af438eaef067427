"""How much a process grows while it fits and predicts again and again.

Used in processes of their own, by `test_growth.py` on a small scale and by `soak.py
--memory` on a large one.
"""

import ctypes
import gc
import threading
import warnings
from pathlib import Path

import numpy as np
from helpers import force_threads, make_data
from numba.core.runtime import _nrt_python, rtsys
from sklearn.base import clone

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.model_selection import GridSearchCV

X, LABELS = make_data("multiclass", n=60, p=5)
NUMBERS = make_data("regression", n=60, p=5)[1]
SINGLE = X.astype(np.float32)
FITS_PER_SEARCH = 7  # three candidates on two folds, and the last one on all rows
PREDICTIONS_PER_THREAD = 10
_nrt_python.memsys_enable_stats()  # from here on, or there is nothing to compare


def resident():
    """Return the process's resident memory in bytes, free memory given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * ctypes.CDLL(None).getpagesize()


def unreturned():
    """Return what Numba's runtime has allocated and not freed: blocks, and records."""
    gc.collect()
    now = rtsys.get_allocation_stats()
    return [now.alloc - now.free, now.mi_alloc - now.mi_free]


def classify(i):
    MLPClassifier((8,), max_iter=2, random_state=i, n_threads=1).fit(X, LABELS)


def stop_early(i):
    options = {"early_stopping": True, "max_iter": 3, "solver": "sgd"}
    MLPRegressor((8,), **options, random_state=i).fit(X, NUMBERS)


def use_options(i):
    options = {"dropout": 0.2, "batch_norm": True, "input_noise": 0.1, "l1_ratio": 0.5}
    options |= {"learning_rate": "cosine", "ema_decay": 0.9}
    net = MLPEstimator((8, 8), **options, max_iter=2, random_state=i)
    net.fit(X, LABELS).partial_fit(X, LABELS)


def other_shapes(i):
    """Fit networks of ever other shapes: whatever is kept per shape has a limit."""
    width = 1 + i % 97
    net = MLPEstimator((width, 1 + i % 89), max_iter=1, random_state=i)
    net.fit(X[:, : 1 + i % 5], LABELS).predict(X[: 1 + i % 60, : 1 + i % 5])


def fit_by_lbfgs(i):
    MLPRegressor((8,), solver="lbfgs", max_iter=3, random_state=i).fit(X, NUMBERS)


def clone_and_fit(i, model=MLPClassifier((8,), max_iter=2)):  # noqa: B008
    clone(model).set_params(random_state=i).fit(X, LABELS)


def fail(i):
    """Fit what diverges or is refused: tracebacks hold on to what they show."""
    params = [{"learning_rate_init": 1e30, "batch_size": 10}, {"alpha": -1.0}][i % 2]
    net = MLPEstimator((8,), activation="identity", **params, max_iter=5)
    try:
        net.fit(X, LABELS)
    except ValueError:
        return
    raise AssertionError("this fit was to fail")


def search(i):
    """Search once per FITS_PER_SEARCH fits."""
    if i % FITS_PER_SEARCH == 0:
        net = MLPEstimator((4,), max_iter=2, random_state=i)
        GridSearchCV(net, {"alpha": [0.0, 0.1, 1.0]}, cv=2).fit(X, LABELS)


class Predict:
    """Predict with one fitted model, any number of rows."""

    def __init__(self):
        self.model = MLPEstimator((16,), max_iter=2, random_state=0).fit(X, LABELS)

    def __call__(self, i):
        self.model.predict_proba(SINGLE[: 1 + i % 60])


class PredictOnThreads(Predict):
    """The same on threads that live for some predictions only."""

    def __call__(self, i):
        if i % PREDICTIONS_PER_THREAD:
            return
        thread = threading.Thread(target=self.some, args=(i,))
        thread.start()
        thread.join()

    def some(self, start):
        for i in range(start, start + PREDICTIONS_PER_THREAD):
            super().__call__(i)


FITS = {
    "classifier": classify,
    "early stopping": stop_early,
    "many options": use_options,
    "other shapes": other_shapes,
    "lbfgs": fit_by_lbfgs,
    "failures": fail,
    "searches": search,
}
PREDICTIONS = {"predictions": Predict, "predictions on threads": PredictOnThreads}


def repeat(work, n):
    for i in range(n):
        work(i)


def growth_of(work, n, n_first):
    """Return growth in bytes, and of Numba's blocks, over n calls after some others."""
    repeat(work, n_first)
    blocks, before = unreturned(), resident()
    repeat(work, n)
    grown = [b - a for a, b in zip(blocks, unreturned(), strict=True)]
    return resident() - before, grown


def measure(n_fits, n_predictions, n_clones, n_parallel, first_share):
    """Return the growth of each kind of work, and how often threads were used.

    n_fits, n_predictions : of all kinds together
    n_parallel : fits, and as many predictions, with threads
    first_share : calls before the first look, as a share of those after it
    """
    warnings.simplefilter("ignore")
    kinds = {name: (work, n_fits // len(FITS)) for name, work in FITS.items()}
    kinds["clone"] = clone_and_fit, n_clones
    for name, make in PREDICTIONS.items():
        kinds[name] = make(), n_predictions // len(PREDICTIONS)

    def grow(work, n):
        return growth_of(work, n, int(first_share * n))

    found = {name: grow(*kind) for name, kind in kinds.items()}
    calls = force_threads()
    found["parallel fits"] = grow(use_options, n_parallel)
    found["parallel predictions"] = grow(Predict(), n_parallel)
    allocated = rtsys.get_allocation_stats().alloc
    return {"growth": found, "parallel": calls["parallel"], "allocated": allocated}
