"""Losses of the output's value and of several quantiles: by hand, beside others."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from fastnn.kernels import value_losses
from loss_tools import LOSSES, random_targets, run_loss, run_output
from sklearn.metrics import mean_pinball_loss

DOUBLE = np.dtype("float64")
QUANTILES = ("quantile", "quantiles")


@pytest.mark.parametrize(
    "name", ["squared_error", "absolute_error", "huber", "log_cosh", "quantile"]
)
def test_identity_needs_no_composition(name, dtype):
    """A value loss is a loss: the unit alone gives the same bits."""
    ends = (name, "identity")
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((9, 3)).astype(dtype)
    Y = random_targets(ends, 9, 3, dtype, rng)
    want = run_loss(ends, Z, Y, dtype)
    n = Z.size
    net = np.zeros(at.HEADER, np.int64)
    parameter = {"huber": 1.25, "quantile": 0.3125}.get(name, 0.0)
    net[at.LOSS_PARAMETERS0] = 2 * n + 9
    arena = np.zeros(2 * n + 10, dtype)
    arena[:n], arena[n : 2 * n] = Z.T.ravel(), Y.T.ravel()
    arena[-1] = parameter
    unit = getattr(value_losses, name)
    unit[dtype](net, arena, 0, n, 2 * n, arena.size, 3, 9)
    np.testing.assert_array_equal(arena[2 * n : 2 * n + 9], want[0])
    np.testing.assert_array_equal(arena[:n].reshape(3, 9).T, want[1])


def test_kinks_by_hand(dtype):
    """At d = 0 the slope is 0; Huber's loss changes over at |d| = δ."""
    Z = np.array([[0], [2], [-2], [1], [3]], dtype)
    Y = np.zeros_like(Z)
    loss, delta = run_loss(("absolute_error", "identity"), Z, Y, dtype)
    np.testing.assert_array_equal(loss, [0, 2, 2, 1, 3])
    np.testing.assert_array_equal(delta.ravel(), [0, 1, -1, 1, 1])
    loss, delta = run_loss(("huber", "identity"), Z, Y, dtype, (2.0,))
    np.testing.assert_array_equal(loss, [0, 2, 2, 0.5, 4])
    np.testing.assert_array_equal(delta.ravel(), [0, 2, -2, 1, 2])
    loss, delta = run_loss(("quantile", "identity"), Z, Y, dtype, (0.25,))
    np.testing.assert_array_equal(loss, [0, 1.5, 0.5, 0.75, 2.25])
    np.testing.assert_array_equal(delta.ravel(), [0, 0.75, -0.25, 0.75, 0.75])


def test_log_cosh_keeps_small_values(dtype):
    """½ d² for small d, where |d| - log 2 + ... would leave nothing."""
    Z = np.geomspace(1e-6, 0.9999, 50).reshape(-1, 1).astype(dtype)
    loss, _ = run_loss(("log_cosh", "identity"), Z, np.zeros_like(Z), dtype)
    d = Z[:, 0].astype(np.longdouble)
    want = np.log1p(2 * np.sinh(d / 2) ** 2)
    # tanh's 5 ulp, squared, and a few more.
    np.testing.assert_allclose(loss, want.astype(float), rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.75])
def test_quantile_as_in_sklearn(level):
    rng = np.random.default_rng(1)
    Z, Y = rng.standard_normal((2, 50, 1))
    loss, _ = run_loss(("quantile", "identity"), Z, Y, DOUBLE, (level,))
    want = mean_pinball_loss(Y, Z, alpha=level)
    np.testing.assert_allclose(loss.mean(), want, rtol=1e-13)


def test_several_quantiles_as_in_sklearn():
    rng = np.random.default_rng(2)
    levels = (0.1, 0.5, 0.9)
    Z, Y = rng.standard_normal((50, 3)), rng.standard_normal((50, 1))
    loss, _ = run_loss(QUANTILES, Z, Y, DOUBLE, levels)
    o = run_output("quantiles", Z, DOUBLE)
    want = sum(
        mean_pinball_loss(Y[:, 0], o[:, j], alpha=level)
        for j, level in enumerate(levels)
    )
    np.testing.assert_allclose(loss.mean(), want, rtol=1e-13)


def test_one_quantile_of_several_is_the_plain_one(dtype):
    rng = np.random.default_rng(3)
    Z, Y = rng.standard_normal((2, 37, 1)).astype(dtype)
    got = run_loss(QUANTILES, Z, Y, dtype, (0.25,))
    want = run_loss(("quantile", "identity"), Z, Y, dtype, (0.25,))
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])


def test_a_quantile_that_is_met_moves_nothing(dtype):
    """Where y = o_0, its slope is 0, and the one above pulls down both."""
    Z, Y = np.array([[1, 0]], dtype), np.array([[1]], dtype)
    loss, delta = run_loss(QUANTILES, Z, Y, dtype, (0.25, 0.75))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss, 0.25 * np.log(2), rtol=10 * eps)
    np.testing.assert_array_equal(delta, [[0.25, 0.125]])


def test_saturated_tanh_keeps_the_hinge_finite(dtype):
    Z = np.array([[50], [-50], [50], [-50]], dtype)
    Y = np.array([[1], [1], [0], [0]], dtype)
    loss, delta = run_loss(("hinge", "tanh"), Z, Y, dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss, [0, 2, 2, 0], atol=10 * eps)
    np.testing.assert_allclose(delta, 0, atol=20 * eps)


def test_composed_pairs_of_the_reference_are_composed():
    """All but the deviances, whose logarithm a rounded output would spoil."""
    for ends in reference.COMPOSED:
        merged = ends[0] in {"poisson", "gamma", "tweedie"}
        plain = ends == ("hinge", "identity")
        assert bool(LOSSES[ends].addresses) != (merged or plain), ends
