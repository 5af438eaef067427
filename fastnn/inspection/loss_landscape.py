"""`LossLandscapeDisplay`: the loss in a plane through the trained weights."""

import numpy as np
from sklearn.utils import check_random_state

from ..structure import weights
from ._arguments import checked
from ._contours import levels_of, texts_of
from ._matplotlib import BLACK, VERMILLION, axes_for, legend_below, number
from ._network import fitted_network, fresh, inputs_of, sample_of, stochastic_network
from ._probe import Probe
from ._tracing import Tracing, check_epochs

_NOT_FINITE = "0.8"  # a grey: none of the colours of the contours


class LossLandscapeDisplay:
    """Contours of the loss in a plane of weights, with the path of training.

    Use `from_estimator` for the plane of two random directions around a fitted
    network [1]_, and `from_training` for the plane in which a network's training
    moved the most.

    Parameters
    ----------
    x, y : ndarray of shape (resolution,)
        Coordinates in the plane; the trained weights are at (0, 0).
    loss : ndarray of shape (resolution, resolution)
        Rows go with y, columns with x. NaN or inf where it is not finite.
    directions : ndarray of shape (2, n_params)
        What one unit of x and of y adds to the weights.
    center, center_loss : ndarray of shape (n_params,), float
        The trained weights, and their loss.
    path, path_epochs : ndarray of shape (n_points, 2) and (n_points,), default=None
        Where the weights were during training, and in which epochs.
    explained_variance_ratio : ndarray of shape (2,), default=None
        Share of the path's squared distances from its end in each direction.

    Attributes
    ----------
    contour_ : QuadContourSet
    center_ : Line2D
        The mark of the trained weights.
    path_ : Line2D or None
    ax_, figure_, colorbar_ : matplotlib Axes, Figure and Colorbar

    References
    ----------
    .. [1] H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, "Visualizing the loss
       landscape of neural nets", NeurIPS 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import LossLandscapeDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8,), max_iter=20, random_state=0)
    >>> display = LossLandscapeDisplay.from_training(net, X, y, plot=False)
    >>> display.plot(levels=9).path.shape
    (21, 2)
    >>> display = LossLandscapeDisplay.from_estimator(net.initialize(X, y), X, y)
    >>> display.loss.shape
    (25, 25)
    """

    def __init__(
        self,
        *,
        x,
        y,
        loss,
        directions,
        center,
        center_loss,
        path=None,
        path_epochs=None,
        explained_variance_ratio=None,
    ):
        self.x, self.y, self.loss = x, y, loss
        self.directions, self.center = directions, center
        self.center_loss = center_loss
        self.path, self.path_epochs = path, path_epochs
        self.explained_variance_ratio = explained_variance_ratio

    @classmethod
    @checked("radius", "resolution", "n_samples")
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        radius=1.0,
        resolution=25,
        sample_weight=None,
        n_samples=1000,
        random_state=0,
        ax=None,
        plot=True,
    ):
        """Look around a fitted network in two random directions.

        Directions are normal numbers; the part of each that leads to a unit is scaled
        to the norm of the weights that lead to it (filter normalisation). Biases and
        the parameters of normalisation stay as they are. It costs resolution²
        evaluations of the loss of the sample.

        Parameters
        ----------
        estimator : fitted network, or fitted pipeline that ends in one
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Samples whose mean loss is shown, without penalties, dropout and noise.
        radius : float, default=1.0
            How far to go: at 1, as far as the weights are large.
        resolution : int, default=25
            Points in each direction; an odd number has one at the trained weights.
        sample_weight : array-like of shape (n_samples,), default=None
        n_samples : int or None, default=1000
            Rows of X at most, drawn at random; None is all.
        random_state : int, RandomState instance or None, default=0
            Seed of the directions and of the draw.
        ax : matplotlib Axes, default=None
            None makes a figure.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        LossLandscapeDisplay

        Raises
        ------
        NotFittedError
            If the network is not fitted.
        """
        network = fitted_network(estimator)
        rng = check_random_state(random_state)
        X = inputs_of(estimator, X)
        probe = Probe(network, *sample_of(X, y, sample_weight, n_samples, rng))
        directions = np.array(
            [_random_direction(probe.theta, probe.architecture, rng) for _ in range(2)]
        )
        line = np.linspace(-radius, radius, resolution)
        display = cls._over(probe, probe.theta, directions, line, line)
        return display.plot(ax=ax) if plot else display

    @classmethod
    @checked("margin", "resolution", "n_samples", "n_points")
    def from_training(
        cls,
        estimator,
        X,
        y,
        *,
        n_epochs=None,
        margin=0.25,
        resolution=25,
        sample_weight=None,
        n_samples=1000,
        n_points=100,
        random_state=0,
        ax=None,
        plot=True,
    ):
        """Train a clone and look at the plane in which it moved the most.

        The plane goes through the weights at the end, along the two principal
        components of the differences of the weights in each epoch from them. It costs
        the training on one thread, resolution² evaluations of the loss of the sample,
        and memory for `n_points` copies of the weights.

        Parameters
        ----------
        estimator : network, or pipeline that ends in one
            Not with ``solver="lbfgs"``. It is cloned and left as it is.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Training samples.
        n_epochs : int, default=None
            Epochs at most; None is `max_iter`.
        margin : float, default=0.25
            What to show besides the path, as a share of its extent.
        resolution, sample_weight, n_samples
            As for `from_estimator`.
        n_points : int, default=100
            Points of the path at most, evenly spread over the epochs.
        random_state : int, RandomState instance or None, default=0
            Seed of the draw. Training follows the estimator's own.
        ax, plot
            As for `from_estimator`.

        Returns
        -------
        LossLandscapeDisplay

        Raises
        ------
        ValueError
            If training diverges, or does not move the weights.
        """
        stochastic_network(estimator, "LossLandscapeDisplay.from_training")
        check_epochs(n_epochs)
        network, X, _ = fresh(estimator, X, y)
        sample = sample_of(X, y, sample_weight, n_samples, random_state)
        epochs, thetas, probe = _train(
            network, X, y, n_epochs, sample_weight, sample, n_points
        )
        center = thetas[-1]
        moved = thetas.astype(np.float64) - center
        components, shares = _principal(moved)
        path = moved @ components.T
        axes = [_stretch(path[:, i], margin, resolution) for i in range(2)]
        display = cls._over(probe, center, components, *axes)
        display.path, display.path_epochs = path, epochs
        display.explained_variance_ratio = shares
        return display.plot(ax=ax) if plot else display

    @classmethod
    def _over(cls, probe, center, directions, x, y):
        """Evaluate the loss at every point of a plane."""
        center = center.astype(np.float64)
        loss = np.array(
            [
                [probe.loss(center + a * directions[0] + b * directions[1]) for a in x]
                for b in y
            ]
        )
        return cls(
            x=x,
            y=y,
            loss=loss,
            directions=directions,
            center=center,
            center_loss=probe.loss(center),
        )

    def plot(self, ax=None, *, levels=20, cmap="cividis"):
        """Draw the contours, the path and the trained weights.

        Levels are the same factor apart where the loss spreads over more than three
        doublings, else the same distance.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        levels : int, default=20
            Contours.
        cmap : str or Colormap, default="cividis"

        Returns
        -------
        self : LossLandscapeDisplay
        """
        ax = axes_for(ax, f"{type(self).__name__}.plot")
        self.ax_, self.figure_ = ax, ax.figure
        loss = np.ma.masked_invalid(self.loss)
        if loss.count() < 4:
            raise ValueError(
                "The loss is finite in fewer than 4 points of the plane. Choose a "
                "smaller radius or margin."
            )
        levels, scale = levels_of(loss, levels)
        self.contour_ = ax.contourf(
            self.x, self.y, loss, levels, cmap=cmap, norm=scale, extend="max"
        )
        self.colorbar_ = self.figure_.colorbar(self.contour_, ax=ax, label="loss")
        ticks = levels[:: max(1, len(levels) // 6)]
        self.colorbar_.set_ticks(ticks, labels=texts_of(ticks))
        self.colorbar_.minorticks_off()
        if np.ma.is_masked(loss):
            ax.set_facecolor(_NOT_FINITE)
            ax.fill([], [], color=_NOT_FINITE, label="not finite")
        self.path_ = None
        if self.path is not None:
            (self.path_,) = ax.plot(
                *self.path.T, "o-", color=VERMILLION, markersize=3, label="training"
            )
            ax.plot(
                *self.path[0], "s", color=VERMILLION, mec="white", ms=8, label="start"
            )
        (self.center_,) = ax.plot(
            0,
            0,
            "*",
            color=BLACK,
            markeredgecolor="white",
            markersize=14,
            label=f"trained: loss {number(self.center_loss)}",
        )
        self._label(ax)
        return self

    def _label(self, ax):
        names = [f"direction {i} (1: as long as the weights)" for i in (1, 2)]
        if self.explained_variance_ratio is not None:
            names = [
                f"component {i} ({_percent(share)} of the path)"
                for i, share in enumerate(self.explained_variance_ratio, start=1)
            ]
        ax.set_xlabel(names[0])
        ax.set_ylabel(names[1])
        ax.set_xlim(self.x[0], self.x[-1])
        ax.set_ylim(self.y[0], self.y[-1])
        ax.locator_params(nbins=6)
        legend_below(ax)


def _random_direction(theta, architecture, rng):
    """Return normal numbers with the norm of every unit's incoming weights."""
    direction = np.zeros(theta.size)
    ours = weights.views(direction, architecture)
    theirs = weights.views(theta.astype(np.float64), architecture)
    for name in ("coefs_", "shortcut_coefs_"):
        for d, W in zip(ours.get(name, ()), theirs.get(name, ()), strict=True):
            if d is None:
                continue
            d[:] = rng.standard_normal(W.shape)
            d *= np.linalg.norm(W, axis=0) / np.linalg.norm(d, axis=0)
    return direction


def _train(network, X, y, n_epochs, sample_weight, sample, n_points):
    """Return epochs and weights on the way, and what evaluates the loss."""
    tracing = Tracing(network, X, y, n_epochs, {"sample_weight": sample_weight})
    probe = Probe(network, *sample)
    population = ("norm_means_", "norm_variances_", "norm_counts_")
    epochs, thetas, every = [], [], 1
    for moment in tracing:
        if moment.epoch % every == 0:
            for name in population:  # follow the weights; they are no place in a plane
                for part in weights.views(moment.theta, probe.architecture).get(
                    name, ()
                ):
                    part[:] = 1
            epochs.append(moment.epoch)
            thetas.append(moment.theta)
        if len(thetas) > n_points:  # every other one is enough
            epochs, thetas, every = epochs[::2], thetas[::2], every * 2
        last = moment
    if tracing.divergence:
        raise ValueError(f"Training diverged: {tracing.divergence}")
    if epochs[-1] != last.epoch:
        epochs.append(last.epoch)
        thetas.append(last.theta)
    return np.array(epochs), np.array(thetas), probe


def _principal(moved):
    """Return the two directions that hold most of the path, and how much of it.

    moved : ndarray of shape (n_points, n_params)
        Distances from the end of the path, which Li et al. centre at.
    """
    _, sizes, components = np.linalg.svd(moved, full_matrices=False)
    squares = sizes**2
    if squares[0] == 0:
        raise ValueError(
            "Training did not move the weights, so it spans no plane. Raise "
            "learning_rate_init or the number of epochs."
        )
    if len(squares) < 3 or squares[1] <= 1e-12 * squares[0]:  # a straight line
        raise ValueError(
            "The path of training has too few points to span a plane; train for at "
            "least two epochs."
        )
    return components[:2], squares[:2] / squares.sum()


def _stretch(path, margin, resolution):
    """Return evenly spaced numbers over a path's extent and a margin."""
    extent = path.max() - path.min()
    return np.linspace(
        path.min() - margin * extent, path.max() + margin * extent, resolution
    )


def _percent(share):
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"
