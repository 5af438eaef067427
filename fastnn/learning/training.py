"""The epoch loop: shuffle, train, record, decide whether to go on."""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .. import threads
from ..inputs import options
from ..kernels import layout as at
from ..structure import weights
from ..structure.network import Network, Rows, for_kernels
from ..structure.plan import Plan
from . import randomness, schedules
from .epochs import SlicedCalls, WholeCalls, can_stream, fits_in_a_call
from .records import KERNEL_NUMBERS, Done, new_state, state_numbers, state_of
from .validation import Validator


class Trainer:
    """Trains one network by mini-batches.

    Parameters
    ----------
    estimator : MLPEstimator
        Read for its parameters, never written.
    problem : Problem
    architecture : Architecture
    objective : Objective
    theta : vector
        Parameters to start from; not changed.
    state : SolverState or None
        To continue from.
    history : History
        Is extended.
    random_state : RandomState
    n_threads : int or None
        At most; None leaves it to the work.
    """

    def __init__(
        self,
        estimator,
        problem,
        architecture,
        objective,
        theta,
        state,
        history,
        random_state,
        n_threads=None,
    ):
        if estimator.augmentation is not None:
            problem = problem.only_training()
        self.estimator, self.problem, self.history = estimator, problem, history
        self.architecture, self.random_state = architecture, random_state
        n_rows = problem.n_train
        self.batch_size = options.batch_size(estimator, n_rows)
        options.check_batch(architecture, self.batch_size)
        step = options.training_of(estimator, objective, problem, architecture.n_hidden)
        flops = 6.0 * architecture.n_params * self.batch_size
        plan = Plan(
            architecture,
            theta.dtype,
            n_workers=threads.count(n_threads, flops),
            sparse=problem.rows.sparse,
            batch_size=self.batch_size,
            training=step,
        )
        self.network = Network(plan, n_rows)
        self._averages = step.average
        self._disturbs = step.disturbs
        self._schedule = schedules.of_estimator(estimator)
        options.set_constants(self.network, estimator, objective)
        options.set_hyper(self.network, estimator, objective)
        self._set_state(theta, state)
        self._set_data(options.training_targets(estimator, objective, problem.Y))
        self._validator = None
        if problem.validation is not None:
            self._validator = Validator(estimator, objective, problem.validation)
        self._calls = self._make_calls()
        self._saved = None  # parameters and slots before the current call
        # Only a long epoch may be interrupted in its middle, and undone.
        validator = self._validator
        self.has_long_epochs = (
            isinstance(self._calls, SlicedCalls)
            or estimator.augmentation is not None
            or (validator is not None and validator.takes_long(architecture))
        )
        self._done = self._mark(0)
        self._bookmark = None
        if estimator._continues and estimator.shuffle:
            self._bookmark = randomness.Bookmark(random_state, self._order.size)

    def _set_state(self, theta, state):
        """Put parameters and what the solver knows into the network."""
        network, hyper = self.network, self.network.hyper
        self.state = new_state(self.estimator, theta)
        live = theta
        if state is not None:
            self.state = replace(state)
            self._follow_rate_init()
            if state.averaged is not None and np.array_equal(theta, state.averaged[0]):
                live = state.averaged[1]
        network.set_parameters(live)
        if state is not None:  # else they are zero, and so is the memory
            network.set_slots(self.state.slots)
        if self._averages:
            network.set_averages(theta)
        for name, place in KERNEL_NUMBERS.items():
            hyper[place] = getattr(self.state, name)

    def _follow_rate_init(self):
        """Scale the rate if the user has changed `learning_rate_init` since.

        scikit-learn keeps the rate that a solver began with.
        """
        rate = float(self.estimator.learning_rate_init)
        if self.estimator._continues and rate != self.state.rate_init:
            self.state.rate *= rate / self.state.rate_init
            self.state.rate_init = rate

    def _set_data(self, Y):
        problem = self.problem
        weight = problem.weight
        if weight is None:
            weight = np.empty(0, self.network.dtype)
        self._rows = problem.rows
        if self.estimator.augmentation is not None:
            self._rows = Rows(for_kernels(problem.X))
        self._targets = (Y.reshape(-1), weight)
        self._order = problem.train
        if self._order is None:
            self._order = np.arange(problem.n_train, dtype=np.int64)
        self._shuffled = self._order

    def _make_calls(self):
        """Return what calls the kernels."""
        estimator = self.estimator
        self._watches = self._sees_each_epoch()
        if not fits_in_a_call(self.network):
            return SlicedCalls(self.network)
        target = estimator.target_loss
        return WholeCalls(
            self.network,
            self._order,
            streams=estimator.shuffle and not self._watches,
            onward=not estimator._continues,
            limits=(
                estimator.tol,
                estimator.n_iter_no_change,
                -np.inf if target is None else target,
            ),
        )

    def _sees_each_epoch(self):
        """Return whether something happens between two epochs that Python must do."""
        estimator = self.estimator
        moves = (
            schedules.is_followed(estimator) and estimator.learning_rate != "constant"
        )
        return bool(
            moves
            or self._schedule is not None
            or self._validator is not None
            or self._disturbs
            or estimator.augmentation is not None
            or estimator.verbose
            or self.history.best_loss is None
            or (estimator.shuffle and not can_stream(self.random_state))
        )

    def _live(self):
        """Return parameters, slots and averages where the kernels change them."""
        net = self.network.net
        return self.network.arena[net[at.P0] : net[at.G0]]

    def _shuffle(self):
        """Draw an epoch's order of rows.

        scikit-learn shuffles the order of the epoch before; the estimators that
        continue exactly start from the rows' own order, so that nothing but the
        generator's state has to be kept between calls.
        """
        if self._shuffled is self._order:
            self._shuffled = self._order.copy()
        elif self.estimator._continues:
            self._shuffled[:] = self._order
        self.random_state.shuffle(self._shuffled)

    def prepare(self, n_epochs, watched=False):
        """Make ready to train for so many epochs, or for as many as one call may.

        watched : bool
            Whether someone wants to see every epoch.
        """
        estimator, hyper, calls = self.estimator, self.network.hyper, self._calls
        if estimator.shuffle and not calls.streams:
            self._shuffle()
        seed = getattr(estimator, "_noise_seed", 0)
        if self._disturbs:
            alpha = estimator.mixup_alpha
            randomness.set_epoch(self.network, seed, self.history.t, alpha)
            weight = self._targets[1]
            if alpha and weight.size:
                randomness.keep_apart(self.network, weight, self._shuffled)
        if estimator.augmentation is not None:
            function, X = estimator.augmentation, self.problem.X
            changed = randomness.augment(function, X, seed, self.history.t)
            self._rows = Rows(changed)
        hyper[at.N_HYPER :] = self.state.rate
        if self._schedule is not None:
            n_batches = hyper.size - at.N_HYPER
            hyper[at.N_HYPER :] *= self._schedule(self.state.epochs, n_batches)
        history = self.history
        if watched or self._watches:
            n_epochs = 1
        calls.prepare(
            (*self._rows.arrays, *self._targets),
            self._shuffled,
            self.random_state,
            n_epochs,
            (history.best_loss, history.no_improvement),
        )

    def __call__(self):
        """Train as `prepare` has said; all the time goes here."""
        if self.epochs_done() or self.has_long_epochs:
            self._save()
        self._calls()

    def _save(self):
        """Copy what the next call changes, unless the copy is from before that."""
        if not self._done.is_live:
            return
        if self._saved is None:
            self._saved = np.empty_like(self._live())
        self._saved[:] = self._live()
        self._done = replace(self._done, is_live=False)

    def take(self):
        """Record what a call has trained; return whether training is over."""
        losses = self._calls.losses()
        if not np.isfinite(losses[-1]):
            raise ValueError(self._divergence_message(losses[-1], len(losses)))
        self._record(losses, self._validator and self.validate())
        stop = self._should_stop()
        self._commit(len(losses))
        return stop

    def validate(self):
        """Return loss and score on the validation samples."""
        if not self._averages:
            return self._validator(self.network, self._theta_now)
        parameters = self.network.region(at.P0)
        before = parameters.copy()
        parameters[:] = self.network.region(at.AVERAGE0)
        try:
            return self._validator(self.network, self._theta_now)
        finally:
            parameters[:] = before

    def run(self, n_epochs, reporter, incremental=False):
        """Train until a reason to stop is found."""
        stop, most = False, 1 if incremental else n_epochs
        while not stop:
            reporter.begin_epoch()
            self.prepare(most - self.epochs_done(), watched=reporter.active)
            self()
            stop = self.take()
            if reporter.end_epoch(self.attributes) or stop or incremental:
                break
            if self.epochs_done() == n_epochs:
                self.warn_about_max_iter(n_epochs)
                break

    def _record(self, losses, validated):
        """Add epochs to the history, and print the last one."""
        history, estimator = self.history, self.estimator
        self.state.epochs += len(losses)
        validation_loss, score = (np.nan, None) if validated is None else validated
        history.extend(
            losses,
            self.problem.n_train,
            validation_loss,
            np.nan if score is None else score,
            float(self.network.hyper[-1]),
        )
        if estimator.verbose:
            print(f"Iteration {history.n_iter}, loss = {losses[-1]:.8f}")
            if score is not None:
                print(f"Validation score: {score:f}")
        if estimator.early_stopping:
            history.watch_score(score, estimator.tol, self._theta_now)
        else:
            history.watch_losses(losses, estimator.tol)

    def _commit(self, n_epochs):
        """Keep the epochs since the last commit.

        They count from the assignment to `_done` on: an interrupt finds either the
        epochs before or these, whole.
        """
        self._done = self._mark(self._done.n_epochs + n_epochs)
        if self._bookmark is not None:
            self._bookmark.move(self._done.n_epochs, self._calls.stream)

    def _mark(self, n_epochs):
        numbers = state_numbers(self.state, self.network.hyper)
        return Done(n_epochs, True, numbers, self.history.mark())

    def _restore(self):
        """Put parameters and slots of the last whole epoch back."""
        if not self._done.is_live:
            self._live()[:] = self._saved
            self._done = replace(self._done, is_live=True)

    def _should_stop(self):
        """Apply the schedule and the patience; return whether training is over."""
        estimator, state, history = self.estimator, self.state, self.history
        schedule = estimator.learning_rate
        if not schedules.is_followed(estimator):
            schedule = "constant"
        if schedule == "invscaling":
            rate, power = estimator.learning_rate_init, estimator.power_t
            state.rate = schedules.inverse_scaling(rate, power, history.t)
        if schedule == "plateau":
            self._watch_plateau()
        target = estimator.target_loss
        if target is not None and history.loss_curve[-1] <= target:
            self._say(f"Training loss reached target_loss={target:g}. Stopping.")
            return True
        if history.no_improvement <= estimator.n_iter_no_change:
            return False
        validated = history.validation_scores is not None
        what = "Validation score" if validated else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} "
            f"for {estimator.n_iter_no_change} consecutive epochs."
        )
        if schedule == "adaptive":
            if state.rate > 1e-6:
                state.rate /= 5.0
                history.no_improvement = 0
                self._say(f"{message} Setting learning rate to {state.rate:f}")
                return False
            message += " Learning rate too small."
        self._say(f"{message} Stopping.")
        return True

    def _watch_plateau(self):
        """Cut the rate if the loss, or the validation score, no longer improves."""
        estimator, state, history = self.estimator, self.state, self.history
        scores = history.validation_scores
        plateau = schedules.Plateau(
            estimator.decay_rate,
            max(1, int(min(estimator.decay_epochs, estimator.n_iter_no_change // 2))),
            estimator.tol,
            factor=state.rate / state.rate_init,
            best=state.plateau_best,
            waited=state.plateau_waits,
        )
        if plateau.update(history.loss_curve[-1] if scores is None else -scores[-1]):
            state.rate = state.rate_init * plateau.factor
            self._say(f"Setting learning rate to {state.rate:g}")
        state.plateau_best, state.plateau_waits = plateau.best, plateau.waited

    def _say(self, message):
        if self.estimator.verbose:
            print(message)

    def warn_about_max_iter(self, n_epochs):
        """Say that the last epoch was reached."""
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({n_epochs}) "
            "reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _divergence_message(self, loss, n_epochs):
        return (
            "Solver produced non-finite parameter weights. The loss became "
            f"{loss} in epoch {self.history.n_iter + n_epochs} with learning rate "
            f"{self.state.rate:g}. The input data may contain large values and need "
            "to be preprocessed (for instance by StandardScaler), or "
            "learning_rate_init may be too large."
        )

    def _theta_now(self):
        """Return the parameters that predictions are to be made with."""
        theta = np.empty(self.network.n_params, self.network.dtype)
        if self._averages:
            self.network.get_averages(theta)
        else:
            self.network.get_parameters(theta)
        return theta

    def attributes(self):
        """Return the fitted attributes as they are now."""
        lists = weights.views(self._theta_now(), self.architecture)
        return {**lists, "out_activation_": self.architecture.output}

    def epochs_done(self):
        """Return how many whole epochs this trainer has finished."""
        return self._done.n_epochs

    def keep_place(self):
        """Return what `go_back` needs: where order and random stream are."""
        return self._shuffled.copy(), self.random_state.get_state(legacy=False)

    def go_back(self, place):
        """Undo an epoch that was begun."""
        self._restore()
        self.network.refresh()
        self._shuffled = place[0]
        self.random_state.set_state(place[1])
        numbers = state_of(self.state, self._done.numbers)
        for name, at_place in KERNEL_NUMBERS.items():
            self.network.hyper[at_place] = getattr(numbers, name)

    def release(self):
        """Let go of the network's memory now, not when Python finds it unused."""
        self._calls.release()

    def rewind(self):
        """Take the random stream back to the end of the last whole epoch."""
        if self._bookmark is not None:
            self._calls.give_back()
            self._bookmark.go_back(self._done.n_epochs)

    def finish(self):
        """Return theta and the solver's state after the last whole epoch."""
        done = self._done
        self._calls.give_back()
        self._restore()
        self.history.back_to(done.mark)
        theta = self._theta_now()
        averaged = None
        if self._averages:
            live = np.empty_like(theta)
            self.network.get_parameters(live)
            averaged = (theta.copy(), live)
        slots = self.network.get_slots()
        return theta, state_of(self.state, done.numbers, slots=slots, averaged=averaged)
