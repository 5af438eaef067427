"""Two features as a plane, and the epochs at which it is looked at."""

import operator

import numpy as np
from scipy import sparse


def points_of(X):
    """Return X as an array, and the names of its two features; or raise."""
    if sparse.issparse(X):
        raise ValueError("X must be dense to be drawn; give X.toarray().")
    names = [str(name) for name in getattr(X, "columns", ())]
    try:
        points = np.asarray(X, dtype=float)
    except (ValueError, TypeError) as error:
        raise ValueError(f"X must have numbers: {error}") from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"X must have two features; got shape {points.shape}. Choose two columns, "
            "or two principal components."
        )
    return points, names or ["feature 0", "feature 1"]


def grid_of(points, resolution, eps):
    """Return the coordinates of a grid over some points, and a margin around them."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = eps * np.where(high > low, high - low, 1.0)
    lines = [
        np.linspace(low[i] - margin[i], high[i] + margin[i], resolution)
        for i in range(2)
    ]
    return np.meshgrid(*lines)


def frames_of(epochs, n_epochs):
    """Return the epochs that are looked at."""
    if isinstance(epochs, (int, np.integer)):
        if epochs < 2:
            raise ValueError(f"epochs must be at least 2 frames; got {epochs}.")
        # Squares: twice as dense at a quarter of the way as at its end.
        steps = np.linspace(0, 1, min(int(epochs), n_epochs + 1)) ** 2
        return set(np.round(steps * n_epochs).astype(int).tolist())
    try:
        wanted = set(map(operator.index, epochs))
    except TypeError as error:
        raise ValueError(
            f"epochs must be a number of frames or a list of epochs; got {epochs!r}."
        ) from error
    if not wanted or min(wanted) < 0 or max(wanted) > n_epochs:
        raise ValueError(
            f"epochs must be numbers from 0 to n_epochs ({n_epochs}); got {epochs!r}."
        )
    return wanted
