"""`partial_fit`, `warm_start` and pickles: bugs that other networks had.

`docs/reliability_traps.md` lists them with the projects and the reports.
"""

import pickle
import pickletools

import numpy as np
import pytest
from helpers import (
    CLASSIFICATION,
    NAMES,
    assert_same_bits,
    data_for,
    estimator_of,
    fit_both,
    ignore_convergence,
    is_classifier_name,
    make_data,
    outputs,
    pair,
    partial_fit_args,
    recorded,
    snapshot,
    weights_of,
)

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.structure.variants import SOLVERS

pytestmark = ignore_convergence

STOCHASTIC = sorted(set(SOLVERS) - {"lbfgs"})
EVERY = [*STOCHASTIC, "lbfgs"]
SMALL = {"hidden_layer_sizes": (6,), "random_state": 0, "batch_size": 16}
# Nothing stops early: no improvement is ever too small.
ENDLESS = {"tol": 0.0, "n_iter_no_change": 10**6}
# What has a state of its own besides the solver's.
STATES = {
    "plain": {},
    "averaged": {"ema_decay": 0.9},
    "masked and normalised": {"dropout": 0.2, "batch_norm": True},
}


def maker_of(kind, own):
    """Return what makes our own estimator, or the drop-in, for a kind of target."""
    if not own:
        return MLPClassifier if kind in CLASSIFICATION else MLPRegressor
    task = "classification" if kind in CLASSIFICATION else "regression"
    return lambda **params: MLPEstimator(task=task, **params)


def classes_for(kind, y):
    if kind not in CLASSIFICATION:
        return {}
    return {"classes": np.arange(3) if kind == "multilabel" else np.unique(y)}


@pytest.mark.parametrize("own", [True, False], ids=["estimator", "drop-in"])
@pytest.mark.parametrize("kind", ["multilabel", "binary", "multioutput"])
@pytest.mark.parametrize("solver", STOCHASTIC)
def test_partial_fit_k_times_is_a_fit_of_k_epochs(solver, kind, own):
    """scikit-learn #12505: for several labels `partial_fit` did not train properly."""
    X, y = make_data(kind)
    params = {**SMALL, **ENDLESS, "solver": solver, "learning_rate_init": 0.01}
    params["shuffle"] = own  # a drop-in's seed starts again in each call
    make = maker_of(kind, own)
    whole = make(max_iter=6, **params).fit(X, y)
    parts = make(**params)
    for _ in range(6):
        parts.partial_fit(X, y, **classes_for(kind, y))
    assert_same_bits(parts, whole)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.loss_curve_[-1] < parts.loss_curve_[0]
    np.testing.assert_array_equal(parts.predict(X), whole.predict(X))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_model_trains_on(name, solver, state):
    """scikit-learn #19626: `partial_fit` changed nothing, in silence.

    Its solver kept the arrays of before the pickle.
    """
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(name, **SMALL, **STATES[state], solver=solver)
    model.partial_fit(X, y, **partial_fit_args(name, y))
    loaded = pickle.loads(pickle.dumps(model))
    before, predicted = weights_of(loaded), outputs(loaded, X)
    for _ in range(2):
        loaded.partial_fit(X, y)
        model.partial_fit(X, y)
    assert_same_bits(loaded, model)
    assert loaded.loss_curve_ == model.loss_curve_
    for a, b in zip(before, loaded.coefs_, strict=False):  # biases may be of no use
        assert (a != b).any()
    assert (outputs(loaded, X) != predicted).any()
    assert_same_bits([outputs(loaded, X)], [outputs(model, X)])


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_model_starts_warm(name, solver):
    """The same through `fit`, which is the only way of L-BFGS."""
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(
        name, **SMALL, **{**ENDLESS, "tol": 1e-12}, solver=solver, warm_start=True,
        max_iter=3,
    ).fit(X, y)  # fmt: skip
    loaded = pickle.loads(pickle.dumps(model))
    kept = weights_of(loaded)
    assert_same_bits(loaded.fit(X, y), model.fit(X, y))
    assert any((a != b).any() for a, b in zip(kept, weights_of(loaded), strict=True))
    assert loaded.loss_ == model.loss_


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_batches_of_one_class(name):
    """scikit-learn #6994: a batch that lacked a class crashed."""
    X, y = make_data("multiclass")
    model = estimator_of(name, **SMALL, learning_rate_init=0.02)
    for _ in range(20):
        for label in (3, 1, 0, 2):
            rows = y == label
            model.partial_fit(X[rows], y[rows], classes=np.arange(4))
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert model.predict_proba(X).shape == (97, 4)
    assert len(np.unique(model.predict(X))) > 1
    assert model.score(X, y) > 0.5


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
@pytest.mark.parametrize("change", ["other", "fewer", "more", "text", "columns"])
def test_a_warm_start_with_other_labels(change, name, solver):
    """scikit-learn #7976: an error from inside its LabelBinarizer."""
    X, y = make_data("multiclass")
    model = estimator_of(name, **SMALL, max_iter=3, solver=solver, warm_start=True)
    model.fit(X, y)
    before, predicted = snapshot(model), model.predict_proba(X)
    others = {
        "other": y + 1,
        "fewer": np.minimum(y, 2),
        "more": np.where(np.arange(97) == 5, 4, y),
        "text": np.array(list("abcd"))[y],
        "columns": np.eye(4, dtype=int)[y],
    }[change]
    words = "in the first fit|same classes as" if change == "columns" else "warm_start"
    with pytest.raises(ValueError, match=words):
        model.fit(X, others)
    assert snapshot(model) == before
    np.testing.assert_array_equal(model.predict_proba(X), predicted)
    assert model.classes_.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(model.fit(X, y).predict_proba(X).sum(axis=1), 1, 1e-5)


def test_fewer_classes_under_warm_start_and_partial_fit():
    """scikit-learn #11758: refused there and so by the drop-in; not by our own."""
    X, y = make_data("multiclass")
    some = y < 2
    own = MLPEstimator(**SMALL, warm_start=True)
    own.partial_fit(X, y, classes=np.unique(y)).partial_fit(X[some], y[some])
    assert len(own.loss_curve_) == 2
    drop_in, theirs = pair("multiclass", **SMALL, warm_start=True)
    texts = []
    for model in (drop_in, theirs):
        model.partial_fit(X, y, classes=np.unique(y))
        kept = weights_of(model)
        with pytest.raises(ValueError, match="warm_start can only be used") as caught:
            model.partial_fit(X[some], y[some])
        texts.append(str(caught.value))
        assert_same_bits(weights_of(model), kept)
    assert texts[0] == texts[1]
    drop_in.set_params(warm_start=False).partial_fit(X[some], y[some])
    assert len(drop_in.loss_curve_) == 2


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", NAMES)
def test_max_iter_counts_in_each_call(name, solver, early_stopping):
    """scikit-learn #8713: a warm start did not stop at `max_iter`."""
    X, y = data_for(name)
    params = {**SMALL, **ENDLESS, "tol": 1e-12, "solver": solver}
    model = estimator_of(name, **params, warm_start=True, early_stopping=early_stopping)
    total = 0
    for epochs in (7, 3, 1, 5):
        model.set_params(max_iter=epochs).fit(X, y)
        total += epochs
        counts_all = name.startswith("estimator") and solver != "lbfgs"
        assert model.n_iter_ == (total if counts_all else epochs)
        if solver != "lbfgs":
            assert len(model.loss_curve_) == total


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_start_has_the_patience_of_a_first_one(name):
    """scikit-learn #16812: the second call stopped after one epoch.

    What was counted in the first call counts on only as long as nothing improves.
    """
    X, y = data_for(name)
    params = {**SMALL, "learning_rate_init": 1e-3, "max_iter": 400, "warm_start": True}
    model = estimator_of(name, **params, tol=1e-2, n_iter_no_change=3).fit(X, y)
    first = len(model.loss_curve_)
    assert first < 400
    model.set_params(tol=0.0, n_iter_no_change=10, max_iter=30).fit(X, y)
    assert len(model.loss_curve_) == first + 30
    assert model.loss_curve_[-1] < model.loss_curve_[first - 1]


def test_a_converged_warm_start_ends_as_scikit_learns_does():
    """With unchanged parameters there is nothing more to gain: one epoch each."""
    X, y = make_data("multiclass")
    params = {"hidden_layer_sizes": (4,), "random_state": 0, "max_iter": 500}
    params |= {"warm_start": True, "tol": 1e-2}
    ours, theirs = pair("multiclass", **params, n_iter_no_change=3)
    epochs = []
    for model in (ours, theirs):
        epochs.append([recorded(model.fit, X, y)[0].n_iter_ for _ in range(3)])
    assert epochs[0] == epochs[1]
    assert epochs[0][0] > epochs[0][1] == epochs[0][2] == 1


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", NAMES)
def test_epochs_are_counted_anew_by_a_new_fit(name, solver):
    """scikit-learn #24764: `n_iter_` went on through repeated fits."""
    X, y = data_for(name)
    model = estimator_of(name, **SMALL, solver=solver, max_iter=5, **ENDLESS)
    counts = set()
    for _ in range(3):
        model.fit(X, y)
        counts.add((model.n_iter_, model.t_ if solver != "lbfgs" else 0))
        if solver != "lbfgs":
            assert len(model.loss_curve_) == model.n_iter_
            assert model.loss_curve_[-1] == model.loss_
    assert counts == {(5, 5 * 97 if solver != "lbfgs" else 0)}


@pytest.mark.parametrize("patience", [1, 2, 7])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_patience_is_as_long_as_asked_for(name, early_stopping, patience):
    """scikit-learn #9456: two epochs, whatever the data; `tol` asks too much here.

    The first epoch is an improvement over nothing, and then the count must exceed
    the patience.
    """
    X, y = data_for(name)
    params = {**SMALL, "tol": 1e3, "early_stopping": early_stopping, "max_iter": 60}
    model = estimator_of(name, **params, n_iter_no_change=patience).fit(X, y)
    assert model.n_iter_ == patience + 2
    model.set_params(n_iter_no_change=np.inf, max_iter=25).fit(X, y)
    assert model.n_iter_ == 25


def test_the_same_epochs_as_scikit_learn_with_a_long_patience():
    model = fit_both("regression", tol=1e3, n_iter_no_change=7, max_iter=60)
    assert model.n_iter_ == 9


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", NAMES)
def test_a_pickle_knows_no_compiler(name, solver):
    """Only NumPy, scikit-learn and our records: nothing of Numba's can go stale."""
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(name, **SMALL, solver=solver, max_iter=2, n_threads=1)
    model.fit(X, y)
    model.predict(X)
    texts, modules = [], set()
    for code, value, _ in pickletools.genops(pickle.dumps(model)):
        if code.name in ("SHORT_BINUNICODE", "BINUNICODE"):
            texts.append(value)
        if code.name == "STACK_GLOBAL":
            modules.add(next(t for t in reversed(texts) if "." in t or t == "numpy"))
    assert modules
    roots = {module.split(".")[0] for module in modules}
    assert roots <= {"numpy", "sklearn", "fastnn", "builtins"}
    assert not any("kernels" in text or "numba" in text for text in texts)
    if is_classifier_name(name):
        assert any(module.startswith("sklearn") for module in modules)
