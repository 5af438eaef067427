"""Which units of a hidden layer are off, or stuck where their derivative vanishes."""

import numpy as np

# Activations that switch units off, and the size below which a unit counts as off. The
# rectifier and the step give exact zeros; the smooth ones only come near, and by the
# time they are below a thousandth, their derivatives are about as small.
_OFF = {
    "relu": 0.0,
    "step": 0.0,
    "gelu": 1e-3,
    "silu": 1e-3,
    "mish": 1e-3,
    "softplus": 1e-3,
}
# A derivative below this share of its maximum: the unit lets a twentieth of the
# gradient through. For tanh that is |activation| > 0.975, about where the histograms
# of X. Glorot and Y. Bengio (Understanding the difficulty of training deep feedforward
# neural networks, AISTATS 2010) show saturated layers.
_SATURATED = 0.05
_SELU = 1.0507009873554805 * 1.6732632423543772  # limit of selu on the left, negated


def dead_share(name, A):
    """Return the share of units that no row activates; NaN if they are never off.

    Parameters
    ----------
    name : str
        The activation.
    A : ndarray of shape (n, n_units)
        Its values.
    """
    if name not in _OFF:
        return float("nan")
    return float(np.mean(np.abs(A).max(axis=0) <= _OFF[name]))


def saturated_share(name, A):
    """Return the share of units with a vanishing mean derivative; NaN if none can be.

    Parameters
    ----------
    name : str
        The activation.
    A : ndarray of shape (n, n_units)
        Its values.
    """
    if name not in _DERIVATIVES:
        return float("nan")
    slopes = _DERIVATIVES[name](A.astype(np.float64))
    return float(np.mean(slopes.mean(axis=0) < _SATURATED))


# Derivatives as shares of their maximum, read from the activation's value.
_DERIVATIVES = {
    "logistic": lambda A: 4 * A * (1 - A),
    "tanh": lambda A: 1 - A * A,
    "elu": lambda A: np.where(A > 0, 1.0, A + 1.0),
    "selu": lambda A: np.where(A > 0, 1.0, (A + _SELU) / _SELU),
}
