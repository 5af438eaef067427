"""The fitted arrays (`coefs_`, `intercepts_` and the like) as views of one vector.

theta = [W0 | W1 | ... | b0 | b1 | ... | others], see `architecture`.
"""

import numpy as np


def views(theta, architecture):
    """Return the lists of arrays that theta consists of, by attribute.

    A layer that has no such array has None in its place.
    """
    lists = {}
    start = 0
    for part in architecture.parts:
        entries = lists.setdefault(part.attribute, [])
        entries += [None] * (part.layer - len(entries))
        stop = start + part.size
        entries.append(theta[start:stop].reshape(part.shape))
        start = stop
    return lists


def as_vector(lists, architecture, dtype):
    """Return a copy of all parameters as theta, or raise if a shape does not fit."""
    arrays = []
    for part in architecture.parts:
        entries = lists[part.attribute]
        array = entries[part.layer] if part.layer < len(entries) else None
        if array is None or np.shape(array) != part.shape:
            raise ValueError(
                f"{part.attribute}[{part.layer}] of shape {np.shape(array)} does not "
                f"fit a network with layers of {architecture.sizes} units: expected "
                f"{part.shape}."
            )
        arrays.append(np.asarray(array, dtype).ravel())
    return np.concatenate(arrays)


class Shared:
    """Remembers which vector an estimator's arrays are views of.

    As long as the lists hold the very same arrays, the vector holds their numbers,
    whatever was written into them, and need not be put together again.
    """

    def __init__(self, theta, architecture):
        self.theta, self.architecture = theta, architecture
        assert theta.size == architecture.n_params
        self.lists = views(theta, architecture)

    def publish(self, estimator):
        """Make the views the estimator's parameters."""
        remove(estimator)
        estimator.__dict__.update(self.attributes())

    def attributes(self):
        """Return the attributes that make the views an estimator's parameters."""
        return {
            **{name: list(entries) for name, entries in self.lists.items()},
            "_shared": self,
            "_dtype": self.theta.dtype.name,
            "_architecture": self.architecture,
        }

    def is_current(self, estimator):
        """Return whether the estimator's lists still hold these views."""
        attributes = estimator.__dict__
        try:
            for name, entries in self.lists.items():
                now = attributes.get(name)
                # Lists look for the same objects first, in C. Another array has no
                # single truth, or has one number, and then that is what counts.
                if type(now) is not list or now != entries:
                    return False
        except (ValueError, DeprecationWarning):  # of arrays that are not the same
            return False
        return True


PARAMETER_ATTRIBUTES = (
    "coefs_",
    "intercepts_",
    "shortcut_coefs_",
    "norm_scales_",
    "norm_shifts_",
    "norm_means_",
    "norm_variances_",
    "norm_counts_",
)


def remove(estimator):
    """Remove an estimator's parameters, but for the labels that go with them."""
    for name in PARAMETER_ATTRIBUTES:
        estimator.__dict__.pop(name, None)


def read(estimator):
    """Return an estimator's theta and architecture, as its arrays are now."""
    shared = estimator.__dict__.get("_shared")
    if shared is not None and shared.is_current(estimator):
        return shared.theta, shared.architecture
    architecture = estimator._architecture
    sizes = _sizes_of(estimator.coefs_, estimator.intercepts_)
    ends = (estimator.n_features_in_, estimator._architecture.sizes[-1])
    if (sizes[0], sizes[-1]) != ends:
        raise ValueError(
            f"coefs_ have {sizes[0]} inputs and {sizes[-1]} outputs, but the network "
            f"was fitted with {ends[0]} and {ends[1]}."
        )
    if sizes != architecture.sizes:
        if len(sizes) != len(architecture.sizes):
            raise ValueError(
                f"coefs_ make a network of {len(sizes) - 1} layers, but it was fitted "
                f"with {architecture.n_layers}."
            )
        architecture = architecture.with_sizes(sizes)
    lists = {name: estimator.__dict__.get(name, []) for name in PARAMETER_ATTRIBUTES}
    return as_vector(lists, architecture, np.dtype(estimator._dtype)), architecture


def _sizes_of(coefs, intercepts):
    """Return units per layer, or raise if the shapes do not fit together."""
    if len(coefs) != len(intercepts) or not len(coefs):
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
