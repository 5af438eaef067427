"""Wrong values and combinations are named before any work, and leave no trace."""

import pickle
import re

import numpy as np
import pytest
from helpers import (
    NAMES,
    data_for,
    error_of,
    estimator_of,
    ignore_convergence,
    is_classifier_name,
    make_data,
    outputs,
    snapshot,
)
from scipy import sparse
from sklearn.utils._param_validation import InvalidParameterError

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (5, 4), "max_iter": 2, "random_state": 0}
NAN, INF = float("nan"), float("inf")

# What no number that has to be finite and not negative may be.
_NO_NUMBER = ("1", NAN, INF, -0.1, True, [0.5])
_SHARE = (*_NO_NUMBER, 1.5)
_SWITCH = ("yes", None, 2, 0.5, NAN)
# One number out of range for each parameter, refused by its declared constraints.
DECLARED = {
    "output_activation": ("relu", "quantiles", None, 1),
    "huber_delta": (*_NO_NUMBER, 0, None),
    "tweedie_power": (*_SHARE[:-2], 0.9, 2.1, None),
    "focal_gamma": (*_NO_NUMBER, None),
    "label_smoothing": (*_SHARE, 1, None),
    "l1_ratio": (*_SHARE, None),
    "weight_decay": _NO_NUMBER,
    "max_norm": (*_NO_NUMBER, 0),
    "dropout": ("0.5", NAN, -0.1, 1, 1.5, True, None),
    "input_noise": (*_NO_NUMBER, None),
    "mixup_alpha": (*_NO_NUMBER, None),
    "augmentation": ("flip", 1, True, ()),
    "batch_norm": _SWITCH,
    "layer_norm": _SWITCH,
    "norm_epsilon": (*_NO_NUMBER, 0, None),
    "residual": _SWITCH,
    "weight_init": ("zeros", None, 1),
    "gradient_clip_norm": (*_NO_NUMBER, 0),
    "gradient_clip_value": (*_NO_NUMBER, 0),
    "dampening": (*_SHARE, 1, None),
    "rho": (*_SHARE, 1, None),
    "decay_rate": (*_SHARE, 0, None),
    "decay_epochs": (*_NO_NUMBER, 0, None),
    "schedule_epochs": (*_NO_NUMBER, 0),
    "warmup": (*_NO_NUMBER, None),
    "validation_metric": (None, 1, NAN, ["accuracy"]),
    "target_loss": ("0", NAN, INF, -INF, True, [0.1]),
    "ema_decay": (*_SHARE, 1),
    "quantile": ("0.5", NAN, 0, 1, -1, True, None),
    "class_weight": ("even", 1.0, (1, 2), NAN),
}
# parameter: wrong values that need more than a look at the value, and what else is set
LISTS = {
    "dropout": [
        [0.1], [0.1, 0.1], [0.1] * 4, [], [0.1, 0.1, 1.0], [0.1, -0.1, 0.1],
        [0.1, NAN, 0.1], [0.1, "a", 0.1], [0.1, None, 0.1], [True, 0.1, 0.1],
        [[0.1, 0.1, 0.1]],
    ],
    "activation": [
        ["relu"], ["relu"] * 3, [], ["relu", "swosh"], ["relu", None], [1, 2],
    ],
    "quantile": [
        [], [0.5, 0.1], [0.5, 0.5], [0, 0.5], [0.5, 1.0], [0.1, NAN], ["0.1", "0.9"],
        [None], [True, 0.5], [[0.1, 0.5]],
    ],
    "validation_metric": ["accurracy", ""],
}  # fmt: skip


def assert_refused(model, key, X, y, before, kind=ValueError):
    for method in (model.fit, model.partial_fit):
        with pytest.raises(kind, match=key):
            method(X, y)
        assert snapshot(model) == before, key


@pytest.mark.parametrize("name", NAMES)
def test_wrong_values_are_refused_by_the_constraints(name):
    """Nothing but the parameters has been looked at: X is no data at all."""
    X, y = data_for(name, n=30, p=4)
    model = estimator_of(name, **FAST).fit(X, y)
    before, good = snapshot(model), model.get_params()
    tried = 0
    for key in DECLARED.keys() & good.keys():
        for value in DECLARED[key]:
            model.set_params(**{key: value})
            assert error_of(model._validate_params) is not None, (key, value)
            assert_refused(model, key, object(), y, before, InvalidParameterError)
            tried += 1
        model.set_params(**{key: good[key]})
    assert tried > 130
    assert model.fit(X, y).n_iter_ == 2
    assert snapshot(model) == before


def test_no_new_parameter_is_left_out():
    """Every parameter of ours beside scikit-learn's is in the table above."""
    known = {"task", "loss", "dtype", "n_threads"}
    for name in NAMES:
        model = estimator_of(name)
        names = list(model.get_params(deep=False))
        constructor = list(type(model).__init__.__code__.co_varnames[1:])
        new = constructor[constructor.index("max_fun") + 1 : len(names) + 1]
        assert set(new) - known <= DECLARED.keys()
        assert len(set(new) & DECLARED.keys()) >= 25


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (name, key)
        for name in NAMES
        for key in LISTS
        if key != "quantile" or not is_classifier_name(name)
    ],
)
def test_wrong_lists_are_named(name, key):
    X, y = data_for(name, n=30, p=4)
    extra = {"loss": "quantile"} if key == "quantile" else {}
    model = estimator_of(name, **FAST, **extra).fit(X, y)
    before, predicted = snapshot(model), outputs(model, X)
    for value in LISTS[key]:
        model.set_params(**{key: value})
        assert_refused(model, key, X, y, before)
        if key == "dropout":
            assert_refused(model, key, sparse.csr_matrix(X), y, before)
    np.testing.assert_array_equal(outputs(model, X), predicted)


def fitted(task="classification", kind=None, **params):
    X, y = make_data(
        kind or ("multiclass" if task == "classification" else "regression"), n=40, p=4
    )
    return MLPEstimator(task=task, **{**FAST, **params}).fit(X, y), X, y


CLASSIFICATION_CLASHES = {
    "two norms": ({"batch_norm": True, "layer_norm": True}, "batch_norm or layer_norm"),
    "hinge smoothed": ({"loss": "hinge", "label_smoothing": 0.1}, "label_smoothing"),
    "hinge mixed": ({"loss": "hinge", "mixup_alpha": 0.2}, "mixup_alpha"),
    "hinge of chances": (
        {"loss": "hinge", "output_activation": "softmax"}, "output_activation='softmax'"
    ),
    "log_loss of numbers": ({"output_activation": "identity"}, "output_activation"),
    "focal of numbers": ({"loss": "focal", "output_activation": "tanh"}, "'tanh'"),
    "poisson": ({"loss": "poisson"}, "loss='poisson' does not suit"),
    "quantile": ({"loss": "quantile"}, "loss='quantile' does not suit"),
}  # fmt: skip
REGRESSION_CLASHES = {
    "class_weight": ({"class_weight": "balanced"}, "class_weight is for class"),
    "class weights": ({"class_weight": {0: 2}}, "class_weight is for class"),
    "smoothing": ({"label_smoothing": 0.1}, "label_smoothing is for class"),
    "hinge": ({"loss": "hinge"}, "loss='hinge' does not suit"),
    "focal": ({"loss": "focal"}, "loss='focal' does not suit"),
    "linear counts": (
        {"loss": "poisson", "output_activation": "identity"}, "output_activation"
    ),
    "linear log_loss": (
        {"loss": "log_loss", "output_activation": "identity"}, "output_activation"
    ),
    "quantiles and an output": (
        {"loss": "quantile", "quantile": [0.1, 0.9], "output_activation": "exp"},
        "several quantiles",
    ),
    "signs as counts": ({"loss": "poisson"}, "non-negative targets y"),
    "signs as gamma": ({"loss": "gamma"}, "positive targets y"),
    "signs as tweedie": ({"loss": "tweedie"}, "tweedie_power=1.5 needs non-negative"),
    "signs as chances": ({"loss": "log_loss"}, "from 0 to 1"),
}  # fmt: skip


@pytest.mark.parametrize("clash", CLASSIFICATION_CLASHES)
def test_combinations_for_classes(clash):
    params, message = CLASSIFICATION_CLASHES[clash]
    model, X, y = fitted()
    before = snapshot(model)
    assert_refused(model.set_params(**params), message, X, y, before)


@pytest.mark.parametrize("clash", REGRESSION_CLASHES)
def test_combinations_for_numbers(clash):
    params, message = REGRESSION_CLASHES[clash]
    model, X, y = fitted("regression")
    assert y.min() < 0
    before = snapshot(model)
    assert_refused(model.set_params(**params), message, X, y, before)


def test_targets_at_the_edge():
    """Which losses take a 0 or a 1, and which do not."""
    X = make_data("regression", n=40, p=4)[0]
    y = np.abs(X[:, 0])
    y[3] = 0

    def error(**params):
        return error_of(MLPEstimator(task="regression", **FAST, **params).fit, X, y)

    assert error(loss="poisson") is None
    assert error(loss="tweedie", tweedie_power=1.2) is None
    assert "positive targets" in str(error(loss="gamma"))
    assert "tweedie_power=2 needs positive" in str(
        error(loss="tweedie", tweedie_power=2)
    )
    y = (y > 0.5).astype(float)
    assert error(loss="log_loss") is None
    y[3] = 1.001
    assert "from 0 to 1" in str(error(loss="log_loss"))


def test_several_quantiles_want_one_column():
    X, y = make_data("multioutput", n=40, p=4)
    model = MLPRegressor(loss="quantile", quantile=[0.1, 0.9], **FAST)
    with pytest.raises(ValueError, match="one column"):
        model.fit(X, y)
    assert not model.__sklearn_tags__().target_tags.multi_output
    assert model.fit(X, y[:, 0]).predict(X).shape == (40, 2)
    one_level = MLPRegressor(loss="quantile", quantile=[0.3], **FAST)
    assert one_level.fit(X, y).predict(X).shape == (40, 3)


@pytest.mark.parametrize("output", ["softmax"])
def test_softmax_excludes_several_labels(output):
    X, y = make_data("multilabel", n=40, p=4)
    for maker in (MLPClassifier, MLPEstimator):
        model = maker(output_activation=output, **FAST)
        assert not model.__sklearn_tags__().classifier_tags.multi_label
        with pytest.raises(ValueError, match="multilabel targets; use 'auto'"):
            model.fit(X, y)
        assert maker(**FAST).__sklearn_tags__().classifier_tags.multi_label


STEPWISE = {
    "weight_decay": 0.1,
    "max_norm": 1.0,
    "dropout": 0.1,
    "input_noise": 0.1,
    "mixup_alpha": 0.1,
    "augmentation": lambda X, rng: X,
    "gradient_clip_norm": 1.0,
    "gradient_clip_value": 1.0,
    "ema_decay": 0.9,
    "target_loss": 0.1,
    "warmup": 2,
}


@pytest.mark.parametrize("key", STEPWISE)
@pytest.mark.parametrize("name", NAMES)
def test_lbfgs_has_no_steps(name, key):
    X, y = data_for(name, n=40, p=4)
    model = estimator_of(name, **FAST, solver="lbfgs").fit(X, y)
    before = snapshot(model)
    model.set_params(**{key: STEPWISE[key]})
    with pytest.raises(ValueError, match=f"solver='lbfgs'.*{key}"):
        model.fit(object(), y)
    assert snapshot(model) == before


def test_lbfgs_takes_neutral_values_in_any_form():
    X, y = data_for("estimator-clf", n=40, p=4)
    for neutral in ({"dropout": [0, 0, 0]}, {"weight_decay": 0.0}, {"dropout": 0}):
        model = MLPEstimator(**FAST, solver="lbfgs", **neutral).fit(X, y)
        assert model.n_iter_ >= 1
    with pytest.raises(ValueError, match="dropout"):
        MLPEstimator(**FAST, solver="lbfgs", dropout=[0, "a", 0]).fit(X, y)


SPARSE_CLASHES = {
    "input_noise": 0.1,
    "mixup_alpha": 0.1,
    "augmentation": lambda X, rng: X,
    "dropout": [0.1, 0.0, 0.0],
}


@pytest.mark.parametrize("key", SPARSE_CLASHES)
@pytest.mark.parametrize("name", NAMES)
def test_sparse_rows_are_not_changed(name, key):
    X, y = data_for(name, n=40, p=4)
    rows = sparse.csr_matrix(X)
    model = estimator_of(name, **FAST).fit(rows, y)
    before = snapshot(model)
    model.set_params(**{key: SPARSE_CLASHES[key]})
    assert_refused(model, rf"{key if key != 'dropout' else 'dropout of the'}.*dense",
                   rows, y, before)  # fmt: skip
    assert model.fit(X, y).n_iter_ == 2
    hidden_only = estimator_of(name, **FAST, dropout=[0, 0.2, 0.1])
    assert hidden_only.fit(rows, y).n_iter_ == 2


@pytest.mark.parametrize("first", ["", "batch_norm", "layer_norm", "residual"])
@pytest.mark.parametrize("second", ["batch_norm", "layer_norm", "residual", ""])
@pytest.mark.parametrize("sizes", [(5, 4), (5, 5)])
def test_the_architecture_may_not_change_between_fits(first, second, sizes):
    """Short cuts without projection have no parameters to tell them by."""
    flags = dict.fromkeys(("batch_norm", "layer_norm", "residual"), False)
    model, X, y = fitted(
        hidden_layer_sizes=sizes, **{**flags, **({first: True} if first else {})}
    )
    before = snapshot(model)
    model.set_params(**{**flags, **({second: True} if second else {})})
    if first == second:
        model.set_params(warm_start=True).fit(X, y)
        assert model.n_iter_ == 4
        return
    model.set_params(warm_start=True)
    assert_refused(model, "warm_start=False", X, y, before)
    model.set_params(warm_start=False).fit(X, y)
    assert model.n_iter_ == 2


def test_messages_say_what_to_do():
    """Each message of a clash has a second half after the first."""
    remedy = re.compile(r"leave (it )?out|use|Use|Set|needs|must|pass")
    for table, task in (
        (CLASSIFICATION_CLASHES, "classification"),
        (REGRESSION_CLASHES, "regression"),
    ):
        model, X, y = fitted(task)
        state = pickle.dumps(model)
        for params, _ in table.values():
            error = error_of(pickle.loads(state).set_params(**params).fit, X, y)
            assert error is not None, params
            assert remedy.search(str(error)), str(error)


@pytest.mark.parametrize("name", ["epsilon", "norm_epsilon", "huber_delta"])
def test_an_epsilon_that_vanishes_is_named(name):
    """1e-60 is a number for the parameter's check, and 0 in float32."""
    X, y = make_data("multiclass")
    with pytest.raises(ValueError, match=f"{name}=1e-60 is 0 in float32"):
        MLPEstimator(max_iter=1, **{name: 1e-60}).fit(X, y)
