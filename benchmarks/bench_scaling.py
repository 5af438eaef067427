"""How time grows with rows, width, depth and batch, on one thread and on two.

Each class goes over a decade of one size; the others stay. Time per row is flat in
the rows, and grows with the weights. `n_threads=2` allows two threads: which of one
and two is faster the fit finds out by itself, and the time is that of its choice.
"""

import numpy as np

from fastnn import MLPEstimator

from .measure import best_seconds
from .models import compile_twins, fit_quietly

FEATURES, CLASSES = 32, 10
ROWS, WIDTH, DEPTH, BATCH = 4_000, 64, 1, 200
THREADS = (1, 2)


class _Scaling:
    timeout = 300

    def _microseconds(self, threads, n=ROWS, width=WIDTH, depth=DEPTH, batch=BATCH):
        """Return the time of an epoch by its rows: of 20 epochs, without the fit's own.

        The fit's own time (checks, labels, first weights) is what 2 epochs and 22 have
        in common.
        """
        compile_twins("float32")
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n, FEATURES), dtype=np.float32)
        y = rng.integers(CLASSES, size=n)
        seconds = []
        for epochs in (2, 22):
            model = MLPEstimator(
                (width,) * depth,
                batch_size=batch,
                max_iter=epochs,
                n_iter_no_change=epochs,  # never stops early
                n_threads=threads,
                random_state=0,
            )
            seconds.append(
                best_seconds(
                    lambda model=model: fit_quietly(model, X, y), n_rounds=5, repeat=1
                )
            )
        return 1e6 * (seconds[1] - seconds[0]) / (20 * n)


class ScaleRows(_Scaling):
    params = ((2_000, 6_000, 20_000), THREADS)
    param_names = ("rows", "threads")

    def track_row(self, n, threads):
        return self._microseconds(threads, n=n)

    track_row.unit = "us"


class ScaleWidth(_Scaling):
    params = ((32, 100, 320), THREADS)
    param_names = ("width", "threads")

    def track_row(self, width, threads):
        return self._microseconds(threads, width=width)

    track_row.unit = "us"


class ScaleDepth(_Scaling):
    params = ((1, 3, 10), THREADS)
    param_names = ("depth", "threads")

    def track_row(self, depth, threads):
        return self._microseconds(threads, depth=depth)

    track_row.unit = "us"


class ScaleBatch(_Scaling):
    params = ((50, 150, 500), THREADS)
    param_names = ("batch", "threads")

    def track_row(self, batch, threads):
        return self._microseconds(threads, batch=batch)

    track_row.unit = "us"
