"""What values the constructor's parameters may have, in scikit-learn's own form."""

import os
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .network import count_parameters
from .variants import ACTIVATIONS, REGRESSION_LOSSES, SOLVERS

CONSTRAINTS = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "solver": [StrOptions(set(SOLVERS))],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "dtype": [StrOptions({"auto", "float32", "float64"})],
    "n_threads": [None, Interval(Integral, 1, None, closed="left")],
}


def hidden_sizes(hidden_layer_sizes):
    """Return the hidden layers' sizes as a list of int, or raise."""
    if not hasattr(hidden_layer_sizes, "__iter__"):
        hidden_layer_sizes = [hidden_layer_sizes]
    sizes = list(hidden_layer_sizes)
    if any(
        isinstance(size, bool | np.bool_) or not isinstance(size, Integral)
        for size in sizes
    ):
        raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def check_loss(estimator):
    """Raise if the loss does not suit the task."""
    suitable = {"auto", "log_loss"}
    if estimator._is_regressor():
        suitable = {"auto", *REGRESSION_LOSSES}
    if estimator.loss not in suitable:
        raise ValueError(
            f"loss={estimator.loss!r} does not suit task={estimator.task!r}; use one "
            f"of {sorted(suitable)}."
        )


def check_memory(sizes, dtype):
    """Raise MemoryError if the network cannot fit, before anything is allocated.

    A system that promises more memory than it has would end the process instead.
    Training holds a parameter some sixteen times: packed, transposed, its gradient,
    the solver's slots, and two copies of all that changes.
    """
    n_params = count_parameters(sizes)
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
