"""Activations of the hidden layers and their derivatives, in place on the arena.

A forward unit replaces the numbers at z0 by f(z). A backward unit multiplies the
deltas at d0 by f'(z), and what it reads at s0 depends on the activation, so that
only one vector needs to be kept::

    reads its value f(z)   identity, logistic, tanh, relu, leaky_relu, elu, selu
    reads z                step, sign, gelu, silu, mish, softplus

In the upper row the value says it all, as in scikit-learn. In the lower row two z
share a value, or the value has lost z's digits.

step and sign have no gradient to speak of. They are trained with a straight-through
one: f'(z) is taken to be 1 where |z| <= 1, else 0 (Bengio, Léonard and Courville
2013, arXiv:1308.3432; Hubara et al. 2016, arXiv:1602.02830).

A NaN goes through every forward unit. Where a product such as z·exp(z) tends to a
limit that infinity times zero is not, z is cut off where the limit is reached.
Formulas of several operations are in `special`, which says why.
"""

from ._jit import INT, Interface, array, unit
from ._llvm import view
from .elementary import exp, expm1_negative, log1p_unit, logistic, normal_tail, tanh
from .special import (
    at_least,
    at_most,
    gelu_slope,
    gelu_value,
    logistic_slope,
    mish_slope,
    mish_value,
    silu_slope,
    softplus_value,
    tanh_slope,
)

# (arena, z0, n)
FORWARD = Interface(lambda F: (array(F), INT, INT), 3)
# (arena, s0, d0, n)
BACKWARD = Interface(lambda F: (array(F), INT, INT, INT), 4)

LEAK = 0.01
# Klambauer et al. 2017, arXiv:1706.02515: they keep mean 0 and variance 1.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
SELU_BOTTOM = SELU_SCALE * SELU_ALPHA
# Beyond these, in both dtypes: exp(-z²/2) is 0 ...
NORMAL_END = 40.0
# ... exp(-z) is inf ...
EXP_END = 1000.0
# ... and tanh(log(1 + exp(z))) is 1, while exp(2 z) is far from overflow.
MISH_END = 20.0


@unit(FORWARD)
def identity(arena, z0, n):
    """Leave arena[z0:z0 + n] as it is: f(z) = z."""


@unit(BACKWARD)
def backward_identity(arena, s0, d0, n):
    """Leave the deltas as they are: f'(z) = 1."""


@unit(FORWARD)
def logistic_(arena, z0, n):
    """Replace z by 1 / (1 + exp(-z))."""
    Z = view(arena, z0, n)
    for i in range(n):
        Z[i] = logistic(Z[i])


@unit(BACKWARD)
def backward_logistic(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = a (1 - a), a = f(z)."""
    A = view(arena, s0, n)
    D = view(arena, d0, n)
    T = arena.dtype.type
    for i in range(n):
        D[i] = D[i] * logistic_slope(A[i], T)


@unit(FORWARD)
def tanh_(arena, z0, n):
    """Replace z by tanh(z)."""
    Z = view(arena, z0, n)
    for i in range(n):
        Z[i] = tanh(Z[i])


@unit(BACKWARD)
def backward_tanh(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = 1 - a², a = f(z)."""
    A = view(arena, s0, n)
    D = view(arena, d0, n)
    T = arena.dtype.type
    for i in range(n):
        D[i] = D[i] * tanh_slope(A[i], T)


@unit(FORWARD)
def relu(arena, z0, n):
    """Replace z by max(z, 0); a NaN stays one."""
    Z = view(arena, z0, n)
    zero = arena.dtype.type(0)
    for i in range(n):
        z = Z[i]
        Z[i] = zero if z < zero else z


@unit(BACKWARD)
def backward_relu(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = 1 where f(z) > 0, else 0."""
    A = view(arena, s0, n)
    D = view(arena, d0, n)
    zero = arena.dtype.type(0)
    for i in range(n):
        d = D[i]  # loaded in any case: a conditional load would not be vectorised
        D[i] = zero if A[i] == zero else d


@unit(FORWARD)
def step(arena, z0, n):
    """Replace z by 1 where z >= 0, else by 0; a NaN stays one."""
    Z = view(arena, z0, n)
    zero, one = arena.dtype.type(0), arena.dtype.type(1)
    for i in range(n):
        z = Z[i]
        low = zero if z < zero else z
        Z[i] = one if z >= zero else low


@unit(FORWARD)
def sign(arena, z0, n):
    """Replace z by 1 where z >= 0, else by -1; a NaN stays one."""
    Z = view(arena, z0, n)
    zero, one = arena.dtype.type(0), arena.dtype.type(1)
    for i in range(n):
        z = Z[i]
        low = -one if z < zero else z
        Z[i] = one if z >= zero else low


@unit(BACKWARD)
def backward_straight_through(arena, s0, d0, n):
    """Multiply the deltas by 1 where |z| <= 1, else by 0, for step and sign.

    A product, not a choice, so that a NaN delta stays one.
    """
    Z = view(arena, s0, n)
    D = view(arena, d0, n)
    zero, one = arena.dtype.type(0), arena.dtype.type(1)
    for i in range(n):
        D[i] = D[i] * (zero if abs(Z[i]) > one else one)


@unit(FORWARD)
def leaky_relu(arena, z0, n):
    """Replace z by z where z > 0, else by 0.01 z (Maas et al. 2013)."""
    Z = view(arena, z0, n)
    zero, leak = arena.dtype.type(0), arena.dtype.type(LEAK)
    for i in range(n):
        z = Z[i]
        Z[i] = z if z > zero else leak * z


@unit(BACKWARD)
def backward_leaky_relu(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = 1 where f(z) > 0, else 0.01."""
    A = view(arena, s0, n)
    D = view(arena, d0, n)
    T = arena.dtype.type
    zero, one, leak = T(0), T(1), T(LEAK)
    for i in range(n):
        D[i] = D[i] * (one if A[i] > zero else leak)


@unit(FORWARD)
def elu(arena, z0, n):
    """Replace z by z where z > 0, else by exp(z) - 1 (Clevert et al. 2015)."""
    Z = view(arena, z0, n)
    zero = arena.dtype.type(0)
    for i in range(n):
        z = Z[i]
        low = expm1_negative(z)
        Z[i] = low if z < zero else z


@unit(BACKWARD)
def backward_elu(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = 1 where f(z) > 0, else exp(z) = f(z) + 1."""
    A = view(arena, s0, n)
    D = view(arena, d0, n)
    zero, one = arena.dtype.type(0), arena.dtype.type(1)
    for i in range(n):
        a = A[i]
        D[i] = D[i] * (one if a > zero else a + one)


@unit(FORWARD)
def selu(arena, z0, n):
    """Replace z by λ z where z > 0, else by λ α (exp(z) - 1)."""
    Z = view(arena, z0, n)
    T = arena.dtype.type
    zero, scale, bottom = T(0), T(SELU_SCALE), T(SELU_BOTTOM)
    for i in range(n):
        z = Z[i]
        low = bottom * expm1_negative(z)
        Z[i] = low if z < zero else scale * z


@unit(BACKWARD)
def backward_selu(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = λ where f(z) > 0, else f(z) + λ α."""
    A = view(arena, s0, n)
    D = view(arena, d0, n)
    T = arena.dtype.type
    zero, scale, bottom = T(0), T(SELU_SCALE), T(SELU_BOTTOM)
    for i in range(n):
        a = A[i]
        D[i] = D[i] * (scale if a > zero else a + bottom)


@unit(FORWARD)
def gelu(arena, z0, n):
    """Replace z by z Φ(z), Φ the normal distribution (Hendrycks and Gimpel 2016)."""
    Z = view(arena, z0, n)
    T = arena.dtype.type
    half, end = T(0.5), T(NORMAL_END)
    for i in range(n):
        z = at_least(Z[i], -end)
        y = at_most(abs(z), end)
        Z[i] = gelu_value(z, exp(-half * y * y), normal_tail(y), T)


@unit(BACKWARD)
def backward_gelu(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = Φ(z) + z φ(z), φ the normal density."""
    Z = view(arena, s0, n)
    D = view(arena, d0, n)
    T = arena.dtype.type
    half, end = T(0.5), T(NORMAL_END)
    for i in range(n):
        z = Z[i]
        y = at_most(abs(z), end)
        f = gelu_slope(z, y, exp(-half * y * y), normal_tail(y), T)
        D[i] = D[i] * f


@unit(FORWARD)
def silu(arena, z0, n):
    """Replace z by z σ(z), σ the logistic function (Elfwing et al. 2018)."""
    Z = view(arena, z0, n)
    end = arena.dtype.type(EXP_END)
    for i in range(n):
        z = at_least(Z[i], -end)
        Z[i] = z * logistic(z)


@unit(BACKWARD)
def backward_silu(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = σ(z) (1 + z σ(-z))."""
    Z = view(arena, s0, n)
    D = view(arena, d0, n)
    T = arena.dtype.type
    end = T(EXP_END)
    for i in range(n):
        z = Z[i]
        y = at_most(abs(z), end)
        D[i] = D[i] * silu_slope(z, y, exp(-y), T)


@unit(FORWARD)
def mish(arena, z0, n):
    """Replace z by z tanh(log(1 + exp(z))) (Misra 2019, arXiv:1908.08681)."""
    Z = view(arena, z0, n)
    T = arena.dtype.type
    low, high = T(-EXP_END), T(MISH_END)
    for i in range(n):
        z = at_least(Z[i], low)
        Z[i] = mish_value(z, exp(at_most(z, high)), T)


@unit(BACKWARD)
def backward_mish(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = t + z (1 - t²) σ(z), t = tanh(log(1 + exp(z)))."""
    Z = view(arena, s0, n)
    D = view(arena, d0, n)
    T = arena.dtype.type
    low, high = T(-EXP_END), T(MISH_END)
    for i in range(n):
        z = at_most(at_least(Z[i], low), high)
        D[i] = D[i] * mish_slope(z, exp(z), T)


@unit(FORWARD)
def softplus(arena, z0, n):
    """Replace z by log(1 + exp(z))."""
    Z = view(arena, z0, n)
    T = arena.dtype.type
    for i in range(n):
        z = Z[i]
        Z[i] = softplus_value(z, log1p_unit(exp(-abs(z))), T)


@unit(BACKWARD)
def backward_softplus(arena, s0, d0, n):
    """Multiply the deltas by f'(z) = 1 / (1 + exp(-z))."""
    Z = view(arena, s0, n)
    D = view(arena, d0, n)
    for i in range(n):
        D[i] = D[i] * logistic(Z[i])
