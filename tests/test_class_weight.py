"""Weights of classes are weights of samples, and integer weights are repetitions."""

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    error_of,
    ignore_convergence,
    make_data,
    outputs,
    snapshot,
    weights_of,
)
from scipy import sparse
from sklearn.metrics import accuracy_score
from sklearn.utils import compute_sample_weight

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (6, 5), "max_iter": 5, "random_state": 0}
MAKERS = (MLPClassifier, MLPEstimator)
# Uneven on purpose: numbers that need rounding, a class left out, a weight of zero.
TABLES = {
    "multiclass": {0: 0.3, 1: 1.7, 3: 4},
    "binary": {1: 2.7},
    "balanced": "balanced",
    "with a zero": {0: 0.0, 1: 1.7, 2: 0.1, 3: 1},
    "ones": {},
}


def uneven(kind, n=97):
    """Return data in which the classes are not equally frequent."""
    X, y = make_data(kind, n=n)
    keep = np.ones(n, bool)
    keep[np.flatnonzero(y == 0)[::2]] = False
    return X[keep], y[keep]


def by_hand(class_weight, y):
    """Return each sample's weight, from the definition of "balanced"."""
    if class_weight == "balanced":
        labels, counts = np.unique(y, return_counts=True)
        class_weight = dict(zip(labels, len(y) / (len(labels) * counts), strict=True))
    return np.array([class_weight.get(label, 1.0) for label in y])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("table", TABLES)
def test_equals_sample_weights_by_hand(table, maker, dtype, solver):
    X, y = uneven("binary" if table == "binary" else "multiclass")
    params = {**FAST, "dtype": dtype, "solver": solver}
    weight = by_hand(TABLES[table], y)
    left = maker(class_weight=TABLES[table], **params).fit(X, y)
    right = maker(**params).fit(X, y, sample_weight=weight)
    assert_same_bits(left, right)
    assert left.loss_ == right.loss_
    plain = maker(**params).fit(X, y)
    same = all((a == b).all() for a, b in zip(left.coefs_, plain.coefs_, strict=True))
    assert same == (table == "ones")


@pytest.mark.parametrize("maker", MAKERS)
def test_is_multiplied_with_sample_weights(maker):
    X, y = uneven("multiclass")
    weight = np.random.RandomState(0).uniform(0.1, 3, len(y))
    params = {**FAST, "dtype": "float64"}
    for table in (TABLES["multiclass"], "balanced"):
        left = maker(class_weight=table, **params).fit(X, y, sample_weight=weight)
        product = weight * by_hand(table, y)
        right = maker(**params).fit(X, y, sample_weight=product)
        assert_same_bits(left, right)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("maker", MAKERS)
def test_a_list_for_several_labels(maker, form):
    X, y = make_data("multilabel")
    tables = [{0: 0.5, 1: 2.3}, {1: 3}, {}]
    weight = np.prod([by_hand(t, c) for t, c in zip(tables, y.T, strict=True)], axis=0)
    left = maker(class_weight=tables, **FAST).fit(X, form(y))
    assert_same_bits(left, maker(**FAST).fit(X, y, sample_weight=weight))
    left = maker(class_weight="balanced", **FAST).fit(X, form(y))
    weight = compute_sample_weight("balanced", y)
    assert_same_bits(left, maker(**FAST).fit(X, y, sample_weight=weight))


def test_labels_of_any_kind():
    X, y = uneven("multiclass")
    for labels in (np.array(list("abcd")), np.array([-2.0, -1.0, 0.0, 7.0])):
        table = {labels[1].item(): 3.5, labels[2].item(): 0.25}
        left = MLPEstimator(class_weight=table, **FAST).fit(X, labels[y])
        right = MLPEstimator(class_weight={1: 3.5, 2: 0.25}, **FAST).fit(X, y)
        assert_same_bits(left, right)


@pytest.mark.parametrize("maker", MAKERS)
def test_partial_fit_with_a_part_of_the_classes(maker):
    """A batch may lack a class that has a weight, and one that has none."""
    X, y = uneven("multiclass")
    table, classes = {0: 2.5, 1: 0.5}, np.unique(y)
    left, right = maker(class_weight=table, **FAST), maker(**FAST)
    for present in ((0, 2), (1, 3), (2, 3), (0, 1, 2, 3)):
        rows = np.isin(y, present)
        left.partial_fit(X[rows], y[rows], classes=classes)
        weight = by_hand(table, y[rows])
        right.partial_fit(X[rows], y[rows], weight, classes=classes)
        assert_same_bits(left, right)
    with pytest.raises(ValueError, match="class_weight='balanced' is not supported"):
        left.set_params(class_weight="balanced").partial_fit(X, y)


WRONG = {
    "negative": {0: -1.0},
    "NaN": {0: np.nan},
    "infinite": {0: np.inf},
    "text": {0: "2"},
    "bool": {0: True},
    "None": {0: None},
    "unknown class": {7: 2.0},
    "a list": [{0: 1, 1: 1}],
    "all zero": dict.fromkeys(range(4), 0.0),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("maker", MAKERS)
def test_wrong_weights_are_named(maker, wrong):
    X, y = uneven("multiclass")
    model = maker(**FAST).fit(X, y)
    before = snapshot(model)
    model.set_params(class_weight=WRONG[wrong])
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="class_weight"):
            method(X, y)
        assert snapshot(model) == before


def test_wrong_weights_of_several_labels():
    X, y = make_data("multilabel")
    for wrong in (
        {0: 1},
        [],
        [{}, {}],
        [{}, {}, {}, {}],
        [{}, {}, {0: -1}],
        [{}, {}, 3],
    ):
        error = error_of(MLPEstimator(class_weight=wrong, **FAST).fit, X, y)
        assert "class_weight" in str(error), wrong


def test_more_classes_than_this_fit_has():
    """Folds of a cross-validation may lack a class; the others all have weights."""
    X, y = uneven("binary")
    table = {0: 1.5, 1: 2.0, 2: 3.0}
    left = MLPEstimator(class_weight=table, **FAST).fit(X, y)
    right = MLPEstimator(class_weight={0: 1.5, 1: 2.0}, **FAST).fit(X, y)
    assert_same_bits(left, right)


def test_regression_has_no_classes():
    X, y = make_data("regression")
    model = MLPEstimator(task="regression", class_weight={0: 1})
    with pytest.raises(ValueError, match="class_weight is for classification"):
        model.fit(X, y)
    with pytest.raises(TypeError, match="class_weight"):
        MLPRegressor(class_weight={0: 1})


@pytest.mark.parametrize("maker", MAKERS)
def test_count_in_validation_scores(maker):
    """Validation samples weigh what the training samples of their class do."""
    X, y = uneven("multiclass", n=160)
    X_val, y_val = X[100:], y[100:]
    # One class is missing here, and "balanced" is a matter of the training samples.
    X_val, y_val = X_val[y_val != 1], y_val[y_val != 1]
    X, y = X[:100], y[:100]
    for table in ("balanced", {0: 5.0, 2: 0.1}):
        model = maker(class_weight=table, learning_rate_init=0.02, **FAST)
        model.fit(X, y, X_val=X_val, y_val=y_val)
        labels, places = np.unique(y, return_index=True)
        of_class = dict(zip(labels, by_hand(table, y)[places], strict=True))
        weight = np.array([of_class[label] for label in y_val])
        expected = accuracy_score(y_val, model.predict(X_val), sample_weight=weight)
        # Weights are kept in float32, a mean of them has seven digits.
        got = model.history_["validation_score"][-1]
        assert got == pytest.approx(expected, rel=1e-6)
        proba = model.predict_proba(X_val)[np.arange(len(y_val)), y_val]
        loss = np.average(-np.log(proba.astype(float)), weights=weight)
        # Probabilities near 1 have lost digits of their logarithm in float32.
        assert model.history_["validation_loss"][-1] == pytest.approx(loss, rel=1e-4)


CLASS_LOSSES = (
    "log_loss", "focal", "hinge", "squared_error", "absolute_error", "huber",
    "log_cosh",
)  # fmt: skip
VALUE_LOSSES = (
    "squared_error", "absolute_error", "huber", "log_cosh", "quantile", "poisson",
    "gamma", "tweedie", "log_loss",
)  # fmt: skip
NETWORKS = {
    "plain": {},
    "batch_norm": {"batch_norm": True},
    "layer_norm": {"layer_norm": True, "residual": True},
}
# Gradient descent: the steps of Adam divide by gradients, which raises rounding.
EXACT = {
    "hidden_layer_sizes": (6, 5), "activation": "tanh", "solver": "sgd", "max_iter": 8,
    "batch_size": "full", "learning_rate_init": 0.05, "dtype": "float64",
    "random_state": 0, "alpha": 0.01,
}  # fmt: skip
# Sums of the same numbers in another order; each of eight steps has some hundred
# roundings of 1e-16, which normalisation by small variances may raise tenfold.
ROUNDING = {"rtol": 1e-9, "atol": 1e-11}


def assert_equal_but_for_rounding(left, right, X):
    for a, b in zip(weights_of(left), weights_of(right), strict=True):
        np.testing.assert_allclose(a, b, **ROUNDING)
    np.testing.assert_allclose(outputs(left, X), outputs(right, X), **ROUNDING)
    np.testing.assert_allclose(left.loss_curve_, right.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("loss", VALUE_LOSSES)
def test_integer_weights_are_repetitions_of_values(loss, network):
    X, y = make_data("regression", n=40)
    y = 1 / (1 + np.exp(-y))
    counts = np.random.RandomState(1).randint(0, 4, 40)
    model = MLPEstimator(task="regression", loss=loss, **EXACT, **NETWORKS[network])
    left = model.fit(X, y, sample_weight=counts)
    right = MLPEstimator(**model.get_params())
    right.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert_equal_but_for_rounding(left, right, X)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("loss", CLASS_LOSSES)
def test_integer_weights_are_repetitions_of_classes(loss, kind, network):
    X, y = make_data(kind, n=40)
    counts = np.random.RandomState(1).randint(0, 4, 40)
    params = {**EXACT, **NETWORKS[network], "loss": loss}
    left = MLPEstimator(**params).fit(X, y, sample_weight=counts)
    right = MLPEstimator(**params)
    right.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts, axis=0))
    assert_equal_but_for_rounding(left, right, X)
    if kind == "multilabel":
        return
    table = {0: 3, 1: 2}
    counts = by_hand(table, y).astype(int)
    left = MLPEstimator(class_weight=table, **params).fit(X, y)
    right = MLPEstimator(**params)
    right.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert_equal_but_for_rounding(left, right, X)
