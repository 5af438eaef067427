"""What `fit`, `partial_fit` and `initialize` do, step by step.

validate -> encode targets -> initial weights -> solver -> publish
"""

import warnings
from contextlib import contextmanager

import numpy as np
from sklearn import get_config
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data

from . import initialization, lbfgs, targets, weights
from .callbacks import Reporter
from .kernels import _jit
from .network import Rows, for_kernels
from .parameters import check_loss, check_memory, hidden_sizes
from .records import History, Problem
from .training import Trainer, weight_attributes
from .variants import REGRESSION_LOSSES

# Attributes that belong to scikit-learn's callbacks and outlive a failed fit.
_FOREIGN = ("_skl_callbacks", "_callback", "_parent_callback")


@contextmanager
def transaction(estimator):
    """Put the estimator's attributes back if the block raises.

    An interrupt whose last whole epoch was published marks itself as kept.
    """
    before = dict(estimator.__dict__)
    stream = estimator.random_state
    if estimator._continues:
        stream = before.get("_random_state")
    if not isinstance(stream, np.random.RandomState):
        stream = None
    place = stream.get_state() if stream is not None else None
    try:
        yield
    except BaseException as error:
        if not getattr(error, "_fastnn_kept", False):
            if stream is not None:
                stream.set_state(place)
            foreign = {
                key: value
                for key, value in estimator.__dict__.items()
                if key.startswith(_FOREIGN)
            }
            estimator.__dict__.clear()
            estimator.__dict__.update({**before, **foreign})
        raise


def fit(estimator, X, y, sample_weight, incremental, classes=None):
    """Fit for one call of `fit` or `partial_fit`."""
    _check_parameters(estimator)
    with transaction(estimator):
        if incremental and estimator.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if incremental:
            estimator._learn_classes(y, classes)
        problem, sizes, first = _prepare(estimator, X, y, sample_weight, incremental)
        _set_random_state(estimator, first)
        if first:
            _initialize_weights(estimator, sizes, problem.Y.dtype)
        n_epochs = 1 if incremental else estimator.max_iter
        reporter = Reporter(estimator, n_epochs, X, y, sample_weight)
        if estimator.solver == "lbfgs":
            _fit_lbfgs(estimator, problem, sizes, reporter)
        else:
            _fit_stochastic(estimator, problem, sizes, reporter, incremental)


def initialize(estimator, X, y):
    """Allocate and initialise without training."""
    _check_parameters(estimator)
    with transaction(estimator):
        for name in ("coefs_", "intercepts_", "classes_"):
            estimator.__dict__.pop(name, None)
        problem, sizes, _ = _prepare(estimator, X, y, None, incremental=False)
        _set_random_state(estimator, first=True)
        _initialize_weights(estimator, sizes, problem.Y.dtype)


def _check_parameters(estimator):
    """Validate the constructor's parameters, and say if kernels cannot be kept."""
    if not get_config()["skip_parameter_validation"]:
        estimator._validate_params()
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


def _prepare(estimator, X, y, sample_weight, incremental):
    """Validate everything; return the problem, the sizes, and if this is the first.

    Sets `n_features_in_`, the labels' attributes and `n_outputs_`.
    """
    check_loss(estimator)
    hidden = hidden_sizes(estimator.hidden_layer_sizes)
    first = not hasattr(estimator, "coefs_") or (
        not estimator.warm_start and not incremental
    )
    regression = estimator._is_regressor()
    dtypes = {
        "auto": (np.float64, np.float32),
        "float32": np.float32,
        "float64": np.float64,
    }
    X, y = validate_data(
        estimator,
        X,
        y,
        accept_sparse="csr",
        multi_output=True,
        y_numeric=regression,
        dtype=dtypes[estimator.dtype] if first else weights.read(estimator)[0].dtype,
        order="C",
        reset=first,
    )
    y = targets.flat(y)
    if regression:
        Y, n_outputs = targets.encode_values(estimator, y, X.dtype)
    else:
        known = hasattr(estimator, "classes_")
        if known and (estimator.warm_start or incremental):
            targets.check_labels(estimator, y)
        else:
            targets.fit_labels(estimator, y)
        Y, n_outputs = targets.encode_labels(estimator, y, X.dtype)
    sizes = (X.shape[1], *hidden, n_outputs)
    if first:
        check_memory(sizes, X.dtype)
    else:
        _check_sizes(estimator, sizes)
    estimator.n_outputs_ = n_outputs
    weight = _check_weight(sample_weight, X)
    return Problem(Rows(for_kernels(X)), Y, weight), sizes, first


def _check_sizes(estimator, sizes):
    """Raise if a fit that goes on has another architecture."""
    _, known = weights.read(estimator)
    if known != sizes:
        raise ValueError(
            f"The network has layers of {known} units, but hidden_layer_sizes and "
            f"the data ask for {sizes}. Set warm_start=False to start anew."
        )


def _check_weight(sample_weight, X):
    """Return the weights as an array of X's dtype, or None."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
    if (weight < 0).any():
        raise ValueError("sample_weight must not be negative.")
    if not weight.any():
        raise ValueError("sample_weight must not be zero for all samples.")
    return np.ascontiguousarray(weight)


def _set_random_state(estimator, first):
    """Set `_random_state`; what continues exactly keeps the one that it has."""
    if estimator._continues and not first and hasattr(estimator, "_random_state"):
        return
    state = check_random_state(estimator.random_state)
    if estimator._continues and estimator.random_state is None:
        state = np.random.RandomState(state.randint(np.iinfo(np.int32).max))
    estimator._random_state = state
    estimator._split_seed = None


def _output_activation(estimator):
    """Return the output activation that goes with the loss and the targets."""
    if estimator._is_regressor():
        return REGRESSION_LOSSES[estimator._loss_name()]
    several = estimator._label_binarizer.y_type_ == "multiclass"
    return "softmax" if several else "logistic"


def _initialize_weights(estimator, sizes, dtype):
    """Draw the weights and reset all that training records."""
    estimator.n_iter_ = 0
    estimator.t_ = 0
    estimator.n_layers_ = len(sizes)
    estimator.out_activation_ = _output_activation(estimator)
    coefs, intercepts = initialization.glorot_uniform(
        sizes, estimator.activation, estimator._random_state, dtype
    )
    theta = weights.as_vector(coefs, intercepts, dtype)
    weights.Shared(theta, sizes).publish(estimator)
    _reset_records(estimator)
    if estimator.solver != "lbfgs":
        estimator.__dict__.update(_history_attributes(_new_history(estimator)))


def _reset_records(estimator):
    """Forget what training by mini-batches recorded, and the solver's state."""
    estimator._optimizer = None
    for name in (
        "loss_",
        "loss_curve_",
        "best_loss_",
        "validation_scores_",
        "best_validation_score_",
    ):
        estimator.__dict__.pop(name, None)


def _new_history(estimator):
    if estimator.early_stopping:
        return History(best_loss=None, validation_scores=[], best_score=-np.inf)
    return History()


def _history_of(estimator):
    """Return what earlier calls recorded, as a history to extend.

    `n_iter_` counts from 0 in each call, as in scikit-learn, but for estimators
    that continue exactly; and under `warm_start` scikit-learn returns to the best
    weights of the call, or keeps the last ones if none was better than before.
    """
    if not hasattr(estimator, "loss_curve_"):  # fitted by L-BFGS before
        return _new_history(estimator)
    history = History(
        loss_curve=list(estimator.loss_curve_),
        best_loss=estimator.best_loss_,
        validation_scores=estimator.validation_scores_,
        best_score=estimator.best_validation_score_,
        no_improvement=estimator._no_improvement_count,
        t=estimator.t_,
        n_iter=estimator.n_iter_ if estimator._continues else 0,
    )
    if estimator.early_stopping != (history.validation_scores is not None):
        fresh = _new_history(estimator)
        fresh.loss_curve, fresh.t, fresh.n_iter = (
            history.loss_curve,
            history.t,
            history.n_iter,
        )
        return fresh
    if estimator.early_stopping:
        history.validation_scores = list(history.validation_scores)
    return history


def _history_attributes(history):
    """Return the fitted attributes that a history stands for."""
    attributes = {
        "loss_curve_": history.loss_curve,
        "best_loss_": history.best_loss,
        "validation_scores_": history.validation_scores,
        "best_validation_score_": history.best_score,
        "_no_improvement_count": history.no_improvement,
        "n_iter_": history.n_iter,
        "t_": history.t,
    }
    if history.loss_curve:
        attributes["loss_"] = history.loss_curve[-1]
    return attributes


def _split(estimator, problem):
    """Set validation rows aside, as scikit-learn splits them for the same seed."""
    stratify = None
    if not estimator._is_regressor() and _is_stratified(estimator, problem):
        stratify = problem.Y[:, 0]
    random_state = estimator._random_state
    if estimator._continues:  # the same split in each call
        if getattr(estimator, "_split_seed", None) is None:
            estimator._split_seed = random_state.randint(np.iinfo(np.int32).max)
        random_state = estimator._split_seed
    problem.train, problem.validation = train_test_split(
        np.arange(problem.rows.n, dtype=np.int64),
        random_state=random_state,
        test_size=estimator.validation_fraction,
        stratify=stratify,
    )
    if len(problem.validation) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    for name in ("train", "validation"):
        weight = problem.weight
        if weight is not None and not weight[getattr(problem, name)].any():
            raise ValueError(
                f"sample_weight is zero for all {name} samples of early stopping."
            )


def _is_stratified(estimator, problem):
    """Return whether the split keeps the classes' proportions.

    scikit-learn stratifies two classes only; what need not agree with it stratifies
    all, where there are rows enough of each.
    """
    if estimator._label_binarizer.y_type_.startswith("multilabel"):
        return False
    if not estimator._continues:
        return estimator.n_outputs_ == 1
    _, counts = np.unique(problem.Y[:, 0], return_counts=True)
    n = problem.rows.n
    smaller = min(estimator.validation_fraction, 1 - estimator.validation_fraction)
    return counts.min() >= 2 and int(n * smaller) >= len(counts)


def _fit_stochastic(estimator, problem, sizes, reporter, incremental):
    """Train by mini-batches and publish the result."""
    dtype = problem.Y.dtype
    if estimator.early_stopping:
        _split(estimator, problem)
    theta, _ = weights.read(estimator)
    keeps = incremental or estimator._continues
    state = estimator._optimizer if keeps else None
    if state is not None and not state.suits(estimator.solver, theta.size, dtype):
        state = None
    history = _history_of(estimator)
    trainer = Trainer(
        estimator,
        problem,
        sizes,
        (estimator._loss_name(), estimator.out_activation_),
        theta,
        state,
        history,
        estimator._random_state,
    )
    if estimator._continues and estimator.early_stopping and estimator.n_iter_:
        # What later epochs must beat is how these weights do on these rows.
        history.best_score, history.best_theta = trainer.validation_score(), theta
        history.no_improvement = 0
    n_epochs = 1 if incremental else estimator.max_iter
    try:
        trainer.run(n_epochs, reporter, incremental)
        _publish(estimator, trainer, sizes)
    except KeyboardInterrupt as error:
        if trainer.epochs_done():
            trainer.rewind()
            _publish(estimator, trainer, sizes)
            error._fastnn_kept = True
        raise
    reporter.end_fit(trainer.attributes)


def _publish(estimator, trainer, sizes):
    """Put the trained weights and all records on the estimator, in one go."""
    theta, state = trainer.finish()
    history = trainer.history
    if history.best_theta is not None:
        theta = history.best_theta.copy()
    _check_finite(theta, estimator)
    shared = weights.Shared(theta, sizes)
    estimator.__dict__.update(
        {
            **shared.attributes(),
            **_history_attributes(history),
            "_optimizer": state,
        }
    )


def _check_finite(theta, estimator):
    if not np.isfinite(theta).all():
        raise ValueError(
            "Solver produced non-finite parameter weights in its last epoch, with "
            f"learning rate {estimator.learning_rate_init:g}. The input data may "
            "contain large values and need to be preprocessed (for instance by "
            "StandardScaler), or learning_rate_init may be too large."
        )


def _fit_lbfgs(estimator, problem, sizes, reporter):
    """Train by L-BFGS and publish the result."""
    dtype = problem.Y.dtype
    theta, _ = weights.read(estimator)
    ends = (estimator._loss_name(), estimator.out_activation_)
    objective = lbfgs.Objective(estimator, problem, sizes, ends, dtype)
    last = {}
    try:
        theta, loss, n_iter = lbfgs.minimize(objective, theta, estimator, last)
    except KeyboardInterrupt as error:
        if last:
            theta = last["x"].astype(dtype)
            _reset_records(estimator)
            weights.Shared(theta, sizes).publish(estimator)
            estimator.loss_, estimator.n_iter_ = last["loss"], last["n_iter"]
            error._fastnn_kept = True
        raise
    _check_finite(theta, estimator)
    if not np.isfinite(loss):
        raise ValueError(
            "Solver produced non-finite parameter weights, or a loss that is not "
            f"finite: lbfgs ended with a loss of {loss}. The input data or the targets "
            "may contain large values and need to be preprocessed (for instance by "
            "StandardScaler)."
        )
    _reset_records(estimator)
    weights.Shared(theta, sizes).publish(estimator)
    estimator.loss_, estimator.n_iter_ = loss, n_iter
    reporter.end_fit(lambda: weight_attributes(theta, sizes))


def share_memory(estimator):
    """Make `coefs_` and `intercepts_` views of one vector again after unpickling.

    Read-only arrays, as from a memory-mapped file, stay where they are.
    """
    arrays = [*estimator.__dict__.get("coefs_", []), *estimator.intercepts_]
    if all(array.flags.writeable for array in arrays):
        weights.Shared(*weights.read(estimator)).publish(estimator)
