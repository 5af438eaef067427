"""Output activations and their derivatives, column by column."""

import numpy as np
import pytest
import reference
from kernel_tools import assert_close, few_or_many
from loss_tools import OUTPUTS, run_backward, run_output

ROWS = (1, 5, 63, 64)
DIFFERENTIATED = [name for name, (_, back) in OUTPUTS.items() if back is not None]


def extremes():
    return np.array([[s * 1e4, -s * 1e4, s * 1e4] for s in (1.0, -1.0)])


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("k", [1, 2, 3, few_or_many(5, 17)])
@pytest.mark.parametrize("n", ROWS)
def test_output(name, k, n, dtype):
    Z = (3 * np.random.default_rng(n).standard_normal((n, k))).astype(dtype)
    got = run_output(name, Z, dtype)
    want = reference.OUTPUTS[name](Z.astype(float))
    # A sum of quantiles may cancel with z_0: its error is one of the terms'.
    atol = 20 * np.finfo(dtype).eps * k if name == "quantiles" else 0
    rtol = 1e-14 if dtype == np.float64 else 2e-6
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", DIFFERENTIATED)
@pytest.mark.parametrize("k", [1, 2, 3, few_or_many(5, 17)])
@pytest.mark.parametrize("n", ROWS)
def test_backward(name, k, n, dtype):
    rng = np.random.default_rng(n)
    Z = (3 * rng.standard_normal((n, k))).astype(dtype)
    D = rng.standard_normal((n, k)).astype(dtype)
    z, d = Z.astype(float), D.astype(float)
    P = reference.OUTPUTS[name](z).astype(dtype)
    want = reference.OUTPUTS_BACK[name](z, d)
    # P is rounded, which 1 - p feels as an absolute error.
    assert_close(run_backward(name, P, D, dtype), want, dtype, 1e-14, 2e-6)


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_backward_is_the_derivative(name):
    """Central differences of Σ d · g(z), in float64."""
    rng = np.random.default_rng(3)
    Z, D = rng.standard_normal((2, 11, 3))
    dtype, h = np.dtype("float64"), 1e-5
    got = run_backward(name, run_output(name, Z, dtype), D, dtype)
    for c in range(3):
        step = h * (np.arange(3) == c)
        ends = [run_output(name, Z + s * step, dtype) for s in (1, -1)]
        slope = (D * (ends[0] - ends[1])).sum(axis=1) / (2 * h)
        # Truncation is h² times a third derivative, rounding eps / h.
        np.testing.assert_allclose(got[:, c], slope, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_output(name, place, dtype):
    Z = np.zeros((37, 3), dtype)
    bad = [0, 16, 36]
    Z[bad, place] = np.nan
    got = run_output(name, Z, dtype)
    assert np.isnan(got[bad, place]).all()
    assert not np.isnan(np.delete(got, bad, axis=0)).any()


@pytest.mark.parametrize("name", OUTPUTS)
def test_extreme_raw_outputs(name, dtype):
    """Infinite only where exp is, and never NaN."""
    got = run_output(name, extremes().astype(dtype), dtype)
    with np.errstate(over="ignore"):
        want = reference.OUTPUTS[name](extremes())
    assert not np.isnan(want).any()
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_softmax_sums_to_one_and_ignores_a_shift(dtype):
    Z = np.random.default_rng(0).standard_normal((64, 5)).astype(dtype)
    eps = np.finfo(dtype).eps
    p = run_output("softmax", Z, dtype)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=10 * eps)
    shifted = run_output("softmax", Z + dtype.type(64), dtype)
    # Adding 64 rounds z to multiples of 64 eps.
    np.testing.assert_allclose(shifted, p, rtol=128 * eps)


def test_quantiles_never_cross(dtype):
    Z = (20 * np.random.default_rng(0).standard_normal((64, 9))).astype(dtype)
    assert (np.diff(run_output("quantiles", Z, dtype), axis=1) >= 0).all()


def test_softplus_keeps_small_values(dtype):
    """softplus(-30) is 9.4e-14, and its derivative, too: 1 - exp(-p) without loss."""
    Z = np.array([[-30.0], [-60.0], [-80.0]], dtype)
    want = np.log1p(np.exp(Z.astype(float)))
    P = run_output("softplus", Z, dtype)
    np.testing.assert_allclose(P, want, rtol=10 * np.finfo(dtype).eps)
    got = run_backward("softplus", P, np.ones_like(P), dtype)
    # tanh of float32 multiplies by 4.9e-3 and keeps its digits above 6e-36.
    np.testing.assert_allclose(got, -np.expm1(-want), rtol=20 * np.finfo(dtype).eps)
