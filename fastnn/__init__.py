"""Multi-layer perceptrons for scikit-learn, with the whole training loop compiled."""

from ._version import __version__
from ._versions import show_versions
from .classifier import MLPClassifier
from .estimator import MLPEstimator
from .neurons import HebbianNeuron, McCullochPittsNeuron, Perceptron
from .regressor import MLPRegressor
from .transformer import MLPTransformer

__all__ = [
    "HebbianNeuron",
    "MLPClassifier",
    "MLPEstimator",
    "MLPRegressor",
    "MLPTransformer",
    "McCullochPittsNeuron",
    "Perceptron",
    "__version__",
    "show_versions",
]
