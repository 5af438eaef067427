"""Many mini-batches: epochs of each solver, threads, blocks, weights."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from kernel_tools import (
    BOUNDSCHECK,
    JIT_DISABLED,
    LOGISTIC,
    POISSON,
    SOFTMAX,
    SQUARED,
    Net,
    assert_close,
    few_or_many,
    needs_parallel,
    random_data,
    random_theta,
    same_bits,
    same_results,
)
from scipy import sparse

from fastnn.structure import plan as plan_module

EPOCHS = few_or_many(2, 25)
SOLVERS = {
    "sgd": ("sgd", {"NESTEROV": 0.0}, lambda: reference.SGD(0.01, 0.9, False)),
    "nesterov": ("sgd", {"NESTEROV": 1.0}, lambda: reference.SGD(0.01, 0.9, True)),
    "adam": ("adam", {}, lambda: reference.Adam(0.01)),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ends", [SQUARED, SOFTMAX, LOGISTIC, POISSON])
@pytest.mark.parametrize("name", SOLVERS)
def test_epochs(name, ends, weighted, dtype):
    """Shuffled mini-batches, the last one shorter; 25 epochs are 100 steps.

    Rounding grows with each step: float64 keeps 12 digits, float32 two or three.
    """
    solver, hyper, make_reference = SOLVERS[name]
    sizes, n, batch_size = (4, 6, 3), 23, 6
    X, Y = random_data(n, sizes, ends, dtype)
    rng = np.random.default_rng(0)
    weight = rng.random(n).astype(dtype) if weighted else None
    theta = random_theta(sizes, dtype)
    net = Net(sizes, X, Y, ends, "tanh", weight, solver=solver, batch_size=batch_size)
    net.set_hyper(ALPHA=0.1, **hyper)
    net.set_theta(theta)
    twin = make_reference()
    want = theta.astype(float)
    for _ in range(EPOCHS):
        order = rng.permutation(n)
        loss = net.train(order=order)
        want, want_loss = reference.epoch(
            want,
            sizes,
            "tanh",
            ends,
            X,
            Y,
            order,
            batch_size,
            twin,
            alpha=0.1,
            weight=weight,
        )
        assert_close(loss, want_loss, dtype, 1e-12, 5e-3)
    assert_close(net.theta, want, dtype, 1e-12, 1e-2)
    assert net.hyper[at.STEPS] == 4 * EPOCHS
    slots = [twin.velocity] if solver == "sgd" else [twin.m, twin.v]
    for got, slot in zip(net.network.get_slots(), slots, strict=True):
        assert_close(got, slot, dtype, 1e-12, 1e-2)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_padding_stays_zero(solver, dtype):
    """After many steps, in the parameters, the slots and the transposed weights."""
    sizes = (3, 17, 9, 2)
    X, Y = random_data(13, sizes, SQUARED, dtype)
    net = Net(sizes, X, Y, solver=solver, batch_size=5)
    net.set_hyper(ALPHA=0.1, NESTEROV=1.0)
    net.set_theta(random_theta(sizes, dtype))
    for _ in range(few_or_many(2, 100)):
        net.train()
    n_slots = 1 if solver == "sgd" else 2
    starts = [int(net.net[at.P0])]
    starts += [
        int(net.net[at.SLOT0] + i * net.net[at.N_PACKED]) for i in range(n_slots)
    ]
    for start in starts:
        assert not net.padding(start).any()
    transposed = [
        slice(net.field(i, "T0"), net.field(i, "T0") + net.field(i, "T_ROWS") * 32)
        for i in (1, 2)
    ]
    kept = [net.arena[part].copy() for part in transposed]
    net.set_theta(net.theta)  # writes the transposed weights anew
    for part, before in zip(transposed, kept, strict=True):
        assert same_bits(net.arena[part], before)


class Case:
    """One training run with what may not change its bits left open."""

    def __init__(self, dtype, is_sparse=False, weighted=False):
        self.sizes = few_or_many((9, 17, 5, 3), (20, 70, 33, 3))
        n = few_or_many(31, 101)
        self.X, self.Y = random_data(n, self.sizes, SOFTMAX, dtype)
        if is_sparse:
            self.X[self.X < 0.5] = 0
            self.X = sparse.csr_matrix(self.X)
        rng = np.random.default_rng(0)
        self.weight = rng.random(n).astype(dtype) if weighted else None
        self.order = rng.permutation(n)
        self.dtype = dtype

    def run(self, parallel=False, n_workers=1, batch_size=None):
        """Return all bits that a training run leaves behind."""
        net = Net(
            self.sizes,
            self.X,
            self.Y,
            SOFTMAX,
            "tanh",
            self.weight,
            solver="adam",
            n_workers=n_workers,
            batch_size=batch_size or few_or_many(16, 40),
        )
        net.set_hyper(ALPHA=0.1)
        net.set_theta(random_theta(self.sizes, self.dtype))
        losses = [
            net.train(parallel, order=self.order) for _ in range(few_or_many(1, 3))
        ]
        outputs = net.predict(parallel)
        return net.theta, net.network.get_slots(), np.array(losses), outputs

    def same(self, *runs):
        """Return whether all runs left the same bits."""
        return all(
            same_results(a, b)
            for run in runs[1:]
            for a, b in zip(runs[0], run, strict=True)
        )


CASES = {
    "dense": {},
    "sparse": {"is_sparse": True},
    "weighted": {"weighted": True},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n_workers", [2, 3, 7])
def test_number_of_workers(case, n_workers, dtype):
    case = Case(dtype, **CASES[case])
    assert case.same(case.run(), case.run(n_workers=n_workers))


@needs_parallel
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
def test_parallel_is_serial(case, n_workers, dtype):
    case = Case(dtype, **CASES[case])
    assert case.same(case.run(), case.run(parallel=True, n_workers=n_workers))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n_workers", [1, 3])
def test_blocks(case, n_workers, monkeypatch, dtype):
    """A batch that goes through memory in blocks gives the same parameters.

    Its loss is summed block by block, so it may differ in the last digits. A batch in
    one block may have shares of rows, whose sums are others: here it has none.
    """
    monkeypatch.setattr(plan_module, "_SHARES", ())
    case = Case(dtype, **CASES[case])
    batch_size = few_or_many(31, 101)
    want = case.run(batch_size=batch_size)
    for size in (1, 20_000):  # 6 rows, and some more
        monkeypatch.setattr(plan_module, "_BLOCK_BYTES", size)
        got = case.run(n_workers=n_workers, batch_size=batch_size)
        for i in (0, 1, 3):
            assert same_results(got[i], want[i])
        # Without a compiler NumPy keeps a sum of float32 in float32.
        rtol = 1e-6 if JIT_DISABLED or BOUNDSCHECK else 1e-14
        np.testing.assert_allclose(got[2], want[2], rtol=rtol)


def test_blocks_are_really_smaller(monkeypatch, dtype):
    """The test above would be empty if patching had no effect."""
    monkeypatch.setattr(plan_module, "_BLOCK_BYTES", 1)
    X, Y = random_data(31, (3, 2), SQUARED, dtype)
    net = Net((3, 2), X, Y)
    assert net.net[at.BLOCK] == 6
    assert net.net[at.BATCH] == 31


def test_batches_without_weight_are_skipped(dtype):
    """No step, no loss, no change; the others are as if it were not there."""
    sizes, ends = (3, 5, 2), SQUARED
    X, Y = random_data(18, sizes, ends, dtype)
    weight = np.ones(18, dtype)
    weight[6:12] = 0
    theta = random_theta(sizes, dtype)
    results = []
    for rows in (np.arange(18), np.r_[0:6, 12:18]):
        net = Net(
            sizes, X[rows], Y[rows], ends, "tanh", weight[rows],
            solver="adam", batch_size=6,
        )  # fmt: skip
        net.set_hyper(ALPHA=0.1)
        net.set_theta(theta)
        loss = net.train()
        results.append((net.theta, loss, net.hyper[at.STEPS]))
    assert results[0][2] == results[1][2] == 2
    assert results[0][1] == results[1][1]
    assert same_bits(results[0][0], results[1][0])


def test_an_epoch_without_weight(dtype):
    sizes = (3, 2)
    X, Y = random_data(7, sizes, SQUARED, dtype)
    net = Net(sizes, X, Y, weight=np.zeros(7, dtype), solver="adam", batch_size=3)
    theta = random_theta(sizes, dtype)
    net.set_theta(theta)
    assert net.train() == 0
    assert net.hyper[at.LOSS_COUNT] == 0
    assert net.hyper[at.STEPS] == 0
    assert same_bits(net.theta, theta)


@pytest.mark.parametrize("by_weight", [False, True])
def test_mean_loss_of_an_epoch(by_weight, dtype):
    """Batches count by their rows or by their weight; LOSS_SCALE spares alpha."""
    sizes, n = (3, 2), 7
    X, Y = random_data(n, sizes, SQUARED, dtype)
    weight = np.array([1, 2, 0, 3, 0.5, 1, 4], dtype)
    theta = random_theta(sizes, dtype)
    net = Net(sizes, X, Y, weight=weight, batch_size=3)
    net.set_hyper(ALPHA=0.5, LOSS_SCALE=0.25, COUNT_BY_WEIGHT=float(by_weight))
    net.set_theta(theta)
    total = count = 0.0
    for rows in (slice(0, 3), slice(3, 6), slice(6, 7)):
        losses = reference.LOSSES[SQUARED](
            reference.forward(theta, sizes, "tanh", X[rows])[0][-1],
            Y[rows].astype(float),
        )
        w = weight[rows].astype(float)
        squares = (theta[:6].astype(float) ** 2).sum()
        loss = (0.25 * w @ losses + 0.25 * squares) / w.sum()
        number = w.sum() if by_weight else len(w)
        total, count = total + loss * number, count + number
    assert_close(net.train(), total / count, dtype, 1e-14, 1e-5)


def test_some_batches_of_an_epoch(dtype):
    """An epoch in slices is the same epoch."""
    sizes = (3, 5, 2)
    X, Y = random_data(23, sizes, SQUARED, dtype)
    thetas = []
    for slices in ([(0, 4)], [(0, 1), (1, 3), (3, 4)], [(0, 0), (0, 4)]):
        net = Net(sizes, X, Y, solver="adam", batch_size=6)
        net.set_theta(random_theta(sizes, dtype))
        for batches in slices:
            net.train(batches=batches)
        thetas.append(net.theta)
    assert same_bits(thetas[0], thetas[1])
    assert same_bits(thetas[0], thetas[2])


def test_moments_of_dead_units_never_stay_denormal(dtype):
    """ReLU units that no row reaches: their moments decay to exactly 0."""
    sizes = (3, 4, 2)
    X, Y = random_data(7, sizes, SQUARED, dtype)
    net = Net(sizes, X, Y, activation="relu", solver="adam")
    net.set_hyper(BETA_1=0.5, BETA_2=0.5)
    theta = random_theta(sizes, dtype)
    theta[20:24] = -1e3  # the hidden biases
    net.set_theta(theta)
    tiny = float(np.finfo(dtype).tiny)
    size = tiny * 2.0 ** few_or_many(8, 60)
    net.network.set_slots(np.full((2, theta.size), size, dtype))
    dead = np.r_[0:20, 20:24]  # weights into and out of them, and their biases
    for _ in range(few_or_many(8, 70)):
        net.train()
        slots = np.abs(net.network.get_slots())
        assert ((slots == 0) | (slots >= 8 * tiny)).all()
    assert not slots[:, dead].any()
    assert slots[:, 24:].all()


def test_divergence_shows_in_the_loss(dtype):
    """With an absurd learning rate the mean loss stops being finite."""
    sizes = (3, 4, 2)
    X, Y = random_data(7, sizes, SQUARED, dtype)
    net = Net(sizes, X, Y, activation="identity", solver="sgd", batch_size=3)
    net.set_hyper(RATE=1e30)
    net.set_theta(random_theta(sizes, dtype))
    losses = [net.train() for _ in range(8)]
    assert not np.isfinite(losses[-1])
