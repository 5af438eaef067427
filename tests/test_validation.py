"""Validation samples, what is watched on them, records, and what stops training."""

import numpy as np
import pandas as pd
import pytest
from helpers import (
    NAMES,
    assert_same_bits,
    data_for,
    estimator_of,
    ignore_convergence,
    is_classifier_name,
    make_data,
    snapshot,
    weights_of,
)
from scipy import sparse
from sklearn import config_context
from sklearn.metrics import get_scorer, make_scorer, mean_absolute_error
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (8,), "max_iter": 6, "batch_size": 16}
FAST |= {"random_state": 0, "learning_rate_init": 0.01}
ENDLESS = {"tol": 0.0, "n_iter_no_change": 10**6}
CURVES = ("validation_loss", "validation_score", "learning_rate")


def parts(name, n=160):
    """Return training and validation samples."""
    X, y = data_for(name, n=n)
    return X[:100], y[:100], {"X_val": X[100:], "y_val": y[100:]}


def epoch_by_epoch(model, X, y, n, **fit):
    """Return the models after each epoch of a fit."""
    params = {**model.get_params(), "early_stopping": False, "max_iter": 1}
    result = []
    for epoch in range(1, n + 1):
        copy = type(model)(**{**params, "max_iter": epoch})
        result.append(copy.fit(X, y, **fit))
    return result


@pytest.mark.parametrize("name", NAMES)
def test_without_early_stopping_samples_are_measured_only(name):
    X, y, held_out = parts(name)
    plain = estimator_of(name, **FAST).fit(X, y)
    model = estimator_of(name, **FAST).fit(X, y, **held_out)
    assert_same_bits(model, plain)
    assert model.loss_curve_ == plain.loss_curve_
    assert model.validation_scores_ is None
    assert model.best_validation_score_ is None
    assert model.best_loss_ == plain.best_loss_
    assert {len(model.history_[key]) for key in ("loss", *CURVES)} == {6}
    assert model.history_["loss"] == model.loss_curve_
    assert np.isnan(plain.history_["validation_loss"]).all()
    assert np.isnan(plain.history_["validation_score"]).all()
    assert not np.isnan(model.history_["validation_loss"]).any()
    for epoch, part in enumerate(epoch_by_epoch(model, X, y, 6)):
        score = part.score(held_out["X_val"], held_out["y_val"])
        got = model.history_["validation_score"][epoch]
        # float32 outputs are summed in another order
        assert got == pytest.approx(score, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_best_weights_are_restored(name):
    """Recomputed epoch by epoch; the rate is high, so that scores go up and down."""
    X, y, held_out = parts(name)
    params = {**FAST, "learning_rate_init": 0.08, "max_iter": 15, **ENDLESS}
    model = estimator_of(name, **params, early_stopping=True).fit(X, y, **held_out)
    epochs = epoch_by_epoch(model, X, y, 15)
    scores = [m.score(held_out["X_val"], held_out["y_val"]) for m in epochs]
    np.testing.assert_allclose(model.validation_scores_, scores, rtol=1e-5)
    best = int(np.argmax(model.validation_scores_))
    assert best < 14  # else nothing is restored
    assert_same_bits(model, epochs[best])
    assert model.best_validation_score_ == model.validation_scores_[best]
    assert model.history_["validation_score"] == model.validation_scores_
    assert model.best_loss_ is None
    assert model.n_iter_ == 15


def metric(estimator, X, y):
    """Count labels below 2, or the error of numbers; the higher the better."""
    return -float(np.abs(np.asarray(estimator.predict(X), float) - y).mean())


METRICS = {
    "classifier": ("loss", "balanced_accuracy", "neg_log_loss", metric),
    "estimator-clf": ("loss", "f1_macro", "roc_auc_ovr", metric),
    "regressor": ("loss", "neg_mean_absolute_error", "max_error", metric),
    "estimator-reg": (
        "loss", "r2", make_scorer(mean_absolute_error, greater_is_better=False), metric,
    ),
}  # fmt: skip


@pytest.mark.parametrize("frame", [False, True])
@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("name", NAMES)
def test_metrics(name, case, frame):
    """Scorers get the fitted estimator, as one that had no validation samples."""
    watched = METRICS[name][case]
    if watched == "max_error":
        watched = "neg_max_error"
    X, y, held_out = parts(name)
    X_val, y_val = held_out.values()
    if frame:
        columns = [f"x{i}" for i in range(X.shape[1])]
        X, X_val = (pd.DataFrame(Z, columns=columns) for Z in (X, X_val))
    params = {**FAST, "validation_metric": watched}
    model = estimator_of(name, **params).fit(X, y, X_val=X_val, y_val=y_val)
    scorer = None if watched == "loss" else get_scorer(watched)
    for epoch, part in enumerate(epoch_by_epoch(model, X, y, 6)):
        got = model.history_["validation_score"][epoch]
        if watched == "loss":
            assert got == -model.history_["validation_loss"][epoch]
        else:
            # The scorer gets data in float32 from some, which moves sums a little.
            expected = scorer(part, X_val, y_val)
            assert got == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_weights_go_to_those_metrics_that_take_them():
    """A function of three arguments is called with three."""
    X, y, held_out = parts("estimator-clf")
    got = []

    def plain(estimator, X, y):
        got.append(None)
        return 0.0

    def weighing(estimator, X, y, sample_weight=None):
        got.append(sample_weight)
        return 0.0

    def forwarding(*args, **kwargs):
        return weighing(*args, **kwargs)

    weight = np.linspace(1, 2, 60)
    for function in (plain, weighing, forwarding):
        model = MLPEstimator(**FAST, validation_metric=function)
        model.set_params(max_iter=1).fit(X, y, **held_out, sample_weight_val=weight)
        model.fit(X, y, **held_out)
    assert [g is None for g in got] == [True, True, False, True, False, True]
    np.testing.assert_array_equal(got[2], weight.astype(np.float32))


@pytest.mark.parametrize("weighted", [False, True])
def test_augmentation_of_what_is_not_held_out(weighted):
    """With early stopping it gets the training rows, and all else is theirs."""
    X, y = make_data("multiclass", n=160)
    weight = np.linspace(0.5, 2, 160) if weighted else None
    seen = []

    def look(Z, rng):
        seen.append(Z.copy())
        return Z

    params = {**FAST, **ENDLESS, "shuffle": False, "dtype": "float64"}
    params |= {"augmentation": look, "mixup_alpha": 0.0}
    model = MLPEstimator(**params, early_stopping=True, validation_fraction=0.25)
    model.fit(X, y, weight)
    assert {Z.shape for Z in seen} == {(120, X.shape[1])}
    assert model.t_ == 6 * 120
    assert_same_bits(seen, [seen[0]] * 6)
    rows = [int(np.flatnonzero((x == X).all(axis=1))[0]) for x in seen[0]]
    assert len(set(rows)) == 120
    w = None if weight is None else weight[rows]
    direct = MLPEstimator(**{**params, "augmentation": None})
    direct.fit(X[rows], y[rows], w)
    assert direct.loss_curve_ == model.loss_curve_


@pytest.mark.parametrize("name", NAMES)
def test_validation_loss_by_hand(name):
    """Without penalties, dropout and smoothing, and weighted."""
    X, y, held_out = parts(name)
    X_val, y_val = held_out.values()
    weight = np.random.RandomState(0).uniform(0.1, 2, len(y_val))
    params = {**FAST, "alpha": 5.0, "dropout": 0.2, "dtype": "float64"}
    if is_classifier_name(name):
        params["label_smoothing"] = 0.2
    model = estimator_of(name, **params)
    model.fit(X, y, **held_out, sample_weight_val=weight)
    if is_classifier_name(name):
        proba = model.predict_proba(X_val)[np.arange(len(y_val)), y_val]
        losses = -np.log(proba)
    else:
        losses = (y_val - model.predict(X_val)) ** 2 / 2
    expected = np.average(losses, weights=weight)
    assert model.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-10)
    score = model.score(X_val, y_val, sample_weight=weight)
    assert model.history_["validation_score"][-1] == pytest.approx(score, rel=1e-10)


@pytest.mark.parametrize("forms", ["dd", "ds", "sd", "ss"])
@pytest.mark.parametrize("kind", ["binary", "multilabel", "multioutput", "quantiles"])
def test_other_targets(kind, forms):
    """X and X_val, dense and sparse in any combination."""
    X, y = make_data("regression" if kind == "quantiles" else kind, n=160)
    reg = kind in ("multioutput", "quantiles")
    params = {**FAST, "task": "regression" if reg else "classification"}
    if kind == "quantiles":
        params |= {"loss": "quantile", "quantile": [0.2, 0.8]}
    form = {"d": np.asarray, "s": sparse.csr_matrix}
    train, held_out = (
        form[f](Z) for f, Z in zip(forms, (X[:100], X[100:]), strict=True)
    )
    model = MLPEstimator(**params, early_stopping=True)
    model.fit(train, y[:100], X_val=held_out, y_val=y[100:])
    if kind == "quantiles":
        d = y[100:, None] - model.predict(X[100:])
        levels = np.array([0.2, 0.8])
        score = -np.maximum(levels * d, (levels - 1) * d).sum(axis=1).mean()
    else:
        score = model.score(X[100:], y[100:])
    assert model.best_validation_score_ == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("kind", ["binary", "multilabel", "multioutput", "quantiles"])
def test_own_split_of_other_targets(kind):
    X, y = make_data("regression" if kind == "quantiles" else kind, n=160)
    reg = kind in ("multioutput", "quantiles")
    extra = {"loss": "quantile", "quantile": [0.2, 0.8]} if kind == "quantiles" else {}
    for batch_norm in (False, True):
        model = MLPEstimator(**FAST, **extra, early_stopping=True)
        model.set_params(
            task="regression" if reg else "classification", batch_norm=batch_norm
        )
        model.fit(X, y)
        assert len(model.validation_scores_) == 6
        assert model.best_validation_score_ == max(model.validation_scores_)


def wrong_arguments(name):
    """Return arguments of `fit` that are refused, with what must be named."""
    held_out = parts(name)[2]
    X_val, y_val = held_out.values()
    n = len(y_val)
    label = np.where(np.arange(n) == 3, 99, y_val)
    with_nan = np.where(np.arange(n)[:, None] == 3, np.nan, X_val)
    cases = [
        ({"X_val": X_val}, "X_val and y_val must be given together"),
        ({"y_val": y_val}, "X_val and y_val must be given together"),
        ({"sample_weight_val": np.ones(n)}, "X_val and y_val"),
        ({"X_val": X_val[:, 1:], "y_val": y_val}, "X_val.*6 features"),
        ({"X_val": X_val[:-1], "y_val": y_val}, "y_val.*samples"),
        ({"X_val": with_nan, "y_val": y_val}, "X_val.*NaN"),
        ({"X_val": X_val[0], "y_val": y_val}, "X_val"),
        ({"X_val": X_val[:0], "y_val": y_val[:0]}, "X_val"),
        ({**held_out, "sample_weight_val": np.ones(3)}, "sample_weight_val"),
        ({**held_out, "sample_weight_val": -np.ones(n)}, "sample_weight_val.*negative"),
        ({**held_out, "sample_weight_val": np.zeros(n)}, "sample_weight_val.*zero"),
        ({"X_val": X_val, "y_val": ["x"] * n}, "y_val"),
        ({"X_val": X_val, "y_val": [None] * n}, "y_val"),
        ({"X_val": X_val, "y_val": np.eye(n, 4, dtype=int)}, "y_val"),
    ]
    if is_classifier_name(name):
        cases.append(({"X_val": X_val, "y_val": label}, "y_val.*classes not in"))
    else:
        cases.append(({"X_val": X_val, "y_val": y_val * np.nan}, "y_val.*NaN"))
        cases.append(({"X_val": X_val, "y_val": np.ones((n, 2))}, "y_val.*2 columns"))
    return cases


@pytest.mark.parametrize("name", NAMES)
def test_wrong_validation_samples(name):
    X, y, held_out = parts(name)
    model = estimator_of(name, **FAST).fit(X, y)
    before = snapshot(model)
    for arguments, message in wrong_arguments(name):
        with pytest.raises(ValueError, match=f"(?s){message}"):
            model.fit(X, y, **arguments)
        assert snapshot(model) == before, arguments
    model.set_params(solver="lbfgs")
    with pytest.raises(ValueError, match="lbfgs' does not validate"):
        model.fit(X, y, **held_out)
    assert snapshot(model) == before


def test_targets_of_the_loss_are_checked_in_validation_too():
    X, y, held_out = parts("regressor")
    held_out["y_val"] = -np.ones(60)
    with pytest.raises(ValueError, match="y_val: loss='poisson' needs"):
        MLPRegressor(loss="poisson", **FAST).fit(X, np.abs(y), **held_out)


def test_labels_of_another_form():
    """An indicator matrix is not a vector of classes, whatever numbers it holds."""
    X, y = make_data("multiclass", n=60)
    indicators = np.eye(4, dtype=int)[y]
    for maker in (MLPClassifier, MLPEstimator):
        for first, second in ((y, indicators), (indicators, y)):
            model = maker(**FAST)
            with pytest.raises(ValueError, match="y_val"):
                model.fit(X, first, X_val=X, y_val=second)
            model.fit(X, first)
            before = snapshot(model)
            with pytest.raises(ValueError, match="y must be"):
                model.partial_fit(X, second)
            with pytest.raises(ValueError, match="y"):
                model.set_params(warm_start=True).fit(X, second)
            assert snapshot(model) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_transforms_validation_samples(name):
    """As with scikit-learn's HistGradientBoosting: routing and transform_input."""
    X, y, held_out = parts(name)
    X, X_val = X * 50 + 7, held_out["X_val"] * 50 + 7
    weight = np.linspace(0.5, 2, len(X_val))
    model = estimator_of(name, **FAST, early_stopping=True)
    with config_context(enable_metadata_routing=True):
        net = model.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        pipe = Pipeline(
            [("scale", StandardScaler()), ("net", net)], transform_input=["X_val"]
        )
        pipe.fit(X, y, X_val=X_val, y_val=held_out["y_val"], sample_weight_val=weight)
    scale = StandardScaler().fit(X)
    direct = estimator_of(name, **FAST, early_stopping=True).fit(
        scale.transform(X), y, X_val=scale.transform(X_val), y_val=held_out["y_val"],
        sample_weight_val=weight,
    )  # fmt: skip
    assert_same_bits(pipe["net"], direct)
    assert pipe["net"].validation_scores_ == direct.validation_scores_


def test_curves_over_several_calls():
    """Curves are as long as the losses; NaN where a call measured nothing."""
    X, y, held_out = parts("estimator-clf")
    model = MLPEstimator(**FAST, warm_start=True).fit(X, y)
    model.fit(X, y, **held_out)
    model.partial_fit(X, y)
    for name in CURVES:
        assert len(model.history_[name]) == len(model.loss_curve_) == 13
    measured = ~np.isnan(model.history_["validation_loss"])
    np.testing.assert_array_equal(np.flatnonzero(measured), np.arange(6, 12))
    whole = MLPEstimator(**{**FAST, "max_iter": 13}).fit(X, y)
    assert_same_bits(model, whole)


@pytest.mark.parametrize("name", NAMES)
def test_target_loss(name, capsys):
    X, y, _ = parts(name)
    params = {**FAST, "max_iter": 40, **ENDLESS}
    curve = estimator_of(name, **params).fit(X, y).loss_curve_
    target = curve[10]
    first = next(i for i, loss in enumerate(curve) if loss <= target)
    model = estimator_of(name, **params, target_loss=target, verbose=True).fit(X, y)
    assert model.n_iter_ == first + 1
    assert model.loss_ <= target
    assert f"target_loss={target:g}" in capsys.readouterr().out


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("decay", [0.0, 0.7, 0.999])
@pytest.mark.parametrize("name", NAMES)
def test_running_average_by_hand(name, decay, solver):
    """One step per epoch; the decay grows with the steps up to what is asked for."""
    X, y, held_out = parts(name)
    params = {**FAST, "batch_size": len(X), "dtype": "float64", "solver": solver}
    plain = estimator_of(name, **params)
    expected = weights_of(type(plain)(**plain.get_params()).initialize(X, y))
    for t, model in enumerate(epoch_by_epoch(plain, X, y, 6), start=1):
        d = min(decay, (1 + t) / (10 + t))
        expected = [
            d * a + (1 - d) * w
            for a, w in zip(expected, weights_of(model), strict=True)
        ]
    averaged = estimator_of(name, **params, ema_decay=decay).fit(X, y, **held_out)
    for got, want in zip(weights_of(averaged), expected, strict=True):
        # averages of exact weights, but for the roundings of the pass with averages
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    # Training itself goes on with the weights, and scores are the averages'.
    np.testing.assert_allclose(averaged.loss_curve_, model.loss_curve_, rtol=1e-9)
    score = averaged.score(held_out["X_val"], held_out["y_val"])
    assert averaged.history_["validation_score"][-1] == pytest.approx(score, rel=1e-9)


RATES = {
    "constant": lambda e: 1.0,
    "step": lambda e: 0.5 ** np.floor(e / 2),
    "exponential": lambda e: 0.5 ** (e / 2),
    "cosine": lambda e: (1 + np.cos(np.pi * min(e / 8, 1))) / 2,
}


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", RATES)
@pytest.mark.parametrize("name", NAMES)
def test_schedules_are_recorded(name, schedule, solver):
    """The rate of the last of an epoch's 7 mini-batches."""
    X, y, _ = parts(name)
    model = estimator_of(
        name, **FAST, solver=solver, learning_rate=schedule, decay_epochs=2,
        schedule_epochs=8,
    ).fit(X, y)  # fmt: skip
    expected = [0.01 * RATES[schedule](e + 6 / 7) for e in range(6)]
    # rates are float32 where the network is
    np.testing.assert_allclose(model.history_["learning_rate"], expected, rtol=1e-6)
    warm = estimator_of(name, **FAST, solver=solver, warmup=3).fit(X, y)
    rates = [0.01 * min(1, (e + 1) / 3) for e in range(6)]
    np.testing.assert_allclose(warm.history_["learning_rate"], rates, rtol=1e-6)


@pytest.mark.parametrize("schedule", ["adaptive", "invscaling", "plateau"])
@pytest.mark.parametrize("name", NAMES)
def test_schedules_that_scikit_learn_keeps_for_sgd(name, schedule):
    """`adaptive` and `invscaling` do nothing for adam in the drop-ins, as there."""
    X, y, _ = parts(name)
    params = {**FAST, "max_iter": 12, "tol": 100.0, "n_iter_no_change": 2}
    model = estimator_of(name, **params, solver="adam", learning_rate=schedule)
    model.fit(X, y)
    rates = np.array(model.history_["learning_rate"])
    ignored = name in ("classifier", "regressor") and schedule != "plateau"
    if ignored:
        plain = estimator_of(name, **params, solver="adam").fit(X, y)
        assert_same_bits(model, plain)
        assert model.n_iter_ == plain.n_iter_
        np.testing.assert_allclose(rates, 0.01, rtol=1e-6)
    else:
        assert rates[-1] < 0.005
        assert (np.diff(rates) <= 0).all()


@pytest.mark.parametrize("fraction", [0.1, 0.4])
def test_the_split_is_scored_with_its_weights(fraction):
    """Scores of early stopping's own split count samples by their weights."""
    X, y = make_data("binary", n=120)
    weight = np.where(np.arange(120) % 3, 1e-6, 1.0)
    params = {**FAST, "early_stopping": True, "validation_fraction": fraction}
    left = MLPEstimator(**params).fit(X, y, sample_weight=weight)
    right = MLPEstimator(**params).fit(X, y)
    assert left.validation_scores_ != right.validation_scores_
    assert all(0 <= score <= 1 for score in left.validation_scores_)


def test_outputs_on_their_way_to_infinity_end_in_the_error_alone():
    """Warnings are errors here: scores of huge outputs must not overflow aloud."""
    X, y = make_data("regression", dtype=np.float32)
    model = MLPRegressor(
        (6,), solver="sgd", batch_size=97, momentum=0.0, learning_rate_init=1e3,
        max_iter=20, random_state=0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, y, X_val=X, y_val=y)
