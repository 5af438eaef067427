"""Calls of the training kernels: an epoch in slices, or many epochs at once."""

import numpy as np

from . import threads
from .kernels import epochs, shuffling, team, training
from .kernels import layout as at

# A kernel cannot be interrupted. Work is handed to it in slices of at most this
# many floating-point operations, some 50 ms for one slow core.
_FLOPS_PER_CALL = 1.0e9
# What a mini-batch costs besides, in the same unit.
_FLOPS_PER_BATCH = 1.0e5


class EpochKernel:
    """Calls the training kernel for an epoch, in slices that Ctrl-C can part.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network):
        self.network = network
        net = network.net
        self.n_blocks = network.n_blocks()
        flops = 6.0 * network.n_params * int(net[at.BLOCK])
        self.blocks_per_call = max(1, int(_FLOPS_PER_CALL / flops))
        self.twins = threads.Twins(
            training.train_serial,
            _Team(network.net),
            network.dtype,
            int(net[at.N_WORKERS]),
            flops,
        )

    def __call__(self, *data):
        """Train on all blocks.

        data : X's three arrays, targets, weights and order, as the kernel has them
        """
        network = self.network
        hyper = network.hyper
        hyper[at.LOSS_SUM] = hyper[at.LOSS_COUNT] = 0.0
        arguments = (network.net, network.arena, hyper, *data)
        for first in range(0, self.n_blocks, self.blocks_per_call):
            last = min(first + self.blocks_per_call, self.n_blocks)
            self.twins.run(arguments, first, last)


class _Team:
    """The parallel kernel by dtype, loaded when first asked for."""

    def __init__(self, net):
        self.net = net

    def __getitem__(self, dtype):
        self.net[at.TRAIN_WORKER] = team.train_worker.address(dtype)
        return team.train_parallel[dtype]


class SharedCalls:
    """Trains an epoch in a call, on threads where they pay.

    Parameters
    ----------
    network : Network
    """

    streams = False  # Python draws the orders of rows

    def __init__(self, network):
        self.network = network
        self._kernel = EpochKernel(network)

    def prepare(self, data, order, random_state, n_epochs, patience):
        """Set what the next call is about; see `SerialCalls`."""
        self._data = (*data, order)

    def __call__(self):
        """Train."""
        self._kernel(*self._data)

    def losses(self):
        """Return the mean losses of the epochs of the last call."""
        hyper = self.network.hyper
        count = hyper[at.LOSS_COUNT]
        return [float(hyper[at.LOSS_SUM] / count) if count else 0.0]


class SerialCalls:
    """Trains as many epochs in a call as may go by unseen, on one thread.

    The orders of rows come from the RandomState's own stream, number by number.

    Parameters
    ----------
    network : Network
    order : vector of int64
        The rows' own order.
    streams : bool
        Whether the kernel draws the orders.
    onward : bool
        Whether an epoch shuffles the order of the one before, not the rows' own.
    limits : tuple of float
        tol, epochs of patience, and the loss to stop at.

    Attributes
    ----------
    arguments : tuple of arrays
        What the kernel takes.
    """

    def __init__(self, network, order, streams, onward, limits):
        n_blocks = network.n_blocks()
        flops = 6.0 * network.n_params * int(network.net[at.N_ROWS])
        flops += _FLOPS_PER_BATCH * n_blocks
        self.flops, self.most = flops, max(1, int(_FLOPS_PER_CALL / flops))
        self.network, self.streams = network, streams
        self._orders = np.concatenate((order, order))
        self._stream = np.zeros(shuffling.WORDS + 1, np.int64)
        self._log = np.zeros(epochs.LOSSES + self.most)
        self._log[epochs.N_BLOCKS] = n_blocks
        self._log[epochs.SHUFFLES], self._log[epochs.ONWARD] = streams, onward
        self._log[[epochs.TOL, epochs.PATIENCE, epochs.TARGET]] = limits
        self._kernel = epochs.run_epochs[network.dtype]

    def prepare(self, data, order, random_state, n_epochs, patience):
        """Set what the next call is about.

        Parameters
        ----------
        data : tuple of arrays
            X's three, targets and weights.
        order : vector of int64
            Of rows, where the kernel does not draw it.
        random_state : RandomState
        n_epochs : int
            To train, at most.
        patience : tuple of float
            The best loss so far, and epochs since an improvement.
        """
        log = self._log
        log[epochs.DONE], log[epochs.MOST] = 0, min(n_epochs, self.most)
        log[epochs.BEST] = np.inf if patience[0] is None else patience[0]
        log[epochs.STALLED] = patience[1]
        self._random_state = random_state
        if self.streams:
            self._state = random_state.get_state(legacy=False)
            words = self._state["state"]
            self._stream[: shuffling.WORDS] = words["key"]
            self._stream[shuffling.WORDS] = words["pos"]
        else:
            self._orders[order.size :] = order
        network = self.network
        self.arguments = (
            *(network.net, network.arena, network.hyper, *data),
            *(self._orders, self._stream, log),
        )

    def __call__(self):
        """Train."""
        self._kernel(*self.arguments)

    def losses(self):
        """Return the mean losses of the epochs of the last call."""
        if self.streams:
            words = self._state["state"]
            words["key"] = self._stream[: shuffling.WORDS].astype(np.uint32)
            words["pos"] = int(self._stream[shuffling.WORDS])
            self._random_state.set_state(self._state)
        return self._log[epochs.LOSSES :][: int(self._log[epochs.DONE])].tolist()


def can_stream(random_state):
    """Return whether the kernels can draw what this RandomState would."""
    return random_state.get_state(legacy=False)["bit_generator"] == "MT19937"
