"""What a network consists of: layers, what each may have, and its parameters."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple


class Part(NamedTuple):
    """An array of parameters.

    Attributes
    ----------
    attribute : str
        Name of the estimator's list that holds it.
    layer : int
        Its place in that list.
    shape : tuple of int
    """

    attribute: str
    layer: int
    shape: tuple

    @property
    def size(self):
        """Numbers in the array."""
        return self.shape[0] * (self.shape[1] if len(self.shape) > 1 else 1)


# Vectors that belong to a normalised layer, and the value that each starts with.
NORM_PARTS = {"norm_scales_": 1.0, "norm_shifts_": 0.0}
POPULATION_PARTS = {"norm_means_": 0.0, "norm_variances_": 1.0, "norm_counts_": 0.0}


# What an activation, a mask or a normalised number may cost, and no more than.
_OPERATIONS_OF_UNIT = 20.0


@dataclass(frozen=True)
class Architecture:
    """All that predictions depend on, parameters aside.

    Attributes
    ----------
    sizes : tuple of int
        Units per layer, input and output included.
    activations : tuple of str
        One per hidden layer.
    output : str
        Output activation.
    norm : {"", "layer", "batch"}
        What hidden layers are normalised over.
    norm_epsilon : float
        Added to variances.
    residual : bool
        Whether hidden layers but the first have a short cut.
    """

    sizes: tuple
    activations: tuple
    output: str
    norm: str = ""
    norm_epsilon: float = 1e-5
    residual: bool = False

    def __getstate__(self):
        # The fields alone: another thread may just add to what is cached.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def n_layers(self):
        """Layers of weights."""
        return len(self.sizes) - 1

    @property
    def n_hidden(self):
        """Hidden layers."""
        return len(self.sizes) - 2

    def shortcut(self, layer):
        """Return "", "identity" or "projection" for a layer."""
        if not self.residual or not 0 < layer < self.n_hidden:
            return ""
        same = self.sizes[layer] == self.sizes[layer + 1]
        return "identity" if same else "projection"

    @cached_property
    def parts(self):
        """Every array of parameters, in their order in theta."""
        pairs = list(pairwise(self.sizes))
        parts = [Part("coefs_", i, pair) for i, pair in enumerate(pairs)]
        parts += [Part("intercepts_", i, pair[1:]) for i, pair in enumerate(pairs)]
        for layer in range(self.n_hidden):
            if self.shortcut(layer) == "projection":
                parts.append(Part("shortcut_coefs_", layer, pairs[layer]))
        names = dict(NORM_PARTS) if self.norm else {}
        if self.norm == "batch":
            names |= POPULATION_PARTS
        for layer in range(self.n_hidden):
            for name in names:
                size = 1 if name == "norm_counts_" else self.sizes[layer + 1]
                parts.append(Part(name, layer, (size,)))
        return tuple(parts)

    @cached_property
    def n_params(self):
        """Numbers in theta."""
        return sum(part.size for part in self.parts)

    @cached_property
    def work_of_row(self):
        """What a row costs on its way forward, in floating-point operations.

        Products cost two for each weight; an activation costs what many cost.
        """
        return 2.0 * self.n_params + _OPERATIONS_OF_UNIT * sum(self.sizes[1:-1])

    def with_output(self, output):
        """Return the same with another output activation."""
        return self if output == self.output else replace(self, output=output)

    def with_sizes(self, sizes):
        """Return the same with other numbers of units."""
        return replace(self, sizes=tuple(sizes))


def plain(sizes, activation="relu", output="identity"):
    """Return the architecture of a network of products and one activation."""
    return Architecture(tuple(sizes), (activation,) * (len(sizes) - 2), output)
