"""Output activations p = g(z), and their derivatives in terms of p.

Both work in place on a group of rows that lie column by column, see `losses`. A
derivative takes d = dloss/dp in T and leaves dloss/dz, the Jacobian's transpose
times d.
"""

from ._jit import INT, Interface, array, unit
from ._llvm import view
from .elementary import exp, logistic, tanh
from .losses import OUTPUT, clear, exponentials, softplus

# (arena, t0, p0, s0, k, n): the outputs p at p0, column by column as T.
OUTPUT_BACKWARD = Interface(lambda F: (array(F), *([INT] * 5)), 6)


@unit(OUTPUT)
def output_identity(arena, t0, s0, k, n):
    """Leave the raw outputs as they are."""


@unit(OUTPUT)
def output_softmax(arena, t0, s0, k, n):
    """Replace z by exp(z) / Σ exp(z) over the row. Scratch: 2 n."""
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
def output_tanh(arena, t0, s0, k, n):
    """Replace z by tanh(z)."""
    Z = view(arena, t0, k * n)
    for i in range(k * n):
        Z[i] = tanh(Z[i])


@unit(OUTPUT)
def output_exp(arena, t0, s0, k, n):
    """Replace z by exp(z)."""
    Z = view(arena, t0, k * n)
    for i in range(k * n):
        Z[i] = exp(Z[i])


@unit(OUTPUT)
def output_softplus(arena, t0, s0, k, n):
    """Replace z by log(1 + exp(z))."""
    Z = view(arena, t0, k * n)
    for i in range(k * n):
        Z[i] = softplus(arena, Z[i])


@unit(OUTPUT)
def output_quantiles(arena, t0, s0, k, n):
    """Replace z_0 by itself and z_j by o_j = o_{j-1} + softplus(z_j)."""
    for c in range(1, k):
        below = view(arena, t0 + (c - 1) * n, n)
        Z = view(arena, t0 + c * n, n)
        for r in range(n):
            Z[r] = below[r] + softplus(arena, Z[r])


@unit(OUTPUT_BACKWARD)
def backward_identity(arena, t0, p0, s0, k, n):
    """Leave the deltas as they are: dp/dz = 1."""


@unit(OUTPUT_BACKWARD)
def backward_softmax(arena, t0, p0, s0, k, n):
    """Replace d_c by p_c (d_c - Σ d_j p_j). Scratch: n."""
    mean = view(arena, s0, n)
    clear(arena, s0, n)
    for c in range(k):
        D = view(arena, t0 + c * n, n)
        P = view(arena, p0 + c * n, n)
        for r in range(n):
            mean[r] += D[r] * P[r]
    for c in range(k):
        D = view(arena, t0 + c * n, n)
        P = view(arena, p0 + c * n, n)
        for r in range(n):
            D[r] = P[r] * (D[r] - mean[r])


@unit(OUTPUT_BACKWARD)
def backward_logistic(arena, t0, p0, s0, k, n):
    """Multiply d by dp/dz = p (1 - p)."""
    D = view(arena, t0, k * n)
    P = view(arena, p0, k * n)
    one = arena.dtype.type(1)
    for i in range(k * n):
        p = P[i]
        D[i] = D[i] * (p * (one - p))


@unit(OUTPUT_BACKWARD)
def backward_tanh(arena, t0, p0, s0, k, n):
    """Multiply d by dp/dz = 1 - p², as (1 - p)(1 + p), which is exact near ±1."""
    D = view(arena, t0, k * n)
    P = view(arena, p0, k * n)
    one = arena.dtype.type(1)
    for i in range(k * n):
        p = P[i]
        D[i] = D[i] * ((one - p) * (one + p))


@unit(OUTPUT_BACKWARD)
def backward_exp(arena, t0, p0, s0, k, n):
    """Multiply d by dp/dz = p."""
    D = view(arena, t0, k * n)
    P = view(arena, p0, k * n)
    for i in range(k * n):
        D[i] = D[i] * P[i]


@unit(OUTPUT_BACKWARD)
def backward_softplus(arena, t0, p0, s0, k, n):
    """Multiply d by dp/dz = 1 - exp(-p).

    As 2 t / (1 + t) with t = tanh(p / 2): no digit is lost for small p.
    """
    D = view(arena, t0, k * n)
    P = view(arena, p0, k * n)
    T = arena.dtype.type
    half, one, two = T(0.5), T(1), T(2)
    for i in range(k * n):
        t = tanh(half * P[i])
        D[i] = D[i] * (two * t / (one + t))
