"""Initial weights, drawn as scikit-learn draws them."""

from itertools import pairwise

import numpy as np


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
    factor = 2.0 if activation == "logistic" else 6.0
    coefs, intercepts = [], []
    for fan_in, fan_out in pairwise(sizes):
        bound = np.sqrt(factor / (fan_in + fan_out))
        W = random_state.uniform(-bound, bound, (fan_in, fan_out))
        b = random_state.uniform(-bound, bound, fan_out)
        coefs.append(W.astype(dtype, copy=False))
        intercepts.append(b.astype(dtype, copy=False))
    return coefs, intercepts
