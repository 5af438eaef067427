"""What options cost: a fit with one, beside the same fit without any."""

import time

import numpy as np

from .models import compile_twins, fit_quietly

OPTIONS = {
    "none": {},
    "gelu": {"activation": "gelu"},
    "adamw": {"solver": "adamw"},
    "dropout": {"dropout": 0.2},
    "input_noise": {"input_noise": 0.1},
    "mixup": {"mixup_alpha": 0.2},
    "label_smoothing": {"label_smoothing": 0.1},
    "batch_norm": {"batch_norm": True},
    "layer_norm": {"layer_norm": True},
    "residual": {"residual": True},
    "l1": {"l1_ratio": 0.5, "alpha": 1e-3},
    "clip_norm": {"gradient_clip_norm": 1.0},
    "max_norm": {"max_norm": 2.0},
    "ema": {"ema_decay": 0.99},
    "cosine": {"learning_rate": "cosine", "warmup": 1},
}
N, BATCH, EPOCHS = 4000, 200, 5


class FitWithOption:
    """A 64-128-128-10 network; microseconds per mini-batch, and the ratio to none."""

    param_names = ("option",)
    params = (tuple(OPTIONS),)
    timeout = 300

    def setup(self, option):
        from fastnn import MLPEstimator

        rng = np.random.default_rng(0)
        self.X = rng.standard_normal((N, 64)).astype(np.float32)
        self.y = rng.integers(0, 10, N)
        common = {
            "max_iter": EPOCHS,
            "batch_size": BATCH,
            "n_iter_no_change": 1000,
            "random_state": 0,
        }
        self.plain = MLPEstimator((128, 128), **common)
        self.model = MLPEstimator((128, 128), **{**common, **OPTIONS[option]})
        compile_twins("float32")
        for model in (self.plain, self.model):  # compiles the rest
            fit_quietly(model, self.X[: 2 * BATCH], self.y[: 2 * BATCH])

    def time_fit(self, option):
        fit_quietly(self.model, self.X, self.y)

    def track_ratio(self, option):
        """Time over that of the plain fit, in turns, best of five each."""
        best = [np.inf, np.inf]
        for _ in range(5):
            for i, model in enumerate((self.plain, self.model)):
                start = time.perf_counter()
                fit_quietly(model, self.X, self.y)
                best[i] = min(best[i], time.perf_counter() - start)
        return best[1] / best[0]

    track_ratio.unit = "ratio"
