"""Whole networks at the edge of their numbers: finite, or refused by name.

Units are tried with such numbers in `kernels/`: losses, outputs and activations.
"""

import time

import numpy as np
import pytest
from helpers import (
    NAMES,
    assert_same_bits,
    data_for,
    error_of,
    estimator_of,
    ignore_convergence,
    make_data,
    outputs,
    weights_of,
)
from scipy import sparse

from fastnn import MLPEstimator
from fastnn.structure.variants import (
    CLASSIFICATION_LOSSES,
    REGRESSION_LOSSES,
    SOLVERS,
)

pytestmark = ignore_convergence

STOCHASTIC = sorted({*SOLVERS} - {"lbfgs"})
NORMS = {"plain": {}, "batch": {"batch_norm": True}, "layer": {"layer_norm": True}}
DTYPES = ("float32", "float64")
ENDS = [
    (loss, output, kind)
    for loss, outputs_ in CLASSIFICATION_LOSSES.items()
    for output in outputs_
    for kind in ("binary", "multiclass", "multilabel")
    if (output, kind) != ("softmax", "multilabel")
]


def assert_finite(model):
    assert all(np.isfinite(array).all() for array in weights_of(model))
    assert np.isfinite(model.loss_)


def with_logits(model, X, y, size):
    """Return the model with weights that make raw outputs of ±size."""
    model.initialize(X, y)
    W = model.coefs_[0]
    W[:] = 0
    W[0] = size * np.array([1.0, -1.0, 0.5, -0.5])[: W.shape[1]]  # no two are equal
    model.intercepts_[0][:] = 0
    return model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "output", "kind"), ENDS)
def test_raw_outputs_of_ten_thousand(loss, output, kind, dtype):
    """The loss is finite, and as large as the outputs are wrong; so is the step."""
    _, y = make_data(kind, n=40, p=3)
    X = np.zeros((40, 3))
    X[:, 0] = np.where(np.arange(40) % 2, 1.0, -1.0)
    params = {"loss": loss, "output_activation": output, "dtype": dtype, "alpha": 0.0}
    params |= {"solver": "sgd", "learning_rate_init": 1.0, "batch_size": "full"}
    model = with_logits(MLPEstimator((), **params, random_state=0), X, y, 1e4)
    assert set(np.abs(outputs(model, X)).ravel()) <= {5e3, 1e4, 2e4}
    before = model.coefs_[0].copy()
    model.partial_fit(X, y)
    assert_finite(model)
    unbounded = loss in ("log_loss", "focal") or (loss, output) == ("hinge", "identity")
    assert (1e3 < model.loss_ < 1e5) if unbounded else (0 < model.loss_ < 10)
    assert (model.coefs_[0] != before).any() == unbounded


@pytest.mark.parametrize("size", [1e30, 1e75, 1e150])
@pytest.mark.parametrize(
    ("loss", "solver"),
    [
        (loss, solver)
        for loss in REGRESSION_LOSSES
        for solver in ("adam", "sgd", "rmsprop", "lion", "lbfgs")
    ],
)
@pytest.mark.parametrize("name", ["regressor", "estimator-reg"])
def test_huge_targets_of_regression(name, loss, solver, size):
    """A finite model with finite predictions, or an error that names the cause."""
    X, y = data_for(name, n=30, p=3)
    y = np.abs(y) * size
    params = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}
    params |= {"loss": loss, "solver": solver, "dtype": "float64", "batch_size": 10}
    model = estimator_of(name, **params)
    error = error_of(model.fit, X, y)
    if error is not None:
        reasons = ("non-finite", "too large", "from 0 to 1")
        assert any(reason in str(error) for reason in reasons), error
        assert not hasattr(model, "coefs_")
        return
    assert loss != "log_loss"
    assert_finite(model)
    assert np.isfinite(model.predict(X)).all()
    # The loss is that of these targets, not of what is left after an overflow.
    assert model.loss_ > (0 if loss == "gamma" else 1e-3 * np.sqrt(size))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_huge_targets_of_float32(solver):
    """1e30 is a number of float32, and its square is none; 1e39 is none itself."""
    X, y = make_data("regression", n=30, p=3)
    model = MLPEstimator((4,), task="regression", solver=solver, max_iter=5)
    for seed in range(20):  # of some, lbfgs' steps are no numbers of float32 either
        with pytest.raises(ValueError, match="non-finite"):
            model.set_params(random_state=seed).fit(X, y * 1e30)
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, y * 1e30)
    with pytest.raises(ValueError, match="too large for dtype='float32'"):
        model.fit(X, y * 1e39)
    assert not hasattr(model, "coefs_")


TINY = {"float32": 1e-40, "float64": 1e-310}
LIFT = 1e10


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", DTYPES)
def test_denormal_inputs_and_weights_count(dtype, form):
    """They are not taken for 0: large weights bring them back to ordinary numbers."""
    X, y = make_data("regression", n=50, p=6)
    model = MLPEstimator((5,), task="regression", activation="identity", dtype=dtype)
    model.initialize(X, y)
    tiny = (X * TINY[dtype]).astype(dtype)
    assert (np.abs(tiny) < np.finfo(dtype).tiny).all()
    rng = np.random.RandomState(0)
    W, V = rng.standard_normal((6, 5)), rng.standard_normal((5, 1))
    for b in model.intercepts_:
        b[:] = 0
    model.coefs_[0][:], model.coefs_[1][:] = W / (TINY[dtype] * LIFT), V
    want = tiny.astype(float) @ model.coefs_[0].astype(float) @ V
    got = model.predict(form(tiny))
    scale = np.abs(want).max()
    np.testing.assert_allclose(got, want[:, 0], rtol=0, atol=1e-5 * scale)
    assert scale > 1e-11
    # The same with denormal weights, and inputs that are large.
    model.coefs_[0][:] = W * TINY[dtype]
    assert (np.abs(model.coefs_[0]) < np.finfo(dtype).tiny).all()
    large = (X / (TINY[dtype] * LIFT)).astype(dtype)
    want = large.astype(float) @ model.coefs_[0].astype(float) @ V
    got = model.predict(form(large))
    scale = np.abs(want).max()
    np.testing.assert_allclose(got, want[:, 0], rtol=0, atol=1e-5 * scale)


def seconds(call, *args):
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_denormal_numbers_are_not_slow(dtype, solver):
    """Less than a hundred times as slow as others; in turns, the best of five."""
    X, y = make_data("regression", n=400, p=20, dtype=dtype)
    tiny = (X * TINY[dtype]).astype(dtype)

    def fit(rows, scale):
        params = {"solver": solver, "max_iter": 10, "random_state": 0, "n_threads": 1}
        model = MLPEstimator((32,), task="regression", dtype=dtype, **params)
        model.initialize(rows, y)
        for W in model.coefs_:
            W *= scale
        model.set_params(warm_start=True).fit(rows, y)
        model.predict(rows)

    fit(X, 1.0)
    times = [(seconds(fit, X, 1.0), seconds(fit, tiny, TINY[dtype])) for _ in range(5)]
    normal, denormal = np.min(times, axis=0)
    assert denormal < 100 * normal


@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("name", NAMES)
def test_repeated_and_constant_columns(name, solver):
    """Repeated columns share what one would learn: their weights stay equal."""
    X, y = data_for(name, n=40, p=4)
    X = np.c_[X, X[:, 0], np.full(40, 3.0), np.zeros(40)]
    params = {"hidden_layer_sizes": (5,), "max_iter": 5, "random_state": 0}
    params |= {"solver": solver, "dtype": "float64", "alpha": 0.0}
    model = estimator_of(name, **params, warm_start=True).initialize(X, y)
    model.coefs_[0][4] = model.coefs_[0][0]
    zeros = model.coefs_[0][6].copy()
    model.fit(X, y)
    assert_finite(model)
    np.testing.assert_allclose(model.coefs_[0][4], model.coefs_[0][0], rtol=1e-12)
    decay = 1.0 if solver != "adamw" else (1 - 0.001 * 0.01) ** model.n_iter_
    np.testing.assert_allclose(model.coefs_[0][6], zeros * decay, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
def test_one_class_of_every_loss(loss, solver, dtype):
    X = np.random.RandomState(0).standard_normal((12, 3))
    y = np.full(12, "only")
    params = {"loss": loss, "solver": solver, "dtype": dtype, "max_iter": 5}
    model = MLPEstimator((4,), **params, random_state=0).fit(X, y)
    assert_finite(model)
    assert set(model.predict(X)) == {"only"}


@pytest.mark.parametrize("norm", ["plain", "layer"])
@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("name", NAMES)
def test_one_row_with_every_solver(name, solver, norm):
    X, y = data_for(name, n=1, p=3)
    params = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}
    model = estimator_of(name, **params, **NORMS[norm], solver=solver).fit(X, y)
    assert_finite(model)
    assert np.isfinite(outputs(model, X)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("solver", STOCHASTIC)
def test_a_last_batch_of_one_row_teaches(solver, norm, dtype):
    """17 rows in batches of 8: the last row counts, alone as it is."""
    X, y = make_data("multiclass", n=17, p=4)
    params = {"solver": solver, "dtype": dtype, "batch_size": 8, "shuffle": False}
    params |= {"max_iter": 2, "random_state": 0, "learning_rate_init": 0.01}
    model = MLPEstimator((6, 3), **params, **NORMS[norm]).fit(X, y)
    assert_finite(model)
    assert np.isfinite(outputs(model, X)).all()
    y[16] = (y[16] + 1) % 3
    other = MLPEstimator((6, 3), **params, **NORMS[norm]).fit(X, y)
    assert (other.intercepts_[-1] != model.intercepts_[-1]).any()
    without = MLPEstimator((6, 3), **params, **NORMS[norm]).fit(X[:16], y[:16])
    assert (without.intercepts_[-1] != model.intercepts_[-1]).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("solver", STOCHASTIC)
def test_batches_without_weight_are_as_if_they_were_not(solver, norm, dtype):
    """The first and the third of five batches weigh nothing: the bits of the others."""
    X, y = make_data("multiclass", n=40, p=4)
    weight = np.repeat([0.0, 1.0, 0.0, 1.0, 1.0], 8)
    weight[12:14] = 0.5
    kept = np.repeat([False, True, False, True, True], 8)
    params = {"solver": solver, "dtype": dtype, "batch_size": 8, "shuffle": False}
    params |= {"max_iter": 3, "random_state": 0, "dropout": 0.0, **NORMS[norm]}
    model = MLPEstimator((6, 3), **params).fit(X, y, weight)
    other = MLPEstimator((6, 3), **params).fit(X[kept], y[kept], weight[kept])
    assert_same_bits(model, other)
    np.testing.assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("loss", ["log_loss", "focal", "hinge", "squared_error"])
def test_twenty_thousand_classes(loss):
    """At weights of 0 every class is as likely as the others; few have a row."""
    k, n = 20_000, 100
    X = np.random.RandomState(0).standard_normal((n, 3)).astype(np.float32)
    y = np.arange(n) * (k // n)
    model = MLPEstimator((2,), loss=loss, random_state=0, alpha=0.0)
    model.set_params(learning_rate_init=1e-30).partial_fit(X, y, classes=np.arange(k))
    for W in (*model.coefs_, *model.intercepts_):
        W[:] = 0
    model.partial_fit(X, y)
    p = 1 / k
    want = {
        "log_loss": np.log(k),
        "focal": (1 - p) ** 2 * np.log(k),
        "hinge": 1.0,
        "squared_error": 0.5 * ((1 - p) ** 2 + (k - 1) * p**2),
    }
    np.testing.assert_allclose(model.loss_, want[loss], rtol=1e-4)
    assert len(model.classes_) == k
    assert outputs(model, X[:7]).shape == (7, k)
    assert_finite(model)
