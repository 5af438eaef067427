"""Outputs of a network for many rows."""

import numpy as np

from . import threads
from .kernels import layout as at
from .kernels import training
from .network import Network, Rows, count_parameters

# Rows whose activations are held at once. Fixed, so that it does not depend on
# anything but the network; outputs do not depend on it at all.
BLOCK_ROWS = 1536


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
    network = Network(
        sizes,
        activation,
        output,
        theta.dtype,
        n_workers=n_workers,
        sparse=rows.sparse,
        n_rows=rows.n,
        batch_size=min(rows.n, BLOCK_ROWS),
    )
    network.set_parameters(theta)
    return outputs_of(network, rows, np.empty(0, np.int64))


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
