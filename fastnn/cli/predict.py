"""``python -m fastnn predict``: apply a saved model to a table."""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import Any

from fastnn.cli.convert import as_known, days_of
from fastnn.cli.errors import CliError, in_one_line
from fastnn.cli.files import check_input, check_output, written_whole
from fastnn.cli.models import load_model
from fastnn.cli.tables import import_pandas, read_table

MOST_NAMES = 8


def run_predict(options: argparse.Namespace) -> None:
    """Apply a model to a table and write the predictions.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``file``, ``output`` and ``proba``.
    """
    pandas = import_pandas("predict")
    inputs = check_input(options.model), check_input(options.file)
    output = None
    if options.output is not None and options.output != "-":
        output = check_output(options.output, *inputs)
    model = load_model(options.model)
    if options.proba and not hasattr(model, "predict_proba"):
        raise CliError("--proba: this model predicts quantities, not classes")
    texts = _known_texts(model)
    table = read_table(options.file, "predict", list(texts))
    rows = _pick_columns(pandas, model, table)
    for name, known in texts.items():
        rows[name] = as_known(rows[name], known)
    predictions = _predict(pandas, model, rows, options.proba)
    if output is None:
        if sys.stdout is None:
            raise CliError("the standard output is closed; give --output")
        predictions.to_csv(sys.stdout, index=False)
        return
    with written_whole(output, "w", newline="", encoding="utf-8") as stream:
        predictions.to_csv(stream, index=False)
    print(f"{len(predictions)} predictions written to {output}")


def _pick_columns(pandas: Any, model: Any, table: Any) -> Any:
    """Return the columns that the model was fitted on, in its order."""
    wanted = [str(name) for name in model.feature_names_in_]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        shown = ", ".join(missing[:MOST_NAMES])
        more = f" and {len(missing) - MOST_NAMES} more" if missing[MOST_NAMES:] else ""
        raise CliError(f"missing columns: {shown}{more}")
    rows = table[wanted].copy()
    for name in _columns_of(model, "numbers"):
        try:
            pandas.to_numeric(rows[name])
        except (TypeError, ValueError) as error:
            raise CliError(
                f"column {name!r} was numeric when the model was fitted, "
                f"but holds other values now: {in_one_line(error)}"
            ) from None
    for name in _columns_of(model, "dates"):
        lost = rows[name].notna() & days_of(rows[name]).isna()
        if lost.any():
            raise CliError(
                f"column {name!r} held dates when the model was fitted, but holds "
                f"other values now: {rows[name][lost].iloc[0]!r} (write YYYY-MM-DD)"
            )
    return rows


def _columns_of(model: Any, use: str) -> list[str]:
    """Return the columns that a model of ``tune`` takes as numbers, or the like."""
    steps = getattr(model, "named_steps", {})
    prepare = steps.get("prepare")
    for name, _, columns in getattr(prepare, "transformers_", []):
        if name == use:
            return list(columns)
    return []


def _known_texts(model: Any) -> dict[str, set[str]]:
    """Return the columns that a model of ``tune`` takes as text, and what it knows."""
    names = _columns_of(model, "texts")
    if not names:
        return {}
    prepare = model.named_steps["prepare"]
    encoder = prepare.named_transformers_["texts"][-1]
    return {
        name: set(known) for name, known in zip(names, encoder.categories_, strict=True)
    }


def _predict(pandas: Any, model: Any, rows: Any, proba: bool) -> Any:
    """Return a table of predictions, with probabilities if wanted."""
    try:
        with warnings.catch_warnings():
            # Values that the training did not see are expected in new tables.
            warnings.simplefilter("ignore")
            result = pandas.DataFrame({"prediction": model.predict(rows)})
            if proba:
                names = [f"proba_{label}" for label in model.classes_]
                result[names] = model.predict_proba(rows)
    except (TypeError, ValueError) as error:
        raise CliError(
            f"the model cannot use this table: {in_one_line(error)}"
        ) from None
    return result
