"""Names of activations, outputs, losses and solvers, and the units behind them."""

from dataclasses import dataclass

from ..kernels import (
    activations,
    adaptive,
    classification_losses,
    deviances,
    losses,
    optimizers,
    outputs,
    quantile_losses,
    value_losses,
)


@dataclass(frozen=True)
class Activation:
    """A hidden layer's activation.

    Attributes
    ----------
    forward, backward : Unit
    reads_z : bool
        Whether the derivative is computed from z; if not, from f(z).
    """

    forward: object
    backward: object
    reads_z: bool = False


@dataclass(frozen=True)
class Output:
    """An output activation and its derivative."""

    forward: object
    backward: object = None


@dataclass(frozen=True)
class Loss:
    """A loss of raw outputs.

    Attributes
    ----------
    unit : Unit
    value : Unit or None
        Of a composed loss, the loss as a function of the output's value.
    """

    unit: object
    value: object = None


@dataclass(frozen=True)
class Solver:
    """A solver's units and the number of parameter-sized slots it keeps."""

    update: object
    n_slots: int
    begin: object = optimizers.begin_plain


ACTIVATIONS = {
    "identity": Activation(activations.identity, activations.backward_identity),
    "logistic": Activation(activations.logistic_, activations.backward_logistic),
    "tanh": Activation(activations.tanh_, activations.backward_tanh),
    "relu": Activation(activations.relu, activations.backward_relu),
    "leaky_relu": Activation(activations.leaky_relu, activations.backward_leaky_relu),
    "elu": Activation(activations.elu, activations.backward_elu),
    "selu": Activation(activations.selu, activations.backward_selu),
    "gelu": Activation(activations.gelu, activations.backward_gelu, reads_z=True),
    "silu": Activation(activations.silu, activations.backward_silu, reads_z=True),
    "mish": Activation(activations.mish, activations.backward_mish, reads_z=True),
    "softplus": Activation(
        activations.softplus, activations.backward_softplus, reads_z=True
    ),
    "step": Activation(
        activations.step, activations.backward_straight_through, reads_z=True
    ),
    "sign": Activation(
        activations.sign, activations.backward_straight_through, reads_z=True
    ),
}


def activation_of(given):
    """Return the activation behind a name, or behind one of a user's own."""
    return ACTIVATIONS[given] if isinstance(given, str) else given._record


OUTPUTS = {
    "identity": Output(outputs.output_identity, outputs.backward_identity),
    "logistic": Output(outputs.output_logistic, outputs.backward_logistic),
    "softmax": Output(outputs.output_softmax, outputs.backward_softmax),
    "tanh": Output(outputs.output_tanh, outputs.backward_tanh),
    "exp": Output(outputs.output_exp, outputs.backward_exp),
    "softplus": Output(outputs.output_softplus, outputs.backward_softplus),
    "quantiles": Output(outputs.output_quantiles),
}

# Losses of an output's value, which go with every output activation of one's own.
_VALUE_LOSSES = {
    "squared_error": value_losses.squared_error,
    "absolute_error": value_losses.absolute_error,
    "huber": value_losses.huber,
    "log_cosh": value_losses.log_cosh,
    "quantile": value_losses.quantile,
}
_COMPOSED = ("logistic", "softmax", "tanh", "exp", "softplus")

# (loss, output activation): targets are numbers, or indicators of classes
LOSSES = {
    ("log_loss", "logistic"): Loss(losses.logistic_log_loss),
    ("log_loss", "softmax"): Loss(losses.softmax_log_loss_dense),
    ("focal", "logistic"): Loss(classification_losses.logistic_focal),
    ("focal", "softmax"): Loss(classification_losses.softmax_focal),
    ("hinge", "identity"): Loss(value_losses.hinge),
    ("hinge", "tanh"): Loss(value_losses.composed_loss, value_losses.hinge),
    ("poisson", "exp"): Loss(deviances.exp_poisson),
    ("poisson", "softplus"): Loss(deviances.softplus_poisson),
    ("gamma", "exp"): Loss(deviances.exp_gamma),
    ("gamma", "softplus"): Loss(deviances.softplus_gamma),
    ("tweedie", "exp"): Loss(deviances.exp_tweedie),
    ("tweedie", "softplus"): Loss(deviances.softplus_tweedie),
    ("quantile", "quantiles"): Loss(quantile_losses.quantiles),
    **{(name, "identity"): Loss(unit) for name, unit in _VALUE_LOSSES.items()},
    **{
        (name, output): Loss(value_losses.composed_loss, unit)
        for name, unit in _VALUE_LOSSES.items()
        for output in _COMPOSED
    },
}

# the same where several classes exclude each other and targets are their codes
CODED_LOSSES = {
    ("log_loss", "softmax"): Loss(losses.softmax_log_loss),
    ("hinge", "identity"): Loss(classification_losses.hinge_multiclass),
}

# loss: the output activations that go with it; "auto" is the first, or softmax for
# several classes
_PROBABILITIES = ("logistic", "softmax")
CLASSIFICATION_LOSSES = {
    "log_loss": _PROBABILITIES,
    "focal": _PROBABILITIES,
    "hinge": ("identity", "tanh"),
    **dict.fromkeys(
        ("squared_error", "absolute_error", "huber", "log_cosh"), _PROBABILITIES
    ),
}
REGRESSION_LOSSES = {
    **dict.fromkeys(_VALUE_LOSSES, ("identity", *_COMPOSED)),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), ("exp", "softplus")),
    "log_loss": ("logistic",),
}

SOLVERS = {
    "sgd": Solver(optimizers.sgd, 1),
    "rmsprop": Solver(adaptive.rmsprop, 1),
    "adam": Solver(adaptive.adam, 2, adaptive.begin_adam),
    "adamw": Solver(adaptive.adam_corrected, 2, adaptive.begin_corrected),
    "nadam": Solver(adaptive.nadam, 2, adaptive.begin_nadam),
    "amsgrad": Solver(adaptive.amsgrad, 3, adaptive.begin_corrected),
    "adagrad": Solver(adaptive.adagrad, 1),
    "lion": Solver(adaptive.lion, 1),
    "lbfgs": Solver(optimizers.keep_gradient, 0),
}
