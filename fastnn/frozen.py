"""Functions of a user's own, frozen: what they refer to no longer changes."""

import builtins
import dis
import hashlib
import inspect
import struct
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType

import numpy as np

from .frozen_names import ATTRIBUTES, FORBIDDEN_BUILTINS
from .kernels import own

_MODULES = ("math", "numpy", "fastnn.activations")
_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)
_REMEDY = "Give the number that you need a name of its own beside the function."


class Frozen:
    """A function with what its global and outer names mean now.

    Arrays are copied, and functions that it calls are frozen and compiled with it. Two
    are equal if they do the same: the same code, with the same constants and functions
    behind its names. So what was compiled for one can serve a copy from elsewhere.

    Parameters
    ----------
    function : function of Python, or one compiled by Numba
        Of one number.
    callers : tuple of code
        Of the functions that call it.

    Attributes
    ----------
    function : function
        The copy.
    key : tuple
        What it does: bytes of code and constants.

    Raises
    ------
    ValueError
        If it raises, calls itself, is no plain function, or refers to what may change.
    """

    def __init__(self, function, callers=()):
        function = plain(function)
        code, known = function.__code__, function.__globals__
        _check(function, callers)
        names = [name for name in sorted(_globals(code)) if name in known]
        callers = (*callers, code)
        outside = {name: _freeze(known[name], name, callers) for name in names}
        cells = [
            _freeze(_content(cell, name), name, callers)
            for cell, name in zip(
                function.__closure__ or (), code.co_freevars, strict=True
            )
        ]
        _check_names(function)
        values = {name: value for name, (value, _) in outside.items()}
        self.function = FunctionType(
            code,
            {"__builtins__": builtins, **values},
            function.__name__,
            None,
            tuple(CellType(value) for value, _ in cells),
        )
        keys = [(name, key) for name, (_, key) in outside.items()]
        self.key = (_key_of_code(code), *keys, *(key for _, key in cells))

    def __eq__(self, other):
        return isinstance(other, Frozen) and self.key == other.key

    def __hash__(self):
        return hash(self.key)

    @property
    def fingerprint(self):
        """Text that differs for functions that do, whatever the process."""
        return hashlib.sha256(repr(self.key).encode()).hexdigest()


def plain(function):
    """Return the function that one compiled by Numba was made of."""
    return getattr(function, "py_func", function)


def _check(function, callers):
    """Raise unless a function is one that kernels can call."""
    name = function.__name__
    flags = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    if function.__code__.co_flags & flags:
        raise ValueError(f"{name!r} must be a plain function that returns a number.")
    signature = inspect.signature(function)
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if not callers and (len(kinds) != 1 or kinds[0] not in _POSITIONAL):
        raise ValueError(
            f"{name!r} must take one number and nothing else; it takes {signature}."
        )
    if function.__defaults__ or function.__kwdefaults__:
        raise ValueError(f"{name!r} must have no default values.")
    if function.__code__ in callers:
        raise ValueError(f"{name!r} must not call itself; write a loop.")
    if any(step.opname == "RAISE_VARARGS" for step in _steps(function.__code__)):
        raise ValueError(
            f"{name!r} must not raise: it works on many numbers and several threads at "
            "once. Return math.nan instead, which training notices."
        )


def _check_names(function):
    """Raise if a function uses what may read beside arrays."""
    code, loads = function.__code__, ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR")
    attributes = {step.argval for step in _steps(code) if step.opname in loads}
    unsafe = attributes - ATTRIBUTES | _globals(code) & FORBIDDEN_BUILTINS
    if unsafe:
        _refuse_name(function.__name__, min(unsafe))


def _refuse_name(function, name):
    raise ValueError(
        f"{function!r} must not use {name!r}, which is not known to keep to the memory "
        "of its arrays. Use arithmetic, math, NumPy's functions of one number, and "
        "array[i]."
    )


def _steps(code):
    """Yield the instructions of code and of the functions inside it."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _steps(constant)


def _globals(code):
    """Return the global names that code refers to."""
    loads = ("LOAD_GLOBAL", "LOAD_NAME")
    return {step.argval for step in _steps(code) if step.opname in loads}


def _content(cell, name):
    try:
        return cell.cell_contents
    except ValueError:
        raise ValueError(f"{name!r} has no value yet.") from None


def _freeze(value, name, callers):
    """Return what stands for a value in the copy, and its key."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        copy = np.array(value, order="C")
        return copy, ("array", copy.dtype.str, copy.shape, copy.tobytes())
    if isinstance(value, FunctionType) and value.__module__ == own.__name__:
        return value, ("own", value.__name__)
    if isinstance(plain(value), FunctionType) and not _is_numpys(value):
        frozen = Frozen(value, callers)
        return own.helper(frozen.function), ("function", frozen.key)
    if isinstance(value, ModuleType) and value.__name__ in _MODULES:
        return value, ("module", value.__name__)
    if isinstance(value, BuiltinFunctionType | type) or _is_numpys(value):
        module = getattr(value, "__module__", "")
        if module in ("builtins", "math") or _is_numpys(value):
            unknown = _is_numpys(value) and value.__name__ not in ATTRIBUTES
            if unknown or value.__name__ in FORBIDDEN_BUILTINS:
                _refuse_name(name, value.__name__)
            return value, ("known", module, getattr(value, "__name__", repr(value)))
    key = _key_of_constant(value)
    if key is None:
        raise ValueError(
            f"{name!r} must be a number, an array, a function of one's own or of math "
            f"and numpy; it is {type(value).__name__!r}, which may change. {_REMEDY}"
        )
    return value, key


def _is_numpys(value):
    """Tell whether a function or type is NumPy's."""
    module = getattr(value, "__module__", None) or ""
    return callable(value) and (
        isinstance(value, np.ufunc) or module.split(".")[0] == "numpy"
    )


def _key_of_constant(value):
    """Return what tells a constant from others, or None if it is no constant."""
    if isinstance(value, np.generic):
        return (value.dtype.str, value.tobytes())
    if type(value) is float:
        return ("float", struct.pack("<d", value))  # tells -0 from 0, and knows NaN
    if type(value) is complex:
        return ("complex", struct.pack("<2d", value.real, value.imag))
    if type(value) is tuple:
        keys = tuple(map(_key_of_constant, value))
        return None if None in keys else ("tuple", keys)
    if type(value) is frozenset:
        return ("frozenset", tuple(sorted(map(repr, value))))
    if value is None or value is Ellipsis or type(value) in (bool, int, str, bytes):
        return (type(value).__name__, repr(value))
    return None


def _key_of_code(code):
    """Return what code does, without its place in a file."""
    constants = tuple(
        _key_of_code(c) if isinstance(c, CodeType) else _key_of_constant(c)
        for c in code.co_consts
    )
    variables = (code.co_varnames, code.co_freevars, code.co_cellvars)
    return (code.co_code, code.co_names, variables, constants, code.co_flags)
