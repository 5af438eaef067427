"""Networks with normalisation, short cuts and masks, layer by layer."""

import numpy as np

from .activations import ACTIVATIONS
from .losses import LOSSES, delta_of


def split_parts(theta, architecture):
    """Return {(attribute, layer): array} of a network's parameters."""
    parts, start = {}, 0
    for part in architecture.parts:
        numbers = np.asarray(theta[start : start + part.size], float)
        parts[part.attribute, part.layer] = numbers.reshape(part.shape)
        start += part.size
    return parts


def join_parts(parts, architecture):
    """Return the inverse of `split_parts`; what is missing is 0."""
    return np.concatenate(
        [
            np.ravel(parts.get((part.attribute, part.layer), np.zeros(part.shape)))
            for part in architecture.parts
        ]
    )


def normalise(z, norm, epsilon, shares):
    """Return normed numbers and 1 / deviation; `shares` are weights of the rows."""
    if norm == "layer":
        mean, variance = z.mean(axis=1, keepdims=True), z.var(axis=1, keepdims=True)
    else:
        mean = shares @ z
        variance = shares @ (z - mean) ** 2
    inverse = 1 / np.sqrt(variance + epsilon)
    return (z - mean) * inverse, inverse


def normalise_back(d, normed, inverse, norm, shares):
    """Return dloss/dz from d = dloss/dnormed."""
    if norm == "layer":
        mean = d.mean(axis=1, keepdims=True)
        slope = (d * normed).mean(axis=1, keepdims=True)
        return inverse * (d - mean - normed * slope)
    total, slope = d.sum(axis=0), (d * normed).sum(axis=0)
    return inverse * (d - shares[:, None] * (total + normed * slope))


def forward_deep(parts, architecture, X, masks=None, shares=None, predicted=False):
    """Return what each layer computes: a list of {name: array}, outputs last.

    predicted : bool
        Whether batch normalisation uses the population's statistics.
    """
    norm, epsilon = architecture.norm, architecture.norm_epsilon
    shares = np.full(len(X), 1 / len(X)) if shares is None else shares
    layers, below = [], np.asarray(X, float)
    for i in range(architecture.n_layers):
        z = below @ parts["coefs_", i] + parts["intercepts_", i]
        if i == architecture.n_hidden:
            return [*layers, {"in": below, "z": z}]
        now = {"in": below, "z": z, "y": z}
        if norm == "batch" and predicted:
            variance = parts["norm_variances_", i] + epsilon
            now["normed"] = (z - parts["norm_means_", i]) / np.sqrt(variance)
        elif norm:
            now["normed"], now["inverse"] = normalise(z, norm, epsilon, shares)
        if norm:
            now["y"] = parts["norm_scales_", i] * now["normed"]
            now["y"] = now["y"] + parts["norm_shifts_", i]
        a = ACTIVATIONS[architecture.activations[i]][0](now["y"])
        now["mask"] = np.ones_like(a) if masks is None else masks[i]
        a = a * now["mask"]
        if architecture.shortcut(i) == "identity":
            a = a + below
        elif architecture.shortcut(i):
            a = a + below @ parts["shortcut_coefs_", i]
        now["A"] = below = a
        layers.append(now)


def backward_deep(parts, architecture, layers, delta, shares=None):
    """Return {part: gradient}, sums over the rows; adds D = dloss/dz to `layers`."""
    norm, n = architecture.norm, len(delta)
    shares = np.full(n, 1 / n) if shares is None else shares
    gradient, last = {}, architecture.n_hidden
    layers[last]["D"] = delta
    above = delta @ parts["coefs_", last].T
    for i in reversed(range(last)):
        now, whole = layers[i], above
        above = np.zeros_like(now["in"])
        if architecture.shortcut(i) == "identity":
            above = above + whole
        elif architecture.shortcut(i):
            gradient["shortcut_coefs_", i] = now["in"].T @ whole
            above = above + whole @ parts["shortcut_coefs_", i].T
        derivative = ACTIVATIONS[architecture.activations[i]][1]
        d = whole * now["mask"] * derivative(now["y"])
        if norm:
            gradient["norm_scales_", i] = (d * now["normed"]).sum(axis=0)
            gradient["norm_shifts_", i] = d.sum(axis=0)
            d = d * parts["norm_scales_", i]
            d = normalise_back(d, now["normed"], now["inverse"], norm, shares)
        now["D"] = d
        above = above + d @ parts["coefs_", i].T
    for i, now in enumerate(layers):
        gradient["coefs_", i] = now["in"].T @ now["D"]
        gradient["intercepts_", i] = now["D"].sum(axis=0)
    return gradient


def backpropagate_deep(theta, architecture, ends, X, Y, weight=None, masks=None):
    """Return the mean loss, its gradient, and what each layer computes."""
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    shares, Y = weight / weight.sum(), np.asarray(Y, float)
    parts = split_parts(theta, architecture)
    layers = forward_deep(parts, architecture, X, masks, shares)
    z = layers[-1]["z"]
    delta = weight[:, None] * delta_of(ends, z, Y)
    gradient = backward_deep(parts, architecture, layers, delta, shares)
    total = weight.sum()
    loss = weight @ LOSSES[ends](z, Y) / total
    return loss, join_parts(gradient, architecture) / total, layers
