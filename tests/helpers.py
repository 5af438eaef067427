"""Data, comparisons and subprocess runs shared by the test modules."""

import importlib
import inspect
import json
import os
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import neural_network as sk
from sklearn.base import is_classifier

import fastnn
from fastnn import threads

# scikit-learn 1.7 added sample weights to its networks, and the Poisson loss.
SK_HAS_WEIGHTS = "sample_weight" in inspect.signature(sk.MLPClassifier.fit).parameters
SK_HAS_POISSON = "loss" in inspect.signature(sk.MLPRegressor).parameters

needs_weights = pytest.mark.skipif(
    not SK_HAS_WEIGHTS, reason="this scikit-learn has no sample_weight to compare with"
)
needs_poisson = pytest.mark.skipif(
    not SK_HAS_POISSON, reason="this scikit-learn has no Poisson loss to compare with"
)
ignore_convergence = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
CLASSIFICATION = ("multiclass", "binary", "multilabel")
REGRESSION = ("regression", "multioutput")
KINDS = (
    *CLASSIFICATION,
    *REGRESSION,
    pytest.param("poisson", marks=needs_poisson),
)


def make_data(kind, n=97, p=7, seed=0, dtype=np.float64):
    """Small standardised data with a signal that a network can learn."""
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, p))
    scores = np.tanh(X @ rng.standard_normal((p, 4))) + 0.4 * rng.standard_normal(
        (n, 4)
    )
    if kind == "multiclass":
        y = scores.argmax(axis=1)
    elif kind == "binary":
        y = (scores[:, 0] > 0).astype(int)
    elif kind == "multilabel":
        y = (scores[:, :3] > 0).astype(int)
    elif kind == "regression":
        y = scores[:, 0]
    elif kind == "multioutput":
        y = scores[:, :3]
    elif kind == "poisson":
        y = rng.poisson(np.exp(scores[:, 0])).astype(float)
    else:
        raise ValueError(kind)
    return X.astype(dtype), y


def kind_params(kind):
    """Return the constructor parameters that a kind of target needs."""
    return {"loss": "poisson"} if kind == "poisson" else {}


def pair(kind, **params):
    """Return our drop-in and scikit-learn's network with the same parameters."""
    name = "MLPClassifier" if kind in CLASSIFICATION else "MLPRegressor"
    params = {**kind_params(kind), **params}
    return getattr(fastnn, name)(**params), getattr(sk, name)(**params)


def recorded(call, *args, **kwargs):
    """Run a call and return its result and the (category, text) of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call(*args, **kwargs)
    return result, [(w.category, str(w.message)) for w in caught]


# Both libraries run the same float64 operations in another order of summation, so they
# differ by rounding only: about 1e-15 for each step, which a dozen epochs of a few
# updates raise to 1e-12 or so. Adam divides by a gradient's size, which raises it
# further. The bounds leave two or three digits.
LOSS_RTOL = 1e-10
WEIGHT_TOL = {"rtol": 1e-9, "atol": 1e-11}
# L-BFGS builds its steps from differences of gradients, which lose digits.
LBFGS_TOL = {"rtol": 1e-5, "atol": 1e-7}
# float32 has 7 digits and the sums of a layer lose one or two of them.
FLOAT32_TOL = {"rtol": 2e-3, "atol": 2e-4}

SMALL = {"hidden_layer_sizes": (11, 5), "batch_size": 16, "alpha": 0.01}


def tolerance(model):
    if model.coefs_[0].dtype == np.float32:
        return FLOAT32_TOL
    return LBFGS_TOL if model.solver == "lbfgs" else WEIGHT_TOL


def assert_same_curves(ours, theirs):
    rtol = tolerance(ours)["rtol"]
    rtol = LOSS_RTOL if rtol == WEIGHT_TOL["rtol"] else rtol
    for name in ("loss_", "best_loss_", "best_validation_score_"):
        assert hasattr(ours, name) == hasattr(theirs, name), name
        got, want = getattr(ours, name, None), getattr(theirs, name, None)
        assert (got is None) == (want is None), name
        if want is not None:
            np.testing.assert_allclose(got, want, rtol=rtol, err_msg=name)
    for name in ("loss_curve_", "validation_scores_"):
        got, want = getattr(ours, name, None), getattr(theirs, name, None)
        assert type(got) is type(want), name
        if want is not None:
            np.testing.assert_allclose(got, want, rtol=rtol, err_msg=name)


def assert_same_model(ours, theirs, X, y=None):
    def public(model):
        return {k for k in vars(model) if k.endswith("_") and not k.startswith("_")}

    # What scikit-learn has not: a record of all curves, with every solver but L-BFGS.
    assert public(ours) - {"history_"} == public(theirs)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert_same_curves(ours, theirs)
    tol = tolerance(ours)
    for name in ("coefs_", "intercepts_"):
        got, want = getattr(ours, name), getattr(theirs, name)
        assert [(w.shape, w.dtype) for w in got] == [(w.shape, w.dtype) for w in want]
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, **tol, err_msg=name)
    methods = ["predict"]
    if is_classifier(theirs):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        assert ours._label_binarizer.y_type_ == theirs._label_binarizer.y_type_
        methods += ["predict_proba", "predict_log_proba"]
    for name in methods:
        # A probability of exactly 0 has no logarithm; both must give -inf for it.
        with np.errstate(divide="ignore"):
            got, want = getattr(ours, name)(X), getattr(theirs, name)(X)
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got, want, **tol, err_msg=name)
        else:
            np.testing.assert_array_equal(got, want)
    if y is not None:
        np.testing.assert_allclose(ours.score(X, y), theirs.score(X, y), **tol)


def fit_both(kind, X=None, y=None, sample_weight=None, **params):
    """Fit both networks, compare them and their warnings, and return ours."""
    params = {**SMALL, "random_state": 3, "max_iter": 8, **params}
    X0, y0 = make_data(kind)
    X, y = (X0 if X is None else X), (y0 if y is None else y)
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    ours, theirs = pair(kind, **params)
    _, got = recorded(ours.fit, X, y, **weight)
    _, want = recorded(theirs.fit, X, y, **weight)
    assert got == want, (got, want)
    assert_same_model(ours, theirs, X, y)
    return ours


def estimator_of(name, **params):
    """Make an estimator from its short name, as used in parametrised tests."""
    makers = {
        "classifier": lambda p: fastnn.MLPClassifier(**p),
        "regressor": lambda p: fastnn.MLPRegressor(**p),
        "estimator-clf": lambda p: fastnn.MLPEstimator(task="classification", **p),
        "estimator-reg": lambda p: fastnn.MLPEstimator(task="regression", **p),
    }
    return makers[name](params)


NAMES = ("classifier", "regressor", "estimator-clf", "estimator-reg")


def is_classifier_name(name):
    """Tell whether a short name stands for a classifier."""
    return name in ("classifier", "estimator-clf")


def data_for(name, **kwargs):
    """Return data that suit an estimator's short name."""
    return make_data(
        "multiclass" if is_classifier_name(name) else "regression", **kwargs
    )


def partial_fit_args(name, y):
    """Return the extra arguments of a first `partial_fit`."""
    return {"classes": np.unique(y)} if is_classifier_name(name) else {}


def unaligned(X):
    raw = np.zeros(X.nbytes + 1, np.uint8)
    view = raw[1:].view(np.float64).reshape(X.shape)
    view[:] = X
    return view


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def memory_map(X, folder):
    path = folder / "X.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


COLUMNS = ["a", "b", "c", "d"]
DENSE_FORMS = {
    "Fortran order": np.asfortranarray,
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "read-only": read_only,
    "unaligned": unaligned,
    "big-endian": lambda X: X.astype(">f8"),
    "float16": lambda X: X.astype(np.float16),
    "long double": lambda X: X.astype(np.longdouble),
    "objects": lambda X: X.astype(object),
    "list": lambda X: X.tolist(),
    "pandas": lambda X: pd.DataFrame(X, columns=COLUMNS),
    "pandas Int64": lambda X: pd.DataFrame(X, columns=COLUMNS).astype("Int64"),
    "pandas Float64": lambda X: pd.DataFrame(X, columns=COLUMNS).astype("Float64"),
    "pandas arrow": lambda X: pd.DataFrame(X, columns=COLUMNS).astype(
        "double[pyarrow]"
    ),
    "polars": lambda X: pl.DataFrame(X, schema=COLUMNS),
    **{
        kind: lambda X, kind=kind: X.astype(kind)
        for kind in ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")
    },
}
SPARSE_FORMS = {
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_matrix,
    "csr array": sparse.csr_array,
    "long indices": lambda X: wide(sparse.csr_matrix(X)),
    "unsorted": lambda X: unsorted(sparse.csr_matrix(X)),
}


def wide(X):
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def unsorted(X):
    for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[a:b] = X.indices[a:b][::-1].copy()
        X.data[a:b] = X.data[a:b][::-1].copy()
    X.has_sorted_indices = False
    return X


def fingerprint(X):
    """Return the values of an input, to see that a call left them alone."""
    if sparse.issparse(X):
        X = X.copy() if X.format != "coo" else X.tocsr()
        return X.data.tobytes(), X.indices.tobytes(), X.indptr.tobytes()
    return np.array(X, dtype=np.float64).tobytes()


def outputs(model, X):
    """Return the raw outputs of a classifier, or the predictions of a regressor."""
    method = getattr(model, "decision_function", None) or model.predict
    return method(X)


def snapshot(model):
    """Return everything about a model that a failed call must leave alone."""
    arrays = [*model.coefs_, *model.intercepts_]
    return (
        [(a.dtype.str, a.shape, a.tobytes()) for a in arrays],
        list(getattr(model, "loss_curve_", [])),
        model.n_iter_,
        model.loss_,
    )


def weights_of(model):
    """Return copies of all weights and biases."""
    return [np.array(w) for w in [*model.coefs_, *model.intercepts_]]


def assert_same_bits(left, right):
    """Assert that two models, or two lists of arrays, are equal bit for bit."""
    if not isinstance(left, list):
        left, right = weights_of(left), weights_of(right)
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


def threading_layers():
    """Return the Numba threading layers that can be loaded here."""
    found = []
    for layer in ("omp", "workqueue", "tbb"):
        try:
            importlib.import_module(
                f"numba.np.ufunc.{layer}pool".replace("queuepool", "queue")
            )
        except ImportError:
            # pip puts TBB where only fastnn looks, and only if it is asked for.
            if layer != "tbb" or not os.path.exists(f"{sys.prefix}/lib/libtbb.so.12"):
                continue
        found.append(layer)
    return found


def force_threads():
    """Use threads for the smallest work; return a count of kernels run either way.

    The library starts threads only where they are measured to pay, which small data
    on busy cores never do. The tests of threads would then test nothing.
    """
    original = threads.run_parallel
    calls = {"parallel": 0, "serial": 0}

    def counted(*arguments):
        ran = original(*arguments)
        calls["parallel" if ran else "serial"] += 1
        return ran

    assert callable(threads.Twins._choose)
    assert threads.FLOPS_PER_THREAD > 1
    threads.run_parallel = counted
    threads.FLOPS_PER_THREAD = 1.0
    threads.Twins._choose = lambda self, now: (True, 1 << 60)
    return calls


def run_python(*parts, args=(), timeout=120, **env):
    """Run code in a new interpreter, kill it when it hangs, and return its output.

    The parts of the code are joined after removing the indentation of each. They may
    `import helpers`, and what lies beside the test; the last printed line is read as
    JSON.
    """
    code = "\n".join(textwrap.dedent(part) for part in parts)
    here = os.path.dirname(os.path.abspath(__file__))
    beside = [folder for folder in sys.path if folder.startswith(here + os.sep)]
    more = filter(None, [os.environ.get("PYTHONPATH")])
    path = os.pathsep.join([here, *beside, *more])
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, (
        f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def error_of(call, *args, **kwargs):
    """Return the ValueError or TypeError of a call, or None where it succeeds."""
    try:
        call(*args, **kwargs)
    except (ValueError, TypeError) as error:
        return error
    return None
