"""Comparisons of our searches with scikit-learn's, shared by the tests here."""

import warnings

import numpy as np
from sklearn import model_selection as sk
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import _search_successive_halving as sk_halving

from fastnn import MLPClassifier, MLPRegressor
from fastnn import model_selection as ours

THEIRS = {
    "GridSearchCV": sk.GridSearchCV,
    "RandomizedSearchCV": sk.RandomizedSearchCV,
    "HalvingGridSearchCV": sk_halving.HalvingGridSearchCV,
    "HalvingRandomSearchCV": sk_halving.HalvingRandomSearchCV,
}
GRID = {"learning_rate_init": [1e-3, 1e-2], "activation": ["relu", "tanh"]}
DIVERGING = 1e30  # as a learning rate, for X of float32


def classifier(**params):
    return MLPClassifier(**{**_SMALL, **params})


def regressor(**params):
    return MLPRegressor(**{**_SMALL, **params})


_SMALL = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0}


def fit(search, X, y, **fit_params):
    """Fit a search; that networks are trained briefly is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return search.fit(X, y, **fit_params)


def both(name, *args, **params):
    """Return our search and scikit-learn's with the same arguments."""
    return getattr(ours, name)(*args, **params), THEIRS[name](*args, **params)


def assert_same_results(mine, theirs):
    """Compare `cv_results_` column by column, but for times."""
    mine, theirs = mine.cv_results_, theirs.cv_results_
    assert list(mine) == list(theirs)
    for name, column in theirs.items():
        if name.endswith("_time"):
            assert (np.asarray(mine[name]) >= 0).all(), name
        elif name == "params":
            assert list(map(str, mine[name])) == list(map(str, column))
        elif column.dtype == object:
            assert list(map(str, mine[name])) == list(map(str, column)), name
        else:
            np.testing.assert_array_equal(mine[name], column, err_msg=name)


def assert_same(mine, theirs, X):
    """Compare everything that a search has, but for times."""
    assert_same_results(mine, theirs)
    for name in ("best_index_", "best_score_", "multimetric_", "n_splits_"):
        assert hasattr(mine, name) == hasattr(theirs, name), name
        if hasattr(theirs, name):
            assert getattr(mine, name) == getattr(theirs, name), name
    assert hasattr(mine, "best_params_") == hasattr(theirs, "best_params_")
    if hasattr(theirs, "best_params_"):
        assert str(mine.best_params_) == str(theirs.best_params_)
    assert hasattr(mine, "best_estimator_") == hasattr(theirs, "best_estimator_")
    if hasattr(theirs, "best_estimator_"):
        np.testing.assert_array_equal(mine.predict(X), theirs.predict(X))


def assert_searches_agree(name, estimator, space, X, y, fit_params=None, **params):
    """Fit our search and scikit-learn's, compare them, and return ours."""
    mine, theirs = both(name, estimator, space, **params)
    fit(mine, X, y, **(fit_params or {}))
    fit(theirs, X, y, **(fit_params or {}))
    assert hasattr(mine, "n_epochs_trained_")  # it was not scikit-learn's own loop
    assert_same(mine, theirs, X)
    return mine
