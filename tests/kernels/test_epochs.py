"""Many epochs in one call, and NumPy's permutations in a kernel."""

import numpy as np
import pytest
from fastnn.kernels import epochs, shuffling
from fastnn.kernels import layout as at
from kernel_tools import SOFTMAX, Net, few_or_many, random_data, random_theta

ANY = np.dtype("float64")


def stream_of(random_state):
    _, words, used, *_ = random_state.get_state()
    return np.append(words, used).astype(np.int64)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 63, 64, 65, 150, 1797])
def test_permutations_are_numpy_s(n):
    """And so is the state that they leave, at any place of the 624 words."""
    random_state = np.random.RandomState(n)
    order, want = np.append(np.arange(n), -1), np.arange(n)
    for _ in range(few_or_many(2, 50)):
        stream = stream_of(random_state)
        shuffling.shuffle[ANY](stream, order, n)
        random_state.shuffle(want)
        np.testing.assert_array_equal(order[:n], want)
        assert order[n] == -1
        np.testing.assert_array_equal(stream, stream_of(random_state))


N, SIZES = 30, (3, 5, 2)


def make(dtype):
    X, Y = random_data(N, SIZES, SOFTMAX, dtype)
    net = Net(SIZES, X, Y, SOFTMAX, batch_size=8, solver="adam")
    net.set_theta(random_theta(SIZES, dtype))
    return net


def run(net, most, *, shuffles=True, onward=True, tol=0.0, patience=10**6, **head):
    """Call the kernel; return orders, the stream and the losses."""
    orders = np.tile(np.arange(N), 2)
    stream = stream_of(np.random.RandomState(3))
    log = np.zeros(epochs.LOSSES + most)
    values = {
        "MOST": most, "N_BLOCKS": net.network.n_blocks(), "SHUFFLES": shuffles,
        "ONWARD": onward, "TOL": tol, "PATIENCE": patience, "BEST": np.inf,
        "TARGET": -np.inf, **head,
    }  # fmt: skip
    for name, value in values.items():
        log[getattr(epochs, name)] = value
    epochs.run_epochs[net.dtype](
        net.net, net.arena, net.hyper, *net.rows.arrays, net.Y, net.weight, orders,
        stream, log,
    )  # fmt: skip
    done = int(log[epochs.DONE])
    return orders, stream, log[epochs.LOSSES :][:done]


@pytest.mark.parametrize("onward", [True, False])
@pytest.mark.parametrize("shuffles", [True, False])
def test_the_same_bits_as_epoch_by_epoch(shuffles, onward, dtype):
    """Orders and losses too."""
    one, many = make(dtype), make(dtype)
    _, stream, got = run(many, 7, shuffles=shuffles, onward=onward)
    random_state, order, want = np.random.RandomState(3), np.arange(N), []
    for _ in range(7):
        if shuffles:
            permutation = np.arange(N)
            random_state.shuffle(permutation)
            order = order[permutation] if onward else permutation
        want.append(one.train(order=order))
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(many.theta, one.theta)
    np.testing.assert_array_equal(stream, stream_of(random_state))


def test_it_comes_back_when_the_losses_ask_for_it(dtype):
    """By the rule of the Python layer, see `History.record` and `_should_stop`."""
    losses = run(make(dtype), 40)[2]
    assert len(losses) == 40
    for tol in (0.0, 1e-3, 0.02, 10.0):
        for patience in (0, 2, 5):
            best, stalled, want = np.inf, 0, 0
            for loss in losses:
                want += 1
                stalled = stalled + 1 if loss > best - tol else 0
                best = min(best, loss)
                if stalled > patience:
                    break
            got = run(make(dtype), 40, tol=tol, patience=patience)[2]
            np.testing.assert_array_equal(got, losses[:want])
    got = run(make(dtype), 40, TARGET=losses[9])[2]
    assert len(got) == 1 + np.flatnonzero(losses <= losses[9])[0]


def test_a_loss_that_is_not_finite_ends_it(dtype):
    net = make(dtype)
    net.arena[net.net[at.P0]] = np.nan
    losses = run(net, 5)[2]
    assert len(losses) == 1
    assert np.isnan(losses[0])


def test_a_remainder_without_weight_has_no_loss(dtype):
    net = make(dtype)
    net.net[at.WEIGHTED], net.weight = 1, np.zeros(N, dtype)
    np.testing.assert_array_equal(run(net, 2)[2], [0.0, 0.0])
