"""What losses have in common, and the log losses.

A unit works on a group of GROUP rows that lie column by column, so that every
loop runs over rows, whatever the number of outputs::

    T[c * n + r]   raw output c of row r          becomes delta, dloss/dz
    U[c * n + r]   target c of row r              (or U[r], one code or number a row)
    L[r]           OUT, the row's loss, summed over the outputs
    S              scratch of (2 + k) n numbers at most; a unit says what it uses
    parameters     of the loss, if any, at arena[net[LOSS_PARAMETERS0]]

Losses with the output activation merged into them are computed from raw outputs:
finite for any finite z, where taking the logarithm of a rounded probability is not.
A NaN among a row's raw outputs makes the row's loss NaN, and no other row's.
"""

from ._jit import INT, Interface, array, inner, unit
from ._llvm import view
from .elementary import exp, log, log1p_unit, logistic

# (net, arena, t0, u0, l0, s0, k, n): k outputs of n rows.
LOSS = Interface(lambda F: (array(INT), array(F), *([INT] * 6)), 8)
# (arena, t0, s0, k, n)
OUTPUT = Interface(lambda F: (array(F), *([INT] * 4)), 5)


@inner
def clear(arena, l0, n):
    """Set arena[l0:l0 + n] to 0."""
    L = view(arena, l0, n)
    for r in range(n):
        L[r] = arena.dtype.type(0)


@inner
def row_maxima(arena, t0, m0, k, n):
    """Put each row's largest number at m0; a NaN in column 0 stays one."""
    M = view(arena, m0, n)
    Z = view(arena, t0, n)
    for r in range(n):
        M[r] = Z[r]
    for c in range(1, k):
        Z = view(arena, t0 + c * n, n)
        for r in range(n):
            M[r] = Z[r] if Z[r] > M[r] else M[r]


@inner
def exponentials(arena, t0, s0, k, n):
    """Replace T by exp(T - max over the row) and put the rows' sums at s0.

    The maxima are left at s0 + n.
    """
    M = view(arena, s0 + n, n)
    total = view(arena, s0, n)
    row_maxima(arena, t0, s0 + n, k, n)
    clear(arena, s0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        for r in range(n):
            e = exp(Z[r] - M[r])
            Z[r] = e
            total[r] += e


@inner
def softplus(arena, z):
    """log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|))."""
    zero = arena.dtype.type(0)
    positive = zero if z < zero else z
    return positive + log1p_unit(exp(-abs(z)))


@unit(LOSS)
def softmax_log_loss(net, arena, t0, u0, l0, s0, k, n):
    """-log softmax(z)[y], with y the class code; delta = softmax(z) - onehot(y).

    Scratch: 2 n.
    """
    T = arena.dtype.type
    zero, one = T(0), T(1)
    U = view(arena, u0, n)
    L = view(arena, l0, n)
    total = view(arena, s0, n)
    M = view(arena, s0 + n, n)
    clear(arena, l0, n)
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
def softmax_log_loss_dense(net, arena, t0, u0, l0, s0, k, n):
    """-Σ t_c log softmax(z)_c for shares t that sum to 1; delta = softmax(z) - t.

    In raw outputs: log Σ exp(z) - Σ t_c z_c. Scratch: 2 n.
    """
    one = arena.dtype.type(1)
    L = view(arena, l0, n)
    total = view(arena, s0, n)
    M = view(arena, s0 + n, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            L[r] -= U[r] * Z[r]
    exponentials(arena, t0, s0, k, n)
    for r in range(n):
        L[r] += M[r] + log(total[r])
        total[r] = one / total[r]
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            Z[r] = Z[r] * total[r] - U[r]


@unit(LOSS)
def logistic_log_loss(net, arena, t0, u0, l0, s0, k, n):
    """-y log p - (1 - y) log(1 - p), p = logistic(z); delta = p - y.

    In raw outputs: max(z, 0) - y z + log(1 + exp(-|z|)).
    """
    T = arena.dtype.type
    zero = T(0)
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            z = Z[r]
            y = U[r]
            positive = zero if z < zero else z
            L[r] += positive - y * z + log1p_unit(exp(-abs(z)))
            Z[r] = logistic(z) - y
