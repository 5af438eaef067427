"""Values of parameters, of whatever type: which are equal, and in which order."""

from numbers import Real

import numpy as np

from ._matplotlib import number


def are_numbers(values):
    """Return whether all are numbers, True and False not among them."""
    return all(isinstance(v, Real) and not isinstance(v, bool) for v in values)


def same(a, b):
    """Return whether two values are equal; 1 and True are not."""
    if a is b:
        return True
    if isinstance(a, bool) != isinstance(b, bool) or np.shape(a) != np.shape(b):
        return False
    return bool(np.all(a == b))


def unique(values):
    """Return the different ones: numbers ascending, then tuples by length, then text.

    They need not be hashable.
    """
    found: list = []
    for value in values:
        if not any(same(value, other) for other in found):
            found.append(value)
    return sorted(found, key=_key)


def places_of(values, among):
    """Return the place of each value in a list that has no value twice."""
    return [
        next(i for i, other in enumerate(among) if same(value, other))
        for value in values
    ]


def text_of(value):
    """Return a value as short text; sizes of layers as in "64-32"."""
    if isinstance(value, (tuple, list)):
        return "-".join(map(str, value)) or "none"
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    return number(value)


def _key(value):
    if isinstance(value, Real):
        return 0, float(value), ""
    if isinstance(value, (tuple, list)) and are_numbers(value):
        return 1, float(len(value)), str([f"{v:12}" for v in value])
    return 2, 0.0, str(value)
