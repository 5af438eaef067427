"""`NetworkDisplay`: a network's layers, units and weights as a drawing."""

from dataclasses import dataclass

import numpy as np

from ..structure import weights
from ._matplotlib import SMALL, axes_for
from ._network import fitted_network, layer_names


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
    gap : float or None
        The height of the ellipsis that stands for the others.
    """

    name: str
    size: int
    activation: str
    n_parameters: int
    units: np.ndarray
    heights: np.ndarray
    gap: float | None

    @property
    def label(self):
        """The text below the column."""
        what = f"{self.size:,} {self.activation}".strip()
        if not self.n_parameters:
            return f"{self.name}\n{what}"
        noun = "parameter" if self.n_parameters == 1 else "parameters"
        return f"{self.name}\n{what}\n{self.n_parameters:,}\n{noun}"


class NetworkDisplay:
    """Layers as columns of units, weights as lines between them.

    A line's colour tells a weight's sign and size, its thickness the size. Wide layers
    are collapsed in the middle. Biases and short cuts are counted, not drawn.

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
        For the units that are drawn.

    Attributes
    ----------
    nodes_ : list of PathCollection
        One per column.
    edges_ : list of LineCollection
        One per layer of weights; `get_array` has the weights, the largest last.
    labels_ : list of Text
        Below the columns.
    gaps_ : list of Text or None
        The ellipses, with the number of units left out.
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
    [4, 7, 3]
    >>> [gap and gap.get_text().split()[1:] for gap in display.plot().gaps_]
    [None, ['9', 'more'], None]
    """

    def __init__(self, *, columns, weights, limit, input_names=None, output_names=None):
        self.columns, self.weights, self.limit = columns, weights, limit
        self.input_names, self.output_names = input_names, output_names

    @classmethod
    def from_estimator(cls, estimator, *, max_units=12, ax=None, plot=True):
        """Read a fitted, or initialised, network.

        Parameters
        ----------
        estimator : network, or pipeline that ends in one
        max_units : int, default=12
            Units drawn of a layer at most; of a larger one, one less.
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
        if max_units < 3:
            raise ValueError(f"max_units must be at least 3; got {max_units!r}.")
        network = fitted_network(estimator)
        theta, architecture = weights.read(network)
        matrices = weights.views(theta, architecture)["coefs_"]
        columns = _columns(architecture, max_units)
        drawn = [
            np.array(W[np.ix_(left.units, right.units)], dtype=float)
            for W, left, right in zip(matrices, columns, columns[1:], strict=False)
        ]
        names = getattr(network, "feature_names_in_", None)
        if names is not None:
            names = [str(names[i]) for i in columns[0].units]
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
        size = (max(6, 1.2 * len(self.columns) + 1), 4)
        ax = axes_for(ax, f"{type(self).__name__}.plot", size)
        self.ax_, self.figure_ = ax, ax.figure
        self.edges_ = [
            self._draw_edges(i, cmap, max_width) for i in range(len(self.weights))
        ]
        self.nodes_, self.labels_, self.gaps_ = [], [], []
        for i, column in enumerate(self.columns):
            self._draw_column(i, column)
        self._name_units(0, self.input_names, "right", -0.12)
        last = len(self.columns) - 1
        self._name_units(last, self.output_names, "left", 0.12)
        self.colorbar_ = self.figure_.colorbar(
            self.edges_[0], ax=ax, label="weight", shrink=0.7
        )
        sides = [
            0.35 + 0.09 * max(map(len, names), default=0) if names else 0.5
            for names in (self.input_names, self.output_names)
        ]
        ax.set_xlim(-min(sides[0], 2.0), last + min(sides[1], 2.0))
        ax.set_ylim(-0.42, 1.06)
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
        self.labels_.append(self.ax_.text(i, -0.06, column.label, va="top", **center))
        gap = None
        if column.gap is not None:
            hidden = column.size - len(column.units)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            text = f"⋮\n{hidden:,} more"
            gap = self.ax_.text(
                i, column.gap, text, va="center", zorder=3, bbox=box, **center
            )
        self.gaps_.append(gap)

    def _name_units(self, i, names, side, shift):
        """Write the names of inputs or outputs beside their units."""
        column = self.columns[i]
        for name, height in zip(names or (), column.heights, strict=False):
            short = name if len(name) <= 18 else f"{name[:17]}…"
            self.ax_.text(
                i + shift, height, short, ha=side, va="center", fontsize=SMALL
            )


def _columns(architecture, max_units):
    """Return the layers of units as they are drawn."""
    sizes = architecture.sizes
    names = ["input", *layer_names(len(sizes) - 1)]
    activations = ["", *architecture.activations, architecture.output]
    counts = [0] * len(sizes)
    for part in architecture.parts:
        if part.attribute not in ("norm_means_", "norm_variances_", "norm_counts_"):
            counts[part.layer + 1] += part.size
    tallest = max(min(size, max_units) for size in sizes)
    return [
        _column(name, size, activation, count, max_units, tallest)
        for name, size, activation, count in zip(
            names, sizes, activations, counts, strict=True
        )
    ]


def _column(name, size, activation, count, max_units, tallest):
    """Return a layer with its units' places.

    tallest : int
        Places of the fullest column, whose units fill the height.
    """
    n_places = min(size, max_units)
    step = 1 / max(1, tallest - 1)
    places = 0.5 + step * ((n_places - 1) / 2 - np.arange(n_places))
    if size <= max_units:
        return Column(name, size, activation, count, np.arange(size), places, None)
    upper = n_places // 2  # what is left out takes one place, in the middle
    lower = n_places - upper - 1
    units = np.concatenate([np.arange(upper), np.arange(size - lower, size)])
    heights = np.delete(places, upper)
    return Column(name, size, activation, count, units, heights, float(places[upper]))
