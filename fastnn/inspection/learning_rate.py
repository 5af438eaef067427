"""`LearningRateFinderDisplay`: loss after a short training against learning rate."""

import numpy as np

from ..model_selection import learning_rate_range
from ._matplotlib import (
    BLUE,
    SKY,
    VERMILLION,
    axes_for,
    ceiling_of,
    legend_below,
    number,
    say,
    suits_log,
)


class LearningRateFinderDisplay:
    """Training loss against learning rate, with the rates that diverge.

    Use `from_estimator` or `from_table` to make one.

    Parameters
    ----------
    table : pandas.DataFrame
        With a row per rate, as `fastnn.model_selection.learning_rate_range` has it.
    suggestion : float, default=None
        The rate that is suggested.

    Attributes
    ----------
    table, suggestion
        As given.
    learning_rates, losses : ndarray of shape (n_rates,)
        In ascending order of the rates; losses are NaN where training diverged.
    diverged : ndarray of bool, (n_rates,)
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : Line2D
        The losses.
    suggestion_ : Line2D or None
        The line at the rate that is suggested.
    diverged_ : Line2D or None
        The crosses at the rates that diverged.
    off_scale_ : Line2D or None
        The triangles at rates whose loss is above the end of the axis, ten times that
        of the lowest rate or more.

    See Also
    --------
    fastnn.model_selection.learning_rate_range : Makes the table.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import LearningRateFinderDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = LearningRateFinderDisplay.from_estimator(
    ...     MLPClassifier((8,), batch_size=16), X, y, n_rates=5, random_state=0
    ... )
    >>> len(display.losses)
    5
    >>> again = LearningRateFinderDisplay.from_table(
    ...     display.table, display.suggestion, plot=False
    ... )
    >>> again.plot().ax_.get_xscale()
    'log'
    """

    def __init__(self, *, table, suggestion=None):
        names = ("learning_rate", "training_loss", "diverged")
        missing = [name for name in names if name not in table]
        if missing:
            raise ValueError(
                f"table lacks the columns {missing}; pass the table that "
                "learning_rate_range of fastnn.model_selection returns."
            )
        self.table, self.suggestion = table, suggestion
        order = np.argsort(table["learning_rate"].to_numpy(float))
        self.learning_rates = table["learning_rate"].to_numpy(float)[order]
        self.losses = table["training_loss"].to_numpy(float)[order]
        self.diverged = table["diverged"].to_numpy(bool)[order]

    @classmethod
    def from_table(cls, table, suggestion=None, *, ax=None, plot=True):
        """Show what `learning_rate_range` has returned.

        Parameters
        ----------
        table : pandas.DataFrame
        suggestion : float, default=None
            The rate that it suggests.
        ax : matplotlib Axes, default=None
            None makes a figure.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        LearningRateFinderDisplay
        """
        display = cls(table=table, suggestion=suggestion)
        return display.plot(ax=ax) if plot else display

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None, plot=True, **options):
        """Try the rates and show the losses.

        Parameters
        ----------
        estimator, X, y
            As for `fastnn.model_selection.learning_rate_range`.
        ax, plot
            As for `from_table`.
        **options : dict
            What else `learning_rate_range` takes, such as `low` and `high`.

        Returns
        -------
        LearningRateFinderDisplay

        Raises
        ------
        ValueError
            If no rate is left to suggest.
        """
        table, suggestion = learning_rate_range(estimator, X, y, **options)
        return cls.from_table(table, suggestion, ax=ax, plot=plot)

    def plot(self, ax=None):
        """Draw the losses on a logarithmic axis of rates.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        self : LearningRateFinderDisplay
        """
        ax = axes_for(ax, f"{type(self).__name__}.plot")
        self.ax_, self.figure_ = ax, ax.figure
        self.diverged_ = self.suggestion_ = self.off_scale_ = None
        (self.line_,) = ax.plot(
            self.learning_rates, self.losses, "o-", color=BLUE, label="loss", zorder=3
        )
        ax.set_xscale("log")
        self._scale()
        if self.diverged.any():
            self.diverged_ = self._mark(self.diverged, "x", "diverged")
        if self.suggestion is not None:
            self.suggestion_ = ax.axvline(
                self.suggestion,
                color=SKY,
                linestyle="--",
                linewidth=2,
                label=f"suggested: {number(self.suggestion)}",
            )
        ax.set_xlabel("learning rate")
        ax.set_ylabel("training loss")
        if not np.isfinite(self.losses).any():
            self.line_.set_label("_")  # there is none
            say(ax, "no rate has a finite loss")
        legend_below(ax)
        return self

    def _scale(self):
        """Choose the axis of losses, and mark what lies above its end."""
        finite = np.flatnonzero(np.isfinite(self.losses))
        usual = self.losses[finite[0]] if finite.size else 0.0
        top = ceiling_of(self.losses, usual)
        above = np.isposinf(self.losses)
        if top is not None:
            seen = self.losses[self.losses <= top]
            self.ax_.set_ylim(seen.min() - 0.05 * (top - seen.min()), top)
            above = self.losses > top  # of NaN this is False
        elif suits_log(self.losses):
            self.ax_.set_yscale("log")
        if above.any():
            self.off_scale_ = self._mark(above, "^", "off the scale")

    def _mark(self, which, marker, label):
        """Draw marks at the top of the axes at some of the rates."""
        rates = self.learning_rates[which]
        (line,) = self.ax_.plot(
            rates,
            np.full(len(rates), 0.96),
            marker,
            color=VERMILLION,
            markersize=8,
            mew=2,
            markerfacecolor="white",
            transform=self.ax_.get_xaxis_transform(),
            label=label,
        )
        return line
