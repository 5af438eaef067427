"""`DecisionBoundaryAnimation`: how two features are told apart, epoch by epoch."""

import copy
import inspect

import numpy as np
from sklearn.base import clone
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.pipeline import Pipeline

from ._matplotlib import MARKERS, OKABE_ITO, axes_for, legend_beside, panels_for
from ._network import fresh, network_of, stochastic_network
from ._tracing import Tracing, check_epochs


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
    animation_ : matplotlib.animation.FuncAnimation
        Made by `animate`.

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
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "moons.gif")
    ...     display = display.plot().animate(path=path)
    ...     os.path.getsize(path) > 0
    True
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
            If X has not two features, y has several columns, or training diverges.
        """
        stochastic_network(estimator, "DecisionBoundaryAnimation")
        check_epochs(n_epochs)
        points, names = _points(X)
        y = np.asarray(y)
        if y.ndim != 1:
            raise ValueError(f"y must have one column; got shape {y.shape}.")
        whole = clone(estimator)
        network, inner, _ = fresh(whole, X, y)
        tracing = Tracing(network, inner, y, n_epochs)
        wanted = _frames(epochs, tracing.n_epochs)
        whole = _with_network(whole, X, y, network)
        xx0, xx1 = _grid(points, grid_resolution, eps)
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
        size = (max(4, 2.4 * shape[1]), 0.9 + 2.3 * shape[0])
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
        ax = axes_for(ax, f"{type(self).__name__}.animate", (5, 4))
        from matplotlib.animation import FuncAnimation

        self.ax_, self.figure_ = ax, ax.figure

        def draw(i):
            ax.clear()
            self._draw(ax, i, size=18, inside=False)
            ax.set_xlabel(self.feature_names[0])
            ax.set_ylabel(self.feature_names[1])
            self._legend(ax)
            return (ax,)

        draw(0)
        self.animation_ = FuncAnimation(
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
        display.plot(ax=ax, alpha=0.55, **options)
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
                *of_class.T, color=color, marker=marker, label=str(label), **style
            )

    def _legend(self, ax):
        if self.classes is None or len(self.classes) > len(OKABE_ITO):
            return
        legend_beside(ax, title="class", borderpad=0.3, handletextpad=0.2)


def _two(colors):
    """Return a colour map from one class over white to the other."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "two_classes", [colors[0], "white", colors[1]]
    )


def _markers(n):
    return [MARKERS[i % len(MARKERS)] for i in range(n)]


def _points(X):
    """Return X as an array, and the names of its two features; or raise."""
    names = [str(name) for name in getattr(X, "columns", ())]
    points = np.asarray(X, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"X must have two features; got shape {points.shape}. Choose two columns, "
            "or two principal components."
        )
    return points, names or ["feature 0", "feature 1"]


def _grid(points, resolution, eps):
    low, high = points.min(axis=0), points.max(axis=0)
    margin = eps * np.where(high > low, high - low, 1.0)
    lines = [
        np.linspace(low[i] - margin[i], high[i] + margin[i], resolution)
        for i in range(2)
    ]
    return np.meshgrid(*lines)


def _frames(epochs, n_epochs):
    """Return the epochs that are looked at."""
    if isinstance(epochs, (int, np.integer)):
        if epochs < 2:
            raise ValueError(f"epochs must be at least 2 frames; got {epochs}.")
        # Squares: twice as dense at a quarter of the way as at its end.
        steps = np.linspace(0, 1, min(int(epochs), n_epochs + 1)) ** 2
        return set(np.round(steps * n_epochs).astype(int).tolist())
    wanted = {int(epoch) for epoch in epochs}
    if not wanted or min(wanted) < 0 or max(wanted) > n_epochs:
        raise ValueError(
            f"epochs must be numbers from 0 to n_epochs ({n_epochs}); got {epochs!r}."
        )
    return wanted


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
