"""Time of training; compilation is done before the clock starts."""

import time

from .models import LIBRARIES, fit_quietly, load, make_model, warm_up
from .workloads import LARGE, SMALL, WORKLOADS


class _Fit:
    param_names = ("workload", "library")
    timeout = 300

    def setup(self, name, library):
        warm_up(library, name)
        self.data = load(library, name)
        self.model = make_model(library, WORKLOADS[name], WORKLOADS[name].epochs)


class FitSmall(_Fit):
    """Networks in which a batch takes microseconds, beside scikit-learn's."""

    params = (SMALL, LIBRARIES)

    def time_fit(self, name, library):
        fit_quietly(self.model, *self.data)

    def track_us_per_batch(self, name, library):
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            fit_quietly(self.model, *self.data)
            best = min(best, time.perf_counter() - start)
        workload = WORKLOADS[name]
        return 1e6 * best / (workload.epochs * workload.batches)

    track_us_per_batch.unit = "us"


class FitLarge(_Fit):
    """Networks whose matrix products decide."""

    params = (LARGE, ("fastnn",))
    repeat = (2, 5, 20.0)

    def time_fit(self, name, library):
        fit_quietly(self.model, *self.data)
