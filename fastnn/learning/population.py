"""Many networks trained at the same time, each on one thread.

Threads of Python drive the networks: kernels release Python's lock, and one call of
them trains for milliseconds, so the lock is free nearly always. A thread that is done
with a network takes the one with the most work left. There is no process, no pickling,
no barrier, and one copy of X for all; and each network goes through the very calls of a
fit alone: the same bits.
"""

import contextvars
import copy
import inspect
import threading
import time
import traceback
import warnings
from dataclasses import dataclass, field

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from .. import threads
from ..base import BaseMLP
from . import randomness
from .fitting import Session
from .preparation import DTYPES, check_parameters
from .sharing import Samples, Subset, can_share

_FIT_PARAMS = set(inspect.signature(BaseMLP.fit).parameters) - {"self", "X", "y"}


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
            _Member(task, samples.setdefault(id(task.X), Samples(task.X)))
            for task in tasks
        ]
        self._n_threads = n_threads or threads.available()

    def advance(self, n_epochs=None):
        """Train every network until it stops, or until it has had n_epochs in all.

        Parameters
        ----------
        n_epochs : int or None, default=None
            None is each network's own `max_iter`.

        Raises
        ------
        KeyboardInterrupt
            All networks are then at the end of an epoch, and may be advanced again.
        """
        todo = [member for member in self._members if member.wants(n_epochs)]
        todo.sort(key=lambda member: member.work(n_epochs))
        n_threads = min(self._n_threads, len(todo))
        if n_threads == 1:
            # What has no epochs may use all threads, and begins anew if interrupted.
            for member in [member for member in todo if member.begins_anew()]:
                todo.remove(member)
                member.advance(n_epochs, _always)
        if todo:  # also one thread is one that an interrupt does not reach
            _Crew(todo, n_epochs).run(n_threads)

    def drop(self, i):
        """Train network i no further and forget it."""
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


def _always():
    return True


def _start_thread(work):
    """Return an event that is set when the work is done, and the thread that does it.

    A `join` that is interrupted takes the thread for ended before Python 3.13, and the
    next one does not wait any more.
    """
    done = threading.Event()
    context = contextvars.copy_context()  # of NumPy's errstate, for instance

    def run():
        try:
            context.run(work)
        finally:
            done.set()

    thread = threading.Thread(target=run)
    thread.start()
    return done, thread


class _Crew:
    """Threads that advance members, those with the most work first.

    Parameters
    ----------
    todo : list of members
        The most work comes last.
    n_epochs : int or None
    """

    def __init__(self, todo, n_epochs):
        self.todo, self.n_epochs = todo, n_epochs
        self.stopped = threading.Event()
        self.failure = None
        self.config = get_config()  # scikit-learn's, which threads do not inherit

    def run(self, n_threads):
        """Advance all; on an interrupt, let the threads finish their epochs."""
        # Threads enter and leave such blocks in any order, so that another's filters
        # may be what is put back last; this one puts back all as it was.
        with warnings.catch_warnings():
            crew = []
            try:
                for _ in range(n_threads):
                    crew.append(_start_thread(self._work))
                for done, _ in crew:
                    while not done.wait(0.1):  # an interrupt is seen between two
                        pass
            finally:
                self.stopped.set()
                for done, thread in crew:
                    done.wait()
                    thread.join()
        if self.failure is not None:
            raise self.failure

    def _goes_on(self):
        return not self.stopped.is_set()

    def _work(self):
        with config_context(**self.config):
            while self._goes_on():
                try:
                    member = self.todo.pop()
                except IndexError:
                    return
                try:
                    member.advance(self.n_epochs, self._goes_on)
                except BaseException as failure:  # KeyboardInterrupt of a user's scorer
                    self.failure = failure
                    self.stopped.set()


class _Member:
    """A network on its way."""

    def __init__(self, task, samples):
        self.task, self.samples = task, samples
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
            token = threads.goes_on.set(goes_on)
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
                threads.goes_on.reset(token)
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
        self.stopped = session.advance(limit, goes_on)
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
