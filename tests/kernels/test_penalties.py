"""Penalties, clipping, decay, bounds on norms and averages, against NumPy."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from fastnn.kernels import penalties
from kernel_tools import (
    SQUARED,
    Net,
    assert_close,
    few_or_many,
    needs_parallel,
    random_data,
    random_parameters,
    same_results,
)

from fastnn.structure import plan as plan_module

SIZES = (4, 17, 17, 5, 2)
N = few_or_many(8, 40)
RESIDUAL = {"residual": True, "norm": "layer"}
ALL = {"l1": True, "clips": True, "max_norm": True, "average": True}
HYPER = {
    "PENALTY_1": 0.3, "PENALTY_2": 0.7, "CLIP_NORM": 0.4, "CLIP_VALUE": 0.1,
    "DECAY": 0.05, "MAX_NORM": 0.9, "AVERAGE_DECAY": 0.95, "RATE": 0.1,
    "MOMENTUM": 0.0,
}  # fmt: skip


def make(dtype, n=N, hyper=None, zeros=0.0, **options):
    """Return a network of short cuts and norms, with some weights at 0."""
    X, Y = random_data(n, SIZES, SQUARED, dtype)
    options = {"solver": "sgd", "structure": RESIDUAL, **options}
    net = Net(SIZES, X, Y, SQUARED, "tanh", **options)
    net.set_hyper(**(hyper or {}))
    theta = random_parameters(net.network.architecture, dtype)
    is_weight = weights_of(net)
    gone = np.random.default_rng(5).random(theta.size) < zeros
    theta[gone & is_weight] = 0
    net.set_theta(theta)
    return net, X, Y


def weights_of(net):
    """Return which parameters are weights: they alone are penalised."""
    parts = net.network.architecture.parts
    return np.concatenate([np.full(p.size, len(p.shape) == 2) for p in parts])


def gradient_of_data(net, X, Y):
    """Return the mean loss and its gradient without any penalty."""
    architecture = net.network.architecture
    return reference.backpropagate_deep(net.theta, architecture, SQUARED, X, Y)[:2]


def pseudo_gradient(p, g, l1):
    """Andrew and Gao's: the shortest subgradient of loss + l1 |p|."""
    at_zero = np.where(g > l1, g - l1, np.where(g < -l1, g + l1, 0.0))
    return np.where(p != 0, g + l1 * np.sign(p), at_zero)


def applied(net):
    """Return the gradient that the solver got."""
    theta = np.empty(net.network.n_params, net.dtype)
    net.network.get_gradient(theta)
    return theta.astype(float)


def bounded(theta, net, limit):
    """Shorten every unit's incoming weights to the limit."""
    parts = reference.split_parts(theta, net.network.architecture)
    for values in parts.values():
        if values.ndim == 2:
            norms = np.sqrt((values**2).sum(axis=0))
            values *= np.where(norms > limit, limit / np.maximum(norms, 1e-300), 1.0)
    return reference.join_parts(parts, net.network.architecture)


@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.7), (0.3, 0.7)])
def test_elastic_net(l1, l2, dtype):
    """In the loss that is reported and in the gradient, divided by the rows."""
    hyper = {"PENALTY_1": l1, "PENALTY_2": l2, "RATE": 0.1, "MOMENTUM": 0.0}
    net, X, Y = make(dtype, hyper=hyper, zeros=0.4, l1=True)
    theta, weights = net.theta.astype(float), weights_of(net)
    loss, g = gradient_of_data(net, X, Y)
    w = theta[weights]
    loss += (l1 * np.abs(w).sum() + 0.5 * l2 * (w**2).sum()) / N
    full = g + l2 / N * theta * weights
    full = np.where(weights, pseudo_gradient(theta, full, l1 / N), full)
    assert_close(net.train(), loss, dtype)
    assert_close(applied(net), full, dtype)
    want = theta - 0.1 * full
    if l1:
        orthant = np.where(theta != 0, np.sign(theta), -np.sign(full))
        want = np.where(weights & (want * orthant <= 0), 0.0, want)
    assert_close(net.theta, want, dtype)


def test_weights_stop_at_zero_and_stay(dtype):
    """A penalty above every gradient: each weight goes to exactly 0, biases do not."""
    hyper = {"PENALTY_1": 1e3, "RATE": 0.5, "MOMENTUM": 0.9}
    net, *_ = make(dtype, hyper=hyper, zeros=0.3, l1=True)
    weights = weights_of(net)
    zero_before = weights & (net.theta == 0)
    net.train()
    assert (net.theta[zero_before] == 0).all()
    for _ in range(3):
        net.train()
    assert not net.theta[weights].any()
    assert net.theta[~weights].any()


def test_a_nan_passes_the_pseudo_gradient(dtype):
    """Neither the penalty nor the orthant nor a bound hides it."""
    n = 8
    net = np.zeros(at.HEADER, np.int64)
    net[[at.P0, at.G0, at.ORTHANT0]] = 0, n, 2 * n
    arena = np.zeros(3 * n + 1, dtype)
    arena[n] = np.nan
    arena[1] = np.nan
    hyper = np.zeros(at.N_HYPER)
    hyper[at.PENALTY_1] = 0.5
    penalties.add_l1[dtype](net, arena, hyper, 0, n, 1, 3 * n)
    assert np.isnan(arena[n])
    assert np.isnan(arena[3 * n])
    assert not np.isnan(arena[n + 2 : 2 * n]).any()


@pytest.mark.parametrize("bound", [1e-3, 0.05, 1e3])
def test_clipping_by_value(bound, dtype):
    hyper = {"CLIP_VALUE": bound, "RATE": 0.1, "MOMENTUM": 0.0}
    net, X, Y = make(dtype, hyper=hyper, clips=True)
    _, g = gradient_of_data(net, X, Y)
    net.train()
    assert_close(applied(net), np.clip(g, -bound, bound), dtype)
    assert np.abs(applied(net)).max() <= dtype.type(bound)


@pytest.mark.parametrize("bound", [1e-3, 0.1, 1e3])
def test_clipping_by_norm(bound, dtype):
    """The norm of the whole applied gradient; below the bound nothing changes.

    Squares of float32 are summed by tiles, each sum to some 1e-6.
    """
    hyper = {"CLIP_NORM": bound, "RATE": 0.1, "MOMENTUM": 0.0}
    net, X, Y = make(dtype, hyper=hyper, clips=True)
    before = net.theta.astype(float)
    _, g = gradient_of_data(net, X, Y)
    norm = np.sqrt((g**2).sum())
    net.train()
    assert_close(
        applied(net) / min(1.0, bound),
        g * min(1, bound / norm) / min(1.0, bound),
        dtype,
    )
    slack = 1e-5 if dtype == np.float32 else 1e-13
    assert np.sqrt((applied(net) ** 2).sum()) <= bound * (1 + slack)
    assert_close(net.theta, before - 0.1 * applied(net), dtype, 1e-14, 1e-6)
    if bound > norm:
        free, *_ = make(dtype, hyper={**hyper, "CLIP_NORM": 0.0}, clips=True)
        free.train()
        np.testing.assert_array_equal(net.theta, free.theta)


@pytest.mark.parametrize("solver", ["sgd", "adamw", "lion"])
def test_decoupled_decay(solver, dtype):
    """Weights shrink by rate · decay before the step, which does not see it."""
    hyper = {"RATE": 0.02, "MOMENTUM": 0.9}
    plain, *_ = make(dtype, hyper=hyper, clips=True, solver=solver)
    decayed, *_ = make(dtype, hyper={**hyper, "DECAY": 0.5}, clips=True, solver=solver)
    theta, weights = plain.theta.astype(float), weights_of(plain)
    plain.train()
    decayed.train()
    np.testing.assert_array_equal(applied(plain), applied(decayed))
    moved = plain.theta - theta
    want = theta * np.where(weights, 1 - 0.02 * 0.5, 1.0) + moved
    assert_close(decayed.theta, want, dtype, 1e-13, 1e-6)


def test_max_norm(dtype):
    """Columns longer than the bound get its length, others and biases stay."""
    hyper = {"MAX_NORM": 0.9, "RATE": 0.1, "MOMENTUM": 0.0}
    net, *_ = make(dtype, hyper=hyper, max_norm=True)
    free, *_ = make(dtype, hyper={**hyper, "MAX_NORM": np.inf}, max_norm=True)
    net.train()
    free.train()
    want = bounded(free.theta, net, 0.9)
    assert (want != free.theta).any()
    assert (want == free.theta).any()
    assert_close(net.theta, want, dtype, 1e-14, 1e-6)
    same = net.arena.copy()
    at.refresh_transposes[dtype](net.net, net.arena, net.network.plan.n_matrices)
    np.testing.assert_array_equal(net.arena, same)  # Wᵀ is that of the new W


def test_average(dtype):
    """It moves by (1 - decay) (p - a), with the decay (1 + t) / (10 + t) at first."""
    hyper = {"AVERAGE_DECAY": 0.3, "RATE": 0.1, "MOMENTUM": 0.0}
    net, *_ = make(dtype, hyper=hyper, average=True, batch_size=N // 4)
    net.network.set_averages(net.theta)
    want, got = net.theta.astype(float), np.empty_like(net.theta)
    for batch in range(4):
        net.train(batches=(batch, batch + 1))
        t = batch + 1
        decay = min(0.3, (1 + t) / (10 + t))
        want += (1 - decay) * (net.theta - want)
        net.network.get_averages(got)
        assert_close(got, want, dtype, 1e-14, 1e-6)


def test_all_at_once(dtype):
    """The order: penalties, value, norm, decay, step, orthant, bound, average."""
    net, X, Y = make(dtype, hyper=HYPER, zeros=0.3, **ALL)
    theta, weights = net.theta.astype(float), weights_of(net)
    net.network.set_averages(net.theta)
    _, g = gradient_of_data(net, X, Y)
    g = g + 0.7 / N * theta * weights
    g = np.where(weights, pseudo_gradient(theta, g, 0.3 / N), g)
    orthant = np.where(theta != 0, np.sign(theta), -np.sign(g))
    g = np.clip(g, -0.1, 0.1)
    g *= min(1, 0.4 / np.sqrt((g**2).sum()))
    want = theta * np.where(weights, 1 - 0.1 * 0.05, 1.0) - 0.1 * g
    want = np.where(weights & (want * orthant <= 0), 0.0, want)
    want = bounded(want, net, 0.9)
    net.train()
    assert_close(net.theta, want, dtype)
    averages = np.empty_like(net.theta)
    net.network.get_averages(averages)
    assert_close(averages, theta + (1 - 2 / 11) * (want - theta), dtype)


def results_of(dtype, parallel=False, **options):
    net, *_ = make(dtype, hyper=HYPER, zeros=0.3, batch_size=N // 2, **ALL, **options)
    net.network.set_averages(net.theta)
    losses = [net.train(parallel) for _ in range(2)]
    averages = np.empty_like(net.theta)
    net.network.get_averages(averages)
    return losses, (net.theta, averages, net.gradient, net.network.get_slots())


@pytest.mark.parametrize("parallel", [False, pytest.param(True, marks=needs_parallel)])
@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_same_bits_for_any_workers(solver, parallel, dtype):
    results = [
        results_of(dtype, parallel, solver=solver, n_workers=n) for n in (1, 2, 3, 7)
    ]
    for losses, arrays in results[1:]:
        assert same_results(np.array(losses), np.array(results[0][0]))
        for left, right in zip(results[0][1], arrays, strict=True):
            assert same_results(left, right)


@pytest.mark.parametrize("n_workers", [1, 3])
def test_same_bits_in_blocks(n_workers, monkeypatch, dtype):
    """Gradients are finished once, after the last block.

    The loss is a sum of float64 over blocks, and may differ in its last digits.
    """
    losses, whole = results_of(dtype)
    monkeypatch.setattr(plan_module, "_BLOCK_BYTES", 1)
    in_blocks, arrays = results_of(dtype, n_workers=n_workers)
    np.testing.assert_allclose(in_blocks, losses, rtol=5e-6)
    for left, right in zip(whole, arrays, strict=True):
        assert same_results(left, right)


def test_padding_stays_zero(dtype):
    net, *_ = make(dtype, hyper=HYPER, **ALL)
    for _ in range(3):
        net.train()
    for field in (at.P0, at.G0, at.SLOT0, at.AVERAGE0):
        assert not net.padding(int(net.net[field])).any()
