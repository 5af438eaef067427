"""Activations as ONNX operators.

ONNX Runtime lacks some operators for doubles, and their attributes are float32: where
that matters, a function is put together from operators that all runtimes have.
"""

from functools import cache

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import erfcx

from ..kernels.activations import LEAK, NORMAL_END, SELU_BOTTOM, SELU_SCALE

_TAIL_DEGREE = 22
_TAIL_MIDDLE = 4.0


def _is_single(graph):
    return graph.dtype == np.float32


def _leaky_relu(graph, z):
    """max(z, 0.01 z)."""
    return graph.add("Max", z, graph.add("Mul", z, LEAK))


def _expm1_below(graph, z):
    """exp(z) - 1 where z < 0, else 0."""
    return graph.add("Sub", graph.add("Exp", graph.add("Min", z, 0.0)), 1.0)


def _elu(graph, z):
    if _is_single(graph):
        return graph.add("Elu", z)
    return graph.add("Add", graph.add("Relu", z), _expm1_below(graph, z))


def _selu(graph, z):
    if _is_single(graph):
        return graph.add("Selu", z)
    low = graph.add("Mul", _expm1_below(graph, z), SELU_BOTTOM)
    high = graph.add("Mul", graph.add("Relu", z), SELU_SCALE)
    return graph.add("Add", high, low)


def _softplus(graph, z):
    """max(z, 0) + log(1 + exp(-|z|))."""
    if _is_single(graph):
        return graph.add("Softplus", z)
    below_1 = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    rest = graph.add("Log", graph.add("Add", below_1, 1.0))
    return graph.add("Add", graph.add("Relu", z), rest)


def _mish(graph, z):
    return graph.add("Mul", z, graph.add("Tanh", _softplus(graph, z)))


def _silu(graph, z):
    return graph.add("Mul", z, graph.add("Sigmoid", z))


def _gelu(graph, z):
    """Z Φ(z), by the error function; without one, by Φ's tail as the kernels do."""
    if _is_single(graph):
        erf = graph.add("Erf", graph.add("Mul", z, np.sqrt(0.5)))
        share = graph.add("Mul", graph.add("Add", erf, 1.0), 0.5)
        return graph.add("Mul", z, share)
    y = graph.add("Min", graph.add("Abs", z), NORMAL_END)
    square = graph.add("Mul", graph.add("Mul", y, y), -0.5)
    left = graph.add("Mul", graph.add("Exp", square), _normal_tail(graph, y))
    is_left = graph.add("Less", z, 0.0)
    share = graph.add("Where", is_left, left, graph.add("Sub", 1.0, left))
    return graph.add("Mul", z, share)


def _normal_tail(graph, y):
    """exp(y²/2) Φ(-y) for y from 0 to 40, a polynomial over y + 4."""
    over = graph.add("Add", y, _TAIL_MIDDLE)
    t = graph.add("Div", graph.add("Sub", y, _TAIL_MIDDLE), over)
    highest, *others = _tail_coefficients()[::-1]
    value = highest
    for coefficient in others:  # of 22 terms
        value = graph.add("Add", graph.add("Mul", value, t), coefficient)
    return graph.add("Div", value, over)


@cache
def _tail_coefficients():
    """Return the polynomial in t = (y - 4) / (y + 4), lowest term first.

    Source: the variable is Shepherd and Laframboise's (Mathematics of Computation 36,
    1981), as in `kernels.elementary`, which has the same polynomial.
    """

    def function(t):
        y = _TAIL_MIDDLE * (1 + t) / (1 - t)
        return (y + _TAIL_MIDDLE) * 0.5 * erfcx(y * np.sqrt(0.5))

    end = (NORMAL_END - _TAIL_MIDDLE) / (NORMAL_END + _TAIL_MIDDLE)
    series = Chebyshev.interpolate(function, _TAIL_DEGREE, domain=[-1.0, end])
    return series.convert(kind=Polynomial, domain=[-1, 1]).coef


def _one_where_positive(low):
    """Return a function that is 1 where z >= 0, else `low`."""

    def build(graph, z):
        return graph.add("Where", graph.add("GreaterOrEqual", z, 0.0), 1.0, low)

    return build


def _operator(name, **attributes):
    """Return a function that is one operator."""
    return lambda graph, z: graph.add(name, z, **attributes)


def _quantiles(graph, z, n_outputs):
    """z_0 by itself, and each other one more by softplus(z_j)."""
    is_first = np.arange(n_outputs)[None] == 0
    steps = graph.add("Where", is_first, z, _softplus(graph, z))
    return graph.add("CumSum", steps, np.int64(1))


# name: f(graph, z) of a hidden layer
ACTIVATIONS = {
    "identity": lambda graph, z: z,
    "logistic": _operator("Sigmoid"),
    "tanh": _operator("Tanh"),
    "relu": _operator("Relu"),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "softplus": _softplus,
    "step": _one_where_positive(0.0),
    "sign": _one_where_positive(-1.0),
}

# name: g(graph, z, n_outputs) of the output layer
OUTPUTS = {
    "identity": lambda graph, z, n: z,
    "logistic": lambda graph, z, n: graph.add("Sigmoid", z),
    "softmax": lambda graph, z, n: graph.add("Softmax", z, axis=1),
    "tanh": lambda graph, z, n: graph.add("Tanh", z),
    "exp": lambda graph, z, n: graph.add("Exp", z),
    "softplus": lambda graph, z, n: _softplus(graph, z),
    "quantiles": _quantiles,
}
