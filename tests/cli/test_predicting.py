"""The command line: predictions of stored models."""

import io
import os

import joblib
import numpy as np
import pytest
from cli_tools import (
    ROWS,
    assert_error,
    run_quietly,
    start,
)

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
