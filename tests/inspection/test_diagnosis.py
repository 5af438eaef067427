"""`diagnose`: networks with one fault each, made by training, and sound ones."""

import warnings

import numpy as np
import pytest
from helpers import ignore_convergence
from scipy import sparse
from sklearn.datasets import load_iris, make_friedman1, make_moons
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.inspection import Diagnosis, diagnose

pytestmark = ignore_convergence


def moons(n=300, scale=True, seed=0):
    X, y = make_moons(n, noise=0.2, random_state=seed)
    return (StandardScaler().fit_transform(X) if scale else X), y


def judged(net, *args, **options):
    """Return a diagnosis and check its parts."""
    diagnosis = diagnose(net, *args, **options)
    assert isinstance(diagnosis, Diagnosis)
    order = ["error", "warning", "info"]
    severities = [order.index(finding.severity) for finding in diagnosis]
    assert severities == sorted(severities)
    text = " ".join(str(diagnosis).split())
    for finding in diagnosis:
        assert finding.numbers
        assert " ".join(finding.sentence.split()) in text
        assert " ".join(finding.remedy.split()) in text
    return diagnosis


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_sound_classifier_has_no_finding(seed, activation):
    X, y = moons(600, seed=seed)
    net = MLPClassifier(
        (32, 32),
        activation=activation,
        learning_rate_init=0.003,
        max_iter=2000,
        random_state=seed,
    )
    diagnosis = judged(net, X[:400], y[:400], X_val=X[400:], y_val=y[400:])
    assert diagnosis.names == []
    assert diagnosis.not_judged == []
    assert diagnosis.is_healthy
    assert str(diagnosis) == "Nothing found."


@pytest.mark.parametrize("seed", range(3))
def test_a_sound_regressor_has_no_finding(seed):
    X, y = make_friedman1(900, noise=0.5, random_state=seed)
    y = (y - y.mean()) / y.std()
    net = MLPEstimator(
        (32,),
        task="regression",
        learning_rate_init=0.01,
        learning_rate="cosine",
        schedule_epochs=80,
        max_iter=80,
        n_iter_no_change=80,
        alpha=1.0,
        random_state=seed,
    )
    pipe = make_pipeline(StandardScaler(), net)
    diagnosis = judged(pipe, X[:600], y[:600], X_val=X[600:], y_val=y[600:])
    assert diagnosis.names == []


def test_a_fitted_network_is_judged_as_it_is():
    X, y = moons()
    net = MLPClassifier((16,), max_iter=2000, learning_rate_init=0.01, random_state=0)
    net.fit(X, y)
    before = [W.tobytes() for W in net.coefs_]
    diagnosis = judged(net, X, y)
    assert diagnosis.estimator is net
    assert [W.tobytes() for W in net.coefs_] == before
    assert any("over-fitting" in text for text in diagnosis.not_judged)
    assert "Not judged" in str(diagnosis)


def test_vanishing_gradient():
    X, y = moons()
    net = MLPClassifier((12,) * 20, activation="logistic", max_iter=20, random_state=0)
    finding = judged(net, X, y)["vanishing_gradient"]
    assert finding.severity == "error"
    assert "hidden 1" in finding.numbers["layers"]
    assert "hidden 20" not in finding.numbers["layers"]
    assert finding.numbers["smallest_quotient"] < 1e-6
    net.set_params(activation="relu", weight_init="he")
    assert "vanishing_gradient" not in judged(net, X, y)


def test_exploding_gradient():
    """Each short cut doubles what goes through a layer of He's weights."""
    X, y = moons()
    net = MLPClassifier(
        (30,) * 25, residual=True, weight_init="he", max_iter=3, random_state=0
    )
    finding = judged(net, X, y)["exploding_gradient"]
    assert finding.severity == "error"
    assert finding.numbers["largest"] > 1e3
    net.set_params(layer_norm=True)
    assert "exploding_gradient" not in judged(net, X, y)


def test_dead_units():
    X, y = moons()
    net = MLPClassifier((32,), learning_rate_init=1.0, max_iter=60, random_state=0)
    diagnosis = judged(net, X + 5, y)
    share = diagnosis["dead_units"].numbers["share"]["hidden 1"]
    hidden = diagnosis.estimator.transform(X + 5)
    assert share == (hidden == 0).all(axis=0).mean() > 0.75
    assert diagnosis["dead_units"].severity == "error"
    net.set_params(activation="leaky_relu")
    assert "dead_units" not in judged(net, X + 5, y)


def test_saturated_units():
    X, y = moons()
    net = MLPClassifier((32,), activation="tanh", max_iter=60, random_state=0)
    finding = judged(net, X * 100, y)["saturated_units"]
    assert finding.numbers["share"]["hidden 1"] > 0.5
    assert "saturated_units" not in judged(net, X, y)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_learning_rate_too_high(solver, seed):
    X, y = moons(seed=seed)
    net = MLPClassifier(
        (16, 16), solver=solver, learning_rate_init=10, max_iter=60, random_state=seed
    )
    finding = judged(net, X, y)["learning_rate_too_high"]
    assert finding.numbers["learning_rate_init"] == 10
    net.set_params(learning_rate_init=0.01)
    assert "learning_rate_too_high" not in judged(net, X, y)


def test_a_loss_that_zigzags():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    net = MLPClassifier(
        (32, 32),
        activation="tanh",
        learning_rate_init=0.3,
        batch_size=10,
        max_iter=60,
        n_iter_no_change=60,
        random_state=0,
    )
    finding = judged(net, X, y)["learning_rate_too_high"]
    assert "rises in" in finding.sentence
    half = net.fit(X, y).loss_curve_[30:]
    assert finding.numbers["rising_epochs"] == np.mean(np.diff(half) > 0) >= 0.25


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_learning_rate_too_low(solver):
    X, y = moons()
    net = MLPClassifier(
        (16, 16), solver=solver, learning_rate_init=1e-5, max_iter=60, random_state=0
    )
    finding = judged(net, X, y)["learning_rate_too_low"]
    assert 0 < finding.numbers["fall_per_epoch"] < 0.01
    net.set_params(learning_rate_init=0.05)
    assert "learning_rate_too_low" not in judged(net, X, y)


def test_divergence():
    X, y = moons()
    net = MLPRegressor(
        (16, 16), solver="sgd", learning_rate_init=100, max_iter=60, random_state=0
    )
    diagnosis = judged(net, X, y.astype(float))
    assert diagnosis["diverged"].severity == "error"
    assert diagnosis.estimator is None
    assert diagnosis[0].name == "diverged"
    assert not diagnosis.is_healthy


def test_not_converged():
    X, y = moons()
    net = MLPClassifier((32,), learning_rate_init=0.01, max_iter=25, random_state=0)
    finding = judged(net, X, y)["not_converged"]
    assert finding.numbers["max_iter"] == 25
    curve = net.fit(X, y).loss_curve_
    assert finding.numbers["fall"] == pytest.approx(curve[-11] - curve[-1])
    net.set_params(max_iter=2000)
    assert "not_converged" not in judged(net, X, y)


def test_what_still_falls_by_next_to_nothing_has_converged():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((200, 2))
    y = 100 * (X[:, 0] + rng.standard_normal(200))  # half of it is noise
    params = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.01}
    net = MLPRegressor((), max_iter=600, n_iter_no_change=600, **params)
    diagnosis = judged(net.set_params(batch_size="full", random_state=0), X, y)
    curve = np.array(diagnosis.estimator.loss_curve_)
    assert (np.diff(curve) < 0).all()  # it falls to the end, by more than tol
    assert curve[-61] - curve[-1] > 60 * net.tol
    assert "not_converged" not in diagnosis


def test_overfitting_by_held_out_scores():
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((160, 30)), rng.randint(0, 2, 160)  # nothing to learn
    net = MLPClassifier((200,), max_iter=500, random_state=0)
    finding = judged(net, X[:80], y[:80], X_val=X[80:], y_val=y[80:])["overfitting"]
    assert finding.severity == "error"
    numbers = finding.numbers
    assert numbers["training_score"] == 1.0
    assert numbers["gap"] == 1.0 - numbers["held_out_score"] > 0.25


def test_overfitting_by_the_validation_loss():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((200, 10))
    noisy = X @ rng.standard_normal(10) + 3 * rng.standard_normal(200)
    y = (noisy > 0).astype(int)
    net = MLPEstimator((100,), max_iter=400, random_state=0)
    net.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    finding = judged(net, X[:100], y[:100])["overfitting"]
    curve = np.array(net.history_["validation_loss"])
    assert finding.numbers["best_epoch"] == curve.argmin() + 1
    assert finding.numbers["validation_loss_rise"] == pytest.approx(
        curve[-1] / curve.min() - 1
    )


def test_overfitting_by_early_stopping():
    rng = np.random.RandomState(1)
    X, y = rng.standard_normal((200, 60)), rng.randint(0, 2, 200)
    net = MLPClassifier(
        (100,),
        early_stopping=True,
        validation_fraction=0.4,
        n_threads=1,
        n_iter_no_change=100,
        max_iter=150,
        random_state=0,
    )
    diagnosis = judged(net, X, y)
    assert diagnosis.not_judged == []
    fitted = diagnosis.estimator
    held_out = diagnosis["overfitting"].numbers["held_out_score"]
    assert held_out == fitted.best_validation_score_


def test_underfitting():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    net = MLPClassifier((1,), alpha=100.0, max_iter=300, random_state=0)
    finding = judged(net, X, y)["underfitting"]
    assert finding.numbers["training_score"] < finding.numbers["linear_score"]
    net.set_params(hidden_layer_sizes=(16,), alpha=1e-4, learning_rate_init=0.01)
    assert "underfitting" not in judged(net, X, y)


def test_unscaled_inputs():
    X, y = load_iris(return_X_y=True)
    net = MLPClassifier((8,), max_iter=20, random_state=0)
    factors = [1e-3, 1.0, 1e3, 1.0]
    finding = judged(net, X * factors, y)["unscaled_inputs"]
    assert "times apart" in finding.sentence
    spread = (X * factors).std(axis=0)
    assert finding.numbers["spread"] == pytest.approx(spread.max() / spread.min())
    far = judged(net, StandardScaler().fit_transform(X) + 20, y)["unscaled_inputs"]
    assert "4 of 4 columns" in far.sentence
    assert far.numbers["largest_offset"] == pytest.approx(20)
    small = judged(net, StandardScaler().fit_transform(X) / 1e3, y)
    assert small["unscaled_inputs"].numbers["usual_size"] == pytest.approx(1e-3)
    # Behind a scaler, the network's own inputs are scaled.
    pipe = make_pipeline(StandardScaler(), net)
    assert "unscaled_inputs" not in judged(pipe, X * factors, y)
    assert "unscaled_inputs" not in judged(pipe.fit(X * factors, y), X * factors, y)


def test_unscaled_targets():
    X, y = make_friedman1(200, random_state=0)
    net = MLPRegressor((8,), max_iter=20, random_state=0)
    finding = judged(net, X, 1000 * y)["unscaled_targets"]
    assert finding.numbers["std"] == pytest.approx(1000 * y.std())
    assert "unscaled_targets" not in judged(net, X, y)
    # An exponential output reaches any size.
    net.set_params(loss="poisson")
    assert "unscaled_targets" not in judged(net, X, 1000 * y)


def test_class_imbalance():
    X, y = moons()
    rare = np.flatnonzero(y == 0)[3:]
    X, y = np.delete(X, rare, axis=0), np.delete(y, rare)
    net = MLPClassifier((16,), max_iter=60, random_state=0)
    diagnosis = judged(net, X, y)
    numbers = diagnosis["class_imbalance"].numbers
    assert (numbers["class"], numbers["count"]) == (0, 3)
    found = diagnosis.estimator.predict(X[y == 0])
    assert numbers["recall"] == np.mean(found == 0)
    assert "class_imbalance" not in judged(net, *moons())


def test_constant_columns():
    X, y = moons()
    X = np.column_stack([X, np.full(len(X), 0.1), X[:, 0], np.zeros(len(X))])
    net = MLPClassifier((8,), max_iter=5, random_state=0)
    finding = judged(net, X, y)["constant_columns"]
    assert finding.numbers["columns"] == [2, 4]
    assert finding.severity == "info"
    found = judged(net, sparse.csr_matrix(X), y)["constant_columns"]
    assert found.numbers["columns"] == [2, 4]


def test_contradictory_labels():
    X, y = moons(200)
    X, y = np.repeat(X, 3, axis=0), np.repeat(y, 3)
    y[:90:3] = 1 - y[:90:3]  # one of three of thirty rows
    net = MLPClassifier((8,), max_iter=5, random_state=0)
    finding = judged(net, X, y)["contradictory_labels"]
    assert finding.numbers["share"] == pytest.approx(30 / 600)
    assert "contradictory_labels" not in judged(net, *moons(200))


@pytest.mark.parametrize(
    ("maker", "kind"),
    [
        (MLPClassifier, "multilabel"),
        (MLPRegressor, "multioutput"),
        (
            lambda **p: MLPRegressor(loss="quantile", quantile=[0.1, 0.5, 0.9], **p),
            "regression",
        ),
        (lambda **p: MLPClassifier(loss="hinge", **p), "multiclass"),
        (lambda **p: MLPClassifier(solver="lbfgs", **p), "multiclass"),
        (lambda **p: MLPClassifier(class_weight="balanced", **p), "binary"),
    ],
)
def test_every_kind_can_be_judged(maker, kind):
    from helpers import make_data

    X, y = make_data(kind)
    net = maker(hidden_layer_sizes=(5,), max_iter=8, random_state=0)
    diagnosis = judged(net, X, y, sample_weight=np.ones(len(X)), n_samples=60)
    assert "diverged" not in diagnosis
    if net.solver == "lbfgs":
        assert any("lbfgs" in text for text in diagnosis.not_judged)


def test_a_network_without_hidden_layers():
    X, y = moons()
    diagnosis = judged(MLPClassifier((), max_iter=300, random_state=0), X, y)
    assert "dead_units" not in diagnosis
    assert "vanishing_gradient" not in diagnosis


def test_arguments():
    X, y = moons()
    net = MLPClassifier(max_iter=2, random_state=0)
    with pytest.raises(ValueError, match="y_val"):
        diagnose(net, X, y, X_val=X)
    with pytest.raises(TypeError, match="pipeline"):
        diagnose(StandardScaler(), X, y)
    with pytest.raises(KeyError, match="diverged"):
        diagnose(net, X, y)["diverged"]


def test_no_warning_reaches_the_user():
    X, y = moons()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diagnosis = diagnose(MLPClassifier(max_iter=3, random_state=0), X, y)
    assert diagnosis.estimator.n_iter_ == 3
