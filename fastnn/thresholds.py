"""Neurons with a threshold: what they answer, and what all their kinds check."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from .inputs.missing import check_dates, check_there
from .inputs.targets import comparable
from .kernels.neurons import net_inputs
from .storage import Storable

# name: outputs for a net input below 0, and for one of 0 or more
ACTIVATIONS = {"step": (0, 1), "sign": (-1, 1)}


# Numbers that a kernel reads in one call: some 50 ms. Between two Ctrl-C is answered.
# A row costs as much as so many besides: rows in a random order come from memory.
_NUMBERS_PER_CALL = 2**25
_NUMBERS_OF_ROW = 32


def parts_of(X):
    """Return slices of X's rows, each for one call of a kernel."""
    step = max(1, _NUMBERS_PER_CALL // (X.shape[1] + _NUMBERS_OF_ROW))
    return [slice(first, first + step) for first in range(0, len(X), step)]


class Neuron(Storable, ClassifierMixin, BaseEstimator):
    """A row of neurons with a threshold each, that answers but does not learn."""

    def _validate(self, X, y, first=True):
        """Return X, float32 or float64 and row-major, and the vector of labels.

        Sets `n_features_in_`.
        """
        dtype = (np.float64, np.float32) if first else self._neurons().dtype
        check_there(y)
        given = X
        X, y = validate_data(self, given, y, dtype=dtype, order="C", reset=first)
        check_dates(given, X)
        with comparable(y):
            check_classification_targets(y)
            np.unique(y)
        return X, column_or_1d(y, warn=True)

    def _neurons(self):
        """Return weights and biases as the kernels read them, (units, features + 1)."""
        coef = np.asarray(self.coef_)
        dtype = np.float32 if coef.dtype == np.float32 else np.float64
        bias = getattr(self, "intercept_", np.zeros(len(coef)))
        return np.column_stack([coef, bias]).astype(dtype, order="C")

    def decision_function(self, X):
        """Return the net input w·x + b of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) for one neuron, else (n_samples, n_classes)
        """
        check_is_fitted(self, "coef_")
        neurons = self._neurons()
        given = X
        X = validate_data(self, given, dtype=neurons.dtype, order="C", reset=False)
        check_dates(given, X)
        nets = np.empty((len(neurons), len(X)), neurons.dtype)
        for neuron, net in zip(neurons, nets, strict=True):
            for part in parts_of(X):
                rows = X[part].reshape(-1)
                net_inputs[net.dtype](net[part], rows, neuron, X.shape[1])
        return nets[0] if len(nets) == 1 else nets.T

    def outputs(self, X):
        """Return what the neurons answer: 0 or 1 for "step", -1 or 1 for "sign".

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of int, of the shape of `decision_function`
        """
        low, high = ACTIVATIONS[self.activation]
        return np.where(_check_nets(self.decision_function(X)) >= 0, high, low)

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``classes_[1]`` where a single neuron's net input is 0 or more, else
            ``classes_[0]``; of several neurons, the class with the largest net input.
        """
        nets = _check_nets(self.decision_function(X))
        codes = nets.argmax(axis=1) if nets.ndim == 2 else (nets >= 0).astype(np.intp)
        return self.classes_[codes]


class BinaryNeuron(Neuron):
    """One neuron for two classes."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        return tags

    def _validate(self, X, y, first=True):
        X, y = super()._validate(X, y, first)
        kind = type_of_target(y, input_name="y")
        if kind != "binary":
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{kind}."
            )
        check_classes(np.unique(y))
        return X, y


def _check_nets(nets):
    """Return net inputs, or raise if one is not a number."""
    if np.isnan(nets).any():
        raise ValueError(
            "A neuron's net input is not a number, so there is no label: its weights "
            "are not finite, or X has values so large that they overflow."
        )
    return nets


def check_classes(classes):
    """Raise unless there are two or more classes."""
    if len(classes) < 2:
        raise ValueError(
            f"A neuron tells classes apart: y needs 2 or more, got {len(classes)} class"
        )


def check_rate(learning_rate, dtype):
    """Raise if the rate is 0 in the dtype that is computed in."""
    if dtype.type(learning_rate) == 0:
        raise ValueError(
            f"learning_rate={learning_rate!r} is 0 in X's dtype, {dtype.name}; make it "
            "larger, or give X in float64."
        )


def check_finite(weights):
    """Raise if learning overflowed."""
    if not np.isfinite(weights).all():
        raise ValueError(
            "Learning produced weights that are not finite. Scale the data (for "
            "instance by StandardScaler), or use a smaller learning_rate."
        )
