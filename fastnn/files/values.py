"""Python values as JSON and back: the same value, of the same type.

JSON has null, true, texts, numbers and lists. All else is an object with one key, which
says what it is: {"tuple": [...]}, {"dict": [[key, value], ...]}, {"float": "nan"},
{"scalar": [dtype, value]}, {"array": name}, {"objects": [...]}, {"RandomState": ...}.
"""

import math

import numpy as np

from ..exceptions import ModelFileError
from .container import can_hold

_MAX_NESTED = 8
_SCALARS = {
    name: np.dtype(name).type
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
        *("uint64", "float16", "float32", "float64"),
    )
}
_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_N_WORDS = 624  # of a Mersenne Twister


def refuse(name, value, remedy="use pickle, which runs what it loads"):
    """Raise TypeError: a value cannot be in a model file."""
    raise TypeError(
        f"{name} cannot be stored in a model file, as it is "
        f"{'an' if type(value).__name__[:1] in 'aeiouA' else 'a'} "
        f"{type(value).__name__}; {remedy}."
    )


def encode(value, name, arrays, depth=0):
    """Return a value as JSON.

    Parameters
    ----------
    value : object
    name : str
        For messages, and for arrays.
    arrays : dict
        Gets the arrays in it.

    Raises
    ------
    TypeError, ValueError
        If it is nothing that can be stored.
    """
    if value is None or isinstance(value, bool | str | int | float | np.generic):
        return _encode_simple(value, name)
    if depth == _MAX_NESTED:
        raise ValueError(f"{name} cannot be stored: it is nested too deep.")
    if type(value) in (list, tuple):
        items = [
            encode(item, f"{name}.{i}", arrays, depth + 1)
            for i, item in enumerate(value)
        ]
        return items if type(value) is list else {"tuple": items}
    if type(value) is dict:
        return {
            "dict": [
                [
                    _encode_simple(key, f"a key of {name}"),
                    encode(item, f"{name}.{i}", arrays, depth + 1),
                ]
                for i, (key, item) in enumerate(value.items())
            ]
        }
    if type(value) in (np.ndarray, np.memmap):
        return _encode_array(value, name, arrays)
    if isinstance(value, np.random.RandomState):
        return _encode_stream(value, name, arrays)
    return refuse(name, value)


def _encode_simple(value, name):
    """Return a value that has no parts as JSON, or raise."""
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        if not -(2**63) <= value < 2**64:
            raise ValueError(f"{name} cannot be stored: it has more than 64 bits.")
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) is np.str_:
        return {"scalar": ["str", str(value)]}
    if not isinstance(value, np.generic) or value.dtype.name not in _SCALARS:
        refuse(name, value)
    return {"scalar": [value.dtype.name, _encode_simple(value.item(), name)]}


def _encode_array(value, name, arrays):
    if value.dtype == object:
        if value.ndim != 1:
            refuse(name, value, "give an array of one dimension, or of numbers")
        return {"objects": [_encode_simple(v, f"an entry of {name}") for v in value]}
    if not can_hold(value.dtype):
        raise TypeError(
            f"{name} cannot be stored in a model file, as it is an array of dtype "
            f"{value.dtype}; use numbers or text."
        )
    arrays[name] = np.asarray(value)
    return {"array": name}


def _encode_stream(value, name, arrays):
    state = value.get_state(legacy=False)
    if type(value) is not np.random.RandomState or state["bit_generator"] != "MT19937":
        refuse(name, value, "use an integer, or a RandomState of MT19937")
    arrays[f"{name}.key"] = np.asarray(state["state"]["key"], np.uint32)
    numbers = [int(state["state"]["pos"]), int(state["has_gauss"]), state["gauss"]]
    return {"RandomState": numbers}


def decode(value, name, source):
    """Return the value that JSON stands for, or raise ModelFileError.

    Parameters
    ----------
    value : JSON
    name : str
        What `encode` was given.
    source : Unpacked
    """
    if type(value) is list:
        return [decode(item, f"{name}.{i}", source) for i, item in enumerate(value)]
    if type(value) is not dict:
        return value
    if len(value) != 1:
        raise ModelFileError(f"{name} has a value of no known kind")
    ((kind, content),) = value.items()
    if kind not in _DECODERS:
        raise ModelFileError(f"{name} has a value of no known kind, {kind[:40]!r}")
    return _DECODERS[kind](content, name, source)


def _need(condition, name):
    if not condition:
        raise ModelFileError(f"{name} has a value that cannot be")


def _decode_tuple(content, name, source):
    _need(type(content) is list, name)
    return tuple(decode(content, name, source))


def _decode_dict(content, name, source):
    _need(type(content) is list, name)
    _need(all(type(pair) is list and len(pair) == 2 for pair in content), name)
    result = {}
    for i, (key, item) in enumerate(content):
        result[_decode_simple(key, name, source)] = decode(item, f"{name}.{i}", source)
    _need(len(result) == len(content), name)
    return result


def _decode_simple(value, name, source):
    """Return a value that has no parts."""
    simple = type(value) is not list
    if type(value) is dict:
        simple = bool({"float", "scalar"} & set(value))
    _need(simple, name)
    return decode(value, name, source)


def _decode_float(content, name, source):
    _need(type(content) is str and content in _FLOATS, name)
    return _FLOATS[content]


def _decode_scalar(content, name, source):
    _need(type(content) is list and len(content) == 2, name)
    kind, value = content
    value = _decode_float_or(value, name, source)
    if kind == "str":
        _need(type(value) is str, name)
        return np.str_(value)
    _need(type(kind) is str and kind in _SCALARS, name)
    expected = bool if kind == "bool" else float if kind.startswith("float") else int
    _need(type(value) is expected, name)
    if expected is int:
        limits = np.iinfo(kind)
        _need(limits.min <= value <= limits.max, name)
    with np.errstate(over="ignore"):  # then it is not the number that it should be
        scalar = _SCALARS[kind](value)
    _need(scalar.item() == value or value != value, name)
    return scalar


def _decode_float_or(value, name, source):
    if type(value) is dict:
        _need(list(value) == ["float"], name)
        return _decode_float(value["float"], name, source)
    return value


def _decode_array(content, name, source):
    _need(content == name, name)
    return source.array(name)


def _decode_objects(content, name, source):
    _need(type(content) is list, name)
    result = np.empty(len(content), object)
    result[:] = [_decode_simple(value, name, source) for value in content]
    return result


def _decode_stream(content, name, source):
    _need(type(content) is list and len(content) == 3, name)
    pos, has_gauss, gauss = content
    _need(type(pos) is int and 0 <= pos <= _N_WORDS, name)
    _need(type(has_gauss) is int and has_gauss in (0, 1), name)
    _need(type(gauss) is float, name)
    declared = source.shape_and_dtype(f"{name}.key")
    _need(declared == ((_N_WORDS,), np.dtype("<u4")), name)
    key = source.array(f"{name}.key")
    _need(key.any(), name)  # all zeros would give zeros for ever
    stream = np.random.RandomState(np.random.MT19937(0))  # RandomState(0) is slow
    stream.set_state(("MT19937", key, pos, has_gauss, gauss))
    return stream


_DECODERS = {
    "tuple": _decode_tuple,
    "dict": _decode_dict,
    "float": _decode_float,
    "scalar": _decode_scalar,
    "array": _decode_array,
    "objects": _decode_objects,
    "RandomState": _decode_stream,
}
