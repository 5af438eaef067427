"""What all networks share: fit, predict, transform, and how they are stored."""

import copy
from numbers import Integral

import numpy as np
from scipy.special import log_expit, softmax
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.metrics import accuracy_score, d2_pinball_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import check_is_fitted

from . import prediction
from .abilities import gives_probabilities, is_classifier, is_stochastic
from .callbacks import CallbackSupportMixin, with_callbacks
from .inputs import targets
from .inputs.matrices import check_places
from .inputs.missing import check_there
from .learning import fitting
from .sampling import SamplingMixin
from .storage import Storable


def store(estimator, arguments):
    """Set the constructor's arguments, its `locals()`, as attributes."""
    for name, value in arguments.items():
        if name != "self":
            setattr(estimator, name, value)


def check_layer(layer, n_hidden):
    """Raise unless a network has such a hidden layer."""
    if not n_hidden:
        raise ValueError("The network has no hidden layer; give hidden_layer_sizes.")
    if not isinstance(layer, Integral) or not -n_hidden <= layer < n_hidden:
        raise ValueError(
            f"layer must be an integer from {-n_hidden} to {n_hidden - 1}, the network "
            f"has {n_hidden} hidden layers; got {layer!r}."
        )


class BaseMLP(
    SamplingMixin,
    Storable,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """A network that is trained and used; the parameters are its subclasses'."""

    # Whether warm_start and partial_fit go on exactly where training stopped.
    _continues = True

    @classmethod
    def _get_param_names(cls):
        """Return the constructor's arguments; scikit-learn reads them at each call."""
        known = cls.__dict__.get("_known_names")
        if known is None or known[0] is not cls.__init__:
            known = cls._known_names = cls.__init__, super()._get_param_names()
        return list(known[1])

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
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if self.dtype != "auto":
            tags.transformer_tags.preserves_dtype = [self.dtype]
        if self._is_regressor():
            tags.estimator_type = "regressor"
            tags.regressor_tags = RegressorTags()
            several = self.loss == "quantile" and np.size(self.quantile) > 1
            tags.target_tags.multi_output = not several
        else:
            tags.estimator_type = "classifier"
            labels = self.output_activation != "softmax"
            tags.classifier_tags = ClassifierTags(multi_label=labels)
            tags.target_tags.multi_output = labels
        return tags

    @with_callbacks
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples. CSR and CSC matrices are not made dense.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, an indicator matrix (multilabel), or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; None means all ones.
        X_val, y_val : like X and y, default=None
            Samples to validate on after each epoch, instead of a fraction of X.
            Without `early_stopping` they are measured and stop nothing.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Weights of the validation samples.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If an argument is unsuitable, or if the loss stops being finite. The
            estimator is then as it was before the call.
        """
        held_out = (X_val, y_val, sample_weight_val)
        fitting.fit(self, X, y, sample_weight, incremental=False, held_out=held_out)
        return self

    @available_if(is_stochastic)
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
        check_there(classes, "classes")
        if self._is_regressor() or not _check_partial_fit_first_call(self, classes):
            return
        targets.fit_first_labels(self, y, classes)

    def _outputs(self, X, raw=False):
        """Return the output layer's values for X, (n_samples, n_outputs)."""
        if not hasattr(self, "coefs_"):
            check_is_fitted(self)
        return prediction.outputs(self, X, raw)

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
        if is_classifier(self):
            return targets.decode_labels(self, self._outputs_that_tell(X))
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    @available_if(gives_probabilities)
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
        return self._probabilities(self._outputs_that_tell(X))

    def _outputs_that_tell(self, X):
        """Return outputs that tell the classes apart, (n_samples, n_outputs)."""
        if not hasattr(self, "coefs_"):
            check_is_fitted(self)
        return self._outputs(X, raw=targets.saturates(self))

    def _probabilities(self, outputs):
        """Return the classes' probabilities for outputs, raw ones if they saturate."""
        if self.out_activation_ == "softmax" and len(self.classes_) > 1:
            return outputs
        multilabel = targets.kind_of(self) == "multilabel"
        if len(self.classes_) == 1 and not multilabel:
            return np.ones_like(outputs[:, :1])
        if outputs.shape[1] > 1 or multilabel:
            if self.out_activation_ == "logistic" and not multilabel:
                # One class against the rest, scaled to sum to 1: in logarithms, since
                # all may be 0.
                return softmax(log_expit(outputs), axis=1)
            return outputs
        return np.hstack([1 - outputs, outputs])

    @available_if(gives_probabilities)
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

    @available_if(is_classifier)
    def decision_function(self, X):
        """Return the raw outputs, before softmax or the logistic function.

        Only for classification: scikit-learn's regressors have no such method.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_outputs)
            With two outputs for two classes ("softmax"): their difference, which is
            the logarithm of the odds of ``classes_[1]``.
        """
        outputs = self._outputs(X, raw=True)
        if outputs.shape[1] == 2 and targets.kind_of(self) == "binary":
            return outputs[:, 1] - outputs[:, 0]
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def describe(self, *, n_features=None, n_outputs=None, n_samples=None):
        """Tell what the network consists of, and what it takes.

        Parameters
        ----------
        n_features : int, default=None
            Columns of X; needed unless the network is fitted or initialised.
        n_outputs : int, default=None
            Units of the output layer: targets or classes; 1 for two classes. Needed
            likewise.
        n_samples : int, default=None
            Rows of an epoch; None is what the last epochs had, if there were any.

        Returns
        -------
        Description
            Its text is a table; see `fastnn.inspection.describe.Description` for its
            attributes: layers, numbers of parameters, memory, operations, and so on.

        Raises
        ------
        ValueError
            If a number is missing, or contradicts the fitted network.

        Examples
        --------
        >>> from fastnn import MLPClassifier
        >>> network = MLPClassifier((16, 16))
        >>> network.describe(n_features=784, n_outputs=10).n_params
        13002
        """
        # Here, since most who fit a network never ask.
        from .inspection.describe import describe

        return describe(self, n_features, n_outputs, n_samples)

    def transform(self, X, layer=-1):
        """Return the outputs of a hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        layer : int, default=-1
            Which hidden layer, counted from 0, or from the last one backwards.

        Returns
        -------
        ndarray of shape (n_samples, n_units)
            After activation and short cut, without dropout.

        Raises
        ------
        ValueError
            If there is no such hidden layer.
        """
        check_is_fitted(self, "coefs_")
        hidden = len(self.coefs_) - 1
        check_layer(layer, hidden)
        named = _get_output_config("transform", self)["dense"] != "default"
        if named and self.coefs_[layer % hidden].shape[1] != self._n_features_out:
            raise ValueError(
                "set_output names the columns of the last hidden layer only; use "
                "MLPTransformer(estimator, layer=...) for another layer."
            )
        return self._hidden_outputs(X, layer)

    def _hidden_outputs(self, X, layer):
        """Return the outputs of a hidden layer that exists."""
        return prediction.outputs(self, X, hidden=layer % (len(self.coefs_) - 1))

    @property
    def _n_features_out(self):
        """Units of the last hidden layer, for the names of `transform`'s columns."""
        if len(self.coefs_) < 2:
            raise ValueError("The network has no hidden layer to give features.")
        return self.coefs_[-1].shape[0]

    def score(self, X, y, sample_weight=None):
        """Return accuracy, or R² for regression.

        With several labels: the share of rows that are all right. With several
        quantiles: the mean of their D² pinball scores.

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
        check_places(y, "y")
        check_there(y)
        predicted = self.predict(X)
        if not self._is_regressor():
            with targets.comparable(y):
                return accuracy_score(y, predicted, sample_weight=sample_weight)
        if getattr(self, "out_activation_", "") == "quantiles":
            levels = self._quantiles  # those of the fit, whatever `quantile` is now
            scores = [
                d2_pinball_score(y, column, sample_weight=sample_weight, alpha=level)
                for column, level in zip(predicted.T, levels, strict=True)
            ]
            return float(np.mean(scores))
        return r2_score(y, predicted, sample_weight=sample_weight)

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("_shared", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        stream = self.__dict__.get("_random_state")
        if self._continues and stream is not None:  # a copy goes its own way
            self._random_state = copy.deepcopy(stream)
        if "coefs_" in self.__dict__:
            fitting.share_memory(self)
