"""Predictions from weights that are not packed: the same bits as from packed ones."""

import numpy as np
import pytest
from fastnn.kernels import _host, few_rows
from kernel_tools import (
    SOFTMAX,
    SQUARED,
    Net,
    few_or_many,
    random_data,
    random_theta,
    same_bits,
    same_results,
)

from fastnn import prediction
from fastnn.structure.variants import ACTIVATIONS

# Narrower than a vector, a whole number of vectors, a little more, several panels.
WIDTHS = (1, 3, 15, 16, 17, 31, 33, 64, 65, 100, 130, 200)
PLAIN = [name for name, activation in ACTIVATIONS.items() if not activation.reads_z]


def networks(width):
    return [(width, 40, 2), (3, width, 40, 3), (70, width, 70, 20)]


def few_outputs(net, theta, X):
    """Return the outputs of rows of X, and see that nothing else is written."""
    n, k = len(X), net.network.architecture.sizes[-1]
    out = np.full((n + 2) * k, 7, theta.dtype)
    nothing = np.empty(0, np.int64)
    arrays = (X.reshape(-1), *net.rows.arrays[1:])
    few_rows.predict_few[theta.dtype](
        net.net, net.arena, theta, *arrays, nothing, out[k:-k], n
    )
    assert (out[:k] == 7).all()
    assert (out[-k:] == 7).all()
    return out[k:-k].reshape(n, k)


@pytest.mark.parametrize("width", WIDTHS)
def test_bits_are_those_of_packed_weights(width, dtype):
    for sizes in networks(width):
        X, Y = random_data(few_or_many(3, 7), sizes, SQUARED, dtype)
        net = Net(sizes, X, Y, SOFTMAX)
        assert prediction._suits_few(net.network.plan, None), sizes
        theta = random_theta(sizes, dtype)
        net.set_theta(theta)
        want = net.predict()
        before = theta.copy()
        got = few_outputs(net, theta, X)
        assert same_results(got, want), sizes
        assert same_bits(theta, before)


@pytest.mark.parametrize("activation", PLAIN)
def test_every_activation(activation, dtype):
    """What is left in the padding of an earlier row changes nothing."""
    sizes = (17, 33, 20, 3)
    X, Y = random_data(5, sizes, SQUARED, dtype)
    X *= 20
    net = Net(sizes, X, Y, SOFTMAX, activation)
    theta = random_theta(sizes, dtype)
    net.set_theta(theta)
    want = net.predict()
    for _ in range(3):
        assert same_results(few_outputs(net, theta, X), want)


def test_a_narrow_layer_near_the_end_does_not_suit(dtype):
    """A whole vector of the last row would reach beyond theta."""
    lanes = _host.lanes_of(dtype.itemsize)
    X, Y = random_data(2, (3, 1), SQUARED, dtype)
    alone = Net((3, 1), X, Y, SOFTMAX).network.plan
    assert prediction._suits_few(alone, None) == (lanes <= 2)
    X, Y = random_data(2, (3, lanes, 1), SQUARED, dtype)
    among_others = Net((3, lanes, 1), X, Y, SOFTMAX).network.plan
    assert prediction._suits_few(among_others, None)
