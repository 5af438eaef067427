"""Outputs of a network for many rows."""

import numpy as np

from . import threads
from .kernels import layout as at
from .kernels import training
from .network import Network, Rows, cached_plan, count_parameters

# Rows whose activations are held at once: few for few rows, so that their memory is
# small. Outputs do not depend on it.
BLOCK_ROWS = (6, 96, 1536)
_IN_ORDER = np.empty(0, np.int64)


def predict(theta, sizes, activation, output, X, n_threads=None):
    """Return the network's outputs.

    Parameters
    ----------
    theta : vector
        Parameters, see `weights`.
    sizes : tuple of int
    activation, output : str
    X : ndarray or CSR matrix of shape (n, d) and theta's dtype
    n_threads : int or None

    Returns
    -------
    ndarray of shape (n, n_outputs)
    """
    rows = Rows(X)
    n_workers = threads.count(n_threads, 2.0 * count_parameters(sizes) * rows.n)
    fitting = [size for size in BLOCK_ROWS if size >= rows.n]
    plan = cached_plan(
        sizes,
        activation,
        output,
        theta.dtype,
        n_workers=n_workers,
        sparse=rows.sparse,
        batch_size=fitting[0] if fitting else BLOCK_ROWS[-1],
    )
    network = Network(plan)
    network.set_parameters(theta)
    return outputs_of(network, rows, _IN_ORDER)


def outputs_of(network, rows, order):
    """Return the outputs for rows `order` of X, or for all if it is empty."""
    n = order.size or rows.n
    k = network.sizes[-1]
    out = np.empty(n * k, network.dtype)
    threads.run(
        training.predict_serial,
        training.predict_parallel,
        network.dtype,
        int(network.net[at.N_WORKERS]),
        (network.net, network.arena, *rows.arrays, order, out, n),
    )
    return out.reshape(n, k)
