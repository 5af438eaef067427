"""What a network is to minimise: the loss, the output activation, and the targets."""

from dataclasses import dataclass

from ..structure.variants import (
    CLASSIFICATION_LOSSES,
    CODED_LOSSES,
    LOSSES,
    REGRESSION_LOSSES,
)
from .parameters import quantiles
from .targets import threshold_of


@dataclass(frozen=True)
class Objective:
    """A loss, and the form in which it wants outputs and targets.

    Attributes
    ----------
    kind : {"regression", "binary", "multiclass", "multilabel"}
    loss, output : str
        Names of loss and output activation.
    record : variants.Loss
    n_outputs : int
    codes : bool
        Whether targets of several classes are class codes, not indicators.
    parameters : tuple of float
        Numbers that the loss depends on.
    """

    kind: str
    loss: str
    output: str
    record: object
    n_outputs: int
    codes: bool
    parameters: tuple = ()

    @property
    def constants(self):
        """The parameters as kernels read them."""
        if self.loss == "tweedie":
            return (2.0 - self.parameters[0],)
        return self.parameters

    @property
    def threshold(self):
        """The output above which a label holds."""
        return threshold_of(self.output)


def resolve(estimator, kind, n_targets):
    """Return the objective that an estimator's parameters ask for, or raise.

    Parameters
    ----------
    estimator : MLPEstimator
    kind : str
    n_targets : int
        Columns of y for regression and multilabel, else the number of classes.
    """
    loss = estimator._loss_name()
    table = REGRESSION_LOSSES if kind == "regression" else CLASSIFICATION_LOSSES
    if loss not in table:
        raise ValueError(
            f"loss={estimator.loss!r} does not suit {_task(kind)}; use one of "
            f"{sorted({'auto', *table})}."
        )
    output = _output(estimator, kind, loss, table[loss])
    n_outputs = n_targets
    if kind == "binary":
        n_outputs = 2 if output == "softmax" else 1
    parameters = _parameters(estimator, loss)
    if output == "quantiles":
        if n_targets > 1:
            raise ValueError(
                "quantile with several levels needs targets y of one column, got "
                f"{n_targets}; fit one network per column."
            )
        n_outputs = len(parameters)
    mixes = bool(estimator.mixup_alpha) or bool(_smoothing(estimator))
    if loss == "hinge" and mixes:
        raise ValueError(
            "loss='hinge' needs one class per sample; leave out label_smoothing and "
            "mixup_alpha, or use another loss."
        )
    coded = (loss, output) in CODED_LOSSES and n_outputs > 1
    coded = coded and kind in ("binary", "multiclass") and not mixes
    record = CODED_LOSSES[loss, output] if coded else LOSSES[loss, output]
    return Objective(kind, loss, output, record, n_outputs, coded, parameters)


def _task(kind):
    return "task='regression'" if kind == "regression" else "task='classification'"


def _smoothing(estimator):
    return getattr(estimator, "label_smoothing", 0.0)


def _output(estimator, kind, loss, suitable):
    """Return the output activation: the one asked for, or the loss's own."""
    suitable = list(suitable)
    if kind == "multilabel":
        suitable = [name for name in suitable if name != "softmax"]
    asked = estimator.output_activation
    if loss == "quantile" and len(quantiles(estimator)) > 1:
        suitable = ["quantiles"]
    elif asked != "auto":
        if asked not in suitable:
            raise ValueError(
                f"output_activation={asked!r} does not go with loss={loss!r} for "
                f"{kind} targets; use 'auto' or one of {sorted(suitable)}."
            )
        return asked
    if asked != "auto":
        raise ValueError(
            f"output_activation={asked!r} does not go with several quantiles, whose "
            "outputs are kept in order; use 'auto'."
        )
    if kind == "multiclass" and "softmax" in suitable:
        return "softmax"
    return suitable[0]


def _parameters(estimator, loss):
    """Return the numbers that a loss depends on."""
    if loss == "quantile":
        return tuple(quantiles(estimator))
    names = {
        "huber": "huber_delta",
        "tweedie": "tweedie_power",
        "focal": "focal_gamma",
    }
    return (float(getattr(estimator, names[loss])),) if loss in names else ()
