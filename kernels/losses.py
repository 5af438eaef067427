"""Losses with the output activation merged into them, and output activations.

A unit works on a group of GROUP rows that lie column by column, so that every
loop runs over rows, whatever the number of outputs::

    T[c * n + r]   raw output c of row r          becomes delta, dloss/dz
    U[c * n + r]   target c of row r              (for softmax: U[r], a class code)
    L[r]           OUT, the row's loss, summed over the outputs
    S              scratch of 2 n numbers

Losses are computed from raw outputs: finite for any finite z, where taking the
logarithm of a rounded probability is not.
"""

from ._jit import INT, Interface, array, inner, unit
from ._llvm import view
from .elementary import exp, log, log1p_unit, logistic

# (net, arena, t0, u0, l0, s0, k, n): k outputs of n rows.
LOSS = Interface(lambda F: (array(INT), array(F), *([INT] * 6)), 8)
# (arena, t0, s0, k, n)
OUTPUT = Interface(lambda F: (array(F), *([INT] * 4)), 5)


@inner
def exponentials(arena, t0, s0, k, n):
    """Replace T by exp(T - max over the row) and put the rows' sums at s0."""
    M = view(arena, s0 + n, n)
    total = view(arena, s0, n)
    Z = view(arena, t0, n)
    for r in range(n):
        M[r] = Z[r]
        total[r] = arena.dtype.type(0)
    for c in range(1, k):
        Z = view(arena, t0 + c * n, n)
        for r in range(n):
            M[r] = Z[r] if Z[r] > M[r] else M[r]
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        for r in range(n):
            e = exp(Z[r] - M[r])
            Z[r] = e
            total[r] += e


@unit(LOSS)
def softmax_log_loss(net, arena, t0, u0, l0, s0, k, n):
    """-log softmax(z)[y], with y the class code; delta = softmax(z) - onehot(y)."""
    T = arena.dtype.type
    zero, one = T(0), T(1)
    U = view(arena, u0, n)
    L = view(arena, l0, n)
    total = view(arena, s0, n)
    M = view(arena, s0 + n, n)
    for r in range(n):
        L[r] = zero
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        code = T(c)
        for r in range(n):
            L[r] -= Z[r] if U[r] == code else zero
    exponentials(arena, t0, s0, k, n)
    for r in range(n):
        L[r] += M[r] + log(total[r])
        total[r] = one / total[r]
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        code = T(c)
        for r in range(n):
            Z[r] = Z[r] * total[r] - (one if U[r] == code else zero)


@unit(LOSS)
def logistic_log_loss(net, arena, t0, u0, l0, s0, k, n):
    """-y log p - (1 - y) log(1 - p), p = logistic(z); delta = p - y.

    In raw outputs: max(z, 0) - y z + log(1 + exp(-|z|)).
    """
    T = arena.dtype.type
    zero = T(0)
    L = view(arena, l0, n)
    for r in range(n):
        L[r] = zero
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            z = Z[r]
            y = U[r]
            positive = zero if z < zero else z
            L[r] += positive - y * z + log1p_unit(exp(-abs(z)))
            Z[r] = logistic(z) - y


@unit(LOSS)
def squared_error(net, arena, t0, u0, l0, s0, k, n):
    """½ (z - y)²; delta = z - y."""
    T = arena.dtype.type
    half = T(0.5)
    L = view(arena, l0, n)
    for r in range(n):
        L[r] = T(0)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            difference = Z[r] - U[r]
            L[r] += half * difference * difference
            Z[r] = difference


@unit(LOSS)
def exp_poisson(net, arena, t0, u0, l0, s0, k, n):
    """Half the Poisson deviance with p = exp(z); delta = p - y.

    y log(y / p) - y + p = y log y - y z - y + p, with 0 log 0 = 0.
    """
    T = arena.dtype.type
    zero, one = T(0), T(1)
    L = view(arena, l0, n)
    for r in range(n):
        L[r] = zero
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            z = Z[r]
            y = U[r]
            p = exp(z)
            y_log_y = y * log(y if y > zero else one)
            L[r] += y_log_y - y * z - y + p
            Z[r] = p - y


@unit(OUTPUT)
def output_identity(arena, t0, s0, k, n):
    """Leave the raw outputs as they are."""


@unit(OUTPUT)
def output_softmax(arena, t0, s0, k, n):
    """Replace z by exp(z) / Σ exp(z) over the row."""
    exponentials(arena, t0, s0, k, n)
    total = view(arena, s0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        for r in range(n):
            Z[r] = Z[r] / total[r]


@unit(OUTPUT)
def output_logistic(arena, t0, s0, k, n):
    """Replace z by 1 / (1 + exp(-z))."""
    Z = view(arena, t0, k * n)
    for i in range(k * n):
        Z[i] = logistic(Z[i])


@unit(OUTPUT)
def output_exp(arena, t0, s0, k, n):
    """Replace z by exp(z)."""
    Z = view(arena, t0, k * n)
    for i in range(k * n):
        Z[i] = exp(Z[i])
