"""The pipeline that ``tune`` fits, and the settings that it draws from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import loguniform
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import fastnn
from fastnn.cli.columns import ColumnPlan, build_preparation

ACTIVATIONS = ["relu", "tanh"]
HIDDEN_LAYERS = [(32,), (64,), (128,), (256,), (64, 32), (128, 64)]
BATCH_SIZES = [32, 64, 128, 256]
# Tables with many rows are trained in larger steps.
MANY_ROWS = 20_000
LARGE_BATCH_SIZES = [128, 256, 512, 1024]
# What scikit-learn's networks hold out of each training to stop early.
VALIDATION_SHARE = 0.1
MIN_ROWS_TO_STOP_EARLY = 100


def can_stop_early(task: str, y: np.ndarray, cv: int) -> bool:
    """Tell whether each training can spare rows to notice overfitting.

    Parameters
    ----------
    task : str
        ``"classification"`` or ``"regression"``.
    y : numpy.ndarray
        The target of the rows to learn from.
    cv : int
        Number of folds.

    Returns
    -------
    bool
        Whether a stratified validation part can be taken from each fold's rows.
    """
    rows = len(y) - math.ceil(len(y) / cv)
    if rows < MIN_ROWS_TO_STOP_EARLY or task == "regression":
        return rows >= MIN_ROWS_TO_STOP_EARLY
    counts = np.unique(y, return_counts=True)[1]
    fewest = counts.min() - math.ceil(counts.min() / cv)
    return bool(fewest >= 2 and VALIDATION_SHARE * rows >= len(counts))


def build_network(task: str, *, early: bool, max_iter: int, seed: int) -> Any:
    """Return the network of a task with the settings that stay the same.

    Parameters
    ----------
    task : str
        ``"classification"`` or ``"regression"``.
    early : bool
        Whether to stop early on a validation part.
    max_iter : int
        Most epochs.
    seed : int
        Seed of the weights and the batches.

    Returns
    -------
    fastnn.MLPClassifier or fastnn.MLPRegressor
        Not fitted.
    """
    kind: Any = fastnn.MLPClassifier
    if task == "regression":
        kind = fastnn.MLPRegressor
    return kind(
        early_stopping=early,
        validation_fraction=VALIDATION_SHARE,
        max_iter=max_iter,
        random_state=seed,
    )


def build_pipeline(plan: ColumnPlan, network: Any, task: str) -> Pipeline:
    """Return preparation and network as one estimator.

    Parameters
    ----------
    plan : ColumnPlan
        What each column is used for.
    network : estimator
        What `build_network` returned.
    task : str
        ``"classification"`` or ``"regression"``.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Not fitted; the steps are ``prepare`` and ``mlp``.
    """
    if task == "regression":
        # The scaler is its own inverse's judge; the check would only warn.
        network = TransformedTargetRegressor(
            network, transformer=StandardScaler(), check_inverse=False
        )
    return Pipeline([("prepare", build_preparation(plan)), ("mlp", network)])


def build_space(task: str, rows: int, cv: int) -> dict[str, Any]:
    """Return what the random search draws from.

    Parameters
    ----------
    task : str
        ``"classification"`` or ``"regression"``.
    rows : int
        Number of rows to learn from.
    cv : int
        Number of folds.

    Returns
    -------
    dict
        Lists and distributions by parameter of the pipeline.
    """
    sizes = LARGE_BATCH_SIZES if rows >= MANY_ROWS else BATCH_SIZES
    # A batch larger than the smallest training would be cut, with a warning.
    most = (rows - math.ceil(rows / cv)) * (1 - VALIDATION_SHARE)
    usable: list[Any] = [size for size in sizes if size <= most]
    space = {
        "hidden_layer_sizes": HIDDEN_LAYERS,
        "activation": ACTIVATIONS,
        "alpha": loguniform(1e-6, 1e-1),
        "learning_rate_init": loguniform(3e-4, 1e-2),
        "batch_size": usable or ["auto"],
    }
    step = "mlp__regressor__" if task == "regression" else "mlp__"
    return {step + name: values for name, values in space.items()}
