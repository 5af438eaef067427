"""`ConvergenceStudyDisplay`: curves of learning rates and batch sizes."""

import numpy as np

from ..model_selection import convergence_study
from ._matplotlib import (
    LINE_STYLES,
    MARKERS,
    axes_for,
    ceiling_of,
    colors_of,
    legend_beside,
    legend_height,
    number,
    panels_for,
    suits_log,
    whole_numbers,
)

_COLUMNS = ("learning_rate", "batch_size", "epoch", "diverged")


class ConvergenceStudyDisplay:
    """Loss against epochs for every learning rate and batch size of a study.

    Use `from_study` or `from_estimator` to make one.

    Parameters
    ----------
    study : pandas.DataFrame
        As `fastnn.model_selection.convergence_study` returns it.
    curve : {"training_loss", "validation_loss"}, default="validation_loss"
        What is drawn.

    Attributes
    ----------
    study : pandas.DataFrame
    curve : str
    learning_rates : list of float
        In ascending order.
    batch_sizes : list
        In ascending order; those that are words come last.
    curves : dict of {(learning rate, batch size): (epochs, losses)}
        Both are ndarray; losses end before the epoch in which a network diverged.
    diverged : dict of {(learning rate, batch size): int}
        The epoch in which a network diverged.
    ax_ : matplotlib Axes
        The first panel.
    axes_ : ndarray of matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of {(learning rate, batch size): Line2D}
    marks_ : dict of {(learning rate, batch size): Line2D}
        The crosses where networks diverged.
    exits_ : dict of {(learning rate, batch size): Line2D}
        The triangles at the upper edge, wherever a curve leaves its panel.

    See Also
    --------
    fastnn.model_selection.convergence_study : Makes a study.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import ConvergenceStudyDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8,), random_state=0)
    >>> display = ConvergenceStudyDisplay.from_estimator(
    ...     net, X, y, [1e-3, 1e-2], [16, 32], n_epochs=5
    ... )
    >>> len(display.lines_)
    4
    >>> again = ConvergenceStudyDisplay.from_study(
    ...     display.study, curve="training_loss", plot=False
    ... )
    >>> again.plot(kind="multiples").axes_.shape
    (1, 2)
    """

    def __init__(self, *, study, curve="validation_loss"):
        if curve not in ("training_loss", "validation_loss"):
            raise ValueError(
                f"curve must be 'training_loss' or 'validation_loss'; got {curve!r}."
            )
        missing = [name for name in (*_COLUMNS, curve) if name not in study]
        if missing:
            raise ValueError(
                f"study lacks the columns {missing}; pass what convergence_study of "
                "fastnn.model_selection returns."
            )
        if not study[curve].notna().any():
            raise ValueError(
                f"study has no {curve} that is a number. Choose the other curve, or "
                "validate (validation_fraction, X_val); if all networks diverge, try "
                "lower learning rates."
            )
        self.study, self.curve = study, curve
        self.learning_rates = sorted(study["learning_rate"].unique().tolist())
        self.batch_sizes = sorted(
            study["batch_size"].unique().tolist(),
            key=lambda size: (isinstance(size, str), size),
        )
        self.curves, self.diverged = {}, {}
        for setting, rows in study.groupby(["learning_rate", "batch_size"], sort=False):
            whole = rows[~rows["diverged"].astype(bool)]
            self.curves[setting] = (
                whole["epoch"].to_numpy(),
                whole[curve].to_numpy(float),
            )
            if len(whole) < len(rows):
                self.diverged[setting] = int(rows["epoch"].max())

    @classmethod
    def from_study(
        cls, study, *, curve="validation_loss", ax=None, plot=True, **kwargs
    ):
        """Show a study that is there already.

        Parameters
        ----------
        study : pandas.DataFrame
            As `convergence_study` returns it.
        curve : {"validation_loss", "training_loss"}, default="validation_loss"
            What is drawn.
        ax : matplotlib Axes or array of them, default=None
            See `plot`.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.
        **kwargs : dict
            Handed to `plot`.

        Returns
        -------
        ConvergenceStudyDisplay
        """
        display = cls(study=study, curve=curve)
        return display.plot(ax=ax, **kwargs) if plot else display

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        learning_rates,
        batch_sizes,
        *,
        curve="validation_loss",
        ax=None,
        plot=True,
        **options,
    ):
        """Make a study and show it.

        Parameters
        ----------
        estimator, X, y, learning_rates, batch_sizes
            As for `fastnn.model_selection.convergence_study`.
        curve, ax, plot
            As for `from_study`.
        **options : dict
            What else `convergence_study` takes, such as `n_epochs`.

        Returns
        -------
        ConvergenceStudyDisplay
        """
        study = convergence_study(
            estimator, X, y, learning_rates, batch_sizes, **options
        )
        return cls.from_study(study, curve=curve, ax=ax, plot=plot)

    def plot(self, ax=None, *, kind="one"):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            None makes a figure; for "multiples" an Axes is cut into panels.
        kind : {"one", "multiples"}, default="one"
            One panel with rates as colours and batch sizes as line styles, or a panel
            per batch size with the same axes. Losses far above those of the lowest
            rate leave the panel, and a triangle marks where.

        Returns
        -------
        self : ConvergenceStudyDisplay
        """
        if kind not in ("one", "multiples"):
            raise ValueError(f"kind must be 'one' or 'multiples'; got {kind!r}.")
        caller = f"{type(self).__name__}.plot"
        self.axes_ = axes = self._panels(ax, kind, caller)
        self.ax_, self.figure_ = axes.flat[0], axes.flat[0].figure
        self._draw(kind)
        for panel in axes.flat[: 1 if kind == "one" else len(self.batch_sizes)]:
            self._scale(panel)
        self._mark_exits()
        if kind == "one":
            self._label_one()
        else:
            self._label_multiples()
        return self

    def _panels(self, ax, kind, caller):
        """Return the axes to draw on, with room for the legends beside them."""
        n_rates, n = len(self.learning_rates), len(self.batch_sizes)
        of_rates = legend_height(n_rates + 3)  # title, diverged, leaves the panel
        if kind == "one":
            height = max(4, of_rates + legend_height(n + 1) + 0.9)
            return np.array([[axes_for(ax, caller, (6.5, height))]], dtype=object)
        n_columns = min(3, n)
        shape = -(-n // n_columns), n_columns
        if isinstance(ax, np.ndarray):  # every panel is given, empty ones are not
            shape = 1, n
        height = max(2.6, of_rates + 0.2)
        size = (max(6, 2.5 * shape[1] + 1), 1 + height * shape[0])
        return panels_for(ax, caller, *shape, size, sharex=True, sharey=True)

    def _draw(self, kind):
        """Draw every curve in its panel."""
        self.lines_, self.marks_ = {}, {}
        rates, sizes = self.learning_rates, self.batch_sizes
        colors = colors_of(len(rates), ordered=True)
        for (rate, size), (epochs, losses) in self.curves.items():
            i, j = rates.index(rate), sizes.index(size)
            ax = self.axes_.flat[j if kind == "multiples" else 0]
            # In a panel of its size, styles are free to tell the rates apart, too.
            look = _look(i if kind == "multiples" else j)
            (self.lines_[rate, size],) = ax.plot(
                epochs, losses, color=colors[i], linewidth=1.6, **look
            )
            if (rate, size) in self.diverged:
                (self.marks_[rate, size],) = ax.plot(
                    [self.diverged[rate, size]],
                    [0.93],
                    "x",
                    color=colors[i],
                    markersize=8,
                    mew=2,
                    transform=ax.get_xaxis_transform(),
                    clip_on=False,
                )

    def _mark_exits(self):
        """Mark where curves cross the upper edge of their panel."""
        self.exits_ = {}
        top = ceiling_of(self._found(), self._usual())
        for setting, line in self.lines_.items():
            ax = line.axes
            places = _exits(*self.curves[setting], top, ax.get_yscale() == "log")
            if not places.size:
                continue
            (self.exits_[setting],) = ax.plot(
                places,
                np.ones(len(places)),
                "^",
                color=line.get_color(),
                markersize=7,
                transform=ax.get_xaxis_transform(),
                clip_on=False,
                zorder=3,
            )

    def _handles(self, colors, looks):
        from matplotlib.lines import Line2D

        return [
            Line2D([], [], color=color, linewidth=1.6, **look)
            for color, look in zip(colors, looks, strict=True)
        ]

    def _label_one(self):
        n_rates, n_sizes = len(self.learning_rates), len(self.batch_sizes)
        rates = self._handles(colors_of(n_rates, ordered=True), [{}] * n_rates)
        labels = self._rate_labels()
        self._explain_marks(rates, labels)
        first = legend_beside(
            self.ax_, handles=rates, labels=labels, title="learning rate"
        )
        self.ax_.add_artist(first)  # the next one would take its place
        first.set_clip_on(False)  # the layout leaves no room for what is clipped
        looks = [_look(j) for j in range(n_sizes)]
        sizes = self._handles(["black"] * n_sizes, looks)
        names = [number(size) for size in self.batch_sizes]
        legend_beside(
            self.ax_,
            handles=sizes,
            labels=names,
            title="batch size",
            loc="lower left",
            bbox_to_anchor=(1.02, 0),
        )
        self.ax_.set_xlabel("epoch")
        self.ax_.set_ylabel(self.curve.replace("_", " "))

    def _rate_labels(self):
        """Return the rates, and which of them have no loss within the axis."""
        top = ceiling_of(self._found(), self._usual())
        labels = []
        for rate in self.learning_rates:
            own = np.concatenate(
                [v for (r, _), (_, v) in self.curves.items() if r == rate]
            )
            off = top is not None and own.size and own.min() > top
            labels.append(f"{number(rate)} (off scale)" if off else number(rate))
        return labels

    def _explain_marks(self, handles, labels):
        """Add the marks that were drawn to a legend's entries."""
        from matplotlib.lines import Line2D

        for drawn, marker, label in (
            (self.marks_, "x", "diverged"),
            (self.exits_, "^", "leaves the panel"),
        ):
            if drawn:
                style = {"color": "black", "marker": marker, "linestyle": "none"}
                handles.append(Line2D([], [], **style))
                labels.append(label)

    def _label_multiples(self):
        n_rates, n = len(self.learning_rates), len(self.batch_sizes)
        looks = [_look(i) for i in range(n_rates)]
        rates = self._handles(colors_of(n_rates, ordered=True), looks)
        labels = self._rate_labels()
        self._explain_marks(rates, labels)
        for i, size in enumerate(self.batch_sizes):
            ax = self.axes_.flat[i]
            ax.set_title(f"batch size {size}", fontsize="medium")
            if i + self.axes_.shape[1] >= n:  # nothing below
                ax.set_xlabel("epoch")
                ax.tick_params(labelbottom=True)
        for ax in self.axes_.flat[n:]:
            ax.set_visible(False)
        for row in self.axes_:
            row[0].set_ylabel(self.curve.replace("_", " "))
        legend_beside(
            self.axes_[0, -1], handles=rates, labels=labels, title="learning rate"
        )

    def _scale(self, ax):
        """Choose the axis of losses, which is the same in all panels."""
        found = self._found()
        top = ceiling_of(found, self._usual())
        seen = found if top is None else found[found <= top]
        log = suits_log(seen)
        if log:
            ax.set_yscale("log")
        if top is not None:
            low = seen.min() * 0.8 if log else seen.min() - 0.05 * (top - seen.min())
            ax.set_ylim(low, top)
        whole_numbers(ax.xaxis)

    def _found(self):
        """Return the losses of all curves."""
        return np.concatenate([losses for _, losses in self.curves.values()])

    def _usual(self):
        """Return the highest loss of the lowest rate: about an untrained network's."""
        found = [
            losses.max()
            for (rate, _), (_, losses) in self.curves.items()
            if losses.size and rate == self.learning_rates[0]
        ]
        return max(found, default=0.0)


def _look(i):
    """Return the look of line i: another style, and then a marker besides."""
    turn, i = divmod(i, len(LINE_STYLES))
    look = {"linestyle": LINE_STYLES[i]}
    if turn:
        look |= {"marker": MARKERS[(turn - 1) % len(MARKERS)], "markersize": 3.5}
    return look


def _exits(epochs, losses, top, log):
    """Return where a curve crosses the upper edge on its way out of a panel.

    epochs, losses : ndarray of shape (n_epochs,)
    top : float or None
        The edge; None is above all finite losses.
    log : bool
        Whether the axis of losses is logarithmic, on which the lines are straight.
    """
    top = np.finfo(float).max if top is None else top
    above = losses > top  # of NaN this is False
    out = np.flatnonzero(above & ~np.concatenate([[False], above[:-1]]))
    before = np.maximum(out - 1, 0)
    height = np.log if log else np.asarray
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        start, end = height(losses[before]), height(losses[out])
        share = (height(top) - start) / (end - start)
    share = np.where(before == out, 0.0, np.where(np.isfinite(share), share, 1.0))
    return epochs[before] + share * (epochs[out] - epochs[before])
