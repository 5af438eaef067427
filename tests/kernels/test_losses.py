"""Losses with their deltas, and output activations, column by column."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from kernel_tools import (
    CANARY,
    LOGISTIC,
    POISSON,
    SOFTMAX,
    SQUARED,
    assert_close,
    few_or_many,
    random_data,
)

from fastnn.variants import LOSSES, OUTPUTS

ROWS = (1, 5, 63, 64)
# Outputs of each loss: softmax is for two classes and more.
SHAPES = [
    (ends, k, n)
    for ends in LOSSES
    for k in (1, 2, 3, few_or_many(5, 17))
    for n in ROWS
    if k > 1 or ends != SOFTMAX
]


def run_loss(ends, Z, Y, dtype):
    """Return the rows' losses and deltas; Z is (n, k), Y (n, targets)."""
    n, k = Z.shape
    gap = 5
    u0 = gap + k * n + gap
    l0 = u0 + Y.shape[1] * n + gap
    s0 = l0 + n + gap
    arena = np.full(s0 + 2 * n + gap, CANARY, dtype)
    arena[gap : gap + k * n] = Z.T.ravel()
    arena[u0 : u0 + Y.size] = Y.T.ravel()
    net = np.zeros(at.HEADER, np.int64)
    LOSSES[ends][dtype](net, arena, gap, u0, l0, s0, k, n)
    loss = arena[l0 : l0 + n].copy()
    delta = arena[gap : gap + k * n].reshape(k, n).T.copy()
    np.testing.assert_array_equal(arena[u0 : u0 + Y.size], Y.T.ravel())
    for start, size in ((gap, k * n), (u0, Y.size), (l0, n), (s0, 2 * n)):
        arena[start : start + size] = CANARY
    assert (arena == CANARY).all()
    return loss, delta


def run_output(name, Z, dtype):
    """Return the outputs for raw outputs Z (n, k)."""
    n, k = Z.shape
    gap = 5
    s0 = gap + k * n + gap
    arena = np.full(s0 + 2 * n + gap, CANARY, dtype)
    arena[gap : gap + k * n] = Z.T.ravel()
    OUTPUTS[name][dtype](arena, gap, s0, k, n)
    result = arena[gap : gap + k * n].reshape(k, n).T.copy()
    arena[gap : gap + k * n] = CANARY
    arena[s0 : s0 + 2 * n] = CANARY
    assert (arena == CANARY).all()
    return result


@pytest.mark.parametrize(("ends", "k", "n"), SHAPES)
def test_loss_and_delta(ends, k, n, dtype):
    rng = np.random.default_rng(k * 100 + n)
    Z = (3 * rng.standard_normal((n, k))).astype(dtype)
    _, Y = random_data(n, (2, k), ends, dtype)
    loss, delta = run_loss(ends, Z, Y, dtype)
    z, y = Z.astype(float), Y.astype(float)
    # Some ten operations of a few ulp each, relative to the largest value.
    assert_close(loss, reference.LOSSES[ends](z, y), dtype, 1e-14, 5e-6)
    assert_close(delta, reference.delta_of(ends, z, y), dtype, 1e-14, 5e-6)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("k", [1, 2, 3, few_or_many(5, 17)])
@pytest.mark.parametrize("n", ROWS)
def test_output(name, k, n, dtype):
    Z = (3 * np.random.default_rng(n).standard_normal((n, k))).astype(dtype)
    got = run_output(name, Z, dtype)
    want = reference.OUTPUTS[name](Z.astype(float))
    np.testing.assert_allclose(got, want, rtol=1e-14 if dtype == np.float64 else 2e-6)


def extreme_targets(ends, k):
    """Rows of raw outputs ±1e4 with targets on either side."""
    Z = np.array([[s * 1e4, -s * 1e4, s * 1e4][:k] for s in (1, -1, 1, -1)])
    if ends == SOFTMAX:
        Y = np.array([[0], [0], [1], [1]])
    else:
        Y = np.array([[0] * k, [0] * k, [1] * k, [1] * k])
    return Z, Y


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("ends", [SQUARED, SOFTMAX, LOGISTIC])
def test_finite_for_extreme_raw_outputs(ends, k, dtype):
    Z, Y = extreme_targets(ends, k)
    loss, delta = run_loss(ends, Z.astype(dtype), Y.astype(dtype), dtype)
    want = reference.LOSSES[ends](Z, Y)
    assert np.isfinite(want).all()
    # log Σ exp(z) - z[y] is a difference of numbers near 1e4.
    atol = 1e4 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss, want, rtol=1e-6, atol=atol)
    np.testing.assert_allclose(delta, reference.delta_of(ends, Z, Y), rtol=1e-6)


def test_poisson_at_extreme_raw_outputs(dtype):
    """exp(-1e4) is 0 and the loss finite; exp(1e4) is inf, never NaN."""
    Y = np.array([[0], [1], [1000], [0], [1]], dtype)
    Z = np.array([[-1e4], [-1e4], [-1e4], [1e4], [1e4]], dtype)
    loss, delta = run_loss(POISSON, Z, Y, dtype)
    y = Y[:3, 0].astype(float)
    want = np.where(y > 0, y * np.log(np.maximum(y, 1)), 0) + 1e4 * y - y
    np.testing.assert_allclose(loss[:3], want, rtol=1e-6)
    np.testing.assert_array_equal(delta[:3], -Y[:3])
    assert np.isposinf(loss[3:]).all()
    assert np.isposinf(delta[3:]).all()


def test_poisson_without_counts(dtype):
    """0 log 0 = 0: the loss is exp(z)."""
    Z = np.linspace(-5, 5, 11, dtype=dtype).reshape(-1, 1)
    loss, delta = run_loss(POISSON, Z, np.zeros_like(Z), dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss, np.exp(Z[:, 0].astype(float)), rtol=3 * eps)
    np.testing.assert_array_equal(loss, delta[:, 0])


def test_poisson_of_fractional_targets(dtype):
    """At the minimum, exp(z) = y, the deviance is 0 up to rounding."""
    Y = np.array([[1e-3], [0.5], [2.5], [1e3]])
    loss, delta = run_loss(POISSON, np.log(Y).astype(dtype), Y.astype(dtype), dtype)
    eps = np.finfo(dtype).eps
    # Terms of size y log y cancel: some ten roundings of them remain.
    bound = 20 * eps * (1 + Y[:, 0] * np.abs(np.log(Y[:, 0])))
    assert (np.abs(loss) <= bound).all()
    assert (np.abs(delta[:, 0]) <= bound).all()


@pytest.mark.parametrize("ends", LOSSES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_stays_in_its_row(ends, place, dtype):
    """Whichever output is NaN, the row's loss is, and no other row's."""
    Z = np.zeros((37, 3), dtype)
    Y = np.ones((37, 1 if ends == SOFTMAX else 3), dtype)
    bad = [0, 16, 36]
    Z[bad, place] = np.nan
    loss, delta = run_loss(ends, Z, Y, dtype)
    assert sorted(np.flatnonzero(np.isnan(loss))) == bad
    assert np.isnan(delta[bad, place]).all()
    assert not np.isnan(np.delete(delta, bad, axis=0)).any()


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_output(name, place, dtype):
    Z = np.zeros((37, 3), dtype)
    Z[[0, 16, 36], place] = np.nan
    got = run_output(name, Z, dtype)
    np.testing.assert_array_equal(np.isnan(got[:, place]), np.isnan(Z[:, place]))


def test_softmax_sums_to_one_and_ignores_a_shift(dtype):
    Z = np.random.default_rng(0).standard_normal((64, 5)).astype(dtype)
    eps = np.finfo(dtype).eps
    p = run_output("softmax", Z, dtype)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=10 * eps)
    shifted = run_output("softmax", Z + dtype.type(64), dtype)
    # Adding 64 rounds z to multiples of 64 eps.
    np.testing.assert_allclose(shifted, p, rtol=128 * eps)


@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_probabilities_at_extreme_raw_outputs(name, dtype):
    Z, _ = extreme_targets(SOFTMAX, 3)
    got = run_output(name, Z.astype(dtype), dtype)
    np.testing.assert_allclose(got, reference.OUTPUTS[name](Z), rtol=1e-6)


def test_logistic_loss_keeps_small_values(dtype):
    """log(1 + exp(-30)) is 9.4e-14, not 0: float32 holds it as well."""
    Z = np.array([[30.0], [-30.0]], dtype)
    loss, _ = run_loss(LOGISTIC, Z, np.array([[1], [0]], dtype), dtype)
    np.testing.assert_allclose(loss, np.log1p(np.exp(-30.0)), rtol=1e-5)
