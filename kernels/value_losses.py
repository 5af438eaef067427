"""Losses of the output's value, elementwise, and how an output goes below them.

These units have the interface of a loss (see `losses`), but take p in T and leave
dloss/dp there, d = p - y::

    T[c * n + r]   output c of row r       becomes dloss/dp

With the identity as output activation they are losses as they stand. With any
other, `composed_loss` calls the activation, the loss and the derivative in turn.
"""

from . import layout as at
from ._jit import inner, unit
from ._llvm import view
from .elementary import exp, log1p_unit, tanh
from .losses import LOSS, OUTPUT, clear
from .outputs import OUTPUT_BACKWARD

call_output = OUTPUT.call
call_value_loss = LOSS.call
call_backward = OUTPUT_BACKWARD.call

LOG_2 = 0.6931471805599453


@unit(LOSS)
def squared_error(net, arena, t0, u0, l0, s0, k, n):
    """½ d²; the derivative is d."""
    half = arena.dtype.type(0.5)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        P = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            difference = P[r] - U[r]
            L[r] += half * difference * difference
            P[r] = difference


@inner
def sign(difference, zero, one):
    """Return 1 or -1, or the difference itself where it is 0 or NaN."""
    up = one if difference > zero else difference
    return -one if difference < zero else up


@unit(LOSS)
def absolute_error(net, arena, t0, u0, l0, s0, k, n):
    """|d|; the derivative is its sign, and 0 for d = 0."""
    T = arena.dtype.type
    zero, one = T(0), T(1)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        P = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            difference = P[r] - U[r]
            L[r] += abs(difference)
            P[r] = sign(difference, zero, one)


@unit(LOSS)
def huber(net, arena, t0, u0, l0, s0, k, n):
    """½ d² for |d| <= δ, else δ (|d| - ½ δ) (Huber 1964); parameter 0 is δ.

    With e = d cut off at ±δ both are e (d - ½ e), and e is the derivative.
    """
    half = arena.dtype.type(0.5)
    high = arena[net[at.LOSS_PARAMETERS0]]
    low = -high
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        P = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            difference = P[r] - U[r]
            cut = high if difference > high else difference
            cut = low if difference < low else cut
            L[r] += cut * (difference - half * cut)
            P[r] = cut


@unit(LOSS)
def log_cosh(net, arena, t0, u0, l0, s0, k, n):
    """Log cosh d = |d| + log(1 + exp(-2|d|)) - log 2; the derivative is tanh d.

    For small d these terms cancel. There, with q = tanh²(d / 2),
    cosh d = (1 + q) / (1 - q), whose logarithm is log(1 + 2 q / (1 - q)).
    """
    T = arena.dtype.type
    half, one, two, log_2 = T(0.5), T(1), T(2), T(LOG_2)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        P = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            difference = P[r] - U[r]
            size = abs(difference)
            far = size - log_2 + log1p_unit(exp(-two * size))
            t = tanh(half * difference)
            q = t * t
            near = log1p_unit(two * q / (one - q))
            L[r] += near if size < one else far
            P[r] = two * t / (one + q)


@unit(LOSS)
def quantile(net, arena, t0, u0, l0, s0, k, n):
    """Pinball loss at level q: q (y - p) for y >= p, else (1 - q) (p - y).

    Koenker & Bassett 1978; parameter 0 is q. The derivative is -q for y > p, 1 - q
    for y < p, and 0 for y = p.
    """
    T = arena.dtype.type
    zero = T(0)
    level = arena[net[at.LOSS_PARAMETERS0]]
    above, below = T(1) - level, -level
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        P = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            difference = P[r] - U[r]
            slope = above if difference > zero else difference  # 0 or NaN stay
            slope = below if difference < zero else slope
            L[r] += slope * difference
            P[r] = slope


@unit(LOSS)
def hinge(net, arena, t0, u0, l0, s0, k, n):
    """max(0, 1 - s p), s = 2 y - 1 for y in {0, 1}; -s where it is not 0."""
    T = arena.dtype.type
    zero, one, two = T(0), T(1), T(2)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        P = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            s = two * U[r] - one
            margin = one - s * P[r]
            L[r] += zero if margin < zero else margin
            slope = -s if margin > zero else zero
            P[r] = slope if margin == margin else margin  # a NaN stays one


@unit(LOSS)
def composed_loss(net, arena, t0, u0, l0, s0, k, n):
    """Loss(g(z), y) for the units at LOSS_OUTPUT, VALUE_LOSS and OUTPUT_BACKWARD.

    Scratch: (2 + k) n; the outputs are kept behind the first 2 n.
    """
    p0 = s0 + 2 * n
    call_output(net[at.LOSS_OUTPUT], arena, t0, s0, k, n)
    Z = view(arena, t0, k * n)
    P = view(arena, p0, k * n)
    for i in range(k * n):
        P[i] = Z[i]
    call_value_loss(net[at.VALUE_LOSS], net, arena, t0, u0, l0, s0, k, n)
    call_backward(net[at.OUTPUT_BACKWARD], arena, t0, p0, s0, k, n)
