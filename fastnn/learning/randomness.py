"""Random numbers of an epoch that do not depend on what was drawn before.

All are keyed by the fit's seed and by the samples seen before the epoch, which no two
epochs of a network have in common. So an epoch's masks, noise and mixtures are the
same for any number of threads, and after any pause.
"""

import numpy as np

from ..kernels import layout as at

_MIXUP, _AUGMENTATION = 1, 2


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
