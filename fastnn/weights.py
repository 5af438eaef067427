"""`coefs_` and `intercepts_` as views of one vector, and back.

theta = [W0 | W1 | ... | b0 | b1 | ...], each W row-major (fan_in, fan_out).
"""

import operator
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
    """Return a copy of all parameters as theta."""
    parts = [*coefs, *intercepts]
    return np.concatenate([np.asarray(part, dtype).ravel() for part in parts])


class Shared:
    """Remembers which vector an estimator's `coefs_` and `intercepts_` are views of.

    As long as the lists hold the very same arrays, the vector holds their numbers,
    whatever was written into them, and need not be put together again.
    """

    def __init__(self, theta, sizes):
        self.theta, self.sizes = theta, tuple(sizes)
        assert theta.size == sum((a + 1) * b for a, b in pairwise(self.sizes))
        self.coefs, self.intercepts = views(theta, sizes)

    def publish(self, estimator):
        """Make the views the estimator's weights."""
        estimator.__dict__.update(self.attributes())

    def attributes(self):
        """Return the attributes that make the views an estimator's weights."""
        return {
            "coefs_": list(self.coefs),
            "intercepts_": list(self.intercepts),
            "_shared": self,
            "_dtype": self.theta.dtype.name,
        }

    def is_current(self, estimator):
        """Return whether the estimator's lists still hold these views."""
        return (
            type(estimator.coefs_) is list
            and type(estimator.intercepts_) is list
            and len(estimator.coefs_) == len(self.coefs)
            and len(estimator.intercepts_) == len(self.intercepts)
            and all(map(operator.is_, estimator.coefs_, self.coefs))
            and all(map(operator.is_, estimator.intercepts_, self.intercepts))
        )


def read(estimator):
    """Return an estimator's theta and sizes, as its weights are now."""
    shared = estimator.__dict__.get("_shared")
    if shared is not None and shared.is_current(estimator):
        return shared.theta, shared.sizes
    coefs, intercepts = estimator.coefs_, estimator.intercepts_
    sizes = sizes_of(coefs, intercepts)
    ends = (estimator.n_features_in_, estimator.n_outputs_)
    if (sizes[0], sizes[-1]) != ends:
        raise ValueError(
            f"coefs_ have {sizes[0]} inputs and {sizes[-1]} outputs, but the network "
            f"was fitted with {ends[0]} and {ends[1]}."
        )
    dtype = np.dtype(estimator._dtype)
    return as_vector(coefs, intercepts, dtype), sizes
