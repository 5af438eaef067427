"""The command line: help, the digits, and tuning on tables."""

import re

import joblib
import numpy as np
import pytest
from cli_tools import (
    QUICK,
    ROWS,
    assert_error,
    number_after,
    run_quietly,
    start,
)

import fastnn

pd = pytest.importorskip("pandas")


def test_version():
    code, out, err = run_quietly("--version")
    assert (code, err) == (0, "")
    assert out == f"fastnn {fastnn.__version__}\n"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--help"], ["examples:", "--no-compare", "--quick", "tune", "predict"]),
        (["tune", "--help"], ["examples:", "--target", "one-hot", "days since"]),
        (["predict", "--help"], ["examples:", "--proba", "runs code", "trust"]),
    ],
)
def test_help(words, parts):
    code, out, err = run_quietly(*words)
    assert (code, err) == (0, "")
    assert [part for part in parts if part not in out] == []


def test_digits_compare_with_scikit_learn():
    code, out, err = run_quietly("--quick")
    assert (code, err) == (0, "")
    ours = number_after("fastnn: held-out accuracy", out)
    theirs = number_after("scikit-learn: held-out accuracy", out)
    assert ours > 0.9
    assert abs(ours - theirs) < 0.05
    assert number_after("ratio of search times", out) > 0
    assert number_after("compile (once per machine)", out) >= 0
    assert "2 candidates x 2 folds" in out
    assert "same grid, folds and random_state" in out
    assert "n_jobs=1" in out
    table = out.split("rank  ")[1].splitlines()
    assert table[0].split() == [
        *("hidden_layer_sizes", "learning_rate_init"),
        *("CV", "mean", "CV", "std", "seconds"),
    ]
    assert [line.split()[0] for line in table[1:3]] == ["1", "2"]


def test_digits_alone_in_a_program_of_its_own(tmp_path):
    program = start("--quick", "--no-compare", cwd=tmp_path)
    out, err = program.communicate(timeout=250)
    assert (program.returncode, err) == (0, "")
    assert number_after("fastnn: held-out accuracy", out) > 0.9
    assert "fastnn: candidate 2/2" in out
    # Not a terminal: no line is rewritten.
    assert "\r" not in out
    assert "scikit-learn: search time" not in out


def test_digits_options_do_not_go_with_a_command(tmp_path):
    words = ["--quick", "tune", tmp_path / "t.csv", "--target", "y"]
    assert_error(words, "--quick do not go with a command")


# Tuning


def test_tune_classification_report(folder):
    out = (folder / "kind.txt").read_text()
    assert re.search(r"task: +classification \(kind has 2 classes\)", out)
    assert "2 numeric, 2 text (one-hot), 1 date (as days since 1970-01-01)" in out
    assert "column 'row' is dropped: row numbers" in out
    assert "column 'uid' is dropped: looks like an id" in out
    assert "column 'same' is dropped: one value only" in out
    assert "column 'nothing' is dropped: no values" in out
    assert "search: candidate 2/2" in out
    # Five epochs are too few; said once and nothing else is.
    assert re.search(r"note: \d of 4 fits ran to their last epoch", out)
    assert "ConvergenceWarning" not in out
    assert re.search(r"accuracy +0\.\d+ +0\.\d+\n", out)
    assert re.search(r"log loss +\d\.\d+ +0\.\d+\n", out)
    assert "has not seen the held-out rows" in out


def test_tune_regression_report(folder):
    out = (folder / "price.txt").read_text()
    assert "regression (price has 240 different numbers)" in out
    assert re.search(r"R2 +-?\d\.\d+ +-0\.0\d+\n", out)
    assert re.search(r"RMSE +[\d.]+ +[\d.]+\n", out)


def test_python_snippet_works(folder, monkeypatch):
    out = (folder / "price.txt").read_text()
    lines = out.split("In Python:\n")[1].splitlines()[:2]
    monkeypatch.chdir(folder)
    (folder / "new.csv").write_bytes((folder / "table.csv").read_bytes())
    scope = {}
    exec(f"{lines[0].strip()}\nresult = {lines[1].strip()}", scope)
    model = joblib.load(folder / "price.joblib")
    expected = model.predict(pd.read_csv(folder / "table.csv"))
    np.testing.assert_array_equal(scope["result"], expected)


def test_tune_learns_and_beats_the_baseline(tmp_path, table):
    table.drop(columns=["kind"]).to_csv(tmp_path / "t.csv", index=False)
    words = ["--candidates", "1", "--cv", "2", "--max-iter", "300", "--seed", "1"]
    code, out, err = run_quietly(
        *("tune", tmp_path / "t.csv", "--target", "price", *words),
        *("--output", tmp_path / "m.joblib"),
    )
    assert (code, err) == (0, "")
    assert number_after("R2", out) > 0.5


def test_same_seed_same_model(tmp_path, folder):
    words = ["tune", folder / "table.csv", "--target", "kind", "--drop", "price"]
    assert run_quietly(*words, *QUICK, "--output", tmp_path / "m.joblib")[0] == 0
    rows = pd.read_csv(folder / "table.csv")
    first, second = (
        joblib.load(path / name).predict_proba(rows)
        for path, name in ((folder, "kind.joblib"), (tmp_path, "m.joblib"))
    )
    np.testing.assert_array_equal(first, second)


def test_default_output_and_parquet(tmp_path, table, monkeypatch):
    pytest.importorskip("pyarrow")
    frame = table.assign(
        day=pd.to_datetime(table["day"]),
        city=table["city"].astype("category"),
        count=table["count"].astype("Int64").mask(table["count"] == 3),
        nested=[[1, 2]] * ROWS,
        span=pd.to_timedelta(np.arange(ROWS) % 11, unit="h"),
    )
    (tmp_path / "data").mkdir()
    # Parquet by its content: the suffix says nothing.
    # The index has a name, so it is a column.
    frame = frame.set_index("size")
    frame.to_parquet(tmp_path / "data" / "flats.bin")
    frame = frame.reset_index()
    monkeypatch.chdir(tmp_path)
    words = ["tune", "data/flats.bin", "--target", "price", *QUICK]
    code, out, err = run_quietly(*words)
    assert (code, err) == (0, "")
    assert "2 numeric, 3 text (one-hot), 2 date" in out
    assert "column 'nested' is dropped: neither numbers nor texts nor dates" in out
    model = joblib.load("flats.fastnn.joblib")
    assert np.isfinite(model.predict(frame)).all()
    code, out, _ = run_quietly("predict", "flats.fastnn.joblib", "data/flats.bin")
    assert code == 0
    assert len(out.splitlines()) == ROWS + 1


def test_semicolons_and_decimal_commas(tmp_path, table):
    frame = table[["size", "city", "price"]]
    frame.to_csv(tmp_path / "t.csv", sep=";", decimal=",", index=False)
    words = ["tune", tmp_path / "t.csv", "--target", "price", *QUICK]
    code, out, err = run_quietly(*words, "--output", tmp_path / "m.joblib")
    assert (code, err) == (0, "")
    assert "1 numeric, 1 text" in out
    assert "regression (price has 240" in out


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(tmp_path, separator):
    from fastnn.cli.tables import read_table

    frame = pd.DataFrame({"a": [1.5, 2.5], "b, c": ["x, y", "z"], "d": [1, 2]})
    frame.to_csv(tmp_path / "t.csv", sep=separator, index=False)
    pd.testing.assert_frame_equal(read_table(str(tmp_path / "t.csv"), "tune"), frame)


def test_targets_with_gaps_and_single_rows(tmp_path, table):
    frame = table[["size", "count", "city"]].assign(grade=table["count"] % 3)
    frame["grade"] = frame["grade"].astype(float)
    frame.loc[:4, "grade"] = np.nan
    frame.loc[10, "grade"] = 7.0
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ["tune", tmp_path / "t.csv", "--target", "grade", *QUICK]
    code, out, err = run_quietly(*words, "--output", tmp_path / "m.joblib")
    assert (code, err) == (0, "")
    assert "their target is missing: 5 of 240" in out
    assert "classes with a single row are left out: 7" in out
    classes = joblib.load(tmp_path / "m.joblib").classes_
    assert classes.tolist() == [0, 1, 2]
    assert np.issubdtype(classes.dtype, np.integer)


def test_rare_class_is_told_and_does_not_stop(tmp_path, table):
    frame = table[["size", "count", "kind"]].copy()
    frame.loc[:2, "kind"] = "rare"
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ["tune", tmp_path / "t.csv", "--target", "kind", "--candidates", "1"]
    code, out, err = run_quietly(
        *(*words, "--cv", "3", "--max-iter", "3", "--output", tmp_path / "m.joblib")
    )
    assert (code, err) == (0, "")
    assert "classes with fewer than 3 rows to learn from: rare" in out
    assert "too few rows to stop early" in out
    assert "rare" in joblib.load(tmp_path / "m.joblib").classes_


def test_bool_target_and_given_task(tmp_path, table):
    frame = table[["size", "count"]].assign(big=table["size"] > 0)
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ["--output", tmp_path / "m.joblib", *QUICK]
    assert run_quietly("tune", tmp_path / "t.csv", "--target", "big", *words)[0] == 0
    assert joblib.load(tmp_path / "m.joblib").classes_.dtype == bool
    code, out, _ = run_quietly(
        *("tune", tmp_path / "t.csv", "--target", "count", "--task", "regression"),
        *words,
    )
    assert code == 0
    assert "regression (as asked)" in out


def test_several_processes(tmp_path, folder):
    words = ["tune", folder / "table.csv", "--target", "kind", "--drop", "price"]
    program = start(
        *(*words, *QUICK, "--n-jobs", "2", "--output", "m.joblib"), cwd=tmp_path
    )
    out, err = program.communicate(timeout=250)
    assert (program.returncode, err) == (0, "")
    assert re.search(r"note: \d of 4 fits ran to their last epoch", out)
    rows = pd.read_csv(folder / "table.csv")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "m.joblib").predict(rows),
        joblib.load(folder / "kind.joblib").predict(rows),
    )
