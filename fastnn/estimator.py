"""`MLPEstimator`: the whole neural network as one scikit-learn estimator."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target
from sklearn.utils.validation import check_is_fitted

from . import fitting, prediction, targets
from .callbacks import CallbackSupportMixin, with_callbacks
from .parameters import CONSTRAINTS
from .variants import REGRESSION_LOSSES


def _is_classifier(estimator):
    return not estimator._is_regressor()


def _is_stochastic(estimator):
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic"
            f" optimizers. {estimator.solver} is not stochastic."
        )
    return True


class MLPEstimator(CallbackSupportMixin, BaseEstimator):
    """Multi-layer perceptron for classification or regression, compiled.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(100,)
        Units of each hidden layer. An empty tuple means no hidden layer: linear or
        logistic regression.

    task : {"classification", "regression"}, default="classification"
        What is learnt. Decides the estimator's type, and with it stratification in
        cross-validation and the default scorer.

    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.

    loss : {"auto", "log_loss", "squared_error", "poisson"}, default="auto"
        What is minimised. "auto" is "log_loss" (cross-entropy) for classification
        and "squared_error" for regression. "squared_error" is ½ Σ (y - ŷ)² over
        the outputs, "poisson" half the Poisson deviance with exp as output
        activation; both are averaged over samples.

    solver : {"sgd", "adam", "lbfgs"}, default="adam"
        "sgd" is stochastic gradient descent with momentum, "adam" that of Kingma
        and Ba [1]_, "lbfgs" a quasi-Newton method over all samples at once.

    alpha : float, default=0.0001
        Strength of the L2 penalty ½ alpha Σ W². It is divided by the batch's
        weight, as in scikit-learn.

    batch_size : int or "auto", default="auto"
        Samples per mini-batch; "auto" is min(200, n_samples).

    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule of "sgd": constant; divided by (samples seen + 1) ** power_t after
        each epoch; or divided by 5 each time the patience is used up.

    learning_rate_init : float, default=0.001
        Initial learning rate.

    power_t : float, default=0.5
        Exponent of "invscaling".

    max_iter : int, default=200
        Epochs of one call of `fit` at most; iterations for "lbfgs".

    shuffle : bool, default=True
        Whether to shuffle the samples in each epoch.

    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, validation split and shuffling.

    tol : float, default=1e-4
        An epoch that does not gain this much counts as no improvement.

    verbose : bool, default=False
        Whether to print a line per epoch.

    warm_start : bool, default=False
        Whether `fit` goes on from the weights, solver state and random stream of
        the call before.

    momentum : float, default=0.9
        Momentum of "sgd".

    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's form of momentum.

    early_stopping : bool, default=False
        Whether to set samples aside, stop when their score no longer improves,
        and restore the best weights.

    validation_fraction : float, default=0.1
        Fraction of the samples that early stopping sets aside.

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of "adam"'s averages of the gradient and its square.

    epsilon : float, default=1e-8
        Added to the root in "adam"'s denominator.

    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops.

    max_fun : int, default=15000
        Evaluations of the loss that "lbfgs" may make.

    dtype : {"auto", "float32", "float64"}, default="float32"
        Numbers that the network computes with. "auto" follows X.

    n_threads : int or None, default=None
        Threads at most. None lets the amount of work decide. Results are the
        same, bit for bit, for any number.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights. May be assigned or written into: the next `predict` or
        `partial_fit` starts from what they hold.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases, likewise.
    classes_ : ndarray or list of ndarray of shape (n_classes,)
        Class labels, for classification.
    loss_ : float
        Loss of the last epoch, penalty included.
    loss_curve_ : list of float
        Loss of every epoch (not for "lbfgs").
    best_loss_ : float or None
        Lowest loss of an epoch; None with early stopping.
    validation_scores_ : list of float or None
        Accuracy or R² on the validation samples after each epoch.
    best_validation_score_ : float or None
        The best of them.
    n_iter_ : int
        Epochs trained.
    t_ : int
        Samples seen.
    n_layers_, n_outputs_ : int
        Layers, input and output included; units of the output layer.
    out_activation_ : str
        Activation of the output layer.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of str
        Their names, if X had string column names.

    See Also
    --------
    MLPClassifier, MLPRegressor : The same network with scikit-learn's defaults.

    Notes
    -----
    Training continues exactly: `fit` with ``max_iter=20``, or with 12 and then 8
    under ``warm_start=True``, or 20 calls of `partial_fit` on the same samples,
    give the same weights bit for bit, also with a pickle in between. That is so
    while nothing stops training: early stopping returns to the best weights at the
    end of each call, and a patience that is used up ends every call after it.
    "lbfgs" begins anew from the weights. What `dtype` and `random_state` say counts
    when the network is initialised.

    A fit that fails leaves the estimator as it was. An interrupt keeps the last
    whole epoch, and is raised again.

    References
    ----------
    .. [1] D. Kingma and J. Ba, "Adam: A method for stochastic optimization", 2014.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPEstimator
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPEstimator((16,), max_iter=500, random_state=0).fit(X, y)
    >>> net.predict(X[:3])
    array([0, 0, 0])
    """

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "task": [StrOptions({"classification", "regression"})],
        "loss": [StrOptions({"auto", "log_loss", *REGRESSION_LOSSES})],
    }
    # Whether warm_start and partial_fit go on exactly where training stopped.
    _continues = True

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
        task="classification",
        activation="relu",
        loss="auto",
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        dtype="float32",
        n_threads=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.task = task
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dtype = dtype
        self.n_threads = n_threads

    def _is_regressor(self):
        return self.task == "regression"

    def _loss_name(self):
        """Return the loss that "auto" stands for."""
        if self.loss != "auto":
            return self.loss
        return "squared_error" if self._is_regressor() else "log_loss"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        if self._is_regressor():
            tags.estimator_type = "regressor"
            tags.regressor_tags = RegressorTags()
        else:
            tags.estimator_type = "classifier"
            tags.classifier_tags = ClassifierTags(multi_label=True)
        return tags

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples. CSR and CSC matrices are not made dense.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, an indicator matrix (multilabel), or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; None means all ones.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If an argument is unsuitable, or if the loss stops being finite. The
            estimator is then as it was before the call.
        """
        fitting.fit(self, X, y, sample_weight, incremental=False)
        return self

    @available_if(_is_stochastic)
    @with_callbacks
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch over the given samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.
        classes : array-like of shape (n_classes,), default=None
            All classes that later calls may bring; needed in the first call for
            classification, unless `initialize` was called.

        Returns
        -------
        self : estimator
        """
        fitting.fit(self, X, y, sample_weight, incremental=True, classes=classes)
        return self

    def initialize(self, X, y):
        """Allocate and initialise the network without training it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, read for their shape, names and dtype.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, read for their classes or number of outputs.

        Returns
        -------
        self : estimator
            With `coefs_` and `intercepts_`. `partial_fit`, or `fit` under
            ``warm_start=True``, goes on from them.
        """
        fitting.initialize(self, X, y)
        return self

    def _learn_classes(self, y, classes):
        """Prepare the labels of a first `partial_fit`."""
        if self._is_regressor() or not _check_partial_fit_first_call(self, classes):
            return
        multilabel = type_of_target(y).startswith("multilabel")
        targets.fit_labels(self, y if multilabel else classes)

    def _outputs(self, X, activation=None):
        """Return the output layer's values for X, (n_samples, n_outputs)."""
        if not hasattr(self, "coefs_"):
            check_is_fitted(self)
        return prediction.outputs(self, X, activation or self.out_activation_)

    def predict(self, X):
        """Predict class labels or values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._outputs(X)
        if _is_classifier(self):
            return targets.decode_labels(self, outputs)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    @available_if(_is_classifier)
    def predict_proba(self, X):
        """Estimate the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. For multilabel, each label's probability.
        """
        outputs = self._outputs(X)
        if outputs.shape[1] > 1 or self._label_binarizer.y_type_.startswith("multil"):
            return outputs
        if len(self.classes_) == 1:
            return np.ones_like(outputs)
        return np.hstack([1 - outputs, outputs])

    @available_if(_is_classifier)
    def predict_log_proba(self, X):
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @available_if(_is_classifier)
    def decision_function(self, X):
        """Return the raw outputs, before softmax or the logistic function.

        Only for classification: scikit-learn's regressors have no such method.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) for one output, else (n_samples, n_outputs)
        """
        outputs = self._outputs(X, "identity")
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def score(self, X, y, sample_weight=None):
        """Return accuracy, or R² for regression.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True labels or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
        """
        score = r2_score if self._is_regressor() else accuracy_score
        return score(y, self.predict(X), sample_weight=sample_weight)

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("_shared", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        stream = self.__dict__.get("_random_state")
        if self._continues and stream is not None:  # a copy goes its own way
            self._random_state = np.random.RandomState()
            self._random_state.set_state(stream.get_state())
        if "coefs_" in self.__dict__:
            fitting.share_memory(self)
