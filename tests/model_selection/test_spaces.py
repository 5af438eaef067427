"""Search spaces that follow from the data."""

import numpy as np
import pytest
from helpers import make_data
from scipy.stats import loguniform, norm, randint, uniform
from search_tools import classifier, fit, regressor
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPEstimator
from fastnn.model_selection import RandomizedSearchCV, suggest, suggest_space


@pytest.mark.parametrize(
    ("n_samples", "n_features", "layers", "batches"),
    [
        # 2 * (4 + 1) = 10, next to 8; there is nothing below it
        (100, 4, [(8,), (8, 4)], ["auto"]),
        # 2 * (30 + 1) = 62, next to 64; 64 * 31 weights are fewer than 10 * 1000
        (1000, 30, [(16,), (16, 8), (32,), (32, 16), (64,), (64, 32)], [16, 32, 64]),
        # the same, but 64 * 31 and 32 * 31 weights are more than 10 * 80
        (80, 30, [(8,), (8, 4), (16,), (16, 8)], ["auto"]),
    ],
)
def test_widths_and_batches_by_hand(n_samples, n_features, layers, batches):
    X = np.zeros((n_samples, n_features))
    space = suggest_space(regressor(), X, np.zeros(n_samples))
    assert space["hidden_layer_sizes"] == layers
    assert space["batch_size"] == batches


def test_solvers_have_their_own_rates():
    data = make_data("multiclass")
    spaces = {
        solver: suggest_space(classifier(solver=solver), *data)
        for solver in ("adam", "sgd", "lbfgs")
    }
    assert spaces["adam"]["learning_rate_init"].support() == (1e-4, 1e-1)
    assert spaces["sgd"]["learning_rate_init"].support() == (1e-3, 1.0)
    assert not {"learning_rate_init", "batch_size"} & set(spaces["lbfgs"])


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("piped", [False, True])
def test_spaces_can_be_searched(kind, piped):
    X, y = make_data(kind)
    task = "regression" if kind == "regression" else "classification"
    estimator = MLPEstimator(task=task, max_iter=2, random_state=0)
    if piped:
        estimator = make_pipeline(StandardScaler(), estimator)
    search = RandomizedSearchCV(
        estimator, suggest_space(estimator, X, y), n_iter=3, cv=2, random_state=0
    )
    assert np.isfinite(fit(search, X, y).best_score_)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="got LinearRegression"):
        suggest_space(LinearRegression(), *make_data("regression"))


class Trial:
    """Chooses the last or largest, and writes down what it was asked."""

    def __init__(self):
        self.asked = {}

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices
        return choices[-1]

    def suggest_float(self, name, low, high, *, log=False):
        self.asked[name] = (low, high, log)
        return high

    def suggest_int(self, name, low, high):
        self.asked[name] = (low, high)
        return high


def test_a_trial_chooses():
    space = {
        "hidden_layer_sizes": [(8,), (16, 8)],
        "activation": ["relu", "tanh"],
        "alpha": loguniform(1e-6, 1e-2),
        "momentum": uniform(0.5, 0.4),
        "batch_size": randint(16, 65),
    }
    trial = Trial()
    chosen = suggest(trial, space)
    assert chosen == {
        "hidden_layer_sizes": (16, 8),
        "activation": "tanh",
        "alpha": 1e-2,
        "momentum": 0.9,
        "batch_size": 64,
    }
    assert trial.asked == {
        "hidden_layer_sizes": ["(8,)", "(16, 8)"],
        "activation": ["relu", "tanh"],
        "alpha": (1e-6, 1e-2, True),
        "momentum": (0.5, 0.9, False),
        "batch_size": (16, 64),
    }
    assert clone(classifier()).set_params(**chosen).momentum == 0.9
    with pytest.raises(ValueError, match="alpha has a distribution"):
        suggest(trial, {"alpha": norm(0, 1)})
    with pytest.raises(ValueError, match="batch_size has a distribution without"):
        suggest(trial, {"batch_size": randint(3, 3)})
    for wrong in ([{"alpha": [1.0]}], {"alpha": {"low": 1.0}}):
        with pytest.raises(TypeError, match=r"must be a dict|needs a list"):
            suggest(trial, wrong)


def test_optuna_itself():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    X, y = make_data("multiclass")
    space = suggest_space(classifier(), X, y)

    def objective(trial):
        network = classifier().set_params(max_iter=2, **suggest(trial, space))
        return fit(network, X, y).score(X, y)

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=3)
    assert set(study.best_params) == set(space)
