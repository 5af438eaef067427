"""Model files of estimators that have changed: what is written can be read."""

import io
from itertools import permutations

import numpy as np
import pytest
from file_tools import (
    CODES,
    SMALL,
    X,
    assert_equal,
    assert_same_answers,
    bytes_of,
    quietly,
    through_file,
)

import fastnn
from fastnn.files import networks

PLAIN = {"early_stopping": False, "solver": "adam", "ema_decay": None}
CHANGES = {
    "adam": PLAIN,
    "lbfgs": {**PLAIN, "solver": "lbfgs"},
    "validated": {**PLAIN, "early_stopping": True},
    "averaged": {**PLAIN, "solver": "sgd", "ema_decay": 0.9},
}
NETWORKS = ("MLPEstimator", "MLPClassifier", "MLPRegressor")


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("warm_start", [False, True])
def test_every_change_between_fits(kind, warm_start):
    for names in permutations(CHANGES, 3):
        model = getattr(fastnn, kind)(**SMALL, warm_start=warm_start)
        for name in names:
            quietly(model.set_params(**CHANGES[name]).fit, X, CODES)
            other = through_file(model)
            assert_equal(other, model)
        assert_same_answers(other, model)
        for each in (model, other):
            quietly(each.set_params(**PLAIN).partial_fit, X, CODES)
        assert_equal(through_file(other), model)


def test_records_that_older_versions_left_behind(monkeypatch):
    model = quietly(fastnn.MLPClassifier(solver="lbfgs", **SMALL).fit, X, CODES)
    model._no_improvement_count = 3
    with pytest.raises(ValueError, match="it lacks"):
        bytes_of(model)
    with monkeypatch.context() as patch:  # as they wrote such files
        patch.setattr(networks, "_check", lambda *args: None)
        data = bytes_of(model)
    del model._no_improvement_count
    assert_equal(fastnn.load(io.BytesIO(data)), model)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("n_iter_", -1, "n_iter_"),
        ("classes_", np.array([2, 1, 0]), "classes_"),
        ("loss_curve_", [1.0], "history_"),
        ("n_features_in_", 7, "features"),
        ("out_activation_", "logistic", "out_activation_"),
    ],
)
def test_attributes_that_do_not_fit(name, value, told, tmp_path):
    model = quietly(fastnn.MLPClassifier(**SMALL).fit, X, CODES)
    setattr(model, name, value)
    with pytest.raises(ValueError, match=told):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_neurons_whose_attributes_do_not_fit(tmp_path):
    model = quietly(fastnn.Perceptron().fit, X, CODES)
    model.coef_ = model.coef_[:1]
    with pytest.raises(ValueError, match="coef_"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
