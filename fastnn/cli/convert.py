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
    import pandas

    day = pandas.Timedelta(days=1)
    result = np.empty(frame.shape, dtype=np.float64)
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        if pandas.api.types.is_timedelta64_dtype(column.dtype):
            days = column / day
        else:
            dates = pandas.to_datetime(
                column, format="ISO8601", errors="coerce", utc=True
            )
            days = (dates - pandas.Timestamp(0, tz="UTC")) / day
        result[:, position] = days.to_numpy(dtype=np.float64, na_value=np.nan)
    return result
