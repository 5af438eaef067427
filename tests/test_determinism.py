"""The same bits for any number of threads, any threading layer and any batch."""

import functools
import json

import numpy as np
import pytest
from helpers import (
    ACTIVATIONS,
    assert_same_bits,
    ignore_convergence,
    make_data,
    outputs,
    run_python,
    threading_layers,
)
from scipy import sparse

import fastnn

pytestmark = ignore_convergence

LAYERS = threading_layers()
THREADS = (1, 2, 3, 7)

# Odd and even sizes, one larger than a cache line, batches with and without remainder.
SHAPES = {
    "small odd": {"n": 203, "p": 7, "hidden_layer_sizes": (5, 3), "batch_size": 25},
    "even": {"n": 512, "p": 16, "hidden_layer_sizes": (32,), "batch_size": 64},
    "last batch of one": {"n": 401, "p": 9, "hidden_layer_sizes": (17,)},
    "wide": {"n": 1003, "p": 70, "hidden_layer_sizes": (129, 65), "batch_size": 250},
    "one big batch": {"n": 3001, "p": 33, "hidden_layer_sizes": (64,)},
}
SHAPES["last batch of one"]["batch_size"] = 200
SHAPES["one big batch"]["batch_size"] = 3001

HASHES = """
import hashlib, itertools, json, sys, warnings
import numpy as np
from scipy import sparse
from helpers import (
    ACTIVATIONS, force_threads, make_data, outputs, weights_of)
import fastnn
warnings.simplefilter("ignore")
calls = force_threads()
shapes, threads = json.loads(sys.argv[1]), json.loads(sys.argv[2])

def digest(arrays):
    raw = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
    return hashlib.sha256(raw).hexdigest()[:20]

def run(shape, dtype, activation, n_threads, kind="multiclass", solver="adam", **more):
    shape = dict(shape)
    X, y = make_data(kind, n=shape.pop("n"), p=shape.pop("p"))
    if more.pop("sparse", False):
        X[np.abs(X) < 1] = 0
        X = sparse.csr_matrix(X)
    task = "classification" if kind == "multiclass" else "regression"
    weight = np.linspace(0.5, 2, len(y)) if more.pop("weights", False) else None
    before = calls["parallel"]
    model = fastnn.MLPEstimator(
        task=task, dtype=dtype, activation=activation, n_threads=n_threads,
        max_iter=2, random_state=0, solver=solver, **shape, **more,
    ).fit(X, y, sample_weight=weight)
    trained = calls["parallel"]
    got = digest([*weights_of(model), outputs(model, X), model.predict(X),
                  model.loss_ * np.ones(1)])
    used = trained > before, calls["parallel"] > trained
    assert used == (n_threads > 1, n_threads > 1), (shape, n_threads, used)
    return got

cases = {}
for name, shape in shapes.items():
    for dtype, activation in itertools.product(("float32", "float64"), ACTIVATIONS):
        cases[f"{name} {dtype} {activation}"] = (shape, dtype, activation), {}
wide = shapes["wide"]
for dtype in ("float32", "float64"):
    for label, more in {
        "regression": {"kind": "multioutput"}, "sgd": {"solver": "sgd"},
        "lbfgs": {"solver": "lbfgs"}, "sparse": {"sparse": True},
        "weights": {"weights": True}, "early": {"early_stopping": True},
    }.items():
        cases[f"{label} {dtype}"] = (wide, dtype, "relu"), more
print(json.dumps({
    case: [run(*arguments, n, **more) for n in threads]
    for case, (arguments, more) in cases.items()
}))
"""


@functools.cache
def hashes(layer):
    """Return, for each case, the digest of a fit with each number of threads.

    Eight threads are launched whatever the number of cores, so that all counts run,
    and each fit and prediction with more than one thread is seen to use them.
    """
    args = json.dumps(SHAPES), json.dumps(THREADS)
    env = {"NUMBA_NUM_THREADS": "8", "NUMBA_THREADING_LAYER": layer}
    return run_python(HASHES, args=args, timeout=240, **env)


@pytest.mark.parametrize("layer", LAYERS)
def test_any_number_of_threads_gives_the_same_bits(layer):
    found = hashes(layer)
    assert len(found) == 2 * (len(SHAPES) * len(ACTIVATIONS) + 6)
    different = {case: got for case, got in found.items() if len(set(got)) > 1}
    assert different == {}
    # Different cases give different models, or the digests would prove nothing.
    assert len({got[0] for got in found.values()}) == len(found)


def test_every_layer_gives_the_same_bits():
    assert len(LAYERS) >= 1
    for layer in LAYERS[1:]:
        assert hashes(layer) == hashes(LAYERS[0])


def test_a_fit_repeats_itself():
    X, y = make_data("multiclass", n=333, p=20)
    models = [
        fastnn.MLPEstimator((31, 8), max_iter=4, random_state=9).fit(X, y)
        for _ in range(3)
    ]
    for model in models[1:]:
        assert_same_bits(model, models[0])
        assert model.loss_curve_ == models[0].loss_curve_
    other = fastnn.MLPEstimator((31, 8), max_iter=4, random_state=10).fit(X, y)
    assert (other.coefs_[0] != models[0].coefs_[0]).any()


SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 255, 256, 257)
KINDS = ("multiclass", "binary", "multilabel", "multioutput", "regression")


@functools.cache
def trained(kind, dtype, activation, hidden):
    X, y = make_data(kind, n=300, p=21)
    task = "regression" if kind in KINDS[3:] else "classification"
    model = fastnn.MLPEstimator(
        hidden, task=task, dtype=dtype, activation=activation, max_iter=2,
        random_state=0, batch_size=50,
    )  # fmt: skip
    return model.fit(X, y), X


def outputs_of(model):
    names = ("decision_function", "predict", "predict_proba")
    return [name for name in names if hasattr(model, name)]


@pytest.mark.parametrize("hidden", [(33,), (16, 7)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_has_the_same_bits_in_any_batch(kind, dtype, activation, hidden):
    model, X = trained(kind, dtype, activation, hidden)
    for name in outputs_of(model):
        method = getattr(model, name)
        whole = method(X)
        single = np.concatenate([method(X[i : i + 1]) for i in range(20)])
        assert_same_bits([single], [whole[:20]])
        for size in SIZES:
            for start in (0, 1, 13, 300 - size):
                rows = slice(start, min(start + size, 300))
                assert_same_bits([method(X[rows])], [whole[rows]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_has_the_same_bits_in_any_layout_and_order(dtype):
    model, X = trained("multiclass", dtype, "tanh", (33,))
    whole = model.predict_proba(X)
    order = np.random.RandomState(0).permutation(300)
    assert_same_bits([model.predict_proba(X[order])], [whole[order]])
    assert_same_bits([model.predict_proba(np.asfortranarray(X))], [whole])
    assert_same_bits([model.predict_proba(X[::-1])], [whole[::-1].copy()])
    assert_same_bits([model.predict_proba(X[::3])], [whole[::3].copy()])


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sparse_row_has_the_same_bits_in_any_batch(dtype, form):
    model, X = trained("multiclass", dtype, "relu", (33,))
    X = X.copy()
    X[np.abs(X) < 1] = 0
    X[5] = 0
    rows = sparse.csr_matrix(X)
    whole = model.predict_proba(form(rows))
    for size in SIZES:
        for start in (0, 1, 13, 300 - size):
            part = rows[start : start + size]
            got = model.predict_proba(form(part))
            assert_same_bits([got], [whole[start : start + size]])


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_the_drop_ins_are_invariant_too(kind):
    X, y = make_data(kind, n=300, p=21)
    maker = fastnn.MLPClassifier if kind == "multiclass" else fastnn.MLPRegressor
    model = maker((19,), max_iter=2, random_state=0).fit(X, y)
    whole = outputs(model, X)
    for size in SIZES:
        assert_same_bits([outputs(model, X[3:][:size])], [whole[3:][:size]])
