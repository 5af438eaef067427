"""Workers that meet, wait for each other, and sum gradients of shares."""

import threading

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from fastnn.kernels import team
from kernel_tools import (
    JIT_DISABLED,
    SOFTMAX,
    SQUARED,
    Net,
    assert_close,
    few_or_many,
    needs_parallel,
    random_data,
    random_theta,
    same_results,
)

from fastnn.structure import plan as plan_module

SHARES = (1, 2, 4)


def share(monkeypatch, n):
    """Have every plain network cut its batches into n shares."""
    monkeypatch.setattr(plan_module, "_SHARES", ((n, 0.0, 0),))


def make(dtype, n_workers=1, weight=None, batch_size=40, n=96, **options):
    """Return a network with Adam, and fewer weights than its rows leave numbers."""
    sizes = (5, 17, 3)
    X, Y = random_data(n, sizes, SOFTMAX, dtype)
    net = Net(
        sizes, X, Y, SOFTMAX, weight=weight, n_workers=n_workers,
        batch_size=batch_size, **{"solver": "adam", **options},
    )  # fmt: skip
    net.set_theta(random_theta(sizes, dtype))
    return net


@pytest.mark.parametrize("n_shares", SHARES)
@pytest.mark.parametrize("n", [1, 5, 6, 7, 13, 40])
def test_gradients_of_shares_against_the_reference(n_shares, n, monkeypatch, dtype):
    """Also with fewer rows than shares: an empty share's sums are zero."""
    share(monkeypatch, n_shares)
    sizes = (2, 3, 2) if n < 13 else (2, 7, 3)
    monkeypatch.setattr(plan_module.Plan, "_n_shares", lambda *_: n_shares)
    X, Y = random_data(n, sizes, SQUARED, dtype)
    theta = random_theta(sizes, dtype)
    net = Net(sizes, X, Y, SQUARED, "tanh")
    assert net.net[at.N_SHARES] == n_shares
    net.set_hyper(ALPHA=0.1)
    net.set_theta(theta)
    for _ in range(2):  # what is left of the batch before must not count
        loss = net.train()
        want, gradient = reference.backpropagate(
            theta, sizes, "tanh", SQUARED, X, Y, 0.1, None
        )
        assert_close(loss, want, dtype, 1e-13, 1e-4)
        assert_close(net.gradient, gradient, dtype, 1e-13, 1e-4)


def test_a_batch_in_several_blocks_has_no_shares(monkeypatch, dtype):
    """So the bits are those of the sums over all rows in their order."""
    share(monkeypatch, 2)
    monkeypatch.setattr(plan_module, "_BLOCK_BYTES", 1)
    net = make(dtype, solver="lbfgs").net
    assert net[at.N_BLOCKS] > 1
    assert net[at.N_SHARES] == 1


@pytest.mark.parametrize("parallel", [False, pytest.param(True, marks=needs_parallel)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_shares", SHARES)
def test_same_bits_for_any_workers(n_shares, weighted, parallel, monkeypatch, dtype):
    """Weights of zero make a batch that is passed over."""
    share(monkeypatch, n_shares)
    weight = np.linspace(0, 2, 96).astype(dtype)
    weight[40:80] = 0
    results = []
    for n_workers in (1, 2, 4):
        net = make(dtype, n_workers, weight if weighted else None)
        losses = [net.train(parallel) for _ in range(3)]
        results.append((np.array(losses), net.theta))
    for other in results[1:]:
        assert same_results(other[0], results[0][0])
        assert same_results(other[1], results[0][1])


@pytest.mark.parametrize("options", [{}, {"l1": True, "clips": True}])
def test_phases_take_the_sums_of_shares(options, monkeypatch, dtype):
    """Clipping by the whole gradient's norm comes after the sum."""
    results = []
    for n_shares in (1, 4):
        share(monkeypatch, n_shares)
        net = make(dtype, **options)
        net.set_hyper(CLIP_NORM=0.01, PENALTY_1=0.001)
        for _ in range(3):
            net.train()
        results.append(net.theta)
    assert_close(results[1], results[0], dtype, 1e-11, 1e-3)


def arguments_of(net):
    """Return what `train_worker` takes before its worker, for a whole epoch."""
    net.net[at.TRAIN_WORKER] = team.train_worker.address(net.dtype)
    return (
        net.net, net.arena, net.hyper, *net.rows.arrays, net.Y, net.weight,
        np.empty(0, np.int64), 0, net.network.n_blocks(),
    )  # fmt: skip


@pytest.fixture
def impatient(monkeypatch):
    """Without a compiler, threads wait for Python's: let the first one wait long."""
    if JIT_DISABLED:
        monkeypatch.setattr(team, "PATIENCE", 10**7)
        monkeypatch.setattr(team, "SPINS", 3)


def run_on_threads(net, n_workers):
    """Run the workers on threads of Python's own."""
    arguments, kernel = arguments_of(net), team.train_worker[net.dtype]
    threads = [
        threading.Thread(target=kernel, args=(*arguments, worker))
        for worker in range(n_workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_shares", [1, 2])
def test_workers_on_any_threads(n_shares, weighted, impatient, monkeypatch, dtype):
    """Two workers that do come together get the bits of one."""
    share(monkeypatch, n_shares)
    weight = np.linspace(0, 2, 96).astype(dtype)
    weight[40:80] = 0
    weight = weight if weighted else None
    alone, both = make(dtype, 1, weight), make(dtype, 2, weight)
    meetings = 0
    while meetings < few_or_many(1, 5):  # on a busy machine some fail
        alone.train()
        both.set_hyper(LOSS_SUM=0.0, LOSS_COUNT=0.0)
        both.net[both.net[at.SYNC] :] = 0  # as at the start of a call
        run_on_threads(both, 2)
        assert same_results(both.theta, alone.theta)
        losses = [np.array(net.hyper[at.LOSS_SUM]) for net in (both, alone)]
        assert same_results(*losses)
        meetings += both.net[both.net[at.SYNC] + team.STATE] == team.TOGETHER


def test_the_first_does_all_the_work_if_nobody_comes(monkeypatch, dtype):
    """One after the other on one thread; the second finds nothing left to do."""
    if JIT_DISABLED:
        monkeypatch.setattr(team, "PATIENCE", 10)
    alone, both = make(dtype, 1), make(dtype, 2)
    alone.train()
    arguments, kernel = arguments_of(both), team.train_worker[both.dtype]
    kernel(*arguments, 1)
    state = both.net[both.net[at.SYNC] + team.STATE]
    assert state == team.ALONE
    assert same_results(both.theta, alone.theta)
    before = both.theta
    kernel(*arguments, 0)
    np.testing.assert_array_equal(both.theta, before)


def test_a_meeting_has_room_for_its_workers(dtype):
    for n_workers in (1, 2, 4):
        net = make(dtype, n_workers).net
        flags = net[at.SYNC] + team.FLAG + team.GAP * np.arange(net[at.N_WORKERS])
        assert flags[-1] + team.GAP <= net.size
        before = net[at.SYNC] - (net[at.PARTS] + net[at.N_PARTS] * at.PART)
        assert before >= team.GAP  # far from what all workers read


def test_shares_are_for_fewer_weights_than_numbers_of_rows():
    """And never for networks whose rows depend on each other, or sparse ones."""
    plain = {"sizes": (64, 100, 10), "rows": 200}
    assert n_shares_of(**plain) == 2
    assert n_shares_of((20, 64, 64, 1), 256) == 4
    assert n_shares_of((4, 16, 3), 32) == 1  # too little work
    assert n_shares_of((784, 512, 10), 64) == 1  # more weights than that
    assert n_shares_of(**plain, dropout=(0.0, 0.5)) == 1
    assert n_shares_of(**plain, structure={"norm": "batch"}) == 1


def n_shares_of(sizes, rows, structure=None, **options):
    dtype = np.dtype("float32")
    X, Y = random_data(rows, sizes, SQUARED, dtype)
    net = Net(sizes, X, Y, structure=structure, solver="adam", **options)
    return int(net.net[at.N_SHARES])
