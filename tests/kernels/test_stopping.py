"""Kernels that are told to leave off: they end, and change no parameter."""

import numpy as np
import pytest
from fastnn.kernels import evaluation, forward, training
from fastnn.kernels import layout as at
from kernel_tools import (
    CANARY,
    SOFTMAX,
    Net,
    needs_parallel,
    random_data,
    random_parameters,
    same_bits,
)
from scipy import sparse

from fastnn.structure import plan as plan_module
from fastnn.structure.architecture import plain
from fastnn.structure.network import Network, Rows
from fastnn.structure.plan import Plan

SIZES = (5, 17, 9, 3)
CASES = {
    "plain": {},
    "weighted": {"weight": True},
    "phases": {"solver": "adam", "l1": True, "max_norm": True, "average": True},
    "layer": {"structure": {"norm": "layer"}},
    "batch": {"structure": {"norm": "batch"}},
    "residual": {"structure": {"residual": True}, "dropout": (0.0, 0.2, 0.2)},
    "sparse": {"form": sparse.csr_matrix},
    "shares": {"n_shares": 2},
    "blocks": {"block": 12},
}


def make(case, dtype, monkeypatch, n=40):
    options = {"solver": "adam", **CASES[case]}
    X, Y = random_data(n, SIZES, SOFTMAX, dtype)
    if options.pop("weight", False):
        options["weight"] = np.linspace(0.5, 2.0, n).astype(dtype)
    n_shares = options.pop("n_shares", None)
    if n_shares:
        monkeypatch.setattr(plan_module.Plan, "_n_shares", lambda *_: n_shares)
    if "block" in options:
        flops = 6 * plain(SIZES).n_params * options.pop("block")
        monkeypatch.setattr(plan_module, "_BLOCK_FLOPS", flops)
    X = options.pop("form", np.asarray)(X)
    net = Net(SIZES, X, Y, SOFTMAX, n_workers=2, **options)
    net.set_theta(random_parameters(net.network.architecture, dtype))
    return net


def region(net, field, size):
    """Return the arena's numbers from where `field` says on."""
    return net.arena[net.net[field] :][:size]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "parallel", [False, pytest.param(True, marks=needs_parallel)], ids=str
)
def test_training_that_is_told_to_stop(case, parallel, dtype, monkeypatch):
    """No row is worked on, nothing summed, and no worker waits for ever.

    With the numbers from before put back, training goes on as if nothing had been.
    """
    net, fresh = (make(case, dtype, monkeypatch) for _ in range(2))
    arena, hyper = net.arena.copy(), net.hyper.copy()
    untouched = (
        region(net, at.G0, net.net[at.N_PACKED] * net.net[at.N_SHARES]),
        region(net, at.ROW_LOSS0, net.net[at.BLOCK]),
    )
    for numbers in untouched:
        numbers[:] = CANARY
    net.net[at.STOP] = 1
    net.train(parallel)
    for numbers in untouched:
        assert (numbers == CANARY).all()
    net.arena[:], net.hyper[:] = arena, hyper
    net.net[at.STOP] = 0
    assert net.train(parallel) == fresh.train(parallel)
    assert same_bits(net.arena, fresh.arena)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "parallel", [False, pytest.param(True, marks=needs_parallel)], ids=str
)
def test_prediction_that_is_told_to_stop(case, parallel, dtype, monkeypatch):
    net = make(case, dtype, monkeypatch)
    net.net[at.STOP] = 1
    assert (net.predict(parallel) == CANARY).all()
    net.net[at.STOP] = 0
    assert not (net.predict(parallel) == CANARY).any()


def test_outputs_of_a_hidden_layer_that_are_told_to_stop(dtype):
    X, _ = random_data(7, SIZES, SOFTMAX, dtype)
    plan = Plan(plain(SIZES), dtype, n_workers=1, sparse=False, batch_size=7, hidden=1)
    assert plan.net[at.PREDICT_PASS] == evaluation.hidden_pass.address(dtype)
    network = Network(plan)
    network.set_parameters(random_parameters(plan.architecture, dtype))
    none = np.empty(0, np.int64)
    for stop in (1, 0):
        network.net[at.STOP] = stop
        out = np.full((7, SIZES[2]), CANARY, dtype)
        numbers = (*Rows(X).arrays, none, out.reshape(-1))
        training.predict_serial[dtype](network.net, network.arena, *numbers, 7)
        assert (out == CANARY).all() == bool(stop)


def test_products_are_told_to_stop_between_panels(dtype):
    """So wide layers do not work on for long."""
    X, Y = random_data(6, SIZES, SOFTMAX, dtype)
    net = Net(SIZES, X, Y, SOFTMAX)
    net.set_theta(random_parameters(net.network.architecture, dtype))
    none = np.empty(0, np.int64)
    found = []
    for stop in (0, 1):
        net.net[at.STOP] = stop
        forward.forward_rows[dtype](net.net, net.arena, *net.rows.arrays, none, 0, 0, 6)
        found.append(net.rows_at(0, "A0", 6, SIZES[1]).copy())
    biases = net.part("intercepts_", 0, net.theta)
    assert not np.allclose(found[0], np.tanh(biases))
    np.testing.assert_allclose(found[1], np.tile(np.tanh(biases), (6, 1)), rtol=1e-5)
