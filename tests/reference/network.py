"""Whole networks: forward, back, epochs, packing."""

import itertools
import math

import numpy as np

from .activations import ACTIVATIONS
from .losses import LOSSES, delta_of


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
