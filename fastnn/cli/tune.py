"""``python -m fastnn tune``: tune a network for a table and save it."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from fastnn.cli.before_timing import print_warm_up, warm_up
from fastnn.cli.columns import ColumnPlan, plan_columns
from fastnn.cli.errors import CliError, in_one_line
from fastnn.cli.files import check_input, check_output
from fastnn.cli.models import save_model
from fastnn.cli.report import print_machine, print_note, print_pair, print_table
from fastnn.cli.search import (
    WatchedRandomSearch,
    describe_best,
    print_candidates,
    run_search,
    score_classifier,
    score_regressor,
    told_warnings,
)
from fastnn.cli.space import (
    ACTIVATIONS,
    build_network,
    build_pipeline,
    build_space,
    can_stop_early,
)
from fastnn.cli.tables import check_column, import_pandas, read_table
from fastnn.cli.target import Problem, take_target


def run_tune(options: argparse.Namespace) -> None:
    """Tune a network for a table, score it and save it.

    Parameters
    ----------
    options : argparse.Namespace
        The options of the command ``tune``.
    """
    import_pandas("tune")
    source = check_input(options.file)
    output = options.output or f"{source.stem}.fastnn.joblib"
    model_path = check_output(output, source)
    problem = _read_problem(options)
    parts = _hold_out(problem, options.test_size, options.seed)
    _check_folds(problem.task, parts[2], options.cv)
    plan = plan_columns(parts[0])
    # The model asks for the columns that it was fitted on, used or not.
    parts[:2] = [rows[plan.used] for rows in parts[:2]]
    _print_problem(options, problem, parts, plan)
    search = _search(options, problem.task, plan, parts)
    print()
    print_candidates(search)
    print()
    print_pair("best candidate", describe_best(search))
    metric = "accuracy" if problem.task == "classification" else "R2"
    print_pair(f"best CV {metric} (mean)", f"{search.best_score_:.4f}")
    _print_scores(problem.task, search.best_estimator_, parts)
    save_model(search.best_estimator_, model_path)
    _print_saved(model_path, _easily_mistaken(parts[0][plan.texts]))


def _read_problem(options: argparse.Namespace) -> Problem:
    """Read the table and part it into target and columns."""
    frame = read_table(options.file, "tune")
    names = list(frame.columns)
    check_column(options.target, names, "--target")
    for name in options.drop:
        check_column(name, names, "--drop")
    if options.target in options.drop:
        raise CliError(f"--drop: {options.target!r} is the target")
    return take_target(frame.drop(columns=options.drop), options.target, options.task)


def _hold_out(problem: Problem, test_size: float, seed: int) -> list:
    """Split the rows: rows to learn from, held-out rows, and their targets."""
    labels = problem.values if problem.task == "classification" else None
    try:
        parts = train_test_split(
            problem.rows,
            problem.values,
            test_size=test_size,
            stratify=labels,
            random_state=seed,
        )
    except ValueError as error:
        raise CliError(
            f"too few rows ({len(problem.rows)}) for --test-size {test_size:g}: "
            f"{in_one_line(error)}"
        ) from None
    if len(parts[1]) < 2:
        raise CliError(
            f"too few rows ({len(problem.rows)}): fewer than 2 would be held out"
        )
    return parts


def _check_folds(task: str, y: np.ndarray, cv: int) -> None:
    """Complain about too few rows for the folds, and tell of small classes."""
    if len(y) < 2 * cv:
        raise CliError(
            f"too few rows for {cv} folds (--cv): {len(y)} rows to learn from, "
            f"{2 * cv} needed"
        )
    if task == "regression":
        return
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise CliError("too few rows: only one class is left to learn from")
    if counts.max() < cv:
        raise CliError(
            f"too few rows for {cv} folds (--cv): no class has {cv} rows to learn from"
        )
    small = [str(label) for label in classes[counts < cv]]
    if small:
        shown = ", ".join(small[:5]) + (", ..." if len(small) > 5 else "")
        print_note(f"classes with fewer than {cv} rows to learn from: {shown}")


def _print_problem(
    options: argparse.Namespace, problem: Problem, parts: list, plan: ColumnPlan
) -> None:
    """Print what was found in the table."""
    print_machine(options.n_jobs)
    print_pair("task", f"{problem.task} ({problem.reason})")
    print_pair("rows", f"{len(parts[0])} to learn from, {len(parts[1])} held out")
    uses = f"{len(plan.numbers)} numeric, {len(plan.texts)} text (one-hot)"
    if plan.dates:
        uses += f", {len(plan.dates)} date (as days since 1970-01-01)"
    print_pair("columns", uses)
    for note in problem.notes:
        print_note(note)
    for name, reason in plan.dropped.items():
        print_note(f"column {name!r} is dropped: {reason}")


def _search(
    options: argparse.Namespace, task: str, plan: ColumnPlan, parts: list
) -> WatchedRandomSearch:
    """Compile, then search; return the fitted search."""
    X_train, _, y_train, _ = parts
    is_classes = task == "classification"
    early = can_stop_early(task, y_train, options.cv)
    if not early:
        print_note("too few rows to stop early on a validation part; --max-iter rules")
    network = build_network(
        task, early=early, max_iter=options.max_iter, seed=options.seed
    )
    n_classes = len(np.unique(y_train)) if is_classes else 0
    settings = [{"activation": name} for name in ACTIVATIONS]
    print_warm_up(warm_up(network, settings, n_classes))
    folds = StratifiedKFold if is_classes else KFold
    search = WatchedRandomSearch(
        build_pipeline(plan, network, task),
        build_space(task, len(y_train), options.cv),
        n_iter=options.candidates,
        scoring=score_classifier if is_classes else score_regressor,
        refit="score",
        cv=folds(options.cv, shuffle=True, random_state=options.seed),
        n_jobs=options.n_jobs,
        random_state=options.seed,
    )
    times = run_search(search, X_train, y_train, "search", options.candidates)
    print_pair("search time", times)
    return search


def _print_scores(task: str, model: Any, parts: list) -> None:
    """Print the held-out scores beside those of a baseline."""
    X_train, X_test, y_train, y_test = parts
    is_classes = task == "classification"
    baseline = DummyClassifier(strategy="prior") if is_classes else DummyRegressor()
    baseline.fit(X_train, y_train)
    score = _score_classes if is_classes else _score_quantities
    with told_warnings():
        ours = score(model, X_test, y_test)
        plain = score(baseline, X_test, y_test)
    print()
    guess = "prior" if is_classes else "mean"
    print_table(
        ["held-out score", "tuned network", f"baseline ({guess})"],
        [[name, ours[name], plain[name]] for name in ours],
    )
    print()


def _score_classes(model: Any, X: Any, y: np.ndarray) -> dict[str, str]:
    scores = {"accuracy": f"{accuracy_score(y, model.predict(X)):.4f}"}
    # A class with few rows may be among the held-out rows only.
    if np.isin(y, model.classes_).all():
        loss = log_loss(y, model.predict_proba(X), labels=model.classes_)
        scores["log loss"] = f"{loss:.4f}"
    return scores


def _score_quantities(model: Any, X: Any, y: np.ndarray) -> dict[str, str]:
    predicted = model.predict(X)
    return {
        "R2": f"{r2_score(y, predicted):.4f}",
        "RMSE": f"{root_mean_squared_error(y, predicted):.6g}",
    }


def _easily_mistaken(texts: Any) -> list[str]:
    """Return columns of text whose values pandas reads otherwise if alone: "01"."""
    import pandas

    return [
        name
        for name in texts.columns
        if pandas.api.types.infer_dtype(texts[name], skipna=True) == "string"
        and (
            pandas.to_numeric(texts[name], errors="coerce").notna().any()
            or texts[name].str.lower().isin(("true", "false")).any()
        )
    ]


def _print_saved(path: Path, texts: list[str]) -> None:
    """Say where the model is and how to use it."""
    print_pair("model saved", path)
    print("It was fitted on the rows to learn from; it has not seen the held-out rows.")
    print("In Python:")
    print("  import joblib, pandas")
    words = f", dtype={dict.fromkeys(texts, 'str')}" if texts else ""
    print(f'  joblib.load({str(path)!r}).predict(pandas.read_csv("new.csv"{words}))')
    print("In a shell:")
    print(
        f"  python -m fastnn predict {shlex.quote(str(path))} new.csv > predictions.csv"
    )
