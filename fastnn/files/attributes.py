"""What fitted attributes may be: how each is stored, and what is checked of it."""

import reprlib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.utils._metadata_requests import SIMPLE_METHODS, MetadataRequest

from ..exceptions import ModelFileError
from . import values

_MAX_COUNT = 2**62


@dataclass(frozen=True)
class Attribute:
    """How an attribute is stored.

    Attributes
    ----------
    check : callable
        Whether a value can be: one that is stored, and one that was read.
    encode, decode : callable
        As those of `values`.
    """

    check: Callable
    encode: Callable = values.encode
    decode: Callable = values.decode


def need(condition, message):
    """Raise ModelFileError unless a condition holds."""
    if not condition:
        raise ModelFileError(message)


@contextmanager
def saying_what_is_wrong(estimator):
    """Say that an estimator is what cannot be stored, if its parts do not fit."""
    try:
        yield
    except ModelFileError as error:
        raise ValueError(
            f"The {type(estimator).__name__} cannot be stored, since its file could "
            f"not be loaded: {error.reason}. Were its attributes changed?"
        ) from None


def is_count(value, least=0):
    """Return whether a value is an integer that counts."""
    whole = isinstance(value, Integral) and not isinstance(value, bool | np.bool_)
    return whole and least <= value < _MAX_COUNT


def is_real(value):
    """Return whether a value is a number, NaN and infinity among them."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def is_names(value):
    """Return whether a value is an array of texts, as of features."""
    return _is_vector(value, "O") and all(type(name) is str for name in value)


def is_classes(value):
    """Return whether a value is a vector of labels in ascending order."""
    if not _is_vector(value, "biufUO") or not value.size:
        return False
    try:
        return bool(np.all(value[:-1] < value[1:])) and bool(np.all(value == value))
    except TypeError:
        return False


def _is_vector(value, kinds):
    array = isinstance(value, np.ndarray)
    return array and value.ndim == 1 and value.dtype.kind in kinds


def _encode_curve(value, name, arrays):
    """Store a list of float as an array; others as they are."""
    if type(value) is list and all(type(item) is float for item in value):
        arrays[name] = np.array(value, np.float64)
        return {"curve": name}
    return values.encode(value, name, arrays)


def _decode_curve(value, name, source):
    if type(value) is not dict or "curve" not in value:
        return values.decode(value, name, source)
    need(value == {"curve": name}, f"{name} has a value that cannot be")
    shape, dtype = source.shape_and_dtype(name) or ((), None)
    need(len(shape) == 1 and dtype == np.float64, f"{name} is no curve")
    return source.array(name).tolist()


def is_curve(value):
    """Return whether a value is a list of numbers."""
    return type(value) is list and all(map(is_real, value))


def _encode_curves(value, name, arrays):
    if type(value) is not dict:
        values.refuse(name, value)
    return {
        key: _encode_curve(curve, f"{name}.{key}", arrays)
        for key, curve in value.items()
    }


def _decode_curves(value, name, source):
    need(type(value) is dict, f"{name} has a value that cannot be")
    return {
        key: _decode_curve(curve, f"{name}.{key}", source)
        for key, curve in value.items()
    }


def _is_output_config(value):
    known = ("default", "pandas", "polars", None)
    return type(value) is dict and value.get("transform", "default") in known


def _encode_requests(value, name, arrays):
    """Store which metadata the methods ask for."""
    stored = {}
    for method in SIMPLE_METHODS:
        requests = getattr(value, method).requests
        if requests:
            stored[method] = dict(requests)
    return values.encode(stored, name, arrays)


def set_attributes(estimator, state):
    """Give an estimator what `decode_all` returned."""
    if "_metadata_request" in state:
        requests = _requests_for(estimator, state["_metadata_request"])
        state = {**state, "_metadata_request": requests}
    estimator.__dict__.update(state)


def _requests_for(estimator, stored):
    """Return the metadata requests of an estimator as they were stored, or raise."""
    requests = estimator._get_metadata_request()
    for method, of_method in stored.items():
        need(method in SIMPLE_METHODS, "a metadata request of no method")
        target = getattr(requests, method)
        need(set(of_method) == set(target.requests), f"metadata requests of {method}")
        for param, alias in of_method.items():
            try:
                target.add_request(param=param, alias=alias)
            except ValueError as error:
                raise ModelFileError(str(error)) from None
    return requests


def _is_requests(value):
    if isinstance(value, MetadataRequest):  # as the estimator has them
        return True
    return type(value) is dict and all(
        type(method) is str
        and type(of_method) is dict
        and all(type(param) is str for param in of_method)
        and all(type(alias) in (bool, str, type(None)) for alias in of_method.values())
        for method, of_method in value.items()
    )


CURVE = Attribute(is_curve, _encode_curve, _decode_curve)
CURVE_OR_NONE = Attribute(
    lambda value: value is None or is_curve(value), _encode_curve, _decode_curve
)
CURVES = Attribute(
    lambda value: all(map(is_curve, value.values())), _encode_curves, _decode_curves
)
COUNT = Attribute(is_count)
FEATURES = Attribute(lambda value: is_count(value, 1))
REAL = Attribute(is_real)
REAL_OR_NONE = Attribute(lambda value: value is None or is_real(value))
# What any estimator may have.
COMMON = {
    "n_features_in_": FEATURES,
    "feature_names_in_": Attribute(is_names),
    "classes_": Attribute(is_classes),
    "_sklearn_output_config": Attribute(_is_output_config),
    "_metadata_request": Attribute(_is_requests, _encode_requests),
}


def encode_all(found, known, prefix, arrays):
    """Return attributes as JSON.

    Parameters
    ----------
    found : dict
        Names and values.
    known : dict of str to Attribute
    prefix : str
        Before the names of arrays.
    arrays : dict

    Raises
    ------
    TypeError, ValueError
        If there is one that is not known or cannot be stored.
    """
    record = {}
    for name, value in found.items():
        if name not in known:
            raise ValueError(
                f"The attribute {name!r} cannot be stored in a model file: it is none "
                "of fastnn's. Delete it, or use pickle, which runs what it loads."
            )
        record[name] = known[name].encode(value, prefix + name, arrays)
        if not known[name].check(value):
            raise ValueError(
                f"{prefix}{name} has a value that cannot be: {reprlib.repr(value)}"
            )
    return record


def decode_all(record, known, prefix, source):
    """Return attributes as they were, each checked, or raise ModelFileError."""
    result = {}
    for name, value in record.items():
        need(name in known, f"it has an unknown attribute {name[:40]!r}")
        attribute = known[name]
        result[name] = attribute.decode(value, prefix + name, source)
        need(attribute.check(result[name]), f"{name} has a value that cannot be")
    return result


def check_features(state):
    """Raise unless names of features fit their number."""
    names = state.get("feature_names_in_")
    if names is not None:
        need(len(names) == state["n_features_in_"], "n_features_in_ does not fit")
