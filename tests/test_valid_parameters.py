"""Whatever values parameters have: a sound model, or an error that names the culprit.

Values come from the whole of each parameter's range, its ends included, and are put
together at random; so are values outside.
"""

import re
import warnings

import numpy as np
import pytest
from helpers import (
    NAMES,
    estimator_of,
    is_classifier_name,
    make_data,
    outputs,
    snapshot,
    weights_of,
)
from hypothesis import given
from hypothesis import strategies as st
from property_tools import Case, examples, quietly, targets, wild_cases
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPEstimator, MLPRegressor

# What `fit` may say of sound parameters and data.
CLIPPED = "Got `batch_size` less than 1 or larger than sample size"
# How an error begins that says that training diverged.
DIVERGED = "Solver produced non-finite parameter weights"


def is_explained(error, model):
    """Tell whether a message names something to change, or says that it diverged."""
    names = [*model.get_params(), "sample_weight"]
    text = str(error)
    named = any(re.search(rf"\b{name}\b", text) for name in names)
    return named or text.startswith(DIVERGED)


def attempt(call, *args):
    """Return the error of a call, or None, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call(*args)
        except ValueError as error:  # any other one is a failure of the test
            return error, caught
    return None, caught


def check_warnings(caught):
    for warning in caught:
        known = issubclass(warning.category, ConvergenceWarning)
        # The second is scikit-learn's metric's own, where a user chose one of classes
        # for several labels.
        texts = (CLIPPED, "y_prob values do not sum to one")
        assert known or any(text in str(warning.message) for text in texts), warning


def check_sound(model, case):
    """All that was learnt is finite, and so are predictions.

    But for rows that were held out, which the fit does not look at in the end.
    """
    arrays = weights_of(model)
    for name in ("norm_scales_", "norm_shifts_", "norm_means_", "norm_variances_"):
        arrays += [array for array in getattr(model, name, ()) if array is not None]
    assert all(np.isfinite(array).all() for array in arrays)
    assert np.isfinite(model.loss_)
    assert len(model.predict(case.X)) == case.X.shape[0]
    huge = max(np.abs(array).max() for array in arrays) > 1e6
    if model.early_stopping and (huge or model.out_activation_ == "exp"):
        return
    assert np.isfinite(outputs(model, case.X)).all()
    if hasattr(model, "predict_proba"):
        proba = model.predict_proba(case.X)
        assert ((proba >= 0) & (proba <= 1)).all()


@examples(300)
@given(case=wild_cases())
def test_valid_values_fit_or_are_explained(case):
    """Never another exception than a ValueError that names something to change."""
    model = case.make()
    error, caught = attempt(model.fit, case.X, case.y, case.weight)
    check_warnings(caught)
    if error is None:
        check_sound(model, case)
    else:
        assert is_explained(error, model), error
        assert not [key for key in vars(model) if key.endswith("_")]


LARGE = (
    "alpha", "learning_rate_init", "weight_decay", "input_noise", "huber_delta",
    "focal_gamma", "epsilon", "norm_epsilon",
)  # fmt: skip


@pytest.mark.parametrize("key", LARGE)
def test_a_number_that_float32_has_not_is_named(key):
    """1e300 is a number of float64; of float32 it is infinite."""
    X, y = make_data("binary", n=20, p=3)
    loss = "focal" if key == "focal_gamma" else "huber"
    net = MLPEstimator((3,), loss=loss, max_iter=1, **{key: 1e300})
    with pytest.raises(ValueError, match=rf"{key}=1e\+300 is infinite in float32"):
        net.fit(X, y)
    assert not hasattr(net, "coefs_")
    error, _ = attempt(net.set_params(dtype="float64").fit, X, y)
    assert error is None or str(error).startswith(DIVERGED)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("key", ["max_norm", "gradient_clip_norm"])
def test_a_bound_beyond_all_numbers_bounds_nothing(key, dtype):
    X, y = make_data("binary", n=20, p=3)
    net = MLPEstimator((3,), max_iter=3, random_state=0, dtype=dtype)
    quietly(net.fit, X, y)
    bounded = MLPEstimator(**{**net.get_params(), key: 1e300})
    quietly(bounded.fit, X, y)
    # The same formulas in other units, with other fused operations.
    for a, b in zip(weights_of(bounded), weights_of(net), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("metric", ["neg_log_loss", "accuracy", "roc_auc"])
def test_a_metric_that_cannot_score_is_named(metric):
    """Whatever the scorer raises; numbers have no probabilities and no classes."""
    X, y = make_data("regression", n=40, p=3)
    net = MLPEstimator((3,), task="regression", validation_metric=metric)
    with pytest.raises(ValueError, match=f"validation_metric='{metric}' cannot score"):
        net.set_params(early_stopping=True).fit(X, y)
    assert not hasattr(net, "coefs_")


UNORDERED = {
    "hidden_layer_sizes": [{3, 2}, {3: 2, 2: 1}, frozenset()],
    "activation": [{"relu", "tanh"}, {"relu": 1, "tanh": 2}],
    "dropout": [{0.1, 0.2, 0.3}, {0.1: 0, 0.2: 0, 0.3: 0}],
    "quantile": [{0.5}, {0.1: 1, 0.5: 1}],
}


@pytest.mark.parametrize("key", UNORDERED)
def test_sets_and_dicts_are_no_lists(key):
    """Layers have an order, and may be equal: {64, 64} is a single number."""
    X, y = make_data("regression", n=20, p=3)
    for value in UNORDERED[key]:
        params = {"hidden_layer_sizes": (3, 2), "loss": "quantile", key: value}
        with pytest.raises(ValueError, match=key):
            MLPRegressor(**params, max_iter=1).fit(X, y)


# Values that no parameter of a kind may have. True is a number for scikit-learn's own
# parameters, and not for ours; so it is in none of these lists.
_NAN, _INF = float("nan"), float("inf")
_NO_NUMBER = ("", "1", "auto ", b"1", 1j, {}, (), object(), np.ones(2), _NAN, _INF, -1)
_NO_NUMBER += (-1e-300, -_INF)
_NO_WORD = ("", "relu ", "Adam", "None", b"relu", 1, 0.5, None, True, {}, object())
_NO_SWITCH = ("", "yes", "True", 0.5, 2, None, {}, (), object(), _NAN, np.ones(2))
_NO_COUNT = (*_NO_NUMBER, 0, 0.5, np.float64(1.0), np.int64(0), None)
_NO_SHARE = (*_NO_NUMBER, 1, 1.0, 1.5, 10**30, np.float32(1))
WRONG = {
    **dict.fromkeys(
        ("solver", "learning_rate", "weight_init", "dtype", "loss", "task"), _NO_WORD
    ),
    "output_activation": (*_NO_WORD, "quantiles", "relu"),
    **dict.fromkeys(
        ("alpha", "power_t", "tol", "input_noise", "mixup_alpha", "warmup"),
        (*_NO_NUMBER, None),
    ),
    **dict.fromkeys(("weight_decay",), _NO_NUMBER),
    **dict.fromkeys(("max_norm", "gradient_clip_norm"), (*_NO_NUMBER, 0, 0.0)),
    **dict.fromkeys(("gradient_clip_value", "schedule_epochs"), (*_NO_NUMBER, 0)),
    **dict.fromkeys(
        ("learning_rate_init", "epsilon", "norm_epsilon", "decay_epochs"),
        (*_NO_NUMBER, 0, np.float32(0), None),
    ),
    **dict.fromkeys(("huber_delta",), (*_NO_NUMBER, 0, None)),
    "focal_gamma": (*_NO_NUMBER, None),
    **dict.fromkeys(("max_iter", "max_fun"), _NO_COUNT),
    "n_iter_no_change": tuple(v for v in _NO_COUNT if v is not _INF),
    "batch_size": (*_NO_COUNT, "all"),
    "n_threads": tuple(v for v in _NO_COUNT if v is not None),
    **dict.fromkeys(
        ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping"), _NO_SWITCH
    ),
    **dict.fromkeys(("batch_norm", "layer_norm", "residual"), _NO_SWITCH),
    **dict.fromkeys(
        ("validation_fraction", "beta_1", "beta_2", "dampening", "rho"),
        (*_NO_SHARE, None),
    ),
    "label_smoothing": (*_NO_SHARE, None),
    "ema_decay": _NO_SHARE,
    "momentum": (*_NO_NUMBER, None, 1.01, 2),
    "l1_ratio": (*_NO_NUMBER, None, 1.01, 2),
    "decay_rate": (*_NO_NUMBER, None, 0, 1.01),
    "tweedie_power": (*_NO_NUMBER, None, 0, 0.999, 2.001),
    "quantile": (
        "",
        "0.5",
        b"1",
        1j,
        {},
        (),
        [],
        _NAN,
        0,
        1,
        1.5,
        None,
        [0.5, 0.5],
        {0.5},
    ),
    "dropout": (
        "",
        "0.5",
        b"1",
        1j,
        {},
        (),
        [],
        _NAN,
        -1,
        1,
        1.5,
        None,
        [0.5] * 9,
        {0.1, 0.2, 0.3},
    ),
    "activation": (
        "",
        "relu ",
        b"relu",
        1,
        None,
        {},
        (),
        object(),
        ["relu"] * 9,
        {"relu", "tanh"},
    ),
    "target_loss": ("", "0", b"1", 1j, {}, (), object(), np.ones(2), _NAN, _INF),
    "validation_metric": ("", "accuracy ", b"r2", 1, None, {}, _NAN),
    "augmentation": ("", "flip", 1, {}, (), object(), np.ones(2)),
    "class_weight": ("", "even", 1, (), object(), {0: -1.0}, {0: _NAN}, {0: "1"}),
    "verbose": ("", "yes", None, {}, object(), -1),
    "hidden_layer_sizes": (
        "",
        "9",
        b"9",
        0,
        -1,
        2.5,
        None,
        {},
        (3, 0),
        (2.5,),
        (True,),
        {3, 2},
    ),
    "random_state": ("", "seed", -1, 0.5, {}, (), object(), 2**32),
}
# Read after X and y: a list's length, the classes, the levels of a loss that is asked
# for, and what scikit-learn reads as late.
LATE = ("activation", "dropout", "quantile", "class_weight", "hidden_layer_sizes")
LATE += ("random_state", "validation_metric")
NAMED = {"random_state": r"random_state|seed", "loss": "loss|'loss'"}


def test_every_parameter_has_wrong_values():
    for name in NAMES:
        assert estimator_of(name).get_params().keys() <= WRONG.keys()


def fitted_once(name, loss):
    """Return a small fitted model with its data."""
    rng = np.random.RandomState(0)
    kind = "multiclass" if is_classifier_name(name) else "regression"
    params = {"hidden_layer_sizes": (3, 2), "max_iter": 1, "random_state": 0}
    X, y = rng.standard_normal((24, 3)), targets(rng, 24, kind)
    return Case(name, {**params, **loss}, X, y).fitted(), X, y


@st.composite
def wrong_values(draw):
    name = draw(st.sampled_from(NAMES))
    keys = {*estimator_of(name).get_params()}
    if is_classifier_name(name):
        keys -= {"quantile"}  # nothing reads its list
    key = draw(st.sampled_from(sorted(keys)))
    return name, key, draw(st.sampled_from(WRONG[key]))


@examples(400)
@given(wrong=wrong_values())
def test_wrong_values_are_named_before_any_work(wrong):
    """By `fit` and `partial_fit`, and the model stays as it was."""
    name, key, value = wrong
    loss = {"loss": "quantile"} if key == "quantile" else {}
    model, X, y = fitted_once(name, loss)
    before, good = snapshot(model), model.get_params()
    model.set_params(**{key: value})
    for call in (model.fit, *([] if key == "solver" else [model.partial_fit])):
        with pytest.raises(ValueError, match=NAMED.get(key, key)):
            call(X if key in LATE else object(), y)
        assert snapshot(model) == before
        assert call.__self__.get_params().keys() == good.keys()
    quietly(model.set_params(**{key: good[key]}).fit, X, y)
    assert snapshot(model) == before
