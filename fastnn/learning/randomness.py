"""Random numbers of epochs: those that depend on what was drawn before, and others.

Orders of rows come from a stream. All else is keyed by the fit's seed and by the
samples seen before the epoch, which no two epochs of a network have in common: an
epoch's masks, noise and mixtures are the same for any number of threads, and after any
pause.
"""

import numpy as np

from ..kernels import layout as at

_MIXUP, _AUGMENTATION = 1, 2
# Numbers that going back in a stream may have to draw again: a millisecond.
_DRAWN_AGAIN = 100_000


class Bookmark:
    """Where a stream of random numbers was after some whole epochs.

    An interrupted fit goes back there, and draws the later whole epochs' orders again.

    Parameters
    ----------
    random_state : RandomState
    n_rows : int
        Numbers in an epoch's order.
    """

    def __init__(self, random_state, n_rows):
        self._random_state, self._n_rows = random_state, n_rows
        self._place = 0, random_state.get_state(legacy=False)

    def move(self, n_epochs, state):
        """Move on to where the stream is after so many epochs, if it is far.

        state : callable
            Returns the state of the RandomState that it is given.
        """
        if (n_epochs - self._place[0]) * self._n_rows > _DRAWN_AGAIN:
            self._place = n_epochs, state(self._random_state)

    def go_back(self, n_epochs):
        """Put the RandomState where it was after so many epochs."""
        passed, state = self._place
        self._random_state.set_state(state)
        order = np.empty(self._n_rows, np.int64)
        for _ in range(n_epochs - passed):
            self._random_state.shuffle(order)


def needs_seed(estimator):
    """Return whether an estimator's parameters ask for random numbers in epochs."""
    return bool(
        np.any(np.asarray(estimator.dropout, dtype=float))
        or estimator.input_noise
        or estimator.mixup_alpha
        or estimator.augmentation is not None
    )


def stream(seed, epoch, purpose):
    """Return a generator of an epoch's own."""
    return np.random.default_rng([seed, epoch, purpose])


def set_epoch(network, seed, epoch, mixup_alpha):
    """Prepare masks, noise and mixtures of an epoch.

    Parameters
    ----------
    network : Network
    seed : int
    epoch : int
        What tells this epoch from all others of the network.
    mixup_alpha : float
        Both parameters of the beta distribution that mixtures are drawn from.
    """
    net = network.net
    net[at.SEED], net[at.EPOCH] = seed, epoch
    if mixup_alpha:
        n = int(net[at.N_ROWS])
        shares = stream(seed, epoch, _MIXUP).beta(mixup_alpha, mixup_alpha, n)
        start = net[at.LAMBDA0]
        # The larger share is the row's own, so that its mask and noise fit it.
        network.arena[start : start + n] = np.maximum(shares, 1.0 - shares)


def keep_apart(network, weight, order):
    """Mix no row with one whose weight is 0: such a row is to change nothing.

    Parameters
    ----------
    network : Network
        With the shares of `set_epoch`.
    weight : vector
        Of all rows.
    order : vector of int64
        The epoch's.
    """
    net = network.net
    n, batch, start = int(net[at.N_ROWS]), int(net[at.BATCH]), net[at.LAMBDA0]
    partner = np.arange(1, n + 1)  # as in `kernels.mixing.partner_of`
    partner[batch - 1 :: batch] -= batch
    partner[-1] = (n - 1) // batch * batch
    weightless = weight[order] == 0
    network.arena[start : start + n][weightless | weightless[partner]] = 1.0


def augment(function, X, seed, epoch):
    """Return what the user's function makes of X in an epoch, checked.

    Raises
    ------
    ValueError
        If it returns another shape or numbers that are not finite.
    """
    changed = function(X.copy(), stream(seed, epoch, _AUGMENTATION))
    changed = np.require(changed, X.dtype, ["C", "A"])
    if changed.shape != X.shape:
        raise ValueError(
            f"augmentation must return an array of the shape that it gets, {X.shape}, "
            f"got {changed.shape}."
        )
    if not np.isfinite(changed).all():
        raise ValueError("augmentation returned numbers that are not finite.")
    return changed
