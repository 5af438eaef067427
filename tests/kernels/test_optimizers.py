"""Solvers on a stretch of parameters, against their formulas over many steps."""

import numpy as np
import pytest
import reference
from fastnn.kernels import adaptive, optimizers, training
from fastnn.kernels import layout as at
from kernel_tools import CANARY, assert_close, few_or_many

N_PACKED, N_SLOTS = 160, 3
STEPS = few_or_many(30, 500)
BEGIN = {
    adaptive.adam: adaptive.begin_adam,
    adaptive.adam_corrected: adaptive.begin_corrected,
    adaptive.amsgrad: adaptive.begin_corrected,
    adaptive.nadam: adaptive.begin_nadam,
}


class Stretch:
    """An arena of P, three slots, G and one sum, for a stretch of parameters."""

    def __init__(self, unit, dtype, start=16, n=37, **hyper):
        self.unit, self.dtype, self.start, self.n = unit, dtype, start, n
        self.net = np.zeros(at.HEADER, np.int64)
        self.net[at.BATCH] = 1
        begin = BEGIN.get(unit, optimizers.begin_plain)
        self.net[at.BEGIN_STEP] = begin.address(dtype)
        for i, field in enumerate((at.P0, at.SLOT0)):
            self.net[field] = 8 + i * N_PACKED
        self.net[at.G0] = 8 + (1 + N_SLOTS) * N_PACKED
        self.net[at.N_PACKED] = N_PACKED
        self.sum0 = 8 + (2 + N_SLOTS) * N_PACKED
        self.arena = np.full(self.sum0 + 9, CANARY, dtype)
        self.hyper = np.zeros(at.N_HYPER + 1)
        hyper = {
            "RATE": 0.01,
            "MOMENTUM": 0.9,
            "BETA_1": 0.9,
            "BETA_2": 0.999,
            "RHO": 0.9,
            "EPSILON": 1e-8,
            "POWER_1": 1.0,
            "POWER_2": 1.0,
            "POWER_MU": 1.0,
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


SGD = (optimizers.sgd, reference.SGD, ("velocity",))
RMSPROP = (adaptive.rmsprop, reference.RMSprop, ("v",))
ADAM = (adaptive.adam, reference.Adam, ("m", "v"))
CORRECTED = (adaptive.adam_corrected, reference.AdamCorrected, ("m", "v"))
NADAM = (adaptive.nadam, reference.NAdam, ("m", "v"))
AMSGRAD = (adaptive.amsgrad, reference.AMSGrad, ("m", "v", "v_max"))
ADAGRAD = (adaptive.adagrad, reference.AdaGrad, ("total",))
LION = (adaptive.lion, reference.Lion, ("m",))
OTHER = {"BETA_1": 0.5, "BETA_2": 0.9, "EPSILON": 0.1}
NO_MEMORY = {"BETA_1": 0.0, "BETA_2": 0.0}

# name: (unit, its reference, the reference's names of the slots), hyper-parameters
SOLVERS = {
    "sgd": (SGD, {"NESTEROV": 0.0}),
    "nesterov": (SGD, {"NESTEROV": 1.0}),
    "plain": (SGD, {"NESTEROV": 1.0, "MOMENTUM": 0.0}),
    "dampened": (SGD, {"NESTEROV": 0.0, "DAMPENING": 0.9}),
    "dampened-nesterov": (SGD, {"NESTEROV": 1.0, "DAMPENING": 0.3}),
    "rmsprop": (RMSPROP, {}),
    "rmsprop-other": (RMSPROP, {"RHO": 0.5, "EPSILON": 0.1}),
    "rmsprop-no-memory": (RMSPROP, {"RHO": 0.0}),
    "adam": (ADAM, {}),
    "adam-other": (ADAM, OTHER),
    "adam-no-memory": (ADAM, NO_MEMORY),
    "corrected": (CORRECTED, {}),
    "corrected-other": (CORRECTED, OTHER),
    "corrected-no-memory": (CORRECTED, NO_MEMORY),
    "nadam": (NADAM, {}),
    "nadam-other": (NADAM, OTHER),
    "nadam-no-memory": (NADAM, NO_MEMORY),
    "amsgrad": (AMSGRAD, {}),
    "amsgrad-other": (AMSGRAD, OTHER),
    "adagrad": (ADAGRAD, {}),
    "adagrad-other": (ADAGRAD, {"EPSILON": 0.1}),
    "lion": (LION, {"BETA_2": 0.99}),
    "lion-other": (LION, {"BETA_1": 0.5, "BETA_2": 0.9}),
}
ONE_EACH = (
    "sgd",
    "rmsprop",
    "adam",
    "corrected",
    "nadam",
    "amsgrad",
    "adagrad",
    "lion",
)


def solver_of(name, dtype, **options):
    """Return a stretch with the unit, and how many slots the unit has."""
    (unit, _, slots), hyper = SOLVERS[name]
    return Stretch(unit, dtype, **{**hyper, **options}), len(slots)


def reference_of(name, hyper):
    """Return the reference solver with the same numbers."""
    kind = SOLVERS[name][0][1]
    rate, b1, b2 = hyper[at.RATE], hyper[at.BETA_1], hyper[at.BETA_2]
    epsilon = hyper[at.EPSILON]
    if kind is reference.SGD:
        nesterov = bool(hyper[at.NESTEROV])
        return kind(rate, hyper[at.MOMENTUM], nesterov, hyper[at.DAMPENING])
    if kind is reference.RMSprop:
        return kind(rate, hyper[at.RHO], epsilon)
    if kind is reference.AdaGrad:
        return kind(rate, epsilon)
    if kind is reference.Lion:
        return kind(rate, b1, b2)
    return kind(rate, b1, b2, epsilon)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("penalised", [0, 1])
@pytest.mark.parametrize("name", SOLVERS)
def test_many_steps(name, penalised, alpha, dtype):
    """float64 agrees to 1e-12 after hundreds of steps; float32 drifts by rounding."""
    stretch, n_slots = solver_of(name, dtype, ALPHA=alpha)
    solver = reference_of(name, stretch.hyper)
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
    for i, slot in enumerate(SOLVERS[name][0][2]):
        want = getattr(solver, slot)
        assert_close(stretch.part(at.SLOT0, i), want, dtype, 1e-12, 1e-3, slot)
    assert stretch.untouched(n_slots)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 64, 65, 130])
def test_every_length_gives_the_same_bits(name, n, dtype):
    """A number's step does not depend on how many are updated with it."""
    whole, n_slots = solver_of(name, dtype, start=0, n=n, ALPHA=0.1)
    rng = np.random.default_rng(n)
    p, g, slots = rng.random(n), rng.random(n), rng.random((n_slots, n))
    whole.fill(p, *slots)
    whole.step(g, 3)
    for i in {0, n // 2, n - 1}:
        single, _ = solver_of(name, dtype, start=i, n=1, ALPHA=0.1)
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
    stretch = Stretch(adaptive.adam, np.dtype("float64"), n=1, RATE=0.5)
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


def after_steps(unit, *gradients, n_slots=1, **hyper):
    """Return p and the slots of one float64 parameter, from p = 1 and slots of 0."""
    stretch = Stretch(unit, np.dtype("float64"), n=1, **hyper)
    stretch.fill([1.0], *np.zeros((n_slots, 1)))
    for g in gradients:
        stretch.step([g])
    slots = [stretch.part(at.SLOT0, i)[0] for i in range(n_slots)]
    return stretch.part(at.P0)[0], slots


def test_dampened_momentum_by_hand():
    """v: -0.1·0.5·2 = -0.1, then 0.5·-0.1 - 0.1·0.5·1 = -0.1; p: 1 - 0.1 - 0.1."""
    hyper = {"RATE": 0.1, "MOMENTUM": 0.5, "DAMPENING": 0.5}
    p, slots = after_steps(optimizers.sgd, 2.0, 1.0, **hyper)
    assert p == pytest.approx(0.8, rel=1e-15)
    assert slots == [pytest.approx(-0.1, rel=1e-15)]


def test_dampening_equal_to_momentum_averages_the_gradients():
    """V = b v + (1 - b) g and w = w - rate v, for a constant rate."""
    b, rate, n = 0.9, 0.03, 37
    stretch = Stretch(
        optimizers.sgd, np.dtype("float64"), n=n, RATE=rate, MOMENTUM=b, DAMPENING=b
    )
    rng = np.random.default_rng(0)
    w, v = rng.standard_normal(n), np.zeros(n)
    stretch.fill(w, v)
    for g in rng.standard_normal((STEPS, n)):
        stretch.step(g)
        v = b * v + (1 - b) * g
        w = w - rate * v
    assert_close(stretch.part(at.P0), w, np.float64, 1e-13)
    assert_close(stretch.part(at.SLOT0), -rate * v, np.float64, 1e-13)


def test_rmsprop_by_hand():
    """V = 0.75·0 + 0.25·4 = 1; p = 1 - 0.5·2 / (1 + 1)."""
    p, slots = after_steps(adaptive.rmsprop, 2.0, RATE=0.5, RHO=0.75, EPSILON=1.0)
    assert (p, slots) == (0.5, [1.0])


def test_corrected_adam_by_hand():
    """Both corrections undo the first step's weights: p = 1 - 0.5·2 / (2 + 3)."""
    p, (m, v) = after_steps(
        adaptive.adam_corrected, 2.0, n_slots=2, RATE=0.5, EPSILON=3.0
    )
    assert m == pytest.approx(0.2, rel=1e-15)
    assert v == pytest.approx(0.004, rel=1e-15)
    assert p == pytest.approx(0.8, rel=1e-12)  # 1 - b2 loses three digits of b2


def test_amsgrad_by_hand():
    """The second gradient is 0: v falls to a half, the largest v does not.

    m: 1, 0.5;  v: 2, 1;  largest: 2, 2;  corrections 1/2, then 3/4 for both:
    p = 1 - 0.5·2 / 2 - 0.5·(2/3) / √(8/3)
    """
    hyper = {"RATE": 0.5, "BETA_1": 0.5, "BETA_2": 0.5, "EPSILON": 0.0}
    p, slots = after_steps(adaptive.amsgrad, 2.0, 0.0, n_slots=3, **hyper)
    assert slots == [0.5, 1.0, 2.0]
    assert p == pytest.approx(0.5 - 1 / 3 / np.sqrt(8 / 3), rel=1e-14)


def test_nadam_by_hand():
    """Mean 0.2, mean of squares 4 once corrected; mu(t) ≈ b1 (½ + 8.2e-5 t).

    0.96^0.004 = 0.999836725 and 0.96^0.008 = 0.999673477, so that with b1 = 0.9
    mu(1) = 0.450073474 and mu(2) = 0.450146935; p = 1 - (a·0.2 + c·2) / 2 with
    a = mu(2) / (1 - mu(1) mu(2)) = 0.56451778 and c = (1 - mu(1)) / (1 - mu(1)) = 1.
    """
    p, _ = after_steps(adaptive.nadam, 2.0, n_slots=2, RATE=1.0, EPSILON=0.0)
    assert p == pytest.approx(1 - (0.56451778 * 0.2 + 2) / 2, abs=1e-8)


def test_adagrad_by_hand():
    """Sums 9, 25: p = 1 - 3/3 - 4/5."""
    p, slots = after_steps(adaptive.adagrad, 3.0, 4.0, RATE=1.0, EPSILON=0.0)
    assert p == pytest.approx(-0.8, rel=1e-15)
    assert slots == [25.0]


def test_lion_by_hand():
    """A gradient's size does not matter; without one and without a past, no step."""
    hyper = {"RATE": 0.25, "BETA_1": 0.5, "BETA_2": 0.75}
    assert after_steps(adaptive.lion, 4.0, **hyper) == (0.75, [1.0])
    assert after_steps(adaptive.lion, -4e-9, **hyper) == (1.25, [-1e-9])
    assert after_steps(adaptive.lion, 0.0, **hyper) == (1.0, [0.0])
    # the past decides: m = 1, then 0.5·1 - 0.5·0.5 > 0, 0.5·1 - 0.5·1 = 0, and < 0
    assert after_steps(adaptive.lion, 4.0, -0.5, **hyper)[0] == 0.5
    assert after_steps(adaptive.lion, 4.0, -1.0, **hyper)[0] == 0.75
    assert after_steps(adaptive.lion, 4.0, -1.5, **hyper)[0] == 1.0


@pytest.mark.parametrize("name", [name for name in ONE_EACH if name != "adagrad"])
def test_moments_of_dead_units_become_zero(name, dtype):
    """Without a gradient they decay, and never stay at a denormal number."""
    halves = {"BETA_1": 0.5, "BETA_2": 0.5, "RHO": 0.5, "MOMENTUM": 0.5}
    stretch, n_slots = solver_of(name, dtype, **halves)
    tiny = float(np.finfo(dtype).tiny)
    signs = np.where(np.arange(stretch.n) % 2, 1, -1)
    signed = ["v" not in slot or slot == "velocity" for slot in SOLVERS[name][0][2]]
    slots = [tiny * 500 * (signs if has_sign else 1) for has_sign in signed]
    stretch.fill(np.ones(stretch.n), *slots)
    decaying = range(min(n_slots, 2))  # AMSGrad's third keeps the largest
    for _ in range(10):
        stretch.step(np.zeros(stretch.n))
        for slot in decaying:
            moment = np.abs(stretch.part(at.SLOT0, slot))
            assert ((moment == 0) | (moment >= 8 * tiny)).all()
    for slot in decaying:
        assert (stretch.part(at.SLOT0, slot) == 0).all()
    assert np.isfinite(stretch.part(at.P0)).all()
    if name == "amsgrad":
        assert (stretch.part(at.SLOT0, 2) == dtype.type(500 * tiny)).all()


SQUARES = {"rmsprop": 0, "adam": 1, "corrected": 1, "nadam": 1, "amsgrad": 1}


@pytest.mark.parametrize("name", [*SQUARES, "adagrad"])
def test_a_square_that_underflows_becomes_zero(name, dtype):
    """A tiny gradient's square is denormal; the second moment holds 0 instead."""
    stretch, n_slots = solver_of(name, dtype)
    stretch.fill(*np.zeros((1 + n_slots, stretch.n)))
    tiny = float(np.finfo(dtype).tiny)
    stretch.step(np.full(stretch.n, np.sqrt(tiny) * 0.7))
    first = SQUARES.get(name, 0)
    for slot in range(first, n_slots):
        assert (stretch.part(at.SLOT0, slot) == 0).all()
    for slot in range(first):
        assert (stretch.part(at.SLOT0, slot) != 0).all()
    assert (stretch.part(at.P0) != 0).all()
    assert np.isfinite(stretch.part(at.P0)).all()


@pytest.mark.parametrize("name", ONE_EACH)
def test_padding_stays_zero(name, dtype):
    """A parameter of 0 without gradient and past is 0 after a step."""
    stretch, n_slots = solver_of(name, dtype, ALPHA=0.1)
    stretch.fill(*np.zeros((1 + n_slots, stretch.n)))
    for _ in range(3):
        stretch.step(np.zeros(stretch.n))
    for region, slot in [(at.P0, 0), *((at.SLOT0, i) for i in range(n_slots))]:
        assert (stretch.part(region, slot) == 0).all()


@pytest.mark.parametrize("name", SOLVERS)
def test_nan_gradient_reaches_the_parameter(name, dtype):
    """And stays there, with a good gradient in the next step as well."""
    stretch, n_slots = solver_of(name, dtype)
    stretch.fill(*np.zeros((1 + n_slots, stretch.n)))
    g = np.zeros(stretch.n)
    g[[0, 20, 36]] = np.nan
    for gradient in (g, np.zeros(stretch.n)):
        stretch.step(gradient)
        np.testing.assert_array_equal(np.isnan(stretch.part(at.P0)), np.isnan(g))
