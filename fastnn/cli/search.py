"""Cross-validated searches that tell how far they are."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
)

from fastnn.cli.errors import CliError, in_one_line
from fastnn.cli.report import Progress, print_note, print_table, show_value

MOST_ROWS = 20
MOST_WARNINGS = 3


@dataclasses.dataclass
class Times:
    """What a search took.

    Attributes
    ----------
    wall : float
        Seconds on the clock.
    cpu : float or None
        Seconds of all threads, which other programs disturb less; None where
        other processes did the work.
    """

    wall: float
    cpu: float | None

    def __str__(self) -> str:
        cpu = "" if self.cpu is None else f" ({self.cpu:.2f} s of CPU time)"
        return f"{self.wall:.2f} s{cpu}"


class _Watched:
    """Evaluates the candidates in small groups and reports after each.

    Attributes
    ----------
    progress : Progress
        Set before ``fit``.
    failures : list of str
        Filled by ``fit``: why candidates were left out.
    """

    progress: Progress
    failures: list[str]
    n_jobs: int | None
    n_splits_: int

    def _evaluate(self, evaluate: Callable, candidates: Iterable[dict]) -> None:
        listed = list(candidates)
        size = _group_size(self.n_jobs, self.n_splits_)
        self.failures = []
        results = None
        for start in range(0, len(listed), size):
            group = listed[start : start + size]
            try:
                results = evaluate(group)
            except ValueError as error:
                # scikit-learn gives up where all fits of one call failed; other
                # candidates may still work.
                self.failures += [_reason(error)] * len(group)
                if results is None and start + size >= len(listed):
                    raise
            scores = [] if results is None else results["mean_test_score"]
            best = max((score for score in scores if score == score), default=np.nan)
            self.progress.update(start + len(group), best)
        self.progress.tell("fitting the best candidate")


class WatchedGridSearch(_Watched, GridSearchCV):
    """A grid search that reports its progress."""

    def _run_search(self, evaluate_candidates: Callable) -> None:
        self._evaluate(evaluate_candidates, ParameterGrid(self.param_grid))


class WatchedRandomSearch(_Watched, RandomizedSearchCV):
    """A random search that reports its progress."""

    def _run_search(self, evaluate_candidates: Callable) -> None:
        draws = ParameterSampler(
            self.param_distributions, self.n_iter, random_state=self.random_state
        )
        self._evaluate(evaluate_candidates, draws)


def _reason(error: Exception) -> str:
    """Return the last line of an error, where a traceback inside it ends."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return in_one_line(lines[-1] if lines else error)


def _group_size(n_jobs: int | None, n_splits: int) -> int:
    """Return the smallest number of candidates that keeps all processes busy."""
    jobs = joblib.effective_n_jobs(n_jobs)
    return jobs // math.gcd(jobs, n_splits)


def score_classifier(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    """Return the accuracy, and whether the training used all its epochs."""
    score = accuracy_score(y, estimator.predict(X))
    return {"score": score, "unfinished": _used_all_epochs(estimator)}


def score_regressor(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    """Return R2, and whether the training used all its epochs."""
    score = r2_score(y, estimator.predict(X))
    return {"score": score, "unfinished": _used_all_epochs(estimator)}


def _used_all_epochs(estimator: Any) -> float:
    network = estimator[-1]
    network = getattr(network, "regressor_", network)
    return float(network.n_iter_ >= network.max_iter)


def run_search(search: Any, X: Any, y: Any, name: str, total: int) -> Times:
    """Fit a watched search.

    Parameters
    ----------
    search : WatchedGridSearch or WatchedRandomSearch
        Not fitted.
    X, y : array-like
        The rows to learn from.
    name : str
        What the lines of the progress begin with.
    total : int
        Number of candidates.

    Returns
    -------
    Times
        Of the whole search with its final fit.
    """
    search.progress = Progress(name, total)
    start = time.perf_counter(), time.process_time()
    try:
        with told_warnings(joblib.effective_n_jobs(search.n_jobs)):
            try:
                search.fit(X, y)
            finally:
                search.progress.close()
    except ValueError as error:
        raise CliError(f"the search failed: {_reason(error)}") from error
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    if not np.isfinite(search.best_score_):
        raise CliError("the search failed: no candidate has a score for all folds")
    _tell_fits(search)
    # The time of other processes is not counted in this one's.
    is_here = joblib.effective_n_jobs(search.n_jobs) == 1
    return Times(wall, cpu if is_here else None)


def _tell_fits(search: Any) -> None:
    """Say how many fits ended at the last epoch, and what failed."""
    results = search.cv_results_
    unfinished = [
        results[f"split{fold}_test_unfinished"] for fold in range(search.n_splits_)
    ]
    count = int(np.nansum(unfinished))
    if count:
        total = np.size(unfinished)
        print_note(
            f"{count} of {total} fits ran to their last epoch (max_iter); "
            "more epochs may improve them"
        )
    for reason, times in Counter(search.failures).items():
        print_note(f"{times} candidates failed: {reason}")


@contextlib.contextmanager
def told_warnings(n_jobs: int = 1) -> Iterator[None]:
    """Gather warnings and tell each kind once, in one line.

    Networks that did not converge are counted elsewhere, from their epochs,
    because warnings of other processes do not come back.

    Parameters
    ----------
    n_jobs : int
        Number of processes of the work inside.
    """
    with contextlib.ExitStack() as stack:
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        # scikit-learn hands the filters on to other processes, which would
        # print what is recorded here.
        warnings.simplefilter("always" if n_jobs == 1 else "ignore")
        if n_jobs > 1:
            stack.enter_context(_quiet_children())
        yield
    kinds = Counter(
        f"{item.category.__name__}: {in_one_line(item.message)}"
        for item in caught or []
        if not _is_counted(item)
    )
    for text, times in kinds.most_common(MOST_WARNINGS):
        print_note(f"{text} ({times} times)" if times > 1 else text)


def _is_counted(item: warnings.WarningMessage) -> bool:
    # The second is known before the search and told by the caller.
    known = "The least populated class" in str(item.message)
    return known or issubclass(item.category, ConvergenceWarning)


@contextlib.contextmanager
def _quiet_children() -> Iterator[None]:
    """Start other processes without warnings: old versions hand on no filters."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def print_candidates(search: Any) -> None:
    """Print the candidates of a fitted search, best first.

    Parameters
    ----------
    search : WatchedGridSearch or WatchedRandomSearch
        Fitted.
    """
    results = search.cv_results_
    names = sorted({name for params in results["params"] for name in params})
    header = ["rank", *(name.split("__")[-1] for name in names)]
    header += ["CV mean", "CV std", "seconds"]
    fit_and_score = results["mean_fit_time"] + results["mean_score_time"]
    seconds = fit_and_score * search.n_splits_
    order = np.argsort(results["rank_test_score"], kind="stable")
    rows = [
        [
            results["rank_test_score"][i],
            *(show_value(results["params"][i][name]) for name in names),
            f"{results['mean_test_score'][i]:.4f}",
            f"{results['std_test_score'][i]:.4f}",
            f"{seconds[i]:.2f}",
        ]
        for i in order[:MOST_ROWS]
    ]
    print_table(header, rows)
    if len(order) > MOST_ROWS:
        print(f"... and {len(order) - MOST_ROWS} more candidates")


def describe_best(search: Any) -> str:
    """Return the best candidate's parameters as Python keyword arguments."""
    words = {name.split("__")[-1]: v for name, v in search.best_params_.items()}
    return ", ".join(f"{name}={show_value(v)}" for name, v in sorted(words.items()))
