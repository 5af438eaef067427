"""Bad and unusual inputs: a clear error that names the cause, or the right result."""

import numpy as np
import pandas as pd
import pytest
from helpers import (
    COLUMNS,
    DENSE_FORMS,
    NAMES,
    SPARSE_FORMS,
    assert_same_bits,
    data_for,
    error_of,
    estimator_of,
    fingerprint,
    ignore_convergence,
    make_data,
    memory_map,
    outputs,
    recorded,
    snapshot,
    weights_of,
)
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

pytestmark = [
    ignore_convergence,
    # NumPy's word on a value that float32 cannot hold; an error follows it.
    pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning"),
    # The same of scikit-learn's sum of values near the largest that there is.
    pytest.mark.filterwarnings("ignore:invalid value encountered in reduce"),
]

FAST = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
ERRORS = (ValueError, TypeError)
STEPS = ("fit", "partial_fit", "predict")


def fitted(name, **params):
    X, y = data_for(name, n=40, p=4)
    return estimator_of(name, **{**FAST, **params}).fit(X, y)


def call(model, step, X, y, **kwargs):
    return (
        model.predict(X) if step == "predict" else getattr(model, step)(X, y, **kwargs)
    )


def with_value(value):
    X = np.ones((40, 4))
    X[3, 1] = value
    return X


NULLABLE = pd.DataFrame({c: pd.array([1, 2, None, 4] * 10, "Int64") for c in "abcd"})
CATEGORY = pd.DataFrame({c: pd.Categorical(list("wxyz") * 10) for c in "abcd"})

BAD_X = {
    "NaN": (with_value(np.nan), "NaN"),
    "infinity": (with_value(np.inf), "infinity"),
    "minus infinity": (with_value(-np.inf), "infinity"),
    "complex": (np.ones((40, 4), complex), "[Cc]omplex"),
    "strings": (np.full((40, 4), "a"), ""),
    "objects": (np.full((40, 4), object()), ""),
    "ragged": ([[1.0, 2.0], [3.0]] * 20, ""),
    "no rows": (np.ones((0, 4)), "0 sample"),
    "no columns": (np.ones((40, 0)), "feature"),
    "one dimension": (np.ones(40), "[Rr]eshape|2D"),
    "three dimensions": (np.ones((40, 4, 1)), "dim"),
    "scalar": (3.0, "2D|scalar"),
    "None": (None, ""),
    "sparse NaN": (sparse.csr_matrix(with_value(np.nan)), "NaN"),
    "nullable with NA": (NULLABLE, "NaN|NA|missing"),
    "categories": (CATEGORY, ""),
    "more features": (np.ones((40, 5)), "5 features.*4|4 features.*5"),
}


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("case", BAD_X)
@pytest.mark.parametrize("name", NAMES)
def test_bad_X_leaves_the_model_alone(name, case):
    X, match = BAD_X[case]
    _, y = data_for(name, n=40, p=4)
    model = fitted(name)
    before = snapshot(model)
    steps = ("partial_fit", "predict") if case == "more features" else STEPS
    for step in steps:
        with pytest.raises(ERRORS, match=match or None):
            call(model, step, X, y)
        assert snapshot(model) == before, step
    assert np.isfinite(model.predict(np.ones((2, 4)))).all()


BAD_Y = {
    "too short": (lambda y: y[:-1], "inconsistent|length"),
    "too long": (lambda y: np.r_[y, y[:1]], "inconsistent|length"),
    "three dimensions": (lambda y: np.zeros((40, 2, 2)), "dim|shape"),
    "None": (lambda y: None, "y"),
    "NaN": (lambda y: np.r_[np.nan, y[1:].astype(float)], "NaN"),
    "infinity": (lambda y: np.r_[np.inf, y[1:].astype(float)], "infinity"),
    "None among values": (lambda y: np.array([None, *y[1:]], dtype=object), ""),
}


@pytest.mark.parametrize("case", BAD_Y)
@pytest.mark.parametrize("name", NAMES)
def test_bad_y_leaves_the_model_alone(name, case):
    X, y = data_for(name, n=40, p=4)
    change, match = BAD_Y[case]
    model = fitted(name)
    before = snapshot(model)
    for step in ("fit", "partial_fit"):
        with pytest.raises(ERRORS, match=match or None):
            call(model, step, X, change(y))
        assert snapshot(model) == before, step


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
@pytest.mark.parametrize("change", ["continuous", "multioutput"])
def test_classifiers_refuse_other_targets(name, change):
    X, y = data_for(name, n=40, p=4)
    model = fitted(name)
    before = snapshot(model)
    target = X[:, 0] if change == "continuous" else np.c_[y, y]
    with pytest.raises(ERRORS):
        model.fit(X, target)
    assert snapshot(model) == before


@pytest.mark.parametrize("name", ["regressor", "estimator-reg"])
def test_regressors_refuse_text(name):
    X, _ = data_for(name, n=40, p=4)
    with pytest.raises(ERRORS):
        estimator_of(name, **FAST).fit(X, np.full(40, "a"))


def integers(name):
    """Small whole numbers, which every type of the table below holds exactly."""
    X, y = data_for(name, n=40, p=4)
    return np.clip(np.rint(X * 2), -3, 3) + 3, y


@pytest.mark.parametrize("form", DENSE_FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_dense_forms_give_the_same_model(name, form):
    X, y = integers(name)
    expected = estimator_of(name, **FAST).fit(X, y)
    given = DENSE_FORMS[form](X)
    before = fingerprint(given)
    model = estimator_of(name, **FAST).fit(given, y)
    assert_same_bits(model, expected)
    np.testing.assert_array_equal(model.predict(given), expected.predict(X))
    model.partial_fit(given, y)
    assert_same_bits(model, expected.partial_fit(X, y))
    assert fingerprint(given) == before


@pytest.mark.parametrize("name", NAMES)
def test_memory_map_and_bool(name, tmp_path):
    X, y = integers(name)
    for given, same in (
        (memory_map(X, tmp_path), X),
        (X > 2, (X > 2).astype(float)),
    ):
        model = estimator_of(name, **FAST).fit(given, y)
        assert_same_bits(model, estimator_of(name, **FAST).fit(same, y))


@pytest.mark.parametrize("form", SPARSE_FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_sparse_forms_give_the_same_model(name, form):
    """Sums skip the zeros, so the bits may differ: 1e-5 is float32's rounding."""
    X, y = integers(name)
    expected = estimator_of(name, **FAST).fit(X, y)
    given = SPARSE_FORMS[form](X)
    before = fingerprint(given)
    model = estimator_of(name, **FAST).fit(given, y)
    for a, b in zip(weights_of(model), weights_of(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    got, want = outputs(model, given), outputs(model, X)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert fingerprint(given) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "case", ["one row", "one feature", "constant column", "equal rows", "wide"]
)
def test_small_and_poor_data(name, case):
    shape = {"one row": (1, 4), "one feature": (40, 1), "wide": (5, 60)}
    n, p = shape.get(case, (40, 4))
    X, y = data_for(name, n=n, p=p)
    if case == "constant column":
        X[:, 1] = 3
    if case == "equal rows":
        X[:] = X[0]
    model = estimator_of(name, **FAST).fit(X, y)
    assert all(np.isfinite(w).all() for w in weights_of(model))
    assert model.predict(X).shape == (n,)


@pytest.mark.parametrize("scale", [1e-310, 1e-40, 1e20, 1e150, 1e308])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_sizes(name, scale):
    """A finite model, or an error: never a NaN in silence."""
    X, y = data_for(name, n=40, p=4)
    X = np.clip(X, -1, 1) * scale
    model = estimator_of(name, **FAST)
    error = error_of(model.fit, X, y)
    if error is None:
        assert all(np.isfinite(w).all() for w in weights_of(model))
        assert np.isfinite(model.loss_)
    else:
        assert scale > 1
        assert any(w in str(error) for w in ("non-finite", "infinity", "too large"))


@pytest.mark.parametrize("name", NAMES)
def test_large_integers_are_cast_without_a_warning(name):
    X = np.full((40, 4), 2**63 + 2**20, np.uint64)
    model = fitted(name)
    _, caught = recorded(model.predict, X)
    assert caught == []
    assert_same_bits([model.predict(X)], [model.predict(X.astype(np.float64))])


@pytest.mark.parametrize("name", NAMES)
def test_feature_names(name):
    X, y = data_for(name, n=40, p=4)
    frame = pd.DataFrame(X, columns=COLUMNS)
    model = estimator_of(name, **FAST).fit(frame, y)
    assert list(model.feature_names_in_) == COLUMNS
    assert model.n_features_in_ == 4
    for wrong in (frame[COLUMNS[::-1]], frame.rename(columns={"a": "z"})):
        with pytest.raises(ValueError, match="feature names"):
            model.predict(wrong)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_early_stopping_on_frames_warns_of_nothing(name, early_stopping):
    X, y = data_for(name, n=60, p=4)
    model = estimator_of(name, **FAST, early_stopping=early_stopping, verbose=False)
    with_frame = model.fit(pd.DataFrame(X, columns=COLUMNS), y)
    assert with_frame.n_iter_ >= 1


LABELS = {
    "str": np.array(["ant", "bee", "cow", "dog"]),
    "object": np.array(["ant", "bee", "cow", "dog"], dtype=object),
    "negative": np.array([-9, -2, 5, 70]),
    "float": np.array([0.0, 1.0, 2.0, 3.0]),
    "bytes-sized": np.array([0, 100, 200, 255], np.uint8),
    "bool": np.array([False, True, True, False]),
    "pandas category": pd.Categorical(["ant", "bee", "cow", "dog"]),
}


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_labels_come_back(name, kind, early_stopping):
    X, codes = make_data("multiclass", n=80, p=4)
    y = LABELS[kind][codes]
    model = estimator_of(name, **FAST, early_stopping=early_stopping).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(np.asarray(y)))
    assert set(model.predict(X)) <= set(np.asarray(y))
    assert model.predict_proba(X).shape == (80, len(model.classes_))
    assert 0 <= model.score(X, y) <= 1


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_one_class(name):
    """Refused, or learnt: the one label is the only answer, with finite numbers."""
    X, y = np.ones((20, 3)), np.full(20, "only")
    model = estimator_of(name, **FAST)
    error = error_of(model.fit, X, y)
    if error is None:
        assert set(model.predict(X)) == {"only"}
        assert np.isfinite(model.predict_proba(X)).all()
    else:
        assert "class" in str(error)


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_many_classes_of_one_row(name):
    X = np.random.RandomState(0).standard_normal((2000, 3))
    model = estimator_of(name, **{**FAST, "max_iter": 1}).fit(X, np.arange(2000))
    proba = model.predict_proba(X[:5])
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_multilabel_probabilities_are_not_normalised(name):
    X, y = make_data("multilabel", n=60, p=4)
    model = estimator_of(name, **FAST).fit(X, y)
    proba = model.predict_proba(X)
    assert ((proba >= 0) & (proba <= 1)).all()
    assert not np.allclose(proba.sum(axis=1), 1, atol=1e-3)
    np.testing.assert_array_equal(model.predict(X), (proba > 0.5).astype(int))


@pytest.mark.parametrize("name", NAMES)
def test_column_vector(name):
    X, y = data_for(name, n=40, p=4)
    model = estimator_of(name, **FAST)
    with pytest.warns(DataConversionWarning):
        model.fit(X, y.reshape(-1, 1))
    assert_same_bits(model, estimator_of(name, **FAST).fit(X, y))


def weights_case(case, n):
    weight = np.ones(n)
    if case == "NaN":
        weight[3] = np.nan
    elif case == "infinity":
        weight[3] = np.inf
    elif case == "negative":
        weight[3] = -1
    elif case == "too short":
        weight = weight[:-1]
    elif case == "two columns":
        weight = np.ones((n, 2))
    elif case == "text":
        weight = np.full(n, "a")
    elif case == "all zero":
        weight[:] = 0
    return weight


@pytest.mark.parametrize(
    "case",
    ["NaN", "infinity", "negative", "too short", "two columns", "text", "all zero"],
)
@pytest.mark.parametrize("name", NAMES)
def test_bad_sample_weight(name, case):
    X, y = data_for(name, n=40, p=4)
    model = fitted(name)
    before = snapshot(model)
    for step in ("fit", "partial_fit"):
        with pytest.raises(ERRORS, match=r"[Ss]ample.?weight|could not convert"):
            call(model, step, X, y, sample_weight=weights_case(case, 40))
        assert snapshot(model) == before


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_zero_weight_is_harmless(name, solver):
    """Eight rows of weight 0 in file order make whole batches without weight."""
    X, y = data_for(name, n=40, p=4)
    weight = np.r_[np.zeros(16), np.ones(24)]
    params = {**FAST, "solver": solver, "batch_size": 8, "shuffle": False}
    model = estimator_of(name, **params).fit(X, y, sample_weight=weight)
    assert all(np.isfinite(w).all() for w in weights_of(model))
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize("name", NAMES)
def test_equal_weights_are_no_weights(name):
    """Multiplying by one is exact, and so is the sum of forty ones."""
    X, y = data_for(name, n=40, p=4)
    plain = estimator_of(name, **FAST).fit(X, y)
    for weight in (np.ones(40), [1] * 40, np.ones(40, int), 1.0):
        model = estimator_of(name, **FAST).fit(X, y, sample_weight=weight)
        for a, b in zip(weights_of(model), weights_of(plain), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["estimator-clf", "estimator-reg"])
def test_whole_weights_are_repeated_rows(name):
    """In one batch the loss and the steps are those of the repeated rows."""
    X, y = data_for(name, n=40, p=4)
    times = np.random.RandomState(0).randint(0, 4, 40)
    params = {**FAST, "dtype": "float64", "max_iter": 10}
    left = estimator_of(name, **params).fit(X, y, sample_weight=times)
    right = estimator_of(name, **params).fit(X.repeat(times, 0), y.repeat(times))
    np.testing.assert_allclose(left.loss_curve_, right.loss_curve_, rtol=1e-9)
    for a, b in zip(weights_of(left), weights_of(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)
