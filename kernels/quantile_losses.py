"""Several quantiles of one target that never cross."""

from . import layout as at
from ._jit import unit
from ._llvm import view
from .elementary import logistic
from .losses import LOSS, clear, softplus


@unit(LOSS)
def quantiles(net, arena, t0, u0, l0, s0, k, n):
    """Σ_j pinball_{q_j}(y - o_j), o_0 = z_0, o_j = o_{j-1} + softplus(z_j).

    y is U[r], one number per row; the levels q_j, in rising order, are parameters 0
    to k - 1. The pinball loss is that of `value_losses.quantile`. Every o_i with
    i >= j depends on z_j: delta_j is the sum of their derivatives times
    logistic(z_j), or times 1 for j = 0. Scratch: (1 + k) n.
    """
    T = arena.dtype.type
    zero, one = T(0), T(1)
    levels = view(arena, net[at.LOSS_PARAMETERS0], k)
    U = view(arena, u0, n)
    L = view(arena, l0, n)
    o = view(arena, s0, n)
    clear(arena, l0, n)
    clear(arena, s0, n)
    for c in range(k):
        Z = view(arena, t0 + c * n, n)
        slopes = view(arena, s0 + (1 + c) * n, n)
        above, below = one - levels[c], -levels[c]
        for r in range(n):
            z = Z[r]
            step = softplus(arena, z)
            o[r] += z if c == 0 else step
            difference = o[r] - U[r]
            slope = above if difference > zero else difference  # 0 or NaN stay
            slope = below if difference < zero else slope
            L[r] += slope * difference
            slopes[r] = slope
    for c in range(k - 1, 0, -1):
        Z = view(arena, t0 + c * n, n)
        slopes = view(arena, s0 + (1 + c) * n, n)
        next_slopes = view(arena, s0 + c * n, n)
        for r in range(n):
            Z[r] = slopes[r] * logistic(Z[r])
            next_slopes[r] += slopes[r]
    Z = view(arena, t0, n)
    slopes = view(arena, s0 + n, n)
    for r in range(n):
        Z[r] = slopes[r]
