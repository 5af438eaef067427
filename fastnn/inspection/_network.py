"""Networks inside what users hand over, and the rows that are looked at."""

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, check_random_state, indexable
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..base import BaseMLP


def network_of(estimator):
    """Return the network: the estimator, or the last step of a pipeline.

    Raises
    ------
    TypeError
        If it is none of this package's networks.
    """
    network = estimator
    if isinstance(estimator, Pipeline) and estimator.steps:
        network = estimator.steps[-1][1]
    if not isinstance(network, BaseMLP):
        raise TypeError(
            "estimator must be MLPClassifier, MLPRegressor or MLPEstimator of this "
            f"package, or a pipeline that ends in one; got {type(network).__name__}."
        )
    return network


def is_fitted(estimator):
    """Return whether a network, or the one a pipeline ends in, has weights."""
    return hasattr(network_of(estimator), "coefs_")


def fitted_network(estimator):
    """Return the network of a fitted estimator, or raise NotFittedError."""
    network = network_of(estimator)
    check_is_fitted(network, "coefs_")
    return network


def stochastic_network(estimator, what):
    """Return the network, or raise ValueError if its solver has no epochs."""
    network = network_of(estimator)
    if network.solver == "lbfgs":
        raise ValueError(
            f"{what} follows epochs, which solver='lbfgs' has not; choose another "
            "solver."
        )
    return network


def inputs_of(estimator, X):
    """Return X as the network of a fitted pipeline is given it."""
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        return estimator[:-1].transform(X)
    return X


def fresh(estimator, X, y, others=()):
    """Return an unfitted network, and the X's as a pipeline's first steps make them.

    Parameters
    ----------
    estimator : network, or pipeline that ends in one
        It is cloned; the first steps of the clone are fitted on X and y.
    others : tuple of X or None
        What else the first steps shall transform.

    Returns
    -------
    network, X, others
    """
    network = clone(network_of(estimator))
    if not isinstance(estimator, Pipeline) or len(estimator.steps) < 2:
        return network, X, others
    front = clone(estimator[:-1])
    X = front.fit_transform(X, y)
    others = tuple(
        None if other is None else front.transform(other) for other in others
    )
    return network, X, others


def sample_of(X, y, weight, n_samples, random_state):
    """Return rows drawn without replacement, or everything if there are no more.

    Parameters
    ----------
    weight : array-like of shape (n,), or None
    n_samples : int or None
        Rows at most; None is all.

    Returns
    -------
    X, y, weight
    """
    X, y, weight = indexable(X, y, weight)
    n = _num_samples(X)
    if n_samples is None or n_samples >= n:
        return X, y, weight
    rng = check_random_state(random_state)
    rows = np.sort(rng.permutation(n)[:n_samples])
    taken = (_safe_indexing(X, rows), _safe_indexing(y, rows))
    return *taken, None if weight is None else _safe_indexing(weight, rows)


def layer_names(n_layers):
    """Return what the layers of weights are called, the output layer last."""
    return [f"hidden {i}" for i in range(1, n_layers)] + ["output"]
