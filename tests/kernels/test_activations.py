"""Activations and their derivatives, in place on a stretch of an arena."""

import numpy as np
import pytest
import reference
from fastnn.kernels import activations, own
from kernel_tools import CANARY, assert_close, few_or_many

VALUE, Z = "reads its value", "reads z"


def own_logistic(z):
    return own.logistic(z)


def own_logistic_slope(z):
    s = own.logistic(z)
    return s * (1 - s)


# name: (forward, backward, what the backward unit reads)
UNITS = {
    "identity": (activations.identity, activations.backward_identity, VALUE),
    "logistic": (activations.logistic_, activations.backward_logistic, VALUE),
    "tanh": (activations.tanh_, activations.backward_tanh, VALUE),
    "relu": (activations.relu, activations.backward_relu, VALUE),
    "leaky_relu": (activations.leaky_relu, activations.backward_leaky_relu, VALUE),
    "elu": (activations.elu, activations.backward_elu, VALUE),
    "selu": (activations.selu, activations.backward_selu, VALUE),
    "step": (activations.step, activations.backward_straight_through, Z),
    "sign": (activations.sign, activations.backward_straight_through, Z),
    "gelu": (activations.gelu, activations.backward_gelu, Z),
    "silu": (activations.silu, activations.backward_silu, Z),
    "mish": (activations.mish, activations.backward_mish, Z),
    "softplus": (activations.softplus, activations.backward_softplus, Z),
    "own": (own.forward_unit(own_logistic), own.backward_unit(own_logistic_slope), Z),
}
REFERENCE = {**reference.ACTIVATIONS, "own": reference.ACTIVATIONS["logistic"]}
STEPS = ("step", "sign")
every_activation = pytest.mark.parametrize("name", UNITS)

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


def forward(name, z):
    """Return f(z) by the kernel of z's dtype."""
    return run(UNITS[name][0], z.dtype, z)[0]


def backward(name, z, delta):
    """Return delta f'(z); a unit that reads values gets the kernel's own."""
    source = forward(name, z) if UNITS[name][2] == VALUE else z
    return run(UNITS[name][1], z.dtype, source, delta)[1]


def derivative(name, z):
    """Return f'(z) by the kernels."""
    return backward(name, z, np.ones_like(z))


def values(n, seed=0):
    """Numbers of ordinary size and some that saturate."""
    z = 2 * np.random.default_rng(seed).standard_normal(n)
    z[: n // 8] *= 20
    return z


def wide(dtype):
    """Small steps in the middle, large numbers, and the ends of each range."""
    middle = np.linspace(-20, 20, few_or_many(201, 4001))
    ends = [13.2, 14, 38.5, 40, 44, 87.3, 88.8, 103, 708.4, 745, 1000, 1e4]
    ends = np.concatenate((ends, np.nextafter(ends, 0), 1.001 * np.array(ends)))
    return np.concatenate((middle, ends, -ends)).astype(dtype)


def assert_near(got, want, z, dtype, float64, float32):
    """Compare number by number, with an error relative to max(1, |z|)."""
    bound = float64 if dtype == np.float64 else float32
    errors = np.abs(got.astype(float) - want) / np.maximum(1, np.abs(z.astype(float)))
    worst = errors.argmax()
    assert errors[worst] <= bound, f"{got[worst]!r}, not {want[worst]!r}, at {z[worst]}"


@every_activation
@pytest.mark.parametrize("n", SIZES)
def test_forward(name, n, dtype):
    z = values(n).astype(dtype)
    want = REFERENCE[name][0](z.astype(float))
    # Values are at most 1, or z but for a few units of the last place.
    assert_close(forward(name, z), want, dtype, float64=1e-15, float32=5e-7)


@every_activation
@pytest.mark.parametrize("n", SIZES)
def test_backward(name, n, dtype):
    f, slope = REFERENCE[name]
    z, delta = values(n).astype(dtype), values(n, seed=1).astype(dtype)
    exact = z.astype(float)
    source = f(exact).astype(dtype) if UNITS[name][2] == VALUE else z
    source_after, d = run(UNITS[name][1], dtype, source, delta)
    want = delta.astype(float) * slope(exact)
    # f'(z) is right to some units of the last place of 1, for each number: it may be
    # made of a, which is rounded (1 - a²), and is multiplied by delta.
    bound = 2e-15 if dtype == np.float64 else 5e-7
    assert (np.abs(d - want) <= bound * np.abs(delta)).all()
    np.testing.assert_array_equal(source_after, source)


@every_activation
def test_forward_over_a_wide_range(name, dtype):
    z = wide(dtype)
    want = REFERENCE[name][0](z.astype(float))
    # tanh of float32 is right to 5 units: 3e-7.
    assert_near(forward(name, z), want, z, dtype, float64=1e-15, float32=4e-7)


@every_activation
def test_backward_over_a_wide_range(name, dtype):
    z = wide(dtype)
    want = REFERENCE[name][1](z.astype(float))
    # 1 - tanh² doubles tanh's error, 3e-7 in float32.
    assert_near(derivative(name, z), want, z, dtype, float64=2e-15, float32=8e-7)


@every_activation
def test_forward_keeps_its_digits(name, dtype):
    """However small the value: in the tail on the left, and near zero."""
    tiny = np.geomspace(1e-30, 0.1, few_or_many(40, 400))
    left = -np.linspace(0.1, 10, few_or_many(60, 2000))
    z = np.concatenate((left, tiny, -tiny)).astype(dtype)
    want = REFERENCE[name][0](z.astype(float))
    # gelu: exp(-z²/2) turns the rounding of z²/2 = 50, half a unit, into a relative
    # error of 50 half units, 6e-15 or 3e-6; the reference rounds z / √2 as well, which
    # counts twice, 1.1e-14.
    bound = 2e-14 if dtype == np.float64 else 5e-6
    np.testing.assert_allclose(forward(name, z), want, rtol=bound)


@every_activation
@pytest.mark.parametrize("side", [-1, 1])
def test_derivative_next_to_zero(name, side, dtype):
    """On either side of a kink, the side's own."""
    z = side * np.geomspace(1e-30, 1e-8, few_or_many(20, 100)).astype(dtype)
    want = REFERENCE[name][1](z.astype(float))
    bound = 2e-15 if dtype == np.float64 else 8e-7
    np.testing.assert_allclose(derivative(name, z), want, rtol=bound)


@pytest.mark.parametrize("name", [name for name in UNITS if name not in STEPS])
def test_derivative_is_the_slope(name):
    """Against differences of the kernel itself, away from kinks."""
    z = np.linspace(-8, 8, few_or_many(80, 1600))
    z = z[np.abs(z) > 0.01]
    h = 1e-3
    far = forward(name, z + 2 * h) - forward(name, z - 2 * h)
    near = forward(name, z + h) - forward(name, z - h)
    slope = (8 * near - far) / (12 * h)
    # The formula is off by h⁴/30 times the fifth derivative (16 for tanh), 5e-13,
    # and by the rounding of f, about 1e-15, over h.
    np.testing.assert_allclose(derivative(name, z), slope, rtol=0, atol=1e-11)


LIMITS = {  # at -inf, -1e4, -0, 0, 1e4 and inf: f, then f'
    "identity": ([-np.inf, -1e4, 0, 0, 1e4, np.inf], [1] * 6),
    "logistic": ([0, 0, 0.5, 0.5, 1, 1], [0, 0, 0.25, 0.25, 0, 0]),
    "tanh": ([-1, -1, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0]),
    "relu": ([0, 0, 0, 0, 1e4, np.inf], [0, 0, 0, 0, 1, 1]),
    "leaky_relu": ([-np.inf, -100, 0, 0, 1e4, np.inf], [0.01] * 4 + [1, 1]),
    "elu": ([-1, -1, 0, 0, 1e4, np.inf], [0, 0, 1, 1, 1, 1]),
    "selu": (
        [-1.7580993408473766] * 2 + [0, 0, 10507.009873554805, np.inf],
        [0, 0] + [1.7580993408473766] * 2 + [1.0507009873554805] * 2,
    ),
    "step": ([0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0]),
    "sign": ([-1, -1, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0]),
    "gelu": ([0, 0, 0, 0, 1e4, np.inf], [0, 0, 0.5, 0.5, 1, 1]),
    "silu": ([0, 0, 0, 0, 1e4, np.inf], [0, 0, 0.5, 0.5, 1, 1]),
    "mish": ([0, 0, 0, 0, 1e4, np.inf], [0, 0, 0.6, 0.6, 1, 1]),
    "softplus": ([0, 0, np.log(2), np.log(2), 1e4, np.inf], [0, 0, 0.5, 0.5, 1, 1]),
}
LIMITS["own"] = LIMITS["logistic"]


@every_activation
def test_extremes(name, dtype):
    """±1e4 and infinities give the limits of the function and of its slope."""
    z = np.array([-np.inf, -1e4, -0.0, 0.0, 1e4, np.inf], dtype)
    value, slope = LIMITS[name]
    epsilon = np.finfo(dtype).epsneg
    # Numbers that are no sums of powers of 2 are rounded. tanh of float32 ends up
    # to 5 units of the last place short of 1; then 1 - a² is 10 units.
    rtol, atol = (0, 5 * epsilon) if name == "tanh" else (4 * epsilon, 0)
    np.testing.assert_allclose(forward(name, z), value, rtol=rtol, atol=atol)
    np.testing.assert_allclose(derivative(name, z), slope, rtol=rtol, atol=2 * atol)


@pytest.mark.parametrize("name", STEPS)
def test_straight_through(name, dtype):
    """The stand-in derivative is 1 up to ±1 and including them."""
    one = dtype.type(1)
    out = np.nextafter(one, dtype.type(2))
    z = np.array([-out, -one, -0.5, 0, 0.5, one, out], dtype)
    np.testing.assert_array_equal(derivative(name, z), [0, 1, 1, 1, 1, 1, 0])


@every_activation
@pytest.mark.parametrize("n", [1, 17, 64, few_or_many(65, 130)])
def test_nan_stays_nan(name, n, dtype):
    """In vector code and in the rest of a loop, and nowhere but in its place."""
    bad = np.zeros(n, bool)
    bad[[0, n // 2, n - 1]] = True
    z = np.where(bad, np.nan, 0.5).astype(dtype)
    np.testing.assert_array_equal(np.isnan(forward(name, z)), bad)


@every_activation
@pytest.mark.parametrize("z", [-5, 0.5, 5])
def test_nan_delta_goes_back(name, z, dtype):
    """Also where f' is 0, but for ReLU, which lets nothing through there."""
    delta = np.full(37, 0.5, dtype)
    delta[[0, 16, 36]] = np.nan
    d = backward(name, np.full(37, z, dtype), delta)
    if name == "relu" and z < 0:
        np.testing.assert_array_equal(d, np.zeros(37))
    else:
        np.testing.assert_array_equal(np.isnan(d), np.isnan(delta))


@every_activation
def test_nan_in_a_unit_goes_back(name, dtype):
    """A NaN becomes a NaN delta if the derivative is made of what is read.

    (Those of straight lines are not; the network's output is NaN already.)
    """
    delta, bad = np.full(37, 0.5, dtype), np.full(37, 0.5, dtype)
    bad[[0, 16, 36]] = np.nan
    d = backward(name, bad, delta)
    if name in ("identity", "relu", "leaky_relu", *STEPS):
        assert np.isfinite(d).all()
        np.testing.assert_array_equal(d[~np.isnan(bad)], 0.5)
    else:
        np.testing.assert_array_equal(np.isnan(d), np.isnan(bad))


def test_relu_at_zero(dtype):
    """Both zeros are zero, and their derivative is 0, as in scikit-learn."""
    z = np.array([-0.0, 0.0], dtype)
    np.testing.assert_array_equal(forward("relu", z), [0, 0])
    np.testing.assert_array_equal(derivative("relu", z), [0, 0])


@every_activation
def test_bits_do_not_depend_on_the_place(name, dtype):
    """A number gives the same bits in vector code and in the rest of a loop."""
    z, delta = values(130).astype(dtype), values(130, seed=1).astype(dtype)
    places = range(130)
    single = np.concatenate([forward(name, z[i : i + 1]) for i in places])
    single_d = np.concatenate(
        [backward(name, z[i : i + 1], delta[i : i + 1]) for i in places]
    )
    for n in few_or_many((1, 2, 130), range(1, 131)):
        np.testing.assert_array_equal(forward(name, z[:n]), single[:n])
        np.testing.assert_array_equal(backward(name, z[:n], delta[:n]), single_d[:n])
