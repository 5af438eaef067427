"""Initial weights: as scikit-learn draws them, or by another scheme."""

from itertools import pairwise

import numpy as np

# Activations that let about half of a signal's variance through.
HALVING = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus"})


def glorot_uniform(sizes, activation, random_state, dtype):
    """Draw weights and biases of every layer.

    Uniform in ±√(6 / (fan_in + fan_out)), or ±√(2 / ...) for logistic units; a
    layer's weights are drawn before its biases, in the order of the layers, which
    is what makes them equal to scikit-learn's for the same seed.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, input and output included.
    activation : str
    random_state : RandomState
    dtype : numpy dtype

    Returns
    -------
    coefs, intercepts : lists of arrays

    References
    ----------
    X. Glorot and Y. Bengio, Understanding the difficulty of training deep
    feedforward neural networks, AISTATS 2010.
    """
    return _draw_sklearn(sizes, [activation] * (len(sizes) - 1), random_state, dtype)


def draw(sizes, activations, scheme, random_state, dtype):
    """Draw weights and biases of every layer by a scheme.

    ============  ==========================================================
    "sklearn"     `glorot_uniform`, with the factor of the layer's activation;
                  the output layer has that of the last hidden layer
    "glorot"      uniform in ±√(6 / (fan_in + fan_out))
    "he"          normal, variance 2 / fan_in
    "lecun"       normal, variance 1 / fan_in
    "orthogonal"  orthonormal rows or columns; times √2 for units like relu
    "auto"        "he" for units like relu, "lecun" for selu, else "glorot"
    ============  ==========================================================

    Biases are drawn by "sklearn", and 0 otherwise. Numbers are drawn in float64,
    layer by layer.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, input and output included.
    activations : sequence of str or Activation
        One for each hidden layer.
    scheme : str
    random_state : RandomState
    dtype : numpy dtype

    Returns
    -------
    coefs, intercepts : lists of arrays

    References
    ----------
    As `glorot_uniform`. K. He et al., Delving deep into rectifiers, ICCV 2015.
    Y. LeCun et al., Efficient backprop, 1998; G. Klambauer et al.,
    Self-normalizing neural networks, NeurIPS 2017. A. Saxe, J. McClelland and
    S. Ganguli, Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks, ICLR 2014.
    """
    activations = [getattr(given, "init_like", given) for given in activations]
    if scheme == "sklearn":
        last = activations[-1] if activations else None
        return _draw_sklearn(sizes, [*activations, last], random_state, dtype)
    coefs, intercepts = [], []
    for (fan_in, fan_out), activation in zip(
        pairwise(sizes), [*activations, None], strict=True
    ):
        W = matrix(fan_in, fan_out, activation, scheme, random_state)
        coefs.append(W.astype(dtype, copy=False))
        intercepts.append(np.zeros(fan_out, dtype))
    return coefs, intercepts


def matrix(fan_in, fan_out, activation, scheme, random_state):
    """Draw one matrix of weights.

    Parameters
    ----------
    fan_in, fan_out : int
    activation : str or None
        Of the units that the weights lead to; None for outputs.
    scheme : str
        As in `draw`.
    random_state : RandomState

    Returns
    -------
    array of float64 (fan_in, fan_out), row-major
    """
    if scheme == "auto":
        scheme = _scheme_for(activation)
    if scheme in ("sklearn", "glorot"):
        factor = _factor(activation) if scheme == "sklearn" else 6.0
        bound = np.sqrt(factor / (fan_in + fan_out))
        return random_state.uniform(-bound, bound, (fan_in, fan_out))
    if scheme == "orthogonal":
        gain = np.sqrt(2.0) if activation in HALVING else 1.0
        return gain * _orthogonal(fan_in, fan_out, random_state)
    variance = {"he": 2.0, "lecun": 1.0}[scheme] / fan_in
    return np.sqrt(variance) * random_state.standard_normal((fan_in, fan_out))


def _scheme_for(activation):
    if activation in HALVING:
        return "he"
    return "lecun" if activation == "selu" else "glorot"


def _factor(activation):
    """Return what scikit-learn divides by the sum of the fans."""
    return 2.0 if activation == "logistic" else 6.0


def _draw_sklearn(sizes, activations, random_state, dtype):
    """Draw as `glorot_uniform` says, with an activation for each layer of weights."""
    coefs, intercepts = [], []
    for (fan_in, fan_out), activation in zip(pairwise(sizes), activations, strict=True):
        bound = np.sqrt(_factor(activation) / (fan_in + fan_out))
        W = random_state.uniform(-bound, bound, (fan_in, fan_out))
        b = random_state.uniform(-bound, bound, fan_out)
        coefs.append(W.astype(dtype, copy=False))
        intercepts.append(b.astype(dtype, copy=False))
    return coefs, intercepts


def _orthogonal(fan_in, fan_out, random_state):
    """Return a matrix whose shorter side's vectors are orthonormal.

    The sign of R's diagonal makes Q uniform over all such matrices; without it Q
    would depend on the conventions of the routine.
    """
    shape = max(fan_in, fan_out), min(fan_in, fan_out)
    Q, R = np.linalg.qr(random_state.standard_normal(shape))
    Q = Q * np.where(np.diag(R) < 0, -1.0, 1.0)
    return np.ascontiguousarray(Q if fan_in >= fan_out else Q.T)
