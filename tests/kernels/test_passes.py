"""One mini-batch: outputs, losses, deltas and gradients, for odd shapes."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from fastnn.kernels import training
from kernel_tools import (
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
    same_results,
)

from fastnn.structure import plan as plan_module
from fastnn.structure.variants import ACTIVATIONS

ROWS = (1, 5, 6, 7, 13)
WIDTHS = (1, 15, 16, 17, 63, 64, 65, 100, 130)
# Every width as input, hidden layer and output, with narrow layers beside it.
NETWORKS = [
    shape
    for width in WIDTHS
    for shape in ((width, 2), (3, width), (3, width, 2), (2, 3, width, 5))
]
NONE = np.empty(0, np.int64)


def check_batch(sizes, n, ends, activation, dtype, alpha=0.0, weight=None):
    """Compare one batch's outputs, loss and gradient with the reference."""
    X, Y = random_data(n, sizes, ends, dtype)
    theta = random_theta(sizes, dtype)
    net = Net(sizes, X, Y, ends, activation, weight)
    net.set_hyper(ALPHA=alpha)
    net.set_theta(theta)
    loss = net.train()
    want, gradient = reference.backpropagate(
        theta, sizes, activation, ends, X, Y, alpha, weight
    )
    # Sums of up to 130 terms: two or three digits of 16, or of 7.
    assert_close(loss, want, dtype, 1e-13, 1e-4)
    assert_close(net.gradient, gradient, dtype, 1e-13, 1e-4)
    np.testing.assert_array_equal(net.theta, theta)
    raw = reference.forward(theta, sizes, activation, X)[0][-1]
    assert_close(net.predict(), reference.OUTPUTS[ends[1]](raw), dtype, 1e-13, 1e-4)
    for start in (at.P0, at.G0):
        assert not net.padding(int(net.net[start])).any()
    return net


@pytest.mark.parametrize("sizes", NETWORKS, ids=str)
def test_every_shape(sizes, dtype):
    for n in few_or_many((1, 7), ROWS):
        check_batch(sizes, n, SQUARED, "tanh", dtype, alpha=0.1)


@pytest.mark.parametrize("k", [2, 16, 63, 64, 65, 128, 130])
@pytest.mark.parametrize("ends", [SOFTMAX, LOGISTIC])
def test_wide_outputs(ends, k, dtype):
    """Also where rows of outputs lie further apart than whole vectors ask for.

    So it is for 64 of float64 and 128 of both; a worker's scratch must have room.
    """
    check_batch((3, k), 7, ends, "tanh", dtype)


@pytest.mark.parametrize("ends", [SQUARED, SOFTMAX, LOGISTIC, POISSON])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_variant(ends, activation, dtype):
    for sizes in ((4, 3), (4, 17, 3), (4, 6, 5, 2)):
        check_batch(sizes, 13, ends, activation, dtype, alpha=0.3)


@pytest.mark.parametrize("ends", [SQUARED, SOFTMAX, LOGISTIC, POISSON])
def test_weights(ends, dtype):
    """Row weights, some zero; a row without weight is as if it were not there."""
    weight = np.array([0, 1, 2.5, 0, 0.125, 3, 1], dtype)
    sizes = (4, 5, 3)
    net = check_batch(sizes, 7, ends, "tanh", dtype, alpha=0.3, weight=weight)
    X, Y = random_data(7, sizes, ends, dtype)
    rows = np.flatnonzero(weight)
    fewer = Net(sizes, X[rows], Y[rows], ends, "tanh", weight[rows])
    fewer.set_hyper(ALPHA=0.3)
    fewer.set_theta(random_theta(sizes, dtype))
    fewer.train()
    assert_close(fewer.gradient, net.gradient, dtype, 1e-14, 1e-6)


def test_groups_of_rows(dtype):
    """More rows than a group of the losses, with an order and weights."""
    sizes, n = (3, 5, 2), few_or_many(70, 200)
    X, Y = random_data(n, sizes, LOGISTIC, dtype)
    order = np.random.default_rng(0).permutation(n)[: n - 3]
    weight = np.linspace(0, 2, n).astype(dtype)
    theta = random_theta(sizes, dtype)
    net = Net(sizes, X, Y, LOGISTIC, "tanh", weight, batch_size=n - 3)
    net.net[at.N_ROWS] = n - 3
    net.set_theta(theta)
    loss = net.train(order=order)
    want, gradient = reference.backpropagate(
        theta, sizes, "tanh", LOGISTIC, X[order], Y[order], weight=weight[order]
    )
    assert_close(loss, want, dtype, 1e-13, 1e-4)
    assert_close(net.gradient, gradient, dtype, 1e-13, 1e-4)
    raw = reference.forward(theta, sizes, "tanh", X[order])[0][-1]
    assert_close(net.predict(order=order), reference.sigmoid(raw), dtype, 1e-13, 1e-5)


def test_row_losses_and_deltas_lie_where_the_layout_has_them(dtype):
    sizes, n = (3, 17, 2), 7
    X, Y = random_data(n, sizes, SQUARED, dtype)
    theta = random_theta(sizes, dtype)
    net = Net(sizes, X, Y, SQUARED, "tanh")
    net.set_theta(theta)
    net.train()
    zs, outputs = reference.forward(theta, sizes, "tanh", X)
    start = int(net.net[at.ROW_LOSS0])
    want = reference.LOSSES[SQUARED](zs[-1], Y.astype(float))
    assert_close(net.arena[start : start + n], want, dtype, 1e-14, 1e-5)
    coefs, _ = reference.split(theta, sizes)
    delta = zs[-1] - Y
    hidden = (delta @ coefs[1].T) * (1 - outputs[1] ** 2)
    places = [(0, "A0", outputs[1]), (0, "D0", hidden), (1, "D0", delta)]
    for layer, name, want in places:
        stride, start = net.field(layer, "STRIDE"), net.field(layer, name)
        got = net.arena[start : start + n * stride].reshape(n, stride)
        assert_close(got[:, : want.shape[1]], want, dtype, 1e-14, 1e-5, name)
        assert not got[:, want.shape[1] :].any()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_bits_of_a_row_do_not_depend_on_its_batch(activation, dtype):
    """Predicted alone, or among others at any place: the same bits."""
    sizes, n = (17, 65, 15, 3), few_or_many(13, 130)
    X, Y = random_data(n, sizes, SQUARED, dtype)
    theta = random_theta(sizes, dtype)
    whole = Net(sizes, X, Y, SOFTMAX, activation)
    whole.set_theta(theta)
    want = whole.predict()
    single = Net(sizes, X[:1], Y[:1], SOFTMAX, activation)
    single.set_theta(theta)
    for i in few_or_many((0, 6, 12), range(n)):
        single.rows.numbers = X[i].copy()
        assert same_bits(single.predict()[0], want[i])
    backwards = np.arange(n)[::-1].copy()
    np.testing.assert_array_equal(whole.predict(order=backwards), want[::-1])


def test_a_prediction_may_bring_its_parameters(dtype):
    """The same bits as with parameters that were packed before."""
    sizes, n = (17, 65, 15, 3), 13
    X, Y = random_data(n, sizes, SQUARED, dtype)
    net = Net(sizes, X, Y, SOFTMAX, batch_size=4)
    thetas = [random_theta(sizes, dtype, seed) for seed in range(2)]
    for theta in thetas:
        net.set_theta(theta)
        want = net.predict()
        net.set_theta(thetas[0] + 1)
        before = theta.copy()
        out = np.empty(want.size, dtype)
        nothing = np.empty(0, np.int64)
        training.predict_with[dtype](
            net.net, net.arena, theta, *net.rows.arrays, nothing, out, n
        )
        assert same_bits(out.reshape(want.shape), want)
        assert same_bits(theta, before)


def test_bits_do_not_depend_on_row_tiles(monkeypatch, dtype):
    """However many rows go through the layers together."""
    sizes, n = (17, 33, 3), few_or_many(40, 150)
    X, Y = random_data(n, sizes, SOFTMAX, dtype)
    results = []
    for size in (1, 10**9):
        monkeypatch.setattr(plan_module, "_CACHE_BYTES", size)
        net = Net(sizes, X, Y, SOFTMAX)
        net.set_theta(random_theta(sizes, dtype))
        loss = net.train()
        results.append((int(net.net[at.TILE_ROWS_MAX]), loss, net.gradient))
    assert results[0][0] == 24
    assert results[1][0] == 192
    assert same_results(np.array(results[0][1]), np.array(results[1][1]))
    assert same_results(results[0][2], results[1][2])


def test_nan_in_a_row_reaches_the_loss_and_the_gradient(dtype):
    sizes = (3, 5, 2)
    X, Y = random_data(7, sizes, SQUARED, dtype)
    X[4, 1] = np.nan
    for activation in ACTIVATIONS:
        net = Net(sizes, X, Y, SQUARED, activation)
        net.set_theta(random_theta(sizes, dtype))
        assert np.isnan(net.train())
        assert np.isnan(net.gradient).any()
        np.testing.assert_array_equal(
            np.isnan(net.predict()).all(axis=1), np.arange(7) == 4
        )
