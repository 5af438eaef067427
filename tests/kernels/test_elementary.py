"""exp, log, tanh and their kin: errors in units of the last place (ulp)."""

import functools

import numba
import numpy as np
import pytest
from fastnn.kernels import elementary
from kernel_tools import JIT_DISABLED, few_or_many

# The reference is computed in long double. Where that is no wider than float64 its
# own rounding adds an ulp.
SLACK = 0 if np.finfo(np.longdouble).eps < 1e-17 else 1
N = few_or_many(150, 20_000)


def normal_tail(y):
    """∫ exp(-y s - s²/2) ds / √(2π) over s > 0, which is exp(y²/2) Φ(-y).

    By the trapezoidal rule in u, s = exp(u - exp(-u)): its error falls with the
    exponential of the number of points.
    """
    total = np.zeros_like(y)
    step = np.longdouble(1) / 32
    for u in step * np.arange(-160, 130):
        s = np.exp(u - np.exp(-u))
        total += np.exp(-s * (y + s / 2)) * s * (1 + np.exp(-u))
    return step * total / np.sqrt(8 * np.arctan(np.longdouble(1)))


# name: (exact function, {dtype: (bound in ulp as documented, low, high)})
FUNCTIONS = {
    "exp": (np.exp, {"float32": (2, -87.3, 88.3), "float64": (2, -708.0, 709.0)}),
    "tanh": (np.tanh, {"float32": (5, -20.0, 20.0), "float64": (4, -40.0, 40.0)}),
    "logistic": (
        lambda z: 1 / (1 + np.exp(-z)),
        {"float32": (3, -87.3, 87.3), "float64": (3, -708.3, 708.3)},
    ),
    "log1p_unit": (np.log1p, {"float32": (3, 0.0, 1.0), "float64": (3, 0.0, 1.0)}),
    "expm1_negative": (
        np.expm1,
        {"float32": (2, -50.0, 0.0), "float64": (2, -50.0, 0.0)},
    ),
    "normal_tail": (
        normal_tail,
        {"float32": (6, 0.0, 14.0), "float64": (6, 0.0, 40.0)},
    ),
}


@functools.cache
def over(name):
    """Return a function that calls an elementary function for each number."""
    function = getattr(elementary, name)

    def loop(x):
        y = np.empty_like(x)
        for i in range(x.size):
            y[i] = function(x[i])
        return y

    return loop if JIT_DISABLED else numba.njit(loop)


def ulps(got, want):
    """Return errors in units of the last place of the exact value."""
    spacing = np.spacing(np.abs(want).astype(got.dtype)).astype(np.longdouble)
    return np.abs(got.astype(np.longdouble) - want) / spacing


def points(low, high, dtype):
    """Even steps, both ends, the neighbours of the ends, and numbers near zero."""
    even = np.linspace(low, high, N).astype(dtype)
    ends = np.array([low, high], dtype)
    inside = np.nextafter(ends, ends[::-1])
    small = np.geomspace(1e-6, 0.1, N // 5).astype(dtype)
    small = np.concatenate((small, -small))
    x = np.concatenate((even, ends, inside, small))
    return x[(x >= ends[0]) & (x <= ends[1])]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_ulps(name, dtype):
    exact, bounds = FUNCTIONS[name]
    bound, low, high = bounds[dtype.name]
    x = points(low, high, dtype)
    got = over(name)(x)
    assert got.dtype == dtype
    errors = ulps(got, exact(x.astype(np.longdouble)))
    worst = errors.argmax()
    assert errors[worst] <= bound + SLACK, f"{name}({x[worst]!r}) = {got[worst]!r}"


# The last stretch before exp's documented limits, on either side.
EDGES = {
    "float32": [(88.25, 88.72), (-87.33, -87.25)],
    "float64": [(708.5, 709.7), (-708.3, -707.5)],
}


@pytest.mark.parametrize("side", [0, 1], ids=["overflow", "underflow"])
def test_exp_keeps_its_digits_up_to_its_limits(side, dtype):
    low, high = EDGES[dtype.name][side]
    x = np.linspace(low, high, few_or_many(40, 2000)).astype(dtype)
    errors = ulps(over("exp")(x), np.exp(x.astype(np.longdouble)))
    worst = errors.argmax()
    assert errors[worst] <= 2 + SLACK, f"exp({x[worst]!r}) is {errors[worst]} ulp off"


@pytest.mark.parametrize("name", ["exp", "logistic"])
def test_underflow_is_gradual_or_zero(name, dtype):
    """Below the least normal number an error of that size is all that may be."""
    low = -87.33 if dtype == np.float32 else -708.3
    x = np.linspace(1.3 * low, low, few_or_many(40, 2000)).astype(dtype)
    got = over(name)(x)
    want = np.exp(x.astype(np.longdouble))
    assert (got >= 0).all()
    assert np.abs(got - want).max() <= np.finfo(dtype).tiny


def test_log_over_all_normal_numbers(dtype):
    info = np.finfo(dtype)
    low, high = np.log2(info.tiny), np.log2(info.max)
    powers = np.exp2(np.linspace(low, high, N)[1:-1]).astype(dtype)
    near_one = (1 + np.linspace(-0.5, 1.0, N)).astype(dtype)
    steps = 1 + info.eps * np.arange(-20, 20, dtype=dtype)
    x = np.concatenate((powers, near_one, steps, [info.tiny, info.max]))
    x = x.astype(dtype)
    errors = ulps(over("log")(x), np.log(x.astype(np.longdouble)))
    worst = errors.argmax()
    assert errors[worst] <= 2 + SLACK, f"log({x[worst]!r}) is {errors[worst]} ulp off"
    assert over("log")(np.ones(1, dtype))[0] == 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("exp", [0.0, 0.0, 1.0, np.inf, np.inf]),
        ("tanh", [-1.0, -1.0, 0.0, 1.0, 1.0]),
        ("logistic", [0.0, 0.0, 0.5, 1.0, 1.0]),
        ("expm1_negative", [-1.0, -1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_extremes(name, values, dtype):
    """Infinities and ±1e4 give the limit; tanh of float32 within its 5 ulp."""
    x = np.array([-np.inf, -1e4, 0.0, 1e4, np.inf], dtype)
    ulp = 5 if (name, dtype.name) == ("tanh", "float32") else 0
    got = over(name)(x)
    np.testing.assert_allclose(got, values, rtol=0, atol=ulp * np.finfo(dtype).epsneg)


@pytest.mark.parametrize("name", [*FUNCTIONS, "log"])
def test_nan(name, dtype):
    """Among other numbers, so that vector and scalar code both meet one."""
    x = np.full(37, 0.5, dtype)
    x[[0, 7, 36]] = np.nan
    np.testing.assert_array_equal(np.isnan(over(name)(x)), np.isnan(x))


def test_tanh_is_odd_and_within_one(dtype):
    x = np.linspace(0, 30, N).astype(dtype)
    right, left = over("tanh")(x), over("tanh")(-x)
    # Not exactly odd in float64: exp(2z) - 1 is rounded on either side.
    np.testing.assert_allclose(left, -right, rtol=8 * np.finfo(dtype).eps)
    assert (np.abs(right) <= 1).all()


def test_tanh_of_tiny_numbers(dtype):
    """No digit is lost near zero.

    float32 multiplies z by 4.9e-3: the digits hold where that product is normal.
    """
    low = float(np.finfo(dtype).tiny) * 512
    x = np.geomspace(low, 1e-3, N // 2).astype(dtype)
    bound = 5 if dtype == np.float32 else 4
    errors = ulps(over("tanh")(x), np.tanh(x.astype(np.longdouble)))
    worst = errors.argmax()
    assert errors[worst] <= bound + SLACK, f"tanh({x[worst]!r}): {errors[worst]} ulp"


def test_expm1_of_tiny_numbers(dtype):
    """No digit is lost near zero, down to the least normal number."""
    x = -np.geomspace(np.finfo(dtype).tiny, 1e-3, N // 2).astype(dtype)
    errors = ulps(over("expm1_negative")(x), np.expm1(x.astype(np.longdouble)))
    assert errors.max() <= 2 + SLACK


def test_tail_where_float32_has_no_normal_numbers(dtype):
    """Beyond 14 float32 does not need its digits; it is finite and near enough."""
    x = np.linspace(14, 40, few_or_many(40, 1000)).astype(dtype)
    want = normal_tail(x.astype(np.longdouble)).astype(float)
    np.testing.assert_allclose(over("normal_tail")(x), want, rtol=1e-4)
