"""The gradient against central differences, back-propagation and by hand.

The plain networks, in every combination; all others are in
`test_structured_gradients`.
"""

import itertools

import numpy as np
import pytest
import reference
from gradient_tools import (
    ACTIVATIONS,
    FACTORS,
    KINDS,
    PLAIN_CASE,
    SEEDS,
    SOLVERS,
    STRUCTURES,
    check_gradient,
    make,
    suits,
)

from fastnn import MLPEstimator
from fastnn.structure import architecture, plan, variants

# name: loss and output activation, kind of targets
TARGETS = {
    "multiclass": (("log_loss", "softmax"), "multiclass"),
    "binary": (("log_loss", "logistic"), "binary"),
    "multilabel": (("log_loss", "logistic"), "multilabel"),
    "regression": (("squared_error", "identity"), "regression"),
    "regression-3": (("squared_error", "identity"), "regression-3"),
    "poisson": (("poisson", "exp"), "regression"),
    "poisson-3": (("poisson", "exp"), "regression-3"),
}
# A linear network has no hidden units: one activation stands for all.
NETWORKS = [
    (activation, depth)
    for activation, depth in itertools.product(
        ("identity", "logistic", "tanh", "relu"), (0, 1, 2)
    )
    if depth or activation == "identity"
]


def case_of(name, activation, depth, **levels):
    ends, kind = TARGETS[name]
    case = {"ends": ends, "kind": kind, "activation": activation, "depth": depth}
    return {**PLAIN_CASE, **case, **levels}


@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("weights", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("penalty", ["", "l2"])
@pytest.mark.parametrize(("activation", "depth"), NETWORKS)
@pytest.mark.parametrize("name", TARGETS)
def test_gradient(name, activation, depth, penalty, weights, csr):
    """Of every parameter, for three seeds."""
    case = case_of(name, activation, depth, penalty=penalty, weights=weights, csr=csr)
    for seed in range(SEEDS):
        check_gradient(case, seed)


def test_the_tables_are_complete():
    """A new activation, loss, output or solver cannot be forgotten."""
    assert set(ACTIVATIONS) == set(variants.ACTIVATIONS) == set(reference.ACTIVATIONS)
    assert set(FACTORS["ends"]) == set(variants.LOSSES) <= set(reference.LOSSES)
    assert set(variants.CODED_LOSSES) <= set(variants.LOSSES)
    assert set(variants.OUTPUTS) == set(reference.OUTPUTS)
    assert set(variants.OUTPUTS) == {output for _, output in variants.LOSSES}
    assert set(SOLVERS) == set(variants.SOLVERS)
    tables = (variants.CLASSIFICATION_LOSSES, variants.REGRESSION_LOSSES)
    pairs = {(loss, g) for table in tables for loss in table for g in table[loss]}
    assert pairs | {("quantile", "quantiles")} == set(variants.LOSSES)
    for ends in variants.LOSSES:
        assert any(suits(ends, kind) for kind in KINDS), ends


def test_the_factors_are_complete():
    """What a network may have, and what training may do: a new field needs a factor.

    Those of the second line have no part in the loss or its gradient, or are the
    data's.
    """
    fields = set(architecture.Architecture.__dataclass_fields__)
    assert fields == {
        *("activations", "output", "norm", "norm_epsilon", "residual", "sizes")
    }
    assert set(plan.Training.__dataclass_fields__) == {
        *("loss", "weighted", "dropout", "input_noise", "mixup", "l1"),
        *("solver", "n_targets", "n_rows", "validates", "clips", "max_norm", "average"),
    }
    parameters = {name for params in STRUCTURES.values() for name in params}
    assert parameters == {"layer_norm", "batch_norm", "residual"}


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("name", TARGETS)
def test_the_reference_itself(name, activation):
    """Its gradient is that of its own loss: two mistakes cannot cancel."""
    case = case_of(name, activation, 2, penalty="l2", weights=True)
    known, theta, *_ = make(case, 0)
    loss, gradient = known(theta)
    size = max(1.0, np.abs(gradient).max(), abs(loss))
    differences = reference.central_differences(known.loss, theta)
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=1e-8 * size)


# A linear network with two inputs, two hidden units and one output, by hand:
#
#   X = [1 2]   W0 = [1 0; 0 1]   b0 = [0 0]   h = [1 2]
#   y = 1       W1 = [1; -1]      b1 = 0       z = 1 - 2 = -1
#
#   delta = z - y = -2                     loss = ½ · 4 = 2
#   dW1 = h · delta = [-2; -4]             db1 = -2
#   back: delta · W1ᵀ = [-2 2] = db0       dW0 = Xᵀ · [-2 2] = [-2 2; -4 4]
BY_HAND = {
    "theta": np.array([1, 0, 0, 1, 1, -1, 0, 0, 0], float),
    "gradient": np.array([-2, 2, -4, 4, -2, -4, -2, 2, -2], float),
    "loss": 2.0,
}


def network_by_hand(dtype="float64", **params):
    """Return the estimator with the weights above, ready for one step."""
    X, y = np.array([[1.0, 2.0]]), np.array([1.0])
    estimator = MLPEstimator(
        (2,), task="regression", activation="identity", alpha=0.0, dtype=dtype,
        shuffle=False, **params,
    )  # fmt: skip
    estimator.initialize(X, y)
    coefs, intercepts = reference.split(BY_HAND["theta"], (2, 2, 1))
    for got, values in zip(
        [*estimator.coefs_, *estimator.intercepts_], [*coefs, *intercepts], strict=True
    ):
        got[:] = values
    return estimator, X, y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_step_of_sgd_by_hand(momentum, dtype):
    """Theta - 0.25 · gradient; all numbers are sums of powers of two, so exact.

    With Nesterov's momentum the first step is (1 + momentum) times as long.
    """
    estimator, X, y = network_by_hand(
        dtype, solver="sgd", learning_rate_init=0.25, momentum=momentum
    )
    estimator.partial_fit(X, y)
    assert estimator.loss_ == BY_HAND["loss"]
    got = reference.join(estimator.coefs_, estimator.intercepts_)
    step = 0.25 * (1 + momentum) * BY_HAND["gradient"]
    np.testing.assert_array_equal(got, BY_HAND["theta"] - step)
    if momentum == 0:
        np.testing.assert_array_equal(estimator.coefs_[0], [[1.5, -0.5], [1, 0]])
        np.testing.assert_array_equal(estimator.coefs_[1], [[1.5], [0]])
        np.testing.assert_array_equal(estimator.intercepts_[0], [0.5, -0.5])
        np.testing.assert_array_equal(estimator.intercepts_[1], [0.5])


def test_a_step_of_adam_by_hand():
    """The first step of Adam is the rate along the gradient's sign.

    It falls short by epsilon / (√0.001 |g|), here at most 1.6e-7.
    """
    estimator, X, y = network_by_hand(solver="adam", learning_rate_init=0.25)
    estimator.partial_fit(X, y)
    got = reference.join(estimator.coefs_, estimator.intercepts_)
    want = BY_HAND["theta"] - 0.25 * np.sign(BY_HAND["gradient"])
    np.testing.assert_allclose(got, want, rtol=0, atol=5e-8)


def test_the_gradient_by_hand():
    loss, gradient = reference.backpropagate(
        BY_HAND["theta"],
        (2, 2, 1),
        "identity",
        ("squared_error", "identity"),
        np.array([[1.0, 2.0]]),
        np.array([[1.0]]),
    )
    assert loss == BY_HAND["loss"]
    np.testing.assert_array_equal(gradient, BY_HAND["gradient"])
