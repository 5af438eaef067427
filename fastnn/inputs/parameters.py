"""What values the constructor's parameters may have, in scikit-learn's own form."""

import os
import sys
from collections.abc import Mapping, Set
from numbers import Integral, Real

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from ..activations import Activation
from ..structure.variants import (
    ACTIVATIONS,
    CLASSIFICATION_LOSSES,
    OUTPUTS,
    REGRESSION_LOSSES,
    SOLVERS,
)


class Range(Interval):
    """An interval of numbers that a float can hold."""

    def is_satisfied_by(self, val):
        """Return whether a value is such a number."""
        return is_number(val) and super().is_satisfied_by(val)


class _Number(Range):
    """An interval of numbers that are no switches: True is not 1."""

    def is_satisfied_by(self, val):
        """Return whether a value is such a number."""
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def is_number(value):
    """Return whether a value is an int or a float that a float can hold."""
    if isinstance(value, Integral):
        return abs(int(value)) <= sys.float_info.max
    return isinstance(value, float | np.floating)


def _at_least_0(kind=_Number):
    return kind(Real, 0, None, closed="left")


def _above_0(kind=_Number):
    return kind(Real, 0, None, closed="neither")


def _share(kind=_Number):
    """Return what allows a number from 0 to below 1."""
    return kind(Real, 0, 1, closed="left")


# Array-like for scikit-learn, but layers and levels have an order.
_UNORDERED = (Mapping, Set)
_MOST_UNITS = 2**31 - 1
_COUNT = Range(Integral, 1, None, closed="left")
SCHEDULES = ("step", "exponential", "cosine", "one_cycle", "plateau")

# What scikit-learn's networks have as well, with its own idea of a number.
_KNOWN = {
    "hidden_layer_sizes": ["array-like", _COUNT],
    "activation": [StrOptions(set(ACTIVATIONS)), Activation, "array-like"],
    "solver": [StrOptions(set(SOLVERS))],
    "alpha": [_at_least_0(Range)],
    "batch_size": [StrOptions({"auto", "full"}), _COUNT],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", *SCHEDULES})],
    "learning_rate_init": [_above_0(Range)],
    "power_t": [_at_least_0(Range)],
    "max_iter": [_COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_at_least_0(Range)],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Range(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [_share(Range)],
    "beta_1": [_share(Range)],
    "beta_2": [_share(Range)],
    "epsilon": [_above_0(Range)],
    "n_iter_no_change": [_COUNT, Options(Real, {np.inf})],
    "max_fun": [_COUNT],
}

CONSTRAINTS = {
    **_KNOWN,
    "output_activation": [StrOptions({"auto", *OUTPUTS} - {"quantiles"})],
    "l1_ratio": [_Number(Real, 0, 1, closed="both")],
    "weight_decay": [_at_least_0(), None],
    "max_norm": [_above_0(), None],
    "dropout": [_share(), "array-like"],
    "input_noise": [_at_least_0()],
    "mixup_alpha": [_at_least_0()],
    "augmentation": [callable, None],
    "batch_norm": ["boolean"],
    "layer_norm": ["boolean"],
    "norm_epsilon": [_above_0()],
    "residual": ["boolean"],
    "weight_init": [
        StrOptions({"sklearn", "auto", "glorot", "he", "lecun", "orthogonal"})
    ],
    "gradient_clip_norm": [_above_0(), None],
    "gradient_clip_value": [_above_0(), None],
    "decay_rate": [_Number(Real, 0, 1, closed="right")],
    "decay_epochs": [_above_0()],
    "schedule_epochs": [_above_0(), None],
    "warmup": [_at_least_0()],
    "dampening": [_share()],
    "rho": [_share()],
    "validation_metric": [str, callable],
    "target_loss": [_Number(Real, None, None, closed="neither"), None],
    "ema_decay": [_share(), None],
    "quantile": [_Number(Real, 0, 1, closed="neither"), "array-like"],
    "huber_delta": [_above_0()],
    "tweedie_power": [_Number(Real, 1, 2, closed="both")],
    "focal_gamma": [_at_least_0()],
    "dtype": [StrOptions({"auto", "float32", "float64"})],
    "n_threads": [None, _COUNT],
}
LABEL_SMOOTHING = [_share()]
CLASS_WEIGHT = [dict, list, StrOptions({"balanced"}), None]
ALL_LOSSES = {*CLASSIFICATION_LOSSES, *REGRESSION_LOSSES}


def without(*names):
    """Return the constraints that all networks have, but for some."""
    return {key: value for key, value in CONSTRAINTS.items() if key not in names}


def hidden_sizes(hidden_layer_sizes):
    """Return the hidden layers' sizes as a list of int, or raise."""
    has_items = hasattr(hidden_layer_sizes, "__iter__")
    if not has_items or getattr(hidden_layer_sizes, "ndim", 1) == 0:
        hidden_layer_sizes = [hidden_layer_sizes]
    sizes = list(hidden_layer_sizes)
    if isinstance(hidden_layer_sizes, _UNORDERED):
        raise ValueError(
            "hidden_layer_sizes must be a list or a tuple, whose order counts; got "
            f"{hidden_layer_sizes!r}."
        )
    if any(
        isinstance(size, bool | np.bool_) or not isinstance(size, Integral)
        for size in sizes
    ):
        raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    if any(size > _MOST_UNITS for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be at most {_MOST_UNITS}, got {sizes}."
        )
    return [int(size) for size in sizes]


def activations(estimator, n_hidden):
    """Return the activation of each hidden layer, or raise."""
    given = estimator.activation
    if isinstance(given, str | Activation):
        return (given,) * n_hidden
    given = [given] if getattr(given, "ndim", 1) == 0 else given
    names = [name if isinstance(name, Activation) else str(name) for name in given]
    known = all(isinstance(name, Activation) or name in ACTIVATIONS for name in names)
    if not known or len(names) != n_hidden or isinstance(given, _UNORDERED):
        raise ValueError(
            "activation must be one name, or a list with one name per hidden layer "
            f"({n_hidden} here), each of {sorted(ACTIVATIONS)} or an "
            f"Activation; got {given!r}."
        )
    return tuple(names)


def dropout(estimator, n_hidden):
    """Return the share of dropped outputs per layer, inputs first, or ()."""
    given = estimator.dropout
    if isinstance(given, Real):
        return (0.0, *(float(given),) * n_hidden) if given and n_hidden else ()
    shares = tuple(_numbers(given))
    if len(shares) != n_hidden + 1 or not all(0 <= share < 1 for share in shares):
        raise ValueError(
            "dropout must be a number, or a list with one number for the inputs and "
            f"one per hidden layer ({n_hidden + 1} here), from 0 to below 1; got "
            f"{given!r}."
        )
    return shares if any(shares) else ()


def _numbers(values):
    """Return a list of float, or one of NaN if there is another thing in it."""
    try:
        values = [np.nan] if isinstance(values, _UNORDERED) else list(values)
    except TypeError:
        return [np.nan]
    sound = all(is_number(v) and not isinstance(v, bool) for v in values)
    return [float(v) for v in values] if sound else [np.nan]


def quantiles(estimator):
    """Return the levels of the quantile loss in ascending order, or raise."""
    levels = estimator.quantile
    given = np.array(_numbers([levels] if isinstance(levels, Real) else levels))
    if not given.size or not ((given > 0) & (given < 1)).all():
        raise ValueError(
            f"quantile must be a number, or a list of numbers, between 0 and 1; got "
            f"{estimator.quantile!r}."
        )
    if (np.diff(given) <= 0).any():
        raise ValueError(
            f"quantile must be a list in ascending order; got {estimator.quantile!r}."
        )
    return given


# parameter: the value that leaves it out
_STEPWISE = {
    "weight_decay": (None, 0),
    "max_norm": (None,),
    "dropout": (0,),
    "input_noise": (0,),
    "mixup_alpha": (0,),
    "augmentation": (None,),
    "gradient_clip_norm": (None,),
    "gradient_clip_value": (None,),
    "ema_decay": (None,),
    "target_loss": (None,),
    "warmup": (0,),
}


def check_combinations(estimator):
    """Raise if parameters that are valid alone do not go together."""
    _check_metric(estimator.validation_metric)
    if estimator.batch_norm and estimator.layer_norm:
        raise ValueError("Set batch_norm or layer_norm, not both.")
    if estimator._is_regressor():
        for name in ("label_smoothing", "class_weight"):
            if getattr(estimator, name, None) not in (None, 0):
                raise ValueError(f"{name} is for classification; leave it out.")
    if estimator.solver != "lbfgs":
        return
    used = [
        name
        for name, neutral in _STEPWISE.items()
        if not any(_is(getattr(estimator, name), value) for value in neutral)
    ]
    if used:
        raise ValueError(
            f"solver='lbfgs' works on all samples at once and without steps that "
            f"{', '.join(used)} could act on; leave out, or use another solver."
        )


def _check_metric(metric):
    """Raise if `validation_metric` names no scorer."""
    known = ("auto", "loss")
    if isinstance(metric, str) and metric not in (*known, *get_scorer_names()):
        raise ValueError(
            f"validation_metric must be 'auto', 'loss', the name of a scorer (see "
            f"sklearn.metrics.get_scorer_names) or a callable; got {metric!r}."
        )


def _is(value, neutral):
    """Return whether a parameter has its neutral value."""
    if neutral is None or value is None:
        return value is neutral
    values = [value] if isinstance(value, Real) else _numbers(value)
    return not any(values)


def check_memory(architecture, dtype):
    """Raise MemoryError if the network cannot fit, before anything is allocated.

    A system that promises more memory than it has would end the process instead.
    Training holds a parameter some sixteen times: packed, transposed, its gradient,
    the solver's slots, and two copies of all that changes.
    """
    n_params = architecture.n_params
    needed = n_params * (8 + 16 * np.dtype(dtype).itemsize)
    total = _physical_memory()
    if total and needed > total:
        raise MemoryError(
            f"hidden_layer_sizes and the data make a network of {n_params:,} "
            f"parameters; training it needs some {needed / 2**30:.1f} GiB, but the "
            f"machine has {total / 2**30:.1f} GiB. Use fewer units."
        )


def _physical_memory():
    """Return the machine's memory in bytes, or 0 if it cannot be told."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0
