"""Losses, gradients, activations and steps that inspection measures."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data
from sklearn.utils.class_weight import compute_sample_weight

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.inspection._activity import dead_share, saturated_share
from fastnn.inspection._probe import Probe, Step, weight_norms
from fastnn.structure import weights

pytestmark = ignore_convergence
DEEP = {"layer_norm": True, "residual": True, "activation": "gelu"}


def fitted(maker, kind, **params):
    X, y = make_data(kind)
    params = {"hidden_layer_sizes": (6, 5), "random_state": 0, "max_iter": 3, **params}
    return maker(**params).fit(X, y), X, y


@pytest.mark.parametrize(
    ("maker", "kind", "params"),
    [
        (
            MLPClassifier,
            "multiclass",
            {"activation": "tanh", "class_weight": "balanced"},
        ),
        (MLPClassifier, "binary", {**DEEP, "label_smoothing": 0.1}),
        (MLPRegressor, "multioutput", {"activation": ["tanh", "softplus"]}),
    ],
)
def test_gradient_is_the_slope_of_the_loss(maker, kind, params):
    net, X, y = fitted(maker, kind, alpha=10.0, dropout=0.5, **params)
    probe = Probe(net, X, y)
    theta = probe.theta.astype(float)
    direction = np.random.RandomState(0).standard_normal(theta.size)
    h = 1e-6
    slope = (probe.loss(theta + h * direction) - probe.loss(theta - h * direction)) / 2
    # The reported squared error of several outputs is a mean, its gradient the sum's.
    outputs = 3 if kind == "multioutput" else 1
    expected = probe.gradient(theta) @ direction / outputs
    assert slope / h == pytest.approx(expected, rel=1e-6)
    assert abs(expected) > 1e-3


@pytest.mark.parametrize("kind", ["multiclass", "multioutput", "multilabel"])
def test_loss_is_what_a_fit_reports(kind):
    """A fit on all samples at once reports the loss of the weights it began with."""
    maker = MLPRegressor if kind == "multioutput" else MLPClassifier
    X, y = make_data(kind)
    params = {"hidden_layer_sizes": (5,), "random_state": 1, "alpha": 0.0}
    start = maker(**params).initialize(X, y)
    net = maker(**params, batch_size="full", max_iter=1).fit(X, y)
    probe = Probe(start, X, y)
    assert probe.loss(probe.theta) == pytest.approx(net.loss_curve_[0], rel=1e-12)


@pytest.mark.parametrize("maker", [MLPRegressor, MLPEstimator])
def test_training_and_validation_loss_can_be_compared(maker):
    """On the same samples, and with a rate that changes nothing, they are equal."""
    X, y = make_data("multioutput")
    params = {"task": "regression"} if maker is MLPEstimator else {}
    net = maker((5,), max_iter=2, learning_rate_init=1e-12, alpha=0.0, **params)
    history = net.set_params(dtype="float64").fit(X, y, X_val=X, y_val=y).history_
    np.testing.assert_allclose(history["validation_loss"], history["loss"], rtol=1e-9)


def test_weights_of_samples_count():
    net, X, y = fitted(MLPClassifier, "binary")
    weight = np.zeros(len(X))
    weight[:10] = 2.0
    probe, part = Probe(net, X, y, weight), Probe(net, X[:10], y[:10])
    theta = probe.theta
    assert probe.loss(theta) == pytest.approx(part.loss(theta), rel=1e-12)
    np.testing.assert_allclose(probe.gradient(theta), part.gradient(theta), rtol=1e-9)


def test_weights_of_classes_count():
    X, y = make_data("binary")
    y[:60] = 0
    weight = compute_sample_weight("balanced", y)
    net = MLPClassifier((5,), class_weight="balanced", max_iter=3, random_state=0)
    net.fit(X, y)
    found = Probe(net, X, y)
    plain = Probe(net.set_params(class_weight=None), X, y, weight)
    assert found.loss(found.theta) == pytest.approx(plain.loss(found.theta), rel=1e-12)
    net.set_params(class_weight="balanced")
    twice = Probe(net, X, y, np.arange(len(y)))
    plain = Probe(net.set_params(class_weight=None), X, y, weight * np.arange(len(y)))
    assert twice.loss(found.theta) == pytest.approx(plain.loss(found.theta), rel=1e-12)


def test_a_probe_changes_nothing():
    net, X, y = fitted(MLPClassifier, "multiclass", class_weight="balanced")
    before = {k: repr(v) for k, v in vars(net).items() if k != "_shared"}
    probe = Probe(net, X[:30], y[:30])
    probe.loss(np.zeros_like(probe.theta))
    probe.gradient(probe.theta * 2)
    probe.activations(probe.theta)
    assert {k: repr(v) for k, v in vars(net).items() if k != "_shared"} == before


@pytest.mark.parametrize("norm", [{}, {"layer_norm": True}, {"batch_norm": True}])
def test_activations_are_those_of_transform(norm):
    net, X, y = fitted(MLPClassifier, "multiclass", activation="tanh", **norm)
    probe = Probe(net, X, y)
    found = probe.activations(probe.theta)
    for layer in range(2):
        np.testing.assert_array_equal(found[layer], net.transform(X, layer=layer))


@pytest.mark.parametrize("sizes", [(6, 6, 6), (6, 4, 5)])
def test_activations_before_short_cuts(sizes):
    net, X, y = fitted(
        MLPClassifier, "multiclass", hidden_layer_sizes=sizes, residual=True
    )
    probe = Probe(net, X, y)
    below = net.transform(X, layer=0)
    for layer, active in enumerate(probe.activations(probe.theta)[1:], start=1):
        added = below
        if len(set(sizes)) > 1:
            added = below @ net.shortcut_coefs_[layer]
        below = net.transform(X, layer=layer)
        np.testing.assert_allclose(active, below - added, atol=1e-12)
        assert (active >= 0).all()  # of relu, which the sum need not be


@pytest.mark.parametrize("solver", ["sgd", "adam", "lion"])
def test_a_step_is_the_solvers_own(solver):
    """On all samples at once, what comes next is one step."""
    X, y = make_data("multiclass")
    params = {
        "hidden_layer_sizes": (6, 5),
        "batch_size": "full",
        "solver": solver,
        "random_state": 0,
        "dtype": "float64",
        "shuffle": False,
    }
    net = MLPEstimator(**params, max_iter=4).fit(X, y)
    theta = weights.read(net)[0].copy()
    change = Step(net, X, y).change(theta, net._optimizer)
    net.partial_fit(X, y)
    np.testing.assert_allclose(
        change, weights.read(net)[0] - theta, rtol=1e-9, atol=1e-15
    )
    assert np.abs(change).max() > 1e-5


def test_norms_are_of_weights_alone():
    net, _, _ = fitted(MLPClassifier, "multiclass")
    theta, architecture = weights.read(net)
    net.intercepts_[0][:] = 1e6
    expected = [np.linalg.norm(W) for W in net.coefs_]
    np.testing.assert_allclose(weight_norms(theta, architecture), expected, rtol=1e-12)


def test_dead_units_by_hand():
    A = np.array([[0.0, 0.0, 2.0, 1e-4], [0.0, 1.0, 0.0, 0.0]])
    assert dead_share("relu", A) == 0.25
    assert dead_share("gelu", A) == 0.5
    assert np.isnan(dead_share("tanh", A))
    assert np.isnan(dead_share("leaky_relu", A))


def test_saturated_units_by_hand():
    A = np.array([[0.99, 0.5, -0.99, 0.0], [-0.99, 0.99, 0.9, 0.0]])
    # derivatives of tanh, averaged: 0.02, 0.38, 0.1, 1
    assert saturated_share("tanh", A) == 0.25
    # of the logistic function over its maximum: 4 * 0.99 * 0.01 = 0.04; 1
    assert saturated_share("logistic", np.array([[0.99, 0.5], [0.01, 0.5]])) == 0.5
    # elu and selu flatten at -1 and at -1.758
    assert saturated_share("elu", np.array([[-0.99, 3.0]])) == 0.5
    assert saturated_share("selu", np.array([[-1.75, -1.0]])) == 0.5
    assert np.isnan(saturated_share("relu", A))
