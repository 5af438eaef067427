"""Every option: what leaves it out changes nothing, what does not changes something.

The second half is about losses and outputs in whole fits.
"""

import pickle

import numpy as np
import pytest
from helpers import (
    NAMES,
    assert_same_bits,
    data_for,
    estimator_of,
    ignore_convergence,
    make_data,
    outputs,
    weights_of,
)
from reference import VALUE_LOSSES
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import d2_pinball_score, get_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (5, 4), "max_iter": 4, "batch_size": 16}
FAST |= {"random_state": 0, "learning_rate_init": 0.01}
ONLY_CLASSES = ("classifier", "estimator-clf")
ONLY_VALUES = ("regressor", "estimator-reg")


def shift(X, rng):
    """Move all rows a little, another way in each epoch."""
    return X + rng.normal(scale=0.1, size=X.shape[1])


# (parameter, what must be set for it to count, neutral values, real value, estimators)
OPTIONS = [
    ("activation", {}, ["relu", ["relu", "relu"], ("relu", "relu")],
     ["elu", "tanh"], NAMES),
    ("batch_size", {}, [16], "full", NAMES),
    ("batch_norm", {}, [False, np.False_], True, NAMES),
    ("layer_norm", {}, [False], True, NAMES),
    ("norm_epsilon", {"layer_norm": True}, [1e-5], 0.1, NAMES),
    ("residual", {}, [False], True, NAMES),
    ("dropout", {}, [0, 0.0, [0, 0, 0], np.zeros(3)], [0.1, 0.3, 0.0], NAMES),
    ("input_noise", {}, [0, 0.0], 0.1, NAMES),
    ("mixup_alpha", {}, [0, 0.0], 0.3, NAMES),
    ("augmentation", {}, [None], shift, NAMES),
    ("l1_ratio", {"alpha": 0.1}, [0, 0.0], 0.5, NAMES),
    ("weight_decay", {}, [None, 0, 0.0], 0.3, NAMES),
    ("weight_decay", {"solver": "adamw"}, [None, 0.01], 0.0, NAMES),
    ("max_norm", {}, [None], 0.5, NAMES),
    ("gradient_clip_norm", {}, [None], 0.01, NAMES),
    ("gradient_clip_value", {}, [None], 0.001, NAMES),
    ("ema_decay", {}, [None], 0.9, NAMES),
    ("weight_init", {}, ["sklearn"], "orthogonal", NAMES),
    ("dampening", {"solver": "sgd"}, [0, 0.0], 0.5, NAMES),
    ("rho", {"solver": "rmsprop"}, [0.9], 0.5, NAMES),
    ("learning_rate", {}, ["constant"], "cosine", NAMES),
    ("decay_rate", {"learning_rate": "exponential"}, [0.5], 0.1, NAMES),
    ("decay_epochs", {"learning_rate": "step"}, [20, 20.0, 50], 2, NAMES),
    ("schedule_epochs", {"learning_rate": "one_cycle"}, [None, 4], 9, NAMES),
    ("warmup", {}, [0, 0.0], 2.5, NAMES),
    ("target_loss", {}, [None, -1e30], 1e30, NAMES),
    ("validation_metric", {"early_stopping": True, "max_iter": 30}, ["auto"],
     "loss", ONLY_CLASSES),
    # R² and the squared error have the same best epoch.
    ("validation_metric", {"early_stopping": True, "max_iter": 30},
     ["auto", "r2", "loss"], "neg_median_absolute_error", ONLY_VALUES),
    ("output_activation", {"loss": "squared_error"}, ["auto"],
     "logistic", ("classifier", "estimator-clf")),
    ("output_activation", {"loss": "squared_error"}, ["auto", "identity"],
     "tanh", ONLY_VALUES),
    ("loss", {}, ["log_loss"], "focal", ONLY_CLASSES),
    ("loss", {}, ["squared_error"], "log_cosh", ONLY_VALUES),
    ("class_weight", {}, [None, {}, {0: 1, 1: 1, 2: 1, 3: 1}], "balanced",
     ONLY_CLASSES),
    ("label_smoothing", {}, [0, 0.0], 0.1, ONLY_CLASSES),
    ("focal_gamma", {"loss": "focal"}, [2, 2.0], 0.5, ONLY_CLASSES),
    ("huber_delta", {"loss": "huber"}, [1, 1.0], 0.1, NAMES),
    ("quantile", {"loss": "quantile"}, [0.5, [0.5]], [0.1, 0.7], ONLY_VALUES),
]  # fmt: skip
CASES = [
    pytest.param(name, option, id=f"{name}-{i}-{option[0]}")
    for i, option in enumerate(OPTIONS)
    for name in option[4]
]


@pytest.mark.parametrize(("name", "option"), CASES)
def test_neutral_and_real_values(name, option):
    key, context, neutral, real, _ = option
    X, y = data_for(name, n=60, p=4)
    context = {**FAST, **context}
    plain = estimator_of(name, **context).fit(X, y)
    for value in neutral:
        model = estimator_of(name, **context).set_params(**{key: value})
        assert_same_bits(model.fit(X, y), plain)
        assert model.loss_curve_ == plain.loss_curve_
    model = estimator_of(name, **{**context, key: real}).fit(X, y)
    left, right = weights_of(model), weights_of(plain)
    changed = len(left) != len(right) or any(
        a.shape != b.shape or (a != b).any() for a, b in zip(left, right, strict=True)
    )
    changed |= not np.array_equal(outputs(model, X), outputs(plain, X))
    assert changed
    assert all(np.isfinite(w).all() for w in left)


@pytest.mark.parametrize(("name", "option"), CASES)
def test_clone_pickle_and_representation(name, option):
    """A copy predicts the same bits, goes on the same way, and reads as it is."""
    key, context, _, real, _ = option
    X, y = data_for(name, n=60, p=4)
    model = estimator_of(name, **{**FAST, **context, key: real}).fit(X, y)
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert_same_bits(again.fit(X, y), model)
    assert key in repr(model)
    if key != "augmentation":
        assert eval(repr(model)).get_params() == model.get_params()
    copy = pickle.loads(pickle.dumps(model))
    for method in ("predict", "transform", "predict_proba", "decision_function"):
        if hasattr(model, method):
            bits = [getattr(m, method)(X).tobytes() for m in (model, copy)]
            assert bits[0] == bits[1], method
    for m in (model, copy):
        m.set_params(warm_start=True).fit(X, y)
    assert_same_bits(copy, model)
    assert copy.history_["loss"] == model.history_["loss"]


@pytest.mark.parametrize("name", NAMES)
def test_options_in_a_grid_search(name):
    X, y = data_for(name, n=60, p=4)
    grid = [
        {option[0]: [option[2][0], option[3]], **{k: [v] for k, v in option[1].items()}}
        for option in OPTIONS
        if name in option[4]
    ]
    search = GridSearchCV(estimator_of(name, **FAST), grid, cv=2, error_score="raise")
    # Several quantiles are scored by their D², as `score` does.
    search.fit(X, y)
    assert len(search.cv_results_["params"]) == 2 * len(grid)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = estimator_of(name, **{**FAST, **search.best_params_}).fit(X, y)
    assert_same_bits(search.best_estimator_, best)


# Bounds that are never reached take another way through the kernels: the same
# numbers but for rounding, which four epochs of small networks raise to some 1e-12.
LOOSE = {
    "max_norm": 1e6,
    "gradient_clip_norm": 1e6,
    "gradient_clip_value": 1e6,
    "ema_decay": 0.0,
    "weight_decay": 1e-18,
    "warmup": 1e-9,
}


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_bounds_that_are_never_reached(name, solver):
    X, y = data_for(name, n=60, p=4)
    params = {**FAST, "dtype": "float64", "solver": solver}
    plain = weights_of(estimator_of(name, **params).fit(X, y))
    for key, value in LOOSE.items():
        model = estimator_of(name, **params, **{key: value}).fit(X, y)
        for a, b in zip(weights_of(model), plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=key)


# What a loss is where its parameter makes another loss of it.
SAME = [
    ("regressor", {"loss": "tweedie", "tweedie_power": 1}, {"loss": "poisson"}),
    ("regressor", {"loss": "tweedie", "tweedie_power": 2}, {"loss": "gamma"}),
    ("estimator-reg", {"loss": "huber", "huber_delta": 1e6}, {"loss": "squared_error"}),
    ("classifier", {"loss": "focal", "focal_gamma": 0}, {"loss": "log_loss"}),
    ("estimator-clf", {"loss": "focal", "focal_gamma": 0}, {"loss": "log_loss"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "special", "general"), SAME)
def test_losses_that_are_the_same(name, special, general):
    X, y = data_for(name, n=60, p=4)
    y = np.exp(y) if name in ONLY_VALUES else y
    params = {**FAST, "dtype": "float64", "solver": "sgd"}
    left, right = (
        estimator_of(name, **params, **p).fit(X, y) for p in (special, general)
    )
    for a, b in zip(weights_of(left), weights_of(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(left.loss_curve_, right.loss_curve_, rtol=1e-9)


def own_loss(model, p, y):
    """Return the mean loss of predictions p, as the loss is defined."""
    loss = model._loss_name()
    if loss == "log_loss":
        return -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))
    parameter = {
        "huber": "huber_delta", "tweedie": "tweedie_power", "quantile": "quantile",
    }.get(loss)  # fmt: skip
    values = () if parameter is None else (getattr(model, parameter),)
    return VALUE_LOSSES[loss][0](p, y, *values).mean()


REGRESSION = {
    "squared_error": "real", "absolute_error": "real", "huber": "real",
    "log_cosh": "real", "quantile": "real", "poisson": "counts", "gamma": "positive",
    "tweedie": "with zeros", "log_loss": "shares",
}  # fmt: skip


def targets(kind, n=400):
    rng = np.random.RandomState(5)
    X = rng.normal(size=(n, 3))
    signal = np.tanh(X[:, 0]) + X[:, 1] * X[:, 2] / 2
    y = {
        "real": signal + rng.standard_t(3, n) / 5,
        "counts": rng.poisson(np.exp(signal)).astype(float),
        "positive": rng.gamma(4, np.exp(signal) / 4),
        "with zeros": rng.poisson(np.exp(signal)) * rng.gamma(2, 0.5, n),
        "shares": 1 / (1 + np.exp(-2 * signal)),
    }
    return X, y[kind]


@pytest.mark.parametrize("maker", ["regressor", "estimator-reg"])
@pytest.mark.parametrize("loss", REGRESSION)
def test_regression_losses_learn(loss, maker):
    """The predictions have a lower loss than the best constant."""
    X, y = targets(REGRESSION[loss])
    extra = {"quantile": 0.8} if loss == "quantile" else {}
    model = estimator_of(
        maker, loss=loss, hidden_layer_sizes=(16,), random_state=0, max_iter=80,
        learning_rate_init=0.02, dtype="float64", **extra,
    ).fit(X[:300], y[:300])  # fmt: skip
    p = model.predict(X)
    assert p.shape == y.shape
    candidates = np.quantile(y[300:], np.linspace(0.01, 0.99, 99))
    candidates = np.append(candidates, y[300:].mean())
    candidates = candidates[candidates > 0] if y.min() >= 0 else candidates
    constant = min(own_loss(model, np.full(100, c), y[300:]) for c in candidates)
    assert own_loss(model, p[300:], y[300:]) < 0.9 * constant
    assert own_loss(model, p[:300], y[:300]) == pytest.approx(model.loss_, rel=0.2)
    if loss != "quantile":
        assert model.score(X, y) > 0.3


@pytest.mark.parametrize("name", ONLY_VALUES)
def test_several_quantiles(name):
    """In order wherever one looks, and each above its share of the targets."""
    rng = np.random.RandomState(0)
    X = rng.uniform(-1, 1, size=(3000, 1))
    y = X[:, 0] + (0.5 + X[:, 0] ** 2) * rng.normal(size=3000)
    levels = [0.1, 0.5, 0.9]
    model = estimator_of(
        name, loss="quantile", quantile=levels, hidden_layer_sizes=(16,), max_iter=30,
        learning_rate_init=0.01, random_state=0,
    ).fit(X[:2000], y[:2000])  # fmt: skip
    p = model.predict(X)
    assert p.shape == (3000, 3)
    shares = (y[2000:, None] <= p[2000:]).mean(axis=0)
    # A share of 1000 samples has a deviation of 0.016; the fit adds as much.
    np.testing.assert_allclose(shares, levels, atol=0.05)
    far = model.predict(rng.normal(scale=1e3, size=(500, 1)))
    assert (np.diff(far, axis=1) >= 0).all()
    scores = [
        d2_pinball_score(y, column, alpha=level)
        for column, level in zip(p.T, levels, strict=True)
    ]
    assert model.score(X, y) == pytest.approx(np.mean(scores))
    assert model.score(X, y) > 0.2


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 3)])
@pytest.mark.parametrize("loss", ["huber", "poisson"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_shapes_of_predictions(loss, shape):
    X = make_data("regression", n=60)[0]
    y = np.abs(np.random.RandomState(0).normal(size=shape))
    for model in (MLPRegressor(loss=loss), MLPEstimator(task="regression", loss=loss)):
        p = model.set_params(**FAST).fit(X, y).predict(X)
        assert p.shape == (shape if shape[1:] != (1,) else (60,))
        assert not hasattr(model, "predict_proba")
        assert not hasattr(model, "decision_function")


@pytest.mark.parametrize("maker", [MLPClassifier, MLPEstimator])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("output", ["identity", "tanh"])
def test_hinge(kind, output, maker):
    X, y = make_data(kind, n=300)
    model = maker((16,), loss="hinge", output_activation=output, random_state=0)
    model.set_params(max_iter=60, learning_rate_init=0.02).fit(X, y)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "predict_log_proba")
    with pytest.raises(AttributeError, match="predict_proba") as caught:
        _ = model.predict_proba
    assert "margins" in str(caught.value.__cause__)
    margin, labels = model.decision_function(X), model.predict(X)
    assert margin.shape == ((300,) if kind == "binary" else (300, y.max() + 1)
                            if kind == "multiclass" else y.shape)  # fmt: skip
    expected = margin.argmax(axis=1) if kind == "multiclass" else (margin > 0)
    np.testing.assert_array_equal(labels, expected)
    most = max(np.mean(y == c) for c in np.unique(y))
    assert (labels == y).mean() > most + 0.25
    if kind == "binary":
        calibrated = CalibratedClassifierCV(model, cv=2).fit(X, y)
        assert calibrated.predict_proba(X).shape == (300, 2)


@pytest.mark.parametrize("loss", ["log_loss", "focal", "squared_error", "log_cosh"])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize("output", ["auto", "logistic", "softmax"])
@pytest.mark.parametrize("maker", [MLPClassifier, MLPEstimator])
def test_probabilities(maker, output, kind, loss):
    """Of every pair of loss and output, in scikit-learn's shapes."""
    X, y = make_data(kind, n=300)
    names = np.array(["no", "yes", "maybe", "never"])[y]
    model = maker((16,), loss=loss, output_activation=output, random_state=0)
    model.set_params(max_iter=60, learning_rate_init=0.02).fit(X, names)
    proba, decision = model.predict_proba(X), model.decision_function(X)
    k = len(np.unique(y))
    np.testing.assert_array_equal(model.classes_, np.unique(names))
    assert proba.shape == (300, k)
    # k roundings of numbers near 1, in float32 for MLPEstimator
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert ((proba >= 0) & (proba <= 1)).all()
    labels = model.predict(X)
    np.testing.assert_array_equal(labels, model.classes_[proba.argmax(axis=1)])
    assert decision.shape == ((300,) if k == 2 else (300, k))
    assert model.score(X, names) > 0.65
    assert model.score(X, names) == (labels == names).mean()
    if k == 2:
        np.testing.assert_array_equal(labels == model.classes_[1], decision > 0)
        near = np.abs(decision) < 5  # farther out, 1 - p has lost its digits
        odds = np.log(proba[near, 1] / proba[near, 0])
        np.testing.assert_allclose(odds, decision[near], rtol=1e-3, atol=1e-4)
        auc = get_scorer("roc_auc")(model, X, names)
        assert auc == pytest.approx(roc_auc_score(names, proba[:, 1]), abs=1e-3)


def test_one_class_only():
    X = make_data("binary", n=30)[0]
    for output in ("auto", "softmax"):
        model = MLPEstimator(output_activation=output, **FAST).fit(X, ["a"] * 30)
        np.testing.assert_array_equal(model.predict(X), ["a"] * 30)
        np.testing.assert_array_equal(model.predict_proba(X), np.ones((30, 1)))


def test_weights_become_zero_under_l1():
    X, y = data_for("estimator-reg", n=200, p=8)
    y = X[:, 0] * 2
    model = MLPEstimator(
        (6,), task="regression", alpha=20.0, l1_ratio=1.0, max_iter=100
    )
    model.set_params(random_state=0, learning_rate_init=0.01).fit(X, y)
    assert (model.coefs_[0] == 0).mean() > 0.3
    assert model.score(X, y) > 0.5
