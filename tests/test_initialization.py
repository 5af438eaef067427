"""Initial weights: their distributions, and scikit-learn's numbers."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from fastnn.structure import initialization
from fastnn.structure.initialization import draw, glorot_uniform, matrix

SCHEMES = ("sklearn", "glorot", "he", "lecun", "orthogonal", "auto")
RELU_LIKE = ("relu", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus")
OTHERS = ("identity", "logistic", "tanh", "step", "sign", None)
SIZES = (7, 5, 9, 3)


def generator(seed=0):
    return np.random.RandomState(seed)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


def sklearn_start(sizes, activation, seed):
    """Return scikit-learn's initial weights: after a step of no size."""
    model = MLPRegressor(
        hidden_layer_sizes=sizes[1:-1],
        activation=activation,
        solver="sgd",
        learning_rate_init=1e-300,
        random_state=seed,
    )
    X = np.ones((3, sizes[0]))
    model.partial_fit(X, np.ones((3, sizes[-1])))
    return model.coefs_, model.intercepts_


def assert_same(got, want):
    for mine, theirs in zip(got, want, strict=True):
        assert len(mine) == len(theirs)
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("sizes", [SIZES, (4, 6, 2)])
def test_sklearn_scheme_equals_sklearn(sizes, activation):
    want = sklearn_start(sizes, activation, 42)
    activations = [activation] * (len(sizes) - 2)
    assert_same(draw(sizes, activations, "sklearn", generator(42), float), want)
    assert_same(glorot_uniform(sizes, activation, generator(42), float), want)


@pytest.mark.parametrize("activation", ["logistic", "relu"])
def test_glorot_uniform_without_hidden_layers_equals_sklearn(activation):
    """There the output layer follows the parameter, which names no layer at all."""
    want = sklearn_start((4, 2), activation, 3)
    assert_same(glorot_uniform((4, 2), activation, generator(3), float), want)


def test_sklearn_scheme_without_hidden_layers():
    W, b = draw((400, 30), [], "sklearn", generator(), float)
    bound = np.sqrt(6 / 430)
    assert 0.99 * bound < np.abs(W[0]).max() <= bound
    assert 0.5 * bound < np.abs(b[0]).max() <= bound


def test_sklearn_scheme_follows_each_layers_activation():
    """The output layer has the factor of the last hidden layer."""
    sizes = (60, 50, 40, 30)
    coefs, intercepts = draw(sizes, ["logistic", "relu"], "sklearn", generator(), float)
    for W, b, factor in zip(coefs, intercepts, (2, 6, 6), strict=True):
        bound = np.sqrt(factor / sum(W.shape))
        assert 0.99 * bound < np.abs(W).max() <= bound
        assert 0.7 * bound < np.abs(b).max() <= bound
    coefs, _ = draw(sizes, ["relu", "logistic"], "sklearn", generator(), float)
    for W, factor in zip(coefs, (6, 2, 2), strict=True):
        bound = np.sqrt(factor / sum(W.shape))
        assert 0.99 * bound < np.abs(W).max() <= bound


@pytest.mark.parametrize("scheme", SCHEMES)
def test_shapes_types_and_biases(scheme, dtype):
    coefs, intercepts = draw(SIZES, ["relu", "tanh"], scheme, generator(), dtype)
    assert [W.shape for W in coefs] == list(pairwise(SIZES))
    assert [b.shape for b in intercepts] == [(n,) for n in SIZES[1:]]
    for array in (*coefs, *intercepts):
        assert array.dtype == dtype
        assert array.flags.c_contiguous
    assert all((b == 0).all() == (scheme != "sklearn") for b in intercepts)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_same_seed_same_numbers_in_both_types(scheme):
    """Drawn in float64, then rounded; another seed gives others."""
    double = draw(SIZES, ["relu", "tanh"], scheme, generator(1), np.float64)
    single = draw(SIZES, ["relu", "tanh"], scheme, generator(1), np.float32)
    assert_same(single, [[a.astype(np.float32) for a in part] for part in double])
    other = draw(SIZES, ["relu", "tanh"], scheme, generator(2), np.float64)
    assert not np.array_equal(double[0][0], other[0][0])


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "sklearn"])
def test_layers_are_drawn_in_their_order(scheme):
    """`draw` takes `matrix` after `matrix` from the generator; outputs have None."""
    coefs, _ = draw(SIZES, ["relu", "selu"], scheme, generator(5), float)
    source = generator(5)
    for W, activation in zip(coefs, ("relu", "selu", None), strict=True):
        np.testing.assert_array_equal(W, matrix(*W.shape, activation, scheme, source))


@pytest.mark.parametrize("activation", [*RELU_LIKE, "selu", *OTHERS])
@pytest.mark.parametrize("scheme", ["glorot", "he", "lecun", "orthogonal", "sklearn"])
def test_variance_and_mean(scheme, activation):
    """60 000 draws: the variance is within 3 %, five of its standard errors."""
    m, n = 300, 200
    W = matrix(m, n, activation, scheme, generator())
    gain = 2 if activation in RELU_LIKE else 1
    want = {
        "glorot": 2 / (m + n),
        "sklearn": (2 if activation == "logistic" else 6) / 3 / (m + n),
        "he": 2 / m,
        "lecun": 1 / m,
        "orthogonal": gain / m,  # n orthonormal columns of m numbers
    }[scheme]
    assert W.var() == pytest.approx(want, rel=0.03)
    assert abs(W.mean()) < 5 * np.sqrt(want / W.size)
    if scheme in ("glorot", "sklearn"):
        assert np.abs(W).max() <= np.sqrt(3 * want)
    elif scheme != "orthogonal":
        assert np.mean(np.abs(W) < np.sqrt(want)) == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize(
    ("activation", "scheme"),
    [
        *((name, "he") for name in RELU_LIKE),
        ("selu", "lecun"),
        *((name, "glorot") for name in OTHERS),
    ],
)
def test_auto_follows_the_activation(activation, scheme):
    np.testing.assert_array_equal(
        matrix(20, 30, activation, "auto", generator(4)),
        matrix(20, 30, activation, scheme, generator(4)),
    )


@pytest.mark.parametrize(
    "shape", [(30, 30), (40, 10), (10, 40), (1, 7), (7, 1), (1, 1)]
)
@pytest.mark.parametrize("activation", ["relu", "tanh", None])
def test_orthogonal(shape, activation):
    W = matrix(*shape, activation, "orthogonal", generator())
    assert W.shape == shape
    gain = np.sqrt(2) if activation == "relu" else 1
    W = W / gain
    product = W.T @ W if shape[0] >= shape[1] else W @ W.T
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-14)


def test_orthogonal_matrices_are_uniform():
    """Each sign as often as the other: 1 × 1 would always be 1 without the fix."""
    source = generator()
    first = [matrix(3, 3, None, "orthogonal", source)[0, 0] for _ in range(2000)]
    # a coordinate of a uniform point on the sphere is uniform in [-1, 1]
    assert abs(np.mean(first)) < 5 / np.sqrt(3 * 2000)
    assert np.var(first) == pytest.approx(1 / 3, rel=0.1)
    single = [matrix(1, 1, None, "orthogonal", source)[0, 0] for _ in range(200)]
    assert set(single) == {-1.0, 1.0}


def selu(Z):
    return 1.0507009873554805 * np.where(Z > 0, Z, 1.6732632423543772 * np.expm1(Z))


def relu(Z):
    return np.maximum(Z, 0)


def last_variance(function, name, scheme, depth=30, width=400):
    """Return the mean square of the last hidden layer's sums, the first layer's = 1."""
    sizes = (width,) * (depth + 2)
    coefs, _ = draw(sizes, [name] * depth, scheme, generator(), float)
    A = generator(1).standard_normal((200, width))
    squares = []
    for W in coefs[:-1]:
        Z = A @ W
        squares.append(np.mean(Z**2))
        A = function(Z)
    return squares[-1] / squares[0]


@pytest.mark.parametrize("scheme", ["he", "auto", "orthogonal"])
def test_thirty_layers_of_relu_keep_the_variance(scheme):
    """Each layer changes it by some √(5 / width); glorot would halve it each time."""
    assert 0.2 < last_variance(relu, "relu", scheme) < 5
    assert last_variance(relu, "relu", "glorot") < 1e-6


@pytest.mark.parametrize("scheme", ["lecun", "auto"])
def test_thirty_layers_of_selu_keep_the_variance(scheme):
    """Its fixed point is a mean of 0 and a variance of 1, which attracts."""
    assert 0.8 < last_variance(selu, "selu", scheme) < 1.25


def test_halving_activations():
    assert set(RELU_LIKE) == initialization.HALVING
