"""Saving and loading tuned pipelines."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import joblib

import fastnn
from fastnn.cli.errors import CliError, in_one_line
from fastnn.cli.files import check_input, written_whole
from fastnn.cli.report import print_note
from fastnn.files.container import MAGIC


def save_model(pipeline: Any, path: Path) -> None:
    """Save a pipeline, replacing an earlier file only once all is written.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted.
    path : pathlib.Path
        Where to save it.
    """
    with written_whole(path) as stream:
        joblib.dump(pipeline, stream, compress=3)


def load_model(path: str) -> Any:
    """Load a pipeline, which runs code that the file contains, or a network.

    Parameters
    ----------
    path : str
        A file that `save_model` wrote, or a network's method `save`.

    Returns
    -------
    sklearn.pipeline.Pipeline or estimator
        Fitted on a table with named columns.
    """
    found = check_input(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = fastnn.load(found) if _is_model_file(found) else joblib.load(found)
        except fastnn.ModelFileError as error:
            raise CliError(in_one_line(error)) from None
        # What is no pickle fails in many ways: KeyError, ValueError, ...
        except Exception as error:
            raise CliError(
                f"{path} is not a model that can be loaded: "
                f"{type(error).__name__}: {in_one_line(error)}"
            ) from None
    if not hasattr(model, "predict") or not hasattr(model, "feature_names_in_"):
        raise CliError(
            f"{path} holds no fitted model of a table, but a {type(model).__name__}"
        )
    # Other versions of scikit-learn mostly work, so this is no error.
    for text in sorted({in_one_line(item.message) for item in caught})[:1]:
        print_note(text, to_stderr=True)
    return model


def _is_model_file(path: Path) -> bool:
    """Return whether a file begins as those do that are safe to load."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC
