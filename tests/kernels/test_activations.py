"""Activations and their derivatives, in place on a stretch of an arena."""

import numpy as np
import pytest
import reference
from kernel_tools import CANARY, assert_close, few_or_many

from fastnn.variants import ACTIVATIONS

SIZES = (1, 5, 15, 16, 17, 63, 64, 65, 130)
START = 3  # not aligned


def run(unit, dtype, *vectors):
    """Call a unit on vectors between canaries; return the vectors afterwards."""
    n = vectors[0].size
    arena = np.full(START + len(vectors) * (n + START), CANARY, dtype)
    starts = [START + i * (n + START) for i in range(len(vectors))]
    for start, vector in zip(starts, vectors, strict=True):
        arena[start : start + n] = vector
    unit[dtype](arena, *starts, n)
    results = [arena[start : start + n].copy() for start in starts]
    for start in starts:
        arena[start : start + n] = CANARY
    assert (arena == CANARY).all()
    return results


def values(n, seed=0):
    """Numbers of ordinary size and some that saturate."""
    z = 2 * np.random.default_rng(seed).standard_normal(n)
    z[: n // 8] *= 20
    return z


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("n", SIZES)
def test_forward(name, n, dtype):
    z = values(n).astype(dtype)
    (a,) = run(ACTIVATIONS[name][0], dtype, z)
    want = reference.ACTIVATIONS[name][0](z.astype(float))
    # Values are at most 1, or exact: a few units of the last place.
    assert_close(a, want, dtype, float64=1e-15, float32=5e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("n", SIZES)
def test_backward(name, n, dtype):
    z, delta = values(n), values(n, seed=1).astype(dtype)
    a = reference.ACTIVATIONS[name][0](z).astype(dtype)
    a_after, d = run(ACTIVATIONS[name][1], dtype, a, delta)
    want = delta.astype(float) * reference.ACTIVATIONS[name][1](z)
    # The derivative is made of a, which is rounded: 1 - a² loses its last digits.
    assert_close(d, want, dtype, float64=1e-15, float32=1e-6)
    np.testing.assert_array_equal(a_after, a)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extremes(name, dtype):
    """±1e4 and infinities give the limits of the function."""
    z = np.array([-np.inf, -1e4, -0.0, 0.0, 1e4, np.inf], dtype)
    (a,) = run(ACTIVATIONS[name][0], dtype, z)
    limits = {
        "identity": z,
        "relu": [0, 0, 0, 0, 1e4, np.inf],
        "tanh": [-1, -1, 0, 0, 1, 1],
        "logistic": [0, 0, 0.5, 0.5, 1, 1],
    }
    # tanh of float32 ends up to 5 units of the last place short of 1.
    atol = 5 * np.finfo(dtype).epsneg if name == "tanh" else 0
    np.testing.assert_allclose(a, limits[name], rtol=0, atol=atol)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_saturated_units_pass_nothing_back(name, dtype):
    z = np.array([-1e4, 1e4], dtype)
    (a,) = run(ACTIVATIONS[name][0], dtype, z)
    _, d = run(ACTIVATIONS[name][1], dtype, a, np.ones(2, dtype))
    if name == "identity":
        want = [1, 1]
    else:
        want = [0, 1] if name == "relu" else [0, 0]
    # 1 - a² with a 5 units short of 1 is 10 units.
    np.testing.assert_allclose(d, want, rtol=0, atol=10 * np.finfo(dtype).epsneg)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("n", [1, 17, 64, few_or_many(65, 130)])
def test_nan_stays_nan(name, n, dtype):
    """In vector code and in the rest of a loop, and nowhere but in its place."""
    bad = np.zeros(n, bool)
    bad[[0, n // 2, n - 1]] = True
    z = np.where(bad, np.nan, 0.5).astype(dtype)
    (a,) = run(ACTIVATIONS[name][0], dtype, z)
    np.testing.assert_array_equal(np.isnan(a), bad)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_goes_back(name, dtype):
    """A NaN delta stays one wherever a unit lets deltas through.

    So does a NaN activation whose derivative is made of it. (Those of identity
    and ReLU are not; the network's output is NaN already.)
    """
    good, bad = np.full(37, 0.5, dtype), np.full(37, 0.5, dtype)
    bad[[0, 16, 36]] = np.nan
    _, d = run(ACTIVATIONS[name][1], dtype, good, bad)
    np.testing.assert_array_equal(np.isnan(d), np.isnan(bad))
    _, d = run(ACTIVATIONS[name][1], dtype, bad, good)
    if name in ("tanh", "logistic"):
        np.testing.assert_array_equal(np.isnan(d), np.isnan(bad))
    else:
        np.testing.assert_array_equal(d, good)


def test_relu_at_zero(dtype):
    """Both zeros are zero, and their derivative is 0, as in scikit-learn."""
    z = np.array([-0.0, 0.0], dtype)
    (a,) = run(ACTIVATIONS["relu"][0], dtype, z)
    np.testing.assert_array_equal(a, [0, 0])
    _, d = run(ACTIVATIONS["relu"][1], dtype, a, np.ones(2, dtype))
    np.testing.assert_array_equal(d, [0, 0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_bits_do_not_depend_on_the_place(name, dtype):
    """A number gives the same bits in vector code and in the rest of a loop."""
    z = values(130).astype(dtype)
    (whole,) = run(ACTIVATIONS[name][0], dtype, z)
    single = [run(ACTIVATIONS[name][0], dtype, z[i : i + 1])[0][0] for i in range(130)]
    np.testing.assert_array_equal(whole, np.array(single))
    _, whole = run(ACTIVATIONS[name][1], dtype, whole, z)
    single = [
        run(ACTIVATIONS[name][1], dtype, np.array([a]), z[i : i + 1])[1][0]
        for i, a in enumerate(single)
    ]
    np.testing.assert_array_equal(whole, np.array(single))
