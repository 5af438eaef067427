"""Training that is looked at after every epoch."""

from dataclasses import dataclass

import numpy as np

from ..learning.fitting import Session


@dataclass
class Moment:
    """A network in training, at the end of an epoch.

    Attributes
    ----------
    epoch : int
        Epochs trained; 0 is before the first.
    theta : vector
        The parameters that the solver works on.
    session : Session
    """

    epoch: int
    theta: np.ndarray
    session: Session

    def state(self):
        """Return what the solver knows, or None before its first step."""
        return self.session.trainer.finish()[1] if self.epoch else None

    def publish(self, estimator):
        """Give a network the weights and records as they are now."""
        if self.epoch:
            self.session.publish(estimator)


class Tracing:
    """Trains a network epoch by epoch; the weights are those of `fit`, to the bit.

    Parameters
    ----------
    network : estimator
        Not fitted, and not of the user: it is trained.
    X, y : training samples
    n_epochs : int or None
        At most; None is the network's `max_iter`.
    fit_params : dict
        `sample_weight`, `X_val`, `y_val`, `sample_weight_val`.

    Attributes
    ----------
    divergence : str or None
        What a fit would have raised, if the loss stopped being finite.
    stopped : bool
        Whether a reason to stop came before the last epoch.
    """

    def __init__(self, network, X, y, n_epochs=None, fit_params=None):
        if n_epochs is None:
            n_epochs = network.max_iter
        self.n_epochs = n_epochs
        # A schedule over all epochs goes on as it would in `fit`.
        network.set_params(max_iter=n_epochs)
        self.network = network
        self.session = Session(network, X, y, **(fit_params or {}))
        self.divergence, self.stopped = None, False

    def __iter__(self):
        """Go through the moments, beginning before the first epoch."""
        session = self.session
        yield self._moment(0)
        for epoch in range(1, self.n_epochs + 1):
            try:
                self.stopped = session.advance(epoch, _always)
            except ValueError as error:
                if "non-finite" not in str(error):
                    raise
                self.divergence = str(error)
                return
            if session.trainer.epochs_done() < epoch:
                raise KeyboardInterrupt  # which `advance` keeps for itself
            yield self._moment(epoch)
            if self.stopped:
                return

    def _moment(self, epoch):
        network = self.session.trainer.network
        theta = np.empty(network.n_params, network.dtype)
        network.get_parameters(theta)
        return Moment(epoch, theta, self.session)


def _always():
    return True


def check_epochs(n_epochs):
    """Raise unless a number of epochs is None or a positive integer."""
    if n_epochs is None:
        return
    if isinstance(n_epochs, bool) or not isinstance(n_epochs, (int, np.integer)):
        raise TypeError(f"n_epochs must be an integer or None; got {n_epochs!r}.")
    if n_epochs < 1:
        raise ValueError(f"n_epochs must be at least 1; got {n_epochs}.")
