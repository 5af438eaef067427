"""Rows' losses and outputs of given raw outputs, and hidden layers' outputs."""

import numpy as np
import pytest
import reference
from fastnn.kernels import evaluation, training
from fastnn.kernels import layout as at
from kernel_tools import (
    CANARY,
    LOGISTIC,
    POISSON,
    SOFTMAX,
    SQUARED,
    Net,
    assert_close,
    few_or_many,
    random_data,
    random_theta,
    same_bits,
)

from fastnn.structure.architecture import plain
from fastnn.structure.network import Network, Rows
from fastnn.structure.plan import Plan

ROWS = (1, at.GROUP - 1, at.GROUP, at.GROUP + 1, few_or_many(70, 200))


@pytest.mark.parametrize("k", [1, 3, 17, 64])
@pytest.mark.parametrize("ends", [SQUARED, SOFTMAX, LOGISTIC, POISSON])
def test_losses_and_outputs(ends, k, dtype):
    """Around a group's size; nothing outside the arrays is written."""
    if ends == SOFTMAX and k == 1:
        k = 2
    sizes = (3, k)
    for n in few_or_many((1, 65), ROWS):
        X, Y = random_data(n, sizes, ends, dtype)
        net = Net(sizes, X, Y, ends)
        Z = (3 * np.random.default_rng(n).standard_normal((n, k))).astype(dtype)
        memory = np.full((n + 2) * k, CANARY, dtype)
        memory[k:-k] = Z.ravel()
        L = np.full(n + 2, CANARY, dtype)
        before = net.arena.copy()
        evaluation.evaluate[dtype](
            net.net, net.arena, memory[k:-k], Y.ravel(), L[1:-1], n
        )
        want = reference.LOSSES[ends](Z.astype(float), Y.astype(float))
        assert_close(L[1:-1], want, dtype, 1e-13, 1e-5)
        outputs = reference.OUTPUTS[ends[1]](Z.astype(float))
        assert_close(memory[k:-k].reshape(n, k), outputs, dtype, 1e-13, 1e-5)
        assert set(memory[:k]) == set(memory[-k:]) == {L[0]} == {L[-1]} == {CANARY}
        start = int(net.net[at.SCRATCH0])
        assert same_bits(net.arena[:start], before[:start])


def test_nan_stays_in_its_row(dtype):
    X, Y = random_data(9, (3, 2), SQUARED, dtype)
    net = Net((3, 2), X, Y, SQUARED)
    Z = np.ones((9, 2), dtype)
    Z[4, 1] = np.nan
    losses = net.network.evaluate(Z, Y)
    np.testing.assert_array_equal(np.isnan(losses), np.arange(9) == 4)
    assert np.isnan(Z[4, 1])
    assert np.isfinite(np.delete(Z, 4, axis=0)).all()


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
def test_hidden_outputs(n_workers, dtype):
    """Of every layer, in any order of rows, also in blocks of rows."""
    sizes, n = (4, 17, 5, 3), few_or_many(11, 60)
    X, _ = random_data(n, sizes, SQUARED, dtype)
    theta = random_theta(sizes, dtype)
    outputs = reference.forward(theta, sizes, "tanh", X)[1]
    order = np.random.default_rng(0).permutation(n)
    for layer in range(2):
        k = sizes[layer + 1]
        for batch in (7, n):
            plan = Plan(
                plain(sizes, "tanh"), dtype, n_workers=n_workers, sparse=False,
                batch_size=batch, hidden=layer,
            )  # fmt: skip
            network = Network(plan)
            network.set_parameters(theta)
            out = np.full((n + 2) * k, CANARY, dtype)
            call = (network.net, network.arena, *Rows(X).arrays, order, out[k:-k], n)
            training.predict_serial[dtype](*call)
            got = out[k:-k].reshape(n, k)
            assert_close(got, outputs[layer + 1][order], dtype, 1e-14, 1e-5)
            assert set(out[:k]) == set(out[-k:]) == {CANARY}
