"""Multi-layer perceptrons for scikit-learn, with the whole training loop compiled."""

from ._version import __version__
from ._versions import show_versions
from .classifier import MLPClassifier
from .estimator import MLPEstimator
from .regressor import MLPRegressor

__all__ = [
    "MLPClassifier",
    "MLPEstimator",
    "MLPRegressor",
    "__version__",
    "show_versions",
]
