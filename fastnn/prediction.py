"""Outputs of a network for many rows."""

import threading
import time

import numpy as np
from sklearn.utils.validation import validate_data

from . import threads, weights
from .kernels import layout as at
from .kernels import training
from .network import Network, Rows, for_kernels
from .plan import cached_plan
from .variants import OUTPUTS

# Rows whose activations are held at once: few for few rows, so that their memory is
# small. Outputs do not depend on it.
BLOCK_ROWS = (6, 96, 1536)
_IN_ORDER = np.empty(0, np.int64)
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
    X = _validate(estimator, X, theta.dtype)
    if raw:
        architecture = architecture.with_output("identity")
    return predict(theta, architecture, X, estimator.n_threads, hidden)


def _validate(estimator, X, dtype):
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
        and np.isfinite(X).all()
    ):
        return X
    X = validate_data(
        estimator, X, accept_sparse="csr", dtype=dtype, order="C", reset=False
    )
    return for_kernels(X)


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
    rows = Rows(X)
    flops = 2.0 * architecture.n_params * rows.n
    wanted = threads.count(n_threads, flops / 10)
    n_workers = wanted if wanted > 1 and threads.pays_to_start(flops) else 1
    fitting = [size for size in BLOCK_ROWS if size >= rows.n]
    plan = cached_plan(
        architecture,
        theta.dtype,
        n_workers=n_workers,
        sparse=rows.sparse,
        batch_size=fitting[0] if fitting else BLOCK_ROWS[-1],
        hidden=hidden,
    )
    network = _take(plan)
    network.set_parameters(theta)
    width = architecture.sizes[-1 if hidden is None else hidden + 1]
    start = time.perf_counter()
    result = _run(network, rows, _IN_ORDER, width)
    if n_workers < wanted:
        threads.note_serial(time.perf_counter() - start)
    _put_back(network)
    return result


def _take(plan):
    """Return memory for a plan: the thread's own from an earlier call, if it is free.

    Nothing of an earlier call is read: parameters and rows are written anew, and
    padding is never written to.
    """
    network = _kept.__dict__.pop(plan, None)
    return Network(plan) if network is None else network


def _put_back(network):
    """Keep memory for the thread's next call, if it is small."""
    if network.arena.size <= _KEPT_SIZE:
        if len(_kept.__dict__) >= _MOST_KEPT:
            _kept.__dict__.clear()
        _kept.__dict__[network.plan] = network


def outputs_of(network, rows, order, raw=False):
    """Return the outputs for rows `order` of X, or for all if it is empty.

    raw : bool
        Whether to leave out the output activation.
    """
    output = int(network.net[at.OUTPUT])
    if raw:
        network.net[at.OUTPUT] = output_identity_address(network.dtype)
    try:
        return _run(network, rows, order, network.architecture.sizes[-1])
    finally:
        network.net[at.OUTPUT] = output


def output_identity_address(dtype):
    """Return the address of the output activation that changes nothing."""
    return OUTPUTS["identity"].forward.address(dtype)


def _run(network, rows, order, k):
    """Call the kernels, in parallel if that pays and is safe."""
    n = order.size or rows.n
    out = np.empty(n * k, network.dtype)
    arguments = (network.net, network.arena, *rows.arrays, order, out, n)
    n_workers = int(network.net[at.N_WORKERS])
    if n_workers == 1 or not threads.run_parallel(
        training.predict_parallel[network.dtype], n_workers, arguments
    ):
        training.predict_serial[network.dtype](*arguments)
    return out.reshape(n, k)
