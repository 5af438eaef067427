"""Rosenblatt's perceptron."""

import warnings
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call

from .inputs import class_weights
from .inputs.missing import check_there
from .inputs.parameters import Range
from .kernels.neurons import perceptron_epoch
from .learning.preparation import check_parameters, check_weight, tell_of_cache
from .learning.transaction import transaction
from .thresholds import (
    ACTIVATIONS,
    Neuron,
    check_classes,
    check_finite,
    check_rate,
    parts_of,
)


class Perceptron(Neuron):
    """Rosenblatt's perceptron.

    Sample by sample, w grows by η (y - f(w·x + b)) x, and b by η (y - f(w·x + b)):
    only mistakes teach. Where a line or hyperplane separates the classes, it ends with
    one that does; where none does, it never comes to rest.

    Parameters
    ----------
    activation : {"step", "sign"}, default="step"
        Outputs and targets are 0 and 1, or -1 and 1; both are high at a net input of
        0. For "sign" the rule uses half of target - output, so that the same weights
        are learned either way; only `outputs` differ.

    learning_rate : float, default=1.0
        The factor η. As weights start at zero, it only scales them.

    max_iter : int, default=1000
        Epochs at most. Training stops earlier after an epoch without a mistake.

    tol : float or None, default=None
        Stop as well if for `n_iter_no_change` epochs in a row the mistakes per sample
        have not been fewer than the fewest before by more than `tol`. None means not
        to.

    shuffle : bool, default=True
        Whether each epoch takes the samples in a new order.

    random_state : int, RandomState instance or None, default=None
        Seed of these orders.

    warm_start : bool, default=False
        Whether `fit` goes on from the weights that are there.

    n_iter_no_change : int, default=5
        Epochs of patience that go with `tol`.

    class_weight : dict, "balanced" or None, default=None
        Factors on η by class. With several classes, as in scikit-learn, a class's
        factor counts in the neuron of that class, for its own samples.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights: of one neuron for two classes, else of one neuron for each class,
        which tells it from the rest.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Biases.
    errors_ : list of int
        Mistakes of each epoch, of all neurons together; `fit` begins a new list,
        `partial_fit` adds to it.
    n_iter_ : int
        Epochs in that list.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of str
        Their names, if X had string column names.

    See Also
    --------
    sklearn.linear_model.Perceptron : The same with penalties and sparse input. It
        also learns from a positive sample whose net input is exactly 0, which here
        counts as right.

    References
    ----------
    .. [1] F. Rosenblatt, "The perceptron: a probabilistic model for information
       storage and organization in the brain", Psychological Review 65, 1958.

    Examples
    --------
    >>> from fastnn.neurons import Perceptron
    >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> neuron = Perceptron(shuffle=False).fit(X, [0, 0, 0, 1])
    >>> neuron.predict(X)
    array([0, 0, 0, 1])
    >>> neuron.errors_[-1]
    0

    Epoch by epoch, and with outputs of -1 and 1:

    >>> neuron = Perceptron(activation="sign", shuffle=False)
    >>> [neuron.partial_fit(X, [0, 0, 0, 1], [0, 1]).errors_[-1] for _ in range(3)]
    [2, 3, 3]
    >>> neuron.outputs(X[:1])
    array([-1])
    """

    _parameter_constraints: ClassVar[dict] = {
        "activation": [StrOptions(set(ACTIVATIONS))],
        "learning_rate": [Range(Real, 0, None, closed="neither")],
        "max_iter": [Range(Integral, 1, None, closed="left")],
        "tol": [None, Range(Real, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "n_iter_no_change": [Range(Integral, 1, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        *,
        activation="step",
        learning_rate=1.0,
        max_iter=1000,
        tol=None,
        shuffle=True,
        random_state=None,
        warm_start=False,
        n_iter_no_change=5,
        class_weight=None,
    ):
        self.activation = activation
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight

    def fit(self, X, y, sample_weight=None):
        """Learn until an epoch passes without a mistake, or `max_iter` epochs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Labels of two or more classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Factors on η; a sample of weight 0 is left out.

        Returns
        -------
        self : estimator
        """
        check_parameters(self)
        self._fit(X, y, sample_weight)
        tell_of_cache()
        if self.errors_[-1] and self.n_iter_ == self.max_iter:
            warnings.warn(
                f"The perceptron still made {self.errors_[-1]} mistakes in its last "
                f"epoch (max_iter={self.max_iter}). It makes none only if the classes "
                "are linearly separable.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    @transaction
    def _fit(self, X, y, sample_weight):
        first = not (self.warm_start and hasattr(self, "coef_"))
        X, y = self._validate(X, y, first)
        classes = np.unique(y)
        if first:
            self._begin(classes, X)
        elif not np.array_equal(classes, self.classes_):
            raise ValueError(
                "warm_start needs the classes of the fit before, "
                f"{self.classes_}; y has {classes}."
            )
        self.errors_ = []
        self._train(X, y, check_weight(sample_weight, X, X.dtype), self.max_iter)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn for one epoch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that later calls may bring; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Factors on η.

        Returns
        -------
        self : estimator
        """
        check_parameters(self)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all samples at once, which partial_fit "
                "does not have; give the weights as a dict."
            )
        self._fit_epoch(X, y, classes, sample_weight)
        return self

    @transaction
    def _fit_epoch(self, X, y, classes, sample_weight):
        check_there(classes, "classes")
        _check_partial_fit_first_call(self, classes)
        first = not hasattr(self, "coef_")
        X, y = self._validate(X, y, first)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y has classes {unknown} that are not in classes_, {self.classes_}."
            )
        if first:
            self._begin(self.classes_, X)
        self._train(X, y, check_weight(sample_weight, X, X.dtype), 1)

    def _begin(self, classes, X):
        """Start with weights of zero."""
        check_classes(classes)
        n_neurons = 1 if len(classes) == 2 else len(classes)
        self.classes_ = classes
        self.coef_ = np.zeros((n_neurons, X.shape[1]), X.dtype)
        self.intercept_ = np.zeros(n_neurons, X.dtype)
        self.errors_ = []

    def _rates(self, y, codes, weight):
        """Return η times all weights, (neurons, samples)."""
        by_class = np.ones(len(self.classes_))
        if self.class_weight is not None:
            (table,) = class_weights.tables(self.class_weight, self.classes_, y)
            by_class = np.array([table.get(c, 1.0) for c in self.classes_.tolist()])
        rate = np.full(len(y), float(self.learning_rate))
        if weight is not None:
            rate *= weight
        own = rate * by_class[codes]
        if len(self.coef_) == 1:
            return own[None]
        of_class = codes == np.arange(len(self.classes_))[:, None]
        return np.where(of_class, own, rate)

    def _train(self, X, y, weight, max_iter):
        """Train for some epochs, and set weights, `errors_` and `n_iter_`."""
        neurons = self._neurons()
        dtype = neurons.dtype
        codes = np.searchsorted(self.classes_, y)
        check_rate(self.learning_rate, dtype)
        with np.errstate(over="ignore"):  # checked at once
            rates = self._rates(y, codes, weight).astype(dtype)
        if not rates.any() or not np.isfinite(rates).all():
            raise ValueError(
                "learning_rate times class_weight times sample_weight must be finite, "
                f"and not 0 for all samples, in X's dtype, {dtype.name}."
            )
        kind = np.arange(len(neurons))[:, None] if len(neurons) > 1 else 1
        targets = np.atleast_2d(codes == kind).astype(dtype)
        random = check_random_state(self.random_state)
        n, order = len(X), np.empty(0, np.int64)
        learning, errors = list(range(len(neurons))), list(self.errors_)
        fewest, patience = np.inf, self.n_iter_no_change
        for _ in range(max_iter):
            if self.shuffle:
                order = random.permutation(n).astype(np.int64, copy=False)
            # A neuron that is right for all samples in one epoch stays so.
            total = 0
            for k in tuple(learning):
                mistakes = _show(neurons[k], X, targets[k], rates[k], order)
                total += mistakes
                if not mistakes:
                    learning.remove(k)
            errors.append(total)
            if self.tol is not None:
                better = total < fewest - self.tol * n
                patience = self.n_iter_no_change if better else patience - 1
                fewest = min(fewest, total)
            if not learning or patience == 0:
                break
        check_finite(neurons)
        self.coef_ = neurons[:, :-1].copy()
        self.intercept_ = neurons[:, -1].copy()
        self.errors_, self.n_iter_ = errors, len(errors)


def _show(neuron, X, target, rate, order):
    """Show a neuron all samples once, in an order if there is one; count mistakes."""
    epoch, mistakes, total = perceptron_epoch[X.dtype], np.zeros(1, np.int64), 0
    for part in parts_of(X):
        rows = (X, target, rate, order[part])
        if not order.size:
            rows = (X[part], target[part], rate[part], order)
        epoch(neuron, rows[0].reshape(-1), *rows[1:], X.shape[1], mistakes)
        total += int(mistakes[0])
    return total
