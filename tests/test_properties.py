"""What holds of every network, on drawn ones: shapes, dtypes, options and solvers."""

import os
import pickle
import warnings

import numba
import numpy as np
import reference
from helpers import (
    assert_same_bits,
    fingerprint,
    is_classifier_name,
    outputs,
    run_python,
    weights_of,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from property_tools import RANDOM, Case, cases, examples, in_form, quietly
from scipy import sparse
from sklearn.base import clone

ESTIMATORS = ("estimator-clf", "estimator-reg")
# What a comparison of two ways to the same sums leaves out: noise is drawn by row, and
# "invscaling" goes by the number of rows.
ORDERED = (*RANDOM, "batch_size", "shuffle", "learning_rate", "dtype")


def results(model, X):
    """Return everything that predictions consist of."""
    found = [model.predict(X), outputs(model, X)]
    if hasattr(model, "predict_proba"):
        found.append(model.predict_proba(X))
    layers = len(model.coefs_) - 1
    return found + [model.transform(X, layer) for layer in range(layers)]


def learnt(model):
    """Return all that a fit gives, as arrays."""
    arrays = weights_of(model)
    for name in ("shortcut_coefs_", "norm_scales_", "norm_shifts_"):
        arrays += [array for array in getattr(model, name, ()) if array is not None]
    for name in ("norm_means_", "norm_variances_"):
        arrays += [array for array in getattr(model, name, ()) if array is not None]
    return [*arrays, np.array(model.loss_curve_)]


def assert_close(left, right, rtol):
    """Compare numbers with the largest of them in mind."""
    scale = max(1.0, np.abs(right).max())
    np.testing.assert_allclose(left, right, rtol=rtol, atol=rtol * scale)


@examples(100)
@given(case=cases(), chooser=st.integers(0, 2**32 - 1))
def test_rows_are_predicted_alike_in_any_company(case, chooser):
    """Any rows, in any order and number: the bits that they have in the whole."""
    model = case.fitted()
    whole = results(model, case.X)
    rng = np.random.RandomState(chooser)
    rows = rng.randint(0, case.X.shape[0], rng.randint(1, 90))
    part = case.X.tocsr()[rows] if sparse.issparse(case.X) else case.X[rows]
    assert_same_bits(results(model, part), [array[rows] for array in whole])


@examples(80)
@given(case=cases())
def test_a_seed_gives_the_same_bits(case):
    first = case.fitted()
    assert_same_bits(learnt(case.fitted()), learnt(first))
    other = case.fitted(random_state=4)
    assert other.coefs_[0].tobytes() != first.coefs_[0].tobytes()


@examples(80)
@given(case=cases(names=ESTIMATORS), epochs=st.integers(1, 5))
def test_epochs_in_one_call_or_in_many(case, epochs):
    """`fit`, or as many calls of `partial_fit`, or half of each under warm_start."""
    whole = case.fitted(max_iter=epochs)
    single = case.make()
    for _ in range(epochs):
        single.partial_fit(case.X, case.y, case.weight, **case.first())
    assert_same_bits(learnt(single), learnt(whole))
    assert_same_bits(results(single, case.X), results(whole, case.X))
    parts = case.fitted(max_iter=epochs)
    parts.set_params(warm_start=True, max_iter=2)
    quietly(parts.fit, case.X, case.y, case.weight)
    assert_same_bits(learnt(parts), learnt(case.fitted(max_iter=epochs + 2)))


def whole_weights(case, chooser):
    """Return weights from 0 to 3 under which no class is left out."""
    rng = np.random.RandomState(chooser)
    weight = rng.randint(0, 4, case.X.shape[0])
    if case.notes["kind"] in ("binary", "multiclass"):
        weight[np.unique(case.y, return_index=True)[1]] = 1
    weight[:2] = 2
    return weight


def assert_same_training(left, right, X):
    """Compare losses and outputs, not weights.

    A bias before batch normalisation has a gradient of 0 but for rounding, which Adam
    and its kin turn into whole steps. Nothing depends on it.
    """
    assert_close(left.loss_curve_, right.loss_curve_, 1e-7)
    assert_close(outputs(left, X), outputs(right, X), 1e-6)


@examples(80)
@given(
    case=cases(without=ORDERED, forms=("dense",), weights=False),
    chooser=st.integers(0, 2**32 - 1),
)
def test_whole_weights_are_repeated_rows(case, chooser):
    """In one batch, with every loss, solver, penalty and norm."""
    weight = whole_weights(case, chooser)
    left = case.but(weight=weight.astype(float))
    right = case.but(X=case.X.repeat(weight, 0), y=case.y.repeat(weight, 0))
    full = {"batch_size": "full", "shuffle": False}
    assert_same_training(left.fitted(**full), right.fitted(**full), case.X)


@examples(80)
@given(
    case=cases(without=ORDERED, forms=("dense", "csr"), weights=False),
    chooser=st.integers(0, 2**32 - 1),
)
def test_rows_without_weight_are_left_out(case, chooser):
    weight = np.minimum(1.0, whole_weights(case, chooser))
    kept = weight > 0
    left = case.but(weight=weight)
    right = case.but(X=case.X[kept], y=case.y[kept])
    full = {"batch_size": "full", "shuffle": False}
    assert_same_training(left.fitted(**full), right.fitted(**full), case.X)


def encoded(case):
    """Return the reference's name of the loss and its targets, for "auto" outputs."""
    loss, kind, y = case.params["loss"], case.notes["kind"], case.y
    Y = np.asarray(y, float).reshape(len(y), -1)
    if kind == "multiclass":
        if loss == "hinge":
            return ("hinge_multiclass", "identity"), Y
        if loss == "log_loss":
            return (loss, "softmax"), Y
        return (loss, "softmax"), np.eye(3)[y]
    if kind in ("binary", "multilabel"):
        return (loss, "identity" if loss == "hinge" else "logistic"), Y
    if np.size(case.params.get("quantile", 0.5)) > 1 and loss == "quantile":
        return (loss, "quantiles"), Y
    links = {"poisson": "exp", "gamma": "exp", "tweedie": "exp", "log_loss": "logistic"}
    return (loss, links.get(loss, "identity")), Y


def losses_by_hand(case, model):
    """Return each row's loss, from the outputs that the model gives."""
    ends, Y = encoded(case)
    defaults = {"huber": 1.0, "tweedie": 1.5, "focal": 2.0}
    defaults["quantile"] = case.params.get("quantile", 0.5)
    parameters = tuple(np.ravel(defaults.get(ends[0], ())))
    raw = model._outputs(case.X, raw=True)
    return reference.LOSSES[ends](raw, Y, parameters=parameters)


def penalty_by_hand(case, model):
    """Return the elastic net of all matrices."""
    alpha = case.params.get("alpha", 1e-4)
    l1 = case.params.get("l1_ratio", 0.0)
    matrices = [*model.coefs_]
    matrices += [V for V in getattr(model, "shortcut_coefs_", ()) if V is not None]
    squares = sum(0.5 * (W**2).sum() for W in matrices)
    return alpha * ((1 - l1) * squares + l1 * sum(np.abs(W).sum() for W in matrices))


MOVES = ("learning_rate", "max_norm", "ema_decay", "weight_decay", "dtype", "shuffle")


@examples(100)
@given(
    case=cases(without=(*RANDOM, *MOVES, "batch_norm", "solver", "warmup")),
)
def test_the_loss_is_that_of_the_predictions(case):
    """Summed by hand, batch by batch; a tiny rate leaves weights as they are.

    All but those that are 0 and become 1e-300, where steps jump.
    """
    assume(case.params.get("activation") not in ("step", "sign"))
    frozen = {"solver": "sgd", "learning_rate_init": 1e-300, "shuffle": False}
    model = case.fitted(**frozen, max_iter=1)
    row_losses, penalty = losses_by_hand(case, model), penalty_by_hand(case, model)
    n = len(row_losses)
    weight = np.ones(n) if case.weight is None else case.weight
    size = case.params.get("batch_size", "auto")
    starts = range(0, n, n if isinstance(size, str) else size)
    batches = [slice(start, start + starts.step) for start in starts]
    continues = case.name in ESTIMATORS
    is_regressor = not is_classifier_name(case.name)
    if not continues and is_regressor and case.params["loss"] == "squared_error":
        row_losses = row_losses / model.n_outputs_
    total = count = 0.0
    for rows in batches:
        w = weight[rows]
        loss = (w @ row_losses[rows] + penalty) / w.sum()
        share = w.sum() if continues else len(w)
        total, count = total + loss * share, count + share
    np.testing.assert_allclose(model.loss_, total / count, rtol=1e-10)


@examples(60)
@given(case=cases(), chooser=st.integers(0, 2**32 - 1))
def test_the_order_of_columns_does_not_matter(case, chooser):
    """Columns of X and rows of the first weights, moved alike, give the outputs."""
    model = case.fitted()
    before = outputs(model, case.X)
    order = np.random.RandomState(chooser).permutation(case.X.shape[1])
    model.coefs_[0] = model.coefs_[0][order]
    after = outputs(model, case.X[:, order])
    single = model.coefs_[0].dtype == np.float32
    # Sums of up to 20 products; steps of "step" and "sign" jump where a z is at 0.
    assert_close(after, before, 1e-3 if single else 1e-10)


@examples(60)
@given(case=cases())
def test_parameters_go_round(case):
    """Through `clone`, and through `get_params` and `set_params` of another one."""
    model = case.fitted()
    given_params = model.get_params()
    twins = [clone(model), type(model)().set_params(**given_params)]
    assert {key: given_params[key] for key in case.params} == case.params
    for twin in twins:
        assert not [key for key in vars(twin) if key.endswith("_")]
        assert repr(twin.get_params()) == repr(given_params)
        quietly(twin.fit, case.X, case.y, case.weight)
        assert_same_bits(learnt(twin), learnt(model))


@examples(60)
@given(case=cases())
def test_a_pickle_predicts_and_trains_on_alike(case):
    model = case.fitted()
    copy = pickle.loads(pickle.dumps(model))
    assert_same_bits(results(copy, case.X), results(model, case.X))
    for twin in (model, copy):
        twin.partial_fit(case.X, case.y, case.weight)
    assert_same_bits(learnt(copy), learnt(model))


def surroundings():
    """Return what of the process's state a fit might change."""
    return (
        np.random.get_state()[1].tobytes(),  # noqa: NPY002
        np.geterr(),
        list(warnings.filters),
        numba.get_num_threads(),
        dict(os.environ),
    )


@examples(80)
@given(case=cases())
def test_nothing_is_changed_but_the_model(case):
    """Neither what `fit` is given nor the state of the process."""
    given_arrays = [case.X, case.y, *([] if case.weight is None else [case.weight])]
    before = [fingerprint(array) for array in given_arrays]
    around = surroundings()
    model = case.fitted()
    results(model, case.X)
    model.score(case.X, case.y)
    assert [fingerprint(array) for array in given_arrays] == before
    assert surroundings() == around


@examples(60)
@given(case=cases(forms=("dense",)))
def test_the_layout_of_X_does_not_matter(case):
    """Nor does a dtype that holds the same numbers."""
    model = case.fitted()
    wide = case.X.astype(np.float64)
    for form in ("Fortran", "strided"):
        other = case.but(X=in_form(case.X, form)).fitted()
        assert_same_bits(learnt(other), learnt(model))
    assert_same_bits(learnt(case.but(X=wide).fitted()), learnt(model))
    rows = case.but(X=in_form(case.X, "csr"))
    kept = {key: v for key, v in case.params.items() if key not in RANDOM}
    rows = Case(case.name, kept, rows.X, case.y, case.weight, case.notes)
    columns = rows.but(X=rows.X.tocsc())
    assert_same_bits(learnt(columns.fitted()), learnt(rows.fitted()))


THREADS = """
import json, warnings
from helpers import assert_same_bits, force_threads
from hypothesis import given
from property_tools import cases, examples
from test_properties import learnt, results

warnings.simplefilter("ignore")
calls = force_threads()
seen = []

@examples(25)
@given(case=cases())
def check(case):
    one = case.fitted(n_threads=1)
    expected = learnt(one), results(one, case.X)
    for n_threads in (2, 5):
        several = case.fitted(n_threads=n_threads)
        assert_same_bits(learnt(several), expected[0])
        assert_same_bits(results(several, case.X), expected[1])
        assert_same_bits(results(one.set_params(n_threads=n_threads), case.X),
                         expected[1])
    seen.append(case)

check()
print(json.dumps([len(seen), calls]))
"""


def test_any_number_of_threads_gives_the_same_bits():
    """In a process that is made to use threads for the smallest work."""
    n_cases, calls = run_python(THREADS, timeout=280, NUMBA_NUM_THREADS="5")
    assert n_cases >= 25
    assert calls["parallel"] > n_cases, calls
