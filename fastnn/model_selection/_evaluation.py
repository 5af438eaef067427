"""Trains and scores candidates on folds, all of them together."""

import time
from dataclasses import dataclass
from itertools import product
from traceback import format_exc

import numpy as np
from sklearn.base import clone
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._validation import _score
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples

from ..learning.population import Population, Task
from ._candidates import final_of, front_key, is_network, is_pipeline
from ._front import Front, sees_only_outputs
from ._messages import print_end, print_start


@dataclass
class Settings:
    """What a search says about all candidates alike.

    Attributes
    ----------
    scorer : callable
    fit_params, score_params : dict
    return_train_score : bool
    error_score : number or "raise"
    verbose : int
    n_threads : int or None
    """

    scorer: object
    fit_params: dict
    score_params: dict
    return_train_score: bool
    error_score: object
    verbose: int
    n_threads: int | None = None


class Fold:
    """Rows to train and to test on, and what belongs to them."""

    def __init__(self, estimator, X, y, rows, settings):
        everything = np.arange(_num_samples(X))
        self.train, self.test = (everything[np.asarray(part)] for part in rows)
        self.estimator, self.X, self.y = estimator, X, y
        self._parts = {}
        self.fit_params = _check_method_params(X, settings.fit_params, self.train)
        self._score_params = settings.score_params

    def part(self, name):
        """Return X, y and the scorer's parameters of "train" or "test"."""
        if name not in self._parts:
            estimator, X, y = self.estimator, self.X, self.y
            if name == "train":
                data = _safe_split(estimator, X, y, self.train)
            else:
                data = _safe_split(estimator, X, y, self.test, self.train)
            params = _check_method_params(X, self._score_params, getattr(self, name))
            self._parts[name] = (*data, params)
        return self._parts[name]

    def forget(self):
        """Let go of copied rows."""
        self._parts = {}


@dataclass
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


def _seed(networks):
    """Give each network without a seed a stream of its own.

    Threads would draw from NumPy's global stream in an order that nobody knows, and
    put it back where another has been. So its seed, too, makes a search repeatable.
    """
    stream = check_random_state(None)
    for network in networks:
        if network.random_state is None:
            seed = stream.randint(np.iinfo(np.int32).max)
            network.random_state = np.random.RandomState(seed)


class Evaluator:
    """Trains and scores candidates.

    Parameters
    ----------
    estimator : estimator
        Unfitted.
    X, y : samples and targets
    settings : Settings

    Attributes
    ----------
    n_epochs : int
        Epochs trained so far, of all networks together.
    """

    def __init__(self, estimator, X, y, settings):
        self.estimator, self.X, self.y, self.settings = estimator, X, y, settings
        self.n_epochs = 0
        self._direct = sees_only_outputs(settings.scorer)

    def __call__(self, candidates, splits, pairs=None, totals=None):
        """Return a dict of results for each pair, as scikit-learn has it.

        Parameters
        ----------
        candidates : list, or dict by number, of dict
        splits : list, or dict by number, of pairs of row numbers
        pairs : list of (candidate, split), default=None
            None is all of them, candidate by candidate.
        totals : tuple of int, default=None
            Numbers of candidates and splits that messages speak of.
        """
        if pairs is None:
            pairs = list(product(range(len(candidates)), range(len(splits))))
        self._totals = totals or (len(candidates), len(splits))
        folds = {
            number: Fold(self.estimator, self.X, self.y, splits[number], self.settings)
            for number in dict.fromkeys(split for _, split in pairs)
        }
        members = self._members(candidates, folds, pairs)
        self._train(members)
        self._count(members)
        results = {}
        for fold in folds.values():
            those = [member for member in members if member.fold is fold]
            for member in those:
                results[member.place] = self._result(member)
            for member in those:
                if member.front is not None:
                    member.front.forget()
            fold.forget()
        return [results[pair] for pair in pairs]

    def _members(self, candidates, folds, pairs):
        """Return a member for each pair, its transformers fitted."""
        members = []
        for number, fold in folds.items():
            fronts = {}
            for pair in pairs:
                if pair[1] == number:
                    members.append(self._member(pair, candidates, fold, fronts))
            fold.forget()
        return sorted(members, key=lambda member: member.place)

    def _configured(self, parameters):
        """Return the estimator with a candidate's parameters, nothing shared."""
        return clone(self.estimator).set_params(**clone(parameters, safe=False))

    def _member(self, place, candidates, fold, fronts):
        """Return a member; `fronts` are the transformers fitted on this fold."""
        parameters = candidates[place[0]]
        member = Member(place, fold, parameters, self._configured(parameters))
        estimator = member.estimator
        if is_pipeline(estimator) and is_network(final_of(estimator)):
            key = front_key(self.estimator, parameters)
            if key not in fronts:
                X, y, _ = fold.part("train")
                pipeline = self._configured(parameters)  # not the member's own
                fronts[key] = Front(pipeline, X, y, fold.fit_params)
            member.front = fronts[key]
        return member

    def _train(self, members):
        """Let the engine train all members that it can train."""
        population = self._populate(members)
        if population is not None:
            population.advance()

    def _populate(self, members):
        """Return a population of the members, which join it; None if none can."""
        tasks = [member.task() for member in members]
        joining = [
            (member, task)
            for member, task in zip(members, tasks, strict=True)
            if task is not None
        ]
        if not joining:
            return None
        _seed(task.estimator for _, task in joining)
        population = Population(
            [task for _, task in joining], n_threads=self.settings.n_threads
        )
        for index, (member, _) in enumerate(joining):
            member.join(population, index)
        return population

    def _count(self, members):
        """Add the epochs that members have had since they were last counted."""
        for member in members:
            if member.population is not None:
                epochs = member.population.epochs(member.index)
                self.n_epochs += epochs - member.counted
                member.counted = epochs

    def _result(self, member):
        """Return what scikit-learn's `_fit_and_score` returns."""
        settings = self.settings
        progress = (*member.place, *self._totals)
        print_start(settings.verbose, member.parameters, progress)
        result = {"fit_error": None, "score_time": 0.0}
        try:
            fitted = member.fitted()
        except Exception:
            if settings.error_score == "raise":
                raise
            result["fit_error"] = format_exc()
            scores = self._error_scores
        else:
            scores = self._scores_of(member, fitted)
        start = time.time()
        result["test_scores"] = scores("test")
        if result["fit_error"] is None:
            result["score_time"] = time.time() - start
        if settings.return_train_score:
            result["train_scores"] = scores("train")
        result["n_test_samples"] = len(member.fold.test)
        result["fit_time"] = member.fit_time()
        print_end(settings.verbose, member.parameters, progress, result)
        return result

    def _error_scores(self, part):
        """Return the scores of a fit that failed."""
        scorer, error_score = self.settings.scorer, self.settings.error_score
        if isinstance(scorer, _MultimetricScorer):
            return dict.fromkeys(scorer._scorers, error_score)
        return error_score

    def _scores_of(self, member, fitted):
        """Return a function that scores on a part of the fold."""
        settings, front = self.settings, member.front
        whole = fitted if front is None else front.finish(fitted)

        def scores(part):
            X, y, params = member.fold.part(part)
            estimator = whole
            if front is not None and self._direct:
                try:
                    X, estimator = front.transform(part, X), fitted
                except Exception:  # it is raised again, in the scorer
                    estimator = whole
            return _score(
                estimator, X, y, settings.scorer, params, settings.error_score
            )

        return scores
