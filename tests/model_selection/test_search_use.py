"""What a user of the searches notices besides their results."""

import warnings

import numpy as np
import pytest
from helpers import make_data
from scipy.stats import loguniform
from search_tools import classifier, regressor
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPEstimator
from fastnn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HyperbandSearchCV,
    convergence_study,
    suggest,
    suggest_space,
)

RATES = {"learning_rate_init": loguniform(1e-4, 1e-2)}


def epochs_warned_of(search, X, y):
    """Return the number of epochs in each ConvergenceWarning of a search."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    assert {record.category for record in caught} <= {ConvergenceWarning}
    return [int(str(w.message).split("(")[1].split(")")[0]) for w in caught]


@pytest.mark.parametrize("kind", ["halving", "hyperband"])
def test_a_rung_that_ends_is_no_reason_to_warn(kind):
    X, y = make_data("binary")
    if kind == "halving":
        grid = {"alpha": [1e-4, 1e-3, 1e-2]}
        search = HalvingGridSearchCV(
            classifier(),
            grid,
            resource="max_iter",
            min_resources=2,
            max_resources=6,
            cv=2,
        )
    else:
        search = HyperbandSearchCV(
            classifier(), RATES, max_iter=6, cv=2, random_state=0
        )
    *in_rungs, at_last = epochs_warned_of(search, X, y)
    assert len(in_rungs) >= 2  # two folds of the last rung, for each bracket
    assert set(in_rungs) == {6}
    assert at_last == search.best_params_["max_iter"]  # the last fit's


@pytest.mark.parametrize("kind", ["classifier", "estimator"])
def test_the_global_seed_makes_a_search_repeatable(kind):
    X, y = make_data("binary")
    network = classifier(random_state=None, max_iter=3)
    if kind == "estimator":
        network = MLPEstimator((4,), task="classification", max_iter=3)
    results = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002 - it is what users do
        search = GridSearchCV(network, {"alpha": [1e-4] * 5}, cv=2, n_jobs=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            results.append(search.fit(X, y).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*results)
    assert len(set(results[0])) > 1  # equal candidates differ by their first weights
    assert search.best_estimator_.random_state is None


def test_studies_take_one_value_as_well():
    pytest.importorskip("pandas")
    X, y = make_data("binary")
    table = convergence_study(classifier(), X, y, 1e-2, "auto", n_epochs=2)
    assert table["batch_size"].tolist() == ["auto"] * 2
    assert table["learning_rate"].tolist() == [1e-2] * 2


@pytest.mark.parametrize("values", [1e-3, "relu"])
def test_a_space_has_lists(values):
    with pytest.raises(TypeError, match="alpha needs a list of values"):
        suggest(None, {"alpha": values})


def test_all_networks_are_suggested_the_same_activations():
    X, y = make_data("binary")
    estimators = classifier(), regressor(), MLPEstimator(task="classification")
    for estimator in estimators:
        space = suggest_space(estimator, X, y)
        assert space["activation"] == ["relu", "tanh", "gelu", "silu"]
