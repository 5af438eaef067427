"""The layers of a network as ONNX operators, as they are in predictions."""

import numpy as np

from ..structure import weights
from .functions import ACTIVATIONS, OUTPUTS
from .graph import INPUT


def add_hidden_layers(graph, lists, architecture, n_layers):
    """Add the first hidden layers and return the name of the last one's outputs.

    Parameters
    ----------
    graph : Graph
    lists : dict
        Arrays of parameters, see `structure.weights.views`.
    architecture : Architecture
    n_layers : int
    """
    below = INPUT
    for layer in range(n_layers):
        z = _affine(graph, lists, layer, below)
        if architecture.norm:
            z = _normalise(graph, lists, architecture, layer, z)
        a = _activate(graph, architecture.activations[layer], z)
        shortcut = architecture.shortcut(layer)
        if shortcut == "projection":
            V = lists["shortcut_coefs_"][layer]
            a = graph.add("Add", a, graph.add("MatMul", below, V))
        elif shortcut:
            a = graph.add("Add", a, below)
        below = a
    return below


def add_network(graph, theta, architecture):
    """Add all layers; return the names of the raw outputs and of the outputs."""
    lists = weights.views(theta, architecture)
    last = architecture.n_hidden
    below = add_hidden_layers(graph, lists, architecture, last)
    z = _affine(graph, lists, last, below)
    if architecture.output not in OUTPUTS:
        raise NotImplementedError(_unknown("output_activation", architecture.output))
    return z, OUTPUTS[architecture.output](graph, z, architecture.sizes[-1])


def _affine(graph, lists, layer, below):
    W, b = lists["coefs_"][layer], lists["intercepts_"][layer]
    return graph.add("Gemm", below, W, b)


def _activate(graph, name, z):
    if name not in ACTIVATIONS:
        raise NotImplementedError(_unknown("activation", name))
    return ACTIVATIONS[str(name)](graph, z)


def _unknown(parameter, name):
    return f"{parameter}={name!r} cannot be exported to ONNX."


def _normalise(graph, lists, architecture, layer, z):
    """Add scale · normed + shift."""
    normalise = {"layer": _layer_norm, "batch": _batch_norm}[architecture.norm]
    normed = normalise(graph, lists, architecture, layer, z)
    scaled = graph.add("Mul", normed, lists["norm_scales_"][layer])
    return graph.add("Add", scaled, lists["norm_shifts_"][layer])


def _batch_norm(graph, lists, architecture, layer, z):
    """Add (z - mean) / deviation with the population's statistics."""
    variance = lists["norm_variances_"][layer].astype(np.float64)
    deviation = np.sqrt(variance + architecture.norm_epsilon)
    centred = graph.add("Sub", z, lists["norm_means_"][layer])
    return graph.add("Div", centred, deviation)


def _layer_norm(graph, lists, architecture, layer, z):
    """Add (z - mean) / deviation over the units of each row.

    The operator LayerNormalization has an epsilon of float32 only.
    """
    centred = graph.add("Sub", z, _mean(graph, architecture, layer, z))
    squares = graph.add("Mul", centred, centred)
    variance = _mean(graph, architecture, layer, squares)
    shifted = graph.add("Add", variance, architecture.norm_epsilon)
    return graph.add("Div", centred, graph.add("Sqrt", shifted))


def _mean(graph, architecture, layer, z):
    """Add each row's mean: a sum, whose form is the same in all versions of ONNX."""
    total = graph.add("ReduceSum", z, np.array([1]), keepdims=1)
    return graph.add("Div", total, float(architecture.sizes[layer + 1]))
