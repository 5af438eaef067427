"""`LossCurveDisplay`: loss and score of every epoch, of one network or several."""

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._matplotlib import (
    MARKERS,
    axes_for,
    colors_of,
    legend_beside,
    legend_height,
    panels_for,
    shortened,
    suits_log,
    whole_numbers,
)


@dataclass
class LossCurve:
    """What one network recorded of its training.

    Attributes
    ----------
    name : str
    epochs : ndarray of int, (n_epochs,)
        From 1.
    loss, validation_loss, validation_score : ndarray, (n_epochs,)
        NaN where nothing was measured.
    best_epoch : int
        The epoch of the highest validation score under early stopping, which is the
        one whose weights are kept; else of the lowest validation loss; else of the
        lowest loss.
    """

    name: str
    epochs: np.ndarray
    loss: np.ndarray
    validation_loss: np.ndarray
    validation_score: np.ndarray
    best_epoch: int


class LossCurveDisplay:
    """Training and validation loss, and score, against epochs.

    Use `from_estimator` or `from_estimators` to make one.

    Parameters
    ----------
    curves : list of LossCurve
        One per network.

    Attributes
    ----------
    curves : list of LossCurve
    ax_ : matplotlib Axes
        With the losses.
    axes_ : ndarray of matplotlib Axes
        `ax_`, and below it the scores' if there are any.
    figure_ : matplotlib Figure
    lines_ : dict of {(name, curve): Line2D}
        The curves are "loss", "validation_loss" and "validation_score".
    best_ : dict of {(name, curve): Line2D}
        The marks of the best epoch.

    See Also
    --------
    GradientFlowDisplay : What happens in each layer.
    ConvergenceStudyDisplay : Curves of many rates and batch sizes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPEstimator
    >>> from fastnn.inspection import LossCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPEstimator((16,), learning_rate_init=0.1, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(net, plot=False)
    >>> len(display.curves[0].loss) == net.n_iter_
    True
    >>> display.plot().ax_.get_ylabel()
    'loss'
    >>> wide = MLPEstimator((64,), learning_rate_init=0.1, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimators({"narrow": net, "wide": wide})
    >>> sorted(display.lines_)
    [('narrow', 'loss'), ('wide', 'loss')]
    """

    def __init__(self, *, curves):
        self.curves = curves

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, plot=True):
        """Read the curves of a fitted network.

        Parameters
        ----------
        estimator : fitted network, or pipeline that ends in one
            This package's or scikit-learn's, not with ``solver="lbfgs"``.
        name : str, default=None
            For the legend; None is the class's name.
        ax : matplotlib Axes or array of them, default=None
            See `plot`.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        LossCurveDisplay
        """
        names = None if name is None else [name]
        return cls.from_estimators([estimator], names=names, ax=ax, plot=plot)

    @classmethod
    def from_estimators(cls, estimators, *, names=None, ax=None, plot=True):
        """Read the curves of several fitted networks, for one picture.

        Parameters
        ----------
        estimators : list of fitted networks or pipelines, or dict of them by name
        names : list of str, default=None
            For the legend; None is the dict's, or the class's names and a number.
        ax : matplotlib Axes or array of them, default=None
            See `plot`.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        ValueError
            If a network has no curves, or the names do not fit.
        """
        if isinstance(estimators, dict):
            names, estimators = list(estimators), list(estimators.values())
        estimators = [_last_step(estimator) for estimator in estimators]
        if not estimators:
            raise ValueError("estimators is empty; pass at least one fitted network.")
        if names is None:
            names = _names_of(estimators)
        if len(names) != len(estimators) or len(set(names)) != len(names):
            raise ValueError(
                f"names must be {len(estimators)} different names, one per estimator; "
                f"got {names!r}."
            )
        pairs = zip(names, estimators, strict=True)
        display = cls(curves=[_curve_of(name, network) for name, network in pairs])
        return display.plot(ax=ax) if plot else display

    def plot(self, ax=None, *, scale="auto"):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or array of two, default=None
            Where there are validation scores, an Axes is cut in two. None makes a
            figure.
        scale : {"auto", "linear", "log"}, default="auto"
            Of the losses' axis. "auto" is logarithmic where they are positive and
            spread over more than a factor of 30.

        Returns
        -------
        self : LossCurveDisplay
        """
        if scale not in ("auto", "linear", "log"):
            raise ValueError(f"scale must be 'auto', 'linear' or 'log'; got {scale!r}.")
        caller = f"{type(self).__name__}.plot"
        if any(np.isfinite(curve.validation_score).any() for curve in self.curves):
            axes = panels_for(ax, caller, 2, 1, (6, 4.6), sharex=True)[:, 0]
        else:
            axes = np.array([axes_for(ax, caller)], dtype=object)
        self.axes_, self.ax_, self.figure_ = axes, axes[0], axes[0].figure
        self.lines_, self.best_ = {}, {}
        several = len(self.curves) > 1
        colors = colors_of(max(2, len(self.curves)))
        for i, curve in enumerate(self.curves):
            pair = (colors[i], colors[i]) if several else (colors[0], colors[1])
            marker = MARKERS[i % len(MARKERS)]
            self._draw(curve, pair, marker)
        self._label(scale)
        if not several:
            self.ax_.legend(fontsize="small")
        else:
            self._name_networks(resize=ax is None)
        return self

    def _draw(self, curve, colors, marker):
        """Draw the lines of one network, and mark its best epoch."""
        for what, style, color, ax, label in (
            ("loss", "-", colors[0], self.ax_, "training"),
            ("validation_loss", "--", colors[1], self.ax_, "validation"),
            ("validation_score", "--", colors[1], self.axes_[-1], "validation"),
        ):
            values = getattr(curve, what)
            if not np.isfinite(values).any():
                continue
            (line,) = ax.plot(curve.epochs, values, style, color=color, label=label)
            self.lines_[curve.name, what] = line
            (self.best_[curve.name, what],) = ax.plot(
                curve.best_epoch,
                values[curve.best_epoch - 1],
                marker,
                color=color,
                markersize=7,
                markerfacecolor="white",
                markeredgewidth=1.8,
                label=f"best epoch ({curve.best_epoch})" if what == "loss" else "_",
            )

    def _label(self, scale):
        losses = [
            np.concatenate([curve.loss, curve.validation_loss]) for curve in self.curves
        ]
        if scale == "auto":
            scale = "log" if suits_log(np.concatenate(losses)) else "linear"
        self.ax_.set_yscale(scale)
        self.ax_.set_ylabel("loss")
        self.axes_[-1].set_xlabel("epoch")
        if len(self.axes_) > 1:
            self.axes_[1].set_ylabel("validation score")
            self.ax_.tick_params(labelbottom=False)
        for ax in self.axes_:
            whole_numbers(ax.xaxis)

    def _name_networks(self, resize):
        """Put a legend beside the panels, with one entry per network."""
        from matplotlib.lines import Line2D

        handles = []
        for curve in self.curves:
            best = self.best_.get((curve.name, "loss"))
            if best is None:  # no loss is a number
                continue
            handles.append(Line2D([], []))
            handles[-1].update_from(best)
            handles[-1].set_linestyle("-")
            label = f"{shortened(curve.name)} (best epoch {curve.best_epoch})"
            handles[-1].set_label(label)
        drawn = {what for _, what in self.lines_}
        meanings = {"-": "training"} | ({"--": "validation"} if len(drawn) > 1 else {})
        handles += [
            Line2D([], [], color="black", linestyle=style, label=label)
            for style, label in meanings.items()
        ]
        if resize:
            longest = max(len(handle.get_label()) for handle in handles)
            height = 0.4 + legend_height(len(handles))
            height = max(self.figure_.get_figheight(), height)
            self.figure_.set_size_inches(5.5 + 0.07 * longest, height)
        legend_beside(self.ax_, handles=handles)


def _last_step(estimator):
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def _names_of(estimators):
    """Return the class's names, numbered where there are several."""
    names = [type(estimator).__name__ for estimator in estimators]
    if len(names) == 1:
        return names
    return [f"{name} {i}" for i, name in enumerate(names, start=1)]


def _curve_of(name, estimator):
    """Return the curves of a fitted network, or raise."""
    check_is_fitted(estimator)
    if not getattr(estimator, "loss_curve_", None):
        raise ValueError(
            f"{name} has no loss_curve_: solver='lbfgs' records no epochs, nor does a "
            "network that was not trained. Fit it with another solver."
        )
    loss = np.array(estimator.loss_curve_, dtype=float)
    history = getattr(estimator, "history_", {})
    missing = np.full(len(loss), np.nan)
    validation_loss = np.array(history.get("validation_loss", missing), dtype=float)
    score = history.get("validation_score")
    if score is None:  # scikit-learn's networks have scores alone
        score = getattr(estimator, "validation_scores_", None)
    score = missing if score is None else np.array(score, dtype=float)
    best = _best_epoch(estimator, loss, validation_loss, score)
    epochs = np.arange(1, len(loss) + 1)
    return LossCurve(name, epochs, loss, validation_loss, score, best)


def _best_epoch(estimator, loss, validation_loss, score):
    stops = getattr(estimator, "validation_scores_", None) is not None
    if stops and np.isfinite(score).any():
        return int(np.nanargmax(score)) + 1
    watched = validation_loss if np.isfinite(validation_loss).any() else loss
    return int(np.nanargmin(watched)) + 1
