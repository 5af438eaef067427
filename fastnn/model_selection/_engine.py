"""Trains many networks; this engine trains them one after the other."""

import time
from dataclasses import dataclass, field

from sklearn.base import clone
from sklearn.utils import _safe_indexing


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

    def fit(self, max_iter):
        """Return a new estimator that is fitted for so many epochs at most."""
        X, y = self.X, self.y
        if self.rows is not None:
            X, y = _safe_indexing(X, self.rows), _safe_indexing(y, self.rows)
        estimator = clone(self.estimator).set_params(max_iter=max_iter)
        return estimator.fit(X, y, **self.fit_params)


class Population:
    """Networks that are trained together.

    Parameters
    ----------
    tasks : list of Task
    n_threads : int or None
        Threads at most; None lets the engine decide.
    """

    def __init__(self, tasks, n_threads=None):
        self._tasks = list(tasks)
        self._n_threads = n_threads
        self._results = [None] * len(self._tasks)
        self._seconds = [0.0] * len(self._tasks)
        self._dropped = set()

    def advance(self, n_epochs=None):
        """Train every task until it stops, or until it has had n_epochs in all."""
        for i, task in enumerate(self._tasks):
            if i in self._dropped:
                continue
            most = task.estimator.max_iter
            most = most if n_epochs is None else min(most, n_epochs)
            start = time.time()
            try:
                self._results[i] = task.fit(most)
            except Exception as error:
                self._results[i] = error
            self._seconds[i] += time.time() - start

    def drop(self, i):
        """Train task i no further and forget what it holds."""
        self._dropped.add(i)
        self._results[i] = None

    def result(self, i):
        """Return the fitted estimator of task i, or raise what its fit raised."""
        result = self._results[i]
        if isinstance(result, Exception):
            raise result.with_traceback(None)
        return result

    def seconds(self, i):
        """Return the time spent on task i."""
        return self._seconds[i]

    def epochs(self, i):
        """Return how many epochs task i has had."""
        return int(getattr(self._results[i], "n_iter_", 0))
