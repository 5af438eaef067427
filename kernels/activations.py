"""Activations of the hidden layers and their derivatives, in place on the arena.

The derivative is written in terms of the activation's value a = f(z), as
scikit-learn does, so that only one of the two needs to be kept.
"""

from ._jit import INT, Interface, array, unit
from ._llvm import view
from .elementary import logistic, tanh

FORWARD = Interface(lambda F: (array(F), INT, INT), 3)
BACKWARD = Interface(lambda F: (array(F), INT, INT, INT), 4)


@unit(FORWARD)
def identity(arena, z0, n):
    """Leave arena[z0:z0 + n] as it is: a = z."""


@unit(BACKWARD)
def backward_identity(arena, a0, d0, n):
    """Leave the deltas as they are: f'(z) = 1."""


@unit(FORWARD)
def relu(arena, z0, n):
    """Replace z by max(z, 0); a NaN stays one."""
    Z = view(arena, z0, n)
    zero = arena.dtype.type(0)
    for i in range(n):
        z = Z[i]
        Z[i] = zero if z < zero else z


@unit(BACKWARD)
def backward_relu(arena, a0, d0, n):
    """Multiply the deltas by f'(z) = 1 where a > 0, else 0."""
    A = view(arena, a0, n)
    D = view(arena, d0, n)
    zero = arena.dtype.type(0)
    for i in range(n):
        d = D[i]  # loaded in any case: a conditional load would not be vectorised
        D[i] = zero if A[i] == zero else d


@unit(FORWARD)
def tanh_(arena, z0, n):
    """Replace z by tanh(z)."""
    Z = view(arena, z0, n)
    for i in range(n):
        Z[i] = tanh(Z[i])


@unit(BACKWARD)
def backward_tanh(arena, a0, d0, n):
    """Multiply the deltas by f'(z) = 1 - a²."""
    A = view(arena, a0, n)
    D = view(arena, d0, n)
    one = arena.dtype.type(1)
    for i in range(n):
        a = A[i]
        D[i] = D[i] * (one - a * a)


@unit(FORWARD)
def logistic_(arena, z0, n):
    """Replace z by 1 / (1 + exp(-z))."""
    Z = view(arena, z0, n)
    for i in range(n):
        Z[i] = logistic(Z[i])


@unit(BACKWARD)
def backward_logistic(arena, a0, d0, n):
    """Multiply the deltas by f'(z) = a (1 - a)."""
    A = view(arena, a0, n)
    D = view(arena, d0, n)
    one = arena.dtype.type(1)
    for i in range(n):
        a = A[i]
        D[i] = D[i] * (a * (one - a))
