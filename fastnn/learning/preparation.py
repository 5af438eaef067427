"""From what a user gives to `fit` to a problem that the kernels can work on.

validate -> weigh -> encode targets -> architecture -> validation samples
"""

import warnings
from contextlib import contextmanager

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.utils import check_array
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    validate_data,
)

from ..inputs import class_weights, options, targets
from ..inputs.matrices import check_places
from ..inputs.missing import check_dates, check_there
from ..inputs.objective import resolve
from ..inputs.parameters import check_memory, dropout
from ..kernels import _jit
from ..structure import weights
from ..structure.network import Rows, for_kernels
from .records import Problem
from .validation import Validation

DTYPES = {
    "auto": (np.float64, np.float32),
    "float32": np.float32,
    "float64": np.float64,
}


_BOTH_WEIGHTS = "class_weight times sample_weight"


def check_parameters(estimator):
    """Validate the constructor's parameters, and say if kernels cannot be kept."""
    if not get_config()["skip_parameter_validation"]:
        estimator._validate_params()
    tell_of_cache()


def tell_of_cache():
    """Warn, once, if kernels cannot be kept."""
    problem = _jit.CACHE_PROBLEM
    if problem and problem not in _told:
        _told.add(problem)
        warnings.warn(
            "Compiled kernels cannot be kept between processes, so each process "
            f"compiles them again ({problem}). Set NUMBA_CACHE_DIR to a folder that "
            "only you can write to.",
            UserWarning,
            stacklevel=4,
        )


_told: set = set()


def prepare(
    estimator,
    X,
    y,
    sample_weight,
    incremental,
    held_out=(None, None, None),
    subset=None,
):
    """Validate everything.

    Sets `n_features_in_`, the labels' attributes and `n_outputs_`.

    Parameters
    ----------
    held_out : tuple
        X, y and weights of the user's own validation samples.
    subset : Subset or None
        Where X is shared with other fits: which of its rows y and the weights are
        about.

    Returns
    -------
    problem : Problem
    architecture : Architecture
    objective : Objective
    first : bool
        Whether the network begins anew.
    """
    first = not hasattr(estimator, "coefs_") or (
        not estimator.warm_start and not incremental
    )
    dtype = DTYPES[estimator.dtype]
    if not first:
        dtype = weights.read(estimator)[0].dtype
    if subset is None:
        X, y = _validate(estimator, X, y, dtype, first)
    else:
        X, y = subset.validate(estimator, X, y, dtype)
    options.check_range(estimator, X.dtype)
    y = targets.flat(y)
    if not estimator._is_regressor():
        _learn_labels(estimator, y, incremental)
    kind = targets.kind_of(estimator)
    objective = resolve(estimator, kind, targets.n_targets_of(estimator, y))
    Y = targets.encode(estimator, objective, y, X.dtype)
    architecture = options.architecture_of(estimator, X.shape[1], objective)
    if first:
        check_memory(architecture, X.dtype)
    else:
        _check_shapes(estimator, architecture)
    estimator.n_outputs_ = objective.n_outputs
    if objective.output == "quantiles":
        estimator._quantiles = objective.parameters
    user_weight = check_weight(sample_weight, y, X.dtype)
    weight, of_class = _weigh(estimator, X, y, user_weight, incremental)
    _check_sparse(estimator, X, architecture.n_hidden)
    problem = Problem(Rows(for_kernels(X)), Y, X, y, weight, user_weight=user_weight)
    if subset is not None:
        subset.spread(problem)
    if any(given is not None for given in held_out):
        problem.validation = _validation(
            estimator, objective, problem.rows, of_class, *held_out
        )
    return problem, architecture, objective, first


def _validate(estimator, X, y, dtype, first):
    """Return X and y as arrays, or X in CSR format, or raise."""
    check_places(X)
    check_places(y, "y")
    check_there(y)
    numbers, y = validate_data(
        estimator,
        X,
        y,
        accept_sparse="csr",
        multi_output=True,
        y_numeric=estimator._is_regressor(),
        dtype=dtype,
        order="C",
        reset=first,
    )
    check_dates(X, numbers)
    return numbers, y


def _learn_labels(estimator, y, incremental):
    """Take over y's labels, or check them against those that are known."""
    known = hasattr(estimator, "classes_")
    with targets.comparable(y):
        if known and (estimator.warm_start or incremental):
            targets.check_labels(estimator, y, incremental)
        else:
            targets.fit_labels(estimator, y)


def _check_shapes(estimator, architecture):
    """Raise if a fit that goes on has another architecture."""
    _, known = weights.read(estimator)
    if known.sizes != architecture.sizes:
        raise ValueError(
            f"The network has layers of {known.sizes} units, but hidden_layer_sizes, "
            f"the loss and the data ask for {architecture.sizes}. Set "
            "warm_start=False to start anew."
        )
    flags = known.norm, known.residual
    if flags != (architecture.norm, architecture.residual):
        raise ValueError(
            "batch_norm, layer_norm or residual has changed since the network was "
            "initialised. Set warm_start=False to start anew."
        )


def _check_sparse(estimator, X, n_hidden):
    """Raise if rows are to be changed that are not dense."""
    shares = dropout(estimator, n_hidden)  # raises for a wrong list
    if not hasattr(X, "indptr"):
        return
    dropped = shares and shares[0]
    for name, used in (
        ("input_noise", estimator.input_noise),
        ("mixup_alpha", estimator.mixup_alpha),
        ("augmentation", estimator.augmentation is not None),
        ("dropout of the inputs", dropped),
    ):
        if used:
            raise ValueError(
                f"{name} needs a dense X; leave it out, or pass X.toarray()."
            )


def _weigh(estimator, X, y, weight, incremental):
    """Return samples' weights as an array of X's dtype, or None, and the classes'."""
    given = getattr(estimator, "class_weight", None)
    if given is None:
        return weight, None
    if incremental and isinstance(given, str):
        raise ValueError(
            "class_weight='balanced' is not supported for partial_fit, which sees a "
            "part of the samples only. Compute the weights beforehand with "
            "sklearn.utils.compute_class_weight and pass them as a dict."
        )
    of_class = class_weights.tables(given, estimator.classes_, y)
    product = _times_class_weight(of_class, y, weight, X.dtype)
    # A part of the samples may be of weightless classes alone; it changes nothing.
    some_class_counts = any(any(table.values()) for table in of_class)
    if not product.any() and not (incremental and some_class_counts):
        raise ValueError("class_weight must not make all samples weightless.")
    return product, of_class


def _times_class_weight(of_class, y, weight, dtype):
    """Return samples' weights times those of their classes."""
    with np.errstate(over="ignore", invalid="ignore"):  # checked below
        product = class_weights.of_samples(of_class, y)
        if weight is not None:
            product = product * weight
        rounded = np.ascontiguousarray(product, dtype=dtype)
    _check_sum(rounded, "class_weight" if weight is None else _BOTH_WEIGHTS)
    if product.any() and not rounded.any():
        raise ValueError(
            f"class_weight must not be so small that all weights are 0 in {dtype}."
        )
    return rounded


def check_weight(sample_weight, y, dtype):
    """Return the weights of the rows of y as an array, None for None, or raise."""
    if sample_weight is None:
        return None
    try:
        with np.errstate(over="ignore"):  # checked below
            weight = _check_sample_weight(sample_weight, y, dtype=dtype)
    except OverflowError as error:
        raise ValueError(f"sample_weight: {error}") from error
    _check_sum(weight, "sample_weight")
    if (weight < 0).any():
        raise ValueError("sample_weight must not be negative.")
    if not weight.any():
        raise ValueError("sample_weight must not be zero for all samples.")
    return weight


def _check_sum(weight, name):
    """Raise if weights or their sum are not finite, whatever is assumed of X."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = weight.dtype.type(np.sum(weight, dtype=np.float64))
    if not np.isfinite(total):
        raise ValueError(
            f"{name} must be finite, and so must the sum over all samples; got "
            f"{total} in {weight.dtype}. Divide the weights by the largest one."
        )


@contextmanager
def _naming(name):
    """Put an argument's name before the message of an error."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from error


def _validation(estimator, objective, rows, of_class, X_val, y_val, sample_weight_val):
    """Return the user's own validation samples, or raise."""
    if X_val is None or y_val is None:
        raise ValueError(
            "X_val and y_val must be given together, and sample_weight_val only with "
            "them."
        )
    dtype = rows.numbers.dtype
    with _naming("X_val"):
        check_places(X_val)
        X = validate_data(
            estimator, X_val, accept_sparse="csr", dtype=dtype, order="C", reset=False
        )
        check_dates(X_val, X)
        if sparse.issparse(X) != rows.sparse:  # the network reads one form only
            X = sparse.csr_matrix(X) if rows.sparse else X.toarray()
    regression = estimator._is_regressor()
    with _naming("y_val"):
        check_places(y_val, "y")
        check_there(y_val)
        y = check_array(
            y_val,
            accept_sparse=False if regression else "csr",
            ensure_2d=False,
            dtype=dtype if regression else None,
        )
        y = targets.flat(y)
        check_consistent_length(X, y)
        columns = 1 if y.ndim == 1 else y.shape[1]
        expected = 1 if objective.output == "quantiles" else objective.n_outputs
        if regression and columns != expected:
            raise ValueError(f"{columns} columns, but y has {expected}.")
        if not regression:
            targets.check_known(estimator, y, "y_val")
        Y = targets.encode(estimator, objective, y, dtype)
    with _naming("sample_weight_val"):
        user_weight = weight = check_weight(sample_weight_val, y, X.dtype)
    if of_class is not None:
        weight = _times_class_weight(of_class, y, weight, X.dtype)
        if not weight.any():
            raise ValueError("y_val has none but weightless classes of class_weight.")
    order = np.empty(0, np.int64)
    return Validation(Rows(for_kernels(X)), order, Y, weight, X, y, user_weight)
