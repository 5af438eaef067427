"""Multi-layer perceptrons for scikit-learn, with the whole training loop compiled."""

from ._version import __version__
from .classifier import MLPClassifier
from .estimator import MLPEstimator
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPEstimator", "MLPRegressor", "__version__"]
