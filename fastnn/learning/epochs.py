"""Calls of the training kernels: an epoch in slices, or many epochs at once."""

import time

import numpy as np

from .. import interrupts, threads
from ..kernels import epochs, shuffling, team, training
from ..kernels import layout as at

# Between two calls Ctrl-C is answered. Work is handed to the kernels in slices of at
# most this many floating-point operations, some 50 ms for one slow core.
_FLOPS_PER_CALL = 1.0e9
_SECONDS_PER_CALL = 0.05
# What a mini-batch costs besides, in the same unit: its calls, and the solver's step
# for each parameter.
_FLOPS_PER_BATCH = 1.0e5
_FLOPS_OF_STEP = 20.0
# A call that was not timed yet may take as many times what is expected of it.
_DOUBT = 10.0


class EpochKernel:
    """Trains an epoch in slices that Ctrl-C can part, on threads where they pay.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network):
        self.network = network
        self.n_blocks = network.n_blocks()
        work = _work_of_block(network)
        self.blocks_per_call = max(1, int(_FLOPS_PER_CALL / work))
        self._pace = _DOUBT * work / _FLOPS_PER_CALL * _SECONDS_PER_CALL  # of a block
        self._serial = training.train_serial[network.dtype]
        self._team = _Team(network)
        self._twins = self._team.twins(self._launch)

    def __call__(self, *data):
        """Train on all blocks.

        data : X's three arrays, targets, weights and order, as the kernel has them
        """
        network = self.network
        hyper = network.hyper
        hyper[at.LOSS_SUM] = hyper[at.LOSS_COUNT] = 0.0
        network.net[at.STOP] = 0  # a call before was interrupted
        self._arguments = (network.net, network.arena, hyper, *data)
        self._team.data = self._arguments
        self._first = 0
        while self._first < self.n_blocks:
            self._first += self._twins.run()
            interrupts.check()

    def release(self):
        """Let go of the network now: what is held here refers to each other."""
        self.__dict__.clear()

    def _launch(self, threaded, most):
        n = min(most, self.blocks_per_call, self.n_blocks - self._first)
        arguments = (*self._arguments, self._first, self._first + n)
        threaded = threaded and threads.can_start()
        parallel = self._team.parallel() if threaded else None

        def work():
            if parallel is not None and self._team.run(parallel, arguments):
                return True
            self._serial(*arguments)
            return False

        start = time.perf_counter()
        threads.enter()
        try:
            if n * self._pace > _SECONDS_PER_CALL:
                threaded = interrupts.stoppable(self.network.net, work)
            else:
                threaded = work()
        finally:
            threads.leave()
        self._pace = (time.perf_counter() - start) / n
        return n, threaded


def _flops_of_block(network):
    return 6.0 * network.n_params * int(network.net[at.BLOCK])


def _work_of_block(network):
    """Return the same with what is no product: forward, twice that back, and a step."""
    rows = 3.0 * network.architecture.work_of_row * int(network.net[at.BLOCK])
    return rows + _FLOPS_PER_BATCH + _FLOPS_OF_STEP * network.n_params


class _Team:
    """The parallel kernel of a network, loaded when first asked for."""

    def __init__(self, network):
        self.network, self.data = network, ()
        self.n_workers = int(network.net[at.N_WORKERS])

    def twins(self, launch):
        """Return what chooses between one thread and several."""
        flops = _flops_of_block(self.network)
        return threads.Twins(launch, self._warm, self.n_workers, flops)

    def parallel(self):
        """Return the kernel that has all workers train."""
        dtype = self.network.dtype
        self.network.net[at.TRAIN_WORKER] = team.train_worker.address(dtype)
        return team.train_parallel[dtype]

    def run(self, kernel, arguments):
        """Call a kernel on threads if that is safe; return whether it was."""
        return threads.run_parallel(kernel, self.n_workers, arguments)

    def _warm(self):
        """Have the workers meet without any work."""
        if threads.can_start():
            self.run(self.parallel(), (*self.data, 0, 0))


class SlicedCalls:
    """Trains an epoch in several calls: where one takes long.

    Parameters
    ----------
    network : Network
    """

    streams = False  # Python draws the orders of rows

    def __init__(self, network):
        self.network = network
        self._kernel = EpochKernel(network)

    def prepare(self, data, order, random_state, n_epochs, patience):
        """Set what the next call is about; see `WholeCalls`."""
        self._data = (*data, order)

    def __call__(self):
        """Train."""
        self._kernel(*self._data)

    def losses(self):
        """Return the mean losses of the epochs of the last call."""
        hyper = self.network.hyper
        count = hyper[at.LOSS_COUNT]
        return [float(hyper[at.LOSS_SUM] / count) if count else 0.0]

    def stream(self, random_state):
        """Return the RandomState's state: it is where it should be."""
        return random_state.get_state(legacy=False)

    def give_back(self):
        """Do nothing, likewise."""

    def release(self):
        """Let go of the network."""
        self._kernel.release()


def fits_in_a_call(network):
    """Return whether an epoch is short enough for `WholeCalls`."""
    return network.n_blocks() * _work_of_block(network) <= _FLOPS_PER_CALL


class WholeCalls:
    """Trains as many epochs in a call as may go by unseen.

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
    """

    def __init__(self, network, order, streams, onward, limits):
        self.network, self.streams = network, streams
        self.n_blocks = network.n_blocks()
        work = _work_of_block(network) * self.n_blocks
        self._limit = max(1, int(_FLOPS_PER_CALL / work))
        self.most = max(1, int(self._limit / _DOUBT))
        self._orders = np.concatenate((order, order))
        self._stream = np.zeros(shuffling.WORDS + 1, np.int64)
        self._random_state = None
        self._log = np.zeros(epochs.LOSSES + self._limit)
        self._log[epochs.N_BLOCKS] = self.n_blocks
        self._log[epochs.SHUFFLES], self._log[epochs.ONWARD] = streams, onward
        self._log[[epochs.TOL, epochs.PATIENCE, epochs.TARGET]] = limits
        # Loaded, or compiled, before the first call is timed.
        self._kernel = epochs.run_epochs[network.dtype]
        self._team = _Team(network)
        self._twins = self._team.twins(self._launch)

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
        if not self.streams:
            self._orders[order.size :] = order
        elif self._random_state is None:
            self._take_stream(random_state)
        network = self.network
        numbers = (network.net, network.arena, network.hyper, *data)
        self._team.data = (*numbers, self._orders)
        self._arguments = (*numbers, self._orders, self._stream, log)

    def __call__(self):
        """Train, and see how many epochs the next call has time for."""
        start = time.perf_counter()
        self._twins.run()
        seconds = max(time.perf_counter() - start, 1e-9)
        most = int(self._log[epochs.DONE] * _SECONDS_PER_CALL / seconds)
        self.most = min(max(1, most), self._limit)

    def _launch(self, threaded, most):
        """Train on whole epochs; return their batches and whether on threads."""
        net, log = self.network.net, self._log
        log[epochs.MOST] = min(log[epochs.MOST], max(1, most // self.n_blocks))
        kernel = self._kernel
        threaded = threaded and threads.can_start()
        if threaded:
            self._team.parallel()
            net[at.TRAIN] = team.train_parallel.address(self.network.dtype)
        threads.enter()
        try:
            threaded = threaded and self._team.run(kernel, self._arguments)
            if not threaded:
                net[at.TRAIN] = net[at.TRAIN_SERIAL]
                kernel(*self._arguments)
        finally:
            threads.leave()
        return int(log[epochs.DONE]) * self.n_blocks, threaded

    def losses(self):
        """Return the mean losses of the epochs of the last call."""
        return self._log[epochs.LOSSES :][: int(self._log[epochs.DONE])].tolist()

    def _take_stream(self, random_state):
        words = random_state.get_state(legacy=False)["state"]
        self._stream[: shuffling.WORDS] = words["key"]
        self._stream[shuffling.WORDS] = words["pos"]
        self._random_state = random_state

    def stream(self, random_state):
        """Return the RandomState's state, with the kernel's draws."""
        state = random_state.get_state(legacy=False)
        if self._random_state is not None:
            words = state["state"]
            words["key"] = self._stream[: shuffling.WORDS].astype(np.uint32)
            words["pos"] = int(self._stream[shuffling.WORDS])
        return state

    def give_back(self):
        """Put the RandomState where the kernel's draws have taken it."""
        if self._random_state is not None:
            self._random_state.set_state(self.stream(self._random_state))
            self._random_state = None

    def release(self):
        """Let go of the network now: what is held here refers to each other."""
        self.__dict__.clear()


def can_stream(random_state):
    """Return whether the kernels can draw what this RandomState would."""
    return random_state.get_state(legacy=False)["bit_generator"] == "MT19937"
