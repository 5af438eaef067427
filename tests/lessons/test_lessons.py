"""What a course on neural networks teaches of networks, losses and back-propagation.

Every figure was worked out by hand or is computed here from its formula in NumPy.
What the course says of training is in `test_lessons_training`, of over-fitting in
`test_lessons_regularisation`, of depth in `test_lessons_deep`, of search and of its
practical sessions in `test_lessons_practice`.
"""

import numpy as np
import pytest
from helpers import ignore_convergence
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastnn import MLPEstimator, MLPRegressor

DTYPES = ("float32", "float64")
F = {
    "step": lambda z: np.where(z >= 0, 1.0, 0.0),
    "sign": lambda z: np.where(z >= 0, 1.0, -1.0),
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
}
# From the activation's value; all but softmax, whose derivative is a matrix.
DERIVATIVES = {
    "identity": np.ones_like,
    "logistic": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a**2,
    "relu": lambda a: np.where(a > 0, 1.0, 0.0),
}


def set_weights(net, coefs, intercepts):
    """Write weights into an initialised network."""
    net.coefs_ = [np.array(W, net.coefs_[0].dtype) for W in coefs]
    net.intercepts_ = [np.array(b, net.coefs_[0].dtype) for b in intercepts]
    return net


def layers(net, X, names):
    """Return the outputs of every layer by a_l = f(a_(l-1) W_l + b_l), X first."""
    outputs = [np.asarray(X, float)]
    for W, b, name in zip(net.coefs_, net.intercepts_, names, strict=True):
        outputs.append(F[name](outputs[-1] @ W.astype(float) + b.astype(float)))
    return outputs


# Networks


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [0, 1, 2, 6, 13])
def test_any_depth_and_an_activation_per_layer(depth, dtype):
    """Feed-forward networks of any depth (lesson 2)."""
    rng = np.random.default_rng(depth)
    names = ("step", "tanh", "sign", "relu", "identity", "logistic")
    hidden = [names[i % 6] for i in range(depth)]
    sizes = rng.integers(1, 20, depth)
    X = rng.standard_normal((30, 5)).astype(dtype)
    y = np.arange(30) % 4
    net = MLPEstimator(sizes, activation=hidden, dtype=dtype, random_state=0)
    net.initialize(X, y)
    want = layers(net, X, [*hidden, "softmax"])
    # Steps are the same unless z is within rounding of 0, which these numbers are not.
    bound = 1e-13 if dtype == "float64" else 2e-6
    np.testing.assert_allclose(net.predict_proba(X), want[-1], rtol=0, atol=bound)
    for layer in range(depth):
        # Values of relu and identity grow to 3 or so.
        np.testing.assert_allclose(
            net.transform(X, layer), want[layer + 1], rtol=0, atol=3 * bound
        )
    assert net.n_layers_ == depth + 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_flow_through_two_relu_units(dtype):
    """h1 = relu(0.5 x1 - 0.3 x2), h2 = relu(0.8 x1 + 0.1 x2) (lesson 2).

    By hand, with output weights 2 and -1. The first unit is silent in the second row,
    both are in the third.
    """
    X = np.array([[2.0, 1.0], [1.0, 3.0], [-1.0, 1.0]], dtype)
    net = MLPEstimator((2,), task="regression", dtype=dtype).initialize(X, [0, 0, 0])
    set_weights(net, [[[0.5, 0.8], [-0.3, 0.1]], [[2.0], [-1.0]]], [[0, 0], [0]])
    bound = 1e-15 if dtype == "float64" else 3e-7
    np.testing.assert_allclose(
        net.transform(X), [[0.7, 1.7], [0, 1.1], [0, 0]], rtol=0, atol=bound
    )
    np.testing.assert_allclose(net.predict(X), [-0.3, -1.1, 0], rtol=0, atol=2 * bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_networks_are_one_linear_map(dtype):
    """A product of matrices and a sum of biases; a narrow layer limits it (lesson 2).

    Seven layers with one of two units: all that they compute has rank 2.
    """
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((50, 6)).astype(dtype), rng.standard_normal((50, 5))
    net = MLPEstimator(
        (9, 8, 2, 8, 9, 7), task="regression", activation="identity", dtype=dtype
    )
    net.set_params(random_state=0).initialize(X, Y)
    W, b = np.eye(6), np.zeros(6)
    for W_l, b_l in zip(net.coefs_, net.intercepts_, strict=True):
        W, b = W @ W_l, b @ W_l + b_l
    bound = 1e-14 if dtype == "float64" else 3e-6
    np.testing.assert_allclose(net.predict(X), X @ W + b, rtol=0, atol=bound)
    moved = net.predict(X) - net.predict(np.zeros((1, 6), dtype))
    rank = np.linalg.matrix_rank(moved, tol=1e-4)
    assert rank == np.linalg.matrix_rank(W, tol=1e-4) == 2


def pictures():
    """Return the 8 x 8 digits drawn as 28 x 28, split in two."""
    X, y = load_digits(return_X_y=True)
    X = zoom(X.reshape(-1, 8, 8) / 16, (1, 3.5, 3.5), order=1).reshape(-1, 784)
    return train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)


@ignore_convergence
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_the_digits_network(activation):
    """784-16-16-10 has 13,002 parameters and learns to read digits (lesson 2).

    Accuracies on 450 test pictures over 5 seeds: 0.922 to 0.962 with relu, 0.916 to
    0.956 with logistic units.
    """
    X, X_test, y, y_test = pictures()
    for seed in range(3):
        net = MLPEstimator(
            (16, 16),
            activation=activation,
            max_iter=30,
            batch_size=32,
            learning_rate_init=0.003,
            random_state=seed,
        ).fit(X, y)
        assert [W.shape for W in net.coefs_] == [(784, 16), (16, 16), (16, 10)]
        assert sum(a.size for a in [*net.coefs_, *net.intercepts_]) == 13002
        assert 784 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10 == 13002
        assert net.score(X_test, y_test) > 0.87


# Losses


def loss_of(X, y, coefs, intercepts, **options):
    """Return `loss_` of one epoch: the loss of the weights that it starts from."""
    given = {"alpha": 0, "batch_size": "full", "max_iter": 1, "warm_start": True}
    net = MLPEstimator((), **{**given, **options}).initialize(X, y)
    return set_weights(net, coefs, intercepts).fit(X, y).loss_


@ignore_convergence
@pytest.mark.parametrize("dtype", DTYPES)
def test_squared_and_absolute_errors_by_hand(dtype):
    """Predictions 1, 3, 5 for targets 1, 2, 7: errors 0, 1, -2 (lesson 3).

    ½ Σ e² = 2.5, MSE = 5 / 3, MAE = 1. `loss_` is a mean over samples.
    """
    X, y = np.array([[0.0], [1.0], [2.0]], dtype), np.array([1.0, 2.0, 7.0])
    options = {"task": "regression", "dtype": dtype}
    bound = 1e-15 if dtype == "float64" else 1e-7
    squared = loss_of(X, y, [[[2]]], [[1]], **options)
    assert 3 * squared == pytest.approx(2.5, rel=bound)
    assert 2 * squared == pytest.approx(5 / 3, rel=bound)
    absolute = loss_of(X, y, [[[2]]], [[1]], loss="absolute_error", **options)
    assert absolute == pytest.approx(1, rel=bound)


@ignore_convergence
def test_squared_error_of_several_outputs():
    """Over all outputs ½ Σ (y - ŷ)² is summed (lesson 3).

    Errors (1, 2) and (3, 0): ½ · 14. The drop-in reports a mean over outputs as
    scikit-learn does, of the same gradient.
    """
    X, Y = np.eye(2), np.array([[1.0, 2.0], [3.0, 0.0]])
    zeros = [np.zeros((2, 2))], [np.zeros(2)]
    assert 2 * loss_of(X, Y, *zeros, task="regression") == 7
    net = MLPRegressor((), alpha=0, batch_size=2, max_iter=1, warm_start=True)
    set_weights(net.fit(X, Y), *zeros)
    assert 2 * net.fit(X, Y).loss_ == 3.5


@ignore_convergence
@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropies_by_hand(dtype):
    """Binary: ŷ = 3/4, 1/4, 1/2 for y = 1, 1, 0. Several: ŷ = 1/8, 2/8, 5/8 (lesson 3).

    BCE = -1/3 log(3/4 · 1/4 · 1/2); CCE = -log(1/8 · 2/8 · 5/8 · 5/8), a sum.
    """
    bound = 1e-14 if dtype == "float64" else 3e-7
    X, y = np.array([[1.0], [-1.0], [0.0]], dtype), [1, 1, 0]
    binary = loss_of(X, y, [[[np.log(3)]]], [[0]], dtype=dtype)
    assert binary == pytest.approx(-np.log(3 / 32) / 3, rel=bound)
    assert binary == pytest.approx(0.78904120, abs=2e-7)
    X, y = np.ones((4, 1), dtype), [0, 1, 2, 2]
    several = loss_of(X, y, [np.zeros((1, 3))], [np.log([1, 2, 5])], dtype=dtype)
    assert 4 * several == pytest.approx(-np.log(50 / 4096), rel=bound)
    assert 4 * several == pytest.approx(4.40574329, abs=2e-6)


@ignore_convergence
@pytest.mark.parametrize("output", ["identity", "logistic", "tanh", "softmax"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_losses_go_with_any_output(loss, output):
    """Squared and absolute errors of sigmoid and other outputs (lesson 3)."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 4)), rng.random((20, 3))
    W, b = rng.standard_normal((4, 3)), rng.standard_normal(3)
    got = loss_of(
        X,
        Y,
        [W],
        [b],
        task="regression",
        loss=loss,
        output_activation=output,
        dtype="float64",
    )
    errors = F[output](X @ W + b) - Y
    of_row = {"squared_error": errors**2 / 2, "absolute_error": abs(errors)}[loss]
    assert got == pytest.approx(of_row.sum() / 20, rel=1e-13)


# Back-propagation

# x, targets, forward values, gradients and weights after a step, to 8 digits
EXAMPLE_X, EXAMPLE_Y = np.array([[0.1, 0.5]]), np.array([[0.05, 0.95]])
HIDDEN, OUTPUT = [0.60108788, 0.61538376], [0.73492861, 0.77955388]
# w1 ... w4 as rows of inputs, w5 ... w8 likewise: w6 goes from the second hidden unit
# to the first output
START = [[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.7], [0.6, 0.8]]]
GRADIENTS = [
    [[0.00110806, 0.00134024], [0.00554029, 0.00670120]],
    [[0.08020312, -0.01760653], [0.08211062, -0.01802527]],
]
AFTER = [
    [[0.09933517, 0.19919586], [0.29667583, 0.39597928]],
    [[0.45187813, 0.71056392], [0.55073363, 0.81081516]],
]


def example_network(dtype):
    net = MLPEstimator(
        (2,),
        task="regression",
        activation="logistic",
        output_activation="logistic",
        loss="squared_error",
        solver="sgd",
        momentum=0,
        learning_rate_init=0.6,
        alpha=0,
        dtype=dtype,
        shuffle=False,
    ).initialize(EXAMPLE_X, EXAMPLE_Y)
    return set_weights(net, START, [[0.25, 0.25], [0.35, 0.35]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_back_propagation_worked_by_hand(dtype):
    """A 2-2-2 network of sigmoid units, one step of rate 0.6 (lesson 4).

    0.24908954 is the loss of both outputs; the second has 0.01452594 of it.
    """
    # Figures are rounded to 8 digits; float32 has 7, of which the gradients, as
    # differences of weights, lose one more.
    bound = 5.001e-9 if dtype == "float64" else 1e-7
    exact = {"rtol": 0, "atol": bound}
    net = example_network(dtype)
    np.testing.assert_allclose(net.transform(EXAMPLE_X), [HIDDEN], **exact)
    predicted = net.predict(EXAMPLE_X)
    np.testing.assert_allclose(predicted, [OUTPUT], **exact)
    parts = (EXAMPLE_Y - predicted)[0] ** 2 / 2
    np.testing.assert_allclose(parts, [0.23456360, 0.01452594], **exact)
    net.partial_fit(EXAMPLE_X, EXAMPLE_Y)
    assert net.loss_ == pytest.approx(0.24908954, abs=bound)
    for start, g, after, W in zip(START, GRADIENTS, AFTER, net.coefs_, strict=True):
        np.testing.assert_allclose(W, after, **exact)
        np.testing.assert_allclose((np.array(start) - W) / 0.6, g, **exact)
    assert net.coefs_[1][0, 0] == pytest.approx(0.45187813, abs=bound)


def test_a_single_weight():
    """From 0.5 a gradient of 0.2 at a rate of 0.1 leads to 0.48 (lesson 4).

    ½ (w x - y)² at x = 1, y = 0.3 has that gradient.
    """
    options = {"task": "regression", "solver": "sgd", "momentum": 0, "alpha": 0}
    net = MLPEstimator((), learning_rate_init=0.1, dtype="float64", **options)
    set_weights(net.initialize([[1.0]], [0.3]), [[[0.5]]], [[0]])
    net.partial_fit([[1.0]], [0.3])
    assert net.coefs_[0][0, 0] == pytest.approx(0.48, abs=1e-15)


def test_the_hadamard_product():
    """(1, 2, 3) ⊙ (4, 5, 6) = (4, 10, 18), and in a network's delta (lesson 4).

    An identity unit has the derivative (1, 1, 1): its delta is δ Wᵀ alone. A relu unit
    that is silent has 0 there.
    """
    assert (np.array([1, 2, 3]) * [4, 5, 6]).tolist() == [4, 10, 18]
    moved = {}
    for name in ("identity", "relu"):
        net = MLPEstimator((3,), task="regression", activation=name, dtype="float64")
        net.set_params(solver="sgd", momentum=0, learning_rate_init=1, alpha=0)
        net.initialize([[1.0]], [0.0])
        set_weights(net, [[[1, -2, 3]], [[4], [5], [6]]], [[0] * 3, [0]])
        net.partial_fit([[1.0]], [net.predict([[1.0]])[0] - 1])
        moved[name] = np.array([[1, -2, 3]]) - net.coefs_[0]
    assert moved["identity"].tolist() == [[4, 5, 6]]
    assert (moved["identity"] * [1, 0, 1]).tolist() == moved["relu"].tolist()


@pytest.mark.parametrize("output", ["identity", "logistic", "tanh"])
@pytest.mark.parametrize("depth", [1, 3, 6])
def test_the_equations_of_back_propagation(depth, output):
    """δ^L = ∂C/∂a ⊙ f'(z), δ^l = (δ^(l+1) Wᵀ) ⊙ f'(z), dW = aᵀ δ, db = Σ δ (lesson 4).

    One step of rate 1 on random networks moves every weight by its gradient.
    """
    rng = np.random.default_rng(depth)
    names = [("tanh", "logistic", "relu", "identity")[i % 4] for i in range(depth)]
    X, Y = rng.standard_normal((12, 5)), rng.random((12, 3))
    net = MLPEstimator(
        rng.integers(2, 9, depth),
        task="regression",
        activation=names,
        output_activation=output,
        solver="sgd",
        momentum=0,
        learning_rate_init=1,
        alpha=0,
        batch_size="full",
        dtype="float64",
        random_state=0,
    ).initialize(X, Y)
    W = [w.copy() for w in net.coefs_]
    b = [v.copy() for v in net.intercepts_]
    a = layers(net, X, [*names, output])
    net.partial_fit(X, Y)
    delta = (a[-1] - Y) / 12 * DERIVATIVES[output](a[-1])
    for layer in reversed(range(depth + 1)):
        # Differences of numbers of size 1 are exact to 1e-16.
        near = {"rtol": 1e-11, "atol": 1e-15}
        np.testing.assert_allclose(
            W[layer] - net.coefs_[layer], a[layer].T @ delta, **near
        )
        np.testing.assert_allclose(
            b[layer] - net.intercepts_[layer], delta.sum(axis=0), **near
        )
        if layer:
            delta = (delta @ W[layer].T) * DERIVATIVES[names[layer - 1]](a[layer])
