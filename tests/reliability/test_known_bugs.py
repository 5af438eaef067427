"""Batches, weights and shapes: bugs that other networks had, as user's stories.

`docs/reliability_traps.md` lists them with the projects and the reports.
"""

import numpy as np
import pytest
from helpers import (
    CLASSIFICATION,
    KINDS,
    NAMES,
    SK_HAS_WEIGHTS,
    assert_same_bits,
    data_for,
    estimator_of,
    ignore_convergence,
    is_classifier_name,
    make_data,
    outputs,
    pair,
    recorded,
    weights_of,
)
from scipy import sparse

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.learning import epochs
from fastnn.structure.variants import SOLVERS

pytestmark = [
    ignore_convergence,
    pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1:UserWarning"),
]

STOCHASTIC = sorted(set(SOLVERS) - {"lbfgs"})
EVERY = [*STOCHASTIC, "lbfgs"]
FAST = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0}
# A step of 1e-300 leaves the weights alone: all batches are measured at the same ones.
FROZEN = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1e-300, "max_iter": 1}


def loss_by_hand(model, name, X, y, weight=None):
    """Return the mean loss of all rows, without the penalty."""
    if is_classifier_name(name):
        losses = -np.log(model.predict_proba(X)[np.arange(len(y)), y])
    else:
        losses = 0.5 * (model.predict(X) - y) ** 2
    return np.average(losses, weights=weight)


@pytest.mark.parametrize("batch_size", [1, 8, 10, 40, 41, 500])
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_an_epoch_is_that_of_its_rows(name, batch_size):
    """Nolearn #247: means of batches were averaged, and a small last one counted much.

    41 rows leave a last batch of one with 8, 10 and 40.
    """
    X, y = data_for(name, n=41)
    params = {**FAST, **FROZEN, "alpha": 0.0, "dtype": "float64"}
    model = estimator_of(name, **params, batch_size=batch_size).fit(X, y)
    assert model.loss_ == pytest.approx(loss_by_hand(model, name, X, y), rel=1e-10)


@pytest.mark.parametrize("batch_size", [1, 8, 10, 41])
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_weighted_rows(name, batch_size):
    """scikit-learn 1.9 averages batches by their rows, not by their weights.

    So do the drop-ins, on purpose; `MLPEstimator` gives the loss of the whole data.
    """
    X, y = data_for(name, n=41)
    weight = np.random.RandomState(0).uniform(0, 9, 41)
    params = {**FAST, **FROZEN, "alpha": 0.0, "shuffle": False}
    params["batch_size"] = batch_size
    model = estimator_of(name, **params, dtype="float64")
    model.fit(X, y, sample_weight=weight)
    parts = [slice(i, i + batch_size) for i in range(0, 41, batch_size)]
    losses = [loss_by_hand(model, name, X[p], y[p], weight[p]) for p in parts]
    by = [weight[p].sum() if "est" in name else len(y[p]) for p in parts]
    assert model.loss_ == pytest.approx(np.average(losses, weights=by), rel=1e-10)
    if "est" in name:
        whole = loss_by_hand(model, name, X, y, weight)
        assert model.loss_ == pytest.approx(whole, rel=1e-10)
    elif SK_HAS_WEIGHTS:
        kind = "multiclass" if is_classifier_name(name) else "regression"
        theirs = pair(kind, **params)[1].fit(X, y, sample_weight=weight)
        assert model.loss_ == pytest.approx(theirs.loss_, rel=1e-10)


@pytest.mark.parametrize("batch_size", [1, 8, 10, 41])
@pytest.mark.parametrize("name", NAMES)
def test_the_penalty_is_per_sample_of_a_batch_as_in_scikit_learn(name, batch_size):
    """scikit-learn #6780: alpha counts for more in small batches. Ours too, on purpose.

    Each batch adds alpha/2 · |W|² / rows, so an epoch's loss holds it once a batch.
    """
    X, y = data_for(name, n=41)
    params = {**FAST, **FROZEN, "batch_size": batch_size, "dtype": "float64"}
    model = estimator_of(name, **params, alpha=1.0).fit(X, y)
    squares = sum((W**2).sum() for W in model.coefs_)
    n_batches = -(-41 // batch_size)
    expected = loss_by_hand(model, name, X, y) + 0.5 * squares * n_batches / 41
    assert model.loss_ == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", NAMES)
def test_alpha_has_an_effect(name, solver):
    """scikit-neuralnetwork PR #175: L2 had none."""
    X, y = data_for(name)
    sizes = []
    for alpha in (0.0, 5.0):
        model = estimator_of(
            name, **{**FAST, "max_iter": 15 if solver == "lbfgs" else 60},
            alpha=alpha, solver=solver, learning_rate_init=0.02, batch_size=16,
        ).fit(X, y)  # fmt: skip
        sizes.append(sum((W**2).sum() for W in model.coefs_))
    # Adagrad's steps become small before the penalty has done its work.
    assert sizes[1] < (0.8 if solver == "adagrad" else 0.5) * sizes[0]


def rows_moved(n, batch_size, form, **params):
    """Return by how much each sample has moved its own weight in one epoch.

    Sample i is the i-th unit vector, so that weight i is nobody else's. With a rate
    of 1e-9 all errors are those of the first weights, and a sample moves its weight
    by rate · error / rows of its batch each time that it is seen.
    """
    rate = 1e-9
    X, y = np.eye(n), np.full(n, 3.0)
    model = MLPRegressor(
        (), solver="sgd", momentum=0.0, alpha=0.0, learning_rate_init=rate,
        batch_size=batch_size, max_iter=1, random_state=0, **params,
    ).initialize(X, y)  # fmt: skip
    before = model.coefs_[0][:, 0].copy()
    errors = y - model.predict(X)
    model.partial_fit(form(X), y)
    return (model.coefs_[0][:, 0] - before) / (rate * errors)


@pytest.mark.parametrize("sliced", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    ("n", "batch_size"), [(41, 1), (41, 8), (41, 40), (41, 41), (41, 99), (1, 5)]
)
def test_every_sample_is_seen_once_per_epoch(
    n, batch_size, shuffle, form, sliced, monkeypatch
):
    """scikit-neuralnetwork PR #157: a remainder was never trained on.

    And a batch larger than the data divided by zero.
    """
    if sliced:  # as for an epoch that takes long
        monkeypatch.setattr(epochs, "_FLOPS_PER_CALL", 1)
    moved = rows_moved(n, batch_size, form, shuffle=shuffle)
    size = min(batch_size, n)
    rest = n % size
    expected = [1 / size] * (n - rest) + [1 / rest] * rest if rest else [1 / size] * n
    np.testing.assert_allclose(np.sort(moved), np.sort(expected), rtol=1e-5)


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_weight_is_passed_over(name, solver):
    """scikit-learn 1.9: a division by zero."""
    X, y = data_for(name, n=40)
    weight = np.r_[np.ones(8), np.zeros(16), np.ones(16)]
    params = {**FAST, "solver": solver, "batch_size": 8, "shuffle": False}
    model = estimator_of(name, **params).fit(X, y, sample_weight=weight)
    kept = weight > 0
    other = estimator_of(name, **params).fit(X[kept], y[kept])
    for a, b in zip(weights_of(model), weights_of(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("name", NAMES)
def test_a_last_batch_of_one_sample(name, solver, batch_norm):
    """Skorch #477, braindecode PR #411: a last batch of one made training diverge."""
    X, y = data_for(name, n=41)
    model = estimator_of(
        name, **{**FAST, "max_iter": 40}, solver=solver, batch_size=8,
        learning_rate_init=0.005, batch_norm=batch_norm,
    ).fit(X, y)  # fmt: skip
    assert np.isfinite(model.loss_curve_).all()
    assert model.loss_curve_[-1] < 0.98 * model.loss_curve_[0]
    assert np.isfinite(outputs(model, X)).all()


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "multioutput"])
def test_one_sample_keeps_its_shape(kind, solver):
    """Skorch #515, #558: binary probabilities, and a batch of one squeezed away."""
    X, y = make_data(kind, n=30)
    maker = MLPClassifier if kind in CLASSIFICATION else MLPRegressor
    model = maker(**FAST, solver=solver, batch_size=1).fit(X, y)
    assert np.isfinite(outputs(model, X)).all()
    width = {"binary": 2, "multiclass": 4}.get(kind, 3)
    assert model.predict(X[:1]).shape == ((1,) if y.ndim == 1 else (1, 3))
    if kind in CLASSIFICATION:
        assert model.predict_proba(X[:1]).shape == (1, width)
        assert_same_bits([model.predict_proba(X[:1])], [model.predict_proba(X)[:1]])
    if solver != "lbfgs":
        kept = weights_of(model)
        model.partial_fit(X[:1], y[:1])
        assert any((a != b).any() for a, b in zip(kept, weights_of(model), strict=True))


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("output", ["auto", "softmax"])
@pytest.mark.parametrize("maker", [MLPClassifier, MLPEstimator])
def test_one_class_has_one_column(maker, output, solver):
    """scikit-learn 1.9: `classes_` has one entry, `predict_proba` two columns."""
    X, y = make_data("binary", n=20)[0], np.full(20, "only")
    model = maker(**FAST, output_activation=output, solver=solver).fit(X, y)
    assert model.classes_.tolist() == ["only"]
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((20, 1)))
    np.testing.assert_array_equal(model.predict_log_proba(X), np.zeros((20, 1)))
    np.testing.assert_array_equal(model.predict(X), y)
    assert model.decision_function(X).shape == (20,)
    assert model.score(X, y) == 1.0


@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_float32(kind, solver):
    """scikit-learn #17700: float32 became float64, in twice the memory."""
    X, y = make_data(kind, dtype=np.float32)
    ours, _ = pair(kind, **FAST, solver=solver)
    ours.fit(X, y)
    assert {w.dtype for w in weights_of(ours)} == {np.dtype("float32")}
    if kind in CLASSIFICATION:
        assert ours.predict_proba(X).dtype == np.float32
    else:
        assert ours.predict(X).dtype == np.float32
    if solver != "lbfgs":
        ours.partial_fit(X, y)
        assert {w.dtype for w in weights_of(ours)} == {np.dtype("float32")}


@pytest.mark.parametrize("value", [-1.0, -1e-30])
@pytest.mark.parametrize("solver", EVERY)
@pytest.mark.parametrize("name", NAMES)
def test_negative_weights_are_refused(name, solver, value):
    """scikit-learn 1.9 takes them in silence."""
    X, y = data_for(name, n=30)
    weight = np.ones(30)
    weight[7] = value
    model = estimator_of(name, **FAST, solver=solver)
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        model.fit(X, y, sample_weight=weight)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_a_positional_loss_is_an_error(name):
    """scikit-learn 1.9: `MLPRegressor((5,))` takes the layers for the loss."""
    maker = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]
    assert maker((5,)).hidden_layer_sizes == (5,)
    with pytest.raises(TypeError, match="positional"):
        maker("squared_error", (5,))
    X, y = make_data("binary")
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        maker("squared_error").fit(X, y)


def test_masks_of_arrays_are_passed_over_as_by_scikit_learn():
    """A masked array is taken for its data; masks that matter need an imputer."""
    X, y = make_data("binary")
    masked = np.ma.masked_array(X, X > 1)
    for model in pair("binary", **FAST):
        recorded(model.fit, masked, y)
        other = type(model)(**FAST)
        recorded(other.fit, X, y)
        assert_same_bits(model, other)
