"""Many networks trained at the same time, each on one thread.

Threads of Python drive the networks: kernels release Python's lock, and one call of
them trains for milliseconds, so the lock is free nearly always. A thread that is done
with a network takes the one with the most work left. There is no process, no pickling,
no barrier, and one copy of X for all; and each network goes through the very calls of a
fit alone: the same bits.
"""

import copy
import threading
import time
from dataclasses import dataclass, field

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from . import randomness, threads
from .fitting import Session
from .sharing import Samples, Subset, can_share


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
        if n_threads > 1:
            _Crew(todo, n_epochs).run(n_threads)
        else:
            for member in reversed(todo):
                member.advance(n_epochs, _always)

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
        crew = [threading.Thread(target=self._work) for _ in range(n_threads)]
        for thread in crew:
            thread.start()
        try:
            for thread in crew:
                while thread.is_alive():
                    thread.join(0.1)  # an interrupt is seen between two waits
        finally:
            self.stopped.set()
            for thread in crew:
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
        self.stopped = self.dropped = False
        self.seconds, self.epochs = 0.0, 0

    def wants(self, n_epochs):
        """Return whether there is something to do."""
        over = self.stopped or self.dropped or self.error is not None
        return not over and self.epochs < self._limit(n_epochs)

    def _limit(self, n_epochs):
        most = self.task.estimator.max_iter
        return most if n_epochs is None else min(most, n_epochs)

    def work(self, n_epochs):
        """Return a measure of the work that is left, for the order alone."""
        estimator, task = self.task.estimator, self.task
        rows = len(task.rows) if task.rows is not None else _n_rows(task.X)
        widths = np.atleast_1d(np.asarray(estimator.hidden_layer_sizes, float))
        weights = np.append(widths[:-1] * widths[1:], 30.0 * widths).sum()
        return (self._limit(n_epochs) - self.epochs) * rows * weights

    def advance(self, n_epochs, goes_on):
        """Train up to n_epochs in all; keep what is raised."""
        start = time.perf_counter()
        try:
            self._advance(self._limit(n_epochs), goes_on)
        except Exception as error:
            self.error, self.session = error.with_traceback(error.__traceback__), None
        self.seconds += time.perf_counter() - start

    def _advance(self, limit, goes_on):
        estimator = self.task.estimator
        if estimator.solver == "lbfgs":  # has no epochs to stop at: begins anew
            self._fit_alone(limit)
            return
        if self.session is None:
            self.session = self._start()
        session = self.session
        self.stopped = session.advance(limit, goes_on)
        self.epochs = session.trainer.epochs_done()
        if self.stopped or self.epochs == estimator.max_iter:
            self.fitted, self.session = self._publish(), None
        if self.epochs == limit and not self.stopped:
            session.trainer.warn_about_max_iter(limit)

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
        estimator = self.task.estimator
        if randomness.needs_seed(estimator) or not can_share(self.task.y):
            return False
        try:
            self.samples.checked(np.dtype(estimator.dtype))
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
        self.fitted.set_params(n_threads=task.estimator.n_threads)
        self.epochs = int(self.fitted.n_iter_)
        self.stopped = self.epochs < limit

    def _publish(self):
        result = copy.copy(self.session.estimator)
        self.session.publish(result)
        return result

    def result(self):
        """Return the fitted estimator, or raise what its fit raised."""
        if self.error is not None:
            raise self.error
        if self.fitted is None and self.session is None:
            raise ValueError("There is no such network, or it was not trained.")
        return self._publish() if self.session is not None else self.fitted

    def forget(self):
        """Let go of all that is held."""
        self.dropped = True
        self.session = self.fitted = None


def _in_a_crew():
    return threading.current_thread() is not threading.main_thread()


def _n_rows(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)
