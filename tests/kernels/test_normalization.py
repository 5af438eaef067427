"""Normalisation: forward, back, statistics of batches and of the population."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from fastnn.kernels import normalization
from kernel_tools import (
    SQUARED,
    Net,
    assert_close,
    few_or_many,
    from_python,
    needs_parallel,
    random_data,
    random_parameters,
    same_results,
)

SIZES = (3, 19, 5, 2)
N = few_or_many(9, 70)


def make(norm, dtype, n=N, X=None, **options):
    data, Y = random_data(n, SIZES, SQUARED, dtype)
    X = data if X is None else X
    net = Net(SIZES, X, Y, structure={"norm": norm}, **options)
    net.set_theta(random_parameters(net.network.architecture, dtype))
    return net, X, Y


def statistic(net, layer, which):
    """Return one of the batch's statistics."""
    stride = net.field(layer, "STRIDE")
    start = net.field(layer, "STATISTICS0") + which * stride
    return net.arena[start : start + stride]


@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_of_a_batch(weighted, dtype):
    """Mean and 1 / deviation of each column, and the normed rows; padding is 0."""
    weight = None
    if weighted:
        weight = np.random.default_rng(0).exponential(size=N).astype(dtype)
        weight[2] = 0
    net, X, Y = make("batch", dtype, weight=weight)
    _, _, layers = reference.backpropagate_deep(
        net.theta, net.network.architecture, SQUARED, X, Y, weight
    )
    net.train()
    shares = np.full(N, 1 / N) if weight is None else weight / weight.sum(dtype=float)
    for i, width in enumerate(SIZES[1:-1]):
        mean = statistic(net, i, normalization.MEAN)
        inverse = statistic(net, i, normalization.INVERSE)
        assert_close(mean[:width], shares @ layers[i]["z"], dtype)
        assert_close(inverse[:width], layers[i]["inverse"], dtype)
        assert_close(net.rows_at(i, "NORMED0", N, width), layers[i]["normed"], dtype)
        padding = net.rows_at(i, "NORMED0", N, net.field(i, "STRIDE"))[:, width:]
        assert not padding.any()
        assert not mean[width:].any()


def test_statistics_of_rows(dtype):
    """Layer normalisation: every row has mean 0 and variance 1 but for epsilon."""
    net, X, Y = make("layer", dtype)
    _, _, layers = reference.backpropagate_deep(
        net.theta, net.network.architecture, SQUARED, X, Y
    )
    net.train()
    for i, width in enumerate(SIZES[1:-1]):
        normed = net.rows_at(i, "NORMED0", N, width)
        assert_close(normed, layers[i]["normed"], dtype)
        assert_close(normed.mean(axis=1), np.zeros(N), dtype)
        start = net.field(i, "STATISTICS0")
        inverse = net.arena[start : start + N]
        assert_close(inverse, layers[i]["inverse"][:, 0], dtype)


@pytest.mark.parametrize("weighted", [False, True])
def test_population_over_batches(weighted, dtype):
    """The plain mean of ten batches, then a running one; 15 batches of two epochs.

    The variance is the unbiased one; weights below 1 tell ratios only.
    """
    batch, n_batches = 7, 15
    n = batch * n_batches
    weight = None
    if weighted:
        weight = np.random.default_rng(3).choice([0, 0.5, 1, 3], n).astype(dtype)
    net, X, _ = make("batch", dtype, n, batch_size=batch, weight=weight)
    architecture = net.network.architecture
    parts = reference.split_parts(net.theta, architecture)
    means, variances = np.zeros(SIZES[1]), np.zeros(SIZES[1])
    means += parts["norm_means_", 0]
    variances += parts["norm_variances_", 0]
    net.train()
    for k in range(n_batches):
        rows = slice(k * batch, (k + 1) * batch)
        w = np.ones(batch) if weight is None else weight[rows].astype(float)
        z = X[rows].astype(float) @ parts["coefs_", 0] + parts["intercepts_", 0]
        m, shares = max(w.sum(), (w > 0).sum()), w / w.sum()
        mean = shares @ z
        variance = shares @ (z - mean) ** 2 * m / (m - 1)
        share = max(0.1, 1 / (k + 1))
        means += share * (mean - means)
        variances += share * (variance - variances)
    got = reference.split_parts(net.theta, architecture)
    assert_close(got["norm_means_", 0], means, dtype, 1e-13, 1e-5)
    assert_close(got["norm_variances_", 0], variances, dtype, 1e-13, 1e-5)
    assert [got["norm_counts_", i][0] for i in range(2)] == [10, 10]
    for name in ("coefs_", "norm_scales_"):
        np.testing.assert_array_equal(got[name, 0], parts[name, 0])
    assert not net.padding(int(net.net[at.P0])).any()


def test_a_batch_of_one_row(dtype):
    """It is normed to 0 and says nothing of the population; gradients are finite."""
    net, X, Y = make("batch", dtype, 1)
    before = reference.split_parts(net.theta, net.network.architecture)
    loss, gradient, _ = reference.backpropagate_deep(
        net.theta, net.network.architecture, SQUARED, X, Y
    )
    assert_close(net.train(), loss, dtype)
    assert_close(net.gradient, gradient, dtype)
    assert not net.rows_at(0, "NORMED0", 1, SIZES[1]).any()
    after = reference.split_parts(net.theta, net.network.architecture)
    for name in ("norm_means_", "norm_variances_", "norm_counts_"):
        np.testing.assert_array_equal(after[name, 0], before[name, 0])


def test_a_last_batch_of_one_row(dtype):
    """It is left out of the population's statistics."""
    net, _, _ = make("batch", dtype, 5, batch_size=4)
    net.train(batches=(0, 1))
    want = net.theta
    net.train(batches=(1, 2))
    np.testing.assert_array_equal(net.theta, want)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_constant_columns_and_rows(norm, dtype):
    """Inputs that do not vary: normed numbers near 0, nothing infinite.

    A mean of N equal numbers is wrong by some units of the last place; divided by
    the root of epsilon, 3e-3, that is some 1e-4 of float32.
    """
    net, _, _ = make(norm, dtype, X=np.ones((N, 3), dtype))
    theta = net.theta
    if norm == "layer":  # equal units: equal numbers within a row
        parts = reference.split_parts(theta, net.network.architecture)
        parts["coefs_", 0][:] = 0.5
        parts["intercepts_", 0][:] = 0.25
        net.set_theta(reference.join_parts(parts, net.network.architecture))
    assert np.isfinite(net.train())
    bound = 2e-3 if dtype == np.float32 else 1e-11
    assert np.abs(net.rows_at(0, "NORMED0", N, SIZES[1])).max() < bound
    assert np.isfinite(net.gradient).all()


def test_large_means_do_not_spoil_the_variance(dtype):
    """Deviations are summed after the mean is known: no cancellation.

    With a mean of 1000 deviations, z itself has a rounding of 1e-4 deviations in
    float32; ten times that is allowed.
    """
    net, X, _ = make("batch", dtype)
    parts = reference.split_parts(net.theta, net.network.architecture)
    parts["intercepts_", 0][:] = 1000
    net.set_theta(reference.join_parts(parts, net.network.architecture))
    net.train()
    z = X.astype(float) @ parts["coefs_", 0]
    want = 1 / np.sqrt(z.var(axis=0) + 1e-5)
    got = statistic(net, 0, normalization.INVERSE)[: SIZES[1]]
    np.testing.assert_allclose(got, want, rtol=1e-3 if dtype == np.float32 else 1e-11)


@pytest.mark.parametrize("parallel", [False, pytest.param(True, marks=needs_parallel)])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_same_bits_for_any_workers(norm, parallel, dtype):
    """Columns are shared by vectors, rows by tiles; some shares are empty."""
    results = []
    for n_workers in (1, 2, 3, 7):
        net, _, _ = make(norm, dtype, n_workers=n_workers, batch_size=N // 2)
        owned = [
            int(from_python(normalization.own_columns)(net.net, net.arena, 0, worker))
            for worker in range(n_workers + 1)
        ]
        assert owned == sorted(owned)
        assert (owned[0], owned[-1]) == (0, net.field(0, "WIDTH"))
        loss = np.array(net.train(parallel))
        results.append((loss, net.gradient, net.theta, net.predict()))
    for other in results[1:]:
        for left, right in zip(results[0], other, strict=True):
            assert same_results(left, right)
