"""Compiling the training loop before anything is timed."""

from __future__ import annotations

import itertools
import time
import warnings
from typing import Any

import numpy as np
from sklearn.base import clone

from fastnn.cli.report import print_pair
from fastnn.compilation import compile_parallel

# A tiny network, one whose gradients are summed by shares of rows, and one of more
# weights than that: each is trained by other code.
HIDDEN_LAYERS = [(4,), (128,), (512, 512)]
BATCH = 200


def warm_up(network: Any, settings: list[dict], n_classes: int) -> float:
    """Fit networks for one epoch, so that later fits find all code compiled.

    Parameters
    ----------
    network : MLPClassifier or MLPRegressor
        What will be fitted later; stays as it is.
    settings : list of dict
        Parameters that lead to different code.
    n_classes : int
        Number of classes, 0 for a regression.

    Returns
    -------
    float
        Seconds of wall time.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((max(2 * BATCH, 20 * n_classes), 4))
    y = np.arange(len(X)) % n_classes if n_classes else X[:, 0]
    start = time.perf_counter()
    for words, sizes in itertools.product(settings, HIDDEN_LAYERS):
        tried = clone(network).set_params(
            **{"hidden_layer_sizes": sizes, "max_iter": 1, "batch_size": BATCH, **words}
        )
        with warnings.catch_warnings():
            # One epoch never converges.
            warnings.simplefilter("ignore")
            tried.fit(X, y).predict(X)
    compile_parallel(tried.coefs_[0].dtype)
    return time.perf_counter() - start


def print_warm_up(seconds: float) -> None:
    """Print what the compilation took."""
    print_pair("compile (once per machine)", f"{seconds:.2f} s")
