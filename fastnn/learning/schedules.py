"""How the learning rate changes with the position in the training."""

from dataclasses import dataclass

import numpy as np

# One cycle, as in PyTorch: the share of the cycle in which the rate rises, where it
# starts, and where it ends, as fractions of the highest rate.
_RISE, _START, _END = 0.3, 1 / 25, 1 / 25 / 1e4
_OF_SGD_ALONE = ("invscaling", "adaptive")
# No plateau takes the rate below this fraction of the initial one.
_LOWEST = 1e-8


def _constant(s, **_):
    return np.ones_like(s)


def _step(s, *, decay_rate, decay_epochs, **_):
    # 0.3 / 0.1 is a little less than 3, and the third step is due all the same.
    return decay_rate ** np.floor(s / decay_epochs * (1 + 1e-12))


def _exponential(s, *, decay_rate, decay_epochs, **_):
    return decay_rate ** (s / decay_epochs)


def _cosine(s, *, horizon, **_):
    return _anneal(1.0, 0.0, np.minimum(s / horizon, 1.0))


def _one_cycle(s, *, horizon, n_batches, **_):
    """Rise and fall along half cosines, counted in mini-batches as in PyTorch.

    ::

        mini-batch   0 ... 0.3 n - 1 ... n - 1         of n in the cycle
        factor      1/25       1         1/250000
    """
    last = horizon * n_batches - 1.0
    top = max(_RISE * horizon * n_batches - 1.0, 0.0)  # 0: a cycle of 1 to 3 batches
    batch = s * n_batches
    rise = _anneal(_START, 1.0, batch / max(top, 1e-9))
    fall = _anneal(1.0, _END, np.minimum((batch - top) / max(last - top, 1e-9), 1.0))
    return np.where(batch < top, rise, fall)


def _anneal(start, end, share):
    """Return a number between start and end, for a share of 0 to 1 of the way."""
    return end + 0.5 * (start - end) * (1.0 + np.cos(np.pi * share))


def inverse_scaling(rate_init, power_t, t):
    """Return scikit-learn's rate after t samples; 0 where the slowdown overflows."""
    try:
        return float(rate_init) / float(t + 1) ** float(power_t)
    except OverflowError:
        return 0.0


SHAPES = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    # the epoch loop changes the rate itself
    "adaptive": _constant,
    "invscaling": _constant,
    "plateau": _constant,
}


def factors(
    name, epoch, n_batches, *, horizon, decay_rate=0.5, decay_epochs=20, warmup=0.0
):
    """Return what the learning rate is multiplied by in an epoch's mini-batches.

    With the position s = epoch + i / n_batches of mini-batch i:

    ==============  ========================================================
    "constant"      1
    "step"          decay_rate ** floor(s / decay_epochs)
    "exponential"   decay_rate ** (s / decay_epochs)
    "cosine"        ½ (1 + cos(π min(s / horizon, 1)))
    "one_cycle"     from 1/25 up to 1 in 30 % of the horizon, then down to
                    1/250000 along half cosines; constant after the horizon
    "adaptive",     1: the epoch loop changes the rate
    "invscaling",
    "plateau"
    ==============  ========================================================

    Any of them rises linearly from the first mini-batch on while ``warmup`` lasts::

        min(1, (s · n_batches + 1) / (warmup · n_batches))

    Parameters
    ----------
    name : str
        A key of `SHAPES`.
    epoch : float
        Epochs done before, from 0; a fraction is a place within an epoch.
    n_batches : int
        Mini-batches per epoch.
    horizon : float
        Epochs of the whole training, for "cosine" and "one_cycle".
    decay_rate : float, default=0.5
    decay_epochs : float, default=20
    warmup : float, default=0.0
        Epochs of the linear rise.

    Returns
    -------
    vector of n_batches float64

    References
    ----------
    I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm
    restarts, ICLR 2017 (without restarts). L. Smith and N. Topin,
    Super-convergence, 2018.
    """
    s = epoch + np.arange(n_batches) / n_batches
    result = SHAPES[name](
        s,
        n_batches=n_batches,
        horizon=horizon,
        decay_rate=decay_rate,
        decay_epochs=decay_epochs,
    )
    if warmup > 0:
        result = result * np.minimum(1.0, (s * n_batches + 1) / (warmup * n_batches))
    return result


@dataclass
class Plateau:
    """Decides after which epochs the rate is cut, from a value that ought to fall.

    After ``patience`` epochs in a row that did not improve on the best value by more
    than ``tol``, the rate is cut, and the count begins anew with that epoch's value
    as the best. All attributes are numbers, so that a copy keeps the whole state.

    Parameters
    ----------
    decay_rate : float
        What the rate is multiplied by in a cut, below 1.
    patience : int
    tol : float
    factor : float, default=1.0
        Of the initial rate, after the cuts so far; never below 1e-8.
    best : float, default=inf
        The lowest value since the last cut.
    waited : int, default=0
        Epochs without an improvement.
    """

    decay_rate: float
    patience: int
    tol: float
    factor: float = 1.0
    best: float = np.inf
    waited: int = 0

    def update(self, value):
        """Take an epoch's value (a score: negated); return whether to cut the rate.

        At the lowest rate the answer is always no. A NaN is no improvement.
        """
        value = float(value)
        improved = value < self.best - self.tol
        self.waited = 0 if improved else self.waited + 1
        if value < self.best:  # also by less: many small steps are no progress
            self.best = value
        lowest = self.factor <= _LOWEST * (
            1 + 1e-9
        )  # 0.1 ** 8 is, in spite of rounding
        if self.waited < self.patience or lowest:
            return False
        self.factor = max(self.factor * self.decay_rate, _LOWEST)
        self.best = np.inf if np.isnan(value) else value
        self.waited = 0
        return True


def is_followed(estimator):
    """Return whether `learning_rate` counts; in scikit-learn two are sgd's alone."""
    alone = estimator.learning_rate in _OF_SGD_ALONE and not estimator._continues
    return estimator.solver == "sgd" or not alone


def of_estimator(estimator):
    """Return the factors of an epoch's rates as a function, or None if they are 1."""
    name = estimator.learning_rate
    moving = name in ("step", "exponential", "cosine", "one_cycle")
    if not moving and not estimator.warmup:
        return None

    def of_epoch(epoch, n_batches):
        return factors(
            name,
            epoch,
            n_batches,
            horizon=estimator.schedule_epochs or estimator.max_iter,
            decay_rate=estimator.decay_rate,
            decay_epochs=estimator.decay_epochs,
            warmup=estimator.warmup,
        )

    return of_epoch
