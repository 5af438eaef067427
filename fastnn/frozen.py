"""Functions of a user's own, frozen: what they refer to no longer changes."""

import builtins
from types import CellType, CodeType, FunctionType

import numpy as np

# Constants are the same if they are equal; other things only if they are identical.
_CONSTANTS = (bool, int, float, np.generic, str, tuple)


class Frozen:
    """A function with what its global and outer names mean now.

    Two are equal if they do the same: the same code, with the same constants and the
    same other things behind its names. So what was compiled for one can serve a copy
    that came from another process.

    Parameters
    ----------
    function : function of Python

    Attributes
    ----------
    function : function
        A copy, which later assignments to global and outer names do not change.
    """

    def __init__(self, function):
        known, code = function.__globals__, function.__code__
        outside = {name: known[name] for name in sorted(_names(code)) if name in known}
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        self.function = FunctionType(
            code,
            {"__builtins__": builtins, **outside},
            function.__name__,
            function.__defaults__,
            tuple(map(CellType, cells)),
        )
        self._values = [*cells, *(function.__defaults__ or ()), *outside.items()]

    def __eq__(self, other):
        return (
            isinstance(other, Frozen)
            and self.function.__code__ == other.function.__code__
            and _same(tuple(self._values), tuple(other._values))
        )

    def __hash__(self):
        return hash(self.function.__code__)


def _same(a, b):
    if a is b:
        return True
    if type(a) is not type(b) or not isinstance(a, _CONSTANTS):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def _names(code):
    """Return the names that code and the functions inside it refer to."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
