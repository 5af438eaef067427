"""From an estimator's parameters to what tables and kernels need."""

import warnings

import numpy as np

from ..kernels import layout as at
from ..structure.architecture import Architecture
from ..structure.plan import Training
from . import parameters, targets

# Weight decay of solvers whose name promises it.
_OWN_DECAY = {"adamw": 0.01}


def architecture_of(estimator, n_features, objective):
    """Return the architecture that an estimator's parameters ask for, or raise."""
    hidden = parameters.hidden_sizes(estimator.hidden_layer_sizes)
    norm = "batch" if estimator.batch_norm else "layer" if estimator.layer_norm else ""
    return Architecture(
        sizes=(n_features, *hidden, objective.n_outputs),
        activations=parameters.activations(estimator, len(hidden)),
        output=objective.output,
        norm=norm if hidden else "",
        norm_epsilon=float(estimator.norm_epsilon),
        residual=bool(estimator.residual) and len(hidden) > 1,
    )


def weight_decay(estimator):
    """Return the decoupled decay: the one asked for, or the solver's own."""
    if estimator.weight_decay is None:
        return _OWN_DECAY.get(estimator.solver, 0.0)
    return float(estimator.weight_decay)


def training_of(estimator, objective, problem, n_hidden):
    """Return what training adds to the network's table."""
    bounded = estimator.gradient_clip_norm or estimator.gradient_clip_value
    return Training(
        loss=objective.record,
        solver=estimator.solver,
        n_targets=problem.Y.shape[1],
        weighted=problem.weight is not None,
        validates=problem.validation is not None,
        n_rows=problem.n_train if estimator.mixup_alpha else 0,
        dropout=parameters.dropout(estimator, n_hidden),
        input_noise=estimator.input_noise > 0,
        mixup=estimator.mixup_alpha > 0,
        l1=estimator.alpha > 0 and estimator.l1_ratio > 0,
        clips=bounded is not None or weight_decay(estimator) > 0,
        max_norm=estimator.max_norm is not None,
        average=estimator.ema_decay is not None,
    )


# What else helps where a number does not suit numbers of so many bytes.
_WIDER = {4: ", or dtype='float64'", 8: ""}
# Numbers that must be numbers in the network's dtype, too. Bounds need not: an infinite
# one bounds nothing.
_NOT_ZERO = ("epsilon", "norm_epsilon", "huber_delta")
_FINITE = (
    *_NOT_ZERO,
    "alpha",
    "learning_rate_init",
    "weight_decay",
    "input_noise",
    "focal_gamma",
)


def check_range(estimator, dtype):
    """Raise if a parameter is infinite in a dtype, or 0 where it must not be."""
    largest = float(np.finfo(dtype).max)
    for name in _FINITE:
        value = getattr(estimator, name, None)
        if value is not None and float(value) > largest:
            raise ValueError(
                f"{name}={float(value):g} is infinite in {dtype}; use a smaller one"
                f"{_WIDER[dtype.itemsize]}."
            )
    for name in _NOT_ZERO:
        if dtype.type(getattr(estimator, name, 1)) == 0:
            raise ValueError(
                f"{name}={getattr(estimator, name):g} is 0 in {dtype}; use a "
                f"larger one{_WIDER[dtype.itemsize]}."
            )


def set_constants(network, estimator, objective):
    """Put what the passes and the loss depend on into the arena."""
    net, arena = network.net, network.arena
    arena[net[at.CONSTANTS0] + at.INPUT_NOISE] = estimator.input_noise
    start = net[at.LOSS_PARAMETERS0]
    arena[start : start + len(objective.constants)] = objective.constants


def set_hyper(network, estimator, objective):
    """Put the solver's and the penalties' numbers into the vector of hyper-parameters.

    A weight pass with phases finishes gradients itself; without, the solver adds the
    L2 penalty on its way.
    """
    hyper = network.hyper
    hyper[at.MOMENTUM] = estimator.momentum
    hyper[at.NESTEROV] = estimator.nesterovs_momentum
    hyper[at.DAMPENING] = estimator.dampening
    hyper[at.BETA_1] = estimator.beta_1
    hyper[at.BETA_2] = estimator.beta_2
    hyper[at.RHO] = estimator.rho
    hyper[at.EPSILON] = estimator.epsilon
    hyper[at.TINY] = np.finfo(network.dtype).tiny * 8
    hyper[at.POWER_1] = hyper[at.POWER_2] = hyper[at.POWER_MU] = 1.0
    hyper[at.LOSS_SCALE] = loss_scale(estimator, objective)
    hyper[at.COUNT_BY_WEIGHT] = estimator._continues
    if network.net[at.WEIGHT_PHASES] == 1:
        hyper[at.ALPHA] = hyper[at.L2] = estimator.alpha
        return
    hyper[at.ALPHA] = hyper[at.FINISHED] = 1.0
    hyper[at.PENALTY_1] = estimator.alpha * estimator.l1_ratio
    hyper[at.PENALTY_2] = estimator.alpha * (1.0 - estimator.l1_ratio)
    hyper[at.CLIP_NORM] = estimator.gradient_clip_norm or 0.0
    hyper[at.CLIP_VALUE] = estimator.gradient_clip_value or np.inf
    hyper[at.DECAY] = weight_decay(estimator)
    hyper[at.MAX_NORM] = estimator.max_norm or 0.0
    hyper[at.AVERAGE_DECAY] = estimator.ema_decay or 0.0


def loss_scale(estimator, objective):
    """Return 1 / outputs where scikit-learn reports a mean over outputs, else 1.

    Its gradient is that of the sum; the estimators that only have to agree with
    themselves report the sum.
    """
    mean = objective.kind == "regression" and objective.loss == "squared_error"
    return 1.0 / objective.n_outputs if mean and not estimator._continues else 1.0


def training_targets(estimator, objective, Y):
    """Return the targets to train on: labels smoothed."""
    share = getattr(estimator, "label_smoothing", 0.0)
    return targets.smooth(objective, Y, share) if share else Y


def check_batch(architecture, size):
    """Raise if batch normalisation would see one sample at a time."""
    if architecture.norm == "batch" and size == 1:
        raise ValueError(
            "batch_norm has no statistics of one sample: give more samples and a "
            "batch_size of at least 2, or use layer_norm."
        )


def batch_size(estimator, n):
    """Return the rows of a mini-batch, at most n."""
    if isinstance(estimator.batch_size, str):
        return n if estimator.batch_size == "full" else min(200, n)
    if estimator.batch_size > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than "
            "sample size. It is going to be clipped",
            stacklevel=5,
        )
    return int(min(estimator.batch_size, n))
