"""Half deviances of positive outputs p, merged with exp or softplus.

All are computed from log p, which is z for p = exp(z), and for softplus is close to
z where p is small: so no loss depends on an exponential that became 0. With
h = d log p / dz::

                loss                                   delta
    poisson     y log(y / p) - y + p                   h (p - y)
    gamma       y / p - 1 - log(y / p)                 h (1 - y / p)
    tweedie     y (yᵃ - pᵃ) / a - (yᵇ - pᵇ) / b        h (pᵇ - y pᵃ)

where a = 1 - v and b = 2 - v for the power v, and (yᶜ - pᶜ) / c means
log(y / p) for c = 0: for v = 1 and 2 the third is the first and second, for v = 0 it
is ½ (y - p)². It is the deviance of scikit-learn's `HalfTweedieLoss`, whose constant
terms it includes, rearranged.
"""

from . import layout as at
from ._jit import inner, unit
from ._llvm import view
from .elementary import exp, log, logistic, tanh
from .losses import LOSS, clear, softplus


@inner
def is_far(arena, z):
    """Tell where softplus goes over to its series, whose error is exp(2 z)."""
    return z < arena.dtype.type(-20)


@inner
def log_softplus(arena, z, p):
    """Return log p, p = softplus(z): z - p / 2 for z far below 0."""
    T = arena.dtype.type
    far = is_far(arena, z)
    log_near = log(T(1) if far else p)
    log_far = z - T(0.5) * p
    return log_far if far else log_near


@inner
def log_softplus_slope(arena, z, p):
    """Return d log p / dz = logistic(z) / p: 1 - p / 2 for z far below 0."""
    T = arena.dtype.type
    far = is_far(arena, z)
    near = logistic(z) / (T(1) if far else p)
    return T(1) - T(0.5) * p if far else near


@inner
def log_or_low(arena, y):
    """Return log y, and for y = 0 a number whose exp, times any power, is 0."""
    T = arena.dtype.type
    positive = y > T(0)
    log_y = log(y if positive else T(1))
    return log_y if positive else T(-1e30)


@inner
def poisson_loss(arena, y, p, log_p):
    """Return y log y - y log p - y + p, with 0 log 0 = 0."""
    T = arena.dtype.type
    y_log_y = y * log(y if y > T(0) else T(1))
    return y_log_y - y * log_p - y + p


@inner
def difference_factor(arena, c, u):
    """Return tanh(½ c u) / c, for c = 0 its limit ½ u.

    (yᶜ - pᶜ) / c is (yᶜ + pᶜ) times this, u = log(y / p): nothing cancels, however
    close to 0 c is.
    """
    T = arena.dtype.type
    half, one = T(0.5), T(1)
    is_zero = c == T(0)
    factor = tanh(half * c * u) / (one if is_zero else c)
    return half * u if is_zero else factor


@unit(LOSS)
def exp_poisson(net, arena, t0, u0, l0, s0, k, n):
    """Half the Poisson deviance with p = exp(z); delta = p - y."""
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            z = Z[r]
            y = U[r]
            p = exp(z)
            L[r] += poisson_loss(arena, y, p, z)
            Z[r] = p - y


@unit(LOSS)
def softplus_poisson(net, arena, t0, u0, l0, s0, k, n):
    """Half the Poisson deviance with p = softplus(z)."""
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            z = Z[r]
            y = U[r]
            p = softplus(arena, z)
            L[r] += poisson_loss(arena, y, p, log_softplus(arena, z, p))
            Z[r] = (p - y) * log_softplus_slope(arena, z, p)


@unit(LOSS)
def exp_gamma(net, arena, t0, u0, l0, s0, k, n):
    """Half the Gamma deviance with p = exp(z), y > 0; delta = 1 - y / p."""
    one = arena.dtype.type(1)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            log_ratio = log(U[r]) - Z[r]
            ratio = exp(log_ratio)
            L[r] += ratio - one - log_ratio
            Z[r] = one - ratio


@unit(LOSS)
def softplus_gamma(net, arena, t0, u0, l0, s0, k, n):
    """Half the Gamma deviance with p = softplus(z), y > 0."""
    one = arena.dtype.type(1)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            z = Z[r]
            p = softplus(arena, z)
            log_ratio = log(U[r]) - log_softplus(arena, z, p)
            ratio = exp(log_ratio)
            L[r] += ratio - one - log_ratio
            Z[r] = (one - ratio) * log_softplus_slope(arena, z, p)


@unit(LOSS)
def exp_tweedie(net, arena, t0, u0, l0, s0, k, n):
    """Half the Tweedie deviance of power v with p = exp(z).

    Parameter 0 is b = 2 - v: rounded to float32 it keeps its digits where v is close
    to 2, and where y = 0 the loss is pᵇ / b. y >= 0 for v < 2, else y > 0. For v
    outside [1, 2] a loss that overflows may be NaN instead of infinite.
    """
    b = arena[net[at.LOSS_PARAMETERS0]]
    a = b - arena.dtype.type(1)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            log_p = Z[r]
            log_y = log_or_low(arena, U[r])
            u = log_y - log_p
            yb = exp(b * log_y)
            pb = exp(b * log_p)
            ypa = exp(log_y + a * log_p)
            L[r] += (yb + ypa) * difference_factor(arena, a, u)
            L[r] -= (yb + pb) * difference_factor(arena, b, u)
            Z[r] = pb - ypa


@unit(LOSS)
def softplus_tweedie(net, arena, t0, u0, l0, s0, k, n):
    """Half the Tweedie deviance of power v with p = softplus(z): see `exp_tweedie`."""
    b = arena[net[at.LOSS_PARAMETERS0]]
    a = b - arena.dtype.type(1)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            z = Z[r]
            p = softplus(arena, z)
            log_p = log_softplus(arena, z, p)
            log_y = log_or_low(arena, U[r])
            u = log_y - log_p
            yb = exp(b * log_y)
            pb = exp(b * log_p)
            ypa = exp(log_y + a * log_p)
            L[r] += (yb + ypa) * difference_factor(arena, a, u)
            L[r] -= (yb + pb) * difference_factor(arena, b, u)
            Z[r] = (pb - ypa) * log_softplus_slope(arena, z, p)
