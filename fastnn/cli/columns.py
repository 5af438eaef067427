"""What each column of a table is used for."""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from fastnn.cli.convert import days_of, to_days, to_floats, to_text
from fastnn.cli.errors import CliError

# Bounds the width of the one-hot columns that one text column becomes.
MAX_CATEGORIES = 32
# A text column is an id when more than this share of its values differ.
ID_SHARE = 0.9
ID_ROWS = 10
ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ].*)?"


@dataclasses.dataclass
class ColumnPlan:
    """The columns by use.

    Attributes
    ----------
    numbers, texts, dates : list of str
        Names of the columns used as such.
    dropped : dict of str to str
        Names of the unused columns, with the reason.
    """

    numbers: list[str] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)
    dates: list[str] = dataclasses.field(default_factory=list)
    dropped: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def used(self) -> list[str]:
        """Names of the columns that the network sees."""
        return [*self.numbers, *self.texts, *self.dates]


def plan_columns(frame: Any) -> ColumnPlan:
    """Decide what each column is used for.

    Parameters
    ----------
    frame : pandas.DataFrame
        The rows to learn from, without the target.

    Returns
    -------
    ColumnPlan
        At least one column is used.
    """
    plan = ColumnPlan()
    for name in frame.columns:
        column = frame[name].dropna()
        if len(column) == 0:
            plan.dropped[name] = "no values"
            continue
        use = _find_use(column)
        reason = _why_dropped(column, use)
        if reason:
            plan.dropped[name] = reason
        else:
            getattr(plan, use).append(name)
    if not plan.used:
        raise CliError("no usable column is left to predict from")
    return plan


def _find_use(column: Any) -> str:
    """Return the plan's list that a column without missing values belongs to."""
    from pandas.api import types

    if isinstance(column.dtype, types.CategoricalDtype):
        return "texts"
    kind = types.infer_dtype(column)
    if kind in ("integer", "floating", "decimal", "mixed-integer-float"):
        return "numbers"
    if kind in ("datetime64", "datetime", "date", "timedelta64", "timedelta"):
        return "dates"
    if kind == "string":
        reads_as_date = column.str.fullmatch(ISO_DATE).all()
        return "dates" if reads_as_date and days_of(column).notna().all() else "texts"
    # Text and numbers in one column, but no lists, records or bytes.
    if all(isinstance(value, str | np.bool_ | numbers.Number) for value in column):
        return "texts"
    return "other"


def _why_dropped(column: Any, use: str) -> str:
    """Return why a column without missing values is of no use, or ''."""
    if use == "other":
        return "neither numbers nor texts nor dates"
    values = column.astype(str) if use == "texts" else column
    distinct = values.nunique()
    if distinct == 1:
        return "one value only"
    if use == "numbers" and distinct == len(column) >= ID_ROWS and _counts_rows(column):
        return "row numbers"
    is_long = len(column) >= ID_ROWS
    if use == "texts" and is_long and distinct > ID_SHARE * len(column):
        return f"looks like an id: {distinct} different texts in {len(column)} rows"
    return ""


def _counts_rows(column: Any) -> bool:
    """Tell whether a column is 0, 1, 2, ... or 1, 2, 3, ... at its rows' places."""
    # The index still has each row's place in the file, whatever was held out.
    offset = column.to_numpy(dtype=np.float64) - column.index.to_numpy()
    return bool(offset[0] in (0.0, 1.0) and np.all(offset == offset[0]))


def build_preparation(plan: ColumnPlan) -> ColumnTransformer:
    """Return the transformer that turns a table into the network's inputs.

    Parameters
    ----------
    plan : ColumnPlan
        What each column is used for.

    Returns
    -------
    sklearn.compose.ColumnTransformer
        Not fitted; unknown columns are ignored.
    """
    encoder = OneHotEncoder(
        handle_unknown="ignore",
        max_categories=MAX_CATEGORIES,
        min_frequency=2,
        sparse_output=False,
    )
    steps = [
        ("numbers", make_pipeline(_converter(to_floats), *_scaling()), plan.numbers),
        ("texts", make_pipeline(_converter(to_text), encoder), plan.texts),
        ("dates", make_pipeline(_converter(to_days), *_scaling()), plan.dates),
    ]
    return ColumnTransformer(
        [step for step in steps if step[2]], remainder="drop", sparse_threshold=0
    )


def _converter(function: Any) -> FunctionTransformer:
    return FunctionTransformer(function, feature_names_out="one-to-one")


def _scaling() -> tuple[SimpleImputer, StandardScaler]:
    # Empty features are kept because a fold may miss all values of a column.
    imputer = SimpleImputer(
        strategy="median", add_indicator=True, keep_empty_features=True
    )
    return imputer, StandardScaler()
