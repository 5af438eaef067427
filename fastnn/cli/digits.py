"""The main job: the digits of scikit-learn, beside scikit-learn's own MLP."""

from __future__ import annotations

import argparse
from typing import Any

import joblib
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.model_selection import ParameterGrid, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import fastnn
from fastnn.cli.before_timing import print_warm_up, warm_up
from fastnn.cli.report import print_machine, print_pair
from fastnn.cli.search import (
    Times,
    WatchedGridSearch,
    describe_best,
    print_candidates,
    run_search,
    score_classifier,
)

SEED = 0
MAX_ITER = 300
BATCH_SIZE = 64
FOLDS = 5
GRID: dict[str, list] = {
    "mlp__hidden_layer_sizes": [(64,), (128,)],
    "mlp__alpha": [1e-4, 1e-1],
    "mlp__learning_rate_init": [2e-3, 5e-3],
}
QUICK_FOLDS = 2
QUICK_GRID: dict[str, list] = {
    "mlp__hidden_layer_sizes": [(32,)],
    "mlp__learning_rate_init": [2e-3, 5e-3],
}


def run_digits(options: argparse.Namespace) -> None:
    """Tune a classifier of the digits and compare the time.

    Parameters
    ----------
    options : argparse.Namespace
        ``quick``, ``no_compare`` and ``n_jobs``.
    """
    grid = QUICK_GRID if options.quick else GRID
    folds = QUICK_FOLDS if options.quick else FOLDS
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X, y, test_size=0.25, stratify=y, random_state=SEED)
    print_machine(options.n_jobs)
    print_pair(
        "data", f"digits, {len(parts[0])} rows to tune, {len(parts[1])} held out"
    )
    total = len(ParameterGrid(grid))
    print_pair("search", f"GridSearchCV, {total} candidates x {folds} folds")

    network = _new_network(fastnn.MLPClassifier)
    print_warm_up(warm_up(network, [{}], n_classes=10))
    words = {"grid": grid, "folds": folds, "n_jobs": options.n_jobs, "total": total}
    search, times = _search(network, "fastnn", parts, **words)
    print()
    print_candidates(search)
    print()
    _print_result(search, "fastnn", times, parts)
    if not options.no_compare:
        _compare(times, parts, words)


def _compare(times: Times, parts: list, words: dict) -> None:
    """Run scikit-learn's search and print the ratio of the times."""
    network = _new_network(sklearn.neural_network.MLPClassifier)
    other, other_times = _search(network, "scikit-learn", parts, **words)
    print()
    _print_result(other, "scikit-learn", other_times, parts)
    print()
    ratio = f"{other_times.wall / times.wall:.2f} (scikit-learn's time / fastnn's time)"
    print_pair("ratio of search times", ratio)
    print(
        "Measured: wall time of GridSearchCV.fit with the final fit on all rows to "
        f"tune,\nonce for each library in this process, the same grid, folds and "
        f"random_state,\nn_jobs={joblib.effective_n_jobs(words['n_jobs'])}; "
        "compilation apart. Other programs that run now change it."
    )


def _new_network(kind: Any) -> Any:
    return kind(batch_size=BATCH_SIZE, max_iter=MAX_ITER, random_state=SEED)


def _search(
    network: Any,
    name: str,
    parts: list,
    *,
    grid: dict,
    folds: int,
    n_jobs: int,
    total: int,
) -> tuple[WatchedGridSearch, Times]:
    """Run one library's search; return it with its times."""
    search = WatchedGridSearch(
        Pipeline([("scale", StandardScaler()), ("mlp", network)]),
        grid,
        scoring=score_classifier,
        refit="score",
        cv=StratifiedKFold(folds, shuffle=True, random_state=SEED),
        n_jobs=n_jobs,
    )
    X_train, _, y_train, _ = parts
    return search, run_search(search, X_train, y_train, name, total)


def _print_result(search: Any, name: str, times: Times, parts: list) -> None:
    _, X_test, _, y_test = parts
    accuracy = score_classifier(search.best_estimator_, X_test, y_test)["score"]
    print_pair(f"{name}: best candidate", describe_best(search))
    print_pair(f"{name}: CV accuracy", f"{search.best_score_:.4f}")
    print_pair(f"{name}: held-out accuracy", f"{accuracy:.4f}")
    print_pair(f"{name}: search time", times)
