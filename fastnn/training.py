"""The epoch loop: shuffle, train, record, decide whether to go on."""

import dataclasses
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from . import targets, threads, weights
from .kernels import layout as at
from .kernels import training
from .network import Network, Plan, count_parameters
from .prediction import outputs_of
from .records import Done, new_state

# A kernel cannot be interrupted. Work is handed to it in slices of at most this
# many floating-point operations, some 50 ms for one slow core.
_FLOPS_PER_CALL = 1.0e9


class Trainer:
    """Trains one network by mini-batches.

    Parameters
    ----------
    estimator : MLPEstimator
        Read for its parameters, never written.
    problem : Problem
    sizes : tuple of int
    ends : tuple of str
        Loss and output activation.
    theta : vector
        Parameters to start from; not changed.
    state : SolverState or None
        To continue from.
    history : History
        Is extended.
    random_state : RandomState
    """

    def __init__(
        self,
        estimator,
        problem,
        sizes,
        ends,
        theta,
        state,
        history,
        random_state,
    ):
        self.estimator, self.problem, self.history = estimator, problem, history
        self.sizes, self.random_state = sizes, random_state
        self.batch_size = batch_size(estimator, problem.n_train)
        flops = 6.0 * count_parameters(sizes) * self.batch_size
        plan = Plan(
            sizes,
            estimator.activation,
            ends[1],
            theta.dtype,
            n_workers=threads.count(estimator.n_threads, flops),
            sparse=problem.rows.sparse,
            batch_size=self.batch_size,
            loss=ends[0],
            solver=estimator.solver,
            weighted=problem.weight is not None,
            validates=problem.validation is not None,
        )
        self.network = Network(plan, problem.n_train)
        self._kernel = EpochKernel(self.network)
        self.network.set_parameters(theta)
        self.state = new_state(estimator, theta)
        if state is not None:
            self.state = dataclasses.replace(state)
            self._follow_rate_init()
        self.network.set_slots(self.state.slots)
        self._set_hyper()
        self._set_data()
        self._saved = [self._live().copy(), self._live().copy()]
        self._done = self._mark(0, 0)

    def _set_hyper(self):
        estimator, hyper, state = self.estimator, self.network.hyper, self.state
        hyper[at.ALPHA] = hyper[at.L2] = estimator.alpha
        hyper[at.MOMENTUM] = estimator.momentum
        hyper[at.NESTEROV] = estimator.nesterovs_momentum
        hyper[at.BETA_1] = estimator.beta_1
        hyper[at.BETA_2] = estimator.beta_2
        hyper[at.EPSILON] = estimator.epsilon
        hyper[at.TINY] = np.finfo(self.network.dtype).tiny * 8
        hyper[at.STEPS] = state.steps
        hyper[at.POWER_1] = state.power_1
        hyper[at.POWER_2] = state.power_2
        set_loss_scale(self.network, estimator, self.problem.Y)
        hyper[at.COUNT_BY_WEIGHT] = estimator._continues

    def _follow_rate_init(self):
        """Scale the rate if the user has changed `learning_rate_init` since.

        scikit-learn keeps the rate that a solver began with.
        """
        rate = float(self.estimator.learning_rate_init)
        if self.estimator._continues and rate != self.state.rate_init:
            self.state.rate *= rate / self.state.rate_init
            self.state.rate_init = rate

    def _set_data(self):
        problem = self.problem
        weight = problem.weight
        if weight is None:
            weight = np.empty(0, self.network.dtype)
        self._data = (*problem.rows.arrays, problem.Y.reshape(-1), weight)
        self._order = problem.train
        if self._order is None:
            self._order = np.arange(problem.n_train, dtype=np.int64)
        self._shuffled = self._order

    def _live(self):
        """Return parameters and slots where the kernels change them."""
        net = self.network.net
        return self.network.arena[net[at.P0] : net[at.G0]]

    def _shuffle(self):
        """Draw an epoch's order of rows.

        scikit-learn shuffles the order of the epoch before; the estimators that
        continue exactly start from the rows' own order, so that nothing but the
        generator's state has to be kept between calls.
        """
        permutation = np.arange(self._order.size, dtype=np.int64)
        self.random_state.shuffle(permutation)
        if not self.estimator._continues:
            self._shuffled = self._shuffled[permutation]
        elif self.problem.train is None:
            self._shuffled = permutation
        else:
            self._shuffled = self._order[permutation]

    def train_epoch(self):
        """Train on every row once and return the mean loss."""
        if self.estimator.shuffle:
            self._shuffle()
        hyper = self.network.hyper
        hyper[at.N_HYPER :] = self.state.rate
        self._kernel(*self._data, self._shuffled)
        count = hyper[at.LOSS_COUNT]
        return float(hyper[at.LOSS_SUM] / count) if count else 0.0

    def validation_score(self):
        """Return accuracy or R² on the validation rows."""
        problem = self.problem
        outputs = outputs_of(self.network, problem.rows, problem.validation)
        weight = problem.weight
        if weight is not None:
            weight = weight[problem.validation]
        Y = problem.Y[problem.validation]
        score = targets.r2 if self.estimator._is_regressor() else targets.accuracy
        return score(Y, outputs, weight)

    def run(self, n_epochs, reporter, incremental=False):
        """Train until a reason to stop is found."""
        for _ in range(n_epochs):
            reporter.begin_epoch()
            loss = self.train_epoch()
            if not np.isfinite(loss):
                raise ValueError(self._divergence_message(loss))
            score = None
            if self.problem.validation is not None:
                score = self.validation_score()
            self._record(loss, score)
            stop = self._should_stop()
            self._commit()
            if reporter.end_epoch(self.attributes) or stop or incremental:
                break
            if self._done.n_epochs == n_epochs:
                self._warn_about_max_iter(n_epochs)

    def _record(self, loss, score):
        """Add an epoch to the history, and print it."""
        history, estimator = self.history, self.estimator
        history.loss_curve.append(loss)
        history.n_iter += 1
        history.t += self.problem.n_train
        if estimator.verbose:
            print(f"Iteration {history.n_iter}, loss = {loss:.8f}")
            if score is not None:
                print(f"Validation score: {score:f}")
        history.record(loss, score, estimator.tol, self._theta_now)

    def _commit(self):
        """Keep the epoch.

        It counts from the assignment to `_done` on: an interrupt finds either the
        epoch before or this one, whole.
        """
        copy = 1 - self._done.copy
        self._saved[copy][:] = self._live()
        self._done = self._mark(self._done.n_epochs + 1, copy)

    def _mark(self, n_epochs, copy):
        hyper = self.network.hyper
        steps = (hyper[at.STEPS], hyper[at.POWER_1], hyper[at.POWER_2])
        continues = self.estimator._continues and self.estimator.shuffle
        stream = self.random_state.get_state() if continues else None
        return Done(n_epochs, copy, steps, self.state.rate, self.history.mark(), stream)

    def _should_stop(self):
        """Apply the schedule and the patience; return whether training is over."""
        estimator, state, history = self.estimator, self.state, self.history
        sgd = estimator.solver == "sgd"
        if sgd and estimator.learning_rate == "invscaling":
            state.rate = (
                float(estimator.learning_rate_init)
                / (history.t + 1) ** estimator.power_t
            )
        if history.no_improvement <= estimator.n_iter_no_change:
            return False
        validated = history.validation_scores is not None
        what = "Validation score" if validated else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} "
            f"for {estimator.n_iter_no_change} consecutive epochs."
        )
        if sgd and estimator.learning_rate == "adaptive":
            if state.rate > 1e-6:
                state.rate /= 5.0
                history.no_improvement = 0
                self._say(f"{message} Setting learning rate to {state.rate:f}")
                return False
            message += " Learning rate too small."
        self._say(f"{message} Stopping.")
        return True

    def _say(self, message):
        if self.estimator.verbose:
            print(message)

    def _warn_about_max_iter(self, n_epochs):
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({n_epochs}) "
            "reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _divergence_message(self, loss):
        return (
            "Solver produced non-finite parameter weights. The loss became "
            f"{loss} in epoch {self.history.n_iter + 1} with learning rate "
            f"{self.state.rate:g}. The input data may contain large values and need "
            "to be preprocessed (for instance by StandardScaler), or "
            "learning_rate_init may be too large."
        )

    def _theta_now(self):
        theta = np.empty(self.network.n_params, self.network.dtype)
        self.network.get_parameters(theta)
        return theta

    def attributes(self):
        """Return the fitted attributes as they are now."""
        return weight_attributes(self._theta_now(), self.sizes)

    def epochs_done(self):
        """Return how many whole epochs this trainer has finished."""
        return self._done.n_epochs

    def rewind(self):
        """Take the random stream back to the end of the last whole epoch."""
        if self._done.stream is not None:
            self.random_state.set_state(self._done.stream)

    def finish(self):
        """Return theta and the solver's state after the last whole epoch."""
        done = self._done
        self._live()[:] = self._saved[done.copy]
        self.history.back_to(done.mark)
        steps, power_1, power_2 = done.steps
        state = dataclasses.replace(
            self.state,
            slots=self.network.get_slots(),
            rate=done.rate,
            steps=steps,
            power_1=power_1,
            power_2=power_2,
        )
        return self._theta_now(), state


class EpochKernel:
    """Calls the training kernel for an epoch, in slices that Ctrl-C can part.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network):
        self.network = network
        net = network.net
        self.n_blocks = network.n_blocks()
        flops = 6.0 * network.n_params * int(net[at.BLOCK])
        self.blocks_per_call = max(1, int(_FLOPS_PER_CALL / flops))
        self.twins = threads.Twins(
            training.train_serial,
            training.train_parallel,
            network.dtype,
            int(net[at.N_WORKERS]),
            flops,
        )

    def __call__(self, *data):
        """Train on all blocks.

        data : X's three arrays, targets, weights and order, as the kernel has them
        """
        network = self.network
        hyper = network.hyper
        hyper[at.LOSS_SUM] = hyper[at.LOSS_COUNT] = 0.0
        arguments = (network.net, network.arena, hyper, *data)
        for first in range(0, self.n_blocks, self.blocks_per_call):
            last = min(first + self.blocks_per_call, self.n_blocks)
            self.twins.run(arguments, first, last)


def weight_attributes(theta, sizes):
    """Return `coefs_` and `intercepts_` as views of theta."""
    coefs, intercepts = weights.views(theta, sizes)
    return {"coefs_": coefs, "intercepts_": intercepts}


def set_loss_scale(network, estimator, Y):
    """Make squared errors a mean over outputs where scikit-learn has one.

    Its gradient is that of the sum; the estimators that only have to agree with
    themselves report the sum.
    """
    mean = estimator._loss_name() == "squared_error" and not estimator._continues
    network.hyper[at.LOSS_SCALE] = 1.0 / Y.shape[1] if mean else 1.0


def batch_size(estimator, n):
    """Return the rows of a mini-batch, at most n."""
    if isinstance(estimator.batch_size, str):
        return min(200, n)
    if estimator.batch_size > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than "
            "sample size. It is going to be clipped",
            stacklevel=5,
        )
    return int(min(estimator.batch_size, n))
