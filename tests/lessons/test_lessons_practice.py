"""What a course on neural networks teaches of search, and does in its practice."""

import numpy as np
import pytest
from helpers import ignore_convergence
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    learning_curve,
    train_test_split,
    validation_curve,
)

from fastnn import MLPEstimator


def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, train_size=600, random_state=0, stratify=y)


# Search


@ignore_convergence
def test_grid_search():
    """All combinations are tried (lesson 8)."""
    X, y = make_moons(120, noise=0.2, random_state=0)
    grid = {
        "hidden_layer_sizes": [(8,), (8, 8)],
        "activation": ["relu", "tanh"],
        "solver": ["adam", "rmsprop"],
        "batch_norm": [False, True],
        "dropout": [0.0, 0.2],
    }
    net = MLPEstimator(max_iter=30, learning_rate_init=0.02, random_state=0)
    search = GridSearchCV(net, grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 32
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ == max(search.cv_results_["mean_test_score"]) > 0.8
    best = search.best_estimator_.get_params()
    assert {name: best[name] for name in grid} == search.best_params_


@ignore_convergence
def test_random_search():
    """A number of trials, drawn from distributions and lists (lesson 8)."""
    X, y = make_moons(120, noise=0.2, random_state=0)
    space = {
        "learning_rate_init": loguniform(1e-3, 1e-1),
        "dropout": uniform(0, 0.5),
        "learning_rate": ["constant", "cosine", "one_cycle"],
        "activation": [["relu", "tanh"], ["gelu", "logistic"]],
        "alpha": loguniform(1e-5, 1),
        "batch_size": [16, 32, "full"],
    }
    net = MLPEstimator((8, 8), max_iter=20, random_state=0)
    found = [
        RandomizedSearchCV(net, space, n_iter=8, cv=2, random_state=1).fit(X, y)
        for _ in range(2)
    ]
    tried = found[0].cv_results_["params"]
    assert len(tried) == 8
    assert all(1e-3 <= p["learning_rate_init"] <= 1e-1 for p in tried)
    assert len({p["dropout"] for p in tried}) == 8
    assert np.isfinite(found[0].cv_results_["mean_test_score"]).all()
    assert found[0].best_params_ == found[1].best_params_
    assert found[0].best_score_ == found[1].best_score_


@ignore_convergence
def test_learning_and_validation_curves():
    """Bias and variance (lesson 8).

    With more samples training and validation scores approach. A strong penalty makes
    both low; without one the training score is above: 0.996 to 0.998 and 0.947 to
    0.953 over 5 seeds. The gaps were 0.24 to 0.27, 0.12 to 0.14 and 0.04 to 0.05.
    """
    X, _, y, _ = digits()
    net = MLPEstimator((30,), max_iter=60, learning_rate_init=0.01, random_state=0)
    sizes, train, test = learning_curve(net, X, y, train_sizes=[30, 100, 400], cv=3)
    gaps = (train - test).mean(axis=1)
    assert sizes.tolist() == [30, 100, 400]
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert (np.diff(test.mean(axis=1)) > 0).all()
    options = {"param_name": "alpha", "param_range": [1e-4, 1e3], "cv": 3}
    train, test = validation_curve(net, X, y, **options)
    free, bound = train.mean(axis=1)
    assert free > 0.99 > 0.5 > bound
    assert free - test.mean(axis=1)[0] > 0.02
    assert abs(bound - test.mean(axis=1)[1]) < 0.1


def test_the_convergence_study():
    """Losses per epoch for three rates and four batch sizes (lesson 8).

    Smaller batches and larger rates bring the loss down in fewer epochs, as there are
    more and longer steps; but single samples at a rate of 0.1 are too much of both.
    So it was for 5 seeds.
    """
    X, X_val, y, y_val = digits()
    final = np.empty((3, 4))
    for i, rate in enumerate((0.001, 0.01, 0.1)):
        for j, batch in enumerate((1, 16, 32, 64)):
            net = MLPEstimator((16,), solver="sgd", momentum=0, random_state=0)
            net.set_params(learning_rate_init=rate, batch_size=batch, max_iter=10)
            with pytest.warns(ConvergenceWarning):
                net.fit(X, y, X_val=X_val, y_val=y_val)
            curves = np.array([net.history_["loss"], net.history_["validation_loss"]])
            assert curves.shape == (2, 10)
            assert np.isfinite(curves).all()
            assert (curves[:, -1] < curves[:, 0]).all()
            final[i, j] = curves[0, -1]
    assert (np.diff(final, axis=1)[:2] > 0).all()
    assert (np.diff(final, axis=0)[:, 1:] < 0).all()
    assert final[2, 0] > 0.8 * final[1, 0]


# In practice


def test_a_decision_boundary_while_the_net_learns():
    """A playground: epochs one by one, and a picture after each (lesson 9).

    Accuracy after 100 epochs was 0.985 to 0.995 over 6 seeds.
    """
    X, y = make_moons(200, noise=0.15, random_state=0)
    grid = np.stack(np.meshgrid(*[np.linspace(-2, 3, 30)] * 2), axis=-1).reshape(-1, 2)
    for seed in range(2):
        net = MLPEstimator((16, 16), learning_rate_init=0.02, random_state=seed)
        pictures = []
        for _ in range(100):
            net.partial_fit(X, y, classes=[0, 1])
            pictures.append(net.predict(grid))
        assert len({picture.tobytes() for picture in pictures}) > 20
        assert net.n_iter_ == 100
        assert net.score(X, y) > 0.93


def test_dropout_on_and_off():
    """It acts in training and not in prediction, and can be switched (lesson 9).

    With it the loss of the same weights was 1.08 to 1.28 times as large, over 6 seeds.
    """
    X, y = make_moons(200, noise=0.15, random_state=0)
    net = MLPEstimator((16,), dropout=0.5, learning_rate_init=0.02, random_state=0)
    for _ in range(60):
        net.partial_fit(X, y, classes=[0, 1])
    np.testing.assert_array_equal(net.predict_proba(X), net.predict_proba(X))
    true = net.predict_proba(X)[np.arange(200), y]
    undisturbed = -np.log(true).mean()
    still = {"learning_rate_init": 1e-30, "alpha": 0, "batch_size": "full"}
    on = net.set_params(**still).partial_fit(X, y).loss_
    off = net.set_params(dropout=0.0).partial_fit(X, y).loss_
    assert off == pytest.approx(undisturbed, rel=1e-4)
    assert on > 1.03 * off


def test_the_loss_landscape():
    """Around a minimum the loss rises in every direction (lesson 9).

    Weights may be written into, so that a plane through them is a matter of two loops.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    y = np.sin(X[:, 0]) + 0.5 * X[:, 1]
    net = MLPEstimator((4,), task="regression", activation="tanh", alpha=1.0)
    net.set_params(solver="lbfgs", tol=1e-9, max_iter=5000, dtype="float64")
    net.set_params(random_state=0).fit(X, y)
    arrays = [*net.coefs_, *net.intercepts_]
    center = [a.copy() for a in arrays]
    directions = [[rng.standard_normal(a.shape) for a in arrays] for _ in range(2)]

    def loss(s, t):
        for a, start, u, v in zip(arrays, center, *directions, strict=True):
            a[:] = start + s * u + t * v
        penalty = sum((W**2).sum() for W in net.coefs_)
        return ((net.predict(X) - y) ** 2).mean() / 2 + penalty / 2 / 60

    steps = np.linspace(-0.2, 0.2, 9)
    plane = np.array([[loss(s, t) for t in steps] for s in steps])
    assert np.unravel_index(plane.argmin(), plane.shape) == (4, 4)
    assert plane[4, 4] == pytest.approx(net.loss_, rel=1e-9)
    assert plane[0, 0] > plane[2, 2] > plane[4, 4]
