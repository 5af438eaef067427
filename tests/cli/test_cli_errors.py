"""The command line: what is wrong is told in one line."""

import argparse
import errno
import io
import os
import re
import signal
import sys

import joblib
import numpy as np
import pytest
from cli_tools import (
    assert_error,
    run_quietly,
    start,
)

from fastnn import cli
from fastnn.cli.errors import CliError

pd = pytest.importorskip("pandas")


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
        (b"y,a,y\n1,2,3\n", "two columns named 'y'"),
        (b"a;y;a ;\n1;2;3;4\n", "two columns named 'a'"),
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


class Full(io.StringIO):
    """A stream on a full disk."""

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


class Ascii(io.StringIO):
    """A stream that has few letters."""

    def write(self, text):
        text.encode("ascii")
        return super().write(text)


@pytest.mark.parametrize(
    ("stream", "pattern"), [(Full(), "No space left"), (Ascii(), "can't encode")]
)
def test_output_that_cannot_be_written(stream, pattern, monkeypatch):
    """One line says so, as of any other error."""
    told = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", told)
    monkeypatch.setattr(
        cli, "parse_options", lambda argv: argparse.Namespace(run=lambda _: print("é"))
    )
    assert cli.main([]) == 2
    assert re.fullmatch(f"fastnn: error: .*{pattern}.*\n", told.getvalue())


def test_no_output_at_all(folder, tmp_path, monkeypatch):
    """A program that closed it gets its file, and no complaint."""
    monkeypatch.setattr(sys, "stdout", None)
    output = tmp_path / "predicted.csv"
    words = [
        "predict",
        folder / "kind.joblib",
        folder / "table.csv",
        "--output",
        output,
    ]
    assert cli.main([str(word) for word in words]) == 0
    assert output.stat().st_size > 0
