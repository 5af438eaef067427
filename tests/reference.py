"""The same mathematics as the kernels', slow and obvious, in NumPy and float64.

Nothing here is shared with the library: every formula is written down again from
its definition, so that a mistake would have to be made twice to go unnoticed.
"""

import itertools
import math

import numpy as np
from scipy.special import xlogy

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


def sigmoid(z):
    """1 / (1 + exp(-z)), where exp cannot overflow."""
    return np.exp(-np.logaddexp(0, -z))


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


def split(theta, sizes):
    """Theta = [W0 | W1 | ... | b0 | b1 | ...] as lists of matrices and vectors."""
    pairs = list(itertools.pairwise(sizes))
    ends = np.cumsum([m * n for m, n in pairs] + [n for _, n in pairs])
    parts = np.split(np.asarray(theta, float), ends[:-1])
    coefs = [part.reshape(pair) for part, pair in zip(parts, pairs, strict=False)]
    return coefs, parts[len(pairs) :]


def join(coefs, intercepts):
    """Return the inverse of `split`."""
    return np.concatenate([np.ravel(part) for part in [*coefs, *intercepts]])


def forward(theta, sizes, activation, X):
    """Return the lists of z and of a of every layer; a starts with X."""
    coefs, intercepts = split(theta, sizes)
    f = ACTIVATIONS[activation][0]
    zs, outputs = [], [np.asarray(X, float)]
    for W, b in zip(coefs, intercepts, strict=True):
        zs.append(outputs[-1] @ W + b)
        outputs.append(f(zs[-1]))
    return zs, outputs


def backpropagate(theta, sizes, activation, ends, X, Y, alpha=0.0, weight=None):
    """Return (Σ w loss + ½ alpha Σ W²) / Σ w and its gradient."""
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    Y = np.asarray(Y, float)
    coefs, _ = split(theta, sizes)
    derivative = ACTIVATIONS[activation][1]
    zs, outputs = forward(theta, sizes, activation, X)
    loss = weight @ LOSSES[ends](zs[-1], Y)
    loss += 0.5 * alpha * sum((W**2).sum() for W in coefs)
    delta = weight[:, None] * delta_of(ends, zs[-1], Y)
    dW, db = [], []
    for layer in reversed(range(len(coefs))):
        dW.insert(0, outputs[layer].T @ delta + alpha * coefs[layer])
        db.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ coefs[layer].T) * derivative(zs[layer - 1])
    return loss / weight.sum(), join(dW, db) / weight.sum()


class SGD:
    """Momentum as scikit-learn has it."""

    def __init__(self, rate=0.1, momentum=0.9, nesterov=True):
        self.rate, self.momentum, self.nesterov = rate, momentum, nesterov
        self.velocity = 0.0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.velocity = self.momentum * self.velocity - self.rate * g
        if self.nesterov:
            return theta + self.momentum * self.velocity - self.rate * g
        return theta + self.velocity


class Adam:
    """Adam as scikit-learn has it: the bias correction is in the step size."""

    def __init__(self, rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.rate, self.epsilon = rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.m, self.v, self.t = 0.0, 0.0, 0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * g
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * g**2
        rate = self.rate * np.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        return theta - rate * self.m / (np.sqrt(self.v) + self.epsilon)


def epoch(theta, sizes, activation, ends, X, Y, order, batch_size, solver, **options):
    """Train on mini-batches in the given order; return theta and the mean loss.

    options : alpha and weight, as for `backpropagate`. A batch without weight is
    left out.
    """
    weight = options.pop("weight", None)
    total = count = 0.0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        w = None if weight is None else weight[rows]
        if w is not None and w.sum() == 0:
            continue
        loss, g = backpropagate(
            theta, sizes, activation, ends, X[rows], Y[rows], weight=w, **options
        )
        theta = solver.step(theta, g)
        total += loss * len(rows)
        count += len(rows)
    return theta, total / count


def product(A, B):
    """A·B, one number at a time."""
    rows = [[math.fsum(a * b) for b in np.transpose(B)] for a in A]
    return np.array(rows).reshape(len(A), np.shape(B)[1])


def pad_columns(W, lanes):
    """W with columns of zeros up to a multiple of `lanes`."""
    return np.pad(W, ((0, 0), (0, -W.shape[1] % lanes)))


def panels(W, lanes, panel):
    """W's padded columns in panels, each row-major, one after the other."""
    W = pad_columns(W, lanes)
    starts = range(0, W.shape[1], panel)
    return np.concatenate([W[:, start : start + panel].ravel() for start in starts])


def pack(theta, sizes, lanes, panel, strides):
    """P: the panels of every W, then every b padded to its layer's stride."""
    coefs, intercepts = split(theta, sizes)
    parts = [panels(W, lanes, panel) for W in coefs]
    for b, stride in zip(intercepts, strides, strict=True):
        parts.append(np.pad(b, (0, stride - b.size)))
    return np.concatenate(parts)
