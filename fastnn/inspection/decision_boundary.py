"""`DecisionBoundaryAnimation`: how two features are told apart, epoch by epoch."""

import copy
import inspect

import numpy as np
from sklearn.base import clone
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.pipeline import Pipeline

from ._arguments import checked
from ._matplotlib import (
    MARKERS,
    OKABE_ITO,
    axes_for,
    legend_beside,
    panels_for,
    shortened,
)
from ._network import fresh, network_of, stochastic_network
from ._plane import frames_of, grid_of, points_of
from ._tracing import Tracing, check_epochs

_MOST_NAMED = 20  # classes that a legend has room for
_UNSURE = "(white: unsure)"  # between the colours of two classes


class DecisionBoundaryAnimation:
    """Decision regions of a network of two features at some epochs of its training.

    Use `from_estimator` to make one. Each frame is drawn by scikit-learn's
    `DecisionBoundaryDisplay`.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (resolution, resolution)
        The grid.
    epochs : ndarray of int, (n_frames,)
        Epochs trained before each frame; 0 is the network before training.
    responses : ndarray of shape (n_frames, resolution, resolution)
        The probability of the second class for two classes, the number of the class
        predicted for more, and the value predicted for regression.
    X : ndarray of shape (n_samples, 2)
        Samples that are drawn on top.
    y : ndarray of shape (n_samples,)
        Their targets.
    classes : ndarray or None
        Labels, in the order of their numbers; None for regression.
    scores : ndarray of shape (n_frames,)
        Accuracy or R² on the samples.
    feature_names : list of str
    estimator : network or pipeline, default=None
        Trained, as by `fit`.

    Attributes
    ----------
    displays_ : list of DecisionBoundaryDisplay
        One per frame drawn by `plot`.
    axes_ : ndarray of matplotlib Axes
    ax_ : matplotlib Axes
        The first of them, or that of the animation.
    figure_ : matplotlib Figure
    colorbar_ : Colorbar or None
        Of the values, for regression. Classes have a legend, if they are 20 at most.
    animation_ : matplotlib.animation.FuncAnimation
        Made by `animate`. It may be thrown away without having been shown or saved.

    See Also
    --------
    sklearn.inspection.DecisionBoundaryDisplay : The same of a fitted estimator.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import DecisionBoundaryAnimation
    >>> X, y = make_moons(60, noise=0.1, random_state=0)
    >>> net = MLPClassifier((8,), learning_rate_init=0.03, random_state=0)
    >>> display = DecisionBoundaryAnimation.from_estimator(
    ...     net, X, y, epochs=[0, 10, 40], n_epochs=40, grid_resolution=20
    ... )
    >>> display.responses.shape
    (3, 20, 20)
    >>> bool(display.scores[-1] > display.scores[0])
    True
    >>> film = display.plot().animate(fps=4).animation_  # film.save("moons.gif")
    """

    def __init__(
        self,
        *,
        xx0,
        xx1,
        epochs,
        responses,
        X,
        y,
        classes,
        scores,
        feature_names,
        estimator=None,
    ):
        self.xx0, self.xx1 = xx0, xx1
        self.epochs, self.responses = epochs, responses
        self.X, self.y, self.classes = X, y, classes
        self.scores, self.feature_names = scores, feature_names
        self.estimator = estimator

    @classmethod
    @checked("grid_resolution", "eps")
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        epochs=6,
        n_epochs=None,
        grid_resolution=80,
        eps=0.1,
        ax=None,
        plot=True,
    ):
        """Train a clone and keep what it predicts at some epochs.

        Parameters
        ----------
        estimator : network, or pipeline that ends in one
            Not with ``solver="lbfgs"``, and not for several labels or outputs. It is
            cloned and left as it is.
        X : array-like of shape (n_samples, 2)
            Samples of two features.
        y : array-like of shape (n_samples,)
            Labels or values.
        epochs : int or list of int, default=6
            The epochs to look at, or how many: they are then spread so that early
            ones, in which more happens, lie closer together.
        n_epochs : int, default=None
            Epochs at most; None is `max_iter`. Training may stop before.
        grid_resolution : int, default=80
            Points of the grid in each direction.
        eps : float, default=0.1
            What to show besides the samples, as a share of their extent.
        ax : matplotlib Axes or array of them, default=None
            See `plot`.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        DecisionBoundaryAnimation

        Raises
        ------
        ValueError
            If X has not two features, y has several columns, the network predicts
            several quantiles, or training diverges.
        """
        stochastic_network(estimator, "DecisionBoundaryAnimation")
        check_epochs(n_epochs)
        points, names = points_of(X)
        y = np.asarray(y)
        if y.ndim != 1:
            raise ValueError(f"y must have one column; got shape {y.shape}.")
        whole = clone(estimator)
        network, inner, _ = fresh(whole, X, y)
        if network._loss_name() == "quantile" and np.size(network.quantile) > 1:
            raise ValueError(
                "A boundary shows one value for each point; choose one quantile."
            )
        tracing = Tracing(network, inner, y, n_epochs)
        wanted = frames_of(epochs, tracing.n_epochs)
        whole = _with_network(whole, X, y, network)
        xx0, xx1 = grid_of(points, grid_resolution, eps)
        grid = np.column_stack([xx0.ravel(), xx1.ravel()])
        if hasattr(X, "columns"):
            grid = type(X)(dict(zip(names, grid.T, strict=True)))
        found = []
        for moment in tracing:
            moment.publish(network)
            last = tracing.stopped or moment.epoch == tracing.n_epochs
            if moment.epoch in wanted or last:
                frame = _respond(whole, grid).reshape(xx0.shape)
                found.append((moment.epoch, frame, whole.score(X, y)))
        if tracing.divergence:
            raise ValueError(f"Training diverged: {tracing.divergence}")
        display = cls(
            xx0=xx0,
            xx1=xx1,
            epochs=np.array([frame[0] for frame in found]),
            responses=np.array([frame[1] for frame in found]),
            X=points,
            y=y,
            classes=None if network._is_regressor() else network.classes_,
            scores=np.array([frame[2] for frame in found]),
            feature_names=names,
            estimator=whole,
        )
        return display.plot(ax=ax) if plot else display

    def plot(self, ax=None):
        """Draw a panel per frame.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            An Axes is cut into panels; None makes a figure.

        Returns
        -------
        self : DecisionBoundaryAnimation
        """
        n = len(self.epochs)
        n_columns = min(3, n)
        shape = (
            (1, n) if isinstance(ax, np.ndarray) else (-(-n // n_columns), n_columns)
        )
        beside = self._room_beside()
        size = (max(4, 2.4 * shape[1]) + beside, 0.9 + 2.3 * shape[0])
        caller = f"{type(self).__name__}.plot"
        axes = panels_for(ax, caller, *shape, size, sharex=True, sharey=True)
        self.axes_, self.ax_, self.figure_ = axes, axes.flat[0], axes.flat[0].figure
        self.displays_ = [
            self._draw(axes.flat[i], i, size=16, inside=True) for i in range(n)
        ]
        for spare in axes.flat[n:]:
            spare.set_visible(False)
        for row in axes:
            row[0].set_ylabel(self.feature_names[1])
        for i, panel in enumerate(axes.flat[:n]):
            if i + axes.shape[1] >= n:  # nothing below
                panel.set_xlabel(self.feature_names[0])
                panel.tick_params(labelbottom=True)
        self._legend(axes[0, -1])
        self._color_values(list(axes.flat[:n]))
        return self

    def animate(self, ax=None, *, path=None, fps=4):
        """Make an animation of the frames, and save it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        path : str or path, default=None
            File to save to; the end of its name says how: ".gif" needs pillow. None
            saves nothing.
        fps : int, default=4
            Frames per second.

        Returns
        -------
        self : DecisionBoundaryAnimation
            With `animation_`, which must be kept for as long as it is shown.
        """
        size = (5 + self._room_beside(), 4)
        ax = axes_for(ax, f"{type(self).__name__}.animate", size)
        from ._animation import Animation

        self.ax_, self.figure_ = ax, ax.figure

        def draw(i):
            ax.clear()
            self._draw(ax, i, size=18, inside=False)
            ax.set_xlabel(self.feature_names[0])
            ax.set_ylabel(self.feature_names[1])
            self._legend(ax)
            return (ax,)

        draw(0)
        self._color_values(ax)
        self.animation_ = Animation(
            self.figure_, draw, frames=len(self.epochs), interval=1000 / fps
        )
        if path is not None:
            writer = "pillow" if str(path).lower().endswith(".gif") else None
            self.animation_.save(path, writer=writer, fps=fps)
        return self

    def _draw(self, ax, i, size, inside):
        """Draw a frame by scikit-learn's display, and the samples."""
        from matplotlib.colors import ListedColormap

        n_classes = 2 if self.classes is None else max(2, len(self.classes))
        response = self.responses[i]
        options: dict = {"plot_method": "pcolormesh"}
        known = inspect.signature(DecisionBoundaryDisplay.__init__).parameters
        several = self.classes is not None and n_classes > 2
        made = {"n_classes": n_classes} if "n_classes" in known else {}
        colors = self._colors()
        if several and made:
            made["multiclass_colors"] = colors
        elif several:  # an older scikit-learn, which draws numbers as they are
            options |= {"cmap": ListedColormap(colors), "vmin": -0.5}
            options["vmax"] = n_classes - 0.5
        elif self.classes is not None:
            options |= {"cmap": _two(colors), "vmin": 0.0, "vmax": 1.0}
        else:
            options |= {"cmap": "cividis", "vmin": self.y.min(), "vmax": self.y.max()}
        display = DecisionBoundaryDisplay(
            xx0=self.xx0, xx1=self.xx1, response=response, **made
        )
        # Values have the colours of the bar and of the samples; regions of classes are
        # paler than their samples.
        alpha = 1.0 if self.classes is None else 0.55
        display.plot(ax=ax, alpha=alpha, **options)
        self._scatter(ax, colors, size)
        score = "R²" if self.classes is None else "accuracy"
        text = f"epoch {self.epochs[i]}" + ("\n" if inside else ", ")
        ax.set_title(f"{text}{score} {self.scores[i]:.2f}", fontsize="small")
        return display

    def _colors(self):
        from matplotlib import colormaps

        n = 2 if self.classes is None else len(self.classes)
        if n <= len(OKABE_ITO):
            return list(OKABE_ITO[:n])
        return list(colormaps["viridis"](np.linspace(0, 1, n)))

    def _scatter(self, ax, colors, size):
        style = {"s": size, "edgecolor": "white", "linewidth": 0.4}
        if self.classes is None:
            limits = {"vmin": self.y.min(), "vmax": self.y.max()}
            ax.scatter(*self.X.T, c=self.y, cmap="cividis", **limits, **style)
            return
        for label, color, marker in zip(
            self.classes, colors, _markers(len(self.classes)), strict=True
        ):
            of_class = self.X[self.y == label]
            ax.scatter(
                *of_class.T,
                color=color,
                marker=marker,
                label=shortened(str(label)),
                **style,
            )

    def _names_classes(self):
        return self.classes is not None and len(self.classes) <= _MOST_NAMED

    def _room_beside(self):
        """Return the inches that long names of classes need beside the panels."""
        if not self._names_classes():
            return 0.0
        longest = max(len(shortened(str(label))) for label in self.classes)
        if len(self.classes) == 2:
            longest = max(longest, len(_UNSURE))
        return 0.07 * max(0, longest - 6)

    def _legend(self, ax):
        if not self._names_classes():
            return
        title = f"class\n{_UNSURE}" if len(self.classes) == 2 else "class"
        options = {"borderpad": 0.3, "handletextpad": 0.2, "alignment": "left"}
        legend_beside(ax, title=title, **options)

    def _color_values(self, ax):
        """Put a bar beside the panels that says which value has which colour."""
        self.colorbar_ = None
        if self.classes is not None:
            return
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        colors = ScalarMappable(Normalize(self.y.min(), self.y.max()), "cividis")
        self.colorbar_ = self.figure_.colorbar(
            colors, ax=ax, label="predicted value; in circles: target"
        )


def _two(colors):
    """Return a colour map from one class over white to the other, if there is one."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "two_classes", [colors[0], "white", colors[-1]]
    )


def _markers(n):
    return [MARKERS[i % len(MARKERS)] for i in range(n)]


def _with_network(estimator, X, y, network):
    """Return the pipeline, its first steps fitted, with a network at its end."""
    if not isinstance(estimator, Pipeline):
        return network
    whole = copy.copy(estimator)
    front = [
        (name, step if i == len(estimator.steps) - 1 else clone(step))
        for i, (name, step) in enumerate(estimator.steps)
    ]
    whole.steps = [*front[:-1], (front[-1][0], network)]
    if len(front) > 1:
        Pipeline(whole.steps[:-1]).fit(X, y)
    assert network_of(whole) is network
    return whole


def _respond(estimator, grid):
    """Return what is shown of a network's predictions at some points."""
    network = network_of(estimator)
    if network._is_regressor():
        return np.asarray(estimator.predict(grid), dtype=float)
    if len(network.classes_) == 2 and hasattr(network, "predict_proba"):
        return estimator.predict_proba(grid)[:, 1]
    return np.searchsorted(network.classes_, estimator.predict(grid)).astype(float)
