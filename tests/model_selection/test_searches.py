"""Searches over networks: the same results as scikit-learn's loop, to the bit."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from helpers import make_data, needs_weights
from scipy import sparse
from scipy.stats import loguniform
from search_tools import (
    DIVERGING,
    GRID,
    THEIRS,
    assert_same,
    assert_same_results,
    assert_searches_agree,
    both,
    classifier,
    fit,
    regressor,
)
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GroupKFold, ShuffleSplit
from sklearn.naive_bayes import GaussianNB

from fastnn import MLPEstimator
from fastnn import model_selection as ours

failures_warn = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.FitFailedWarning",
    "ignore:One or more of the:UserWarning",
    "ignore:Scoring failed:UserWarning",
)


def network_for(kind, **params):
    regression = kind in ("regression", "multioutput")
    return regressor(**params) if regression else classifier(**params)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "kind", ["binary", "multiclass", "multilabel", "regression", "multioutput"]
)
def test_a_grid_gives_the_results_of_scikit_learn(kind, dtype):
    X, y = make_data(kind, dtype=dtype)
    search = assert_searches_agree(
        "GridSearchCV", network_for(kind), GRID, X, y, cv=3, return_train_score=True
    )
    assert search.n_epochs_trained_ == 4 * 3 * 4  # candidates, folds, epochs


def test_drawn_candidates_are_those_of_scikit_learn():
    X, y = make_data("multiclass")
    space = {
        "learning_rate_init": loguniform(1e-4, 1e-1),
        "hidden_layer_sizes": [(4,), (5, 3), ()],
        "batch_size": [16, 32],
    }
    assert_searches_agree(
        "RandomizedSearchCV", classifier(), space, X, y, n_iter=6, random_state=3
    )


def test_solvers_stops_and_schedules_differ_between_candidates():
    X, y = make_data("regression")
    grid = [
        {"solver": ["lbfgs"], "max_iter": [3, 6]},
        {"solver": ["sgd"], "learning_rate": ["adaptive"], "n_iter_no_change": [1]},
        {"early_stopping": [True], "max_iter": [12], "validation_fraction": [0.3]},
    ]
    assert_searches_agree("GridSearchCV", regressor(), grid, X, y, cv=3)


def test_our_own_estimator_with_class_weights():
    X, y = make_data("multiclass")
    estimator = MLPEstimator((6,), max_iter=4, random_state=0)
    grid = {"class_weight": [None, "balanced"], "dropout": [0.0, 0.2]}
    assert_searches_agree("GridSearchCV", estimator, grid, X, y, cv=3)


@pytest.mark.parametrize("form", ["frame", "csr", "list", "labels"])
def test_forms_of_input(form):
    X, y = make_data("multiclass")
    if form == "frame":
        X, y = pd.DataFrame(X).add_prefix("x"), pd.Series(y, index=range(7, 104))
    elif form == "csr":
        X = sparse.csr_matrix(np.where(np.abs(X) > 1, X, 0))
    elif form == "list":
        X, y = X.tolist(), y.tolist()
    else:
        y = np.array(["a", "b", "c", "d"])[y]
    search = assert_searches_agree("GridSearchCV", classifier(), GRID, X, y, cv=3)
    if form == "frame":
        assert list(search.feature_names_in_) == list(X)


def one_score(estimator, X, y):
    return f1_score(y, estimator.predict(X), average="macro")


def two_scores(estimator, X, y):
    right = estimator.predict(X) == y
    return {"mean": right.mean(), "first": right[:5].mean()}


def second_best(results):
    return int(np.argsort(-results["mean_test_score"], kind="stable")[1])


@pytest.mark.parametrize(
    ("scoring", "refit"),
    [
        ("f1_macro", True),
        ("f1_macro", False),
        ("neg_log_loss", second_best),
        (one_score, True),
        (two_scores, "mean"),
        (two_scores, False),
        (["accuracy", "neg_log_loss", "f1_macro"], "neg_log_loss"),
        ({"a": "accuracy", "b": make_scorer(f1_score, average="micro")}, "b"),
        (["accuracy", "f1_macro"], False),
    ],
)
def test_metrics_and_refit(scoring, refit):
    X, y = make_data("multiclass")
    assert_searches_agree(
        "GridSearchCV",
        classifier(),
        GRID,
        X,
        y,
        cv=3,
        scoring=scoring,
        refit=refit,
        return_train_score=True,
    )


def test_several_metrics_need_to_be_told_which_one_decides():
    X, y = make_data("binary")
    search = ours.GridSearchCV(classifier(), GRID, scoring=["accuracy", "f1"])
    with pytest.raises(ValueError, match="refit must be set"):
        search.fit(X, y)


@needs_weights
def test_sample_weights():
    X, y = make_data("binary")
    weight = np.random.RandomState(0).uniform(0.1, 2, len(y))
    params = {"sample_weight": weight}
    assert_searches_agree("GridSearchCV", classifier(), GRID, X, y, params, cv=3)


@pytest.mark.filterwarnings("ignore:The scoring.*sample_weight:UserWarning")
def test_sample_weights_that_scorers_do_not_take():
    X, y = make_data("binary")
    params = {"sample_weight": np.random.RandomState(0).uniform(0.1, 2, len(y))}
    assert_searches_agree(
        "GridSearchCV", classifier(), GRID, X, y, params, cv=3, scoring=one_score
    )


def test_validation_samples_are_given_to_every_fold():
    X, y = make_data("binary")
    X_val, y_val = make_data("binary", n=40, seed=1)
    params = {"X_val": X_val, "y_val": y_val}
    estimator = classifier(early_stopping=True, n_iter_no_change=2)
    assert_searches_agree("GridSearchCV", estimator, GRID, X, y, params, cv=3)


@pytest.mark.parametrize("form", ["groups", "shuffle", "generator", "masks"])
def test_splits(form):
    X, y = make_data("binary")
    n = len(y)
    groups = np.arange(n) % 7
    folds = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in (0, 1)]
    fit_params = {}
    if form == "groups":
        cvs, fit_params = [GroupKFold(3)] * 2, {"groups": groups}
    elif form == "shuffle":
        cvs = [ShuffleSplit(3, random_state=0)] * 2
    elif form == "generator":
        cvs = [iter(folds), iter(folds)]
    else:
        cvs = [[(groups != g, groups == g) for g in (0, 1)]] * 2
    mine, theirs = both("GridSearchCV", classifier(), GRID)
    fit(mine.set_params(cv=cvs[0]), X, y, **fit_params)
    fit(theirs.set_params(cv=cvs[1]), X, y, **fit_params)
    assert_same(mine, theirs, X)


@pytest.mark.parametrize(
    "part", [[0.0, 1.0], [10**6], [True] * 3, slice(3), [[1], [2, 3]]]
)
def test_splits_that_are_none(part):
    X, y = make_data("binary")
    search = ours.GridSearchCV(classifier(), GRID, cv=[(part, [1, 2])])
    with pytest.raises(ValueError, match="cv must give pairs of row numbers"):
        search.fit(X, y)


@needs_weights
@pytest.mark.parametrize("asks", [True, False])
def test_routed_metadata(asks):
    X, y = make_data("binary")
    fit_params = {
        "sample_weight": np.random.RandomState(0).uniform(0.1, 2, len(y)),
        "groups": np.arange(len(y)) % 7,
    }
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = classifier().set_fit_request(sample_weight=asks)
        scorer = make_scorer(f1_score).set_score_request(sample_weight=True)
        assert_searches_agree(
            "GridSearchCV",
            estimator,
            GRID,
            X,
            y,
            fit_params,
            cv=GroupKFold(3),
            scoring={"f1": scorer, "own": estimator_score(asks)},
            refit="f1",
        )


def estimator_score(asks):
    scorer = make_scorer(lambda y, predicted, sample_weight=None: np.mean(y))
    return scorer.set_score_request(sample_weight=asks)


@failures_warn
@pytest.mark.parametrize("error_score", [np.nan, -1.0])
@pytest.mark.parametrize("scoring", [None, ["accuracy", "f1_macro"], two_scores])
def test_a_candidate_that_diverges_leaves_the_others_alone(scoring, error_score):
    X, y = make_data("multiclass", dtype=np.float32)
    search = assert_searches_agree(
        "GridSearchCV",
        classifier(),
        {"learning_rate_init": [1e-3, DIVERGING, 1e-2]},
        X,
        y,
        cv=3,
        scoring=scoring,
        refit={None: True, two_scores: "mean"}.get(
            scoring if callable(scoring) or scoring is None else "", "accuracy"
        ),
        error_score=error_score,
        return_train_score=True,
    )
    assert search.best_params_["learning_rate_init"] != DIVERGING


def test_a_candidate_that_diverges_warns():
    X, y = make_data("multiclass", dtype=np.float32)
    grid = {"learning_rate_init": [1e-3, DIVERGING]}
    search = ours.GridSearchCV(classifier(), grid, cv=3, error_score=0.0)
    with pytest.warns(FitFailedWarning, match=r"3 fits failed out of a total of 6.*"):
        fit(search, X, y)


@failures_warn
def test_errors_are_raised_where_that_is_asked_for():
    X, y = make_data("multiclass", dtype=np.float32)
    grid = {"learning_rate_init": [1e-3, DIVERGING]}
    search = ours.GridSearchCV(classifier(), grid, cv=3, error_score="raise")
    with pytest.raises(ValueError, match="non-finite"):
        fit(search, X, y)
    search = ours.GridSearchCV(classifier(), {"alpha": [-1.0]}, cv=3)
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        fit(search, X, y)
    search = ours.GridSearchCV(classifier(), {"alfa": [1.0]}, cv=3)
    with pytest.raises(ValueError, match="Invalid parameter 'alfa'"):
        fit(search, X, y)
    search = ours.GridSearchCV(classifier(), {"alpha": []}, cv=3)
    with pytest.raises(ValueError, match="non-empty"):
        fit(search, X, y)


@failures_warn
def test_scorers_that_fail():
    X, y = make_data("multiclass")  # f1 of several classes needs an average
    for scoring, refit in (("f1", True), (["accuracy", "f1"], "accuracy")):
        mine, theirs = both(
            "GridSearchCV", classifier(), GRID, cv=3, scoring=scoring, refit=refit
        )
        fit(mine, X, y)
        fit(theirs, X, y)
        assert_same_results(mine, theirs)
        with pytest.raises(ValueError, match="average"):
            fit(mine.set_params(error_score="raise"), X, y)


@pytest.mark.parametrize("verbose", [1, 2, 3, 10])
@pytest.mark.parametrize("scoring", [None, ["accuracy", "f1_macro"]])
def test_messages(verbose, scoring, capsys):
    X, y = make_data("multiclass")
    searches = both(
        "GridSearchCV",
        classifier(),
        GRID,
        cv=2,
        verbose=verbose,
        scoring=scoring,
        refit=False,
        return_train_score=verbose == 3,
    )
    printed = []
    for search in searches:
        fit(search, X, y)
        lines = capsys.readouterr().out.splitlines()
        # dots fill the line, and the time is another
        printed.append(sorted(" ".join(_told(line)) for line in lines))
    assert printed[0] == printed[1]


def _told(line):
    line, _, _ = line.partition(" total time=")
    return [word.strip(".") for word in line.split()]


def test_other_estimators_are_searched_by_scikit_learn():
    X, y = make_data("binary")
    grid = {"var_smoothing": [1e-9, 1.0]}
    mine, theirs = both("GridSearchCV", GaussianNB(), grid, cv=3)
    assert_same(mine.fit(X, y), theirs.fit(X, y), X)
    assert not hasattr(mine, "n_epochs_trained_")


def test_callbacks_are_told_of_every_fit():
    callback = pytest.importorskip("sklearn.callback")
    X, y = make_data("binary")
    estimator = classifier().set_callbacks(callback.ScoringMonitor(scoring="accuracy"))
    search = ours.GridSearchCV(estimator, GRID, cv=2)
    fit(search, X, y)
    assert not hasattr(search, "n_epochs_trained_")
    assert len(search.cv_results_["params"]) == 4


def test_searches_can_be_cloned_and_fitted_again():
    X, y = make_data("binary")
    search = clone(ours.GridSearchCV(classifier(), GRID, cv=3))
    first = fit(search, X, y).cv_results_["mean_test_score"].copy()
    second = fit(search, X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(first, second)
    assert search.get_params()["estimator__max_iter"] == 4


def test_a_search_within_a_search():
    X, y = make_data("binary")
    inner = ours.GridSearchCV(classifier(), {"alpha": [1e-4, 1e-2]}, cv=2)
    outer = THEIRS["GridSearchCV"](inner, {"estimator__max_iter": [2, 3]}, cv=2)
    assert fit(outer, X, y).best_estimator_.n_epochs_trained_ > 0
