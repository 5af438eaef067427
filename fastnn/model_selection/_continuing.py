"""Candidates that go on from rung to rung instead of starting again."""

import warnings
from collections import Counter

from sklearn.exceptions import ConvergenceWarning

from ._candidates import final_of, frozen_params
from ._evaluation import Evaluator


class ContinuingEvaluator(Evaluator):
    """Trains the survivors of a rung on from where they stopped.

    Parameters
    ----------
    estimator, X, y, settings : as for `Evaluator`
    resource : str
        Name of the parameter that holds the epochs.
    most : int
        Epochs of the last rung.

    Notes
    -----
    A network whose schedule of rates depends on `max_iter`, or that is trained by
    "lbfgs", is another network with each number of epochs. It starts again.
    """

    def __init__(self, estimator, X, y, settings, resource, most):
        super().__init__(estimator, X, y, settings)
        self.resource, self.most = resource, int(most)
        self._alive = {}

    def _members(self, candidates, folds, pairs):
        """Return the members that are known, and new ones for the rest."""
        keys = self._keys(candidates, pairs)
        for key in [key for key in self._alive if key not in keys.values()]:
            member = self._alive.pop(key)
            member.population.drop(member.index)
        known = {
            pair: self._alive[key] for pair, key in keys.items() if key in self._alive
        }
        for pair, member in known.items():
            member.place, member.fold = pair, folds[pair[1]]
            member.parameters, member.has_begun = candidates[pair[0]], False
        new = [pair for pair in pairs if pair not in known]
        members = super()._members(candidates, folds, new)
        self._born = {keys[member.place]: member for member in members}
        return [*known.values(), *members]

    def _keys(self, candidates, pairs):
        """Return what each pair is known by from rung to rung.

        Equal candidates are told apart by their order.
        """
        seen, names = Counter(), []
        for candidate in candidates:
            rest = {key: candidate[key] for key in candidate if key != self.resource}
            name = frozen_params(rest)
            names.append((name, seen[name]))
            seen[name] += 1
        return {pair: (names[pair[0]], pair[1]) for pair in pairs}

    def _train(self, members):
        """Train all members up to this rung's epochs."""
        born = self._born.values()
        super()._train([member for member in born if not _goes_on(member)])
        going = {key: member for key, member in self._born.items() if _goes_on(member)}
        n_epochs = members[0].parameters[self.resource] if members else 0
        for member in going.values():
            final_of(member.estimator).set_params(max_iter=self.most)
        self._populate(list(going.values()))
        self._alive.update(going)
        alive = list(self._alive.values())
        populations = {id(member.population): member.population for member in alive}
        with warnings.catch_warnings():
            if n_epochs < self.most:  # there are no more epochs because of the rung
                warnings.simplefilter("ignore", ConvergenceWarning)
            for population in populations.values():
                self._advance(population, alive, n_epochs)

    def _release(self, member):
        """Let go of a member that has been scored, unless it may go on."""
        if not _goes_on(member):
            super()._release(member)


def _goes_on(member):
    """Return whether fewer epochs are the beginning of more epochs."""
    network = final_of(member.estimator)
    if member.task() is None or network.solver == "lbfgs":
        return False
    moves = network.learning_rate in ("cosine", "one_cycle")
    return not moves or getattr(network, "schedule_epochs", None) is not None
