"""Values, sizes and numbers of classes at the limits of what can be computed."""

import time
import tracemalloc

import numpy as np
import pytest
from helpers import (
    NAMES,
    assert_same_bits,
    data_for,
    error_of,
    estimator_of,
    ignore_convergence,
    is_classifier_name,
    outputs,
    partial_fit_args,
    snapshot,
    weights_of,
)
from sklearn.utils._param_validation import InvalidParameterError

pytestmark = [
    ignore_convergence,
    pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning"),
    # scikit-learn's sum of values near the largest that there is, and its score.
    pytest.mark.filterwarnings("ignore:invalid value encountered in reduce"),
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
]

FAST = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
SCALES = (1e-310, 1e-40, 1e20, 1e150, 1e308)


@pytest.mark.parametrize("step", ["partial_fit", "predict", "predict_proba", "score"])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", NAMES)
def test_extreme_values_in_every_method(name, scale, step):
    """Finite numbers or an error that says why; a label is never made of a NaN."""
    X, y = data_for(name, n=40, p=4)
    wide = {**FAST, "hidden_layer_sizes": (50, 50)}  # sums of many overflow
    model = estimator_of(name, **wide).fit(X, y)
    if not hasattr(model, step):
        assert not is_classifier_name(name)
        return
    before = snapshot(model)
    arguments = (y,) if step in ("partial_fit", "score") else ()
    extreme = np.clip(X, -1, 1) * scale
    error = error_of(getattr(model, step), extreme, *arguments)
    if error is not None:
        assert scale > 1
        words = ("non-finite", "infinity", "too large", "not a number", "NaN")
        assert any(word in str(error) for word in words), error
        assert snapshot(model) == before
    elif step == "partial_fit":
        assert all(np.isfinite(w).all() for w in weights_of(model))
    elif step == "predict" and is_classifier_name(name):
        assert not np.isnan(outputs(model, extreme)).any()


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_denormal_numbers_are_numbers_and_not_slow(name):
    """They give what their scale says, in a time like that of any others."""
    X, y = data_for(name, n=400, p=30)
    seconds = {}
    for scale in (1.0, 1e-310):
        model = estimator_of(name, **FAST)
        model.fit(X * scale, y)
        best = np.inf
        for _ in range(5):
            start = time.perf_counter()
            model.fit(X * scale, y)
            best = min(best, time.perf_counter() - start)
        seconds[scale] = best
        assert np.isfinite(model.loss_)
    # A product of denormal numbers takes a processor some hundred times as long.
    assert seconds[1e-310] < 100 * seconds[1.0]
    linear = estimator_of(name, **{**FAST, "hidden_layer_sizes": ()}).fit(X, y)
    linear.intercepts_[0][:] = 0
    tiny = outputs(linear, X * 1e-310)
    assert (tiny != 0).any()
    # A denormal number near 1e-310 has some 13 digits.
    np.testing.assert_allclose(tiny * 1e300, outputs(linear, X) * 1e-10, rtol=1e-8)


INFINITE = {
    "learning_rate_init": (np.inf, -np.inf, np.nan),
    "alpha": (np.inf, np.nan),
    "momentum": (np.inf, np.nan),
    "beta_1": (np.nan,),
    "beta_2": (np.nan,),
    "epsilon": (np.inf, np.nan),
    "power_t": (np.inf, np.nan),
    "tol": (np.inf, np.nan),
    "validation_fraction": (np.nan, np.inf),
    "batch_size": (np.inf, np.nan),
    "max_iter": (np.inf, np.nan),
    "n_threads": (np.inf, np.nan),
}


@pytest.mark.parametrize("key", INFINITE)
def test_parameters_that_are_no_finite_numbers(key):
    for name in NAMES:
        X, y = data_for(name, n=30, p=4)
        model = estimator_of(name, **FAST).fit(X, y)
        before = snapshot(model)
        for value in INFINITE[key]:
            model.set_params(**{key: value})
            for train in (model.fit, model.partial_fit):
                with pytest.raises(InvalidParameterError, match=key):
                    train(object(), y)  # nothing but the parameters is looked at
            assert snapshot(model) == before


@pytest.mark.parametrize("route", ["fit", "partial_fit", "initialize"])
@pytest.mark.parametrize("sizes", [(10**9,), (10**6, 10**6)])
@pytest.mark.parametrize("name", NAMES)
def test_sizes_beyond_all_memory_take_none(name, sizes, route):
    """The error comes before an allocation: the system need not end the process."""
    X, y = data_for(name, n=30, p=4)
    model = estimator_of(name, **FAST).fit(X, y)
    before = snapshot(model)
    model.set_params(hidden_layer_sizes=sizes)
    fresh = estimator_of(name, **{**FAST, "hidden_layer_sizes": sizes})
    extra = partial_fit_args(name, y) if route == "partial_fit" else {}
    tracemalloc.start()
    try:
        with pytest.raises(MemoryError, match="hidden_layer_sizes"):
            getattr(fresh, route)(X, y, **extra)
        if route == "fit":
            with pytest.raises(MemoryError, match="hidden_layer_sizes"):
                model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10**7
    assert not hasattr(fresh, "coefs_")
    assert snapshot(model) == before


@pytest.mark.parametrize("name", NAMES)
def test_batches_larger_than_the_data(name):
    X, y = data_for(name, n=30, p=4)
    whole = estimator_of(name, **FAST, batch_size=30).fit(X, y)
    for size in (31, 10**12):
        model = estimator_of(name, **FAST, batch_size=size)
        with pytest.warns(UserWarning, match=r"batch_size.*clipped"):
            model.fit(X, y)
        assert_same_bits(model, whole)


@pytest.mark.parametrize("fraction", [0.0, 1e-9, 0.999999])
@pytest.mark.parametrize("name", NAMES)
def test_validation_fractions_that_leave_nothing(name, fraction):
    X, y = data_for(name, n=30, p=4)
    model = estimator_of(name, **FAST).fit(X, y)
    before = snapshot(model)
    model.set_params(early_stopping=True, validation_fraction=fraction)
    with pytest.raises(ValueError, match=r"validation_fraction|validation set"):
        model.fit(X, y)
    assert snapshot(model) == before


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_fifty_thousand_classes(name):
    """Each with one row or none; every label can be predicted and has a probability."""
    n_classes = 50_000
    X = np.random.RandomState(0).standard_normal((40, 3))
    y = np.arange(40) * 1250
    model = estimator_of(name, **{**FAST, "hidden_layer_sizes": (2,)}, batch_size=20)
    model.partial_fit(X, y, classes=np.arange(n_classes))
    assert len(model.classes_) == n_classes
    proba = model.predict_proba(X[:3])
    assert proba.shape == (3, n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-4)
    np.testing.assert_array_equal(model.predict(X[:3]), proba.argmax(axis=1))
    model.intercepts_[-1][n_classes - 1] = 100.0
    assert set(model.predict(X)) == {n_classes - 1}


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_classes_that_later_batches_leave_out_or_bring(name):
    X, y = data_for(name, n=40, p=4)
    model = estimator_of(name, **FAST)
    model.partial_fit(X, y, classes=np.unique(y))
    some = y > 1
    model.partial_fit(X[some], y[some])
    assert list(model.classes_) == [0, 1, 2, 3]
    before = snapshot(model)
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(X, y, classes=np.arange(5))
    assert snapshot(model) == before
    with pytest.raises(ValueError, match="classes"):
        estimator_of(name, **FAST).partial_fit(X, y)
