"""Bad X, names and targets in all that reads a fitted model; targets with gaps."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import (
    COLUMNS,
    NAMES,
    data_for,
    estimator_of,
    ignore_convergence,
    is_classifier_name,
    make_data,
    partial_fit_args,
    recorded,
    snapshot,
)
from scipy import sparse

pytestmark = [
    ignore_convergence,
    # NumPy's word on a value that float32 cannot hold; an error follows it.
    pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning"),
    # The same of scikit-learn's look at labels that are NaN.
    pytest.mark.filterwarnings("ignore:invalid value encountered in cast"),
]

FAST = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
READERS = ("predict", "score", "transform")
PROBABILITIES = ("predict_proba", "predict_log_proba", "decision_function")
ERRORS = (ValueError, TypeError)


def readers_of(name):
    """Return the methods that read a model of that name."""
    return READERS + (PROBABILITIES if is_classifier_name(name) else ())


def fitted(name, **params):
    X, y = data_for(name, n=40, p=4)
    return estimator_of(name, **{**FAST, **params}).fit(X, y)


def read(model, method, X, y):
    call = getattr(model, method)
    return call(X, y) if method == "score" else call(X)


def with_value(value):
    X = np.ones((40, 4))
    X[3, 1] = value
    return X


HOLES = with_value(np.nan)
BAD_X = {
    "NaN": (HOLES, "Input X contains NaN"),
    "infinity": (with_value(np.inf), "Input X contains infinity"),
    "minus infinity": (with_value(-np.inf), "Input X contains infinity"),
    "complex": (np.ones((40, 4), complex), "Complex data not supported"),
    "strings": (np.full((40, 4), "a"), "could not convert string to float"),
    "objects": (np.full((40, 4), object()), "float"),
    "None among numbers": (with_value(1).astype(object), "NaN"),
    "ragged": ([[1.0, 2.0], [3.0]] * 20, "inhomogeneous"),
    "no rows": (np.ones((0, 4)), "0 sample"),
    "no columns": (np.ones((40, 0)), "feature"),
    "one dimension": (np.ones(40), "Reshape your data"),
    "three dimensions": (np.ones((40, 4, 1)), "dim 3"),
    "scalar": (3.0, "2D array"),
    "nothing": (None, "."),
    "sparse NaN": (sparse.csr_matrix(HOLES), "NaN"),
    "sparse, no rows": (sparse.csr_matrix((0, 4)), "0 sample"),
    "nullable with NA": (
        pd.DataFrame({c: pd.array([1, 2, None, 4] * 10, "Int64") for c in "abcd"}),
        "NaN",
    ),
    "arrow with null": (
        pd.DataFrame({c: [1.0, None] * 20 for c in "abcd"}, dtype="double[pyarrow]"),
        "NaN",
    ),
    "polars with null": (pl.DataFrame({c: [1.0, None] * 20 for c in "abcd"}), "NaN"),
    "polars text": (
        pl.DataFrame({c: ["x", "y"] * 20 for c in "abcd"}),
        "could not convert string to float",
    ),
    "pandas text": (
        pd.DataFrame({c: ["x", "y"] * 20 for c in "abcd"}, dtype="string"),
        "could not convert string to float",
    ),
    "categories": (
        pd.DataFrame({c: pd.Categorical(list("wxyz") * 10) for c in "abcd"}),
        "could not convert string to float",
    ),
    "more features": (np.ones((40, 5)), "5 features.*4 features"),
    "fewer features": (sparse.csr_matrix(np.ones((40, 3))), "3 features.*4 features"),
}
BAD_X["None among numbers"][0][3, 1] = None
OF_ANOTHER_WIDTH = ("more features", "fewer features")


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("case", BAD_X)
@pytest.mark.parametrize("name", NAMES)
def test_bad_X_is_refused_by_every_method(name, case):
    """By those that read a model and those that train it, which leave it alone."""
    X, match = BAD_X[case]
    _, y = data_for(name, n=40, p=4)
    model = fitted(name)
    before = snapshot(model)
    for method in readers_of(name):
        with pytest.raises(ERRORS, match=match):
            read(model, method, X, y)
    for method in ("partial_fit", "fit"):
        if method == "fit" and case in OF_ANOTHER_WIDTH:
            continue
        with pytest.raises(ERRORS, match=match):
            getattr(model, method)(X, y)
    assert snapshot(model) == before
    assert np.isfinite(model.predict(np.ones((2, 4)))).all()


@pytest.mark.parametrize("name", NAMES)
def test_other_columns_are_refused_by_every_method(name):
    """Also by what goes on training a model."""
    X, y = data_for(name, n=40, p=4)
    frame = pd.DataFrame(X, columns=COLUMNS)
    model = estimator_of(name, **FAST, warm_start=True).fit(frame, y)
    before = snapshot(model)
    for wrong in (frame[COLUMNS[::-1]], frame.rename(columns={"a": "z"})):
        for method in readers_of(name):
            with pytest.raises(ValueError, match="feature names"):
                read(model, method, wrong, y)
        for method in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match="feature names"):
                method(wrong, y)
        assert snapshot(model) == before
    polars = pl.DataFrame(X, schema=COLUMNS)
    for method in readers_of(name):
        np.testing.assert_array_equal(
            read(model, method, polars, y), read(model, method, frame, y)
        )


@pytest.mark.parametrize("name", NAMES)
def test_nothing_can_be_read_before_a_fit(name):
    X, y = data_for(name, n=40, p=4)
    for method in readers_of(name):
        with pytest.raises(ValueError, match="not fitted yet"):
            read(estimator_of(name, **FAST), method, X, y)


GAPS = {
    "None": lambda y: np.array([None, *y[1:]], dtype=object),
    "None among words": lambda y: np.array([None, *map(str, y[1:])], dtype=object),
    "NaN": lambda y: np.array([np.nan, *map(float, y[1:])]),
    "NaN among words": lambda y: np.array([np.nan, *map(str, y[1:])], dtype=object),
    "Int64 with NA": lambda y: pd.Series(pd.array([None, *y[1:].tolist()], "Float64")),
    "category": lambda y: pd.Series(pd.Categorical([None, *y[1:].tolist()])),
    "polars": lambda y: pl.Series([None, *y[1:].tolist()]),
    "polars words": lambda y: pl.Series([None, *map(str, y[1:])]),
}


@pytest.mark.parametrize("case", GAPS)
@pytest.mark.parametrize("name", NAMES)
def test_targets_with_gaps(name, case):
    """The message says so, whichever form the gap has; the model is left alone."""
    X, y = data_for(name, n=40, p=4)
    model = fitted(name)
    before = snapshot(model)
    for train in (model.fit, model.partial_fit, estimator_of(name, **FAST).fit):
        with pytest.raises(ValueError, match=r"Input.*(NaN|None)"):
            train(X, GAPS[case](y))
    first = estimator_of(name, **FAST)
    with pytest.raises(ValueError, match=r"Input.*(NaN|None)"):
        first.partial_fit(X, GAPS[case](y), **partial_fit_args(name, y))
    assert not hasattr(first, "coefs_")
    assert snapshot(model) == before


def test_labels_of_several_kinds():
    X, _ = make_data("multiclass", n=40, p=4)
    for name in ("classifier", "estimator-clf"):
        with pytest.raises(ValueError, match="Input y"):
            estimator_of(name, **FAST).fit(X, np.array([1, "a"] * 20, dtype=object))


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_bad_targets(name):
    X, y = data_for(name, n=40, p=4)
    model = fitted(name)
    before = snapshot(model)
    for wrong in (y[:-1], np.r_[y, y[:1]], None, np.full(40, np.nan)):
        with pytest.raises(ERRORS):
            model.score(X, wrong)
    for weight in (np.ones(39), np.full(40, np.nan), np.full(40, "a")):
        with pytest.raises(ERRORS):
            model.score(X, y, sample_weight=weight)
    assert snapshot(model) == before


def test_a_label_that_is_not_a_number_gets_no_class():
    """The first class would be the answer: there is none."""
    for name in ("classifier", "estimator-clf"):
        X, y = data_for(name, n=40, p=4)
        for labels in (y, (y > 1).astype(int), np.c_[y > 1, y > 2].astype(int)):
            model = estimator_of(name, **FAST).fit(X, labels)
            expected = model.predict(X)
            kept = model.coefs_[-1].copy()
            model.coefs_[-1][:] = np.nan
            with pytest.raises(ValueError, match="not a number"):
                model.predict(X)
            with pytest.raises(ValueError, match="not a number"):
                model.score(X, labels)
            assert np.isnan(model.decision_function(X)).any()
            model.coefs_[-1][:] = kept
            _, caught = recorded(model.predict, X)
            assert caught == []
            np.testing.assert_array_equal(model.predict(X), expected)
