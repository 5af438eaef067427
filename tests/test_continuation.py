"""Training that is continued equals training in one go, bit for bit.

`MLPEstimator` keeps the optimiser, the schedule and the random stream, so that the
number of calls does not matter. The drop-ins start these afresh as scikit-learn does.
"""

import copy
import pickle

import joblib
import numpy as np
import pytest
from helpers import (
    NAMES,
    assert_same_bits,
    data_for,
    error_of,
    estimator_of,
    ignore_convergence,
    is_classifier_name,
    make_data,
    outputs,
    pair,
    partial_fit_args,
    recorded,
    weights_of,
)

from fastnn import MLPEstimator

pytestmark = ignore_convergence

# Nothing stops early: no improvement is ever too small.
ENDLESS = {"tol": 0.0, "n_iter_no_change": 10**6}
SOLVERS = {
    "adam": {"solver": "adam", **ENDLESS},
    "plain": {"solver": "sgd", "momentum": 0.0, **ENDLESS},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, **ENDLESS},
    "nesterov": {"solver": "sgd", **ENDLESS},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", **ENDLESS},
    # Every third epoch divides the rate by five; seven times would be the end.
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.1,
        "tol": 100.0,
        "n_iter_no_change": 2,
    },
}
TASKS = ("classification", "regression")
SMALL = {"hidden_layer_sizes": (9, 4), "batch_size": 16, "random_state": 4}


def data_of(task):
    return make_data("multiclass" if task == "classification" else "multioutput")


def first_args(task, y):
    return {"classes": np.unique(y)} if task == "classification" else {}


def assert_same_state(left, right):
    assert_same_bits(left, right)
    assert list(left.loss_curve_) == list(right.loss_curve_)
    assert left.t_ == right.t_
    assert left.loss_ == right.loss_


def in_one_go(X, y, params, epochs=20):
    return MLPEstimator(**SMALL, **params, max_iter=epochs).fit(X, y)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_parts_equal_the_whole(solver, task, dtype, shuffle):
    X, y = data_of(task)
    params = {**SOLVERS[solver], "task": task, "dtype": dtype, "shuffle": shuffle}
    whole = in_one_go(X, y, params)
    assert len(whole.loss_curve_) == 20

    parts = MLPEstimator(**SMALL, **params, max_iter=12).fit(X, y)
    middle = weights_of(parts)
    parts.set_params(warm_start=True, max_iter=8).fit(X, y)
    assert_same_state(parts, whole)
    assert any((a != b).any() for a, b in zip(middle, weights_of(whole), strict=True))

    single = MLPEstimator(**SMALL, **params)
    for _ in range(20):
        single.partial_fit(X, y, **first_args(task, y))
    assert_same_state(single, whole)


@pytest.mark.parametrize(
    "through",
    [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy],
    ids=["pickle", "deepcopy"],
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_parts_equal_the_whole_through_a_copy(solver, through):
    X, y = data_of("classification")
    params = {**SOLVERS[solver], "task": "classification"}
    whole = in_one_go(X, y, params)
    parts = through(MLPEstimator(**SMALL, **params, max_iter=12).fit(X, y))
    parts.set_params(warm_start=True, max_iter=5).fit(X, y)
    parts = through(parts)
    for _ in range(3):
        parts = through(parts.partial_fit(X, y))
    assert_same_state(parts, whole)


def through_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib", mmap_mode="r")


COPIES = {
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "old pickle": lambda model, folder: pickle.loads(pickle.dumps(model, 2)),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "cloudpickle": lambda model, folder: pickle.loads(
        pytest.importorskip("cloudpickle").dumps(model)
    ),
    "memory map": through_joblib,
}


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", NAMES)
def test_copies_predict_and_train_on(name, way, solver, tmp_path):
    X, y = data_for(name, n=60, p=5)
    first = partial_fit_args(name, y)
    model = estimator_of(name, **SMALL, max_iter=4, solver=solver).partial_fit(
        X, y, **first
    )
    other = COPIES[way](model, tmp_path)
    assert_same_bits(other, model)
    assert_same_bits([outputs(other, X)], [outputs(model, X)])
    kept = weights_of(model)
    for _ in range(2):
        other.partial_fit(X, y)
    assert_same_bits(weights_of(model), kept)
    assert any((a != b).any() for a, b in zip(weights_of(other), kept, strict=True))
    for _ in range(2):
        model.partial_fit(X, y)
    assert_same_bits(other, model)
    assert_same_bits(other.fit(X, y), model.fit(X, y))
    if way == "memory map":
        reread = joblib.load(tmp_path / "model.joblib")
        assert_same_bits(weights_of(reread), kept)


@pytest.mark.parametrize("sparse", [False, True])
def test_weights_and_sparse_rows_continue_too(sparse):
    X, y = data_of("classification")
    if sparse:
        X = pytest.importorskip("scipy.sparse").csr_matrix(X)
    weight = np.random.RandomState(0).uniform(0.5, 2, X.shape[0])
    params = {**SMALL, **SOLVERS["adam"]}
    whole = MLPEstimator(**params, max_iter=9).fit(X, y, sample_weight=weight)
    parts = MLPEstimator(**params, max_iter=4).fit(X, y, sample_weight=weight)
    for _ in range(5):
        parts.partial_fit(X, y, sample_weight=weight)
    assert_same_state(parts, whole)


def test_a_new_fit_forgets_the_old_one():
    X, y = data_of("regression")
    params = {**SMALL, **SOLVERS["adam"], "task": "regression", "max_iter": 5}
    model = MLPEstimator(**params).fit(X, y)
    once = copy.deepcopy(model)
    assert_same_state(model.fit(X, y), once)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", ["adam", "nesterov"])
def test_initialize_is_the_start_of_a_fit(solver, task):
    X, y = data_of(task)
    params = {**SOLVERS[solver], "task": task}
    whole = in_one_go(X, y, params, 6)
    model = MLPEstimator(**SMALL, **params)
    assert model.initialize(X, y) is model
    assert model.predict(X).shape == y.shape
    start = weights_of(model)
    for _ in range(6):
        model.partial_fit(X, y)
    assert_same_bits(model, whole)
    warm = MLPEstimator(**SMALL, **params, warm_start=True, max_iter=6)
    assert_same_bits(weights_of(warm.initialize(X, y)), start)
    assert_same_bits(warm.fit(X, y), whole)


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel", "regression"])
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_drop_ins_initialize_as_scikit_learn(kind, activation):
    """A step of 1e-300 leaves scikit-learn's first weights as they were drawn."""
    X, y = make_data(kind)
    params = {"hidden_layer_sizes": (5,), "random_state": 2, "activation": activation}
    ours, theirs = pair(kind, **params)
    theirs.set_params(
        solver="sgd", momentum=0, learning_rate_init=1e-300, max_iter=1, alpha=0
    )
    recorded(theirs.fit, X, y)
    ours.initialize(X, y)
    assert_same_bits(ours, theirs)
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-12)


def plain_network(model, X):
    """Return the outputs before the last activation, computed with NumPy."""
    for weights, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        X = np.maximum(X @ np.asarray(weights) + np.asarray(bias), 0)
    return X @ np.asarray(model.coefs_[-1]) + np.asarray(model.intercepts_[-1])


WRITES = {
    "in place": lambda m, new: m.coefs_[0].__setitem__(slice(None), new),
    "one cell": lambda m, new: m.coefs_[0].__setitem__((0, 0), 5.0),
    "new item": lambda m, new: m.coefs_.__setitem__(0, new),
    "new list": lambda m, new: setattr(m, "coefs_", [new, *m.coefs_[1:]]),
    "Fortran order": lambda m, new: m.coefs_.__setitem__(0, np.asfortranarray(new)),
    "other type": lambda m, new: m.coefs_.__setitem__(0, new.astype(np.float64)),
    "nested list": lambda m, new: m.coefs_.__setitem__(0, np.array(new.tolist())),
    "bias in place": lambda m, new: m.intercepts_[1].__setitem__(slice(None), 3.0),
    "bias item": lambda m, new: m.intercepts_.__setitem__(
        0, np.full_like(m.intercepts_[0], 0.5)
    ),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", NAMES)
def test_written_weights_are_used_by_predict(name, write):
    X, y = data_for(name, n=50, p=6)
    model = estimator_of(name, hidden_layer_sizes=(5,), max_iter=2, random_state=0)
    before = outputs(model.fit(X, y), X)
    new = np.random.RandomState(1).standard_normal((6, 5))
    WRITES[write](model, new.astype(model.coefs_[0].dtype))
    got = outputs(model, X)
    assert not np.array_equal(got, before)
    want = plain_network(model, X)
    want = want.ravel() if want.shape[1] == 1 else want
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    if is_classifier_name(name):
        np.testing.assert_array_equal(model.predict(X), got.argmax(axis=1))


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", NAMES)
def test_written_weights_are_where_training_starts(name, write):
    """Without momentum and shuffling the weights are the whole state."""
    X, y = data_for(name, n=50, p=6)
    params = {"hidden_layer_sizes": (5,), "solver": "sgd", "momentum": 0.0}
    params |= {"shuffle": False, "random_state": 0, "batch_size": 10}
    first = partial_fit_args(name, y)
    left = estimator_of(name, **params).partial_fit(X, y, **first)
    new = np.random.RandomState(1).standard_normal((6, 5))
    WRITES[write](left, new.astype(left.coefs_[0].dtype))
    right = estimator_of(name, **params).initialize(X, y)
    dtype = right.coefs_[0].dtype
    right.coefs_ = [np.array(w, dtype=dtype) for w in left.coefs_]
    right.intercepts_ = [np.array(w, dtype=dtype) for w in left.intercepts_]
    start = weights_of(right)
    left.partial_fit(X, y)
    right.partial_fit(X, y)
    assert_same_bits(left, right)
    assert any((a != b).any() for a, b in zip(start, weights_of(left), strict=True))


@pytest.mark.parametrize("shape", [(6, 4), (5, 6), (3, 3), (30,), (0, 5)])
@pytest.mark.parametrize("name", NAMES)
def test_weights_of_a_wrong_shape_are_refused(name, shape):
    X, y = data_for(name, n=50, p=6)
    model = estimator_of(name, hidden_layer_sizes=(5,), max_iter=2, random_state=0)
    model.fit(X, y)
    model.coefs_[0] = np.zeros(shape, dtype=model.coefs_[0].dtype)
    assert error_of(model.predict, X) is not None
    assert error_of(model.partial_fit, X, y) is not None


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_decision_function_is_what_the_last_activation_reads(kind, name):
    X, y = make_data(kind)
    params = {"hidden_layer_sizes": (5,), "max_iter": 2, "random_state": 0}
    model = estimator_of(name, **params, dtype="float64").fit(X, y)
    raw, proba = model.decision_function(X), model.predict_proba(X)
    assert raw.shape == {"binary": (97,), "multiclass": (97, 4)}.get(kind, (97, 3))
    if kind == "multiclass":
        expected = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    else:
        expected = 1 / (1 + np.exp(-raw))
    got = proba[:, 1] if kind == "binary" else proba
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(proba), rtol=1e-12)


def test_missing_layer_is_refused():
    X, y = data_of("regression")
    model = MLPEstimator(**SMALL, task="regression", max_iter=2).fit(X, y)
    model.coefs_ = model.coefs_[:-1]
    assert error_of(model.predict, X) is not None


@pytest.mark.parametrize("solver", ["adam", "nesterov", "adaptive"])
@pytest.mark.parametrize("name", NAMES)
def test_parameters_may_change_between_calls(name, solver):
    X, y = data_for(name, n=50, p=6)
    model = estimator_of(
        name, **{**SMALL, **SOLVERS[solver]}, warm_start=True, max_iter=3
    ).fit(X, y)
    for change in (
        {"learning_rate_init": 0.05},
        {"alpha": 0.3},
        {"momentum": 0.1},
        {"batch_size": 7},
        {"solver": "sgd", "learning_rate": "constant"},
        {"solver": "adam"},
        {"shuffle": False},
    ):
        kept = weights_of(model)
        model.set_params(**change).fit(X, y)
        assert any((a != b).any() for a, b in zip(kept, weights_of(model), strict=True))
        assert all(np.isfinite(w).all() for w in weights_of(model))
        model.partial_fit(X, y)


@pytest.mark.parametrize("kind", ["multioutput", "multilabel"])
def test_own_loss_is_the_sum_over_outputs(kind):
    """The squared error halves; both losses are sums over outputs, means over rows."""
    X, y = make_data(kind)
    task = "regression" if kind == "multioutput" else "classification"
    params = {**SMALL, "alpha": 0.0, "batch_size": len(X), "dtype": "float64"}
    model = MLPEstimator(**params, task=task, max_iter=1).initialize(X, y)
    raw = outputs(model, X)
    if task == "regression":
        expected = 0.5 * ((raw - y) ** 2).sum(axis=1).mean()
    else:
        expected = (np.logaddexp(0, raw) - y * raw).sum(axis=1).mean()
    model.partial_fit(X, y)
    # The first epoch's loss is that of the weights before its only step.
    assert model.loss_curve_[0] == pytest.approx(expected, rel=1e-10)


def test_own_loss_averages_batches_by_weight():
    X, y = make_data("regression")
    weight = np.random.RandomState(0).uniform(0, 5, len(X))
    params = {**SMALL, "alpha": 0.0, "dtype": "float64", "task": "regression"}
    # A step of 1e-300 leaves the weights alone, so any batches give the full loss.
    params |= {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1e-300}
    losses = []
    for batch_size in (1, 10, 97):
        model = MLPEstimator(**{**params, "batch_size": batch_size}, max_iter=1)
        losses.append(model.fit(X, y, sample_weight=weight).loss_)
    expected = np.average(0.5 * (model.predict(X) - y) ** 2, weights=weight)
    np.testing.assert_allclose(losses, expected, rtol=1e-10)
