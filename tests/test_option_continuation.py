"""With every option: training in parts equals the whole, for any number of threads.

And what goes wrong half-way leaves an earlier model, and its future, as they were.
"""

import pickle

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    ignore_convergence,
    make_data,
    outputs,
    run_python,
    snapshot,
)
from scipy import sparse

from fastnn import MLPClassifier, MLPEstimator
from fastnn.learning.training import Trainer

pytestmark = ignore_convergence

SMALL = {"hidden_layer_sizes": (9, 4, 4), "batch_size": 16, "random_state": 4}
SMALL |= {"tol": 0.0, "n_iter_no_change": 10**6, "schedule_epochs": 20}
ARRAYS = (
    "coefs_", "intercepts_", "shortcut_coefs_", "norm_scales_", "norm_shifts_",
    "norm_means_", "norm_variances_",
)  # fmt: skip


def shift(X, rng):
    """Move all rows a little, another way in each epoch."""
    return X + rng.normal(scale=0.1, size=X.shape[1]).astype(X.dtype)


REGULARISED = {
    "dropout": [0.1, 0.2, 0.0, 0.3], "alpha": 0.01, "l1_ratio": 0.5,
    "weight_decay": 0.1, "max_norm": 1.5, "gradient_clip_norm": 0.5,
    "gradient_clip_value": 0.05, "ema_decay": 0.9, "warmup": 3.5, "residual": True,
}  # fmt: skip
DISTURBED = {"input_noise": 0.1, "mixup_alpha": 0.3, "augmentation": shift}
LABELS = {"label_smoothing": 0.1, "class_weight": {0: 0.5, 2: 3}}
# Patience of two epochs for "plateau"; a tol that no epoch satisfies for "adaptive",
# whose rate is divided nine times at most before it would end training.
PLATEAU = {"learning_rate": "plateau", "decay_epochs": 2, "tol": 100.0}
ADAPTIVE = {"learning_rate": "adaptive", "tol": 100.0, "n_iter_no_change": 2}
OPTIONS = {
    "batch_norm": {"batch_norm": True},
    "layer_norm": {"layer_norm": True},
    "batch_norm, averaged": {"batch_norm": True, "ema_decay": 0.9},
    "dropout": {"dropout": 0.3},
    **{key: {key: value} for key, value in {**REGULARISED, **DISTURBED}.items()},
    "l1_ratio": {"l1_ratio": 0.5, "alpha": 0.05},
    "class_weight": {"class_weight": LABELS["class_weight"]},
    "label_smoothing": {"label_smoothing": 0.1},
    "hinge": {"loss": "hinge"},
    "focal": {"loss": "focal"},
    **{
        solver: {"solver": solver}
        for solver in (
            "sgd", "rmsprop", "adam", "adamw", "nadam", "amsgrad", "adagrad", "lion",
        )
    },
    "dampening": {"solver": "sgd", "dampening": 0.5},
    **{
        schedule: {"learning_rate": schedule, "decay_epochs": 3, "warmup": 2}
        for schedule in ("step", "exponential", "cosine", "one_cycle", "invscaling")
    },
    "plateau": PLATEAU,
    "plateau of sgd": {**PLATEAU, "solver": "sgd"},
    "adaptive": {**ADAPTIVE, "learning_rate_init": 0.1},
    "all, batch_norm": {
        **REGULARISED, **DISTURBED, **LABELS, "batch_norm": True, "solver": "nadam",
        "learning_rate": "one_cycle",
    },
    "all, layer_norm": {
        **REGULARISED, **DISTURBED, **LABELS, "layer_norm": True, "solver": "amsgrad",
        "learning_rate": "cosine", "activation": ["gelu", "relu", "selu"],
    },
    "all of sgd": {
        **REGULARISED, **DISTURBED, **LABELS, **PLATEAU, "solver": "sgd",
        "batch_norm": True, "dampening": 0.2, "nesterovs_momentum": False,
    },
}  # fmt: skip


def state(model):
    """Return all that a model has learnt and recorded, to compare bit for bit."""
    arrays = [
        array
        for name in ARRAYS
        for array in getattr(model, name, ())
        if array is not None
    ]
    curves = [np.array(model.history_[key]) for key in sorted(model.history_)]
    return [*arrays, *curves, np.array(model.loss_curve_), np.array(model.t_)]


def data(weighted):
    X, y = make_data("multiclass")
    weight = np.random.RandomState(0).uniform(0.2, 2, len(y)) if weighted else None
    return X, y, weight


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("option", OPTIONS)
def test_parts_equal_the_whole(option, dtype):
    X, y, weight = data(weighted="all" in option)
    params = {**SMALL, **OPTIONS[option], "dtype": dtype}
    whole = MLPEstimator(**params, max_iter=20).fit(X, y, weight)
    assert len(whole.loss_curve_) == 20

    parts = MLPEstimator(**params, max_iter=12).fit(X, y, weight)
    parts = through_pickle(parts).set_params(warm_start=True, max_iter=8)
    assert_same_bits(state(parts.fit(X, y, weight)), state(whole))

    single = MLPEstimator(**params)
    for epoch in range(20):
        single.partial_fit(X, y, weight, classes=np.unique(y))
        single = through_pickle(single) if epoch in (3, 12) else single
    assert_same_bits(state(single), state(whole))
    assert outputs(single, X).tobytes() == outputs(whole, X).tobytes()


@pytest.mark.parametrize("loss", ["quantile", "tweedie", "gamma", "huber"])
def test_parts_of_a_regression_equal_the_whole(loss):
    X, y = make_data("regression")
    params = {**SMALL, **REGULARISED, **DISTURBED, "task": "regression", "loss": loss}
    params |= {"layer_norm": True, "quantile": [0.1, 0.5, 0.8]}
    y = np.exp(y)
    whole = MLPEstimator(**params, max_iter=20).fit(X, y)
    parts = MLPEstimator(**params, max_iter=12).fit(X, y)
    parts = through_pickle(parts).set_params(warm_start=True, max_iter=5).fit(X, y)
    for _ in range(3):
        parts.partial_fit(X, y)
    assert_same_bits(state(parts), state(whole))


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
def test_parts_of_sparse_rows_equal_the_whole(norm):
    X, y, weight = data(weighted=True)
    X = sparse.csr_matrix(np.where(np.abs(X) < 1, 0, X))
    params = {**SMALL, **REGULARISED, **LABELS, norm: True, "dropout": 0.2}
    whole = MLPEstimator(**params, max_iter=20).fit(X, y, weight)
    parts = MLPEstimator(**params, max_iter=12).fit(X, y, weight)
    parts = through_pickle(parts).set_params(warm_start=True, max_iter=8)
    assert_same_bits(state(parts.fit(X, y, weight)), state(whole))


def test_options_that_come_later():
    """Masks, noise and averages may be asked for, and left out, between calls."""
    X, y, _ = data(weighted=False)

    def train(model):
        for params in ({}, {"dropout": 0.2}, {"ema_decay": 0.9}, {"dropout": 0.0},
                       {"ema_decay": None}, {"mixup_alpha": 0.2}):  # fmt: skip
            model = through_pickle(model.set_params(**params)).fit(X, y)
        return model

    left, right = (
        train(MLPEstimator(**SMALL, warm_start=True, max_iter=2)) for _ in range(2)
    )
    assert_same_bits(state(left), state(right))
    assert left.n_iter_ == 12


THREADS = """
import hashlib, json, pickle, sys, warnings
import numpy as np
from scipy import sparse
from helpers import force_threads, make_data, outputs
from fastnn import MLPEstimator
from test_option_continuation import (
    DISTURBED, LABELS, REGULARISED, SMALL, OPTIONS, state)
warnings.simplefilter("ignore")
calls = force_threads()
X, y = make_data("multiclass", n=103)
weight = np.linspace(0.5, 2, len(y))
rows = sparse.csr_matrix(np.where(np.abs(X) < 1, 0, X))
params = {**SMALL, "hidden_layer_sizes": (37, 20, 20), "batch_size": 25, "max_iter": 2}
kept = {**REGULARISED, **LABELS, "dropout": 0.2}
cases = {name: (X, OPTIONS[name]) for name in OPTIONS if name.startswith("all")}
for norm in ("batch_norm", "layer_norm"):
    cases[f"csr {norm}"] = rows, {**kept, norm: True}
    cases[f"csr {norm} lbfgs"] = rows, {
        norm: True, "solver": "lbfgs", "l1_ratio": 0.5, "residual": True}
hashes = {}
for name, (Z, options) in cases.items():
    for dtype in ("float32", "float64"):
        got = set()
        for n_threads in (1, 2, 3):
            before = calls["parallel"]
            model = MLPEstimator(
                **{**params, **options}, dtype=dtype, n_threads=n_threads
            ).fit(Z, y, weight)
            assert (calls["parallel"] > before) == (n_threads > 1), name
            bits = [*model.coefs_, *model.intercepts_, outputs(model, Z)]
            bits += state(model) if "lbfgs" not in name else [np.array(model.loss_)]
            got.add(hashlib.sha256(b"".join(a.tobytes() for a in bits)).hexdigest())
        hashes[f"{name} {dtype}"] = len(got)
print(json.dumps(hashes))
"""


def test_threads_give_the_same_bits():
    hashes = run_python(THREADS, timeout=250)
    assert len(hashes) == 14
    assert set(hashes.values()) == {1}, hashes


class Failing:
    """An augmentation or a scorer that raises in one of its calls."""

    def __init__(self, error, call):
        self.error, self.call, self.calls = error, call, 0

    def strike(self):
        self.calls += 1
        if self.calls == self.call:
            raise self.error

    def __call__(self, first, *others):
        self.strike()
        if len(others) == 2:
            return first.score(*others)
        return shift(first, *others)


ALL = OPTIONS["all, batch_norm"]


def prepared(**params):
    X, y, _ = data(weighted=False)
    model = MLPEstimator(
        **{**SMALL, **ALL, "max_iter": 3, "warm_start": True, **params}
    )
    return model.fit(X, y), X, y


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("what", ["augmentation", "validation_metric"])
def test_a_function_that_fails_leaves_the_model_alone(what, early_stopping):
    """Not only the weights: training goes on as if the call had not been made."""
    model, X, y = prepared()
    held_out = {"X_val": X, "y_val": y} if what == "validation_metric" else {}
    before, predicted = snapshot(model), outputs(model, X)
    records = state(model)
    failing = Failing(RuntimeError("of the user's own"), call=3)
    good = getattr(model, what)
    model.set_params(max_iter=10, early_stopping=early_stopping, **{what: failing})
    with pytest.raises(RuntimeError, match="of the user's own"):
        model.fit(X, y, **held_out)
    assert failing.calls == 3
    assert snapshot(model) == before
    assert_same_bits(state(model), records)
    np.testing.assert_array_equal(outputs(model, X), predicted)
    model.set_params(max_iter=3, early_stopping=False, **{what: good}).fit(X, y)
    assert_same_bits(state(model), state(prepared(max_iter=6)[0]))


WRONG_RESULTS = {
    "fewer rows": (lambda X, rng: X[1:], "augmentation must return .* shape"),
    "fewer columns": (lambda X, rng: X[:, 1:], "augmentation must return .* shape"),
    "nothing": (lambda X, rng: None, "augmentation must return"),
    "NaN": (lambda X, rng: X * np.nan, "augmentation returned .* not finite"),
    "too large": (lambda X, rng: X * 1e300 * 1e300, "augmentation returned .* not fin"),
}


@pytest.mark.parametrize("wrong", WRONG_RESULTS)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_wrong_results_of_an_augmentation(wrong):
    function, message = WRONG_RESULTS[wrong]
    model, X, y = prepared()
    before = snapshot(model)
    model.set_params(augmentation=function)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            train(X, y)
        assert snapshot(model) == before


def test_an_augmentation_gets_copies_in_any_form():
    """It may write into what it gets, and return other types and orders."""
    X, y, _ = data(weighted=False)
    original = X.copy()

    def spoil(Z, rng):
        Z += rng.normal(size=Z.shape)
        result = Z.copy()
        Z[:] = 0
        return result

    forms = (spoil, lambda Z, rng: np.asfortranarray(spoil(Z, rng)),
             lambda Z, rng: spoil(Z, rng).tolist())  # fmt: skip
    params = {**SMALL, "max_iter": 3, "dtype": "float64"}
    models = [MLPEstimator(**params, augmentation=f).fit(X, y) for f in forms]
    np.testing.assert_array_equal(X, original)
    for model in models[1:]:
        assert_same_bits(model, models[0])


def test_a_bad_scorer_of_a_first_fit_leaves_nothing():
    X, y, _ = data(weighted=False)
    for when in (1, 2):
        failing = Failing(ZeroDivisionError(), call=when)
        model = MLPEstimator(**SMALL, validation_metric=failing, early_stopping=True)
        with pytest.raises(ZeroDivisionError):
            model.fit(X, y)
        assert not [name for name in vars(model) if name.endswith("_")]


@pytest.mark.parametrize("call", [1, 4])
@pytest.mark.parametrize("place", ["augmentation", "_record", "_mark"])
def test_an_interrupt_keeps_whole_epochs(place, call, monkeypatch):
    """With every option on, the epochs kept and those to come are as ever."""
    X, y, _ = data(weighted=False)
    function = Failing(KeyboardInterrupt(), call)
    params = {**SMALL, **ALL, "max_iter": 9, "warm_start": True}
    model = MLPEstimator(**params)
    if place == "augmentation":
        model.set_params(augmentation=function)
    else:
        method = getattr(Trainer, place)

        def struck(self, *arguments):
            result = method(self, *arguments)
            function.strike()
            return result

        monkeypatch.setattr(Trainer, place, struck)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    monkeypatch.undo()
    model.set_params(augmentation=shift)
    n = getattr(model, "n_iter_", 0)
    if call == 1:
        assert n == 0
        return
    assert n in (2, 3)
    assert_same_bits(
        state(model), state(MLPEstimator(**{**params, "max_iter": n}).fit(X, y))
    )
    model.set_params(max_iter=9 - n).fit(X, y)
    assert_same_bits(state(model), state(MLPEstimator(**params).fit(X, y)))


@pytest.mark.parametrize("maker", [MLPEstimator, MLPClassifier])
def test_divergence_leaves_the_model_alone(maker):
    """Without what bounds the steps; in float32, where numbers overflow soon."""
    X, y, _ = data(weighted=False)
    params = {**SMALL, "max_iter": 3, "activation": "identity", "residual": True}
    params |= {"solver": "sgd", "ema_decay": 0.9, "dropout": 0.2}
    model = maker(**params).fit(X, y)
    before, predicted = snapshot(model), outputs(model, X)
    model.set_params(learning_rate_init=1e30, max_iter=50)
    for early_stopping in (False, True):
        for warm_start in (False, True):
            model.set_params(early_stopping=early_stopping, warm_start=warm_start)
            with pytest.raises(ValueError, match="non-finite"):
                model.fit(X, y)
            assert snapshot(model) == before
    np.testing.assert_array_equal(outputs(model, X), predicted)
    model.set_params(learning_rate_init=0.001, max_iter=2, early_stopping=False)
    assert np.isfinite(model.fit(X, y).loss_)
