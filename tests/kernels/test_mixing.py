"""Mixed rows: partners, inputs, targets and weights."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from fastnn.kernels import mixing
from kernel_tools import (
    LOGISTIC,
    SQUARED,
    Net,
    assert_close,
    few_or_many,
    from_python,
    random_data,
    random_theta,
    same_results,
)

N, BATCH = few_or_many(9, 31), few_or_many(4, 10)  # the rest is a batch of one row
SIZES = (4, 6, 3)
ORDER = np.random.default_rng(7).permutation(N)


def make(dtype, weight=None, ends=SQUARED, **options):
    X, Y = random_data(N, SIZES, ends, dtype)
    options = {"batch_size": BATCH, "mixup": True, "n_rows": N, **options}
    net = Net(SIZES, X, Y, ends, "tanh", weight, **options)
    share = np.random.default_rng(8).uniform(0.5, 1, N).astype(dtype)
    start = net.net[at.LAMBDA0]
    net.arena[start : start + N] = share
    net.set_theta(random_theta(SIZES, dtype))
    return net, X.astype(float), Y.astype(float), share.astype(float)


def mixed(X, Y, share, weight, begin):
    """Return inputs, targets and weights of the mini-batch that starts at `begin`."""
    rows = ORDER[begin : begin + BATCH]
    partners = np.roll(rows, -1)
    part = share[begin : begin + BATCH][:, None]
    w = np.ones(N) if weight is None else weight.astype(float)
    own, other = part[:, 0] * w[rows], (1 - part[:, 0]) * w[partners]
    total = own + other
    of_target = np.divide(own, total, out=np.zeros_like(own), where=total > 0)[:, None]
    x = part * X[rows] + (1 - part) * X[partners]
    y = of_target * Y[rows] + (1 - of_target) * Y[partners]
    return x, y, total


def test_partners(dtype):
    """The next row of the same mini-batch; the last one's is the first."""
    net, *_ = make(dtype)
    assert N % BATCH == 1
    for order in (ORDER, np.empty(0, np.int64)):
        rows = ORDER if order.size else np.arange(N)
        for begin in range(0, N, BATCH):
            batch = rows[begin : begin + BATCH]
            got = [
                from_python(mixing.partner_of)(net.net, order, begin + i)
                for i in range(len(batch))
            ]
            np.testing.assert_array_equal(got, np.roll(batch, -1))
    assert from_python(mixing.partner_of)(net.net, ORDER, N - 1) == ORDER[-1]


@pytest.mark.parametrize("ends", [SQUARED, LOGISTIC])
@pytest.mark.parametrize("weighted", [False, True])
def test_mixed_batches(weighted, ends, dtype):
    """Inputs at their place, loss and gradient as for the mixed rows themselves."""
    weight = None
    if weighted:
        weight = np.random.default_rng(9).choice([0, 0.5, 2], N).astype(dtype)
        weight[ORDER[[0, 1, N - 1]]] = 0, 0, 1
    net, X, Y, share = make(dtype, weight, ends)
    theta = net.theta
    for index, begin in enumerate(range(0, N, BATCH)):
        loss = net.train(order=ORDER, batches=(index, index + 1))
        x, y, w = mixed(X, Y, share, weight, begin)
        stride, start = net.net[at.INPUT_STRIDE], net.net[at.INPUT0]
        got = net.arena[start : start + len(x) * stride].reshape(len(x), stride)
        assert_close(got[:, : SIZES[0]], x, dtype, 1e-14, 1e-6)
        assert not got[:, SIZES[0] :].any()
        want, gradient = reference.backpropagate(
            theta, SIZES, "tanh", ends, x, y, weight=w
        )
        assert_close(loss, want, dtype)
        assert_close(net.gradient, gradient, dtype)


def test_a_row_of_the_rest_mixes_with_itself(dtype):
    """The last mini-batch has one row: it is as it was."""
    net, X, _, _ = make(dtype)
    last = N // BATCH
    net.train(order=ORDER, batches=(last, last + 1))
    start = net.net[at.INPUT0]
    got = net.arena[start : start + SIZES[0]]
    assert_close(got, X[ORDER[-1]], dtype, 1e-15, 2e-7)


def test_targets_beyond_the_group_are_neutral(dtype):
    """Rows that are not there have target 1 and weight 0."""
    net, _, Y, share = make(dtype)
    k, u0 = SIZES[-1], int(net.net[at.SCRATCH0])
    w0 = u0 + k * at.GROUP
    none = np.empty(0, dtype)
    mixing.mixed_targets[dtype](net.net, net.arena, net.Y, none, ORDER, 0, u0, w0, 3)
    U = net.arena[u0:w0].reshape(k, at.GROUP)
    W = net.arena[w0 : w0 + at.GROUP]
    part = share[:3, None]
    want = part * Y[ORDER[:3]] + (1 - part) * Y[ORDER[1:4]]
    assert_close(U[:, :3].T, want, dtype, 1e-15, 1e-6)
    assert (U[:, 3:] == 1).all()
    np.testing.assert_array_equal(W, np.arange(at.GROUP) < 3)


def test_same_bits_for_any_workers(dtype):
    results = []
    for n_workers in (1, 2, 3, 7):
        net, *_ = make(dtype, n_workers=n_workers, solver="adam")
        results.append((np.array(net.train(order=ORDER)), net.theta))
    for other in results[1:]:
        assert same_results(results[0][0], other[0])
        assert same_results(results[0][1], other[1])
