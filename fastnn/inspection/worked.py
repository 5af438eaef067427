"""The numbers of one row on its way forward and back, as the kernels compute them."""

import copy
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from .. import prediction
from ..kernels import layout as at
from ..learning.lbfgs import Function
from ..learning.preparation import prepare
from ..structure import weights
from ..structure.variants import OUTPUTS, activation_of

# What changes rows, targets or gradients in training and is no part of the example.
_LEFT_OUT = {
    "alpha": 0.0,
    "augmentation": None,
    "class_weight": None,
    "dropout": 0.0,
    "ema_decay": None,
    "gradient_clip_norm": None,
    "gradient_clip_value": None,
    "input_noise": 0.0,
    "l1_ratio": 0.0,
    "label_smoothing": 0.0,
    "max_norm": None,
    "mixup_alpha": 0.0,
    "solver": "lbfgs",
    "warm_start": False,
    "weight_decay": None,
}


@dataclass(frozen=True)
class Forward:
    """A row on its way forward; vectors per layer of weights, output last.

    Attributes
    ----------
    coefs, intercepts : list of arrays
    names : list of str
        Activations, that of the output last.
    inputs : list of vectors
        What each layer reads.
    z, a : list of vectors
        Before and after activation.
    """

    coefs: list
    intercepts: list
    names: list
    inputs: list
    z: list
    a: list


@dataclass(frozen=True)
class Backward:
    """The loss of a row and its gradient.

    Attributes
    ----------
    loss : float
    loss_name : str
    target : vector
        One number per output; of classes that exclude each other, indicators. Of
        several quantiles one number.
    deltas : list of vectors
        dE/dz per layer.
    slopes : list of vectors
        f'(z) per layer; of the output None if its derivative is a matrix.
    coefs, intercepts : list of arrays
        dE/dW and dE/db.
    """

    loss: float
    loss_name: str
    target: np.ndarray
    deltas: list
    slopes: list
    coefs: list
    intercepts: list


def check_row(estimator, X_row, dtype):
    """Return a row as an array of shape (1, n_features), or raise."""
    X = np.asarray(X_row.toarray() if sparse.issparse(X_row) else X_row)
    X = X.reshape(1, -1) if X.ndim == 1 else X
    X = check_array(X, dtype=dtype, order="C", input_name="X_row")
    expected = (1, estimator.n_features_in_)
    if X.shape != expected:
        raise ValueError(
            f"X_row must be one row of {expected[1]} features, got shape {X.shape}."
        )
    return X


def forward(theta, architecture, X):
    """Return what the layers compute from a row."""
    lists = weights.views(theta, architecture)
    coefs, intercepts = lists["coefs_"], lists["intercepts_"]
    layers = range(architecture.n_hidden)
    a = [prediction.predict(theta, architecture, X, 1, hidden=i)[0] for i in layers]
    inputs = [X[0], *a]
    a.append(prediction.predict(theta, architecture, X, 1)[0])
    z = [x @ W + b for x, W, b in zip(inputs, coefs, intercepts, strict=True)]
    names = [*architecture.activations, architecture.output]
    return Forward(coefs, intercepts, names, inputs, z, a)


def backward(estimator, theta, architecture, X, y, way):
    """Return the loss of a row and its gradient: without penalties, masks and noise.

    Raises
    ------
    ValueError
        If y does not suit the estimator, or its parameters have changed since the fit.
    """
    twin = copy.copy(estimator)
    known = twin.get_params(deep=False)
    twin.set_params(**{k: v for k, v in _LEFT_OUT.items() if k in known})
    vars(twin).pop("feature_names_in_", None)  # the row is checked, and an array
    y = np.asarray(y)
    y = y.reshape(1, -1) if y.size > 1 else y.reshape(1)
    problem, asked, objective, _ = prepare(twin, X, y, None, incremental=True)
    if asked != architecture:
        raise ValueError(
            "Parameters such as activation, loss or output_activation have changed "
            "since the network was fitted; fit it again, or set them back."
        )
    function = Function(twin, problem, architecture, objective, theta.dtype)
    network = function.network
    network.hyper[at.LOSS_SCALE] = 1.0  # the loss that the gradient belongs to
    loss, gradient = function(theta)
    lists = weights.views(gradient, architecture)
    deltas = [_row_at(network, i, at.D0) for i in range(architecture.n_layers)]
    target = problem.Y[0]
    if objective.codes:
        target = (np.arange(objective.n_outputs) == target).astype(theta.dtype)
    return Backward(
        loss=loss,
        loss_name=objective.loss,
        target=target,
        deltas=deltas,
        slopes=_slopes(way),
        coefs=lists["coefs_"],
        intercepts=lists["intercepts_"],
    )


def _row_at(network, layer, field):
    """Return a copy of the first row of what the arena has of a layer."""
    record = network.net[at.HEADER + layer * at.LAYER :][: at.LAYER]
    start = record[field]
    return network.arena[start : start + record[at.FAN_OUT]].copy()


def _slopes(way):
    """Return f'(z) of each layer, by the derivatives that training uses."""
    *hidden, output = way.names
    slopes = []
    for name, z, a in zip(hidden, way.z, way.a, strict=False):
        activation = activation_of(name)
        read = z if activation.reads_z else a
        arena = np.concatenate([read, np.ones_like(read)])
        activation.backward[arena.dtype](arena, 0, read.size, read.size)
        slopes.append(arena[read.size :])
    slopes.append(_output_slope(output, way.a[-1]))
    return slopes


def _output_slope(name, p):
    """Return g'(z) of the output, or None if each output depends on several z."""
    if name in ("softmax", "quantiles"):
        return None
    k = p.size
    arena = np.concatenate([np.ones_like(p), p, np.zeros(2, p.dtype)])
    OUTPUTS[name].backward[arena.dtype](arena, 0, k, 2 * k, k, 1)
    return arena[:k]
