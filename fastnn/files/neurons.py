"""Fitted neurons as records, and back."""

import numpy as np

from .attributes import (
    COMMON,
    COUNT,
    Attribute,
    check_features,
    decode_all,
    encode_all,
    is_count,
    need,
    saying_what_is_wrong,
    set_attributes,
)


def _is_finite(value, ndim):
    return (
        isinstance(value, np.ndarray)
        and value.dtype in (np.float32, np.float64)
        and value.ndim == ndim
        and bool(np.isfinite(value).all())
    )


def _is_matrix(value):
    return _is_finite(value, 2)


KNOWN = {
    **COMMON,
    "coef_": Attribute(_is_matrix),
    "intercept_": Attribute(lambda value: _is_finite(value, 1)),
    "coef_history_": Attribute(_is_matrix),
    "n_iter_": COUNT,
    "errors_": Attribute(
        lambda value: type(value) is list and all(map(is_count, value))
    ),
}


def encode(neuron, found, prefix, arrays):
    """Return the record of a neuron's fitted state, None if it has none."""
    for name in ("coef_", "intercept_"):
        if name in found and not np.isfinite(found[name]).all():
            raise ValueError(f"{name} must be finite to be saved.")
    record = encode_all(found, KNOWN, prefix, arrays)
    if "coef_" in found:
        with saying_what_is_wrong(neuron):
            _check(found, goes_on=hasattr(neuron, "partial_fit"))
    return record or None


def decode(neuron, record, prefix, source):
    """Give a neuron its fitted state, or raise ModelFileError."""
    state = decode_all(record or {}, KNOWN, prefix, source)
    if "coef_" in state:
        _check(state, goes_on=hasattr(neuron, "partial_fit"))
    set_attributes(neuron, state)


def _check(state, goes_on):
    """Raise unless all parts fit each other, with all that learning needs."""
    needed = {"n_features_in_", "classes_"}
    missing = (needed | {"errors_", "n_iter_"} if goes_on else needed) - set(state)
    need(not missing, f"it lacks {sorted(missing)}")
    n_classes, width = len(state["classes_"]), state["n_features_in_"]
    units = 1 if n_classes == 2 else n_classes
    need(n_classes >= 2, "classes_ has fewer than two classes")
    need(state["coef_"].shape == (units, width), "coef_ is of another shape")
    intercept = state.get("intercept_")
    need(intercept is None or len(intercept) == units, "intercept_ does not fit")
    history = state.get("coef_history_")
    need(history is None or history.shape[1] == width, "coef_history_ does not fit")
    check_features(state)
