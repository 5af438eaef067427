"""Losses as functions of raw outputs, output activations, and their derivatives."""

import numpy as np
from scipy.special import xlogy

from .activations import sigmoid


def softmax(z):
    """exp(z) / Σ exp(z) over each row."""
    return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))


OUTPUTS = {
    "identity": lambda z: z,
    "logistic": sigmoid,
    "softmax": softmax,
    "exp": np.exp,
}


def one_hot(y, k):
    """Class codes (n, 1) as an indicator matrix (n, k)."""
    return (np.arange(k) == y).astype(float)


def softmax_log_loss(z, y):
    """-log softmax(z)[y] of each row; y holds class codes, (n, 1)."""
    chosen = (z * one_hot(y, z.shape[1])).sum(axis=1)
    return np.logaddexp.reduce(z, axis=1) - chosen


def logistic_log_loss(z, y):
    """-Σ y log p + (1 - y) log(1 - p), p = sigmoid(z)."""
    return (y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)).sum(axis=1)


def squared_error(z, y):
    """½ Σ (z - y)²."""
    return 0.5 * ((z - y) ** 2).sum(axis=1)


def poisson(z, y):
    """Half the Poisson deviance Σ y log(y / p) - y + p, p = exp(z)."""
    return (xlogy(y, y) - y * z - y + np.exp(z)).sum(axis=1)


# (loss, output activation): each row's loss as a function of raw outputs
LOSSES = {
    ("log_loss", "softmax"): softmax_log_loss,
    ("log_loss", "logistic"): logistic_log_loss,
    ("squared_error", "identity"): squared_error,
    ("poisson", "exp"): poisson,
}


def delta_of(ends, z, y):
    """D loss / d z: in all four cases the output minus the target."""
    target = one_hot(y, z.shape[1]) if ends[1] == "softmax" else y
    return OUTPUTS[ends[1]](z) - target
