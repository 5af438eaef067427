"""Multi-layer perceptrons for scikit-learn, with the whole training loop compiled."""

from ._version import __version__
from ._versions import show_versions
from .activations import Activation
from .classifier import MLPClassifier
from .estimator import MLPEstimator
from .exceptions import InconsistentVersionWarning, ModelFileError
from .files import load
from .neurons import HebbianNeuron, McCullochPittsNeuron, Perceptron
from .regressor import MLPRegressor
from .transformer import MLPTransformer

__all__ = [
    "Activation",
    "HebbianNeuron",
    "InconsistentVersionWarning",
    "MLPClassifier",
    "MLPEstimator",
    "MLPRegressor",
    "MLPTransformer",
    "McCullochPittsNeuron",
    "ModelFileError",
    "Perceptron",
    "__version__",
    "load",
    "show_versions",
]
