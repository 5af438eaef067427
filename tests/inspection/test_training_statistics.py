"""What `training_statistics` records, and that training is none the wiser."""

import numpy as np
import pytest
from helpers import assert_same_bits, ignore_convergence, make_data
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.inspection import training_statistics
from fastnn.inspection._probe import Probe, weight_norms

pytestmark = ignore_convergence
SMALL = {
    "hidden_layer_sizes": (7, 5),
    "max_iter": 5,
    "random_state": 0,
    "batch_size": 20,
}


@pytest.mark.parametrize(
    ("maker", "kind", "params"),
    [
        (MLPClassifier, "multiclass", {}),
        (MLPEstimator, "binary", {"early_stopping": True, "dropout": 0.2}),
        (MLPRegressor, "regression", {"solver": "sgd", "learning_rate": "adaptive"}),
        (MLPEstimator, "multilabel", {"ema_decay": 0.9, "batch_norm": True}),
        (
            MLPEstimator,
            "multiclass",
            {"learning_rate": "one_cycle", "mixup_alpha": 0.4},
        ),
    ],
)
def test_weights_are_those_of_a_fit(maker, kind, params):
    X, y = make_data(kind)
    net = maker(**{**SMALL, **params})
    statistics = training_statistics(net, X, y, n_samples=40)
    fitted = clone(net).fit(X, y)
    assert_same_bits(statistics.estimator, fitted)
    np.testing.assert_array_equal(statistics.loss[1:], fitted.loss_curve_)
    assert statistics.estimator.history_.keys() == fitted.history_.keys()
    assert not hasattr(net, "coefs_")


def test_numbers_by_hand():
    X, y = make_data("multiclass")
    net = MLPClassifier(**SMALL, activation="tanh")
    statistics = training_statistics(net, X, y, n_samples=None)
    assert statistics.epochs.tolist() == [0, 1, 2, 3, 4, 5]
    assert statistics.layers == ["hidden 1", "hidden 2", "output"]
    before = clone(net).initialize(X, y)
    after = statistics.estimator
    for epoch, state in ((0, before), (5, after)):
        norms = [np.linalg.norm(W) for W in state.coefs_]
        np.testing.assert_allclose(statistics.weight_norm[epoch], norms, rtol=1e-12)
        probe = Probe(state, X, y)
        expected = weight_norms(probe.gradient(probe.theta), probe.architecture)
        np.testing.assert_allclose(statistics.gradient_norm[epoch], expected, rtol=1e-9)
        hidden = [state.transform(X, layer=layer) for layer in range(2)]
        np.testing.assert_allclose(
            statistics.activation_mean[epoch], [A.mean() for A in hidden], rtol=1e-9
        )
        np.testing.assert_allclose(
            statistics.activation_std[epoch], [A.std() for A in hidden], rtol=1e-9
        )
    fourth = clone(net).set_params(max_iter=4).fit(X, y)
    moved = [
        np.linalg.norm(a - b) / np.linalg.norm(b)
        for a, b in zip(after.coefs_, fourth.coefs_, strict=True)
    ]
    np.testing.assert_allclose(statistics.epoch_change[5], moved, rtol=1e-9)
    assert np.isnan(statistics.epoch_change[0]).all()
    np.testing.assert_allclose(
        statistics.update_ratio, statistics.update_norm / statistics.weight_norm
    )
    assert np.isnan(statistics.dead_share).all()  # tanh is never off
    assert (statistics.saturated_share == 0).all()


def test_adams_first_step_has_a_known_size():
    """It moves every weight by the rate, whatever the gradient."""
    X, y = make_data("multiclass")
    net = MLPClassifier(**SMALL, learning_rate_init=0.01, activation="tanh")
    statistics = training_statistics(net, X, y, n_epochs=1)
    sizes = np.array([7 * 7, 7 * 5, 5 * 4])
    np.testing.assert_allclose(
        statistics.update_norm[0], 0.01 * np.sqrt(sizes), rtol=1e-3
    )


def test_dead_units_are_counted():
    X, y = make_data("regression")
    net = MLPRegressor((8,), learning_rate_init=30.0, max_iter=10, random_state=0)
    shares = training_statistics(net, X, y).dead_share[:, 0]
    assert shares[0] < 0.3
    assert shares[-1] > 0.6
    last = training_statistics(net, X, y, n_samples=None)
    off = (last.estimator.transform(X) == 0).all(axis=0).mean()
    assert last.dead_share[-1, 0] == off


def test_table():
    pd = pytest.importorskip("pandas")
    X, y = make_data("multiclass")
    statistics = training_statistics(MLPClassifier(**SMALL), X, y, n_epochs=2)
    table = statistics.to_frame()
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 3 * 3
    row = table[(table["epoch"] == 1) & (table["layer"] == "hidden 2")].iloc[0]
    assert row["gradient_norm"] == statistics.gradient_norm[1, 1]
    assert row["dead_share"] == statistics.dead_share[1, 1]
    assert table[table["layer"] == "output"]["dead_share"].isna().all()


def test_validation_and_pipeline():
    X, y = make_data("binary")
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    statistics = training_statistics(
        pipe, X[:60] * 9 + 4, y[:60], X_val=X[60:] * 9 + 4, y_val=y[60:]
    )
    scaler = StandardScaler().fit(X[:60] * 9 + 4)
    held_out = scaler.transform(X[60:] * 9 + 4)
    expected = clone(pipe[-1]).fit(
        scaler.transform(X[:60] * 9 + 4), y[:60], X_val=held_out, y_val=y[60:]
    )
    assert_same_bits(statistics.estimator, expected)
    np.testing.assert_array_equal(
        statistics.validation_loss[1:], expected.history_["validation_loss"]
    )


def test_divergence_is_recorded():
    X, y = make_data("regression")
    params = {"solver": "sgd", "activation": "identity", "learning_rate_init": 1e3}
    net = MLPRegressor((8, 8), random_state=0, **params)
    statistics = training_statistics(net, X, y)
    assert "non-finite" in statistics.divergence
    assert 1 <= len(statistics.epochs) < 10
    assert len(statistics.gradient_norm) == len(statistics.epochs)
    assert np.isfinite(statistics.estimator.coefs_[0]).all()


def test_a_reason_to_stop_stops():
    X, y = make_data("binary")
    net = MLPClassifier(**{**SMALL, "max_iter": 50}, tol=1.0, n_iter_no_change=2)
    statistics = training_statistics(net, X, y)
    assert statistics.epochs[-1] == clone(net).fit(X, y).n_iter_ < 10


@pytest.mark.parametrize(
    ("params", "options", "word"),
    [
        ({"solver": "lbfgs"}, {}, "lbfgs"),
        ({}, {"n_epochs": 0}, "n_epochs"),
        ({"alpha": -1}, {}, "alpha"),
        ({}, {"y_val": [0, 1]}, "X_val"),
    ],
)
def test_what_does_not_suit_is_named(params, options, word):
    X, y = make_data("binary")
    with pytest.raises(ValueError, match=word):
        training_statistics(MLPClassifier(**{**SMALL, **params}), X, y, **options)


def test_other_estimators_are_refused():
    X, y = make_data("binary")
    with pytest.raises(TypeError, match="StandardScaler"):
        training_statistics(StandardScaler(), X, y)
