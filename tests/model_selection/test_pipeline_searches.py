"""Searches over pipelines that end in a network."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from helpers import make_data, needs_weights
from search_tools import (
    assert_same,
    assert_same_results,
    assert_searches_agree,
    both,
    classifier,
    fit,
    regressor,
)
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fastnn import model_selection as ours

CALLS = {"fit": 0, "transform": 0}
GRID = {
    "net__learning_rate_init": [1e-3, 1e-2, 1e-1],
    "net__activation": ["relu", "tanh"],
}


class Counting(TransformerMixin, BaseEstimator):
    """Multiplies, and counts how often it is asked to."""

    def __init__(self, factor=1.0, fails=False):
        self.factor, self.fails = factor, fails

    def fit(self, X, y=None):
        CALLS["fit"] += 1
        if self.fails:
            raise ValueError("This one cannot be fitted.")
        self.mean_ = np.mean(X, axis=0)
        return self

    def transform(self, X):
        CALLS["transform"] += 1
        return (np.asarray(X) - self.mean_) * self.factor


@pytest.fixture(autouse=True)
def calls():
    CALLS.update(fit=0, transform=0)
    return CALLS


def pipeline(*transformers, net=None, **params):
    steps = [(f"t{i}", transformer) for i, transformer in enumerate(transformers)]
    return Pipeline([*steps, ("net", net or classifier())], **params)


@pytest.mark.parametrize("scoring", [None, ["accuracy", "neg_log_loss"]])
def test_transformers_are_fitted_once_per_fold_and_setting(calls, scoring):
    X, y = make_data("multiclass")
    grid = {**GRID, "t0__factor": [0.5, 2.0]}
    search = ours.GridSearchCV(
        pipeline(Counting()),
        grid,
        cv=3,
        refit=False,
        scoring=scoring,
        return_train_score=True,
    )
    fit(search, X, y)
    assert len(search.cv_results_["params"]) == 12
    assert calls["fit"] == 3 * 2
    # to train on, to test on, and to score the training samples
    assert calls["transform"] == 3 * 2 * 3


@pytest.mark.parametrize("return_train_score", [True, False])
def test_results_are_those_of_scikit_learn(return_train_score):
    X, y = make_data("multiclass")
    estimator = pipeline(StandardScaler(), PCA(4, random_state=0))
    grid = {**GRID, "t1__n_components": [3, 5], "t0__with_std": [True, False]}
    search = assert_searches_agree(
        "GridSearchCV",
        estimator,
        grid,
        X,
        y,
        cv=3,
        return_train_score=return_train_score,
    )
    best = search.best_estimator_
    assert type(best) is Pipeline
    assert best[:-1].transform(X).shape == (97, search.best_params_["t1__n_components"])


def test_drawn_candidates_and_regression():
    X, y = make_data("regression")
    estimator = pipeline(StandardScaler(), net=regressor())
    space = {"net__alpha": [1e-4, 1e-2], "t0": [StandardScaler(), MinMaxScaler()]}
    assert_searches_agree(
        "RandomizedSearchCV", estimator, space, X, y, cv=3, n_iter=3, random_state=0
    )


def test_steps_that_are_passed_through_or_replaced():
    X, y = make_data("multiclass")
    grid = {
        "t0": ["passthrough", StandardScaler(), None],
        "net": [classifier(), classifier(activation="tanh")],
    }
    assert_searches_agree("GridSearchCV", pipeline(PCA(3)), grid, X, y, cv=3)


def test_replaced_networks_share_their_transformers(calls):
    X, y = make_data("multiclass")
    grid = {"net": [classifier(), classifier(activation="tanh")]}
    search = ours.GridSearchCV(pipeline(Counting()), grid, cv=3, refit=False)
    fit(search, X, y)
    assert calls["fit"] == 3


def test_candidates_that_are_no_networks():
    X, y = make_data("multiclass")
    grid = {"net": [classifier(), GaussianNB(), classifier(alpha=1.0)]}
    assert_searches_agree("GridSearchCV", pipeline(StandardScaler()), grid, X, y, cv=3)


def test_a_pipeline_of_a_network_alone():
    X, y = make_data("multiclass")
    assert_searches_agree("GridSearchCV", pipeline(), GRID, X, y, cv=3)


def test_memory_is_used(calls, tmp_path):
    X, y = make_data("multiclass")
    estimator = pipeline(Counting(), memory=str(tmp_path))
    search = ours.GridSearchCV(estimator, GRID, cv=3, refit=False)
    first = fit(search, X, y).cv_results_["mean_test_score"]
    assert calls["fit"] == 3
    second = fit(search, X, y).cv_results_["mean_test_score"]
    assert calls["fit"] == 3
    np.testing.assert_array_equal(first, second)


def test_frames_and_columns():
    X, y = make_data("multiclass")
    X = pd.DataFrame(X).add_prefix("x")
    columns = ColumnTransformer(
        [("scaled", StandardScaler(), ["x0", "x1"]), ("rest", "passthrough", ["x4"])]
    ).set_output(transform="pandas")
    search = assert_searches_agree(
        "GridSearchCV", pipeline(columns), GRID, X, y, cv=3, return_train_score=True
    )
    network = search.best_estimator_[-1]
    assert list(network.feature_names_in_) == ["scaled__x0", "scaled__x1", "rest__x4"]


def test_a_scorer_of_the_users_own_gets_the_whole_pipeline():
    X, y = make_data("multiclass")

    def looks_inside(estimator, X, y):
        assert estimator.named_steps["t0"].n_features_in_ == X.shape[1] == 7
        return estimator[-1].coefs_[0].sum() + (estimator.predict(X) == y).mean()

    assert_searches_agree(
        "GridSearchCV",
        pipeline(PCA(3)),
        GRID,
        X,
        y,
        cv=3,
        scoring=looks_inside,
        return_train_score=True,
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
def test_a_transformer_that_fails():
    X, y = make_data("multiclass")
    grid = {**GRID, "t0__fails": [False, True]}
    assert_searches_agree("GridSearchCV", pipeline(Counting()), grid, X, y, cv=3)
    search = ours.GridSearchCV(pipeline(Counting()), grid, cv=3, error_score="raise")
    with pytest.raises(ValueError, match="This one cannot be fitted"):
        fit(search, X, y)


class FailsLater(Counting):
    """Can be fitted, but transforms nothing but what it was fitted on."""

    def fit(self, X, y=None):
        self.n_ = len(X)
        return super().fit(X, y)

    def transform(self, X):
        if len(X) != self.n_:
            raise ValueError("These are others.")
        return super().transform(X)


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
def test_a_transformer_that_fails_in_scoring():
    X, y = make_data("multiclass")
    mine, theirs = both(
        "GridSearchCV",
        pipeline(FailsLater()),
        {"net__alpha": [1e-4, 1.0]},
        cv=2,
        refit=False,
        return_train_score=True,
    )
    y = y[:95]  # two folds of unequal size
    fit(mine, X[:95], y)
    fit(theirs, X[:95], y)
    assert np.isnan(mine.cv_results_["mean_test_score"]).all()
    assert_same_results(mine, theirs)


@needs_weights
def test_fit_parameters_of_steps():
    X, y = make_data("binary")
    weight = np.random.RandomState(0).uniform(0.1, 2, len(y))
    fit_params = {"net__sample_weight": weight, "t0__sample_weight": weight}
    estimator = pipeline(StandardScaler())
    assert_searches_agree("GridSearchCV", estimator, GRID, X, y, fit_params, cv=3)


@needs_weights
@pytest.mark.parametrize("to_scaler", [True, False])
def test_routed_metadata(to_scaler):
    X, y = make_data("binary")
    fit_params = {"sample_weight": np.random.RandomState(0).uniform(0.1, 2, len(y))}
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=to_scaler)
        network = classifier().set_fit_request(sample_weight=True)
        estimator = pipeline(scaler, net=network)
        deaf = classifier().set_fit_request(sample_weight=False)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        # somebody has to take the weights
        for grid in (GRID, {"net": [network, deaf]})[: 1 + to_scaler]:
            assert_searches_agree(
                "GridSearchCV",
                estimator,
                grid,
                X,
                y,
                fit_params,
                cv=3,
                scoring=scorer,
                return_train_score=True,
            )


def test_halving_over_epochs_and_samples():
    X, y = make_data("multiclass")
    estimator = make_pipeline(StandardScaler(), classifier())
    grid = {f"mlpclassifier__{key.removeprefix('net__')}": GRID[key] for key in GRID}
    for resource in (
        {"resource": "mlpclassifier__max_iter", "max_resources": 9},
        {"random_state": 0},
    ):
        mine, theirs = both("HalvingGridSearchCV", estimator, grid, cv=3, **resource)
        fit(mine, X, y)
        fit(theirs, X, y)
        assert_same(mine, theirs, X)
