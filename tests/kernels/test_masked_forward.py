"""Rows forward with masks, as samples of predictions are drawn."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from fastnn.kernels import training
from kernel_tools import (
    CANARY,
    assert_close,
    few_or_many,
    needs_parallel,
    random_parameters,
    same_results,
)
from reference import draws as noise_twin
from scipy import sparse

from fastnn import sampling
from fastnn.structure.architecture import Architecture
from fastnn.structure.network import Rows

SIZES = (4, 17, 17, 5, 3)
ROWS = few_or_many(8, 200)  # more than a block
SEED, SAMPLE = 5, 2**33 + 6
STRUCTURES = {
    "plain": {},
    "layer": {"norm": "layer"},
    "batch": {"norm": "batch"},
    "residual": {"residual": True},
    "residual layer": {"norm": "layer", "residual": True},
    "residual batch": {"norm": "batch", "residual": True},
}
SHARES = {"hidden": (0.0, 0.4, 0.2, 0.3), "inputs": (0.3, 0.0, 0.4, 0.0)}


def make(structure, dtype, X, shares, n_workers=1, activation="tanh"):
    """Return a network that predicts with masks, its theta and its architecture."""
    names = (activation,) * (len(SIZES) - 2)
    architecture = Architecture(SIZES, names, "identity", **STRUCTURES[structure])
    rows = Rows(X)
    network = sampling._network(
        architecture, np.dtype(dtype), n_workers, rows, SHARES[shares]
    )
    theta = random_parameters(architecture, dtype)
    network.set_parameters(theta)
    network.net[[at.SEED, at.EPOCH]] = SEED, SAMPLE
    return network, rows, theta


def predict(network, rows, parallel=False, order=None):
    order = np.empty(0, np.int64) if order is None else order
    n, k = order.size or rows.n, SIZES[-1]
    out = np.full((n + 2) * k, CANARY, network.dtype)
    kernel = training.predict_parallel if parallel else training.predict_serial
    kernel[network.dtype](
        network.net, network.arena, *rows.arrays, order, out[k : (n + 1) * k], n
    )
    assert (out[:k] == CANARY).all()
    assert (out[(n + 1) * k :] == CANARY).all()
    return out[k : (n + 1) * k].reshape(n, k)


def expect(network, theta, X, shares, rows):
    """Return the outputs of the slow twin, each mask drawn by the description."""
    architecture = network.architecture
    on_inputs, *masks = (
        noise_twin.mask(SEED, SAMPLE, i - 1, rows, SIZES[i], p)
        for i, p in enumerate(SHARES[shares])
    )
    parts = reference.split_parts(theta, architecture)
    layers = reference.forward_deep(
        parts, architecture, X[rows] * on_inputs, masks, predicted=True
    )
    return layers[-1]["z"]


def inputs(dtype):
    return np.random.default_rng(1).standard_normal((ROWS, SIZES[0])).astype(dtype)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_against_the_slow_twin(structure, shares, activation, dtype):
    """Outputs of all rows, and of some in another order, which keep their masks."""
    X = inputs(dtype)
    network, rows, theta = make(structure, dtype, X, shares, activation=activation)
    everyone = np.arange(ROWS)
    want = expect(network, theta, X, shares, everyone)
    got = predict(network, rows)
    assert_close(got, want, dtype)
    order = np.random.default_rng(2).permutation(ROWS)[: ROWS - 1]
    assert_close(predict(network, rows, order=order), want[order], dtype)
    plain = reference.forward_deep(
        reference.split_parts(theta, network.architecture),
        network.architecture,
        X,
        predicted=True,
    )[-1]["z"]
    assert np.abs(got - plain).max() > 0.1


def test_sparse_rows(dtype):
    """A sparse first layer, then masks as everywhere."""
    X = inputs(dtype)
    X[np.abs(X) < 0.7] = 0
    for structure in ("plain", "residual batch"):
        network, rows, theta = make(structure, dtype, sparse.csr_matrix(X), "hidden")
        want = expect(network, theta, X, "hidden", np.arange(ROWS))
        assert_close(predict(network, rows), want, dtype)


@pytest.mark.parametrize("parallel", [False, pytest.param(True, marks=needs_parallel)])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_workers(structure, parallel, dtype):
    """The same numbers for any number of workers, in a loop and in parallel."""
    X = inputs(dtype)
    want = predict(*make(structure, dtype, X, "inputs")[:2])
    for n_workers in (2, 3):
        network, rows, _ = make(structure, dtype, X, "inputs", n_workers)
        assert same_results(predict(network, rows, parallel), want)
