"""Activations of hidden layers and their derivatives."""

import numpy as np
from scipy.special import expit, ndtr


def sigmoid(z):
    """1 / (1 + exp(-z)), where exp cannot overflow."""
    return np.exp(-np.logaddexp(0, -z))


def exp_below(z):
    """exp(z) where z < 0, else 1."""
    return np.exp(np.minimum(z, 0))


def expm1_below(z):
    """exp(z) - 1 where z < 0, else 0."""
    return np.expm1(np.minimum(z, 0))


def mish_derivative(z):
    """(z t)' with t = tanh(s) and s = log(1 + exp(z)), by the chain rule."""
    t = np.tanh(np.logaddexp(0, z))
    return t + z * (1 - t**2) * expit(z)


def straight_through(z):
    """Stand in for the derivative of step and sign: 1 where |z| <= 1."""
    return np.where(np.abs(z) <= 1, 1.0, 0.0)


LEAK = 0.01
LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772

# name: (f, f'), both functions of z
ACTIVATIONS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "logistic": (
        lambda z: sigmoid(z),
        lambda z: sigmoid(z) * (1 - sigmoid(z)),
    ),
    "step": (lambda z: np.where(z >= 0, 1.0, 0.0), straight_through),
    "sign": (lambda z: np.where(z >= 0, 1.0, -1.0), straight_through),
    "leaky_relu": (
        lambda z: np.where(z > 0, z, LEAK * z),
        lambda z: np.where(z > 0, 1.0, LEAK),
    ),
    "elu": (
        lambda z: np.where(z > 0, z, expm1_below(z)),
        lambda z: np.where(z > 0, 1.0, exp_below(z)),
    ),
    "selu": (
        lambda z: LAMBDA * np.where(z > 0, z, ALPHA * expm1_below(z)),
        lambda z: LAMBDA * np.where(z > 0, 1.0, ALPHA * exp_below(z)),
    ),
    "gelu": (
        lambda z: z * ndtr(z),
        lambda z: ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": (
        lambda z: z * expit(z),
        lambda z: expit(z) * (1 + z * expit(-z)),
    ),
    "mish": (lambda z: z * np.tanh(np.logaddexp(0, z)), mish_derivative),
    "softplus": (lambda z: np.logaddexp(0, z), expit),
}
