"""A search whose second fit fails keeps all that the first one found."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from fastnn import MLPClassifier
from fastnn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HyperbandSearchCV,
    RandomizedSearchCV,
)

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"
)
X = np.random.RandomState(0).rand(90, 4)
Y = (X.sum(axis=1) > 2).astype(int)
GRID = {"mlpclassifier__alpha": [1e-4, 1e-3, 1e-2, 0.1, 1.0]}
SEARCHES = {
    GridSearchCV: {},
    RandomizedSearchCV: {"n_iter": 2, "random_state": 0},
    HalvingGridSearchCV: {"random_state": 0},
    HyperbandSearchCV: {"max_iter": 3, "random_state": 0},
}


class Failing(TransformerMixin, BaseEstimator):
    """Passes samples on; its fit raises where it is told to, in folds or after them."""

    raised, n_rows = None, ()

    def fit(self, X, y=None):
        if len(X) in Failing.n_rows:
            raise Failing.raised
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


def found(search):
    """Return the identities of all public results, and an answer."""
    results = {key: id(value) for key, value in vars(search).items() if key[-1] == "_"}
    return results, search.predict_proba(X).tobytes()


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["folds", "refit"])
@pytest.mark.parametrize("kind", SEARCHES)
def test_what_an_earlier_fit_found_stays(kind, where, raised, monkeypatch):
    network = MLPClassifier((4,), max_iter=9, random_state=0)
    search = kind(
        make_pipeline(Failing(), network),
        GRID,
        cv=3,
        error_score="raise",
        **SEARCHES[kind],
    )
    search.fit(X, Y)
    before = found(search)
    monkeypatch.setattr(Failing, "raised", raised)
    rows = range(89) if where == "folds" else [90]
    monkeypatch.setattr(Failing, "n_rows", rows)
    with pytest.raises(raised):
        search.fit(X, 1 - Y)
    assert found(search) == before


def test_a_first_fit_that_fails_leaves_nothing():
    search = GridSearchCV(MLPClassifier((4,)), {"alpha": [-1.0]}, error_score="raise")
    before = dict(vars(search))
    with pytest.raises(ValueError, match="alpha"):
        search.fit(X, Y)
    assert vars(search) == before
