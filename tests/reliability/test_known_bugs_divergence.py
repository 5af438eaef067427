"""Divergence, overflow and failed fits: bugs that other networks had.

`docs/reliability_traps.md` lists them with the projects and the reports.
"""

import re

import numpy as np
import pytest
from helpers import (
    NAMES,
    data_for,
    error_of,
    estimator_of,
    ignore_convergence,
    make_data,
    outputs,
    pair,
    recorded,
    snapshot,
    weights_of,
)
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV

from fastnn import MLPEstimator
from fastnn.structure.variants import SOLVERS

pytestmark = ignore_convergence

STOCHASTIC = sorted(set(SOLVERS) - {"lbfgs"})
EVERY = [*STOCHASTIC, "lbfgs"]
FAST = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0}
# A linear network, as a ReLU network can die of such a rate with a finite loss.
DIVERGING = {"activation": "identity", "learning_rate_init": 1e200, "batch_size": 10}


def test_every_solver_is_here():
    assert len(STOCHASTIC) == 8
    assert "lbfgs" not in STOCHASTIC


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_divergence_has_one_message_with_and_without_early_stopping(name, solver):
    """scikit-learn #29504: its scorer complained of a NaN in the input."""
    X, y = data_for(name, n=60, p=5)
    texts = []
    for early_stopping in (False, True):
        model = estimator_of(
            name, **FAST, **DIVERGING, solver=solver, early_stopping=early_stopping,
            dtype="float64",
        )  # fmt: skip
        with pytest.raises(ValueError, match="non-finite") as caught:
            model.fit(X, y)
        texts.append(str(caught.value))
        assert not hasattr(model, "coefs_")
    assert texts[0] == texts[1]
    assert "in epoch 1 with learning rate 1e+200" in texts[0]
    assert "StandardScaler" in texts[0]
    assert "learning_rate_init" in texts[0]


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ["regressor", "estimator-reg"])
def test_training_ends_in_the_epoch_that_diverges(name, early_stopping, capsys):
    """scikit-learn #17925: all epochs ran on NaN, and NaN weights were kept."""
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(
        name, hidden_layer_sizes=(6,), solver="sgd", random_state=0, max_iter=1000,
        dtype="float64", verbose=True, early_stopping=early_stopping,
    ).set_params(max_iter=3)  # fmt: skip
    model.fit(X, y)
    before = snapshot(model)
    capsys.readouterr()
    model.set_params(max_iter=1000, learning_rate_init=1e3, tol=0.0)
    with pytest.raises(ValueError, match="non-finite") as caught:
        model.fit(X, y)
    epoch = int(re.search(r"in epoch (\d+)", str(caught.value)).group(1))
    told = re.findall(r"Iteration (\d+), loss = (.*)", capsys.readouterr().out)
    assert 2 <= epoch < 50
    assert [int(number) for number, _ in told] == list(range(1, epoch))
    assert np.isfinite([float(loss) for _, loss in told]).all()
    assert snapshot(model) == before


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", ["regressor", "estimator-reg"])
def test_targets_of_1e200_are_refused(name, solver):
    """scikit-learn 1.9 returns from `fit` with a loss of infinity."""
    X, y = data_for(name, n=60, p=5)
    for dtype, words in (("float64", "non-finite"), ("float32", "too large for dtype")):
        model = estimator_of(name, **FAST, solver=solver, dtype=dtype)
        with pytest.raises(ValueError, match=words):
            model.fit(X, y * 1e200)
        assert not hasattr(model, "loss_")


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_a_rate_far_too_large_that_stays_finite_is_reported_as_by_scikit_learn(kind):
    """Nothing but the curve says so, on purpose: the drop-ins warn where it warns."""
    X, y = make_data(kind, n=60, p=5)
    ours, theirs = pair(
        kind, **FAST, learning_rate_init=1e3, solver="adam", batch_size=60
    )
    _, got = recorded(ours.fit, X, y)
    _, want = recorded(theirs.fit, X, y)
    assert [category for category, _ in got] == [ConvergenceWarning]
    assert got == want
    assert np.isfinite(ours.loss_curve_).all()
    assert ours.loss_curve_[-1] > 1e3 * ours.loss_curve_[0]
    assert ours.history_["loss"] == ours.loss_curve_


def failing(model, name, solver, X, y):
    """Return a call that fails in the middle of training."""
    if solver != "lbfgs":
        model.set_params(learning_rate_init=1e200, max_iter=100, tol=0.0)
        return lambda: model.fit(X, y)
    if name in ("classifier", "estimator-clf"):
        return lambda: model.fit(X * 1e300, y)
    return lambda: model.fit(X, y * 1e200)


@pytest.mark.parametrize("warm_start", [True, False])
@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", NAMES)
def test_a_failed_second_fit_does_not_ruin_the_model(name, solver, warm_start):
    """scikit-learn 1.9: after a failed warm start the model predicts NaN."""
    X, y = data_for(name, n=60, p=5)
    params = {**FAST, "dtype": "float64", "activation": "identity", "batch_size": 10}
    model = estimator_of(name, **params, solver=solver, warm_start=warm_start)
    model.fit(X, y)
    before, predicted = snapshot(model), outputs(model, X)
    kept = model.get_params()
    call = failing(model, name, solver, X, y)
    with pytest.raises(ValueError, match="non-finite"):
        call()
    assert snapshot(model) == before
    np.testing.assert_array_equal(outputs(model, X), predicted)
    model.set_params(**kept).fit(X, y)
    assert all(np.isfinite(w).all() for w in weights_of(model))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_probabilities_of_0_and_1_have_a_finite_loss(kind, dtype):
    """scikit-learn #17978: log(0), and infinity minus infinity, made it NaN."""
    X, y = make_data(kind)
    params = {"hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0}
    model = MLPEstimator(**params, dtype=dtype).fit(X, y)
    for w in [*model.coefs_, *model.intercepts_]:
        w *= 1e4
    raw = model.decision_function(X)
    assert np.abs(raw).max() > 1e5  # far beyond where exp overflows
    proba = model.predict_proba(X)
    assert {0.0, 1.0} <= set(np.unique(proba))
    assert ((proba >= 0) & (proba <= 1)).all()
    logarithms = model.predict_log_proba(X)
    assert not np.isnan(logarithms).any()
    assert (logarithms <= 0).all()
    model.partial_fit(X, y)
    assert np.isfinite(model.loss_)
    assert model.loss_ > 1e4  # confident and wrong
    assert all(np.isfinite(w).all() for w in weights_of(model))


def test_a_candidate_that_diverges_is_a_bad_score_in_scikit_learns_own_search():
    """Skorch #627: NaN losses went through a whole grid search unseen."""
    X, y = make_data("regression")
    model = estimator_of("regressor", **FAST, **{**DIVERGING, "dtype": "float64"})
    search = GridSearchCV(model, {"learning_rate_init": [1e-3, 1e200]}, cv=3)
    _, caught = recorded(search.fit, X, y)
    (text,) = [text for category, text in caught if category is FitFailedWarning]
    assert "3 fits failed out of a total of 6" in text
    assert "non-finite parameter weights" in text
    assert search.best_params_ == {"learning_rate_init": 1e-3}
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores[0])
    assert np.isnan(scores[1])


@pytest.mark.parametrize("name", NAMES)
def test_one_error_does_not_spoil_the_next_fit(name):
    """What a failed first fit leaves behind: nothing."""
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(name, **{**FAST, **DIVERGING, "dtype": "float64"})
    before = set(vars(model))
    assert "non-finite" in str(error_of(model.fit, X, y))
    assert set(vars(model)) == before
    model.set_params(learning_rate_init=1e-3).fit(X, y)
    fresh = estimator_of(
        name, **{**FAST, **DIVERGING, "dtype": "float64", "learning_rate_init": 1e-3}
    ).fit(X, y)
    assert snapshot(model) == snapshot(fresh)
