"""Which estimators the engine can train, and what candidates have in common."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils._metadata_requests import _routing_enabled

from ..base import BaseMLP
from ..classifier import MLPClassifier
from ..estimator import MLPEstimator
from ..regressor import MLPRegressor

_NETWORKS = (MLPClassifier, MLPRegressor, MLPEstimator)


def is_network(estimator):
    """Return whether the engine trains it: ours, and with our own `fit`."""
    return isinstance(estimator, _NETWORKS) and type(estimator).fit is BaseMLP.fit


def is_pipeline(estimator):
    """Return whether it is a pipeline that fits its steps in the usual way."""
    return type(estimator) is Pipeline


def final_of(estimator):
    """Return what comes last in a pipeline, or the estimator itself."""
    if is_pipeline(estimator) and estimator.steps:
        return estimator.steps[-1][1]
    return estimator


def is_supported(estimator):
    """Return whether it is a network, or a pipeline that ends in one."""
    return is_network(final_of(estimator))


def prefix_of(estimator):
    """Return what comes before the names of the network's parameters."""
    return f"{estimator.steps[-1][0]}__" if is_pipeline(estimator) else ""


def has_callbacks(*estimators):
    """Return whether scikit-learn's callbacks want to be told of each fit."""
    return any(
        getattr(estimator, "_skl_callbacks", None)
        for whole in estimators
        for estimator in (whole, *_steps(whole))
    )


def _steps(estimator):
    return (step for _, step in estimator.steps) if is_pipeline(estimator) else ()


def frozen(value):
    """Return something hashable that is equal for equal settings.

    What is not a plain number, string or tuple counts as equal only if it is the
    same object, which holds for the entries of a grid.
    """
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return type(value), value
    if isinstance(value, tuple):
        return tuple, *map(frozen, value)
    return object, id(value)


def frozen_params(parameters):
    """Return a candidate's parameters as something hashable."""
    return frozenset((name, frozen(value)) for name, value in parameters.items())


def front_key(estimator, parameters):
    """Return what is equal for candidates with the same transformers.

    A final step that is replaced may ask for other metadata under routing, so it
    counts there.
    """
    prefix = prefix_of(estimator)
    ignored = () if _routing_enabled() else (prefix.removesuffix("__"),)
    return frozen_params(
        {
            name: value
            for name, value in parameters.items()
            if not name.startswith(prefix) and name not in ignored
        }
    )
