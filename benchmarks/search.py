"""Searches for hyper-parameters beside scikit-learn's, in wall time and in score.

``python -m benchmarks.search`` searches a grid of 12 candidates on 5 folds of the
digits, all of `fit` included: with fastnn's GridSearchCV, and with scikit-learn's over
its own network and over fastnn's. The contenders take turns, round after round; the
best round counts. Processes are started, and everything is compiled, before. "float32"
and "float64" are the dtypes that networks train in; X is of that dtype.

``python -m benchmarks.search --random`` draws candidates from `suggest_space` (with the
activations that scikit-learn has, too) and prints the best score so far against wall
time, for fastnn's RandomizedSearchCV and HyperbandSearchCV and for scikit-learn's
RandomizedSearchCV over its own network. Both libraries draw the same candidates, in
portions of which the clock is read; nothing is fitted on everything at the end.

``--data california --path FILE --target NAME`` searches a table instead of the
digits; gaps and texts are prepared as ``python -m fastnn tune`` does it, before the
clock starts.

A trial of half a minute: ``--repeat 1 --epochs 5``, and ``--random --epochs 9
--candidates 10 --sklearn-candidates 5``.
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn import model_selection as sklearn_search
from sklearn.datasets import load_digits

from fastnn import model_selection as fastnn_search
from fastnn.cli.columns import build_preparation, plan_columns
from fastnn.cli.errors import CliError
from fastnn.cli.tables import check_column, read_table

from .bench_search import GRID
from .machine import count_cores, describe_machine, limit_cores
from .models import compile_twins, find_class, fit_quietly
from .tables import format_number, format_table

FOLDS, PORTION = 5, 10
SYNTHETIC = (20_640, 8)  # California housing's


@dataclass(frozen=True)
class Contender:
    """Who searches, whose network, its dtype, and `n_jobs`."""

    search: str
    network: str
    dtype: str
    n_jobs: int | None

    @property
    def label(self):
        """What the table calls it."""
        jobs = "" if self.n_jobs is None else f", n_jobs={self.n_jobs}"
        return f"{self.search}'s search, {self.network} {self.dtype}{jobs}"

    def estimator(self, task, epochs):
        """Return the unfitted network."""
        model = find_class(self.network, task)(max_iter=epochs, random_state=0)
        return model.set_params(dtype=self.dtype) if self.network == "fastnn" else model

    def make(self, kind, *args, **kwargs):
        """Return an unfitted search."""
        module = fastnn_search if self.search == "fastnn" else sklearn_search
        return getattr(module, kind)(*args, cv=FOLDS, n_jobs=self.n_jobs, **kwargs)


def contenders(cores):
    """Return the contenders of the grid search; the one to compare with is last."""
    return (
        Contender("fastnn", "fastnn", "float32", None),
        Contender("fastnn", "fastnn", "float64", None),
        Contender("fastnn", "fastnn", "float32", 1),
        Contender("sklearn", "fastnn", "float32", 1),
        Contender("sklearn", "fastnn", "float32", cores),
        Contender("sklearn", "sklearn", "float32", cores),
        Contender("sklearn", "sklearn", "float64", cores),
    )


def clock(search, X, y):
    """Return the seconds of a search."""
    start = time.perf_counter()
    fit_quietly(search, X, y)
    return time.perf_counter() - start


def warm_up(contender, task, X, y):
    """Compile, and have each process of joblib load, what a search uses."""
    if contender.network == "fastnn":
        compile_twins(contender.dtype)
    space = {"activation": ["relu", "tanh"] * 4}
    search = contender.make("GridSearchCV", contender.estimator(task, 1), space)
    rows = slice(None, 500)
    fit_quietly(search, X.astype(contender.dtype)[rows], y[rows])


def measure_grid(epochs, repeat):
    """Return (contender, best seconds, best score) of each contender."""
    X, y = load_digits(return_X_y=True)
    those = contenders(count_cores())
    seconds, scores = dict.fromkeys(those, np.inf), {}
    for contender in those:
        warm_up(contender, "classification", X, y)
    for _ in range(repeat):
        for contender in those:
            estimator = contender.estimator("classification", epochs)
            search = contender.make("GridSearchCV", estimator, GRID)
            taken = clock(search, X.astype(contender.dtype), y)
            seconds[contender] = min(seconds[contender], taken)
            scores[contender] = search.best_score_
    return [(contender, seconds[contender], scores[contender]) for contender in those]


def report_grid(results, epochs):
    """Print the table of the grid search."""
    base = results[-1][1]
    rows = [
        [
            contender.label,
            format_number(seconds),
            format_number(base / seconds),
            f"{score:.4f}",
        ]
        for contender, seconds, score in results
    ]
    n = int(np.prod([len(values) for values in GRID.values()]))
    print(f"{n} candidates, {FOLDS} folds of the digits, {epochs} epochs at most\n")
    print(format_table(["", "seconds", "ratio", "best score"], rows, markdown=True))


def load_table(path, target):
    """Return X and y of a table, and say what became of its gaps and texts.

    Columns are prepared as `python -m fastnn tune` does it: gaps in numbers become
    medians, with a column that marks them, and texts columns of zeros and ones. Rows
    without a target are left out.
    """
    frame = read_table(path, "benchmarks.search")
    target = frame.columns[-1] if target is None else target
    check_column(target, list(frame.columns), "--target")
    y = frame.pop(target)
    if y.dtype.kind not in "iuf":
        raise CliError(f"the target {target!r} is not numbers; name one by --target")
    known = y.notna().to_numpy()
    frame, y = frame[known], y[known].to_numpy(np.float64)
    plan = plan_columns(frame)
    X = build_preparation(plan).fit_transform(frame)
    print(
        f"{path}: target {target}; {len(known) - known.sum()} rows without it left "
        f"out; {int(frame[plan.used].isna().sum().sum())} gaps filled; texts "
        f"{plan.texts}; dates {plan.dates}; not used {list(plan.dropped)}"
    )
    return X, y


def load_data(name, path, target=None):
    """Return a title, the task, X and y, in float64, columns standardised.

    A file is a table (CSV or Parquet, see `load_table`), or an npz with "X" and "y".
    """
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return "digits", "classification", X / 16, y
    title = f"synthetic regression of California housing's shape, {SYNTHETIC}"
    if path is None:
        rng = np.random.default_rng(0)
        X = rng.standard_normal(SYNTHETIC)
        y = np.sin(2 * X[:, 0]) * X[:, 1] + np.abs(X[:, 2]) + 0.3 * X[:, 3:].sum(axis=1)
        y += 0.3 * rng.standard_normal(len(y))
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            X, y = arrays["X"].astype(np.float64), arrays["y"].astype(np.float64)
        title = path.name
    else:
        (X, y), title = load_table(path, target), path.name
    X = X - X.mean(axis=0)
    X /= np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    return title, "regression", X, (y - y.mean()) / y.std()


def search_randomly(contender, task, X, y, epochs, n_candidates):
    """Yield (candidates, seconds, best score) after each portion of the candidates."""
    X = X.astype(contender.dtype)
    y = y.astype(contender.dtype) if task == "regression" else y
    space = fastnn_search.suggest_space(find_class("fastnn", task)(), X, y)
    space["activation"] = ["relu", "tanh"]
    estimator = contender.estimator(task, epochs)
    stream = np.random.RandomState(0)  # each portion goes on where the last one ended
    done, seconds, best = 0, 0.0, -np.inf
    while done < n_candidates:
        portion = min(PORTION, n_candidates - done)
        search = contender.make(
            "RandomizedSearchCV",
            estimator,
            space,
            n_iter=portion,
            random_state=stream,
            refit=False,
        )
        seconds += clock(search, X, y)
        done += portion
        best = max(best, np.nanmax(search.cv_results_["mean_test_score"]))
        yield done, seconds, best


def search_by_hyperband(contender, task, X, y, epochs):
    """Yield (candidates, seconds, best score) of a whole Hyperband."""
    X = X.astype(contender.dtype)
    y = y.astype(contender.dtype) if task == "regression" else y
    estimator = contender.estimator(task, epochs)
    space = fastnn_search.suggest_space(estimator, X, y)
    space["activation"] = ["relu", "tanh"]
    search = contender.make(
        "HyperbandSearchCV",
        estimator,
        space,
        max_iter=epochs,
        random_state=0,
        refit=False,
    )
    seconds = clock(search, X, y)
    scores = search.cv_results_["mean_test_score"]
    yield search.metadata_["n_models"], seconds, np.nanmax(scores)


def report_random(options):
    """Run the random searches one after the other and print their tables."""
    title, task, X, y = load_data(options.data, options.path, options.target)
    ours = Contender("fastnn", "fastnn", "float32", None)
    theirs = Contender("sklearn", "sklearn", "float64", count_cores())
    for contender in (ours, theirs):
        warm_up(contender, task, X, y)
    sizes = task, X, y, options.epochs
    curves = {
        f"RandomizedSearchCV: {ours.label}": search_randomly(
            ours, *sizes, options.candidates
        ),
        f"HyperbandSearchCV: {ours.label}": search_by_hyperband(ours, *sizes),
        f"RandomizedSearchCV: {theirs.label}": search_randomly(
            theirs, *sizes, options.sklearn_candidates
        ),
    }
    print(f"{title}: {FOLDS} folds, {options.epochs} epochs at most")
    for label, curve in curves.items():
        rows = [
            [f"{done}", format_number(seconds), f"{best:.4f}"]
            for done, seconds, best in curve
        ]
        header = ["candidates", "seconds", "best score"]
        print(f"\n### {label}\n\n{format_table(header, rows, markdown=True)}")


def main(arguments=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description="Time searches for hyper-parameters beside scikit-learn's.",
    )
    parser.add_argument("--repeat", type=int, default=3, help="rounds; 3 by default")
    parser.add_argument("--epochs", type=int, help="40 by default, 81 with --random")
    parser.add_argument("--threads", type=int, help="cores to use; all by default")
    parser.add_argument("--random", action="store_true", help="score against time")
    parser.add_argument(
        "--candidates", type=int, default=200, help="of fastnn's search"
    )
    parser.add_argument(
        "--sklearn-candidates", type=int, default=20, help="of scikit-learn's search"
    )
    parser.add_argument("--data", choices=("digits", "california"), default="digits")
    parser.add_argument(
        "--path", type=Path, help="CSV, Parquet or npz file of --data california"
    )
    parser.add_argument("--target", help="its column to predict; by default the last")
    options = parser.parse_args(arguments)
    if options.threads is not None:
        limit_cores(options.threads)
    if options.epochs is None:
        options.epochs = 81 if options.random else 40
    os.environ["PYTHONWARNINGS"] = "ignore"  # of processes that joblib starts
    if options.random:
        try:
            report_random(options)
        except CliError as error:
            parser.error(str(error))
    else:
        report_grid(measure_grid(options.epochs, options.repeat), options.epochs)
    print()
    print("\n".join(describe_machine()))


if __name__ == "__main__":
    main()
