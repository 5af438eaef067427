"""Single neurons: net inputs, Rosenblatt's epoch and Hebb's."""

import numpy as np
import pytest
from fastnn.kernels.neurons import hebbian_epoch, net_inputs, perceptron_epoch
from kernel_tools import CANARY, assert_close, few_or_many
from reference import neurons as reference

WIDTHS = (1, 2, 3, 8, 17, few_or_many(20, 130))
IN_ORDER = np.empty(0, np.int64)


def fenced(values, dtype):
    """Return a vector with canaries on both sides, and the part between."""
    whole = np.full(len(values) + 10, CANARY, dtype)
    whole[5:-5] = values
    return whole, whole[5:-5]


def assert_fence(whole):
    assert (whole[:5] == CANARY).all()
    assert (whole[-5:] == CANARY).all()


def run_epoch(neuron, X, y, rate, order=IN_ORDER):
    """Return the neuron after an epoch, and the mistakes."""
    dtype = X.dtype
    whole, inner = fenced(neuron, dtype)
    mistakes = np.full(3, -7, np.int64)
    perceptron_epoch[dtype](
        inner,
        X.reshape(-1),
        y.astype(dtype),
        rate.astype(dtype),
        np.asarray(order, np.int64),
        X.shape[1],
        mistakes[1:2],
    )
    assert_fence(whole)
    assert mistakes[[0, 2]].tolist() == [-7, -7]
    return inner.copy(), int(mistakes[1])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 7])
def test_net_inputs(n, width, dtype):
    rng = np.random.default_rng(width)
    X = rng.standard_normal((n, width)).astype(dtype)
    neuron = rng.standard_normal(width + 1).astype(dtype)
    whole, out = fenced(np.zeros(n), dtype)
    net_inputs[dtype](out, X.reshape(-1), neuron, width)
    assert_fence(whole)
    want = [reference.net_input(neuron[:-1], neuron[-1], x) for x in X]
    # Up to 130 terms of size 1: each addition rounds a sum of about ten.
    assert_close(out, want, dtype, 1e-14, 5e-6)


@pytest.mark.parametrize("width", WIDTHS)
def test_epoch_of_whole_numbers_is_exact(width, dtype):
    """Sums of small integers are exact in either dtype, and in any order."""
    rng = np.random.default_rng(width)
    n = 30
    X = rng.integers(-3, 4, (n, width)).astype(dtype)
    y = rng.integers(0, 2, n)
    rate = rng.integers(0, 3, n)
    w, b = rng.integers(-2, 3, width), 1
    neuron = np.append(w, b)
    for epoch in range(3):
        order = rng.permutation(n) if epoch else IN_ORDER
        rows = order if epoch else range(n)
        w, b, wrong, _ = reference.rosenblatt(w, b, X, y, 1, rate, rows)
        neuron, mistakes = run_epoch(neuron, X, y, rate, order)
        assert neuron.tolist() == [*w, b]
        assert mistakes == wrong


@pytest.mark.parametrize("width", [2, 8, 17])
def test_epoch_of_real_numbers(width, dtype):
    rng = np.random.default_rng(width + 5)
    n = 40
    X = rng.standard_normal((n, width)).astype(dtype)
    y = rng.integers(0, 2, n)
    weight = rng.uniform(0.5, 2, n).astype(dtype)
    neuron = rng.standard_normal(width + 1).astype(dtype)
    w, b = neuron[:-1], neuron[-1]
    for _ in range(few_or_many(2, 5)):
        order = rng.permutation(n)
        w, b, wrong, margin = reference.rosenblatt(w, b, X, y, 1, weight, order)
        neuron, mistakes = run_epoch(neuron, X, y, weight, order)
        # Far more than rounding: both take the same decisions.
        assert margin > 1e-4
        assert mistakes == wrong > 0
        assert_close(neuron, [*w, b], dtype, 1e-13, 1e-5)


def test_sign_with_half_of_the_error_is_the_same_rule(dtype):
    rng = np.random.default_rng(3)
    X = rng.integers(-3, 4, (25, 4)).astype(dtype)
    y = rng.integers(0, 2, 25)
    got, _ = run_epoch(np.zeros(5), X, y, np.full(25, 0.5))
    w, b = reference.rosenblatt_sign(np.zeros(4), 0, X, 2 * y - 1, 0.5, range(25))
    assert got.tolist() == [*w, b]


def test_net_input_of_zero_answers_one(dtype):
    X = np.array([[2.0, 3.0]], dtype)
    rate = np.ones(1)
    assert run_epoch([0, 0, 0], X, np.array([1]), rate)[1] == 0
    after, mistakes = run_epoch([0, 0, 0], X, np.array([0]), rate)
    assert mistakes == 1
    assert after.tolist() == [-2, -3, -1]


def test_rate_zero_passes_over(dtype):
    X = np.array([[2.0], [-1.0]], dtype)
    after, mistakes = run_epoch([0, 0], X, np.zeros(2), np.zeros(2))
    assert mistakes == 0
    assert after.tolist() == [0, 0]


def test_nan_comes_through(dtype):
    """A weight that is not a number stays so, and is answered by 0."""
    X = np.array([[1.0, 1.0]], dtype)
    after, mistakes = run_epoch([np.nan, 1, 0], X, np.ones(1), np.ones(1))
    assert mistakes == 1
    assert np.isnan(after[0])
    assert after[1:].tolist() == [2, 1]
    out = np.zeros(1, dtype)
    net_inputs[dtype](out, X.reshape(-1), np.array([np.nan, 1, 0], dtype), 2)
    assert np.isnan(out[0])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("records", [True, False])
def test_hebb(width, records, dtype):
    rng = np.random.default_rng(width)
    n = 12
    X = rng.standard_normal((n, width)).astype(dtype)
    step = rng.standard_normal(n).astype(dtype)
    whole_w, w = fenced(np.zeros(width), dtype)
    size = n * width if records else 0
    whole, history = fenced(np.zeros(size), dtype)
    hebbian_epoch[dtype](w, X.reshape(-1), step, width, history)
    assert_fence(whole_w)
    assert_fence(whole)
    want = reference.hebb(X.astype(float), step.astype(float), 1.0)
    assert_close(w, want[-1], dtype, 1e-14, 2e-6)
    if records:
        assert_close(history.reshape(n, width), want[1:], dtype, 1e-14, 2e-6)
        assert history[-width:].tolist() == w.tolist()
