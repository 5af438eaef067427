"""The gradient against central differences, back-propagation and by hand."""

import itertools

import numpy as np
import pytest
import reference
from scipy import sparse

from fastnn import MLPEstimator, fitting
from fastnn.lbfgs import Objective
from fastnn.variants import ACTIVATIONS, LOSSES, SOLVERS

# kind: (loss and output activation, number of outputs, parameters)
KINDS = {
    "multiclass": (("log_loss", "softmax"), 3, {}),
    "binary": (("log_loss", "logistic"), 1, {}),
    "multilabel": (("log_loss", "logistic"), 3, {}),
    "regression": (("squared_error", "identity"), 1, {"task": "regression"}),
    "regression-3": (("squared_error", "identity"), 3, {"task": "regression"}),
    "poisson": (("poisson", "exp"), 1, {"task": "regression", "loss": "poisson"}),
    "poisson-2": (("poisson", "exp"), 2, {"task": "regression", "loss": "poisson"}),
}
TESTED_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
TESTED_SOLVERS = ("sgd", "adam", "lbfgs")
N, N_FEATURES = 11, 4
DEPTHS = ((), (5,), (5, 3))
# A linear network has no hidden units: one activation stands for all.
NETWORKS = [
    (activation, hidden)
    for activation, hidden in itertools.product(TESTED_ACTIVATIONS, DEPTHS)
    if hidden or activation == "identity"
]


def targets_for(kind, rng):
    """Targets in which every class occurs."""
    k = KINDS[kind][1]
    if kind == "multiclass":
        return np.arange(N) % 3
    if kind == "binary":
        return np.arange(N) % 2
    if kind == "multilabel":
        return np.vstack([np.eye(3), np.ones((1, 3)), rng.integers(0, 2, (N - 4, 3))])
    if kind.startswith("poisson"):
        Y = rng.poisson(1.5, (N, k)).astype(float)
    else:
        Y = rng.standard_normal((N, k))
    return Y[:, 0] if k == 1 else Y


def far_from_kinks(theta, sizes, X):
    """Return whether no hidden unit is near 0, where ReLU has no derivative."""
    zs, _ = reference.forward(theta, sizes, "relu", X)
    return all((np.abs(z) > 1e-3).all() for z in zs[:-1])


def make(kind, activation, hidden, alpha, weighted, is_sparse, seed):
    """Return the objective, a theta, and the arguments of the reference."""
    ends, k, params = KINDS[kind]
    sizes = (N_FEATURES, *hidden, k)
    for attempt in range(100):
        rng = np.random.default_rng(1000 * seed + attempt)
        X = rng.standard_normal((N, N_FEATURES))
        if is_sparse:
            X[rng.random(X.shape) < 0.6] = 0
        theta = rng.standard_normal(
            sum((m + 1) * n for m, n in itertools.pairwise(sizes))
        )
        theta *= 0.7
        if far_from_kinks(theta, sizes, X):
            break
    else:
        raise AssertionError("no seed keeps the units away from 0")
    y = targets_for(kind, rng)
    weight = np.where(np.arange(N) % 4 == 1, 0.0, rng.random(N)) if weighted else None
    estimator = MLPEstimator(
        hidden, activation=activation, alpha=alpha, solver="lbfgs", dtype="float64",
        n_threads=1, **params,
    )  # fmt: skip
    data = sparse.csr_matrix(X) if is_sparse else X
    problem, got, _ = fitting._prepare(estimator, data, y, weight, False)
    assert got == sizes
    assert fitting._output_activation(estimator) == ends[1]
    objective = Objective(estimator, problem, sizes, ends, np.dtype("float64"))
    known = (sizes, activation, ends, X, problem.Y, alpha, weight)
    return objective, theta, known


def differences(objective, theta, eps=1e-6):
    """Return central differences for every parameter."""
    gradient = np.empty_like(theta)
    for i in range(theta.size):
        step = np.zeros_like(theta)
        step[i] = eps
        above, below = objective(theta + step)[0], objective(theta - step)[0]
        gradient[i] = (above - below) / (2 * eps)
    return gradient


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("alpha", [0.0, 0.7], ids=["", "alpha"])
@pytest.mark.parametrize(("activation", "hidden"), NETWORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind, activation, hidden, alpha, weighted, is_sparse):
    """Of every parameter, for three seeds.

    The loss is rounded to 1e-16 of itself, which the division by 2e-6 makes 1e-10;
    the third derivative adds 1e-12. 1e-8 of the largest entries leaves two digits,
    where a wrong formula is wrong in the first.
    """
    for seed in range(3):
        objective, theta, known = make(
            kind, activation, hidden, alpha, weighted, is_sparse, seed
        )
        loss, gradient = objective(theta)
        size = max(1.0, np.abs(gradient).max(), abs(loss))
        np.testing.assert_allclose(
            gradient, differences(objective, theta), rtol=0, atol=1e-8 * size
        )
        want_loss, want = reference.backpropagate(theta, *known)
        # Some ten roundings on the way through three layers.
        np.testing.assert_allclose(loss, want_loss, rtol=1e-12)
        np.testing.assert_allclose(gradient, want, rtol=0, atol=1e-12 * size)


def test_the_tables_above_are_complete():
    """A new activation, loss or solver cannot be forgotten here."""
    assert set(TESTED_ACTIVATIONS) == set(ACTIVATIONS) == set(reference.ACTIVATIONS)
    assert {ends for ends, _, _ in KINDS.values()} == set(LOSSES)
    assert set(reference.LOSSES) == set(LOSSES)
    assert set(TESTED_SOLVERS) == set(SOLVERS)


def differences_of_reference(theta, *known):
    return differences(lambda x: reference.backpropagate(x, *known), theta)


@pytest.mark.parametrize("activation", TESTED_ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_itself(kind, activation):
    """Its gradient is that of its own loss: two mistakes cannot cancel."""
    _, theta, known = make(kind, activation, (5, 3), 0.7, True, False, 0)
    loss, gradient = reference.backpropagate(theta, *known)
    size = max(1.0, np.abs(gradient).max(), abs(loss))
    np.testing.assert_allclose(
        gradient, differences_of_reference(theta, *known), rtol=0, atol=1e-8 * size
    )


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
