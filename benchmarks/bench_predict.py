"""Time of predictions with one fitted 64-100-50-10 network, in float32.

ONNX Runtime runs fastnn's weights as a graph. Each library has its own choice of
threads.
"""

from functools import cache

import numpy as np

from .models import LIBRARIES, compile_twins, find_class, fit_quietly
from .onnx_session import OnnxClassifier

FEATURES, HIDDEN, CLASSES = 64, (100, 50), 10
CALLS = 100


@cache
def fit_network(library):
    """Return a fitted network; trained once in a process, for two epochs."""
    if library == "onnxruntime":
        try:
            return OnnxClassifier(fit_network("fastnn"))
        except ImportError as error:
            raise NotImplementedError("onnx, onnxruntime: not installed") from error
    if library == "fastnn":
        compile_twins("float32")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, FEATURES), dtype=np.float32)
    model = find_class(library, "classification")(
        hidden_layer_sizes=HIDDEN, max_iter=2, random_state=0
    )
    return fit_quietly(model, X, rng.integers(CLASSES, size=len(X)))


class _Predict:
    params = (*LIBRARIES, "onnxruntime")
    param_names = ("library",)
    timeout = 300
    rows = 1

    def setup(self, library):
        rng = np.random.default_rng(1)
        self.X = rng.standard_normal((self.rows, FEATURES), dtype=np.float32)
        self.model = fit_network(library)
        self.model.predict_proba(self.X)
        self.model.predict(self.X)


class PredictOneRow(_Predict):
    """A hundred calls with one row each: one call is too short for a sample."""

    def time_predict_100_calls(self, library):
        for _ in range(CALLS):
            self.model.predict(self.X)

    def time_predict_proba_100_calls(self, library):
        for _ in range(CALLS):
            self.model.predict_proba(self.X)


class PredictManyRows(_Predict):
    """One call with 10,000 rows."""

    rows = 10_000

    def time_predict(self, library):
        self.model.predict(self.X)

    def time_predict_proba(self, library):
        self.model.predict_proba(self.X)
