"""Samples that many fits share, each training on some of their rows."""

import threading

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import _check_y, _num_samples, validate_data

from ..inputs.matrices import check_places
from ..inputs.missing import check_dates, check_there
from ..structure.network import for_kernels


class Samples:
    """X, checked and converted once for each dtype, and never copied row by row.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    """

    def __init__(self, X):
        self.X = X
        self._checked, self._parts = {}, {}
        self._lock = threading.RLock()

    def checked(self, dtype):
        """Return X as the kernels read it; raise as a fit of all rows would.

        dtype : type of float, or tuple of the types that are fine as they are
        """
        key = np.dtype(dtype) if not isinstance(dtype, tuple) else dtype
        with self._lock:
            if key not in self._checked:
                check_places(self.X)
                X = check_array(
                    self.X, accept_sparse="csr", dtype=dtype, order="C", input_name="X"
                )
                check_dates(self.X, X)
                if X.dtype not in self._checked:
                    self._checked[X.dtype] = for_kernels(X)
                self._checked[key] = self._checked[X.dtype]
            return self._checked[key]

    def part(self, rows):
        """Return a copy of some rows, made once."""
        if rows is None:
            return self.X
        with self._lock:
            key = id(rows)
            if key not in self._parts:
                self._parts[key] = rows, _safe_indexing(self.X, rows)
            return self._parts[key][1]


class Subset:
    """Rows of shared samples that a fit is about.

    Parameters
    ----------
    samples : Samples
    rows : vector of int, or what else picks rows of an array
    """

    def __init__(self, samples, rows):
        rows = np.asarray(rows)
        if rows.dtype == bool or rows.min() < 0:  # kernels count from 0
            rows = np.arange(_num_samples(samples.X))[rows]
        self.samples, self.rows = samples, np.asarray(rows, np.int64)

    def validate(self, estimator, X, y, dtype):
        """Return all rows of X, and y of this subset, as `validate_data` would."""
        validate_data(estimator, X, reset=True, skip_check_array=True)
        check_there(y)
        y = _check_y(
            y,
            multi_output=True,
            y_numeric=estimator._is_regressor(),
            estimator=estimator,
        )
        if _num_samples(y) != self.rows.size:
            raise ValueError(
                f"Found {_num_samples(y)} targets for {self.rows.size} rows of X."
            )
        return self.samples.checked(dtype), y

    def spread(self, problem):
        """Put what a problem has of each row at that row of X."""
        n = problem.rows.n
        for name in ("Y", "y", "weight", "user_weight"):
            values = getattr(problem, name)
            if values is not None:
                whole = np.zeros((n, *values.shape[1:]), values.dtype)
                whole[self.rows] = values
                setattr(problem, name, whole)
        problem.train = self.rows


def can_share(y):
    """Return whether targets can be spread: not those of a sparse multilabel y."""
    return not sparse.issparse(y)
