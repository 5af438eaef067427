"""Dates, and targets that are text or objects, of which some are missing."""

import numpy as np
from scipy import sparse

_MISSING_DATE = -(2.0**63)  # what NumPy makes of one


def check_dates(given, X):
    """Raise if X was made of dates of which one is missing: as a number it is -2⁶³.

    Parameters
    ----------
    given : object
        Whatever a user gave.
    X : ndarray or sparse matrix
        What it was made into.

    Raises
    ------
    ValueError
        If a date is missing.
    """
    if sparse.issparse(X) or _has_numbers(given):
        return
    if (X == _MISSING_DATE).any() and _is_some_missing(np.asarray(given)):
        raise ValueError(
            "Input X contains NaT, a missing date. Leave out such rows, or fill in a "
            "date."
        )


def _has_numbers(given):
    """Return whether an array says that it holds numbers, so no dates."""
    return getattr(getattr(given, "dtype", None), "kind", "O") in "biuf"


def _is_some_missing(values):
    """Return whether there is NaT among dates, or it, NaN or NA among objects."""
    if values.dtype.kind in "mM":
        return bool(np.isnat(values).any())
    if values.dtype.kind != "O":
        return False
    try:
        return bool((values != values).any())  # only such are not themselves
    except TypeError:  # NA is neither
        return True


def check_there(y, name="y"):
    """Raise if a target is missing in an array of objects, texts or dates.

    Parameters
    ----------
    y : object
        Whatever a user gives; of numbers, scikit-learn looks for NaN itself. None is
        left to those who compare labels.
    name : str
        What to call it.

    Raises
    ------
    ValueError
        If there is NaN, NaT or pandas' NA.
    """
    if sparse.issparse(y) or _has_numbers(y):
        return
    try:
        values = np.asarray(y)
        if values.dtype.kind == "U" and isinstance(y, list | tuple):
            values = np.asarray(y, object)  # which does not make a text of NaN
        missing = _is_some_missing(values)
    except (TypeError, ValueError):
        return  # rows of several lengths, or no array: scikit-learn tells of it
    if missing:
        raise ValueError(
            f"Input {name} contains NaN, NA or NaT: it has missing values. Leave out "
            "such rows."
        )
