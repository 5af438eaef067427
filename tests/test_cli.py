"""The command line: tuning, predicting, and errors in one line."""

import argparse
import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

import fastnn
from fastnn.cli import main
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

ROWS = 240
QUICK = ["--candidates", "2", "--cv", "2", "--max-iter", "5"]
ROOT = Path(fastnn.cli.__file__).parents[2]


def make_table():
    """Return a table with every kind of column, and two targets."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=ROWS)
    city = rng.choice(["Rome", "Oslo", "Bern"], ROWS)
    signal_ = 2 * size + 3 * (city == "Rome")
    frame = pd.DataFrame(
        {
            "row": np.arange(1, ROWS + 1),
            "size": size,
            "count": rng.integers(0, 9, ROWS),
            "city": city,
            "flag": rng.choice([True, False], ROWS),
            "uid": [f"user-{i:04x}" for i in range(ROWS)],
            "day": pd.date_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d"),
            "same": "x",
            "nothing": np.nan,
            "kind": np.where(signal_ > 1, "large", "small"),
            "price": 1e5 + 1e4 * signal_ + rng.normal(size=ROWS),
        }
    )
    frame.loc[::7, "size"] = np.nan
    frame.loc[::5, "city"] = None
    frame["flag"] = frame["flag"].astype(object).mask(frame.index % 9 == 0)
    return frame


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, table):
    """Return a folder with the table and two models, tuned once for all tests."""
    path = tmp_path_factory.mktemp("cli")
    table.to_csv(path / "table.csv", index=False)
    for target, other in (("kind", "price"), ("price", "kind")):
        code, out, err = run_quietly(
            *("tune", path / "table.csv", "--target", target, "--drop", other, *QUICK),
            *("--output", path / f"{target}.joblib"),
        )
        assert (code, err) == (0, "")
        (path / f"{target}.txt").write_text(out)
    return path


def run_quietly(*words):
    """Run the command line in this process; return code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def start(*words, cwd, **options):
    """Start the command line as a program of its own."""
    # The package is found wherever these tests found it.
    path = [entry for entry in (*sys.path, str(ROOT)) if entry]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    return subprocess.Popen(
        [sys.executable, "-m", "fastnn", *(str(word) for word in words)],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def assert_error(words, pattern):
    """Check that a call ends with one line on stderr and code 2."""
    code, _, err = run_quietly(*words)
    assert code == 2
    assert err.startswith("fastnn: error: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    assert re.search(pattern, err), err


def number_after(label, text):
    """Return the number that follows a label in what was printed."""
    return float(re.search(re.escape(label) + r":?\s+(-?[\d.]+)", text).group(1))


# Version, help, and the digits


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


# Predicting


def test_predict_equals_the_loaded_pipeline(folder, tmp_path):
    model = joblib.load(folder / "kind.joblib")
    rows = pd.read_csv(folder / "table.csv")
    code, out, err = run_quietly(
        "predict", folder / "kind.joblib", folder / "table.csv"
    )
    assert (code, err) == (0, "")
    printed = pd.read_csv(io.StringIO(out))
    assert printed.columns.tolist() == ["prediction"]
    assert printed["prediction"].tolist() == model.predict(rows).tolist()

    words = ["predict", folder / "kind.joblib", folder / "table.csv", "--proba"]
    code, out, err = run_quietly(*words, "--output", tmp_path / "out.csv")
    assert (code, err) == (0, "")
    assert out.startswith(f"{ROWS} predictions written to ")
    written = pd.read_csv(tmp_path / "out.csv")
    names = ["proba_large", "proba_small"]
    assert written.columns.tolist() == ["prediction", *names]
    np.testing.assert_allclose(written[names], model.predict_proba(rows), rtol=1e-6)
    assert os.listdir(tmp_path) == ["out.csv"]


def test_predict_regression_equals_the_loaded_pipeline(folder):
    model = joblib.load(folder / "price.joblib")
    rows = pd.read_csv(folder / "table.csv")
    _, out, _ = run_quietly("predict", folder / "price.joblib", folder / "table.csv")
    printed = pd.read_csv(io.StringIO(out))["prediction"]
    np.testing.assert_allclose(printed, model.predict(rows), rtol=1e-6)


def test_predict_takes_other_tables(folder, tmp_path, table):
    # Other order, further columns, unknown categories, columns without values.
    rows = table.drop(columns=["kind", "price", "same", "uid"])[:6]
    rows = rows[rows.columns[::-1]].assign(city="Paris", flag=np.nan, extra=1)
    rows.to_csv(tmp_path / "new.csv", index=False)
    words = ["predict", folder / "price.joblib", tmp_path / "new.csv"]
    code, out, err = run_quietly(*words)
    assert (code, err) == (0, "")
    assert np.isfinite(pd.read_csv(io.StringIO(out))["prediction"]).all()
    assert len(out.splitlines()) == 7


def test_predict_names_missing_and_unfit_columns(folder, tmp_path, table):
    table.drop(columns=["size", "city"]).to_csv(tmp_path / "less.csv", index=False)
    words = ["predict", folder / "kind.joblib"]
    assert_error([*words, tmp_path / "less.csv"], "missing columns: size, city$")
    table.assign(size="tall").to_csv(tmp_path / "text.csv", index=False)
    assert_error([*words, tmp_path / "text.csv"], "column 'size' was numeric")


def test_predict_proba_needs_classes(folder):
    words = ["predict", folder / "price.joblib", folder / "table.csv", "--proba"]
    assert_error(words, "--proba: this model predicts quantities")


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise on Windows")
def test_closed_pipe(folder, tmp_path, table):
    pd.concat([table] * 200).to_csv(tmp_path / "long.csv", index=False)
    program = start("predict", folder / "kind.joblib", "long.csv", cwd=tmp_path)
    assert program.stdout.readline() == "prediction\n"
    program.stdout.close()
    err = program.stderr.read()
    program.stderr.close()
    assert program.wait(timeout=250) == 141
    assert err == ""


# Errors


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (None, "t.csv: no such file"),
        (b"", "t.csv is empty"),
        (b"\n\n", "t.csv is empty"),
        (b"a,b,y\n", "has a header but no rows"),
        (b"\x00\x01\x02" * 50, "neither text .* nor a Parquet file"),
        (b"a,y\n\xff\xfe\xfa,1\n", "is not UTF-8 text"),
        (b"a,y\n1,2\n1,2,3,4\n", "cannot be read as CSV"),
        (b"a,y\n1,2,3\n1,2,3\n", "more values than the header"),
        (b"PAR1 and nothing else", "no readable Parquet file"),
    ],
)
def test_unreadable_tables(tmp_path, folder, content, pattern):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    output = ["--output", tmp_path / "m.joblib"]
    assert_error(["tune", path, "--target", "y", *output], pattern)
    assert_error(["predict", folder / "kind.joblib", path], pattern)
    assert not (tmp_path / "m.joblib").exists()


def test_folder_instead_of_a_table(tmp_path):
    assert_error(["tune", tmp_path, "--target", "y"], "is a folder, not a file")


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["--target", "Kinds"], "no column 'Kinds'; did you mean 'kind'"),
        (["--target", "zzzzzzz"], "no column 'zzzzzzz'; the columns are: row, "),
        (["--target", "kind", "--drop", "prise"], "did you mean 'price'"),
        (["--target", "kind", "--drop", "kind"], "'kind' is the target"),
        (["--target", "same"], "'same' has one class only: x"),
        (["--target", "nothing"], "'nothing' has no values"),
        (["--target", "uid"], "each row has a class of its own"),
        (["--target", "kind", "--task", "regression"], "no numbers"),
        (["--target", "kind", "--cv", "200"], "too few rows for 200 folds"),
        (["--target", "price", "--test-size", "0.001"], "too few rows"),
        (["--target", "price", "--test-size", "0.999"], "too few rows"),
        (["--target", "kind", "--cv", "1"], "--cv: '1' is not an integer"),
        (["--target", "kind", "--candidates", "0"], "--candidates: '0' is not"),
        (["--target", "kind", "--candidates", "x"], "--candidates: 'x' is not"),
        (["--target", "kind", "--max-iter", "-3"], "--max-iter"),
        (["--target", "kind", "--test-size", "1.5"], "between 0 and 1"),
        (["--target", "kind", "--test-size", "nan"], "between 0 and 1"),
        (["--target", "kind", "--seed", "-1"], "--seed"),
        (["--target", "kind", "--n-jobs", "0"], "--n-jobs"),
        (["--target", "kind", "--task", "guess"], "invalid choice: 'guess'"),
        (["--target", "kind", "--frobnicate"], "unrecognized arguments"),
        ([], "required: --target"),
    ],
)
def test_wrong_options_of_tune(folder, tmp_path, words, pattern):
    output = tmp_path / "m.joblib"
    assert_error(["tune", folder / "table.csv", *words, "--output", output], pattern)
    assert os.listdir(tmp_path) == []


def test_unknown_command():
    assert_error(["tnue"], "invalid choice: 'tnue'")


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ("a,a ,y\n1,2,0\n", "two columns named 'a'"),
        ("a,y\n1,1e200\n2,3.5\n3,0.5\n", "'y' has values beyond 1e.100"),
        ("y\n" + "0\n1\n" * 30, "no usable column is left"),
        ("a,y\n" + "1,0\n2,1\n" * 3, "too few rows for 5 folds"),
    ],
)
def test_tables_that_cannot_be_learnt(tmp_path, content, pattern):
    (tmp_path / "t.csv").write_text(content)
    words = ["tune", tmp_path / "t.csv", "--target", "y"]
    assert_error([*words, "--output", tmp_path / "m.joblib"], pattern)


def test_no_column_is_left(tmp_path):
    frame = pd.DataFrame({"a": 1, "y": np.arange(60) % 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    output = ["--output", tmp_path / "m.joblib"]
    words = ["tune", tmp_path / "t.csv", "--target", "y", *output]
    assert_error(words, "no usable column is left")


def test_outputs_are_checked_before_any_work(folder, tmp_path, monkeypatch):
    def no_work(*_):
        raise AssertionError("a table was read")

    monkeypatch.setattr("fastnn.cli.tune.read_table", no_work)
    monkeypatch.setattr("fastnn.cli.predict.read_table", no_work)
    table, model = folder / "table.csv", folder / "kind.joblib"
    tune = ["tune", table, "--target", "kind", "--output"]
    predict = ["predict", model, table, "--output"]
    for words in (tune, predict):
        assert_error([*words, tmp_path / "no" / "x"], "there is no folder")
        assert_error([*words, tmp_path], "not a regular file")
        assert_error([*words, table], "it is an input of this command")
    assert_error([*predict, model], "it is an input of this command")


@pytest.mark.parametrize("content", [b"", b"no model", b"\x80\x04K\x01."])
def test_not_a_model(folder, tmp_path, content):
    path = tmp_path / "m.joblib"
    path.write_bytes(content)
    assert_error(["predict", path, folder / "table.csv"], "m.joblib (is|holds) ")


def test_missing_model_and_other_objects(folder, tmp_path):
    table = folder / "table.csv"
    assert_error(["predict", tmp_path / "no.joblib", table], "no such file")
    joblib.dump({"a": 1}, tmp_path / "dict.joblib")
    pattern = "holds no fitted model of a table, but a dict"
    assert_error(["predict", tmp_path / "dict.joblib", table], pattern)


def test_without_pandas(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    table, model = folder / "table.csv", folder / "kind.joblib"
    tune = ["tune", table, "--target", "kind", "--output", tmp_path / "m"]
    assert_error(tune, "'tune' needs pandas: pip install pandas")
    assert_error(["predict", model, table], "'predict' needs pandas: pip install")


def test_without_pyarrow(folder, tmp_path, monkeypatch):
    def no_engine(path):
        raise ImportError("no engine")

    monkeypatch.setattr(pd, "read_parquet", no_engine)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    words = ["predict", folder / "kind.joblib", tmp_path / "t.parquet"]
    assert_error(words, "pip install pyarrow")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "fastnn: interrupted"),
        (MemoryError("9 GiB"), 2, "fastnn: error: out of memory: 9 GiB"),
        (CliError("two\n  lines"), 2, "fastnn: error: two lines"),
    ],
)
def test_exit_codes(monkeypatch, error, code, line):
    def fail(options):
        assert isinstance(options, argparse.Namespace)
        raise error

    monkeypatch.setattr("fastnn.cli.digits.run_digits", fail)
    assert run_quietly() == (code, "", line + "\n")


@pytest.mark.skipif(os.name == "nt", reason="no such signals on Windows")
def test_interrupt_of_a_running_search(folder, tmp_path):
    words = ["--candidates", "500", "--cv", "5", "--max-iter", "50", "--output", "m"]
    program = start(
        *("tune", folder / "table.csv", "--target", "kind", *words), cwd=tmp_path
    )
    lines = iter(program.stdout.readline, "")
    assert any(line.startswith("search: candidate 1/500") for line in lines)
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=250)
    assert program.returncode == 130
    assert err == "fastnn: interrupted\n"
    assert os.listdir(tmp_path) == []


# The parts


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
