"""Activations of hidden layers and their derivatives."""

import numpy as np


def sigmoid(z):
    """1 / (1 + exp(-z)), where exp cannot overflow."""
    return np.exp(-np.logaddexp(0, -z))


# name: (f, f'), both functions of z
ACTIVATIONS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "logistic": (
        lambda z: sigmoid(z),
        lambda z: sigmoid(z) * (1 - sigmoid(z)),
    ),
}
