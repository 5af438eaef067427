"""Whole networks: forward, back, epochs, packing."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from .activations import ACTIVATIONS
from .losses import LOSSES, delta_of


@dataclass(frozen=True)
class Structure:
    """What hidden layers have besides a product and an activation.

    Attributes
    ----------
    norm : {"", "layer", "batch"}
    epsilon : float, added to variances
    residual : bool, whether hidden layers but the first have a short cut
    """

    norm: str = ""
    epsilon: float = 1e-5
    residual: bool = False

    def shortcut(self, sizes, layer):
        """Return "", "identity" or "projection" for a layer of weights."""
        if not self.residual or layer in (0, len(sizes) - 2):
            return ""
        return "identity" if sizes[layer] == sizes[layer + 1] else "projection"


@dataclass(frozen=True)
class Disturbance:
    """What training does to rows on their way, as arrays.

    Attributes
    ----------
    masks : tuple of arrays (n, units) or None, inputs first
        Factors of the inputs and of each hidden layer's activations.
    noise : array (n, features) or None
    partner, share : vectors, or None
        Mixup: the row that a row is mixed with, and how much of it is its own.
    """

    masks: tuple = ()
    noise: np.ndarray | None = None
    partner: np.ndarray | None = None
    share: np.ndarray | None = None

    def mask(self, i):
        """Return the factors of the inputs (0) or of hidden layer i - 1."""
        return 1.0 if not self.masks or self.masks[i] is None else self.masks[i]


PLAIN, NOTHING = Structure(), Disturbance()


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


def shapes(sizes, structure):
    """Return (name, layer) of every array with its shape, in their order in theta.

    [W0 | W1 ... | b0 | b1 ... | V of each projection | of layer 0: scale, shift, and
    the population's mean, variance and count | the same of layer 1 ...]
    """
    pairs = list(itertools.pairwise(sizes))
    result = {("W", i): pair for i, pair in enumerate(pairs)}
    result |= {("b", i): (pair[1],) for i, pair in enumerate(pairs)}
    for i, pair in enumerate(pairs):
        if structure.shortcut(sizes, i) == "projection":
            result["V", i] = pair
    for i, (_, n) in enumerate(pairs[:-1]):
        if structure.norm:
            result |= {("scale", i): (n,), ("shift", i): (n,)}
        if structure.norm == "batch":
            result |= {("mean", i): (n,), ("variance", i): (n,), ("count", i): (1,)}
    return result


def arrays_of(theta, sizes, structure=PLAIN):
    """Return theta's arrays by (name, layer)."""
    known = shapes(sizes, structure)
    ends = np.cumsum([math.prod(shape) for shape in known.values()])
    assert ends[-1] == len(theta)
    parts = np.split(np.asarray(theta, float), ends[:-1])
    return {
        key: part.reshape(shape)
        for (key, shape), part in zip(known.items(), parts, strict=True)
    }


def theta_of(arrays, sizes, structure=PLAIN):
    """Return the inverse of `arrays_of`; what is missing is 0."""
    known = shapes(sizes, structure)
    assert set(arrays) <= set(known)
    return np.concatenate(
        [np.ravel(arrays.get(key, np.zeros(shape))) for key, shape in known.items()]
    )


def names_of(activation, sizes):
    """Return one activation per hidden layer."""
    n_hidden = len(sizes) - 2
    names = [activation] * n_hidden if isinstance(activation, str) else activation
    assert len(names) == n_hidden
    return names


def standardise(v, share, epsilon):
    """Return (v - mean) / deviation and the deviation, entries counting by share."""
    mean = share @ v
    deviation = np.sqrt(share @ (v - mean) ** 2 + epsilon)
    return (v - mean) / deviation, deviation


def standardise_back(d, normed, deviation, share):
    """Return Jacobianᵀ · d.

    d mean / dv_k = s_k and d deviation / dv_k = s_k normed_k, hence
    d normed_i / dv_k = (1[i = k] - s_k - normed_i s_k normed_k) / deviation.
    """
    n = len(normed)
    jacobian = np.eye(n) - np.tile(share, (n, 1)) - np.outer(normed, share * normed)
    return jacobian.T @ d / deviation


def normalise(z, structure, shares):
    """Return normed z, with the deviations of rows (layer) or columns (batch)."""
    if structure.norm == "layer":
        share = np.full(z.shape[1], 1 / z.shape[1])
        pairs = [standardise(row, share, structure.epsilon) for row in z]
        return np.array([v for v, _ in pairs]), np.array([s for _, s in pairs])
    pairs = [standardise(column, shares, structure.epsilon) for column in z.T]
    return np.transpose([v for v, _ in pairs]), np.array([s for _, s in pairs])


def normalise_back(d, normed, deviation, structure, shares):
    """Return dloss/dz for dloss/dnormed."""
    if structure.norm == "layer":
        share = np.full(d.shape[1], 1 / d.shape[1])
        lines = zip(d, normed, deviation, strict=True)
        return np.array([standardise_back(*line, share) for line in lines])
    lines = zip(d.T, normed.T, deviation, strict=True)
    return np.transpose([standardise_back(*line, shares) for line in lines])


@dataclass
class Step:
    """What a hidden layer computes from the outputs below, A_below, and hands on, A.

    z = A_below W + b; y = scale · normed + shift, or z; A = f(y) · mask + short cut.
    """

    A_below: np.ndarray
    y: np.ndarray
    A: np.ndarray
    normed: np.ndarray | None = None
    deviation: np.ndarray | None = None


def hidden_steps(arrays, sizes, activation, X, structure, disturbance, shares):
    """Return the steps of all hidden layers."""
    steps, A = [], X
    for i, name in enumerate(names_of(activation, sizes)):
        y, normed, deviation = A @ arrays["W", i] + arrays["b", i], None, None
        if structure.norm:
            normed, deviation = normalise(y, structure, shares)
            y = arrays["scale", i] * normed + arrays["shift", i]
        above = ACTIVATIONS[name][0](y) * disturbance.mask(i + 1)
        shortcut = structure.shortcut(sizes, i)
        if shortcut == "identity":
            above = above + A
        elif shortcut == "projection":
            above = above + A @ arrays["V", i]
        steps.append(Step(A, y, above, normed, deviation))
        A = above
    return steps


def disturbed(X, Y, weight, disturbance):
    """Return inputs, targets and weights after mixup, noise and the inputs' mask.

    A mixed row stands for λ w of its own target and (1 - λ) w' of its partner's.
    """
    if disturbance.partner is not None:
        own, other = disturbance.share, 1 - disturbance.share
        p = disturbance.partner
        X = own[:, None] * X + other[:, None] * X[p]
        w, w_other = own * weight, other * weight[p]
        weight = w + w_other
        total = np.where(weight > 0, weight, 1)[:, None]
        # A row without weight does not count; it keeps targets that suit the loss.
        mixed = (w[:, None] * Y + w_other[:, None] * Y[p]) / total
        Y = np.where(weight[:, None] > 0, mixed, Y)
    if disturbance.noise is not None:
        X = X + disturbance.noise
    return X * disturbance.mask(0), Y, weight


def trace(
    theta, sizes, activation, X, Y, weight=None, structure=PLAIN, disturbance=NOTHING
):
    """Return hidden steps, raw outputs, targets and weights of all rows."""
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    X, Y = np.asarray(X, float), np.asarray(Y, float)
    X, Y, weight = disturbed(X, Y, weight, disturbance)
    arrays = arrays_of(theta, sizes, structure)
    shares = weight / weight.sum()
    steps = hidden_steps(arrays, sizes, activation, X, structure, disturbance, shares)
    last = len(sizes) - 2
    below = steps[-1].A if steps else X
    return steps, below, below @ arrays["W", last] + arrays["b", last], Y, weight


def forward(theta, sizes, activation, X, structure=PLAIN):
    """Return what the activations get, raw outputs last, and what they give.

    The latter starts with X.
    """
    X = np.asarray(X, float)
    steps, _, z, _, _ = trace(
        theta, sizes, activation, X, np.zeros((len(X), 1)), structure=structure
    )
    return [*(step.y for step in steps), z], [X, *(step.A for step in steps)]


def back_through(steps, D, arrays, sizes, activation, structure, disturbance, shares):
    """Return gradients of all hidden layers' arrays; D is dloss/dA of the last."""
    gradients = {}
    names = names_of(activation, sizes)
    for i in reversed(range(len(steps))):
        step, shortcut = steps[i], structure.shortcut(sizes, i)
        D_below = 0.0
        if shortcut == "identity":
            D_below = D
        elif shortcut == "projection":
            gradients["V", i] = step.A_below.T @ D
            D_below = D @ arrays["V", i].T
        d = D * disturbance.mask(i + 1) * ACTIVATIONS[names[i]][1](step.y)
        if structure.norm:
            gradients["scale", i] = (d * step.normed).sum(axis=0)
            gradients["shift", i] = d.sum(axis=0)
            d = normalise_back(
                d * arrays["scale", i], step.normed, step.deviation, structure, shares
            )
        gradients["W", i] = step.A_below.T @ d
        gradients["b", i] = d.sum(axis=0)
        D = D_below + d @ arrays["W", i].T
    return gradients


def matrices_of(theta, sizes, structure):
    """Return the arrays that penalties are about: weights and projections."""
    arrays = arrays_of(theta, sizes, structure)
    return {key: W for key, W in arrays.items() if key[0] in ("W", "V")}


def mean_loss(
    theta,
    sizes,
    activation,
    ends,
    X,
    Y,
    alpha=0.0,
    weight=None,
    l1_ratio=0.0,
    parameters=(),
    structure=PLAIN,
    disturbance=NOTHING,
):
    """Return the mean loss with its penalties, W being all matrices.

    (Σ w loss + alpha ((1 - l1_ratio) ½ Σ W² + l1_ratio Σ |W|)) / Σ w
    """
    _, _, z, Y, weight = trace(
        theta, sizes, activation, X, Y, weight, structure, disturbance
    )
    loss = weight @ LOSSES[ends](z, Y, parameters=parameters)
    for W in matrices_of(theta, sizes, structure).values():
        loss += alpha * (1 - l1_ratio) * 0.5 * (W**2).sum()
        loss += alpha * l1_ratio * np.abs(W).sum()
    return loss / weight.sum()


def backpropagate(
    theta,
    sizes,
    activation,
    ends,
    X,
    Y,
    alpha=0.0,
    weight=None,
    l1_ratio=0.0,
    parameters=(),
    structure=PLAIN,
    disturbance=NOTHING,
):
    """Return `mean_loss` and its gradient.

    At W = 0 the gradient is the shortest of the L1 penalty's subgradients. The
    population's statistics of batch normalisation have no part in the loss.
    """
    loss = mean_loss(
        theta, sizes, activation, ends, X, Y, alpha, weight, l1_ratio, parameters,
        structure, disturbance,
    )  # fmt: skip
    steps, below, z, Y, weight = trace(
        theta, sizes, activation, X, Y, weight, structure, disturbance
    )
    arrays = arrays_of(theta, sizes, structure)
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    delta = weight[:, None] * delta_of(ends, z, Y, parameters=parameters)
    last = len(sizes) - 2
    gradients = {("W", last): below.T @ delta, ("b", last): delta.sum(axis=0)}
    gradients |= back_through(
        steps,
        delta @ arrays["W", last].T,
        arrays,
        sizes,
        activation,
        structure,
        disturbance,
        weight / weight.sum(),
    )
    for key, W in matrices_of(theta, sizes, structure).items():
        g = gradients[key] + l2 * W
        shortest = np.sign(g) * np.maximum(np.abs(g) - l1, 0)
        gradients[key] = np.where(W == 0, shortest, g + l1 * np.sign(W))
    return loss, theta_of(gradients, sizes, structure) / weight.sum()


def central_differences(function, theta, eps=1e-6):
    """Return the differences of a function's value in every direction.

    The function returns its value first, and may return more.
    """
    gradient = np.empty_like(theta)
    for i in range(theta.size):
        step = np.zeros_like(theta)
        step[i] = eps
        above, below = function(theta + step)[0], function(theta - step)[0]
        gradient[i] = (above - below) / (2 * eps)
    return gradient


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
