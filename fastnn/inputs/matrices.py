"""Sparse matrices whose arrays cannot be followed: refused before anyone does."""

from itertools import chain
from operator import eq

import numpy as np
from scipy import sparse


def check_places(X, name="X"):
    """Raise if a sparse X points out of itself.

    SciPy looks when a matrix is made, but not after its arrays were written to. Its
    own conversions, and kernels, would then read and write memory of others.

    Parameters
    ----------
    X : object
        Whatever a user gives; what is not sparse passes.
    name : str
        What to call it.

    Raises
    ------
    ValueError
        If X has an index out of range. (DIA and DOK have none that is followed.)
    """
    if not sparse.issparse(X) or X.ndim != 2:
        return
    if not _CHECKS.get(X.format, lambda X: True)(X):
        raise ValueError(
            f"{name} is a damaged {X.format.upper()} matrix: its arrays point out of "
            f"its {X.shape[0]} rows and {X.shape[1]} columns. Build it anew."
        )


def _is_coo_right(X):
    return (
        X.data.ndim == 1
        and len(X.row) == len(X.col) == len(X.data)
        and _are_below(X.row, X.shape[0])
        and _are_below(X.col, X.shape[1])
    )


def _is_csr_right(X):
    return X.data.ndim == 1 and _are_stretches(X, *X.shape)


def _is_csc_right(X):
    return X.data.ndim == 1 and _are_stretches(X, *X.shape[::-1])


def _is_bsr_right(X):
    """Return whether its blocks are within, which are its numbers' last axes."""
    if X.data.ndim != 3 or 0 in X.data.shape[1:]:
        return False
    high, wide = X.data.shape[1:]
    return (X.shape[0] % high == X.shape[1] % wide == 0) and _are_stretches(
        X, X.shape[0] // high, X.shape[1] // wide
    )


def _is_lil_right(X):
    """Return whether the rows' lists of columns are as long as those of numbers."""
    if not len(X.rows) == len(X.data) == X.shape[0]:
        return False
    places = np.fromiter(chain.from_iterable(X.rows), np.int64)
    return _are_below(places, X.shape[1]) and all(
        map(eq, map(len, X.rows), map(len, X.data))
    )


_CHECKS = {
    "coo": _is_coo_right,
    "csr": _is_csr_right,
    "csc": _is_csc_right,
    "bsr": _is_bsr_right,
    "lil": _is_lil_right,
}


def _are_stretches(X, n, n_places):
    """Return whether n stretches of indices are within range(n_places)."""
    right = _are_ranges(X.indptr, n, min(len(X.indices), len(X.data)))
    return right and _are_below(X.indices[: X.indptr[-1]], n_places)


def _are_below(places, size):
    """Return whether all places are in range(size)."""
    return not len(places) or bool(places.min() >= 0 and places.max() < size)


def _are_ranges(starts, n, size):
    """Return whether starts part n stretches of an array of this size, in order."""
    return bool(
        len(starts) == n + 1
        and starts[0] == 0
        and starts[-1] <= size
        and not (starts[1:] < starts[:-1]).any()
    )
