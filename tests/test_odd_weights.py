"""Weights that add up to nothing, or to no number, are refused by name."""

from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from fastnn.kernels import layout as at
from helpers import error_of, ignore_convergence, make_data

import fastnn
from fastnn.learning import randomness

pytestmark = ignore_convergence
NETWORKS = (fastnn.MLPEstimator, fastnn.MLPClassifier, fastnn.MLPRegressor)
WEIGHED = (*NETWORKS, fastnn.Perceptron)
CLASSIFIERS = (fastnn.MLPEstimator, fastnn.MLPClassifier, fastnn.Perceptron)
X, Y = make_data("binary", n=40, p=4)
X = X.astype(np.float32)
ONES = np.ones(40)


def one_of(value):
    weight = ONES.copy()
    weight[7] = value
    return weight


ODD = {
    "NaN": np.nan,
    "infinity": np.inf,
    "one NaN": one_of(np.nan),
    "one infinity": one_of(np.inf),
    "too large": 10**400,
    "too large for float32": 1e50 * ONES,
    "a sum that is too large": 1e38 * ONES * 1e270,
    "a sum that is too large for float32": 1e38 * ONES,
    "nothing": 0.0,
    "nothing in float32": 1e-50 * ONES,
}


@pytest.mark.parametrize("is_assumed", [False, True])
@pytest.mark.parametrize("weight", ODD)
@pytest.mark.parametrize("kind", WEIGHED)
def test_weights_of_samples(kind, weight, is_assumed):
    """Also where X is assumed to be finite."""
    with sklearn.config_context(assume_finite=is_assumed):
        error = error_of(kind(max_iter=2).fit, X, Y, sample_weight=ODD[weight])
        assert "weight" in str(error).lower()
        if kind in NETWORKS:
            model = kind(max_iter=2, early_stopping=True)
            held_out = {"X_val": X, "y_val": Y, "sample_weight_val": ODD[weight]}
            assert "sample_weight_val" in str(error_of(model.fit, X, Y, **held_out))


@pytest.mark.parametrize("weight", [1e-50, 1e50, 10**400, 0, np.nan, np.inf])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_weights_of_classes(kind, weight):
    model = kind(max_iter=2, class_weight={0: weight, 1: weight})
    assert "class_weight" in str(error_of(model.fit, X, Y))


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_weights_that_are_too_large_together(kind):
    model = kind(max_iter=2, class_weight={0: 1e30, 1: 1e30})
    model.fit(X, Y)
    error = str(error_of(model.fit, X, Y, sample_weight=1e30 * ONES))
    assert "class_weight times sample_weight" in error


def test_small_weights_that_are_numbers_train():
    """In float64 they are no nothing."""
    small = {0: 1e-50, 1: 1e-50}
    model = fastnn.MLPClassifier(max_iter=9, class_weight=small, random_state=0)
    model.fit(X.astype(np.float64), Y)
    assert model.loss_curve_[0] > model.loss_curve_[-1] > 0


def test_weights_of_classes_are_not_for_regression():
    for empty in ({}, [], "balanced"):
        model = fastnn.MLPEstimator(task="regression", class_weight=empty)
        assert "class_weight" in str(error_of(model.fit, X, Y))


def test_a_rate_that_falls_below_all_numbers():
    """n^300 is more than a float can hold: the rate is 0 then, and training ends."""
    model = fastnn.MLPClassifier(
        (3,),
        solver="sgd",
        learning_rate="invscaling",
        power_t=300,
        momentum=0.0,
        max_iter=4,
        random_state=0,
    ).fit(X, Y)
    later = fastnn.MLPClassifier(**{**model.get_params(), "max_iter": 1}).fit(X, Y)
    assert np.array_equal(model.coefs_[0], later.coefs_[0])


@pytest.mark.parametrize("kind", [fastnn.MLPClassifier, fastnn.MLPEstimator])
def test_a_batch_of_weightless_classes_changes_nothing(kind):
    """A stream may have such; all samples of a fit may not."""
    model = kind((3,), class_weight={0: 0.0, 1: 1.0}, random_state=0, solver="sgd")
    model.partial_fit(X, Y, classes=[0, 1])
    before = model.coefs_[0].copy()
    model.partial_fit(X[Y == 0], Y[Y == 0])
    np.testing.assert_array_equal(model.coefs_[0], before)
    assert model.loss_curve_[1] == 0
    model.partial_fit(X, Y)
    assert not np.array_equal(model.coefs_[0], before)
    validated = kind(
        (3,), class_weight={0: 0.0, 1: 1.0}, early_stopping=True, max_iter=2
    )
    weightless = {"X_val": X[Y == 0], "y_val": Y[Y == 0]}
    assert "y_val" in str(error_of(validated.fit, X, Y, **weightless))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("batch_size", [7, 40, "full"])
def test_rows_without_weight_are_mixed_with_none(kind, batch_size):
    """Whatever is in them, the same weights come out; others are mixed."""
    weight = (np.arange(40) % 3 > 0).astype(float)
    wild = np.where(weight[:, None] > 0, X, 1e6 * X[::-1])
    fits = [
        kind((5,), max_iter=4, batch_size=batch_size, random_state=0, mixup_alpha=a)
        .fit(rows, Y, sample_weight=weight)
        .loss_curve_
        for rows, a in ((X, 0.7), (wild, 0.7), (X, 0.0))
    ]
    assert fits[0] == fits[1] != fits[2]


@pytest.mark.parametrize(("n", "batch"), [(1, 1), (6, 6), (7, 3), (9, 3), (5, 4)])
def test_shares_of_rows_without_weight(n, batch):
    """As told row by row."""
    rng = np.random.default_rng(n)
    weight, order = rng.integers(0, 2, 9).astype(float), rng.permutation(9)[:n]
    net = np.zeros(at.HEADER, np.int64)
    net[at.N_ROWS], net[at.BATCH], net[at.LAMBDA0] = n, batch, 2
    network = SimpleNamespace(net=net, arena=np.full(n + 4, 0.75))
    randomness.keep_apart(network, weight, order)
    expected = np.full(n + 4, 0.75)
    for place in range(n):
        begin = place // batch * batch
        after = begin if place + 1 in (begin + batch, n) else place + 1
        if weight[order[place]] == 0 or weight[order[after]] == 0:
            expected[2 + place] = 1.0
    np.testing.assert_array_equal(network.arena, expected)
