"""`MLPTransformer`: what a network's hidden layers make of samples, as features."""

from numbers import Integral
from typing import ClassVar

from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils.validation import check_is_fitted

from .base import BaseMLP, check_layer
from .classifier import MLPClassifier
from .inputs.parameters import Range, hidden_sizes
from .storage import Storable


class MLPTransformer(
    Storable, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Hidden activations of a network as features, for the middle of a pipeline.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or MLPEstimator, default=None
        The network to train; it is cloned. None is ``MLPClassifier()``.

    layer : int, default=-1
        Which hidden layer, counted from 0, or from the last one backwards.

    Attributes
    ----------
    estimator_ : estimator
        The trained network.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of str
        Their names, if X had string column names.

    See Also
    --------
    MLPEstimator.transform : The same of a network that is fitted already.
    sklearn.neural_network.BernoulliRBM : Features that are learnt without targets.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from fastnn import MLPClassifier, MLPTransformer
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), learning_rate_init=0.1, random_state=0)
    >>> pipe = make_pipeline(MLPTransformer(network), LogisticRegression())
    >>> pipe.fit(X, y)[0].transform(X).shape
    (150, 8)
    >>> pipe[0].describe().sizes
    (4, 8, 3)
    >>> pipe[0].get_feature_names_out()[:2]
    array(['mlptransformer0', 'mlptransformer1'], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [BaseMLP, None],
        "layer": [Range(Integral, None, None, closed="neither")],
    }

    def __init__(self, estimator=None, *, layer=-1):
        self.estimator = estimator
        self.layer = layer

    def fit(self, X, y, **fit_params):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **fit_params : dict
            What else the network's `fit` takes, such as `sample_weight`.

        Returns
        -------
        self : estimator
        """
        self._validate_params()
        network = MLPClassifier() if self.estimator is None else clone(self.estimator)
        check_layer(self.layer, len(hidden_sizes(network.hidden_layer_sizes)))
        network.fit(X, y, **fit_params)
        self.estimator_ = network
        return self

    def transform(self, X):
        """Return the outputs of the hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_units)
        """
        check_is_fitted(self)
        return self.estimator_._hidden_outputs(X, self.layer)

    def describe(self, *, n_features=None, n_outputs=None, n_samples=None):
        """Tell what the network consists of, and what it takes.

        Parameters
        ----------
        n_features, n_outputs, n_samples : int, default=None
            See :meth:`MLPEstimator.describe`.

        Returns
        -------
        Description
            Of the trained network, or before `fit` of the one that will be trained.
        """
        network = getattr(self, "estimator_", self.estimator)
        network = MLPClassifier() if network is None else network
        return network.describe(
            n_features=n_features, n_outputs=n_outputs, n_samples=n_samples
        )

    @property
    def n_features_in_(self):
        """Features seen during `fit`."""
        check_is_fitted(self)
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the features, if X had string column names."""
        check_is_fitted(self)
        return self.estimator_.feature_names_in_

    @property
    def _n_features_out(self):
        hidden = len(self.estimator_.coefs_) - 1
        return self.estimator_.coefs_[self.layer % hidden].shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
