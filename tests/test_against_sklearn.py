"""The drop-ins follow scikit-learn's networks step by step.

`helpers.fit_both` fits our drop-in and scikit-learn's network with equal parameters,
and compares curves, weights, attributes, predictions and warnings. The bounds and
their reasons stand in `helpers`.
"""

import inspect
import re
from itertools import pairwise

import numpy as np
import pytest
import sklearn
from helpers import (
    ACTIVATIONS,
    CLASSIFICATION,
    KINDS,
    SMALL,
    assert_same_model,
    fit_both,
    make_data,
    needs_weights,
    pair,
    recorded,
)
from scipy import sparse
from sklearn import neural_network as sk
from sklearn.exceptions import NotFittedError
from sklearn.utils.fixes import parse_version

import fastnn

STOCHASTIC = ("sgd", "adam")
SKLEARN = parse_version(sklearn.__version__)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_trajectory(solver, activation, kind):
    fit_both(kind, solver=solver, activation=activation, learning_rate_init=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STOCHASTIC)
def test_early_stopping(solver, kind):
    model = fit_both(
        kind,
        solver=solver,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=3,
        tol=0.01,
        learning_rate_init=0.02,
        max_iter=60,
    )
    assert len(model.validation_scores_) == model.n_iter_ < 60


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_early_stopping_that_reaches_the_last_epoch(kind):
    model = fit_both(kind, early_stopping=True, max_iter=4)
    assert model.n_iter_ == 4


@needs_weights
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", [*STOCHASTIC, "lbfgs"])
def test_sample_weight(solver, early_stopping, kind):
    weight = np.random.RandomState(7).uniform(0.1, 3, 97)
    weight[::5] = 0
    fit_both(
        kind,
        sample_weight=weight,
        batch_size=20,
        solver=solver,
        early_stopping=early_stopping,
        learning_rate_init=0.01,
    )


@pytest.mark.parametrize("momentum", [0, 0.5, 0.9])
@pytest.mark.parametrize("nesterovs_momentum", [True, False])
def test_momentum(momentum, nesterovs_momentum):
    fit_both(
        "multiclass",
        solver="sgd",
        momentum=momentum,
        nesterovs_momentum=nesterovs_momentum,
        learning_rate_init=0.05,
    )


@pytest.mark.parametrize("power_t", [0.25, 0.5, 1.0])
def test_invscaling(power_t):
    fit_both(
        "multiclass", solver="sgd", learning_rate="invscaling", power_t=power_t,
        learning_rate_init=0.5,
    )  # fmt: skip


def test_constant_and_adaptive_rates_differ_and_follow():
    shared = {"solver": "sgd", "learning_rate_init": 0.1, "tol": 1.0, "max_iter": 60}
    shared["n_iter_no_change"] = 1
    constant = fit_both("regression", learning_rate="constant", **shared)
    adaptive = fit_both("regression", learning_rate="adaptive", **shared)
    # The rate is divided by five up to eight times before it falls below 1e-6.
    assert constant.n_iter_ < adaptive.n_iter_ < 60


@pytest.mark.parametrize("batch_size", [1, 5, 8, 40, 41, 100, "auto"])
@pytest.mark.parametrize("solver", STOCHASTIC)
def test_batch_remainders(solver, batch_size):
    """41 rows: 8 and 5 leave a last batch of one row; 100 is clipped and warns."""
    X, y = make_data("multiclass", n=41)
    fit_both("multiclass", X, y, solver=solver, batch_size=batch_size, max_iter=5)


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_auto_batch_with_more_than_two_hundred_rows(kind):
    X, y = make_data(kind, n=401)
    fit_both(kind, X, y, batch_size="auto", max_iter=5)


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_no_shuffle(solver):
    fit_both("multiclass", solver=solver, shuffle=False)


@pytest.mark.parametrize(
    "sizes", [(), (1,), (6,), (9, 4), (8, 6, 5), [7, 3], np.array([4, 4]), 5]
)
@pytest.mark.parametrize("kind", ["multiclass", "multioutput"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_depth(solver, kind, sizes):
    fit_both(kind, solver=solver, hidden_layer_sizes=sizes)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_sparse(solver, shuffle, form):
    X, y = make_data("multiclass")
    X[np.abs(X) < 0.8] = 0
    fit_both("multiclass", form(X), y, solver=solver, shuffle=shuffle)


def test_sparse_with_early_stopping():
    X, y = make_data("binary")
    fit_both("binary", sparse.csr_matrix(X), y, early_stopping=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STOCHASTIC)
def test_float32(solver, kind):
    X, y = make_data(kind, dtype=np.float32)
    model = fit_both(kind, X, y, solver=solver, max_iter=5)
    assert model.coefs_[0].dtype == np.float32


@pytest.mark.parametrize(
    "params",
    [
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4},
        {"beta_1": 0.0, "beta_2": 0.0},
        {"alpha": 0.0},
        {"alpha": 5.0},
        {"solver": "lbfgs", "max_fun": 4},
        {"solver": "lbfgs", "tol": 0.5, "max_iter": 100},
    ],
    ids=str,
)
def test_other_parameters(params):
    fit_both("multiclass", **params)


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
@pytest.mark.parametrize("solver", STOCHASTIC)
def test_stops_by_tol_in_the_same_epoch(solver, kind):
    model = fit_both(kind, solver=solver, tol=0.03, n_iter_no_change=2, max_iter=100)
    assert 3 <= model.n_iter_ < 100


def test_endless_patience():
    model = fit_both("regression", tol=1e3, n_iter_no_change=np.inf, max_iter=15)
    assert model.n_iter_ == 15


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_warm_start_sequence(solver, early_stopping):
    X, y = make_data("multiclass")
    ours, theirs = pair(
        "multiclass", **SMALL, solver=solver, warm_start=True, random_state=1,
        max_iter=5, early_stopping=early_stopping,
    )  # fmt: skip
    for params in ({}, {}, {"max_iter": 3}, {"alpha": 0.5}, {"momentum": 0.2}):
        _, got = recorded(ours.set_params(**params).fit, X, y)
        _, want = recorded(theirs.set_params(**params).fit, X, y)
        assert got == want, (got, want)
        assert_same_model(ours, theirs, X, y)


def partial_batches(kind):
    """Batches of several sizes; the first has one class of the classification only."""
    X, y = make_data(kind, n=120)
    if kind == "multiclass":
        order = np.argsort(y, kind="stable")
        X, y = X[order], y[order]
    edges = [0, 17, 18, 60, 120]
    return X, y, [slice(a, b) for a, b in pairwise(edges)] * 2


@pytest.mark.parametrize("random_state", ["int", "RandomState"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "params",
    [
        {"solver": "adam"},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1, "n_iter_no_change": 2},
    ],
    ids=["adam", "invscaling", "adaptive"],
)
def test_partial_fit_sequence(params, kind, random_state):
    X, y, batches = partial_batches(kind)
    ours, theirs = pair(kind, hidden_layer_sizes=(6,), **params)
    extra = {"classes": np.arange(y.max() + 1)} if kind in CLASSIFICATION else {}
    if kind == "multilabel":
        extra = {"classes": np.arange(3)}
    for model in (ours, theirs):
        seed = 5 if random_state == "int" else np.random.RandomState(5)
        model.set_params(random_state=seed)
        for rows in batches:
            model.partial_fit(X[rows], y[rows], **extra)
    assert_same_model(ours, theirs, X, y)


def test_fit_and_partial_fit_in_turn():
    X, y = make_data("binary")
    ours, theirs = pair("binary", **SMALL, random_state=2, max_iter=4)
    for model in (ours, theirs):
        recorded(model.fit, X, y)
        for rows in (slice(0, 30), slice(30, 97)):
            recorded(model.partial_fit, X[rows], y[rows])
    assert_same_model(ours, theirs, X, y)
    for model in (ours, theirs):
        recorded(model.fit, X, y)
    assert_same_model(ours, theirs, X, y)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["one", "three", "two", "zero"]),
        np.array(["one", "three", "two", "zero"], dtype=object),
        np.array([-7, 3, 40, 1000]),
        np.array([0.0, 1.0, 2.0, 3.0]),
    ],
    ids=["str", "object", "int", "float"],
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_labels(early_stopping, labels):
    if (
        early_stopping
        and labels.dtype.kind in "UO"
        and parse_version(sklearn.__version__) < parse_version("1.9")
    ):
        pytest.skip("this scikit-learn fails on such labels itself (#33760)")
    _, y = make_data("multiclass")
    model = fit_both("multiclass", y=labels[y], early_stopping=early_stopping)
    assert model.classes_.dtype.kind == labels.dtype.kind.replace("O", "U")


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_column_vector_warns_in_the_same_words(kind):
    _, y = make_data(kind)
    fit_both(kind, y=y.reshape(-1, 1))


def test_bool_labels():
    _, y = make_data("binary")
    assert fit_both("binary", y=y.astype(bool)).classes_.dtype == bool


@pytest.mark.parametrize(
    "params",
    [
        {"solver": "sgd", "tol": 0.5, "n_iter_no_change": 2, "max_iter": 20},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 9, "max_iter": 70,
         "n_iter_no_change": 1, "learning_rate_init": 1e-3},
        {"solver": "adam"},
        {"solver": "adam", "early_stopping": True, "tol": 1, "n_iter_no_change": 2},
        {"solver": "sgd", "warm_start": True},
    ],
    ids=["tol", "adaptive", "plain", "early-stopping", "warm-start"],
)  # fmt: skip
def test_verbose_lines(params, capsys):
    X, y = make_data("regression")
    printed = []
    for model in pair(
        "regression", **SMALL, random_state=0, **{"max_iter": 6, **params}
    ):
        recorded(model.set_params(verbose=True).fit, X, y)
        recorded(model.fit, X, y)
        printed.append(capsys.readouterr().out.splitlines())
    assert len(printed[1]) > 5
    assert printed[0] == printed[1]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_draws_as_many_random_numbers(early_stopping):
    X, y = make_data("multiclass")
    states = []
    for model in pair("multiclass", **SMALL, max_iter=3, early_stopping=early_stopping):
        rng = np.random.RandomState(11)
        recorded(model.set_params(random_state=rng).fit, X, y)
        states.append(rng.get_state())
    np.testing.assert_array_equal(states[0][1], states[1][1])
    assert states[0][2:] == states[1][2:]


def test_no_random_state_follows_the_global_generator():
    X, y = make_data("regression")
    ours, theirs = pair("regression", **SMALL, max_iter=3)
    saved = np.random.get_state()  # noqa: NPY002
    try:
        for model in (ours, theirs):
            np.random.seed(4)  # noqa: NPY002
            recorded(model.fit, X, y)
    finally:
        np.random.set_state(saved)  # noqa: NPY002
    assert_same_model(ours, theirs, X, y)


def failing_call(model, case):
    """Run one misuse of a classifier that scikit-learn refuses."""
    X, y = make_data("multiclass")
    if case == "unfitted":
        model.predict(X)
    elif case == "partial_fit with early stopping":
        model.set_params(early_stopping=True).partial_fit(X, y, classes=np.arange(4))
    elif case == "partial_fit without classes":
        model.partial_fit(X, y)
    elif case == "partial_fit with lbfgs":
        model.set_params(solver="lbfgs").partial_fit(X, y, classes=np.arange(4))
    elif case == "unknown class":
        model.partial_fit(X, y, classes=np.arange(4))
        model.partial_fit(X, y + 1)
    elif case == "other classes":
        model.partial_fit(X, y, classes=np.arange(4))
        model.partial_fit(X, y, classes=np.arange(5))
    elif case == "warm start with other labels":
        recorded(model.set_params(warm_start=True).fit, X, y)
        model.fit(X, y + 1)
    elif case == "small validation set":
        model.set_params(early_stopping=True, validation_fraction=0.1)
        model.fit(X[:9], y[:9])
    elif case == "continuous target":
        model.fit(X, X[:, 0])
    elif case == "feature count":
        recorded(model.fit, X, y)
        model.predict(X[:, 1:])


@pytest.mark.parametrize(
    "case",
    [
        "unfitted",
        "partial_fit with early stopping",
        "partial_fit without classes",
        "partial_fit with lbfgs",
        "unknown class",
        "other classes",
        "warm start with other labels",
        # It warns of a batch of more rows than there are, where others clip.
        pytest.param("small validation set", marks=needs_weights),
        "continuous target",
        "feature count",
    ],
)
def test_same_errors(case):
    errors = []
    for model in pair("multiclass", **SMALL, max_iter=2, random_state=0):
        with pytest.raises((ValueError, AttributeError, NotFittedError)) as caught:
            failing_call(model, case)
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]


def test_partial_fit_is_hidden_for_lbfgs():
    model, _ = pair("multiclass", solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    assert hasattr(model.set_params(solver="adam"), "partial_fit")


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_constructor(name):
    ours = inspect.signature(getattr(fastnn, name)).parameters
    theirs = inspect.signature(getattr(sk, name)).parameters
    for key, parameter in theirs.items():
        assert ours[key].default == parameter.default, key
    # Its parameters come first and in its order; but `loss`, which stands before the
    # layers there, is none that may be positional here.
    known = [key for key in theirs if key != "loss"]
    others = [key for key in ours if key != "loss"]
    assert others[: len(known)] == known
    assert others[-2:] == ["dtype", "n_threads"]
    assert ours["dtype"].default == "auto"
    documented = getattr(fastnn, name).__doc__
    for key in ours:
        assert re.search(rf"\b{key}\b", documented), f"{key} is not documented"
    positional = [k for k, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == ["hidden_layer_sizes"]
