"""Formulas of activations and derivatives that take several operations.

Each is a function of one number z, of elementary functions of it, and of T, its
type. They are here, and not in the loops of `activations`, to be compiled without
reassociation: the compiler regroups the terms of vector code and of the remainder
of a loop as it sees fit, and a number's bits would depend on its place. The
elementary functions are called in the loop itself: a function that holds them all
is too large for the compiler to put into the loop, which is then not vectorised.
"""

from ._jit import exact_inner

DENSITY_AT_0 = 0.3989422804014327  # 1 / √(2π)


@exact_inner
def at_least(z, low):
    """Return z, or `low` where z is below it; a NaN stays one."""
    return low if z < low else z


@exact_inner
def at_most(z, high):
    """Return z, or `high` where z is above it; a NaN stays one."""
    return high if z > high else z


@exact_inner
def logistic_slope(a, T):
    """Return σ'(z) = a (1 - a), given a = σ(z)."""
    return a * (T(1) - a)


@exact_inner
def tanh_slope(a, T):
    """Return tanh'(z) = 1 - a², given a = tanh(z)."""
    return T(1) - a * a


@exact_inner
def gelu_value(z, e, tail, T):
    """Return z Φ(z), Φ the normal distribution.

    e and tail : exp(-z²/2) and exp(z²/2) Φ(-|z|), whose product keeps its digits
    however small it is
    """
    left = e * tail
    return z * (left if z < T(0) else T(1) - left)


@exact_inner
def gelu_slope(z, y, e, tail, T):
    """Return Φ(z) + z φ(z), φ(z) = exp(-z²/2) / √(2π).

    For z < 0 it is Φ(-y) - y φ(y), and for z > 0 it is 1 less that.

    y, e and tail : |z|, and as for `gelu_value`
    """
    left = e * (tail - T(DENSITY_AT_0) * y)
    return left if z < T(0) else T(1) - left


@exact_inner
def silu_slope(z, y, e, T):
    """Return σ(z) (1 + z σ(-z)), where σ(y) = 1 / (1 + e) and σ(-y) = e / (1 + e).

    y and e : |z| and exp(-|z|)
    """
    one = T(1)
    high = one / (one + e)
    low = e * high
    left = low * (one - y * high)
    right = high * (one + y * low)
    return left if z < T(0) else right


@exact_inner
def mish_value(z, e, T):
    """Return z tanh(log(1 + e)), e = exp(z).

    The tangent is m / (m + 2) with m = e (e + 2): no digit is lost.
    """
    m = e * (e + T(2))
    return z * (m / (m + T(2)))


@exact_inner
def mish_slope(z, e, T):
    """Return t + z (1 - t²) σ(z), t = tanh(log(1 + e)), e = exp(z).

    With m as in `mish_value`, 1 - t² = 4 (e + 1)² / (m + 2)² and σ(z) = e / (e + 1),
    so that it is (m + 4 z e (e + 1) / (m + 2)) / (m + 2).
    """
    m = e * (e + T(2))
    r = T(1) / (m + T(2))
    share = T(4) * (e * ((e + T(1)) * r))
    return (m + z * share) * r


@exact_inner
def softplus_value(z, u, T):
    """Return log(1 + exp(z)) = max(z, 0) + u, u = log(1 + exp(-|z|))."""
    return (T(0) if z < T(0) else z) + u
