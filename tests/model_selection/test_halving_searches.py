"""Successive halving and Hyperband: survivors go on where they stopped."""

import numpy as np
import pytest
from helpers import make_data
from scipy.stats import loguniform
from search_tools import (
    DIVERGING,
    assert_same,
    assert_searches_agree,
    classifier,
    fit,
    regressor,
)
from sklearn.base import clone
from sklearn.linear_model import Perceptron
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPEstimator
from fastnn import model_selection as ours
from fastnn.model_selection import _evaluation as evaluation
from fastnn.model_selection._hyperband import brackets_of

GRID = {"learning_rate_init": [1e-4, 1e-3, 1e-2], "activation": ["relu", "tanh", "elu"]}
EPOCHS = {"resource": "max_iter", "max_resources": 9, "cv": 3}
RATES = {"learning_rate_init": loguniform(1e-4, 1e-1)}


@pytest.fixture
def populations(monkeypatch):
    """Return the populations made, each with a list of what was asked of it."""
    made = []

    class Told(evaluation.Population):
        def __init__(self, tasks, n_threads=None):
            super().__init__(tasks, n_threads)
            self.told = [("tasks", len(tasks))]
            made.append(self)

        def advance(self, n_epochs=None, **calls):
            left = sum(not member.dropped for member in self._members)
            self.told.append(("advance", n_epochs, left))
            super().advance(n_epochs, **calls)

        def drop(self, i):
            assert not self._members[i].dropped
            super().drop(i)

    monkeypatch.setattr(evaluation, "Population", Told)
    return made


def told(populations):
    return [population.told for population in populations]


def network(**params):
    return MLPEstimator((6,), **{"random_state": 0, **params})


@pytest.mark.parametrize("name", ["HalvingGridSearchCV", "HalvingRandomSearchCV"])
@pytest.mark.parametrize(
    "resource", [EPOCHS, {"cv": 3, "random_state": 0}], ids=["epochs", "samples"]
)
def test_results_are_those_of_scikit_learn(name, resource):
    X, y = make_data("multiclass", n=150)
    space = {**GRID, "alpha": [1e-4, 1e-2]}
    params = dict(resource)
    if name == "HalvingRandomSearchCV":
        params.update(n_candidates=9, random_state=0)
    assert_searches_agree(name, network(max_iter=4), space, X, y, **params)


@pytest.mark.parametrize(
    "params",
    [
        {"min_resources": 1, "max_resources": 3, "aggressive_elimination": True},
        {"factor": 2, "return_train_score": False, "refit": False},
        {"resource": "hidden_layer_sizes", "max_resources": 8, "factor": 2},
    ],
)
def test_variants_of_halving(params):
    X, y = make_data("regression")
    grid = {"learning_rate_init": [1e-4, 1e-3, 1e-2, 1e-1], "alpha": [0.0, 1.0]}
    estimator = regressor(hidden_layer_sizes=4)
    params = {**EPOCHS, **params}
    assert_searches_agree("HalvingGridSearchCV", estimator, grid, X, y, **params)


def test_survivors_go_on(populations):
    X, y = make_data("multiclass")
    search = ours.HalvingGridSearchCV(network(), GRID, **EPOCHS)
    fit(search, X, y)
    assert search.n_resources_ == [1, 3, 9]
    assert search.n_candidates_ == [9, 3, 1]
    assert told(populations) == [
        [("tasks", 27), ("advance", 1, 27), ("advance", 3, 9), ("advance", 9, 3)]
    ]
    # 9 candidates have 1 epoch, 3 of them 2 more, and 1 of them 6 more, on 3 folds
    assert search.n_epochs_trained_ == 3 * (9 * 1 + 3 * 2 + 1 * 6)
    assert search.best_estimator_.n_iter_ == 9


def test_the_winner_is_a_plain_fit_of_its_settings():
    X, y = make_data("multiclass")
    search = fit(ours.HalvingGridSearchCV(network(), GRID, **EPOCHS), X, y)
    plain = clone(network()).set_params(**search.best_params_)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        scores = cross_val_score(plain, X, y, cv=3)
    assert search.best_score_ == scores.mean()
    fit(plain, X, y)
    np.testing.assert_array_equal(plain.predict_proba(X), search.predict_proba(X))


def test_pipelines_go_on(populations):
    X, y = make_data("multiclass")
    grid = {f"mlpestimator__{name}": values for name, values in GRID.items()}
    params = {**EPOCHS, "resource": "mlpestimator__max_iter"}
    estimator = make_pipeline(StandardScaler(), network())
    assert_searches_agree("HalvingGridSearchCV", estimator, grid, X, y, **params)
    assert told(populations) == [
        [("tasks", 27), ("advance", 1, 27), ("advance", 3, 9), ("advance", 9, 3)]
    ]


@pytest.mark.parametrize(
    ("params", "goes_on"),
    [
        ({"solver": "lbfgs"}, False),
        ({"learning_rate": "cosine"}, False),
        ({"learning_rate": "cosine", "schedule_epochs": 9}, True),
        ({"learning_rate": "step"}, True),
    ],
)
def test_what_depends_on_max_iter_starts_again(populations, params, goes_on):
    X, y = make_data("binary")
    estimator = network(**params)
    assert_searches_agree("HalvingGridSearchCV", estimator, GRID, X, y, **EPOCHS)
    made = [[("tasks", n), ("advance", None, n)] for n in (27, 9, 3)]
    if goes_on:
        made = [
            [("tasks", 27), ("advance", 1, 27), ("advance", 3, 9), ("advance", 9, 3)]
        ]
    assert told(populations) == made


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
def test_a_candidate_that_diverges_is_left_behind():
    X, y = make_data("multiclass")
    grid = {"learning_rate_init": [1e-3, DIVERGING, 1e-2, 1e-1], "alpha": [0.0, 1.0]}
    search = assert_searches_agree(
        "HalvingGridSearchCV", network(), grid, X, y, **EPOCHS
    )
    assert search.best_params_["learning_rate_init"] != DIVERGING


def test_equal_candidates_are_kept_apart():
    X, y = make_data("multiclass")
    space = {"learning_rate_init": [1e-2, 1e-2, 1e-3, 1e-3], "alpha": [1e-4]}
    assert_searches_agree("HalvingGridSearchCV", network(), space, X, y, **EPOCHS)


def test_other_estimators_are_searched_by_scikit_learn():
    X, y = make_data("binary")
    search = ours.HalvingGridSearchCV(
        Perceptron(tol=None),
        {"alpha": [0.1, 1.0]},
        resource="max_iter",
        max_resources=9,
        cv=3,
    )
    assert search.fit(X, y).best_estimator_.max_iter == 9


def test_brackets_by_hand():
    # Li et al. 2018, algorithm 1, with R = 81 and eta = 3: s_max = 4, and
    # n = ceil(5 / (s + 1) * 3^s) is 81, 33.75, 15, 7.5 and 5, rounded up
    assert brackets_of(81, 3) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]
    assert brackets_of(1, 3) == [[(1, 1)]]


@pytest.mark.parametrize("piped", [False, True])
def test_hyperband(populations, piped):
    X, y = make_data("multiclass")
    estimator, space, resource = network(), RATES, "max_iter"
    if piped:
        estimator = make_pipeline(StandardScaler(), estimator)
        resource = "mlpestimator__max_iter"
        space = {f"mlpestimator__{name}": RATES[name] for name in RATES}
    search = ours.HyperbandSearchCV(
        estimator, space, max_iter=9, cv=3, random_state=0, return_train_score=True
    )
    fit(search, X, y)
    assert told(populations) == [
        [("tasks", 27), ("advance", 1, 27), ("advance", 3, 9), ("advance", 9, 3)],
        [("tasks", 15), ("advance", 3, 15), ("advance", 9, 3)],
        [("tasks", 9), ("advance", 9, 9)],
    ]
    metadata, results = search.metadata_, search.cv_results_
    assert metadata["n_models"] == 9 + 5 + 3
    assert search.n_epochs_trained_ == metadata["n_epochs"]
    assert metadata["n_epochs"] == 3 * metadata["partial_fit_calls"]
    assert len(set(results["model_id"])) == 17
    assert search.best_score_ == results["mean_test_score"].max()
    for i, parameters in enumerate(results["params"]):
        assert parameters[resource] == results["n_resources"][i]
        plain = clone(estimator).set_params(**parameters)
        if i % 5 == 0:
            with pytest.warns(UserWarning, match="Maximum iterations"):
                score = cross_val_score(plain, X, y, cv=3).mean()
            assert results["mean_test_score"][i] == score
    for bracket in (1, 2):
        at = results["bracket"] == bracket
        for rung in range(1, bracket + 1):
            before = at & (results["iter"] == rung - 1)
            here = at & (results["iter"] == rung)
            scores = np.sort(results["mean_test_score"][before])[::-1]
            went_on = np.isin(results["model_id"], results["model_id"][here]) & before
            assert (
                np.sort(results["mean_test_score"][went_on])[::-1]
                == scores[: here.sum()]
            ).all()


def test_the_best_of_hyperband_may_come_from_an_early_rung():
    X, y = make_data("binary")

    def sooner_is_better(model, X, y):
        return -float(model.n_iter_)

    def longest(results):
        epochs, scores = results["n_resources"], results["mean_test_score"]
        return int(np.nanargmax(np.where(epochs == epochs.max(), scores, np.nan)))

    search = ours.HyperbandSearchCV(
        network(), RATES, max_iter=9, cv=2, scoring=sooner_is_better, random_state=0
    )
    fit(search, X, y)
    assert search.best_params_["max_iter"] == search.best_estimator_.n_iter_ == 1
    assert search.best_score_ == -1.0
    fit(search.set_params(refit=longest), X, y)
    assert search.best_params_["max_iter"] == search.best_estimator_.n_iter_ == 9


def test_hyperband_with_several_metrics():
    X, y = make_data("binary")
    search = ours.HyperbandSearchCV(
        classifier(), RATES, max_iter=3, cv=2, scoring=["accuracy", "neg_log_loss"]
    )
    search.set_params(refit="neg_log_loss", random_state=0)
    fit(search, X, y)
    assert search.best_score_ == search.cv_results_["mean_test_neg_log_loss"].max()
    with pytest.raises(ValueError, match="refit must name the one that decides"):
        fit(search.set_params(refit=False), X, y)


def test_hyperband_refuses_to_search_epochs():
    X, y = make_data("binary")
    search = ours.HyperbandSearchCV(classifier(), {"max_iter": [3, 9]})
    with pytest.raises(ValueError, match="leave it out of param_distributions"):
        search.fit(X, y)


def test_hyperband_of_another_estimator_has_the_same_results():
    X, y = make_data("binary")
    small = {"hidden_layer_sizes": (4,), "random_state": 0}
    params = {"max_iter": 3, "cv": 2, "random_state": 0}
    theirs = ours.HyperbandSearchCV(SklearnClassifier(**small), RATES, **params)
    mine = ours.HyperbandSearchCV(classifier(**small), RATES, **params)
    fit(theirs, X, y)
    fit(mine, X, y)
    assert not hasattr(theirs, "n_epochs_trained_")
    assert_same(mine, theirs, X)
