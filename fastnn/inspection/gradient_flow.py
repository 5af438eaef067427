"""`GradientFlowDisplay`: gradients, updates and activations of layers over epochs."""

import numpy as np

from ._matplotlib import (
    LINE_STYLES,
    colors_of,
    legend_beside,
    panels_for,
    say,
    suits_log,
    whole_numbers,
)
from .training_statistics import training_statistics

# A mini-batch should change weights by about a thousandth of their size (A. Karpathy,
# lecture notes of CS231n, "Ratio of weights:updates"). The band is half a power of ten
# to either side.
HEALTHY_RATIO = 1e-3
# Gradients closer together than this factor are read off a linear axis more easily.
_LEAST_SPREAD = 3.0
_MOST_SPREADS = 4  # more bands over each other show nothing
RATIO_BAND = (HEALTHY_RATIO / 10**0.5, HEALTHY_RATIO * 10**0.5)


class GradientFlowDisplay:
    """Four panels over epochs, with a line per layer.

    The gradient's norm; the solver's next step over the weights, with the band around
    a thousandth; the activations' mean and spread; the share of units that are dead,
    or saturated.

    Use `from_estimator` or `from_statistics` to make one.

    Parameters
    ----------
    statistics : TrainingStatistics

    Attributes
    ----------
    statistics : TrainingStatistics
    ax_ : matplotlib Axes
        The first panel.
    axes_ : ndarray of matplotlib Axes, (2, 2)
    figure_ : matplotlib Figure
    lines_ : dict of {(quantity, layer): Line2D}
        Quantities are "gradient_norm", "update_ratio", "activation_mean",
        "dead_share" and "saturated_share", layers as in `statistics.layers`.
    spreads_ : dict of {layer: PolyCollection}
        One standard deviation of the activations to either side of their mean, for
        up to four hidden layers.
    band_ : Polygon
        The band of the update's ratio.
    legend_ : Legend

    See Also
    --------
    training_statistics : The numbers.
    diagnose : A verdict on them.

    Notes
    -----
    That a step should change weights by about a thousandth of their size is a rule of
    thumb of A. Karpathy's (lecture notes of CS231n, "Ratio of weights:updates").

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import GradientFlowDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8, 8), random_state=0)
    >>> display = GradientFlowDisplay.from_estimator(net, X, y, n_epochs=5, plot=False)
    >>> display.statistics.layers
    ['hidden 1', 'hidden 2', 'output']
    >>> display.plot().axes_.shape
    (2, 2)
    >>> again = GradientFlowDisplay.from_statistics(display.statistics, plot=False)
    """

    def __init__(self, *, statistics):
        self.statistics = statistics

    @classmethod
    def from_statistics(cls, statistics, *, ax=None, plot=True):
        """Show statistics that are there already.

        Parameters
        ----------
        statistics : TrainingStatistics
            As `training_statistics` returns them.
        ax : matplotlib Axes or array of four, default=None
            An Axes is cut into four; None makes a figure.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        GradientFlowDisplay
        """
        display = cls(statistics=statistics)
        return display.plot(ax=ax) if plot else display

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None, plot=True, **options):
        """Train a clone, record its statistics and show them.

        Parameters
        ----------
        estimator, X, y
            As for `training_statistics`, which also says what it costs.
        ax, plot
            As for `from_statistics`.
        **options : dict
            What else `training_statistics` takes, such as `n_epochs`.

        Returns
        -------
        GradientFlowDisplay
        """
        statistics = training_statistics(estimator, X, y, **options)
        return cls.from_statistics(statistics, ax=ax, plot=plot)

    def plot(self, ax=None):
        """Draw the four panels.

        Parameters
        ----------
        ax : matplotlib Axes or array of four, default=None
            An Axes is cut into four; None makes a figure.

        Returns
        -------
        self : GradientFlowDisplay
        """
        caller = f"{type(self).__name__}.plot"
        self.axes_ = panels_for(ax, caller, 2, 2, (8, 5.4), sharex=True)
        self.ax_, self.figure_ = self.axes_[0, 0], self.axes_[0, 0].figure
        self.lines_, self.spreads_ = {}, {}
        layers = self.statistics.layers
        self._styles = {
            layer: {"color": color, "linestyle": LINE_STYLES[i % len(LINE_STYLES)]}
            for i, (layer, color) in enumerate(
                zip(layers, colors_of(len(layers)), strict=True)
            )
        }
        gradients, ratios, activations, shares = self.axes_.flat
        self._draw(gradients, "gradient_norm")
        self._draw(ratios, "update_ratio")
        self.band_ = ratios.axhspan(*RATIO_BAND, color="0.85", zorder=0)
        self._draw_activations(activations)
        self._draw_shares(shares)
        for axis, title in (
            (gradients, "gradient norm"),
            (ratios, "step / weights (grey: about 0.001)"),
            (activations, "activations: mean ± std"),
            (shares, "share dead (o), saturated (x)"),
        ):
            axis.set_title(title, fontsize="small")
            whole_numbers(axis.xaxis)
        self._say_epochs()
        norms = self.statistics.gradient_norm
        if suits_log(norms[norms > 0], _LEAST_SPREAD):
            self._scale(gradients)
        self._scale(ratios)
        self._explain()
        self._legend(layers)
        return self

    def _draw(self, ax, name, **options):
        """Draw a line per layer."""
        values = getattr(self.statistics, name)
        for column, layer in zip(values.T, self.statistics.layers, strict=False):
            if not np.isfinite(column).any():
                continue
            style = {**self._styles[layer], **options}
            if np.isfinite(column).sum() == 1:  # a line has no end to be seen by
                style["marker"] = "o"
            (self.lines_[name, layer],) = ax.plot(
                self.statistics.epochs, column, label=layer, **style
            )

    def _draw_activations(self, ax):
        statistics = self.statistics
        self._draw(ax, "activation_mean")
        if len(statistics.layers) - 1 > _MOST_SPREADS:
            return
        for i, layer in enumerate(statistics.layers[:-1]):
            mean, std = (
                statistics.activation_mean[:, i],
                statistics.activation_std[:, i],
            )
            self.spreads_[layer] = ax.fill_between(
                statistics.epochs,
                mean - std,
                mean + std,
                color=self._styles[layer]["color"],
                alpha=0.15,
                linewidth=0,
            )

    def _draw_shares(self, ax):
        every = max(1, len(self.statistics.epochs) // 12)
        for name, marker in (("dead_share", "o"), ("saturated_share", "x")):
            self._draw(ax, name, marker=marker, markersize=4, markevery=every)
        ax.set_ylim(-0.05, 1.05)

    def _say_epochs(self):
        """Name the lower axes, and say where training ended without being done."""
        statistics = self.statistics
        name = "epoch"
        if statistics.divergence:
            name = f"epoch (diverged in epoch {statistics.epochs[-1] + 1})"
        for axis in self.axes_[1]:
            axis.set_xlabel(name)

    def _explain(self):
        """Say why a panel is empty."""
        reasons = ["these numbers are not finite"] * 3
        reasons.append("these activations are never off\nand do not saturate")
        if len(self.statistics.layers) == 1:
            reasons[2:] = ["this network has no hidden layers"] * 2
        for ax, reason in zip(self.axes_.flat, reasons, strict=True):
            if not ax.lines:
                say(ax, reason)

    def _scale(self, ax):
        """Set a logarithmic axis, unless there is nothing positive to show."""
        if not any((line.get_ydata() > 0).any() for line in ax.lines):
            return
        from matplotlib.ticker import NullFormatter

        ax.set_yscale("log")
        low, high = np.log10(ax.get_ylim())
        if np.floor(high) >= np.ceil(low):  # a power of ten says enough
            ax.yaxis.set_minor_formatter(NullFormatter())

    def _legend(self, layers):
        """Name the layers in order, beside the panels."""
        from matplotlib.lines import Line2D

        handles = [Line2D([], [], label=name, **self._styles[name]) for name in layers]
        self.legend_ = legend_beside(self.axes_[0, 1], handles=handles, title="layer")
