"""Time of training, one workload and one library at a time.

The libraries are a parameter, so that asv can draw one over the other; for ratios
that were measured side by side there is `python -m benchmarks.peers`, which also
says what exactly each of them does. Compilation, first weights of the frameworks'
networks and the choice of their threads come before the clock starts.
"""

import time
import warnings
from functools import lru_cache

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from . import contenders
from .machine import count_cores
from .models import LIBRARIES as ESTIMATORS
from .models import compile_twins, load, make_model
from .workloads import LARGE, SMALL, WORKLOADS

LIBRARIES = ("fastnn", "sklearn", "torch", "jax")


@lru_cache(maxsize=1)
def _prepare(name, library):
    """Return a contender that has trained for an epoch; made once in a process."""
    try:
        contenders.probe(library)
    except ImportError as error:
        raise NotImplementedError(f"{library} is not installed") from error
    # For good: asv has a process for each benchmark, and filters are not to be timed.
    warnings.simplefilter("ignore", ConvergenceWarning)
    if library == "fastnn":
        compile_twins("float32")
    contender = contenders.build(library, WORKLOADS[name], count_cores())
    contender.run(1)
    contender.tune(lambda: _clock(contender, 1))
    return contender


def _clock(contender, epochs):
    contender.reset()
    start = time.perf_counter()
    contender.run(epochs)
    return time.perf_counter() - start


class _Fit:
    param_names = ("workload", "library")
    timeout = 300
    number = 1

    def setup(self, name, library):
        self.epochs = WORKLOADS[name].epochs
        self.contender = _prepare(name, library)
        self.contender.reset()

    def time_fit(self, name, library):
        self.contender.run(self.epochs)


class FitSmall(_Fit):
    """Networks in which a batch takes microseconds."""

    params = (SMALL, LIBRARIES)

    def track_us_per_batch(self, name, library):
        """Return the best of five fits, by its mini-batches."""
        best = min(_clock(self.contender, self.epochs) for _ in range(5))
        return 1e6 * best / (self.epochs * WORKLOADS[name].batches)

    track_us_per_batch.unit = "us"


class FitLarge(_Fit):
    """Networks whose matrix products decide."""

    params = (LARGE, LIBRARIES)
    repeat = (2, 5, 20.0)


class PartialFit:
    """Calls of `partial_fit` with one row or a hundred: a stream's cost per call."""

    param_names = ("rows", "library")
    params = ((1, 100), ESTIMATORS)

    def setup(self, rows, library):
        """Make the first call, which compiles and draws the weights."""
        X, y = load(library, "digits")
        self.part = X[:rows], y[:rows]
        self.model = make_model(library, WORKLOADS["digits"], 1)
        self.model.set_params(batch_size="auto")  # a larger one is warned of
        self.model.partial_fit(*self.part, classes=np.unique(y))

    def time_partial_fit(self, rows, library):
        """Validate the rows, train for an epoch over them, and publish."""
        self.model.partial_fit(*self.part)


class Clone:
    """What searches do before each fit."""

    param_names = ("library",)
    params = (ESTIMATORS,)

    def setup(self, library):
        """Make an estimator."""
        self.model = make_model(library, WORKLOADS["digits"], 1)

    def time_clone(self, library):
        """Read the parameters, make an estimator of them, and compare."""
        clone(self.model)
