"""Folds, and the rows that are copied for them."""

from collections import OrderedDict

import numpy as np
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples


class Copies:
    """What was copied last, of as many rows as X has.

    Networks of all folds are scored in the order in which they are trained. The parts
    of five folds to test on are as many rows as X; those of fifty folds, or the parts
    to train on, would be many times X.

    Parameters
    ----------
    most : int
        Rows that are kept; what was asked for last is kept in any case.
    """

    def __init__(self, most):
        self._most, self._kept = most, OrderedDict()

    def get(self, key, n_rows, make):
        """Return what `make` makes; it is called if that is not known."""
        if key not in self._kept:
            self._kept[key] = n_rows, make()
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self._n_rows() > self._most:
            self._kept.popitem(last=False)
        return self._kept[key][1]

    def _n_rows(self):
        return sum(n_rows for n_rows, _ in self._kept.values())

    def forget(self, key):
        """Let go of one of them, if it is there."""
        self._kept.pop(key, None)


class Fold:
    """Rows to train and to test on, and what belongs to them.

    Parameters
    ----------
    estimator, X, y, settings : as for `Evaluator`
    rows : pair of vectors of int or bool
    copies : Copies
        Shared by all folds.
    """

    def __init__(self, estimator, X, y, rows, settings, copies):
        everything = np.arange(_num_samples(X))
        try:
            self.train, self.test = (everything[np.asarray(part)] for part in rows)
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(
                "cv must give pairs of row numbers to train and to test on, or of "
                f"masks of all {len(everything)} rows: {error}"
            ) from error
        self.estimator, self.X, self.y = estimator, X, y
        self.fit_params = _check_method_params(X, settings.fit_params, self.train)
        self._score_params, self._copies = settings.score_params, copies

    def part(self, name):
        """Return X, y and the scorer's parameters of "train" or "test"."""
        n_rows = len(getattr(self, name))
        return self._copies.get((id(self), name), n_rows, lambda: self._copy(name))

    def _copy(self, name):
        estimator, X, y = self.estimator, self.X, self.y
        if name == "train":
            data = _safe_split(estimator, X, y, self.train)
        else:
            data = _safe_split(estimator, X, y, self.test, self.train)
        return *data, _check_method_params(X, self._score_params, getattr(self, name))

    def forget(self):
        """Let go of copied rows."""
        for name in ("train", "test"):
            self._copies.forget((id(self), name))
