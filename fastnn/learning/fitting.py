"""What `fit`, `partial_fit` and `initialize` do, step by step.

validate -> initial weights -> solver -> publish
"""

import copy
import sys
import warnings
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from .. import interrupts
from ..callbacks import Reporter
from ..inputs.parameters import check_combinations
from ..kernels import _jit
from ..structure import initialization, weights
from ..structure.architecture import NORM_PARTS, POPULATION_PARTS
from . import fitted, lbfgs, randomness, soundness, validation
from .preparation import check_parameters, prepare, tell_of_cache
from .training import Trainer
from .transaction import transaction


@transaction
def fit(
    estimator,
    X,
    y,
    sample_weight,
    incremental,
    classes=None,
    held_out=(None, None, None),
):
    """Fit for one call of `fit` or `partial_fit`."""
    check_parameters(estimator)
    check_combinations(estimator)
    with _saying_why(estimator):
        if incremental and estimator.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if held_out[0] is not None and estimator.solver == "lbfgs":
            raise ValueError(
                "solver='lbfgs' does not validate; leave out X_val and y_val, or use "
                "another solver."
            )
        if incremental:
            estimator._learn_classes(y, classes)
        problem, architecture, objective = _begin(
            estimator, X, y, sample_weight, incremental, held_out
        )
        n_epochs = 1 if incremental else estimator.max_iter
        reporter = Reporter(estimator, n_epochs, X, y, sample_weight)
        if estimator.solver == "lbfgs":
            _fit_lbfgs(estimator, problem, architecture, objective, reporter)
        else:
            _fit_stochastic(
                estimator, problem, architecture, objective, reporter, incremental
            )
    tell_of_cache()  # what this fit has found


@contextmanager
def _saying_why(estimator):
    """Say, if the estimator is to say anything, why a first fit takes its time."""
    told = []

    def tell():
        if not told:
            told.append(True)
            print(
                "Compiling kernels, once; `python -m fastnn warmup` does it ahead.",
                file=sys.stderr,
                flush=True,
            )

    token = _jit.TELL.set(tell if estimator.verbose else None)
    try:
        yield
    finally:
        _jit.TELL.reset(token)


def _begin(estimator, X, y, sample_weight, incremental, held_out, subset=None):
    """Return the problem, the architecture and the objective; draw first weights."""
    problem, architecture, objective, first = prepare(
        estimator, X, y, sample_weight, incremental, held_out, subset
    )
    _set_random_state(estimator, first)
    if first:
        _initialize_weights(estimator, architecture, problem.Y.dtype)
    return problem, architecture, objective


class Session:
    """A fit by mini-batches that someone else drives, on one thread.

    The estimator is not changed until `publish`, but for what `fit` sets before it
    trains; if anything raises, it is of no use.

    Parameters
    ----------
    estimator : MLPEstimator
        Not fitted.
    X, y : samples and targets
    subset : Subset or None
        Rows of X that y and the weights are about.
    sample_weight, X_val, y_val, sample_weight_val : as for `fit`
    """

    def __init__(
        self,
        estimator,
        X,
        y,
        subset=None,
        sample_weight=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        check_parameters(estimator)
        check_combinations(estimator)
        held_out = (X_val, y_val, sample_weight_val)
        parts = _begin(estimator, X, y, sample_weight, False, held_out, subset)
        _set_noise_seed(estimator)
        self.estimator = estimator
        self.trainer, self._measures = _trainer(estimator, *parts, n_threads=1)

    def advance(self, n_epochs, goes_on):
        """Train until there were n_epochs in all, or a reason to stop.

        goes_on : callable
            Asked between two calls of the kernels.

        Returns
        -------
        bool
            Whether there was a reason to stop.
        """
        trainer, stop = self.trainer, False
        while not stop and trainer.epochs_done() < n_epochs and goes_on():
            place = trainer.keep_place() if trainer.has_long_epochs else None
            try:
                with interrupts.heeded(place is not None):
                    trainer.prepare(n_epochs - trainer.epochs_done())
                    trainer()
                    stop = trainer.take()
            except KeyboardInterrupt:
                if place is not None:
                    trainer.go_back(place)
                if goes_on():
                    raise  # it comes from a function of the user's
                break
        return stop

    def publish(self, estimator):
        """Give an estimator the weights and the records; training may go on."""
        publish(estimator, self.trainer, self._measures)
        estimator._random_state = copy.deepcopy(self.estimator._random_state)


@transaction
def initialize(estimator, X, y):
    """Allocate and initialise without training."""
    check_parameters(estimator)
    check_combinations(estimator)
    weights.remove(estimator)
    estimator.__dict__.pop("classes_", None)
    problem, architecture, _, _ = prepare(estimator, X, y, None, incremental=False)
    _set_random_state(estimator, first=True)
    _initialize_weights(estimator, architecture, problem.Y.dtype)


def _set_random_state(estimator, first):
    """Set `_random_state`; what continues exactly keeps the one that it has."""
    if estimator._continues and not first and hasattr(estimator, "_random_state"):
        return
    state = check_random_state(estimator.random_state)
    if estimator._continues and estimator.random_state is None:
        state = np.random.RandomState(state.randint(np.iinfo(np.int32).max))
    estimator._random_state = state
    estimator._split_seed = None


def _initialize_weights(estimator, architecture, dtype):
    """Draw the weights and reset all that training records."""
    estimator.n_iter_ = 0
    estimator.t_ = 0
    estimator.n_layers_ = len(architecture.sizes)
    estimator.out_activation_ = architecture.output
    theta = _draw(estimator, architecture, dtype)
    weights.Shared(theta, architecture).publish(estimator)
    fitted.reset(estimator)
    estimator.__dict__.pop("_noise_seed", None)
    if estimator.solver != "lbfgs":
        history = fitted.new_history(estimator)
        estimator.__dict__.update(fitted.attributes(history))


def _draw(estimator, architecture, dtype):
    """Return initial parameters."""
    random_state, sizes = estimator._random_state, architecture.sizes
    if isinstance(estimator.activation, str) and estimator.weight_init == "sklearn":
        coefs, intercepts = initialization.glorot_uniform(
            sizes, estimator.activation, random_state, dtype
        )
    else:
        coefs, intercepts = initialization.draw(
            sizes, architecture.activations, estimator.weight_init, random_state, dtype
        )
    lists = {"coefs_": coefs, "intercepts_": intercepts}
    starts = {**NORM_PARTS, **POPULATION_PARTS}
    for part in architecture.parts[2 * architecture.n_layers :]:
        values = lists.setdefault(part.attribute, [None] * architecture.n_hidden)
        if part.attribute == "shortcut_coefs_":  # keeps the inputs' size on average
            values[part.layer] = initialization.matrix(
                *part.shape, None, "lecun", random_state
            )
        else:
            values[part.layer] = np.full(part.shape, starts[part.attribute])
    return weights.as_vector(lists, architecture, dtype)


def _set_noise_seed(estimator):
    """Draw the seed of masks and noise once, when they are first asked for."""
    if randomness.needs_seed(estimator) and not hasattr(estimator, "_noise_seed"):
        limit = np.iinfo(np.int32).max
        estimator._noise_seed = int(estimator._random_state.randint(limit))


def _fit_stochastic(estimator, problem, architecture, objective, reporter, incremental):
    """Train by mini-batches and publish the result."""
    _set_noise_seed(estimator)
    trainer, measures = _trainer(
        estimator, problem, architecture, objective, incremental, estimator.n_threads
    )
    if estimator._continues and estimator.early_stopping and estimator.n_iter_:
        # What later epochs must beat is how these weights do on these rows.
        history = trainer.history
        score = trainer.validate()[1]
        history.best_score = -np.inf if np.isnan(score) else score
        history.best_theta = weights.read(estimator)[0]
        history.no_improvement = 0
    n_epochs = 1 if incremental else estimator.max_iter
    try:
        trainer.run(n_epochs, reporter, incremental)
        publish(estimator, trainer, measures)
        _warn_of_scores(trainer.history)
    except KeyboardInterrupt as error:
        if trainer.epochs_done():
            trainer.rewind()
            with suppress(ValueError):  # not finite: the model from before stays
                publish(estimator, trainer, measures)
                estimator._kept_at = error
        raise
    reporter.end_fit(trainer.attributes)


def _warn_of_scores(history):
    """Say if early stopping had nothing to go by."""
    if history.validation_scores and history.best_score == -np.inf:
        warnings.warn(
            "No validation score was a number, so early stopping had nothing to go by: "
            "look at validation_metric, and at the samples to validate on.",
            UserWarning,
            stacklevel=4,
        )


def _trainer(
    estimator, problem, architecture, objective, incremental=False, n_threads=None
):
    """Return what trains, and what its losses and scores can be compared by."""
    if estimator.early_stopping and problem.validation is None:
        validation.split(estimator, objective, problem)
    theta, _ = weights.read(estimator)
    keeps = incremental or estimator._continues
    state = estimator._optimizer if keeps else None
    if state is not None:
        suits = state.suits(estimator.solver, theta.size, problem.Y.dtype)
        state = state if suits else None
    history = fitted.history_of(estimator)
    measures = _measures(estimator, objective)
    if estimator.__dict__.get("_measured", measures) != measures:
        history.forget_best()
        if state is not None:
            state = replace(state, plateau_best=np.inf, plateau_waits=0)
    trainer = Trainer(
        estimator,
        problem,
        architecture,
        objective,
        theta,
        state,
        history,
        estimator._random_state,
        n_threads,
    )
    return trainer, measures


def _measures(estimator, objective):
    """Return what tells whether losses or scores of two calls can be compared."""
    watched = None
    if estimator.early_stopping:
        metric = estimator.validation_metric
        watched = metric if isinstance(metric, str) else "callable"
    return objective.loss, objective.output, objective.parameters, watched


def publish(estimator, trainer, measures):
    """Put the trained weights and all records on the estimator, in one go."""
    theta, state = trainer.finish()
    history = trainer.history
    if history.best_theta is not None:
        theta = history.best_theta.copy()
    where = f"in epoch {history.n_iter} with learning rate {trainer.state.rate:g}"
    soundness.check(theta, trainer.architecture, trainer.problem, where)
    shared = weights.Shared(theta, trainer.architecture)
    estimator.__dict__.update(
        {
            **shared.attributes(),
            **fitted.attributes(history),
            "out_activation_": trainer.architecture.output,
            "_optimizer": state,
            "_measured": measures,
        }
    )


def _fit_lbfgs(estimator, problem, architecture, objective, reporter):
    """Train by L-BFGS and publish the result."""
    dtype = problem.Y.dtype
    theta, _ = weights.read(estimator)
    function = lbfgs.Function(estimator, problem, architecture, objective, dtype)

    def keep(theta, loss, n_iter):
        soundness.check(theta, architecture, problem, f"in iteration {n_iter} of lbfgs")
        fitted.reset(estimator)
        weights.Shared(theta, architecture).publish(estimator)
        estimator.loss_, estimator.n_iter_ = loss, n_iter
        estimator.out_activation_ = architecture.output

    last = {}
    try:
        theta, loss, n_iter = lbfgs.minimize(function, theta, estimator, last)
    except KeyboardInterrupt as error:
        if last:
            theta = lbfgs.cast(last["theta"], dtype)
            with suppress(ValueError):  # not finite: the model from before stays
                keep(theta, last["loss"], last["n_iter"])
                estimator._kept_at = error
        raise
    if not np.isfinite(loss):
        raise ValueError(
            "Solver produced non-finite parameter weights, or a loss that is not "
            f"finite: lbfgs ended with a loss of {loss}. The input data or the targets "
            "may contain large values and need to be preprocessed (for instance by "
            "StandardScaler)."
        )
    keep(theta, loss, n_iter)
    reporter.end_fit(lambda: weights.views(theta, architecture))


def share_memory(estimator):
    """Make the fitted arrays views of one vector again after unpickling.

    Read-only arrays, as from a memory-mapped file, stay where they are.
    """
    arrays = [
        array
        for name in weights.PARAMETER_ATTRIBUTES
        for array in estimator.__dict__.get(name, ())
        if array is not None
    ]
    if all(array.flags.writeable for array in arrays):
        weights.Shared(*weights.read(estimator)).publish(estimator)
