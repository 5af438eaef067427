"""`NetworkDisplay`: a network's layers, units and weights as a drawing."""

from dataclasses import dataclass

import numpy as np

from ..structure import weights
from ._arguments import checked
from ._matplotlib import SMALL, axes_for, shortened
from ._network import fitted_network, layer_names

# Neighbours are one apart, and this far where dots stand between them.
_GAP = 1.5
_LONGEST = 24  # letters of a name


@dataclass
class Column:
    """A layer of units as it is drawn.

    Attributes
    ----------
    name : str
    size : int
        Units of the layer.
    activation : str
        Empty for the inputs.
    n_parameters : int
        That lead to it: weights, biases, scales and shifts, projections.
    units : ndarray of int
        Which units are drawn, in their order.
    heights : ndarray of float, (n_drawn,)
        Where, from 1 at the top to 0.
    gaps : ndarray of float, (n_gaps,)
        The heights of the dots that stand for units left out.
    """

    name: str
    size: int
    activation: str
    n_parameters: int
    units: np.ndarray
    heights: np.ndarray
    gaps: np.ndarray

    @property
    def label(self):
        """The text below the column."""
        what = f"{self.size:,} {self.activation}".strip()
        if len(self.units) < self.size:
            what += f"\n({len(self.units)} drawn)"
        if not self.n_parameters:
            return f"{self.name}\n{what}"
        noun = "parameter" if self.n_parameters == 1 else "parameters"
        return f"{self.name}\n{what}\n{self.n_parameters:,}\n{noun}"


class NetworkDisplay:
    """Layers as columns of units, weights as lines between them.

    A line's colour tells a weight's sign and size, its thickness the size. Of wide
    layers those units are drawn that have the largest product of two Euclidean norms:
    of the weights that lead to them, and of those that lead on; of inputs and outputs,
    which have one of the two, that counts alone. Among equals the first are drawn. They
    keep their order, and dots stand where others are left out. Biases, short cuts and
    the parameters of normalisation are counted, not drawn, and do not choose units.

    Use `from_estimator` to make one.

    Parameters
    ----------
    columns : list of Column
        One per layer of units, inputs and outputs included.
    weights : list of ndarray
        Those between the units that are drawn.
    limit : float
        The largest absolute value of all weights, drawn or not: the end of the colours.
    input_names, output_names : list of str, default=None
        For the units that are drawn; inputs without names of which some are left out
        are called "feature 0" and so on.

    Attributes
    ----------
    nodes_ : list of PathCollection
        One per column.
    edges_ : list of LineCollection
        One per layer of weights; `get_array` has the weights, the largest last.
    labels_ : list of Text
        Below the columns.
    gaps_ : list of list of Text
        The dots of each column.
    colorbar_ : Colorbar
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    export_text : A small network's numbers as text.
    fastnn.MLPEstimator.describe : Sizes, memory and work as a table.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import NetworkDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((16,), random_state=0).initialize(X, y)
    >>> display = NetworkDisplay.from_estimator(net, max_units=8, plot=False)
    >>> [len(column.units) for column in display.columns]
    [4, 8, 3]
    >>> [len(gaps) > 0 for gaps in display.plot().gaps_]
    [False, True, False]
    """

    def __init__(self, *, columns, weights, limit, input_names=None, output_names=None):
        self.columns, self.weights, self.limit = columns, weights, limit
        self.input_names, self.output_names = input_names, output_names

    @classmethod
    @checked("max_units")
    def from_estimator(cls, estimator, *, max_units=12, ax=None, plot=True):
        """Read a fitted, or initialised, network.

        Parameters
        ----------
        estimator : network, or pipeline that ends in one
        max_units : int, default=12
            Units drawn of a layer at most.
        ax : matplotlib Axes, default=None
            None makes a figure.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        NetworkDisplay

        Raises
        ------
        NotFittedError
            If the network has no weights.
        """
        network = fitted_network(estimator)
        theta, architecture = weights.read(network)
        matrices = weights.views(theta, architecture)["coefs_"]
        columns = _columns(architecture, max_units, matrices)
        drawn = [
            np.array(W[np.ix_(left.units, right.units)], dtype=float)
            for W, left, right in zip(matrices, columns, columns[1:], strict=False)
        ]
        names = getattr(network, "feature_names_in_", None)
        if names is not None:
            names = [str(names[i]) for i in columns[0].units]
        elif len(columns[0].units) < columns[0].size:
            names = [f"feature {i}" for i in columns[0].units]
        classes = getattr(network, "classes_", None)
        if classes is not None:
            several = columns[-1].size == len(classes)
            classes = [str(classes[i if several else -1]) for i in columns[-1].units]
        display = cls(
            columns=columns,
            weights=drawn,
            limit=max(float(np.abs(W).max()) for W in matrices),
            input_names=names,
            output_names=classes,
        )
        return display.plot(ax=ax) if plot else display

    def plot(self, ax=None, *, cmap="PuOr", max_width=2.5):
        """Draw the network.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure as wide as the layers need.
        cmap : str or Colormap, default="PuOr"
            A diverging one; 0 is in its middle.
        max_width : float, default=2.5
            Thickness of the largest weight's line, in points.

        Returns
        -------
        self : NetworkDisplay
        """
        sides = [_side(names) for names in (self.input_names, self.output_names)]
        last = len(self.columns) - 1
        tallest = max(len(c.units) + 0.5 * len(c.gaps) for c in self.columns)
        size = (max(6, 1.2 * (last + sum(sides)) + 1), max(4, 1.4 + 0.19 * tallest))
        ax = axes_for(ax, f"{type(self).__name__}.plot", size)
        self.ax_, self.figure_ = ax, ax.figure
        self.edges_ = [
            self._draw_edges(i, cmap, max_width) for i in range(len(self.weights))
        ]
        self.nodes_, self.labels_, self.gaps_ = [], [], []
        for i, column in enumerate(self.columns):
            self._draw_column(i, column)
        self._name_units(0, self.input_names, "right", -0.12)
        self._name_units(last, self.output_names, "left", 0.12)
        self.colorbar_ = self.figure_.colorbar(
            self.edges_[0], ax=ax, label="weight", shrink=0.7
        )
        ax.set_xlim(-sides[0], last + sides[1])
        ax.set_ylim(-0.05, 1.05)
        ax.set_axis_off()
        return self

    def _draw_edges(self, i, cmap, max_width):
        """Draw the weights that lead to a layer, the largest on top."""
        from matplotlib.collections import LineCollection

        left, right = self.columns[i], self.columns[i + 1]
        values = self.weights[i].ravel()
        rows, columns = np.divmod(np.arange(values.size), len(right.units))
        starts = np.column_stack([np.full(values.size, i), left.heights[rows]])
        ends = np.column_stack([np.full(values.size, i + 1), right.heights[columns]])
        order = np.argsort(np.abs(values), kind="stable")
        limit = self.limit or 1.0
        edges = LineCollection(
            np.stack([starts, ends], axis=1)[order],
            cmap=cmap,
            linewidths=0.15 + (max_width - 0.15) * np.abs(values[order]) / limit,
            zorder=1,
        )
        edges.set_array(values[order])
        edges.set_clim(-limit, limit)
        return self.ax_.add_collection(edges)

    def _draw_column(self, i, column):
        many = len(self.columns) > 8
        size = SMALL - 1 if many else SMALL
        self.nodes_.append(
            self.ax_.scatter(
                np.full(len(column.units), i),
                column.heights,
                s=70,
                color="white",
                edgecolor="0.2",
                zorder=2,
            )
        )
        center = {"ha": "center", "fontsize": size}
        self.labels_.append(
            self.ax_.annotate(
                column.label,
                (i, 0),
                xycoords=("data", "axes fraction"),
                va="top",
                **center,
            )
        )
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.2}
        self.gaps_.append(
            [
                self.ax_.text(i, y, "⋮", va="center", zorder=3, bbox=box, **center)
                for y in column.gaps
            ]
        )

    def _name_units(self, i, names, side, shift):
        """Write the names of inputs or outputs beside their units."""
        column = self.columns[i]
        for name, height in zip(names or (), column.heights, strict=False):
            style = {"ha": side, "va": "center", "fontsize": SMALL}
            self.ax_.text(i + shift, height, shortened(name, _LONGEST), **style)


def _side(names):
    """Return the room for names beside the drawing, in distances between layers."""
    if not names:
        return 0.5
    return 0.3 + 0.07 * min(_LONGEST, max(map(len, names)))


def _columns(architecture, max_units, matrices):
    """Return the layers of units as they are drawn."""
    sizes = architecture.sizes
    names = ["input", *layer_names(len(sizes) - 1)]
    activations = ["", *architecture.activations, architecture.output]
    counts = [0] * len(sizes)
    for part in architecture.parts:
        if part.attribute not in ("norm_means_", "norm_variances_", "norm_counts_"):
            counts[part.layer + 1] += part.size
    chosen = [_largest(norms, max_units) for norms in _norms(sizes, matrices)]
    places = [_places(*pair) for pair in zip(chosen, sizes, strict=True)]
    tallest = max(max(1.0, np.ptp(np.concatenate(pair))) for pair in places)
    columns = zip(names, sizes, activations, counts, chosen, places, strict=True)
    return [
        Column(*column, *(0.5 - place / tallest for place in pair))
        for *column, pair in columns
    ]


def _norms(sizes, matrices):
    """Return of each layer the units' norms: what leads to them times what leads on."""
    norms = [np.ones(size) for size in sizes]
    for i, W in enumerate(matrices):
        W = np.asarray(W, dtype=np.float64)
        norms[i] *= np.linalg.norm(W, axis=1)
        norms[i + 1] *= np.linalg.norm(W, axis=0)
    return norms


def _largest(norms, n):
    """Return the places of the n largest numbers, the first of equals, ascending."""
    return np.sort(np.argsort(-norms, kind="stable")[:n])


def _places(units, size):
    """Return the places of units and of the dots between them, around 0.

    units : ndarray of int
        Those that are drawn, of `size`.
    """
    ends = np.concatenate([[-1], units, [size]])
    left_out = np.diff(ends) > 1  # before each unit, and after the last
    steps = np.where(left_out, _GAP, 1.0)
    steps[0] = 0.0
    y = np.cumsum(steps[:-1])
    dots = np.append(y - _GAP / 2, y[-1] + _GAP / 2)[left_out]
    drawn = np.concatenate([y, dots])
    middle = (drawn.min() + drawn.max()) / 2
    return y - middle, dots - middle
