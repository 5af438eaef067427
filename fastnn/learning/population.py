"""Many networks trained at the same time, each on one thread.

Threads of Python drive the networks: kernels release Python's lock, and one call of
them trains for milliseconds, so the lock is free nearly always. A thread that is done
with a network takes the one with the most work left. There is no process, no pickling,
no barrier, and one copy of X for all; and each network goes through the very calls of a
fit alone: the same bits.
"""

import copy
import inspect
import threading
import time
import traceback
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from .. import interrupts, threads
from ..base import BaseMLP
from . import randomness
from .crew import Crew, ignore
from .fitting import Session
from .preparation import DTYPES, check_parameters
from .sharing import Samples, Subset, can_share

_FIT_PARAMS = set(inspect.signature(BaseMLP.fit).parameters) - {"self", "X", "y"}

# Folds differ by a row: what has the same work to a twelfth or so is kept in its order.
_STEPS = 8


@dataclass
class Task:
    """One network to train.

    Attributes
    ----------
    estimator : MLPClassifier, MLPRegressor or MLPEstimator
        Unfitted, with its parameters set. It is the task's own.
    X, y : the whole data
        The same objects for many tasks.
    rows : array of int, or None for all
        What to train on.
    fit_params : dict
        Further arguments of `fit`; what there is per sample belongs to `rows`.
    """

    estimator: object
    X: object
    y: object
    rows: object = None
    fit_params: dict = field(default_factory=dict)


class Population:
    """Networks that are trained together.

    Parameters
    ----------
    tasks : list of Task
    n_threads : int or None, default=None
        Threads at most; None is all cores that this process may use.
    """

    def __init__(self, tasks, n_threads=None):
        samples = {}
        self._members = [
            _Member(number, task, samples.setdefault(id(task.X), Samples(task.X)))
            for number, task in enumerate(tasks)
        ]
        self._n_threads = n_threads or threads.available()

    def advance(self, n_epochs=None, begins=None, ends=None):
        """Train every network until it stops, or until it has had n_epochs in all.

        Those with the most work are trained first, and those with about the same in
        their order.

        Parameters
        ----------
        n_epochs : int or None, default=None
            None is each network's own `max_iter`.
        begins, ends : callable, default=None
            ``begins(i)`` and ``ends(i)`` are called in the caller's thread when it is
            network i's turn, and when it has been trained as far as it is to be, be it
            that it failed; not for networks that have nothing left to do. Without
            `begins`, the ends of short trainings are told some at a time. The thread
            that trained waits for `ends`: there is never work for more than n_threads.

        Raises
        ------
        KeyboardInterrupt
            All networks are then at the end of an epoch, and may be advanced again.
            `ends` may not have been called for some that had come to theirs.
        Exception
            What `begins` or `ends` raises. No other network begins then, and of several
            such errors it is that of the network which came first in the order above,
            whatever the number of threads.
        """
        todo = [member for member in self._members[::-1] if member.wants(n_epochs)]
        todo.sort(key=lambda member: _size(member.work(n_epochs)))
        n_threads = min(self._n_threads, len(todo))
        begins, ends = begins or ignore, ends or ignore
        if n_threads == 1:
            # What has no epochs may use all threads, and begins anew if interrupted.
            for member in [member for member in todo[::-1] if member.begins_anew()]:
                todo.remove(member)
                begins(member.number)
                member.advance(n_epochs, _always)
                ends(member.number)
        if todo:  # also one thread is one that an interrupt does not reach
            Crew(todo, n_epochs, begins, ends).run(n_threads)

    def drop(self, i):
        """Train network i no further and forget it, but for its time and epochs."""
        self._members[i].forget()

    def result(self, i):
        """Return the fitted estimator, or raise what its fit raised.

        It is what ``estimator.fit(X[rows], y[rows], **fit_params)`` would have made
        of it with the epochs so far as `max_iter`, to the bit.
        """
        return self._members[i].result()

    def seconds(self, i):
        """Return the time that network i was worked on."""
        return self._members[i].seconds

    def epochs(self, i):
        """Return how many epochs network i has had."""
        return self._members[i].epochs


def _size(work):
    """Return an integer that grows with work; what cannot be trained has none."""
    usual = np.isfinite(work) and work > 0
    return round(_STEPS * np.log2(1 + work)) if usual else 0


def _always():
    return True


class _Member:
    """A network on its way."""

    def __init__(self, number, task, samples):
        self.number, self.task, self.samples = number, task, samples
        self.session = self.fitted = self.error = None
        self.tried = self.stopped = self.dropped = False
        self.seconds, self.epochs = 0.0, 0
        # Two interrupts can leave a thread at work, which all others then wait for.
        self._lock = threading.RLock()

    def wants(self, n_epochs):
        """Return whether there is something to do."""
        over = self.stopped or self.dropped or self.error is not None
        return not over and (not self.tried or self.epochs < self._limit(n_epochs))

    def begins_anew(self):
        """Return whether training has no epochs to stop at and to go on from."""
        return self.task.estimator.solver == "lbfgs"

    def _limit(self, n_epochs):
        most = self.task.estimator.max_iter
        return most if n_epochs is None else min(most, n_epochs)

    def work(self, n_epochs):
        """Return a measure of the work that is left, for the order alone."""
        estimator, task = self.task.estimator, self.task
        if not self.tried:
            try:
                check_parameters(estimator)
                np.asarray(estimator.hidden_layer_sizes, float)
            except Exception:  # it is raised again when it is this network's turn
                return 0.0
        rows = len(task.rows) if task.rows is not None else _n_rows(task.X)
        widths = np.atleast_1d(np.asarray(estimator.hidden_layer_sizes, float))
        weights = np.append(widths[:-1] * widths[1:], 30.0 * widths).sum()
        return (self._limit(n_epochs) - self.epochs) * rows * weights

    def advance(self, n_epochs, goes_on):
        """Train up to n_epochs in all; keep what is raised."""
        with self._lock:
            start = time.perf_counter()
            token = interrupts.permit.set(goes_on)
            try:
                if not self.tried:
                    self.tried = True
                    self._check()
                self._advance(self._limit(n_epochs), goes_on)
            except Exception as error:
                traceback.clear_frames(error.__traceback__)  # they hold the network
                self.error = error
                self._end()
            finally:
                interrupts.permit.reset(token)
            self.seconds += time.perf_counter() - start

    def _check(self):
        """Raise what a fit alone would raise before all else."""
        estimator, task = self.task.estimator, self.task
        if not _FIT_PARAMS.issuperset(task.fit_params):
            estimator.fit(task.X, task.y, **task.fit_params)  # raises in its own words
        check_parameters(estimator)

    def _advance(self, limit, goes_on):
        estimator = self.task.estimator
        if self.begins_anew():
            self._fit_alone(limit)
            return
        if self.session is None:
            self.session = self._start()
        session = self.session
        try:
            self.stopped = session.advance(limit, goes_on)
        finally:
            self.epochs = session.trainer.epochs_done()
        if self.epochs == limit and not self.stopped:
            session.trainer.warn_about_max_iter(limit)
        if self.stopped or self.epochs == estimator.max_iter:
            self.fitted = self._publish()
            self._end()

    def _start(self):
        """Return the fit's session: on shared rows of X where that is possible."""
        task = self.task
        if task.rows is None or not self._shares():
            y = task.y if task.rows is None else _safe_indexing(task.y, task.rows)
            X = self.samples.part(task.rows)
            return Session(task.estimator, X, y, **task.fit_params)
        subset = Subset(self.samples, task.rows)
        y = _safe_indexing(task.y, task.rows)
        return Session(task.estimator, task.X, y, subset, **task.fit_params)

    def _shares(self):
        """Return whether the network may read its rows where they are in X.

        Masks and noise depend on rows' numbers, and what a fit alone numbers are its
        own rows. An X that cannot be read as a whole may be fine in its parts.
        """
        estimator, task = self.task.estimator, self.task
        if not can_share(task.y) or not len(task.rows):
            return False
        try:
            if randomness.needs_seed(estimator):
                return False
            self.samples.checked(DTYPES[estimator.dtype])
        except Exception:
            return False
        return True

    def _fit_alone(self, limit):
        task = self.task
        X, y = self.samples.part(task.rows), task.y
        if task.rows is not None:
            y = _safe_indexing(y, task.rows)
        estimator = clone(task.estimator).set_params(max_iter=limit)
        if estimator.n_threads is None and _in_a_crew():
            estimator.n_threads = 1
        self.fitted = estimator.fit(X, y, **task.fit_params)
        self.fitted.n_threads = task.estimator.n_threads
        self.fitted.max_iter = task.estimator.max_iter
        self.epochs = int(self.fitted.n_iter_)
        self.stopped = self.epochs < limit

    def _publish(self):
        """Return an estimator that shares nothing which training goes on to change."""
        network = self.session.estimator
        result = copy.copy(network)
        self.session.publish(result)
        result.loss_curve_ = list(result.loss_curve_)
        if result.validation_scores_ is not None:
            result.validation_scores_ = list(result.validation_scores_)
        curves = result.history_.items()
        result.history_ = {name: list(curve) for name, curve in curves}
        if network.random_state is network._random_state:
            result.random_state = result._random_state
        return result

    def result(self):
        """Return the fitted estimator, or raise what its fit raised."""
        with self._lock:
            if self.error is not None:
                raise self.error
            if self.fitted is not None:
                return self.fitted
            if self.session is None or not self.epochs:
                raise ValueError("There is no such network, or it was not trained.")
            return self._publish()

    def forget(self):
        """Let go of all that is held."""
        with self._lock:
            self.dropped, self.fitted = True, None
            self._end()
            self.task = None  # its estimator holds the first weights

    def _end(self):
        """Let go of what trains, now: its parts refer to each other.

        Python would find that out after a while, with many networks' memory in use.
        """
        session, self.session = self.session, None
        if session is not None:
            session.trainer.release()


def _in_a_crew():
    return threading.current_thread() is not threading.main_thread()


def _n_rows(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)
