"""Outputs of a network for many rows."""

import functools
import itertools
import threading
import time

import numpy as np
from sklearn.utils.validation import validate_data

from . import interrupts, threads
from .inputs.matrices import check_places
from .inputs.missing import check_dates
from .kernels import _host, few_rows, forward, layout, training
from .kernels import layout as at
from .structure import weights
from .structure.network import Network, Rows, for_kernels
from .structure.plan import cached_plan
from .structure.variants import OUTPUTS

# Rows that are predicted before as many weights could be packed.
FEW_ROWS = 3
# Rows whose activations are held at once: few for few rows, so that their memory is
# small. Outputs do not depend on it.
_BLOCK_ROWS = (FEW_ROWS, 6, 96, 192)
_SHARED_ROWS = (384, 1536)  # by several workers
# Between two calls Ctrl-C is answered: work is handed to the kernels in parts of this
# many floating-point operations, some 50 ms for one slow core.
_FLOPS_PER_CALL = 2e9
# So few that it pays to copy as many bytes.
_FEW_NUMBERS = 2048
_IN_ORDER = np.empty(0, np.int64)
_NO_COLUMNS = np.empty(0, np.int32)
# Memory that a thread keeps for its next predictions: numbers in an arena, and arenas.
_KEPT_SIZE = 2**18
_MOST_KEPT = 2
_kept = threading.local()


def outputs(estimator, X, raw=False, hidden=None):
    """Return a fitted estimator's outputs for whatever X a user gives.

    Parameters
    ----------
    estimator : MLPEstimator
    X : {array-like, sparse matrix} of shape (n, d)
    raw : bool
        Whether to leave out the output activation.
    hidden : int or None
        A hidden layer whose outputs are asked for.

    Returns
    -------
    ndarray of shape (n, n_outputs)
    """
    theta, architecture = weights.read(estimator)
    X = validate(estimator, X, theta.dtype)
    if raw:
        architecture = without_output(architecture)
    return predict(theta, architecture, X, estimator.n_threads, hidden)


@functools.lru_cache(maxsize=64)
def without_output(architecture):
    """Return the architecture of raw outputs: for equal ones the same object."""
    return architecture.with_output("identity")


def validate(estimator, X, dtype):
    """Return X as the kernels read it, or raise.

    A plain array that needs no conversion takes a short cut: scikit-learn's
    validation costs more than the prediction of a row.
    """
    if (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype == dtype
        and X.flags.carray
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
        and _is_finite(X)
    ):
        return X
    check_places(X)
    numbers = validate_data(
        estimator, X, accept_sparse="csr", dtype=dtype, order="C", reset=False
    )
    check_dates(X, numbers)
    return for_kernels(numbers)


def _is_finite(X):
    """Return whether all numbers are finite, in the ways that take least time."""
    finite = np.isfinite(X)
    if X.size <= _FEW_NUMBERS:
        return b"\0" not in finite.tobytes()
    return np.count_nonzero(finite) == X.size


def predict(theta, architecture, X, n_threads=None, hidden=None):
    """Return the network's outputs, or those of a hidden layer.

    Parameters
    ----------
    theta : vector
        Parameters, see `weights`.
    architecture : Architecture
    X : ndarray or CSR matrix of shape (n, d) and theta's dtype
    n_threads : int or None
    hidden : int or None

    Returns
    -------
    ndarray of shape (n, n_outputs)
    """
    n, n_features = X.shape
    sparse = not isinstance(X, np.ndarray)
    if sparse:
        arrays = Rows(X).arrays
    else:
        arrays = (X.reshape(-1), _NO_COLUMNS, _starts(n_features))
    flops = 2.0 * architecture.n_params * n
    wanted = threads.count(n_threads, flops / 4)
    n_workers = wanted if wanted > 1 and threads.pays_to_start(flops) else 1
    batch_size = block_rows(n, n_workers)
    # An estimator's architecture is the same object in every call, and what is kept
    # holds on to it: its place is its name, and sooner found than its hash.
    options = (n_workers, sparse, batch_size, hidden)
    key = (id(architecture), theta.itemsize, *options)
    ready = _kept.__dict__.get(key)  # the thread's own from an earlier call
    if ready is None or ready.is_busy:
        ready = _Ready(architecture, theta.dtype, *options)
        _keep(key, ready)
    ready.is_busy = True  # a signal handler that predicts gets another
    out = np.empty((n, ready.width), theta.dtype)
    rows = (*arrays, _IN_ORDER, out.reshape(-1), n)
    start = time.perf_counter() if n_workers < wanted else None
    threads.enter()
    try:
        if n_workers == 1 and not takes_long(architecture, n):
            ready.serial(ready.net, ready.arena, theta, *rows)
        else:
            ready.run_parts(theta, rows)
    finally:
        threads.leave()
        ready.is_busy = False
    if start is not None:
        threads.note_serial(time.perf_counter() - start)
    return out


def takes_long(architecture, n):
    """Return whether n rows are more than one call without pauses may work on."""
    return architecture.work_of_row * n > _FLOPS_PER_CALL


def block_rows(n, n_workers):
    """Return how many rows are worked on at once, of n."""
    sizes = _BLOCK_ROWS if n_workers == 1 else _SHARED_ROWS
    return next((size for size in sizes if size >= n), sizes[-1])


class _Ready:
    """A network that only predicts, and all that a call would have to look up.

    Nothing of an earlier call is read: parameters and rows are written anew, and
    what a call leaves in the padding of activations is read by none.
    """

    __slots__ = (
        "architecture",
        "arena",
        "dtype",
        "is_busy",
        "n_workers",
        "net",
        "serial",
        "width",
    )

    def __init__(self, architecture, dtype, n_workers, sparse, batch_size, hidden):
        plan = cached_plan(
            architecture,
            dtype,
            n_workers=n_workers,
            sparse=sparse,
            batch_size=batch_size,
            hidden=hidden,
        )
        network = Network(plan)
        self.architecture = architecture
        self.net, self.arena = network.net, network.arena
        self.dtype, self.n_workers = dtype, n_workers
        serial = training.predict_with
        if batch_size == FEW_ROWS and _suits_few(plan, hidden):
            serial = few_rows.predict_few
        self.serial = serial[dtype]
        self.width = architecture.sizes[-1 if hidden is None else hidden + 1]
        self.is_busy = False

    def run_parts(self, theta, rows):
        """Predict many rows: on threads if that is safe, and with pauses."""
        layout.pack[self.dtype](self.net, self.arena, theta, self.net[at.P0])
        work = self.architecture.work_of_row
        _run_parts(self.dtype, self.n_workers, (self.net, self.arena, *rows), work)


def _suits_few(plan, hidden):
    """Return whether `predict_few` can compute these outputs."""
    architecture = plan.architecture
    plain = int(plan.net[at.FORWARD_ROWS]) == forward.forward_rows.address(plan.dtype)
    if plan.net[at.SPARSE] or hidden is not None or not plain:
        return False
    end, lanes = 0, _host.lanes_of(plan.dtype.itemsize)
    for K, N in itertools.pairwise(architecture.sizes):
        end += K * N
        if end - N + lanes > architecture.n_params:
            return False
    return True


def _keep(key, ready):
    """Keep memory for the thread's next calls, if it is small."""
    if ready.arena.size > _KEPT_SIZE:
        return
    if len(_kept.__dict__) >= _MOST_KEPT:
        _kept.__dict__.clear()
    _kept.__dict__[key] = ready


@functools.lru_cache(maxsize=64)
def _starts(n_features):
    """Return what `Rows` tells the kernels of dense rows."""
    return np.array([n_features], np.int64)


def outputs_of(network, rows, order, raw=False):
    """Return the outputs for rows `order` of X, or for all if it is empty.

    raw : bool
        Whether to leave out the output activation.
    """
    net, dtype = network.net, network.dtype
    n = order.size or rows.n
    out = np.empty((n, network.architecture.sizes[-1]), dtype)
    arguments = (net, network.arena, *rows.arrays, order, out.reshape(-1), n)
    output = int(net[at.OUTPUT])
    if raw:
        net[at.OUTPUT] = output_identity_address(dtype)
    work = network.architecture.work_of_row
    try:
        run_all(dtype, int(net[at.N_WORKERS]), arguments, work)
    finally:
        net[at.OUTPUT] = output
    return out


def run_all(dtype, n_workers, arguments, work):
    """Call the kernel for all rows, see `_run_parts`."""
    threads.enter()
    try:
        _run_parts(dtype, n_workers, arguments, work)
    finally:
        threads.leave()


def _run_parts(dtype, n_workers, arguments, work):
    """Call the kernel for all rows, so that Ctrl-C is answered soon.

    work : float
        What a row costs, in floating-point operations.
    """
    for net, *others in _parts(arguments, work):
        n = others[-1]
        if n * work > 2 * _FLOPS_PER_CALL:  # one block takes long
            # The table may be another thread's, too, which goes on.
            part = (net.copy(), *others)
            interrupts.stoppable(part[0], lambda part=part: run(dtype, n_workers, part))
        else:
            run(dtype, n_workers, (net, *others))
        interrupts.check()


def output_identity_address(dtype):
    """Return the address of the output activation that changes nothing."""
    return OUTPUTS["identity"].forward.address(dtype)


def _parts(arguments, work):
    """Return the arguments of several calls that together do the work of one.

    arguments : tuple
        The kernel's: (net, arena, numbers, columns, starts, order, out, n).
    work : float
        What a row costs, in floating-point operations.
    """
    net, arena, numbers, columns, starts, order, out, n = arguments
    if n * work <= _FLOPS_PER_CALL:
        return [arguments]
    block = int(net[at.BLOCK])
    size = block * max(1, int(_FLOPS_PER_CALL / work / block))
    width, parts = out.size // n, []
    for first in range(0, n, size):
        stop = min(first + size, n)
        rows = numbers, columns, starts
        if not order.size:  # the rows as they are: X, too, is cut
            if net[at.SPARSE]:
                rows = numbers, columns, starts[first : stop + 1]
            else:
                rows = numbers[first * starts[0] : stop * starts[0]], columns, starts
        values = out[first * width : stop * width]
        parts.append((net, arena, *rows, order[first:stop], values, stop - first))
    return parts


def run(dtype, n_workers, arguments):
    """Call the kernel, on threads if there are several and that is safe."""
    if n_workers > 1 and threads.can_start():
        kernel = training.predict_parallel[dtype]
        if threads.run_parallel(kernel, n_workers, arguments):
            return
    training.predict_serial[dtype](*arguments)
