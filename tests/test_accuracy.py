"""Test scores on five classic data sets are scikit-learn's, within noise.

Our networks train in float32 here and scikit-learn's in float64, with the same seeds
and splits. Ten paired differences have a mean whose standard error is known; three
standard errors hold in 99 of 100 runs, and the seeds are fixed. The margin of 0.005
is for data sets where all ten differences are nearly nil.
"""

import numpy as np
import pytest
from helpers import ignore_convergence
from sklearn import datasets
from sklearn import neural_network as sk
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import fastnn

pytestmark = ignore_convergence

MARGIN = 0.005
SEEDS = range(10)
# The floors lie a little below the scores that scikit-learn reaches.
DATA = {
    "digits": (datasets.load_digits, {"max_iter": 12, "batch_size": 64}, 0.90),
    "iris": (datasets.load_iris, {"max_iter": 40, "batch_size": 16}, 0.85),
    "wine": (datasets.load_wine, {"max_iter": 30, "batch_size": 16}, 0.90),
    "breast cancer": (
        datasets.load_breast_cancer,
        {"max_iter": 20, "batch_size": 32},
        0.93,
    ),
    "diabetes": (datasets.load_diabetes, {"max_iter": 60, "batch_size": 32}, 0.25),
}
SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 3e-3},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.02},
}


def split(name, seed):
    X, y = DATA[name][0](return_X_y=True)
    if name == "diabetes":
        y = (y - y.mean()) / y.std()
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


def networks(name, **params):
    """Return our drop-in, our own estimator and scikit-learn's network."""
    if name == "diabetes":
        kind, task = "MLPRegressor", "regression"
    else:
        kind, task = "MLPClassifier", "classification"
    return (
        getattr(fastnn, kind)(dtype="float32", **params),
        fastnn.MLPEstimator(task=task, **params),
        getattr(sk, kind)(**params),
    )


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", DATA)
def test_mean_score(name, solver):
    _, params, floor = DATA[name]
    scores = []
    for seed in SEEDS:
        X, X_test, y, y_test = split(name, seed)
        models = networks(
            name,
            hidden_layer_sizes=(24,),
            random_state=seed,
            **params,
            **SOLVERS[solver],
        )
        scores.append([model.fit(X, y).score(X_test, y_test) for model in models])
    scores = np.array(scores)
    assert scores.mean(axis=0).min() > floor
    for ours in scores.T[:2]:
        difference = ours - scores[:, 2]
        error = difference.std(ddof=1) / np.sqrt(len(SEEDS))
        assert abs(difference.mean()) <= 3 * error + MARGIN


@pytest.mark.parametrize("name", DATA)
def test_lbfgs_score(name):
    """L-BFGS amplifies rounding, so single runs part; their means must not."""
    scores = []
    for seed in SEEDS:
        X, X_test, y, y_test = split(name, seed)
        params = {"solver": "lbfgs", "max_iter": 20, "alpha": 1.0}
        models = networks(name, hidden_layer_sizes=(8,), random_state=seed, **params)
        scores.append([model.fit(X, y).score(X_test, y_test) for model in models])
    scores = np.array(scores)
    for ours in scores.T[:2]:
        difference = ours - scores[:, 2]
        error = difference.std(ddof=1) / np.sqrt(len(SEEDS))
        assert abs(difference.mean()) <= 3 * error + MARGIN
