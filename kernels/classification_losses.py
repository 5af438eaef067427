"""Losses of classes other than the log losses: margins and focal losses.

The elementwise hinge loss is in `value_losses`, since it goes with tanh as well.
"""

import numpy as np

from . import layout as at
from ._jit import inner, unit
from ._llvm import view
from .elementary import exp, log, log1p_unit, logistic
from .losses import LOSS, clear, row_maxima, softplus


@inner
def find_rivals(arena, t0, u0, s0, k, n):
    """Put the largest of each row's other classes' z at s0, its code at s0 + n."""
    T = arena.dtype.type
    U = view(arena, u0, n)
    best = view(arena, s0, n)
    rival = view(arena, s0 + n, n)
    for r in range(n):
        best[r] = T(-np.inf)
        rival[r] = T(-1)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        code = T(c)
        for r in range(n):
            z = Z[r]
            # A NaN wins, and no number is larger than a NaN.
            better = ((z > best[r]) | (z != z)) & (U[r] != code)
            best[r] = z if better else best[r]
            rival[r] = code if better else rival[r]


@unit(LOSS)
def hinge_multiclass(net, arena, t0, u0, l0, s0, k, n):
    """max(0, 1 + max_{c≠y} z_c - z_y), y the class code (Crammer & Singer 2001).

    Where it is not 0, delta is 1 at the largest rival, the first of equal ones, and
    -1 at y. Scratch: 2 n.
    """
    T = arena.dtype.type
    zero, one = T(0), T(1)
    U = view(arena, u0, n)
    L = view(arena, l0, n)
    step = view(arena, s0, n)
    rival = view(arena, s0 + n, n)
    find_rivals(arena, t0, u0, s0, k, n)
    for r in range(n):
        L[r] = one + step[r]
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        code = T(c)
        for r in range(n):
            z = Z[r]
            L[r] -= z if U[r] == code else zero
    for r in range(n):
        margin = L[r]
        some = one if margin > zero else zero
        step[r] = some if margin == margin else margin  # a NaN stays one
        L[r] = zero if margin < zero else margin
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        code = T(c)
        for r in range(n):
            up = one if rival[r] == code else zero
            down = one if U[r] == code else zero
            Z[r] = step[r] * (up - down)


@unit(LOSS)
def logistic_focal(net, arena, t0, u0, l0, s0, k, n):
    """Focal loss y f(z) + (1 - y) f(-z), f(z) = -(1 - p)ᵍ log p, p = logistic(z).

    Lin et al. 2017, with g parameter 0. As 1 - p = exp(-softplus(z)) and
    log p = -softplus(-z): f = exp(-g softplus(z)) softplus(-z), and
    f' = -exp(-g softplus(z)) (g p softplus(-z) + 1 - p).
    """
    T = arena.dtype.type
    one = T(1)
    g = arena[net[at.LOSS_PARAMETERS0]]
    L = view(arena, l0, n)
    clear(arena, l0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            z = Z[r]
            y = U[r]
            miss = softplus(arena, -z)  # -log p
            hit = softplus(arena, z)  # -log(1 - p)
            p = logistic(z)
            q = logistic(-z)
            a = y * exp(-g * hit)
            b = (one - y) * exp(-g * miss)
            L[r] += a * miss + b * hit
            Z[r] = b * (g * q * hit + p) - a * (g * p * miss + q)


@inner
def sum_of_rest(arena, t0, s0, k, n):
    """Replace T by z - max over the row, and put at s0 the sum of exp(T) less 1.

    The 1 is that of the first largest output: it is left out, not taken away, so
    that what remains keeps its digits. Scratch: 3 n.
    """
    T = arena.dtype.type
    zero, one = T(0), T(1)
    rest = view(arena, s0, n)
    M = view(arena, s0 + n, n)
    seen = view(arena, s0 + 2 * n, n)
    row_maxima(arena, t0, s0 + n, k, n)
    clear(arena, s0, n)
    clear(arena, s0 + 2 * n, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        for r in range(n):
            d = Z[r] - M[r]
            first = (d == zero) & (seen[r] == zero)
            Z[r] = d
            e = exp(d)
            rest[r] += zero if first else e
            seen[r] = one if first else seen[r]


@inner
def log_of_total(arena, rest):
    """Return log(1 + rest), which keeps the digits of a small rest."""
    one = arena.dtype.type(1)
    small = rest < one
    log_small = log1p_unit(rest if small else one)
    log_large = log(one + rest)
    return log_small if small else log_large


@inner
def sum_of_others(arena, d, rest):
    """Return Σ exp over the other classes than that of d, see `sum_of_rest`.

    For all but the largest output it is at least ½ of the whole: nothing cancels.
    """
    T = arena.dtype.type
    others = T(1) - exp(d) + rest
    return rest if d == T(0) else others


@inner
def focal_power(arena, g, others, log_total):
    """Return (1 - p)ᵍ, 1 - p = others / total; 0 where it underflows, but for g = 0."""
    T = arena.dtype.type
    gone = others == T(0)
    log_others = log(T(1) if gone else others) - log_total
    return exp(g * (T(-1e30) if gone else log_others))


@inner
def focal_ratio(arena, others, total, miss):
    """Return -log p / (1 - p), which is 1 where 1 - p underflows."""
    T = arena.dtype.type
    gone = others == T(0)
    ratio = miss * total / (T(1) if gone else others)
    return T(1) if gone else ratio


@unit(LOSS)
def softmax_focal(net, arena, t0, u0, l0, s0, k, n):
    """-Σ t_c (1 - p_c)ᵍ log p_c, p = softmax(z), g parameter 0 (Lin et al. 2017).

    With a_c = p_c dloss/dp_c = -t_c (1 - p_c)ᵍ (1 - g p_c log p_c / (1 - p_c)), the
    softmax's Jacobian gives delta_c = a_c - p_c Σ a_j. Scratch: 3 n.
    """
    T = arena.dtype.type
    one = T(1)
    g = arena[net[at.LOSS_PARAMETERS0]]
    L = view(arena, l0, n)
    rest = view(arena, s0, n)
    sum_of_a = view(arena, s0 + n, n)
    log_total = view(arena, s0 + 2 * n, n)
    sum_of_rest(arena, t0, s0, k, n)
    clear(arena, l0, n)
    clear(arena, s0 + n, n)
    for r in range(n):
        log_total[r] = log_of_total(arena, rest[r])
    for c in range(k):
        D = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            d = D[r]
            total = one + rest[r]
            miss = log_total[r] - d  # -log p
            others = sum_of_others(arena, d, rest[r])
            share = U[r] * focal_power(arena, g, others, log_total[r])
            ratio = focal_ratio(arena, others, total, miss)
            L[r] += share * miss
            sum_of_a[r] -= share * (one + g * (exp(d) / total) * ratio)
    for c in range(k):
        D = view(arena, t0 + c * n, n)
        U = view(arena, u0 + c * n, n)
        for r in range(n):
            d = D[r]
            total = one + rest[r]
            others = sum_of_others(arena, d, rest[r])
            share = U[r] * focal_power(arena, g, others, log_total[r])
            ratio = focal_ratio(arena, others, total, log_total[r] - d)
            p = exp(d) / total
            D[r] = -share * (one + g * p * ratio) - p * sum_of_a[r]
