"""Any form of X, y and weights gives the same model, in every method, untouched."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import (
    DENSE_FORMS,
    NAMES,
    SPARSE_FORMS,
    assert_same_bits,
    data_for,
    estimator_of,
    fingerprint,
    ignore_convergence,
    is_classifier_name,
    memory_map,
    outputs,
    partial_fit_args,
    read_only,
    recorded,
    unaligned,
    weights_of,
)
from scipy import sparse

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}


def integers(name):
    """Small whole numbers, which every type holds exactly."""
    X, y = data_for(name, n=40, p=4)
    return np.clip(np.rint(X * 2), -3, 3) + 3, y


def all_of(model, X, y):
    """Return what every method that reads a model returns."""
    methods = ["predict", "transform"]
    if hasattr(model, "decision_function"):
        methods += ["predict_proba", "predict_log_proba", "decision_function"]
    read = [getattr(model, method)(X) for method in methods]
    return [*read, np.array(model.score(X, y))]


FORMS = {
    **DENSE_FORMS,
    "uint16": lambda X: X.astype(np.uint16),
    "float32": lambda X: X.astype(np.float32),
    "matrix of one column more, cut": lambda X: np.c_[X, X[:, :1]][:, :-1],
    "turned around": lambda X: np.ascontiguousarray(X.T).T,
    "little and big": lambda X: X.astype(">i4"),
    "one row many times": lambda X: np.broadcast_to(X[:1], X.shape),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_every_method_reads_every_form(name, form):
    X, y = integers(name)
    given = FORMS[form](X)
    same = np.array(given, dtype=np.float64)
    assert same.shape == X.shape
    before = fingerprint(given)
    # Follow X's type: of two models of one type, which is that of the form.
    dtype = "float32" if form == "float32" else "float64"
    expected = estimator_of(name, **FAST, dtype=dtype).fit(same, y)
    model = estimator_of(name, **FAST, dtype=dtype).fit(given, y)
    assert_same_bits(all_of(model, given, y), all_of(expected, same, y))
    first = estimator_of(name, **FAST, dtype=dtype)
    first.partial_fit(given, y, **partial_fit_args(name, y))
    other = estimator_of(name, **FAST, dtype=dtype)
    other.partial_fit(same, y, **partial_fit_args(name, y))
    assert_same_bits(first, other)
    assert fingerprint(given) == before


def test_types_that_an_automatic_dtype_computes_in():
    """As the documents have it: float32 for float32, float64 for all others."""
    for name in ("classifier", "regressor"):
        X, y = integers(name)
        for kind in ("f2", "f4", "f8", "g", "i1", "i8", "u8", "?"):
            model = estimator_of(name, **FAST).fit(X.astype(kind), y)
            expected = np.float32 if kind == "f4" else np.float64
            assert {w.dtype for w in weights_of(model)} == {np.dtype(expected)}


@pytest.mark.parametrize("name", NAMES)
def test_every_method_reads_a_file(name, tmp_path):
    X, y = integers(name)
    given = memory_map(X, tmp_path)
    raw = (tmp_path / "X.npy").read_bytes()
    model = estimator_of(name, **FAST).fit(given, y).partial_fit(given, y)
    expected = estimator_of(name, **FAST).fit(X, y).partial_fit(X, y)
    assert_same_bits(all_of(model, given, y), all_of(expected, X, y))
    assert (tmp_path / "X.npy").read_bytes() == raw


SPARSE = {
    **SPARSE_FORMS,
    "bsr": sparse.bsr_matrix,
    "dok": sparse.dok_matrix,
    "lil": sparse.lil_matrix,
    "dia": sparse.dia_matrix,
    "whole numbers": lambda X: sparse.csr_matrix(X.astype(np.int64)),
    "stored zeros": lambda X: with_zeros(sparse.csr_matrix(X)),
    "twice": lambda X: twice(sparse.coo_matrix(X)),
}


def with_zeros(X):
    """Return the same matrix with zeros among what is stored."""
    X = X.copy()
    X.data[::3] = 0
    return X


def twice(X):
    """Return the same matrix, each number as the sum of two halves."""
    rows, columns = np.r_[X.row, X.row], np.r_[X.col, X.col]
    return sparse.coo_matrix((np.r_[X.data, X.data] / 2, (rows, columns)), X.shape)


@pytest.mark.parametrize("form", SPARSE)
@pytest.mark.parametrize("name", NAMES)
def test_every_method_reads_sparse_rows(name, form):
    """Sums skip zeros, so the bits of dense rows may differ: by rounding."""
    X, y = integers(name)
    given = SPARSE[form](X)
    same = given.toarray().astype(float)
    assert estimator_of(name).__sklearn_tags__().input_tags.sparse
    expected = estimator_of(name, **FAST, dtype="float64").fit(same, y)
    model = estimator_of(name, **FAST, dtype="float64").fit(given, y)
    pairs = zip(all_of(model, given, y), all_of(expected, same, y), strict=True)
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)
    model.partial_fit(given, y)
    expected.partial_fit(same, y)
    np.testing.assert_allclose(
        outputs(model, given), outputs(expected, same), rtol=1e-9, atol=1e-11
    )


TARGETS = {
    "list": list,
    "read-only": read_only,
    "strided": lambda y: np.repeat(y, 3)[::3],
    "reversed": lambda y: y[::-1].copy()[::-1],
    "big-endian": lambda y: y.astype(y.dtype.newbyteorder(">")),
    "objects": lambda y: y.astype(object),
    "pandas": pd.Series,
    "pandas, other index": lambda y: pd.Series(y, index=np.arange(len(y))[::-1]),
    "pandas nullable": lambda y: pd.Series(y).convert_dtypes(),
    "arrow": lambda y: pd.Series(y).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.Series,
}


@pytest.mark.parametrize("form", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_forms_of_targets_and_weights(name, form):
    if form == "objects" and is_classifier_name(name):
        pytest.skip("scikit-learn knows no labels that are numbers as objects")
    X, y = data_for(name, n=40, p=4)
    weight = np.linspace(0.5, 2, 40)
    given, heavy = TARGETS[form](y), TARGETS[form](weight)
    model = estimator_of(name, **FAST).fit(X, given, heavy)
    expected = estimator_of(name, **FAST).fit(X, y, weight)
    assert_same_bits(model, expected)
    model.partial_fit(X, given, heavy)
    assert_same_bits(model, expected.partial_fit(X, y, weight))
    # scikit-learn's metrics compute in the type that they are given.
    assert model.score(X, given) == pytest.approx(expected.score(X, y), rel=1e-6)
    np.testing.assert_array_equal(np.asarray(given, dtype=float), y)
    np.testing.assert_array_equal(np.asarray(heavy, dtype=float), weight)


@pytest.mark.parametrize("name", NAMES)
def test_long_double_and_unaligned_targets(name):
    X, y = data_for(name, n=40, p=4)
    expected = estimator_of(name, **FAST).fit(X, y)
    forms = [unaligned(y.astype(float).reshape(-1, 1)).ravel()]
    if not is_classifier_name(name):
        forms.append(y.astype(np.longdouble))
    for given in forms:
        assert_same_bits(estimator_of(name, **FAST).fit(X, given), expected)


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_that_float64_rounds(name):
    """Beyond 2^53 neighbours become one number, without a warning, in every method."""
    X, y = integers(name)
    large = (X.astype(np.int64) + 1 << 54) + 1
    same = large.astype(np.float64)
    assert (same == (large - 1).astype(np.float64)).all()  # the 1 is lost
    model = estimator_of(name, **FAST, dtype="float64").fit(X, y)
    for given in (large, large.astype(np.uint64), large.astype(">u8")):
        found, caught = recorded(all_of, model, given, y)
        assert caught == []
        assert_same_bits(found, all_of(model, same, y))
        fresh = estimator_of(name, **FAST, dtype="float64", tol=1e9)
        other = estimator_of(name, **FAST, dtype="float64", tol=1e9)
        assert_same_bits(fresh.fit(given, y), other.fit(same, y))
