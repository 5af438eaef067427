"""Solvers: what happens to a stretch of parameters once its gradient is known.

Here is what all solvers share, and gradient descent; those that scale a step by
its gradient's past are in `adaptive`.

A unit gets a stretch of P, of the slots and of G that lie at the same place in
each, adds the penalty's gradient, scales, and updates in place::

    g = (G + l2 * p) * GRADIENT_SCALE          arena[sum0] = Σ p²  (before)

Adding a solver: a unit with this interface, one that begins a step, and a line in
the table of the Python layer with the number of slots that it needs.
"""

from ._jit import INT, Interface, array, doubles, inner, unit
from ._llvm import view
from .layout import (
    DAMPENING,
    G0,
    GRADIENT_SCALE,
    L2,
    MOMENTUM,
    NESTEROV,
    P0,
    RATE,
    SLOT0,
    STEPS,
    TINY,
)

# (net, arena, hyper): before the first tile of a mini-batch
BEGIN_STEP = Interface(lambda F: (array(INT), array(F), doubles()), 3)
# (net, arena, hyper, start, n, penalised, sum0): `start` counts from P0 or G0.
UPDATE = Interface(lambda F: (array(INT), array(F), doubles(), *([INT] * 4)), 7)
call_update = UPDATE.call


@inner
def sum_of_squares(arena, start, n):
    """Return Σ p² of a stretch."""
    P = view(arena, start, n)
    total = arena.dtype.type(0)
    for i in range(n):
        total += P[i] * P[i]
    return total


@inner
def penalty_rate(arena, hyper, start, n, penalised, sum0):
    """Return alpha for weights and 0 for biases; put Σ p² at sum0."""
    if penalised and hyper[L2] != 0.0:
        arena[sum0] = sum_of_squares(arena, start, n)
        return arena.dtype.type(hyper[L2])
    return arena.dtype.type(0)


@inner
def finish_gradient(net, arena, hyper, start, n, alpha):
    """Turn sums over the batch into the gradient, in place in G."""
    T = arena.dtype.type
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    for i in range(n):
        G[i] = (G[i] + alpha * P[i]) * scale


@unit(UPDATE)
def keep_gradient(net, arena, hyper, start, n, penalised, sum0):
    """Leave the gradient in G and the parameters as they are (for L-BFGS)."""
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    finish_gradient(net, arena, hyper, start, n, alpha)


@unit(UPDATE)
def sgd(net, arena, hyper, start, n, penalised, sum0):
    """Classical momentum, as scikit-learn has it, with or without Nesterov.

    s = rate · (1 - dampening) · g;   v = momentum · v - s;
    p += v,  or  p += momentum · v - s.

    Without dampening these are scikit-learn's numbers. With dampening = momentum
    and a constant rate, -v / rate is the exponential average of the gradients.

    Velocities below hyper[TINY] become 0, as `adaptive.adam` says.

    Source: I. Sutskever et al., On the importance of initialization and momentum
    in deep learning, ICML 2013.
    """
    T = arena.dtype.type
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    V = view(arena, net[SLOT0] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    rate = T(hyper[RATE] * (1.0 - hyper[DAMPENING]))
    momentum = T(hyper[MOMENTUM])
    tiny, zero = T(hyper[TINY]), T(0)
    if hyper[NESTEROV] != 0.0:
        for i in range(n):
            step = rate * ((G[i] + alpha * P[i]) * scale)
            v = momentum * V[i] - step
            v = zero if abs(v) < tiny else v
            V[i] = v
            P[i] += momentum * v - step
    else:
        for i in range(n):
            v = momentum * V[i] - rate * ((G[i] + alpha * P[i]) * scale)
            v = zero if abs(v) < tiny else v
            V[i] = v
            P[i] += v


@unit(BEGIN_STEP)
def begin_plain(net, arena, hyper):
    """Count a step."""
    hyper[STEPS] += 1.0
