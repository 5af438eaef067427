"""Sparse matrices whose arrays cannot be followed: refused before anyone does."""

from scipy import sparse


def check_places(X):
    """Raise if a sparse X points out of itself.

    SciPy looks when a matrix is made, but not after its arrays were written to. Its
    own conversions, and kernels, would then read and write memory of others.

    Parameters
    ----------
    X : object
        Whatever a user gives; what is not sparse passes.

    Raises
    ------
    ValueError
        If X is in CSR, CSC or COO format and has an index out of range.
    """
    if not sparse.issparse(X) or X.format not in ("csr", "csc", "coo"):
        return
    if X.format == "coo":
        right = _are_below(X.row, X.shape[0]) and _are_below(X.col, X.shape[1])
        right = right and len(X.row) == len(X.col) == len(X.data)
    else:
        n, n_places = X.shape if X.format == "csr" else X.shape[::-1]
        right = _are_ranges(X.indptr, n, min(len(X.indices), len(X.data)))
        right = right and _are_below(X.indices[: X.indptr[-1]], n_places)
    if not right:
        raise ValueError(
            f"X is a damaged {X.format.upper()} matrix: its arrays point out of its "
            f"{X.shape[0]} rows and {X.shape[1]} columns. Build it anew."
        )


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
