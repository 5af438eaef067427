"""Poisson, Gamma and Tweedie deviances with exp and softplus."""

import numpy as np
import pytest
import reference
from kernel_tools import assert_close, few_or_many
from loss_tools import random_targets, reference_of, run_loss
from sklearn._loss.loss import HalfTweedieLoss
from sklearn.metrics import (
    mean_gamma_deviance,
    mean_poisson_deviance,
    mean_tweedie_deviance,
)

LINKS = ("exp", "softplus")
POWERS = (0.0, 1.0, 1.000001, 1.25, 1.5, 1.9, 1.999999, 2.0, 2.5, 3.0)
DOUBLE = np.dtype("float64")


def outputs_and_targets(power, dtype):
    n = few_or_many(40, 200)
    rng = np.random.default_rng(int(100 * power))
    Z = rng.uniform(-3, 3, (n, 2)).astype(dtype)
    Y = rng.exponential(2.0, (n, 2)) + 0.01
    if power < 2:
        Y[::5] = 0
    return Z, Y.astype(dtype)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("power", POWERS)
def test_tweedie_of_every_power(power, link, dtype):
    power = float(dtype.type(power))  # p^(2 - v) / (2 - v) depends on its last digit
    Z, Y = outputs_and_targets(power, dtype)
    ends = ("tweedie", link)
    loss, delta = run_loss(ends, Z, Y, dtype, (power,))
    want_loss, want_delta = reference_of(ends, Z, Y, (power,))
    # The reference, not the kernel, divides differences by (1 - v)(2 - v).
    far = min((abs(power - c) for c in (1, 2) if power != c), default=1)
    assert_close(loss, want_loss, dtype, 1e-14 / min(far, 1), 5e-6)
    assert_close(delta, want_delta, dtype, 2e-14, 5e-6)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("limit", "name"), [(1, "poisson"), (2, "gamma")])
@pytest.mark.parametrize("offset", [0.0, 1e-6])
def test_tweedie_at_its_limits(limit, name, offset, link, dtype):
    """Power 1 is Poisson and 2 Gamma, and nothing happens on the way there."""
    Z, Y = outputs_and_targets(2, dtype)
    power = limit + offset if limit == 1 else limit - offset
    loss, delta = run_loss(("tweedie", link), Z, Y, dtype, (power,))
    want_loss, want_delta = run_loss((name, link), Z, Y, dtype)
    # A power that is off by 1e-6 changes losses by that much times log² p.
    assert_close(loss, want_loss, dtype, 1e-14 + 20 * offset, 5e-6 + 20 * offset)
    assert_close(delta, want_delta, dtype, 1e-14 + 20 * offset, 5e-6 + 20 * offset)


@pytest.mark.parametrize("link", LINKS)
def test_tweedie_of_power_zero_is_the_squared_error(link, dtype):
    Z, Y = outputs_and_targets(0, dtype)
    loss, delta = run_loss(("tweedie", link), Z, Y, dtype, (0.0,))
    z, y = Z.astype(float), Y.astype(float)
    ends = ("squared_error", link)
    assert_close(loss, reference.LOSSES[ends](z, y), dtype, 1e-14, 5e-6)
    assert_close(delta, reference.delta_of(ends, z, y), dtype, 1e-14, 5e-6)


@pytest.mark.parametrize("link", LINKS)
def test_deviances_as_in_sklearn(link):
    """Ours are halves, summed over outputs."""
    Z, Y = outputs_and_targets(2.0, DOUBLE)
    Z, Y = Z[:, :1], Y[:, :1]
    p = reference.OUTPUTS[link](Z).ravel()

    def mean(name, parameters=()):
        return run_loss((name, link), Z, Y, DOUBLE, parameters)[0].mean()

    y = Y.ravel()
    np.testing.assert_allclose(mean("poisson"), mean_poisson_deviance(y, p) / 2)
    np.testing.assert_allclose(mean("gamma"), mean_gamma_deviance(y, p) / 2)
    for power in (0.0, 1.0, 1.3, 1.7, 2.0, 2.6):
        want = mean_tweedie_deviance(y, p, power=power) / 2
        np.testing.assert_allclose(mean("tweedie", (power,)), want, rtol=1e-9)


@pytest.mark.parametrize("power", [1.2, 1.5, 1.9])
def test_tweedie_gradient_as_in_sklearns_loss(power):
    Z, Y = outputs_and_targets(power, DOUBLE)
    loss, delta = run_loss(("tweedie", "exp"), Z[:, :1], Y[:, :1], DOUBLE, (power,))
    theirs = HalfTweedieLoss(power=power)
    y, z = np.ascontiguousarray(Y[:, 0]), np.ascontiguousarray(Z[:, 0])
    want, gradient = theirs.loss_gradient(y_true=y, raw_prediction=z)
    want = want + theirs.constant_to_optimal_zero(y)
    np.testing.assert_allclose(loss, want, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(delta[:, 0], gradient, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("link", LINKS)
def test_poisson_at_extreme_raw_outputs(link, dtype):
    """Log p is z at -1e4, where p is 0; exp(1e4) is inf, never NaN."""
    Y = np.array([[0], [1], [1000], [0], [1]], dtype)
    Z = np.array([[-1e4], [-1e4], [-1e4], [1e4], [1e4]], dtype)
    loss, delta = run_loss(("poisson", link), Z, Y, dtype)
    y = Y[:3, 0].astype(float)
    want = np.where(y > 0, y * np.log(np.maximum(y, 1)), 0) + 1e4 * y - y
    np.testing.assert_allclose(loss[:3], want, rtol=1e-6)
    np.testing.assert_array_equal(delta[:3], -Y[:3])
    if link == "exp":
        assert np.isposinf(loss[3:]).all()
        assert np.isposinf(delta[3:]).all()
    else:
        want = [1e4, 1e4 - np.log(1e4) - 1]
        np.testing.assert_allclose(loss[3:], want, rtol=1e-6)
        np.testing.assert_allclose(delta[3:, 0], [1, 1 - 1e-4], rtol=1e-6)


@pytest.mark.parametrize("link", LINKS)
def test_gamma_at_extreme_raw_outputs(link, dtype):
    """Infinite at -1e4, as y / p is; at 1e4 the loss is log p, and never NaN."""
    Y = np.array([[0.5], [1e3]] * 2, dtype)
    Z = np.array([[-1e4], [-1e4], [1e4], [1e4]], dtype)
    loss, delta = run_loss(("gamma", link), Z, Y, dtype)
    assert np.isposinf(loss[:2]).all()
    assert np.isneginf(delta[:2]).all()
    y = Y[2:, 0].astype(float)
    p, log_p, slope = (np.inf, 1e4, 1) if link == "exp" else (1e4, np.log(1e4), 1e-4)
    np.testing.assert_allclose(loss[2:], log_p - np.log(y) + y / p - 1, rtol=1e-6)
    np.testing.assert_allclose(delta[2:, 0], slope * (1 - y / p), rtol=1e-6)


@pytest.mark.parametrize("link", LINKS)
def test_gamma_follows_small_outputs(link, dtype):
    """Where p is far below a number's precision, delta is still 1 - y / p."""
    Z = np.array([[-40.0], [-60.0], [-80.0]], dtype)
    Y = np.full((3, 1), 0.25, dtype)
    loss, delta = run_loss(("gamma", link), Z, Y, dtype)
    ratio = 0.25 * np.exp(-Z[:, 0].astype(float))
    # An exponent of 80 is rounded, and that is its exponential's relative error.
    rtol = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss, ratio, rtol=max(rtol, 1e-12))
    np.testing.assert_allclose(delta[:, 0], -ratio, rtol=max(rtol, 1e-12))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_tweedie_at_extreme_raw_outputs(power, link, dtype):
    """Infinite where the formula is, finite where it is, and never NaN."""
    Y = np.array([[0.5], [1e3], [0.5], [1e3]], dtype)
    Z = np.array([[-1e4], [-1e4], [1e4], [1e4]], dtype)
    loss, delta = run_loss(("tweedie", link), Z, Y, dtype, (power,))
    assert not np.isnan(loss).any()
    assert not np.isnan(delta).any()
    if power > 1:
        assert np.isposinf(loss[:2]).all()
        assert np.isneginf(delta[:2]).all()
    else:
        np.testing.assert_array_equal(np.isfinite(loss), [1, 1, *[link != "exp"] * 2])
        np.testing.assert_allclose(delta[:2], -Y[:2], rtol=1e-6)
    if link == "softplus":
        want_loss, want_delta = reference_of(("tweedie", link), Z[2:], Y[2:], (power,))
        np.testing.assert_allclose(loss[2:], want_loss, rtol=1e-5)
        np.testing.assert_allclose(delta[2:], want_delta, rtol=1e-5)


@pytest.mark.parametrize("link", LINKS)
def test_tweedie_of_nothing(link, dtype):
    """For y = 0 the loss is p^b / b, also where p is 0."""
    Z = np.array([[-1e4], [-50.0], [0.5]], dtype)
    loss, delta = run_loss(("tweedie", link), Z, np.zeros_like(Z), dtype, (1.5,))
    z = Z[:, 0].astype(float)
    p = reference.OUTPUTS[link](z)
    slope = np.ones(3)
    if link == "softplus":
        slope[2] = reference.sigmoid(z[2]) / p[2]
    rtol = 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss, 2 * np.sqrt(p), rtol=rtol)
    np.testing.assert_allclose(delta[:, 0], np.sqrt(p) * slope, rtol=rtol)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("power", [1.9999, 1.999999, 2 - 1e-8, 2 - 1e-15])
def test_tweedie_of_nothing_close_to_gamma(power, link, dtype):
    """p^b / b keeps its digits, however small b = 2 - v is."""
    Z = np.array([[-2.0], [0.5], [3.0]], dtype)
    loss, _ = run_loss(("tweedie", link), Z, np.zeros_like(Z), dtype, (power,))
    p, b = reference.OUTPUTS[link](Z[:, 0].astype(float)), 2 - power
    np.testing.assert_allclose(loss, p**b / b, rtol=50 * np.finfo(dtype).eps)


def test_poisson_without_counts(dtype):
    """0 log 0 = 0: the loss is exp(z)."""
    Z = np.linspace(-5, 5, 11, dtype=dtype).reshape(-1, 1)
    loss, delta = run_loss(("poisson", "exp"), Z, np.zeros_like(Z), dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss, np.exp(Z[:, 0].astype(float)), rtol=3 * eps)
    np.testing.assert_array_equal(loss, delta[:, 0])


@pytest.mark.parametrize("name", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("link", LINKS)
def test_zero_at_the_minimum(name, link, dtype):
    """Where p = y, the deviance is 0 up to rounding, and so is delta."""
    Y = np.array([[1e-3], [0.5], [2.5], [1e3]])
    Z = np.log(Y) if link == "exp" else Y + np.log(-np.expm1(-Y))
    ends = (name, link)
    parameters = (1.5,) if name == "tweedie" else ()
    loss, delta = run_loss(ends, Z.astype(dtype), Y.astype(dtype), dtype, parameters)
    eps = np.finfo(dtype).eps
    # Terms of size y log y cancel: some ten roundings of them remain.
    bound = 20 * eps * (1 + (1 + Y[:, 0]) * np.abs(np.log(Y[:, 0])))
    assert (np.abs(loss) <= bound).all()
    assert (np.abs(delta[:, 0]) <= bound).all()


@pytest.mark.parametrize("link", LINKS)
def test_softplus_on_both_sides_of_its_switch(link):
    """At z = -20 log p goes over to its series without a step."""
    Z = np.linspace(-21, -19, few_or_many(21, 201)).reshape(-1, 1)
    Y = random_targets(("gamma", link), len(Z), 1, DOUBLE, np.random.default_rng(0))
    loss, delta = run_loss(("gamma", link), Z, Y, DOUBLE)
    want_loss, want_delta = reference_of(("gamma", link), Z, Y)
    # exp(20) times an error of a few eps · 20.
    np.testing.assert_allclose(loss, want_loss, rtol=5e-14)
    np.testing.assert_allclose(delta, want_delta, rtol=5e-14)
