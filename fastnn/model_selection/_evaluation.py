"""Trains and scores candidates on folds, all of them together."""

import time
from collections import Counter
from dataclasses import dataclass
from itertools import product
from traceback import format_exc

from sklearn.base import clone
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._validation import _score
from sklearn.utils.validation import _num_samples

from ..learning.population import Population
from ._candidates import final_of, front_key, is_network, is_pipeline
from ._folds import Copies, Fold
from ._front import Front, sees_only_outputs
from ._members import Member, seed
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


class Evaluator:
    """Trains and scores candidates.

    A network is scored as soon as it is trained, while others are in training. This
    happens in the caller's thread, for all of them: scorers are users' functions, and
    the filters of warnings belong to the whole process.

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

    def __call__(self, candidates, splits, pairs=None, totals=None, listener=None):
        """Return a dict of results for each pair, as scikit-learn has it.

        Parameters
        ----------
        candidates : list, or dict by number, of dict
        splits : list, or dict by number, of pairs of row numbers
        pairs : list of (candidate, split), default=None
            None is all of them, candidate by candidate.
        totals : tuple of int, default=None
            Numbers of candidates and splits that messages speak of.
        listener : Listener, default=None
            Is told of each fit.
        """
        if pairs is None:
            pairs = list(product(range(len(candidates)), range(len(splits))))
        self._totals = totals or (len(candidates), len(splits))
        self._listener, self._results = listener, {}
        copies = Copies(_num_samples(self.X))
        data = self.estimator, self.X, self.y
        folds = {
            number: Fold(*data, splits[number], self.settings, copies)
            for number in dict.fromkeys(split for _, split in pairs)
        }
        members = self._members(candidates, folds, pairs)
        self._left = Counter(part for member in members for part in _shared(member))
        self._train(members)
        for member in members:  # those that had stopped in an earlier rung
            if member.place not in self._results:
                self._evaluate(member)
        self.n_epochs += sum(member.epochs_since() for member in members)
        results, self._results = self._results, {}
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
        """Let the engine train all members that it can train; evaluate all others."""
        population = self._populate(members)
        for member in members:
            if member.population is None:
                self._evaluate(member)
        if population is not None:
            self._advance(population, members)

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
        seed(task.estimator for _, task in joining)
        population = Population(
            [task for _, task in joining], n_threads=self.settings.n_threads
        )
        for index, (member, _) in enumerate(joining):
            member.join(population, index)
        return population

    def _advance(self, population, members, n_epochs=None):
        """Train a population and evaluate each of its members as it ends."""
        by_index = {m.index: m for m in members if m.population is population}
        told_of = self.settings.verbose > 9 or self._listener is not None
        population.advance(
            n_epochs,
            begins=(lambda i: self._begin(by_index[i])) if told_of else None,
            ends=lambda i: self._evaluate(by_index[i]),
        )

    def _begin(self, member):
        """Tell that a member is to be fitted."""
        if not member.has_begun:
            member.has_begun = True
            progress = (*member.place, *self._totals)
            print_start(self.settings.verbose, member.parameters, progress)
            if self._listener is not None:
                self._listener.begin(member)

    def _evaluate(self, member):
        """Score a member, tell of it, and let go of what is needed no more."""
        self._begin(member)
        try:
            result = self._result(member)
        finally:
            if self._listener is not None:
                self._listener.end(member)
        progress = (*member.place, *self._totals)
        print_end(self.settings.verbose, member.parameters, progress, result)
        self._results[member.place] = result
        self._left.subtract(_shared(member))
        for part in _shared(member):
            if not self._left[part]:
                part.forget()
        self._release(member)

    def _release(self, member):
        """Let go of a member that has been scored."""
        member.release()

    def _result(self, member):
        """Return what scikit-learn's `_fit_and_score` returns."""
        settings = self.settings
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


def _shared(member):
    """Return what a member shares with others: its fold and its transformers."""
    return [part for part in (member.fold, member.front) if part is not None]
