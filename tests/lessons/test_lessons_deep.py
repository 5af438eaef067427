"""What a course on neural networks teaches of depth: normalisation, gradients."""

import itertools

import numpy as np
import pytest
from helpers import ignore_convergence
from sklearn.datasets import load_digits, make_regression
from sklearn.model_selection import train_test_split

from fastnn import MLPEstimator

DTYPES = ("float32", "float64")
GRADIENT_STEP = {
    "solver": "sgd",
    "momentum": 0,
    "alpha": 0,
    "batch_size": "full",
    "learning_rate_init": 1.0,
    "dtype": "float64",
    "random_state": 0,
}


def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, train_size=600, random_state=0, stratify=y)


# Batch normalisation


@pytest.mark.parametrize("epsilon", [1e-5, 1e-8])
def test_batch_normalisation_by_hand(epsilon):
    """Both algorithms: by the mini-batch in training, by the population later.

    Lesson 7. x̂ = (z - μ) / √(σ² + ε), y = γ x̂ + β. Back, as its authors write it:
    dσ² = Σ dx̂ (z - μ) · -½ (σ² + ε)^-3/2, dμ = -Σ dx̂ / √(σ² + ε), and
    dz = dx̂ / √(σ² + ε) + dσ² · 2 (z - μ) / m + dμ / m.
    """
    rng = np.random.default_rng(0)
    m, X, t = 8, rng.standard_normal((8, 3)), rng.standard_normal(8)
    net = MLPEstimator(
        (4,),
        task="regression",
        activation="identity",
        batch_norm=True,
        norm_epsilon=epsilon,
        **GRADIENT_STEP,
    ).initialize(X, t)
    net.norm_scales_[0][:], net.norm_shifts_[0][:] = rng.standard_normal((2, 4))
    gamma, beta = net.norm_scales_[0].copy(), net.norm_shifts_[0].copy()
    W = [w.copy() for w in net.coefs_]
    b = [v.copy() for v in net.intercepts_]
    z = X @ W[0] + b[0]
    mu, variance = z.mean(axis=0), ((z - z.mean(axis=0)) ** 2).mean(axis=0)
    root = np.sqrt(variance + epsilon)
    normed = (z - mu) / root
    y = gamma * normed + beta
    error = y @ W[1] + b[1] - t[:, None]
    net.partial_fit(X, t)
    assert net.loss_ == pytest.approx((error**2).mean() / 2, rel=1e-12)
    dy = error / m @ W[1].T
    dnormed = dy * gamma
    dvariance = (dnormed * (z - mu)).sum(axis=0) * -0.5 / root**3
    dmu = -dnormed.sum(axis=0) / root
    dz = dnormed / root + dvariance * 2 * (z - mu) / m + dmu / m
    near = {"rtol": 1e-10, "atol": 1e-14}
    scales, shifts = net.norm_scales_[0], net.norm_shifts_[0]
    np.testing.assert_allclose(gamma - scales, (dy * normed).sum(axis=0), **near)
    np.testing.assert_allclose(beta - shifts, dy.sum(axis=0), **near)
    np.testing.assert_allclose(W[0] - net.coefs_[0], X.T @ dz, **near)
    np.testing.assert_allclose(W[1] - net.coefs_[1], y.T @ error / m, **near)
    # What is added to every row is taken away again: the bias has no gradient.
    np.testing.assert_allclose(net.intercepts_[0], b[0], rtol=0, atol=1e-14)
    # The second algorithm: E = mean of μ, Var = m / (m - 1) · mean of σ²
    E, V = net.norm_means_[0], net.norm_variances_[0]
    np.testing.assert_allclose(E, mu, rtol=1e-13)
    np.testing.assert_allclose(V, m / (m - 1) * variance, rtol=1e-13)
    slope = scales / np.sqrt(V + epsilon)
    fresh = rng.standard_normal((5, 3))
    want = slope * (fresh @ net.coefs_[0] + net.intercepts_[0]) + (shifts - slope * E)
    np.testing.assert_allclose(net.transform(fresh), want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_population_statistics(dtype):
    """They come close to those of the whole training set (lesson 7).

    After 60 batches of 50 rows, over 10 seeds, means were within 0.03 deviations and
    variances within 5 %.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 3)) * [1, 5, 0.1] + [0, 3, -10]
    net = MLPEstimator((6,), task="regression", batch_norm=True, dtype=dtype)
    net.set_params(solver="sgd", learning_rate_init=1e-30, batch_size=50)
    net.set_params(random_state=0).initialize(X, X[:, 0])
    for _ in range(3):
        net.partial_fit(X, X[:, 0])
    z = X @ net.coefs_[0] + net.intercepts_[0]
    assert (abs(net.norm_means_[0] - z.mean(axis=0)) / z.std(axis=0)).max() < 0.1
    np.testing.assert_allclose(net.norm_variances_[0], z.var(axis=0), rtol=0.15)


@ignore_convergence
@pytest.mark.parametrize("first", ["lbfgs", "adam"])
def test_population_statistics_of_lbfgs(first):
    """Its batch is the training set, whatever was trained before (lesson 7)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 4))
    y = np.sin(X[:, 0]) + X[:, 1]
    net = MLPEstimator((8, 8), task="regression", batch_norm=True, dtype="float64")
    net.set_params(max_iter=30, warm_start=True, random_state=0, solver=first)
    net.fit(X, y).set_params(solver="lbfgs").fit(X, y)
    z = X @ net.coefs_[0] + net.intercepts_[0]
    np.testing.assert_allclose(net.norm_means_[0], z.mean(axis=0), atol=1e-12)
    variances = net.norm_variances_[0]
    np.testing.assert_allclose(variances, z.var(axis=0, ddof=1), rtol=1e-12)


@ignore_convergence
@pytest.mark.parametrize("n", [60, 61])
def test_a_remainder_of_one_row(n):
    """A last batch of one row has no variance, and does no harm (lesson 7).

    R² over 5 seeds: 0.990 to 0.994 without such a batch, 0.969 to 0.990 with it.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4))
    y = np.sin(X[:, 0]) + X[:, 1]
    options = {"batch_size": 20, "max_iter": 200, "learning_rate_init": 0.01}
    net = MLPEstimator(
        (16,), task="regression", activation="tanh", batch_norm=True, **options
    )
    net.set_params(tol=0, n_iter_no_change=1000, random_state=0).fit(X, y)
    assert max(net.loss_curve_[50:]) < 0.4 < net.loss_curve_[0]
    assert net.score(X, y) > 0.93


def test_batches_of_one_row_are_refused():
    """No batch would have a variance, so that nothing could be learnt (lesson 7)."""
    X, y = np.eye(4), np.arange(4.0)
    net = MLPEstimator((3,), task="regression", batch_norm=True)
    for rows, batch_size in ((4, 1), (1, "auto")):
        net.set_params(batch_size=batch_size)
        with pytest.raises(ValueError, match="batch_norm"):
            net.fit(X[:rows], y[:rows])
    # Before any batch the population counts as one of mean 0 and variance 1.
    net.set_params(norm_epsilon=1e-8, activation="identity", dtype="float64")
    net.initialize(X, y)
    want = X @ net.coefs_[0] + net.intercepts_[0]
    np.testing.assert_allclose(net.transform(X), want, rtol=1e-7)


# Short cuts


@pytest.mark.parametrize("dtype", DTYPES)
def test_residual_blocks(dtype):
    """H(x) = F(x) + x, or F(x) + x V where the widths differ (lesson 7)."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 5)).astype(dtype), rng.standard_normal(9)
    net = MLPEstimator((4, 4, 3), task="regression", activation="tanh", dtype=dtype)
    net.set_params(residual=True, random_state=0).initialize(X, y)
    first, same, other = (net.transform(X, layer) for layer in range(3))
    W, b, V = net.coefs_, net.intercepts_, net.shortcut_coefs_
    bound = 1e-14 if dtype == "float64" else 2e-6
    near = {"rtol": 0, "atol": bound}
    np.testing.assert_allclose(first, np.tanh(X @ W[0] + b[0]), **near)
    np.testing.assert_allclose(same, np.tanh(first @ W[1] + b[1]) + first, **near)
    want = np.tanh(same @ W[2] + b[2]) + same @ V[2]
    np.testing.assert_allclose(other, want, **near)
    assert V[2].shape == (4, 3)
    # A block that has learnt nothing, F = 0, is the identity.
    W[1][:], b[1][:] = 0, 0
    np.testing.assert_array_equal(net.transform(X, 1), first)


# Vanishing gradients


def gradient_norms(depth=20, seed=0, **options):
    """Return the norm of the gradient of each layer's weights, by one step."""
    X, _, y, _ = digits()
    given = {**GRADIENT_STEP, "activation": "logistic", "random_state": seed}
    net = MLPEstimator((16,) * depth, **{**given, **options}).initialize(X, y)
    before = [W.copy() for W in net.coefs_]
    net.partial_fit(X, y)
    pairs = zip(before, net.coefs_, strict=True)
    return np.array([np.linalg.norm(W - after) for W, after in pairs])


def test_gradients_vanish_with_depth():
    """Each logistic layer takes a factor of about 7 from the gradient (lesson 7).

    f' is at most 1/4 and initial weights are small: the first of 20 layers gets some
    1e-17 of what the last one gets. (Differences of weights show nothing below 1e-17.)
    Over 5 seeds the factor was 6.6 to 7.3, and the first five layers' share 5e-14.
    """
    for seed in range(3):
        norms = gradient_norms(seed=seed)
        factors = norms[8:] / norms[7:-1]
        assert 5 < np.exp(np.log(factors).mean()) < 12
        assert (norms[:5] < 1e-12 * norms[-1]).all()
        firsts = [gradient_norms(depth, seed)[0] for depth in (1, 3, 6, 10)]
        assert all(a > 20 * b for a, b in itertools.pairwise(firsts))


REMEDIES = {
    "batch normalisation": {"batch_norm": True},
    "short cuts": {"residual": True},
    "relu": {"activation": "relu", "weight_init": "auto", "max_iter": 60},
    "selu": {"activation": "selu", "weight_init": "auto"},
    "orthogonal": {"activation": "tanh", "weight_init": "orthogonal"},
    "layer normalisation and short cuts": {"layer_norm": True, "residual": True},
}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_remedies_keep_gradients(remedy):
    """No layer's gradient is less than 3 % of the last hidden layer's (lesson 7).

    It was 10 % or more over 5 seeds. Without a remedy it is 1e-15 or less.
    """
    for seed in range(3):
        norms = gradient_norms(seed=seed, **REMEDIES[remedy])
        assert norms[:-1].min() > 0.03 * norms[-2]


def accuracy(depth, seed, **options):
    X, X_test, y, y_test = digits()
    given = {
        "activation": "logistic",
        "max_iter": 20,
        "batch_size": 50,
        "learning_rate_init": 0.003,
        "tol": 0,
        "n_iter_no_change": 1000,
    }
    net = MLPEstimator((16,) * depth, **{**given, **options}, random_state=seed)
    return net.fit(X, y).score(X_test, y_test)


@ignore_convergence
@pytest.mark.parametrize(
    "options",
    [
        {"max_iter": 60},
        {"max_iter": 60, "solver": "sgd", "learning_rate_init": 0.1},
    ],
)
def test_twenty_logistic_layers_do_not_train(options):
    """Neither with Adam nor with gradient descent (lesson 7).

    Chance is 0.1; 0.097 to 0.102 over 5 seeds, also after 200 epochs.
    """
    assert max(accuracy(20, seed, **options) for seed in range(3)) < 0.15


@ignore_convergence
@pytest.mark.parametrize(
    ("remedy", "bound"),
    [
        ("batch normalisation", 0.6),  # 0.763 to 0.895 over 5 seeds
        ("short cuts", 0.45),  # 0.659 to 0.799
        ("relu", 0.6),  # 0.794 to 0.877
        ("selu", 0.65),  # 0.817 to 0.863
        ("orthogonal", 0.8),  # 0.892 to 0.930
        ("layer normalisation and short cuts", 0.8),  # 0.907 to 0.934
    ],
)
def test_twenty_layers_train_with_a_remedy(remedy, bound):
    """With each of them (lesson 7)."""
    for seed in range(3):
        assert accuracy(20, seed, **REMEDIES[remedy]) > bound


@ignore_convergence
def test_layer_normalisation_helps_some_way():
    """Six logistic layers train with it and not without; twenty do not (lesson 7).

    0.873 to 0.935 and 0.198 to 0.22 over 5 seeds; of twenty layers 0.1. Normalised over
    units, all rows become alike from layer to layer: what tells them apart shrinks,
    while batch normalisation restores just that. The spread over rows is some 0.1 in
    the first layer, 1e-5 in the tenth and 1e-10 in the last: so NumPy has it, too.
    """
    for seed in range(3):
        assert accuracy(6, seed, max_iter=40, layer_norm=True) > 0.75
        assert accuracy(6, seed, max_iter=40) < 0.35
    assert accuracy(20, 0, layer_norm=True) < 0.15
    X, _, y, _ = digits()
    net = MLPEstimator((16,) * 20, activation="logistic", layer_norm=True)
    net.set_params(random_state=0, dtype="float64").initialize(X, y)
    spreads = [net.transform(X, layer).std(axis=0).mean() for layer in range(20)]
    assert spreads[19] < 1e-3 * spreads[9] < 1e-5 * spreads[0]
    a = X
    for W, b in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        z = a @ W + b
        variance = z.var(axis=1, keepdims=True)
        z = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(variance + 1e-5)
        a = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(net.transform(X), a, rtol=0, atol=1e-13)


# Exploding gradients


@ignore_convergence
def test_clipping_rescues_from_explosion():
    """Weights twice too large and a large rate: the loss becomes infinite (lesson 7).

    With gradients of norm 0.1 at most, R² was 0.895 to 0.968 over 5 seeds.
    """
    X, y = make_regression(200, 10, n_informative=10, noise=1, random_state=0)
    y = y / y.std()
    for seed in range(3):
        net = MLPEstimator(
            (16,) * 5,
            task="regression",
            weight_init="auto",
            solver="sgd",
            learning_rate_init=0.5,
            batch_size=20,
            max_iter=60,
            n_iter_no_change=1000,
            warm_start=True,
            random_state=seed,
        ).initialize(X, y)
        for W in net.coefs_:
            W *= 2
        with pytest.raises(ValueError, match=r"non-finite.*learning_rate_init"):
            net.fit(X, y)
        # The failed fit left the weights as they were.
        net.set_params(gradient_clip_norm=0.1).fit(X, y)
        assert net.score(X, y) > 0.75


@pytest.mark.parametrize("bound", [0.01, 1e3])
def test_clipping_by_hand(bound):
    """A gradient that is too long is shortened, in the same direction (lesson 7)."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 4)), rng.standard_normal(20)
    steps = []
    for clip in (None, bound):
        net = MLPEstimator((5, 3), task="regression", gradient_clip_norm=clip)
        net.set_params(**GRADIENT_STEP).initialize(X, y)
        arrays = [*net.coefs_, *net.intercepts_]
        before = np.concatenate([a.ravel().copy() for a in arrays])
        net.partial_fit(X, y)
        after = np.concatenate([a.ravel() for a in [*net.coefs_, *net.intercepts_]])
        steps.append(before - after)
    g, clipped = steps
    length = np.linalg.norm(g)
    assert 0.1 < length < 100
    np.testing.assert_allclose(clipped, g * min(1, bound / length), rtol=0, atol=1e-15)
