"""The command line: predictions of stored models."""

import io
import os
import shlex
import subprocess
import sys

import joblib
import numpy as np
import pytest
from cli_tools import (
    QUICK,
    ROWS,
    assert_error,
    run_quietly,
    start,
)

from fastnn.cli.convert import as_known

pd = pytest.importorskip("pandas")


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


@pytest.fixture(scope="module")
def spelled(tmp_path_factory):
    """Return a folder with a table whose texts read like numbers, and its model."""
    path, rng = tmp_path_factory.mktemp("spelled"), np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "code": rng.choice(["01234", "02345", "1.50", "A99"], 160),
            "flag": rng.choice(["TRUE", "FALSE"], 160),
            "mark": rng.choice(["TRUE", "FALSE", "unknown"], 160),
            "day": rng.choice(["2020-01-01", "2021-06-30"], 160),
            "no day": rng.choice(["2020-13-01", "2021-06-30"], 160),
        }
    )
    good = rows["code"].isin(["01234", "1.50"]) ^ (rows["mark"] == "TRUE")
    rows["kind"] = np.where(good ^ (rows["flag"] == "TRUE"), "yes", "no")
    rows.to_csv(path / "table.csv", index=False)
    code, out, _ = run_quietly(
        *("tune", path / "table.csv", "--target", "kind", *QUICK),
        *("--output", path / "model.joblib"),
    )
    assert code == 0
    assert "dtype={'code': 'str', 'mark': 'str'}" in out
    return path


def test_a_row_s_prediction_depends_on_no_other_row(spelled, tmp_path):
    """Text that reads as numbers or truth values is text, whatever is beside it."""
    rows = pd.read_csv(spelled / "table.csv", dtype=str).drop(columns="kind")
    words = ["predict", spelled / "model.joblib"]
    lines = run_quietly(*words, spelled / "table.csv", "--proba")[1].splitlines()[1:]
    assert len(set(lines)) > 8
    for columns in (["code"], ["mark"], ["code", "mark", "flag"]):
        for _, part in rows.groupby(columns):
            part.to_csv(tmp_path / "part.csv", index=False)
            code, out, err = run_quietly(*words, tmp_path / "part.csv", "--proba")
            assert (code, err) == (0, "")
            assert out.splitlines()[1:] == [lines[i] for i in part.index]


def test_values_are_known_in_other_spellings(spelled, tmp_path):
    """Those of columns that were no text when the model was fitted."""
    rows = pd.read_csv(spelled / "table.csv", dtype=str)[:6]
    words = ["predict", spelled / "model.joblib"]
    outs = []
    for spelling in (str.upper, str.lower, str.capitalize):
        changed = rows.assign(flag=rows["flag"].map(spelling))
        changed.to_csv(tmp_path / "new.csv", index=False)
        outs.append(run_quietly(*words, tmp_path / "new.csv", "--proba"))
    assert outs[0] == outs[1] == outs[2]
    known = {"1", "1.5", "01", "True"}
    texts = pd.Series(["1", "01", "001", "1.50", "true", "x"])
    expected = ["1", "01", "1", "1.5", "True", "x"]
    assert as_known(texts, known).tolist() == expected


def test_dates_of_another_form_are_refused(spelled, tmp_path):
    rows = pd.read_csv(spelled / "table.csv", dtype=str)[:3]
    rows.assign(day=["", "2020-01-01", "01/01/2016"]).to_csv(tmp_path / "new.csv")
    words = ["predict", spelled / "model.joblib", tmp_path / "new.csv"]
    assert_error(words, "column 'day' held dates .* '01/01/2016' .write YYYY-MM-DD")


@pytest.mark.skipif(os.name == "nt", reason="there are no such files on Windows")
def test_places_that_are_no_files(folder, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    words = ["predict", folder / "kind.joblib"]
    assert_error([*words, tmp_path / "pipe"], "not a regular file; save it as one")
    code = [sys.executable, "-m", "fastnn", *words, folder / "table.csv"]
    line = " ".join(shlex.quote(str(word)) for word in code)
    done = subprocess.run(
        f"{line} >&-", shell=True, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "the standard output is closed; give --output" in done.stderr


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
