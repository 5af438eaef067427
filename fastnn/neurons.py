"""Single neurons from before the networks: McCulloch-Pitts, Rosenblatt and Hebb."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.utils import check_array
from sklearn.utils._param_validation import StrOptions

from .inputs.parameters import Range
from .kernels.neurons import hebbian_epoch
from .learning.preparation import check_parameters, tell_of_cache
from .learning.transaction import transaction
from .perceptron import Perceptron
from .thresholds import ACTIVATIONS, BinaryNeuron, check_finite, check_rate, parts_of

__all__ = ["HebbianNeuron", "McCullochPittsNeuron", "Perceptron"]


class McCullochPittsNeuron(BinaryNeuron):
    """Neuron with fixed weights and a threshold.

    It answers f(Σ wᵢxᵢ + b), where f is 1 for a net input of 0 or more. Nothing is
    learned: `fit` looks at the number of features and at the two labels.

    Parameters
    ----------
    weights : array-like of shape (n_features,), default=None
        Weights; None means all ones.

    bias : float, default=0.0
        Bias b, the threshold with the other sign.

    activation : {"step", "sign"}, default="step"
        Whether `outputs` are 0 and 1, or -1 and 1. Both are high at a net input of 0.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Class labels.
    coef_ : ndarray of shape (1, n_features)
        The weights.
    intercept_ : ndarray of shape (1,)
        The bias.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of str
        Their names, if X had string column names.

    See Also
    --------
    Perceptron : The same neuron, whose weights are learned.

    References
    ----------
    .. [1] W. McCulloch and W. Pitts, "A logical calculus of the ideas immanent in
       nervous activity", Bulletin of Mathematical Biophysics 5, 1943.

    Examples
    --------
    >>> from fastnn.neurons import McCullochPittsNeuron
    >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> neuron = McCullochPittsNeuron([1, 1], -1.5).fit(X, [0, 0, 0, 1])
    >>> neuron.predict(X)
    array([0, 0, 0, 1])
    >>> neuron.decision_function(X)
    array([-1.5, -0.5, -0.5,  0.5])
    """

    _parameter_constraints: ClassVar[dict] = {
        "weights": ["array-like", None],
        "bias": [Range(Real, None, None, closed="neither")],
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    def __init__(self, weights=None, bias=0.0, *, activation="step"):
        self.weights = weights
        self.bias = bias
        self.activation = activation

    def fit(self, X, y):
        """Check the weights against X, and learn the names of the two classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Labels of two classes; the neuron's high output stands for the larger.

        Returns
        -------
        self : estimator
        """
        check_parameters(self)
        self._fit(X, y)
        return self

    @transaction
    def _fit(self, X, y):
        X, y = self._validate(X, y)
        weights = np.ones(X.shape[1]) if self.weights is None else self.weights
        try:
            weights = check_array(
                weights, ensure_2d=False, dtype=X.dtype, input_name="weights"
            )
        except (OverflowError, TypeError) as error:
            raise ValueError(f"weights must be a list of numbers: {error}.") from error
        if weights.shape != (X.shape[1],):
            raise ValueError(
                f"weights has shape {weights.shape}, but X has {X.shape[1]} "
                "features; give one weight for each."
            )
        self.classes_ = np.unique(y)
        self.coef_ = weights.reshape(1, -1).copy()
        with np.errstate(over="ignore"):
            self.intercept_ = np.array([self.bias], X.dtype)
        if not np.isfinite(self.intercept_).all():
            raise ValueError(
                f"bias={self.bias!r} is too large for X's dtype, {X.dtype.name}; "
                "make it smaller, or give X in float64."
            )


class HebbianNeuron(BinaryNeuron):
    """Neuron that learns by Hebb's rule.

    Sample by sample, w grows by η·x·y, where y is the target. There is no bias, and
    the rule does not look at what the neuron answers; so weights grow without bound,
    and much that a perceptron learns is not learned.

    Parameters
    ----------
    learning_rate : float, default=0.1
        The factor η.

    max_iter : int, default=1
        Passes over the samples, always in their order.

    activation : {"step", "sign"}, default="step"
        Whether `outputs` are 0 and 1, or -1 and 1. Both are high at a net input of 0.

    record : bool, default=False
        Whether to keep `coef_history_`.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Class labels. Labels 0 and 1, or -1 and 1, are the targets themselves; others
        stand for 0 and 1 with "step", for -1 and 1 with "sign".
    coef_ : ndarray of shape (1, n_features)
        The weights.
    coef_history_ : ndarray of shape (max_iter * n_samples + 1, n_features)
        The weights at the start and after each sample, if `record`.
    n_iter_ : int
        Passes made.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of str
        Their names, if X had string column names.

    See Also
    --------
    Perceptron : Learns from its mistakes.

    References
    ----------
    .. [1] D. Hebb, "The organization of behavior", Wiley, 1949.

    Examples
    --------
    >>> from fastnn.neurons import HebbianNeuron
    >>> neuron = HebbianNeuron(learning_rate=0.2)
    >>> neuron = neuron.fit([[1, 0], [0, 1], [0, 0]], [1, 1, 0])
    >>> neuron.coef_
    array([[0.2, 0.2]])
    >>> neuron.predict([[1, 1]])
    array([1])
    """

    _parameter_constraints: ClassVar[dict] = {
        "learning_rate": [Range(Real, 0, None, closed="neither")],
        "max_iter": [Range(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "record": ["boolean"],
    }

    def __init__(
        self, *, learning_rate=0.1, max_iter=1, activation="step", record=False
    ):
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.activation = activation
        self.record = record

    def fit(self, X, y):
        """Learn from the samples in their order.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Labels of two classes.

        Returns
        -------
        self : estimator
        """
        check_parameters(self)
        self._fit(X, y)
        tell_of_cache()
        return self

    @transaction
    def _fit(self, X, y):
        X, y = self._validate(X, y)
        (n, width), dtype = X.shape, X.dtype
        classes, codes = np.unique(y, return_inverse=True)
        numbers = _as_numbers(classes, self.activation)
        with np.errstate(over="ignore"):  # checked in the end
            step = (self.learning_rate * numbers[codes]).astype(dtype)
        check_rate(self.learning_rate, dtype)
        history = np.zeros(
            (self.max_iter * n + 1, width) if self.record else (0, width), dtype
        )
        w, parts = np.zeros(width, dtype), parts_of(X)
        for i in range(self.max_iter):
            after = history[1 + i * n : 1 + (i + 1) * n]
            for part in parts:
                rows, kept = X[part].reshape(-1), after[part].reshape(-1)
                hebbian_epoch[dtype](w, rows, step[part], width, kept)
        check_finite(w)
        self.classes_, self.coef_ = classes, w.reshape(1, -1)
        self.n_iter_ = self.max_iter
        self.__dict__.pop("coef_history_", None)
        if self.record:
            self.coef_history_ = history


def _as_numbers(classes, activation):
    """Return the two targets: labels that are such numbers, or the outputs."""
    if classes.dtype.kind in "biuf" and classes.tolist() in ([0, 1], [-1, 1]):
        return classes.astype(float)
    return np.array(ACTIVATIONS[activation], float)
