"""Every loss by name, targets that suit it, and calls of its units alone."""

from dataclasses import dataclass

import numpy as np
import reference
from fastnn.kernels import (
    classification_losses,
    deviances,
    losses,
    outputs,
    quantile_losses,
    value_losses,
)
from fastnn.kernels import layout as at
from kernel_tools import CANARY

GAP = 5


def two(k):
    return 2


@dataclass(frozen=True)
class Ends:
    """A loss's unit and what it needs.

    unit : of interface LOSS
    scratch : callable, columns of scratch for k outputs
    addresses : units that `composed_loss` calls, by field of the header
    """

    unit: object
    scratch: object = lambda k: 0
    addresses: tuple = ()


# name: (output, its derivative)
OUTPUTS = {
    "identity": (outputs.output_identity, outputs.backward_identity),
    "logistic": (outputs.output_logistic, outputs.backward_logistic),
    "softmax": (outputs.output_softmax, outputs.backward_softmax),
    "tanh": (outputs.output_tanh, outputs.backward_tanh),
    "exp": (outputs.output_exp, outputs.backward_exp),
    "softplus": (outputs.output_softplus, outputs.backward_softplus),
    "quantiles": (outputs.output_quantiles, None),
}


def composed(value, output):
    ahead, back = OUTPUTS[output]
    addresses = (
        (at.LOSS_OUTPUT, ahead),
        (at.VALUE_LOSS, getattr(value_losses, value)),
        (at.OUTPUT_BACKWARD, back),
    )
    return Ends(value_losses.composed_loss, lambda k: 2 + k, addresses)


VALUES = ("squared_error", "absolute_error", "huber", "log_cosh", "quantile")
LOSSES = {
    ("log_loss", "softmax"): Ends(losses.softmax_log_loss, two),
    ("log_loss_dense", "softmax"): Ends(losses.softmax_log_loss_dense, two),
    ("log_loss", "logistic"): Ends(losses.logistic_log_loss),
    ("hinge", "identity"): Ends(value_losses.hinge),
    ("hinge_multiclass", "identity"): Ends(classification_losses.hinge_multiclass, two),
    ("focal", "logistic"): Ends(classification_losses.logistic_focal),
    ("focal", "softmax"): Ends(classification_losses.softmax_focal, lambda k: 3),
    ("quantile", "quantiles"): Ends(quantile_losses.quantiles, lambda k: 1 + k),
    **{
        (loss, output): Ends(getattr(deviances, f"{output}_{loss}"))
        for loss in ("poisson", "gamma", "tweedie")
        for output in ("exp", "softplus")
    },
    **{
        (value, output): composed(value, output)
        for value in VALUES
        for output in OUTPUTS
        if output != "quantiles"
    },
    ("hinge", "tanh"): composed("hinge", "tanh"),
}
CODES = {("log_loss", "softmax"), ("hinge_multiclass", "identity")}
ONE_TARGET = CODES | {("quantile", "quantiles")}


def needs_classes(ends):
    """Tell whether one output alone makes no sense."""
    return ends[1] == "softmax" or ends in CODES


def parameters_of(ends, k):
    """Return parameters that suit the loss."""
    if ends[1] == "quantiles":
        return tuple((np.arange(k) + 0.5) / k)
    one = {"huber": 1.25, "quantile": 0.3125, "tweedie": 1.5, "focal": 2.0}
    return (one[ends[0]],) if ends[0] in one else ()


def random_targets(ends, n, k, dtype, rng):
    """Return targets (n, 1 or k) that suit the loss, rounded to dtype."""
    if ends in CODES:
        Y = rng.integers(0, k, (n, 1))
    elif ends in {("log_loss_dense", "softmax"), ("focal", "softmax")}:
        Y = rng.dirichlet(np.ones(k), n)
    elif ends == ("focal", "logistic"):
        Y = rng.random((n, k))
    elif ends[1] == "quantiles":
        Y = 2 * k * rng.random((n, 1))
    elif ends[0] in {"hinge", "log_loss"}:
        Y = rng.integers(0, 2, (n, k))
    elif ends[0] == "gamma":
        Y = rng.exponential(2.0, (n, k)) + 0.01
    elif ends[0] in {"poisson", "tweedie"}:
        Y = rng.poisson(1.5, (n, k))
    else:
        Y = rng.standard_normal((n, k))
    return Y.astype(dtype)


def run_loss(ends, Z, Y, dtype, parameters=None):
    """Return the rows' losses and deltas; Z is (n, k), Y (n, targets).

    Nothing but these and the scratch may be written.
    """
    n, k = Z.shape
    loss = LOSSES[ends]
    if parameters is None:
        parameters = parameters_of(ends, k)
    sizes = (k * n, Y.size, n, loss.scratch(k) * n, len(parameters))
    starts = np.cumsum([GAP, *[size + GAP for size in sizes]])
    t0, u0, l0, s0, p0, end = (int(start) for start in starts)
    arena = np.full(end, CANARY, dtype)
    arena[t0 : t0 + k * n] = Z.T.ravel()
    arena[u0 : u0 + Y.size] = Y.T.ravel()
    constants = [2 - v if ends[0] == "tweedie" else v for v in parameters]
    arena[p0 : p0 + len(parameters)] = constants
    net = np.zeros(at.HEADER, np.int64)
    net[at.LOSS_PARAMETERS0] = p0
    for field, unit in loss.addresses:
        net[field] = unit.address(dtype)
    before = arena.copy()
    loss.unit[dtype](net, arena, t0, u0, l0, s0, k, n)
    row_losses = arena[l0 : l0 + n].copy()
    delta = arena[t0 : t0 + k * n].reshape(k, n).T.copy()
    for start, size in ((t0, k * n), (l0, n), (s0, loss.scratch(k) * n)):
        arena[start : start + size] = before[start : start + size]
    np.testing.assert_array_equal(arena, before)
    return row_losses, delta


def reference_of(ends, Z, Y, parameters=None):
    """Return the reference's losses and deltas for the same arguments."""
    z, y = Z.astype(float), Y.astype(float)
    if parameters is None:
        parameters = parameters_of(ends, Z.shape[1])
    want = reference.LOSSES[ends](z, y, parameters=parameters)
    return want, reference.delta_of(ends, z, y, parameters=parameters)


def run_output(name, Z, dtype):
    """Return the outputs for raw outputs Z (n, k)."""
    n, k = Z.shape
    scratch = 2 * n if name == "softmax" else 0
    s0 = GAP + k * n + GAP
    arena = np.full(s0 + scratch + GAP, CANARY, dtype)
    arena[GAP : GAP + k * n] = Z.T.ravel()
    OUTPUTS[name][0][dtype](arena, GAP, s0, k, n)
    result = arena[GAP : GAP + k * n].reshape(k, n).T.copy()
    arena[GAP : GAP + k * n] = CANARY
    arena[s0 : s0 + scratch] = CANARY
    assert (arena == CANARY).all()
    return result


def run_backward(name, P, D, dtype):
    """Return dloss/dz for outputs P and D = dloss/dp, both (n, k)."""
    n, k = P.shape
    scratch = n if name == "softmax" else 0
    p0 = GAP + k * n + GAP
    s0 = p0 + k * n + GAP
    arena = np.full(s0 + scratch + GAP, CANARY, dtype)
    arena[GAP : GAP + k * n] = D.T.ravel()
    arena[p0 : p0 + k * n] = P.T.ravel()
    before = arena.copy()
    OUTPUTS[name][1][dtype](arena, GAP, p0, s0, k, n)
    result = arena[GAP : GAP + k * n].reshape(k, n).T.copy()
    for start, size in ((GAP, k * n), (s0, scratch)):
        arena[start : start + size] = before[start : start + size]
    np.testing.assert_array_equal(arena, before)
    return result
