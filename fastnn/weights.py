"""`coefs_` and `intercepts_` as views of one vector, and back.

theta = [W0 | W1 | ... | b0 | b1 | ...], each W row-major (fan_in, fan_out).
"""

from itertools import pairwise

import numpy as np


def sizes_of(coefs, intercepts):
    """Return units per layer, or raise if the shapes do not fit together."""
    if len(coefs) != len(intercepts) or not coefs:
        raise ValueError(
            "coefs_ and intercepts_ must have one array per layer each, got "
            f"{len(coefs)} and {len(intercepts)}."
        )
    sizes = [np.shape(coefs[0])[0]]
    for i, (W, b) in enumerate(zip(coefs, intercepts, strict=True)):
        shape = np.shape(W)
        if len(shape) != 2 or shape[0] != sizes[-1] or np.shape(b) != shape[1:]:
            raise ValueError(
                f"coefs_[{i}] of shape {shape} and intercepts_[{i}] of shape "
                f"{np.shape(b)} do not fit a layer with {sizes[-1]} inputs."
            )
        sizes.append(shape[1])
    return tuple(sizes)


def views(theta, sizes):
    """Return coefs and intercepts as views of theta."""
    coefs, intercepts = [], []
    start = 0
    for fan_in, fan_out in pairwise(sizes):
        stop = start + fan_in * fan_out
        coefs.append(theta[start:stop].reshape(fan_in, fan_out))
        start = stop
    for fan_out in sizes[1:]:
        intercepts.append(theta[start : start + fan_out])
        start += fan_out
    return coefs, intercepts


def as_vector(coefs, intercepts, dtype):
    """Return theta: the arrays' own base if they still share one, else a copy."""
    parts = [*coefs, *intercepts]
    base = getattr(parts[0], "base", None)
    if _are_views_of(parts, base, dtype):
        return base
    return np.concatenate([np.asarray(part, dtype).ravel() for part in parts])


def _are_views_of(parts, base, dtype):
    if not isinstance(base, np.ndarray) or base.ndim != 1 or base.dtype != dtype:
        return False
    place = base.__array_interface__["data"][0]
    for part in parts:
        if (
            not isinstance(part, np.ndarray)
            or part.base is not base
            or not part.flags.c_contiguous
            or part.__array_interface__["data"][0] != place
        ):
            return False
        place += part.nbytes
    return place == base.__array_interface__["data"][0] + base.nbytes
