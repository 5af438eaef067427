"""Tables of how training goes for learning rates and batch sizes."""

import inspect
import sys

import numpy as np
import pytest
from helpers import make_data
from search_tools import DIVERGING, classifier, fit, regressor
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from fastnn import MLPEstimator
from fastnn.model_selection import convergence_study, learning_rate_range

COLUMNS = [
    "learning_rate",
    "batch_size",
    "epoch",
    "training_loss",
    "validation_loss",
    "diverged",
]


def curve(table, rate, size):
    at = (table["learning_rate"] == rate) & (table["batch_size"] == size)
    return table[at]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_curves_are_those_of_plain_fits(kind, dtype):
    X, y = make_data(kind, dtype=dtype)
    X_val, y_val = make_data(kind, n=30, seed=1, dtype=dtype)
    # what would stop a network is set aside
    network = MLPEstimator(
        (6,),
        task="regression" if kind == "regression" else "classification",
        n_iter_no_change=1,
        early_stopping=True,
        target_loss=100.0,
        dtype="auto",
    )
    rates, sizes = [1e-3, 1e-2], [16, 32]
    table = convergence_study(
        network,
        X,
        y,
        rates,
        sizes,
        n_epochs=4,
        X_val=X_val,
        y_val=y_val,
        random_state=np.random.RandomState(3),
    )
    assert list(table.columns) == COLUMNS
    assert len(table) == 4 * 4
    assert not table["diverged"].any()
    seed = np.random.RandomState(3).randint(np.iinfo(np.int32).max)
    plain = clone(network).set_params(
        learning_rate_init=1e-2,
        batch_size=32,
        random_state=seed,
        n_iter_no_change=10,
        early_stopping=False,
        target_loss=None,
        max_iter=4,
    )
    fit(plain, X, y, X_val=X_val, y_val=y_val)
    mine = curve(table, 1e-2, 32)
    assert list(mine["epoch"]) == [1, 2, 3, 4]
    assert list(mine["training_loss"]) == plain.history_["loss"]
    assert list(mine["validation_loss"]) == plain.history_["validation_loss"]


@pytest.mark.parametrize("fraction", [0.3, None])
def test_validation_samples_are_set_aside(fraction):
    X, y = make_data("binary")
    params = {"n_epochs": 2, "validation_fraction": fraction, "random_state": 0}
    table = convergence_study(classifier(), X, y, [1e-3], [16], **params)
    again = convergence_study(classifier(), X, y, [1e-3], [16], **params)
    assert table.equals(again)
    assert np.isfinite(table["validation_loss"]).all() == (fraction is not None)


def test_a_network_that_diverges_ends_there():
    X, y = make_data("regression", dtype=np.float32)
    network = regressor(solver="sgd", momentum=0.0)
    table = convergence_study(
        network,
        X,
        y,
        [1e-3, 1e3, DIVERGING],
        [97],
        n_epochs=6,
        validation_fraction=None,
        random_state=0,
    )
    assert len(curve(table, 1e-3, 97)) == 6
    for rate in (1e3, DIVERGING):
        end = curve(table, rate, 97)
        assert list(end["epoch"]) == list(range(1, len(end) + 1))
        assert list(end["diverged"]) == [False] * (len(end) - 1) + [True]
        assert np.isfinite(end["training_loss"][:-1]).all()
        assert np.isnan(end["training_loss"].iloc[-1])
    # one step an epoch: the weights grow for a while before they overflow
    assert len(curve(table, 1e3, 97)) > 1


def test_schedules_span_the_study():
    X, y = make_data("binary")
    network = MLPEstimator((6,), learning_rate="cosine", random_state=0)
    table = convergence_study(network, X, y, [1e-3], [16], n_epochs=3, random_state=0)
    assert len(table) == 3


def test_what_a_study_refuses():
    X, y = make_data("binary")
    with pytest.raises(TypeError, match="got LogisticRegression"):
        convergence_study(LogisticRegression(), X, y, [0.1], [16])
    with pytest.raises(ValueError, match="neither a learning rate"):
        convergence_study(classifier(solver="lbfgs"), X, y, [0.1], [16])
    with pytest.raises(ValueError, match="alpha"):
        convergence_study(classifier(alpha=-1.0), X, y, [0.1], [16])
    with pytest.raises(ValueError, match="given together"):
        convergence_study(classifier(), X, y, [0.1], [16], X_val=X)
    with pytest.raises(ValueError, match="low must be below high"):
        learning_rate_range(classifier(), X, y, 1.0, 0.1)
    with pytest.raises(TypeError, match="got NoneType"):
        learning_rate_range(None, X, y)
    with pytest.raises(ValueError, match="y is None"):
        learning_rate_range(classifier(), X, None)


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "n_threads": (-1, 0, 2.5, np.nan, "x"),  # -1 was waited for, for ever
        "n_epochs": (0, 1.5, None, 10**400),
        "random_state": ("a", -1),
        "learning_rates": ("x", [0.0], [-1.0], [np.nan], [0.1, "x"]),
        "validation_fraction": (0.0, 1.0, 2, "x"),
        "low": ("x", 0.0, np.nan),
        "high": (None, -1.0),
        "n_rates": (1, 2.5, "x"),
    }.items(),
)
def test_arguments_that_are_none(name, values):
    X, y = make_data("binary")
    for function, more in (
        (convergence_study, {"learning_rates": [0.1], "batch_sizes": [16]}),
        (learning_rate_range, {}),
    ):
        if name not in inspect.signature(function).parameters:
            continue
        for value in values:
            options = {**more, "n_epochs": 1, name: value}
            with pytest.raises(ValueError, match=name):
                function(classifier(), X, y, **options)


def test_pandas_is_asked_for_plainly(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    X, y = make_data("binary")
    with pytest.raises(ImportError, match="pip install pandas"):
        convergence_study(classifier(), X, y, [0.1], [16])


def test_a_rate_is_suggested():
    X, y = make_data("regression", dtype=np.float32)
    network = regressor(solver="sgd", batch_size=16)
    table, rate = learning_rate_range(
        network, X, y, 1e-6, 1e6, n_rates=13, n_epochs=2, random_state=0
    )
    assert len(table) == 13
    assert list(table.columns) == ["learning_rate", "training_loss", "diverged"]
    np.testing.assert_allclose(table["learning_rate"], np.logspace(-6, 6, 13))
    assert table["diverged"].any()
    assert table["training_loss"].isna().equals(table["diverged"])
    # the rule, from its definition
    loss = [np.inf if np.isnan(value) else value for value in table["training_loss"]]
    means = [np.mean(loss[max(i - 1, 0) : i + 2]) for i in range(13)]
    assert rate == table["learning_rate"][int(np.argmin(means))]
    assert 1e-4 < rate < 1
    plain = clone(network).set_params(
        learning_rate_init=rate,
        max_iter=2,
        random_state=np.random.RandomState(0).randint(np.iinfo(np.int32).max),
    )
    error = (fit(plain, X, y).predict(X) - y) ** 2
    found = table["training_loss"][table["learning_rate"] == rate].item()
    # two sums of 97 float32 squares, in different orders
    np.testing.assert_allclose(found, error.mean() / 2, rtol=1e-5)
    with pytest.raises(ValueError, match="diverged for all rates"):
        learning_rate_range(network, X, y, DIVERGING, 10 * DIVERGING, n_rates=3)
