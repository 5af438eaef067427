"""A candidate on a fold."""

import time
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state

from ..learning.population import Population, Task
from ._candidates import final_of, is_network
from ._folds import Fold
from ._front import Front


@dataclass(eq=False)
class Member:
    """A candidate on a fold.

    Attributes
    ----------
    place : tuple of int
        Numbers of candidate and split.
    fold : Fold
    parameters : dict
    estimator : estimator
        With the parameters set.
    front : Front or None
        Transformers that it shares with others.
    population, index : who trains it; None if it is to be fitted alone.
    counted : int
        Epochs that have been counted.
    seconds : float
        Time spent on fitting it, if it was fitted alone.
    has_begun : bool
        Whether that has been told.
    """

    place: tuple
    fold: Fold
    parameters: dict
    estimator: object
    front: Front | None = None
    population: Population | None = None
    index: int | None = None
    counted: int = 0
    seconds: float = 0.0
    has_begun: bool = False

    def task(self):
        """Return what the engine is to train, or None if it cannot."""
        network, fold = final_of(self.estimator), self.fold
        if not is_network(network) or (self.front and self.front.failed):
            return None
        if self.front is not None:
            front = self.front
            return Task(network, front.X, front.y, None, front.fit_params)
        return Task(network, fold.X, fold.y, fold.train, fold.fit_params)

    def join(self, population, index):
        """Be trained by a population from now on."""
        self.population, self.index, self.counted = population, index, 0

    def fitted(self):
        """Return the fitted network or estimator, or raise what its fit raised."""
        if self.front is not None:
            self.front.check()
        if self.population is not None:
            return self.population.result(self.index)
        X, y, _ = self.fold.part("train")
        start = time.time()
        try:
            return self.estimator.fit(X, y, **self.fold.fit_params)
        finally:
            self.seconds = time.time() - start

    def fit_time(self):
        """Return the time that it takes to fit this member, transformers included."""
        seconds = self.seconds
        if self.population is not None:
            seconds += self.population.seconds(self.index)
        return seconds + (self.front.seconds if self.front is not None else 0.0)

    def epochs_since(self):
        """Return the epochs that it has had since this was last asked."""
        if self.population is None:
            return 0
        before, self.counted = self.counted, self.population.epochs(self.index)
        return self.counted - before

    def release(self):
        """Let go of the weights."""
        self.estimator = None
        if self.population is not None:
            self.population.drop(self.index)


def seed(networks):
    """Give each network without a seed a stream of its own.

    Threads would draw from NumPy's global stream in an order that nobody knows, and
    put it back where another has been. So its seed, too, makes a search repeatable.
    """
    stream = check_random_state(None)
    for network in networks:
        if network.random_state is None:
            number = stream.randint(np.iinfo(np.int32).max)
            network.random_state = np.random.RandomState(number)
