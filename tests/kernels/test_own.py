"""Units made of a user's functions; their numbers are tested with all activations."""

import math
import re

import numpy as np
import pytest
from fastnn.kernels import _jit, own
from kernel_tools import JIT_DISABLED, assert_close

compiled = pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")


def forward(function, z):
    a = z.copy()
    own.forward_unit(function)[z.dtype](a, 0, z.size)
    return a


@pytest.mark.parametrize("name", ["exp", "tanh", "logistic"])
def test_functions_to_build_on_are_the_same_in_python(name, dtype):
    function = getattr(own, name)
    assert function.__name__ == name
    z = np.linspace(-9, 9, 37).astype(dtype)
    assert_close(forward(lambda z: function(z), z), function(z), dtype, 1e-12, 2e-3)
    assert function(0.5) == pytest.approx(forward(function, np.array([0.5]))[0])


def test_what_raises_is_not_a_number(dtype):
    def at_most_1(z):
        if z > 1:
            raise ValueError("too large")
        return z

    z = np.array([-1, 1, 2, 3], dtype)
    np.testing.assert_array_equal(forward(at_most_1, z), [-1, 1, np.nan, np.nan])
    d = np.concatenate([z, np.ones_like(z)])
    own.backward_unit(at_most_1)[z.dtype](d, 0, 4, 4)
    np.testing.assert_array_equal(d[4:], [-1, 1, np.nan, np.nan])


def test_a_nan_stays_one_whatever_the_function_says(dtype):
    z = np.array([np.nan, -1.0, 3.0], dtype)
    np.testing.assert_array_equal(
        forward(lambda z: 1 if z > 0 else 0, z), [np.nan, 0, 1]
    )


def test_division_by_0(dtype):
    z = np.array([0.0, -2.0], dtype)
    np.testing.assert_array_equal(forward(lambda z: 1 / z, z)[1:], [-0.5])
    assert not np.isfinite(forward(lambda z: 1 / z, z)[0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Failed in nopython mode\n\n  NameError: foo.\nDuring: x", "NameError: foo"),
        ("No 'with' here.. Raised from None", "No 'with' here"),
        ("Not found for signature:\n >>> f(x)", "Not found for signature"),
        ("", "TypeError"),
    ],
)
def test_reasons(text, reason):
    assert own._reason(TypeError(text)) == reason


def returns_text(z):
    return "a"


def may_return_nothing(z):
    return z if z > 0 else None


def of_two(z, w):
    return z + w


def asks_for_what_is_not_there(z):
    return z.foo


@compiled
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (returns_text, r"it returns .*, and not a real number \(of two"),
        (may_return_nothing, r"it returns .*, and not a real number \(of two"),
        (lambda z: 1j * z, r"it returns complex128, and not a real number \(of two"),
        (of_two, "function takes 2 arguments$"),
        (asks_for_what_is_not_there, "^Unknown attribute 'foo' of type float64$"),
        (lambda z: math.nothing(z), "has no attribute 'nothing'"),
    ],
)
def test_what_cannot_be_compiled(function, reason):
    for make in (own.forward_unit, own.backward_unit):
        unit = make(function)
        for _ in range(2):  # the second try is told as well
            with pytest.raises(ValueError, match=reason) as caught:
                unit[np.dtype("float64")]
            assert "Numba" not in str(caught.value)


@compiled
def test_nothing_is_kept_on_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    own.forward_unit(returns_z)[np.dtype("float64")]
    assert not list(tmp_path.rglob("*own_activation*"))


def returns_z(z):
    return z


def vectors(function):
    """Return how many products of vectors the optimised loop has."""
    unit = own.forward_unit(function)[np.dtype("float32")]
    (code,) = unit.inspect_llvm().values()
    return len(re.findall(r"fmul .*<\d+ x float>", code))


@compiled
def test_loops_are_vector_code():
    """With the functions of `own`; those of the C library are called one by one."""
    assert vectors(lambda z: z * own.logistic(z)) > 10
    assert vectors(lambda z: z / (1 + math.exp(-z))) == 0
