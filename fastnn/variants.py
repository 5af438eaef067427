"""Names of activations, losses and solvers, and the compiled units behind them."""

from dataclasses import dataclass

from .kernels import activations, losses, optimizers

# name: (forward, backward)
ACTIVATIONS = {
    "identity": (activations.identity, activations.backward_identity),
    "logistic": (activations.logistic_, activations.backward_logistic),
    "tanh": (activations.tanh_, activations.backward_tanh),
    "relu": (activations.relu, activations.backward_relu),
}

OUTPUTS = {
    "identity": losses.output_identity,
    "logistic": losses.output_logistic,
    "softmax": losses.output_softmax,
    "exp": losses.output_exp,
}

# (loss, output activation): the unit that computes both at once
LOSSES = {
    ("log_loss", "softmax"): losses.softmax_log_loss,
    ("log_loss", "logistic"): losses.logistic_log_loss,
    ("squared_error", "identity"): losses.squared_error,
    ("poisson", "exp"): losses.exp_poisson,
}


# losses of regression: the output activation that goes with each
REGRESSION_LOSSES = {"squared_error": "identity", "poisson": "exp"}


@dataclass(frozen=True)
class Solver:
    """A solver's units and the number of parameter-sized slots it keeps."""

    update: object
    n_slots: int
    begin: object = optimizers.begin_plain


SOLVERS = {
    "sgd": Solver(optimizers.sgd, 1),
    "adam": Solver(optimizers.adam, 2, optimizers.begin_adam),
    "lbfgs": Solver(optimizers.keep_gradient, 0),
}
