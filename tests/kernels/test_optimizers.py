"""Solvers on a stretch of parameters, against their formulas over many steps."""

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from fastnn.kernels import optimizers, training
from kernel_tools import CANARY, assert_close, few_or_many

N_PACKED = 160
STEPS = few_or_many(30, 500)


class Stretch:
    """An arena of P, two slots, G and one sum, for a stretch of parameters."""

    def __init__(self, unit, dtype, start=16, n=37, **hyper):
        self.unit, self.dtype, self.start, self.n = unit, dtype, start, n
        self.net = np.zeros(at.HEADER, np.int64)
        self.net[at.BATCH] = 1
        begin = (
            optimizers.begin_adam if unit is optimizers.adam else optimizers.begin_plain
        )
        self.net[at.BEGIN_STEP] = begin.address(dtype)
        for i, field in enumerate((at.P0, at.SLOT0)):
            self.net[field] = 8 + i * N_PACKED
        self.net[at.G0] = 8 + 3 * N_PACKED
        self.net[at.N_PACKED] = N_PACKED
        self.sum0 = 8 + 4 * N_PACKED
        self.arena = np.full(self.sum0 + 9, CANARY, dtype)
        self.hyper = np.zeros(at.N_HYPER + 1)
        hyper = {
            "RATE": 0.01,
            "MOMENTUM": 0.9,
            "BETA_1": 0.9,
            "BETA_2": 0.999,
            "EPSILON": 1e-8,
            "POWER_1": 1.0,
            "POWER_2": 1.0,
            "TINY": float(np.finfo(dtype).tiny) * 8,
            **hyper,
        }
        for name, value in hyper.items():
            self.hyper[getattr(at, name)] = value
        self.hyper[at.L2] = self.hyper[at.ALPHA]
        self.hyper[at.N_HYPER :] = hyper["RATE"]

    def part(self, region, slot=0):
        """Return the stretch in P0, SLOT0 or G0, as a view."""
        start = self.net[region] + slot * N_PACKED + self.start
        return self.arena[start : start + self.n]

    def fill(self, p, *slots):
        """Put parameters and slots in place."""
        self.part(at.P0)[:] = p
        for i, slot in enumerate(slots):
            self.part(at.SLOT0, i)[:] = slot

    def step(self, g, rows=1.0, penalised=1):
        """Take one step for a sum of gradients over `rows` rows."""
        empty, order = np.empty(0, self.dtype), np.empty(0, np.int64)
        training.begin_batch[self.dtype](
            self.net, self.arena, self.hyper, empty, order, 0, int(rows)
        )
        self.part(at.G0)[:] = g
        unit = self.unit[self.dtype]
        unit(self.net, self.arena, self.hyper, self.start, self.n, penalised, self.sum0)

    def untouched(self, n_slots):
        """Return whether all outside the stretch is as it was."""
        arena = self.arena.copy()
        for start in (self.net[at.P0], self.net[at.G0]):
            arena[start + self.start : start + self.start + self.n] = CANARY
        for i in range(n_slots):
            start = self.net[at.SLOT0] + i * N_PACKED + self.start
            arena[start : start + self.n] = CANARY
        arena[self.sum0] = CANARY
        return bool((arena == CANARY).all())


SOLVERS = {
    "sgd": (optimizers.sgd, {"NESTEROV": 0.0}, 1),
    "nesterov": (optimizers.sgd, {"NESTEROV": 1.0}, 1),
    "plain": (optimizers.sgd, {"NESTEROV": 1.0, "MOMENTUM": 0.0}, 1),
    "adam": (optimizers.adam, {}, 2),
    "adam-other": (optimizers.adam, {"BETA_1": 0.5, "BETA_2": 0.9, "EPSILON": 0.1}, 2),
    "adam-no-memory": (optimizers.adam, {"BETA_1": 0.0, "BETA_2": 0.0}, 2),
}


def reference_of(name):
    """Return the reference solver with the same numbers."""
    _, hyper, n_slots = SOLVERS[name]
    if n_slots == 1:
        momentum = hyper.get("MOMENTUM", 0.9)
        return reference.SGD(0.01, momentum, bool(hyper["NESTEROV"]))
    return reference.Adam(
        0.01,
        hyper.get("BETA_1", 0.9),
        hyper.get("BETA_2", 0.999),
        hyper.get("EPSILON", 1e-8),
    )


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("penalised", [0, 1])
@pytest.mark.parametrize("name", SOLVERS)
def test_many_steps(name, penalised, alpha, dtype):
    """float64 agrees to 1e-12 after hundreds of steps; float32 drifts by rounding."""
    unit, hyper, n_slots = SOLVERS[name]
    stretch = Stretch(unit, dtype, ALPHA=alpha, **hyper)
    solver = reference_of(name)
    rng = np.random.default_rng(0)
    p = rng.standard_normal(stretch.n).astype(dtype)
    stretch.fill(p, *[np.zeros(stretch.n)] * n_slots)
    want = p.astype(float)
    rows = 7
    for _ in range(STEPS):
        g = rng.standard_normal(stretch.n).astype(dtype) + want.astype(dtype)
        squares = (stretch.part(at.P0).astype(float) ** 2).sum()
        stretch.step(g, rows, penalised)
        want = solver.step(want, (g + penalised * alpha * want) / rows)
        if penalised and alpha:
            np.testing.assert_allclose(stretch.arena[stretch.sum0], squares, rtol=1e-5)
        else:
            assert stretch.arena[stretch.sum0] == CANARY
    assert_close(stretch.part(at.P0), want, dtype, 1e-12, 1e-3)
    slots = [solver.velocity] if n_slots == 1 else [solver.m, solver.v]
    for i, slot in enumerate(slots):
        assert_close(stretch.part(at.SLOT0, i), slot, dtype, 1e-12, 1e-3)
    assert stretch.untouched(n_slots)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 64, 65, 130])
def test_every_length_gives_the_same_bits(name, n, dtype):
    """A number's step does not depend on how many are updated with it."""
    unit, hyper, n_slots = SOLVERS[name]
    rng = np.random.default_rng(n)
    p, g, slots = rng.random(n), rng.random(n), rng.random((n_slots, n))
    whole = Stretch(unit, dtype, start=0, n=n, ALPHA=0.1, **hyper)
    whole.fill(p, *slots)
    whole.step(g, 3)
    for i in {0, n // 2, n - 1}:
        single = Stretch(unit, dtype, start=i, n=1, ALPHA=0.1, **hyper)
        single.fill(p[i], *slots[:, i])
        single.step(g[i], 3)
        assert single.part(at.P0)[0] == whole.part(at.P0)[i]
        for k in range(n_slots):
            assert single.part(at.SLOT0, k)[0] == whole.part(at.SLOT0, k)[i]


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_keep_gradient(alpha, dtype):
    stretch = Stretch(optimizers.keep_gradient, dtype, ALPHA=alpha)
    rng = np.random.default_rng(0)
    p = rng.standard_normal(stretch.n).astype(dtype)
    g = rng.standard_normal(stretch.n).astype(dtype)
    stretch.fill(p)
    stretch.step(g, 7, penalised=1)
    want = (g.astype(float) + alpha * p) / 7
    assert_close(stretch.part(at.G0), want, dtype, 1e-15, 1e-6)
    np.testing.assert_array_equal(stretch.part(at.P0), p)
    stretch.step(g, 7, penalised=0)
    assert_close(stretch.part(at.G0), g.astype(float) / 7, dtype, 1e-15, 1e-6)
    assert stretch.untouched(0)


def test_one_step_of_adam_by_hand():
    """M = 0.1·2, v = 0.001·4, rate·√0.001 / 0.1: a step of the rate, as is known."""
    stretch = Stretch(optimizers.adam, np.dtype("float64"), n=1, RATE=0.5)
    stretch.fill([1.0], [0.0], [0.0])
    stretch.step([2.0])
    assert stretch.part(at.SLOT0, 0)[0] == pytest.approx(0.2, rel=1e-15)
    assert stretch.part(at.SLOT0, 1)[0] == pytest.approx(0.004, rel=1e-15)
    # 1 - 0.5·(√0.001 / 0.1)·0.2 / (√0.004 + 1e-8) = 1 - 0.5·(1 - 1.58e-7)
    assert stretch.part(at.P0)[0] == pytest.approx(0.5 + 0.5 * 1.5811e-7, abs=1e-11)


def test_two_steps_of_momentum_by_hand():
    """v: -0.2, then 0.5·-0.2 - 0.1·1 = -0.2; p: 1 - 0.2 - 0.2."""
    stretch = Stretch(optimizers.sgd, np.dtype("float64"), n=1, RATE=0.1, MOMENTUM=0.5)
    stretch.fill([1.0], [0.0])
    stretch.step([2.0])
    assert stretch.part(at.P0)[0] == pytest.approx(0.8, rel=1e-15)
    stretch.step([1.0])
    assert stretch.part(at.P0)[0] == pytest.approx(0.6, rel=1e-15)
    # Nesterov's first step looks ahead: p = 1 + 0.5·-0.2 - 0.2
    stretch = Stretch(
        optimizers.sgd, np.dtype("float64"), n=1, RATE=0.1, MOMENTUM=0.5, NESTEROV=1
    )
    stretch.fill([1.0], [0.0])
    stretch.step([2.0])
    assert stretch.part(at.P0)[0] == pytest.approx(0.7, rel=1e-15)


def test_moments_of_dead_units_become_zero(dtype):
    """Without a gradient they decay, and never stay at a denormal number."""
    stretch = Stretch(optimizers.adam, dtype, BETA_1=0.5, BETA_2=0.5)
    tiny = float(np.finfo(dtype).tiny)
    signs = np.where(np.arange(stretch.n) % 2, 1, -1)
    stretch.fill(np.ones(stretch.n), signs * tiny * 500, np.full(stretch.n, tiny * 500))
    for _ in range(10):
        stretch.step(np.zeros(stretch.n))
        for slot in (0, 1):
            moment = np.abs(stretch.part(at.SLOT0, slot))
            assert ((moment == 0) | (moment >= 8 * tiny)).all()
    assert (stretch.part(at.SLOT0, 0) == 0).all()
    assert (stretch.part(at.SLOT0, 1) == 0).all()
    assert np.isfinite(stretch.part(at.P0)).all()


def test_a_square_that_underflows_becomes_zero(dtype):
    """A tiny gradient's square is denormal; the second moment holds 0 instead."""
    stretch = Stretch(optimizers.adam, dtype)
    stretch.fill(*np.zeros((3, stretch.n)))
    stretch.step(np.full(stretch.n, np.sqrt(float(np.finfo(dtype).tiny))))
    assert (stretch.part(at.SLOT0, 1) == 0).all()
    assert (stretch.part(at.SLOT0, 0) != 0).all()
    assert np.isfinite(stretch.part(at.P0)).all()


@pytest.mark.parametrize("name", SOLVERS)
def test_nan_gradient_reaches_the_parameter(name, dtype):
    unit, hyper, n_slots = SOLVERS[name]
    stretch = Stretch(unit, dtype, **hyper)
    stretch.fill(*np.zeros((1 + n_slots, stretch.n)))
    g = np.zeros(stretch.n)
    g[[0, 20, 36]] = np.nan
    stretch.step(g)
    np.testing.assert_array_equal(np.isnan(stretch.part(at.P0)), np.isnan(g))
