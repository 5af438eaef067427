"""Conversions of columns inside the saved pipelines.

A saved model refers to these functions by their names, so they stay where they
are and keep their names.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MISSING = "(missing)"
# Squares of larger numbers, which scaling needs, may be infinite.
LARGEST = 1e100


def to_text(frame: Any) -> Any:
    """Turn each value into text.

    A number reads the same whether its column holds integers or, because some
    value is missing, floats.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of any kind.

    Returns
    -------
    numpy.ndarray of object
        Text only; missing values are a text of their own.
    """
    result = np.empty(frame.shape, dtype=object)
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        texts = [_as_text(value) for value in column.astype(object)]
        result[:, position] = np.where(column.isna(), MISSING, np.array(texts, object))
    return result


def _as_text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def as_known(column: Any, known: set[str]) -> Any:
    """Return a column of text, each value in the spelling that a model knows.

    A column of numbers or truth values was read as such when the model was fitted, so
    that it knows 1 and True where the file has "01" and "TRUE".

    Parameters
    ----------
    column : pandas.Series
        Text, or nan where a value is missing.
    known : set of str
        What `to_text` has made of the values at that time.

    Returns
    -------
    pandas.Series
    """

    def spell(value: Any) -> Any:
        if not isinstance(value, str) or value in known:
            return value
        other = value.capitalize()
        if other not in ("True", "False"):
            try:
                other = _as_text(float(value))
            except ValueError:
                return value
        return other if other in known else value

    return column.astype(object).map(spell)


def days_of(column: Any) -> Any:
    """Return a column of dates, or durations, in days; nan where there is none."""
    import pandas

    day = pandas.Timedelta(days=1)
    if pandas.api.types.is_timedelta64_dtype(column.dtype):
        return column / day
    dates = pandas.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    return (dates - pandas.Timestamp(0, tz="UTC")) / day


def to_floats(frame: Any) -> Any:
    """Turn numbers of any kind into floats, infinite and huge ones into nan.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of numbers, or of text that reads as numbers.

    Returns
    -------
    numpy.ndarray of float64
        The numbers, nan where a value is missing.
    """
    import pandas

    result = np.empty(frame.shape, dtype=np.float64)
    for position in range(frame.shape[1]):
        numbers = pandas.to_numeric(frame.iloc[:, position])
        result[:, position] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    result[np.abs(result) > LARGEST] = np.nan
    return result


def to_days(frame: Any) -> Any:
    """Turn dates into days since 1970-01-01, and durations into days.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of dates, of ISO 8601 text, or of durations.

    Returns
    -------
    numpy.ndarray of float64
        Days, nan where a value is missing or no date.
    """
    result = np.empty(frame.shape, dtype=np.float64)
    for position in range(frame.shape[1]):
        days = days_of(frame.iloc[:, position])
        result[:, position] = days.to_numpy(dtype=np.float64, na_value=np.nan)
    return result
