"""The command line's parts: files, reports, searches, columns."""

import os
import sys
import warnings

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

import fastnn
from fastnn.cli.errors import CliError, in_one_line
from fastnn.cli.files import check_output, written_whole
from fastnn.cli.report import Progress, print_table
from fastnn.cli.search import (
    WatchedGridSearch,
    _group_size,
    run_search,
    score_classifier,
    told_warnings,
)

pd = pytest.importorskip("pandas")


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "m.joblib"
    path.write_text("earlier")

    def write_half():
        with written_whole(path) as stream:
            stream.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(CliError, match="No space left"):
        write_half()
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["m.joblib"]
    with written_whole(path) as stream:
        stream.write(b"later")
    assert path.read_text() == "later"
    assert os.listdir(tmp_path) == ["m.joblib"]


def test_output_folder_that_refuses_files(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(CliError, match=r"cannot write .*: Permission denied"):
        check_output(tmp_path / "m.joblib")


def test_progress_rewrites_a_line_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    progress = Progress("search", 2)
    progress.update(1, 0.5)
    progress.update(2, 0.75)
    progress.tell("end")
    progress.close()
    out = capsys.readouterr().out
    assert out.count("\r") == 3
    assert out.count("\n") == 1
    first, second, last = out.rstrip("\n").split("\r")[1:]
    assert first.startswith("search: candidate 1/2  best CV score 0.5000")
    assert second.startswith("search: candidate 2/2  best CV score 0.7500")
    # What was longer before is overwritten.
    assert last.rstrip() == "search: end"
    assert len(last) >= len(second.rstrip())


def test_tables_are_aligned(capsys):
    print_table(["a", "long name"], [[1, "x"], ["wide", 2]])
    assert capsys.readouterr().out == "a     long name\n1     x\nwide  2\n"


def test_failed_candidates_are_told_and_skipped(capsys):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    network = fastnn.MLPClassifier((4,), max_iter=3, random_state=0)
    search = WatchedGridSearch(
        Pipeline([("mlp", network)]),
        {"mlp__alpha": [-1.0, 1e-4]},
        scoring=score_classifier,
        refit="score",
        cv=StratifiedKFold(2),
    )
    times = run_search(search, X, y, "try", 2)
    out = capsys.readouterr().out
    assert times.wall > 0
    assert times.cpu is not None
    assert search.best_params_ == {"mlp__alpha": 1e-4}
    assert len(search.cv_results_["params"]) == 1
    assert "note: 1 candidates failed: " in out
    assert "note: 2 of 2 fits ran to their last epoch" in out

    search.set_params(param_grid={"mlp__alpha": [-1.0]})
    with pytest.raises(CliError, match="the search failed"):
        run_search(search, X, y, "try", 1)


def test_warnings_are_told_once(capsys):
    with told_warnings():
        for _ in range(3):
            warnings.warn("odd values\nmore text", RuntimeWarning, stacklevel=1)
    assert capsys.readouterr().out == "note: RuntimeWarning: odd values (3 times)\n"


@pytest.mark.parametrize(
    ("jobs", "folds", "size"), [(1, 5, 1), (2, 5, 2), (4, 2, 2), (5, 5, 1), (6, 4, 3)]
)
def test_groups_of_candidates_keep_all_processes_busy(jobs, folds, size):
    assert _group_size(jobs, folds) == size


def test_error_lines():
    assert in_one_line(ValueError("\n first \nsecond")) == "first"
    assert in_one_line(KeyError()) == "KeyError"
    assert len(in_one_line("x" * 500)) == 200


def test_columns_are_planned_by_their_values():
    from decimal import Decimal

    from fastnn.cli.columns import plan_columns

    n = 40
    frame = pd.DataFrame(
        {
            "rows_from_zero": np.arange(n),
            "years": np.arange(1980, 1980 + n),
            "cents": [Decimal(i % 7) / 100 for i in range(n)],
            "mixed": [1, "a"] * (n // 2),
            "codes": pd.Categorical([1, 2] * (n // 2)),
            "times": pd.date_range("2024-01-01", periods=n, tz="Europe/Oslo"),
            "stamps": ["2024-01-01T10:00:00", "2023-05-05"] * (n // 2),
            "raw": [b"x", b"y"] * (n // 2),
            "gone": [None] * n,
        }
    )
    plan = plan_columns(frame)
    assert plan.numbers == ["years", "cents"]
    assert plan.texts == ["mixed", "codes"]
    assert plan.dates == ["times", "stamps"]
    assert set(plan.dropped) == {"rows_from_zero", "raw", "gone"}
    # Rows that were held out do not hide row numbers.
    with pytest.raises(CliError, match="no usable column"):
        plan_columns(frame[["rows_from_zero"]].sample(frac=0.5, random_state=0))


def test_conversions():
    from fastnn.cli.convert import MISSING, to_days, to_floats, to_text

    frame = pd.DataFrame({"a": [1.0, np.nan], "b": [True, None], "c": ["x", "1.5"]})
    assert to_text(frame).tolist() == [["1", "True", "x"], [MISSING, MISSING, "1.5"]]
    assert to_text(pd.DataFrame({"a": [1, 2]})).tolist() == [["1"], ["2"]]
    numbers = pd.DataFrame(
        {
            "a": pd.array([1, None], dtype="Int64"),
            "b": [np.inf, 2.5],
            "d": [-1e200, 1e9],
            "c": ["3", None],
        }
    )
    np.testing.assert_array_equal(
        to_floats(numbers), [[1, np.nan, np.nan, 3], [np.nan, 2.5, 1e9, np.nan]]
    )
    dates = pd.DataFrame(
        {
            "a": ["1970-01-02", "no date"],
            "b": pd.to_datetime(["1970-01-03 12:00", None]),
            "c": pd.to_timedelta(["12h", None]),
        }
    )
    np.testing.assert_array_equal(to_days(dates), [[1, 2.5, 0.5], [np.nan] * 3])


def test_text_columns_stay_narrow():
    from fastnn.cli.columns import MAX_CATEGORIES, build_preparation, plan_columns

    names = [f"name {i % 150}" for i in range(600)]
    frame = pd.DataFrame({"name": names, "x": np.arange(600) % 5})
    inputs = build_preparation(plan_columns(frame)).fit_transform(frame)
    assert inputs.shape == (600, MAX_CATEGORIES + 1)
    assert np.isfinite(inputs).all()


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 50, "classification"),
        ([True, False] * 50, "classification"),
        ([1, 2, 3, 4] * 25, "classification"),
        ([1.0, 2.0] * 50, "classification"),
        (list(range(100)), "regression"),
        ([0.5, 1.5, 2.5, 3.5] * 25, "regression"),
        (pd.Categorical([1, 2] * 50), "classification"),
    ],
)
def test_task_is_found_out(values, task):
    from fastnn.cli.target import take_target

    frame = pd.DataFrame({"x": range(100), "y": values})
    problem = take_target(frame, "y", "auto")
    assert problem.task == task
    assert problem.rows.columns.tolist() == ["x"]
    assert len(problem.values) == 100
