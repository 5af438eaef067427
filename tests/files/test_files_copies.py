"""Copies by pickle and the like hold what files do; the command line reads files."""

import copy
import pickle
from dataclasses import fields

import joblib
import numpy as np
import pytest
from file_tools import (
    answers,
    assert_equal,
    bytes_of,
    data_of,
    fitted,
    named,
    quietly,
    through_file,
)


def mapped(model, folder):
    joblib.dump(model, folder / "m.joblib")
    return joblib.load(folder / "m.joblib", mmap_mode="r")


COPIES = {
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "cloudpickle": lambda model, folder: pickle.loads(
        pytest.importorskip("cloudpickle").dumps(model)
    ),
    "joblib": lambda model, folder: mapped(model, folder),
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize(
    "name", ["all layers", "transformer", "perceptron", "hebbian", "mcculloch-pitts"]
)
def test_copies_by_other_ways(name, way, tmp_path):
    """Plain networks: tests/test_continuation.py."""
    model, (data, y) = fitted(name), data_of(name)
    other = COPIES[way](model, tmp_path)
    assert_equal(answers(other, data), answers(model, data))
    assert_equal(through_file(other), through_file(model))
    train = "partial_fit" if hasattr(model, "partial_fit") else "fit"
    for each in (model, other):
        each.set_params(**{"early_stopping": False} if name == "all layers" else {})
        quietly(getattr(each, train), data[::-1], y)
    assert_equal(answers(other, data), answers(model, data))
    if way == "joblib":
        again = joblib.load(tmp_path / "m.joblib")
        assert_equal(answers(again, data), answers(fitted(name), data))


def test_copies_leave_out_what_another_thread_may_add():
    """Python's copies go through an object's attributes while another adds some."""
    model = fitted("all layers")
    answers(model, data_of("all layers")[0])
    architecture = model._architecture
    known = set(vars(architecture))
    stored = {field.name for field in fields(architecture)}
    assert known > stored  # something was computed and kept
    for way in ("pickle", "deepcopy"):
        assert set(vars(COPIES[way](architecture, None))) == stored
        assert COPIES[way](architecture, None) == architecture


def test_the_command_line_reads_model_files(tmp_path):
    pandas = pytest.importorskip("pandas")
    from fastnn.cli import main

    model = fitted("texts, names")
    model.save(tmp_path / "m.fastnn")
    named().to_csv(tmp_path / "t.csv", index=False)
    words = ["predict", tmp_path / "m.fastnn", tmp_path / "t.csv"]
    words += ["--proba", "--output", tmp_path / "out.csv"]
    assert main([str(word) for word in words]) == 0
    written = pandas.read_csv(tmp_path / "out.csv")
    assert written["prediction"].tolist() == model.predict(named()).tolist()
    probabilities = written.drop(columns="prediction")
    np.testing.assert_allclose(probabilities, model.predict_proba(named()), rtol=1e-6)


def test_the_command_line_tells_of_damage(tmp_path, capsys):
    from fastnn.cli import main

    data = bytearray(bytes_of(fitted("texts, names")))
    data[-1] ^= 1
    (tmp_path / "m.fastnn").write_bytes(data)
    named().to_csv(tmp_path / "t.csv", index=False)
    assert main(["predict", str(tmp_path / "m.fastnn"), str(tmp_path / "t.csv")]) == 2
    error = capsys.readouterr().err
    assert "damaged" in error
    assert len(error.splitlines()) == 1
