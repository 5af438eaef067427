"""The column to predict: what kind it is, and its values."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from fastnn.cli.convert import LARGEST
from fastnn.cli.errors import CliError

# An integer target with more different values than this is a quantity.
MAX_INTEGER_CLASSES = 20
ROWS_PER_CLASS = 10


@dataclasses.dataclass
class Problem:
    """A table that is ready for learning.

    Attributes
    ----------
    task : str
        ``"classification"`` or ``"regression"``.
    reason : str
        Why this task.
    rows : pandas.DataFrame
        The rows whose target is known, without the target.
    values : numpy.ndarray
        The target of each row.
    notes : list of str
        What was left out.
    """

    task: str
    reason: str
    rows: Any
    values: np.ndarray
    notes: list[str]


def take_target(frame: Any, name: str, task: str) -> Problem:
    """Part a table into its target and the other columns.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    name : str
        The target's column.
    task : {"auto", "classification", "regression"}
        What to predict.

    Returns
    -------
    Problem
        At least two different target values.
    """
    column = _plain(frame[name])
    known = column.notna()
    if not known.any():
        raise CliError(f"the target {name!r} has no values: all are missing")
    notes = []
    if not known.all():
        count = f"{int((~known).sum())} of {len(frame)}"
        notes.append(f"rows left out because their target is missing: {count}")
    reason = "as asked"
    if task == "auto":
        task, reason = _find_task(column[known], name)
    if task == "classification":
        values = _labels(column[known], name)
        kept = _mark_usable(values, name, notes)
    else:
        values = _quantities(column[known], name)
        kept = np.ones(len(values), dtype=bool)
    if np.all(values[kept] == values[kept][0]):
        what = "one class" if task == "classification" else "one value"
        raise CliError(f"the target {name!r} has {what} only: {values[kept][0]}")
    rows = frame.drop(columns=name)[known][kept]
    return Problem(task, reason, rows, values[kept], notes)


def _plain(column: Any) -> Any:
    """Return a column without category type, infinite numbers as missing."""
    from pandas.api import types

    if isinstance(column.dtype, types.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if types.is_float_dtype(column.dtype):
        column = column.replace([np.inf, -np.inf], np.nan)
    return column


def _kind(column: Any) -> str:
    from pandas.api import types

    return types.infer_dtype(column, skipna=True)


def _is_number(column: Any) -> bool:
    return _kind(column) in ("integer", "floating", "decimal", "mixed-integer-float")


def _find_task(column: Any, name: str) -> tuple[str, str]:
    """Return the task that a target without missing values suggests, and why."""
    count = _count_distinct(column)
    if not _is_number(column):
        return "classification", f"{name} has {count} classes"
    numbers = column.astype(float)
    most = max(2, min(MAX_INTEGER_CLASSES, len(column) // ROWS_PER_CLASS))
    if (numbers == numbers.round()).all() and count <= most:
        return "classification", f"{name} has {count} different integers"
    return "regression", f"{name} has {count} different numbers"


def _count_distinct(column: Any) -> int:
    try:
        return int(column.nunique())
    except TypeError:  # values that cannot be compared, such as lists
        return int(column.astype(str).nunique())


def _labels(column: Any, name: str) -> np.ndarray:
    """Return classes: truth values, integers, or text."""
    kind = _kind(column)
    if kind.startswith(("date", "timedelta")):
        raise CliError(f"the target {name!r} is a date; make it a number or a text")
    if kind == "boolean":
        return column.to_numpy(dtype=bool)
    if _is_number(column):
        numbers = column.astype(float)
        # Beyond 2**53 floats no longer tell integers apart; text does.
        if (numbers == numbers.round()).all() and numbers.abs().max() < 2**53:
            return numbers.to_numpy().astype(np.int64)
    return column.astype(str).to_numpy(dtype=object)


def _mark_usable(values: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """Mark the rows whose class has a second row, to learn from and to test on."""
    classes, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    alone = counts < 2
    if np.all(alone):
        raise CliError(
            f"each row has a class of its own in the target {name!r}; "
            "is it a quantity (--task regression)?"
        )
    if np.any(alone):
        shown = ", ".join(str(label) for label in classes[alone][:5])
        more = ", ..." if alone.sum() > 5 else ""
        notes.append(f"classes with a single row are left out: {shown}{more}")
    return ~alone[codes]


def _quantities(column: Any, name: str) -> np.ndarray:
    import pandas

    try:
        numbers = pandas.to_numeric(column).to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise CliError(
            f"--task regression: the target {name!r} has values that are no numbers"
        ) from None
    if np.abs(numbers).max() > LARGEST:
        raise CliError(f"the target {name!r} has values beyond {LARGEST:g}")
    return numbers
