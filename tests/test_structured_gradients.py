"""Gradients of networks with all that they may have, in covering combinations.

All pairs of levels of two factors that go together occur: a mistake that shows when
two things meet is seen, whatever else the network has. Masks, noise and mixtures are
those of one epoch, frozen; the reference draws them by itself.

step and sign have no derivative that could be compared with differences; what counts
there is the reference's gradient, that of the straight-through estimator. Only the
last layer's parameters are compared with differences.
"""

import itertools
import random

import numpy as np
import pytest
import reference
from fastnn.kernels import layout as at
from gradient_tools import (
    CLASSES,
    EPOCH,
    FACTORS,
    PLAIN_CASE,
    SEED,
    SEEDS,
    STRUCTURES,
    allowed,
    check_gradient,
    differentiable,
    estimator_of,
    library_function,
    make,
    name_of,
    where,
)
from scipy import sparse
from scipy.special import ndtri

from fastnn import MLPEstimator, threads
from fastnn.inputs import objective
from fastnn.learning import randomness
from fastnn.learning.lbfgs import Function, Split
from fastnn.learning.preparation import prepare
from fastnn.structure import variants


def pairs_of(case):
    """Return all that two factors have together in a case."""
    return set(itertools.combinations(case.items(), 2))


def allowed_pairs():
    """Return every two levels of two factors that go together, in a fixed order."""
    return [
        ((f, a), (g, b))
        for f, g in itertools.combinations(FACTORS, 2)
        for a in FACTORS[f]
        for b in FACTORS[g]
        if allowed({f: a, g: b})
    ]


def complete(chosen, missing, together, dice):
    """Return a case that has the chosen levels.

    One factor after the other gets the level that brings most missing pairs; dice
    decide between equal ones, so that three and more levels mix as well. No rule
    leaves a factor without a level.
    """
    place = {factor: i for i, factor in enumerate(FACTORS)}
    for factor in FACTORS:
        if factor in dict(chosen):
            continue
        ranked = []
        for level in FACTORS[factor]:
            new = (factor, level)
            pairs = [
                tuple(sorted((old, new), key=lambda x: place[x[0]])) for old in chosen
            ]
            if together.issuperset(pairs):
                n_new = sum(pair in missing for pair in pairs)
                ranked.append((-n_new, dice.random(), new))
        chosen = [*chosen, min(ranked)[-1]]
    return {factor: dict(chosen)[factor] for factor in FACTORS}


def covering_cases():
    """Return cases in which every allowed pair occurs; always the same ones.

    Each case begins with the first pair that is missing.
    """
    missing = dict.fromkeys(allowed_pairs())
    together = set(missing)
    cases, dice = [], random.Random(0)  # the same in all versions of Python
    while missing:
        case = complete(list(next(iter(missing))), missing, together, dice)
        for pair in pairs_of(case):
            missing.pop(pair, None)
        cases.append(case)
    return cases


CASES = covering_cases()


def cases_of_every_level():
    """Return some of the cases in which every level of every factor occurs."""
    seen, some = set(), []
    for case in CASES:
        if not seen.issuperset(case.items()):
            seen.update(case.items())
            some.append(case)
    return some


SOME = cases_of_every_level()


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_gradient(case):
    """Of every parameter, for three seeds, which also give a loss its parameter."""
    for seed in range(SEEDS):
        check_gradient(case, seed)


def test_every_pair_of_levels_occurs():
    """As counted by itself, and no pair that the rules exclude."""
    got = set().union(*(pairs_of(case) for case in CASES))
    want = {
        ((f, a), (g, b))
        for f, g in itertools.combinations(FACTORS, 2)
        for a, b in itertools.product(FACTORS[f], FACTORS[g])
        if allowed({f: a, g: b})
    }
    assert got == want
    assert all(allowed(case) for case in CASES)
    levels = set().union(*(case.items() for case in SOME))
    assert levels == {(f, a) for f in FACTORS for a in FACTORS[f]}


def test_every_loss_occurs():
    """Each unit of the tables, with codes as targets and without."""
    n_targets = {"binary": 2, "regression": 1, "quantiles": 1}
    seen = []
    for case in CASES:
        kind = case["kind"]
        word = kind if kind in CLASSES else "regression"
        estimator = estimator_of(case, 0)
        got = objective.resolve(estimator, word, n_targets.get(kind, 3))
        assert (got.loss, got.output) == case["ends"]
        seen.append(id(got.record))
    tables = (variants.LOSSES, variants.CODED_LOSSES)
    assert set(seen) == {id(loss) for table in tables for loss in table.values()}


@pytest.mark.parametrize("case", SOME, ids=name_of)
def test_the_reference_itself(case):
    """Its gradient is that of its own loss: two mistakes cannot cancel."""
    known, theta, *_ = make(case, 0)
    loss, gradient = known(theta)
    which = differentiable(known)
    size = max(1.0, np.abs(gradient).max(), abs(loss))
    differences = reference.central_differences(known.loss, theta)
    np.testing.assert_allclose(
        gradient[which], differences[which], rtol=0, atol=1e-8 * size
    )


def test_the_noise_of_the_reference_is_normal():
    """The approximation's error is 4e-7 of a number, as its author has it."""
    u = (np.arange(0, 2**24, 1001) + 0.5) / 2**23 - 1
    np.testing.assert_allclose(reference.giles(u), ndtri((1 + u) / 2), rtol=5e-7)


def one_sided_differences(function, theta, i, step=1e-6):
    """Return the slope of a function towards one side; the step has a sign.

    Three values make the error a square of the step, as with central differences.
    """
    moves = np.zeros((3, theta.size))
    moves[:, i] = 0, step, 2 * step
    values = [function(theta + move)[0] for move in moves]
    return np.dot([-1.5, 2, -0.5], values) / step


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("penalty", ["l1", "elastic"])
def test_l1_at_zero(penalty, structure):
    """At weights of 0 the gradient is the shortest subgradient.

    That is the slope to the right if it is negative, the slope to the left if that is
    positive, else 0: no step to either side helps.
    """
    case = {**PLAIN_CASE, "penalty": penalty, "structure": structure, "weights": True}
    case["depth"], seen = 3, set()
    for seed in range(SEEDS):
        known, theta, *data = make(case, seed)
        function = library_function(case, seed, *data)
        rng = np.random.default_rng(seed)
        weights = where(known, lambda name, _: name in ("W", "V"))
        zero = np.flatnonzero(weights & (rng.random(theta.size) < 0.3))
        theta[zero] = 0.0
        loss, gradient = function(theta)
        size = max(1.0, np.abs(gradient).max(), abs(loss))
        for i in zero:
            right = one_sided_differences(function, theta, i)
            left = one_sided_differences(function, theta, i, -1e-6)
            assert left < right
            want = right if right < 0 else left if left > 0 else 0.0
            np.testing.assert_allclose(gradient[i], want, rtol=0, atol=1e-8 * size)
            seen.add(np.sign(gradient[i]))
        want_loss, want = known(theta)
        np.testing.assert_allclose(loss, want_loss, rtol=1e-13)
        np.testing.assert_allclose(gradient, want, rtol=0, atol=1e-13 * size)
    assert seen == {-1, 0, 1}


@pytest.mark.parametrize("structure", ["plain", "projection+batch"])
@pytest.mark.parametrize("penalty", ["l1", "elastic"])
def test_the_split_function(penalty, structure):
    """L-BFGS has weights as differences u - v, and Σ u + v as the penalty.

    It is smooth everywhere, and the same loss where u or v is 0.
    """
    case = {**PLAIN_CASE, "penalty": penalty, "structure": structure, "weights": True}
    known, theta, *data = make(case, 0)
    loss = library_function(case, 0, *data)(theta)[0]
    split = Split(library_function(case, 0, *data))
    parts = split.parts(theta)
    np.testing.assert_array_equal(split.join(parts), theta)
    np.testing.assert_allclose(split(parts)[0], loss, rtol=1e-13)
    matrices = where(known, lambda name, _: name in ("W", "V"))
    assert parts.size == theta.size + matrices.sum()
    rng = np.random.default_rng(0)
    both = rng.random(matrices.sum())  # u - v stays, so that no unit nears a kink
    parts[: theta.size][matrices] += both
    parts[theta.size :] += both
    got, gradient = split(parts)
    size = max(1.0, np.abs(gradient).max(), abs(got))
    alpha, l1_ratio = known.penalty
    more = alpha * l1_ratio * 2 * both.sum() / known.weight.sum()
    np.testing.assert_allclose(got, loss + more, rtol=1e-13)
    differences = reference.central_differences(split, parts)
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=1e-8 * size)


SHARED = {
    "batch": {"batch_norm": True, "residual": True, "dropout": (0.2, 0.3, 0.1, 0.2)},
    "batch, mixed": {"batch_norm": True, "mixup_alpha": 0.4, "input_noise": 0.1},
    "layer": {"layer_norm": True, "residual": True, "dropout": 0.25, "l1_ratio": 0.5},
    "plain": {"dropout": (0.2, 0.3, 0, 0.2), "mixup_alpha": 0.4, "input_noise": 0.1},
    "csr": {"batch_norm": True, "residual": True, "dropout": 0.25, "l1_ratio": 1.0},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SHARED)
def test_bits_do_not_depend_on_the_workers(name, dtype, monkeypatch):
    """Of loss, gradient and the population's statistics; one thread does all shares.

    There are more columns than a panel has, and shares of columns that are empty.
    """
    monkeypatch.setattr(threads.Twins, "_choose", lambda self, now: (False, 1 << 60))
    rng, n = np.random.default_rng(0), 61
    X, y = rng.standard_normal((n, 9)), np.arange(n) % 3
    weight = np.where(np.arange(n) % 5 == 1, 0.0, rng.random(n))
    X = sparse.csr_matrix(np.where(X > 0.5, X, 0)) if name == "csr" else X
    results = []
    for n_workers in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "count", lambda *_, got=n_workers: got)
        estimator = MLPEstimator(
            (70, 33, 33), activation=["gelu", "relu", "tanh"], solver="lbfgs",
            alpha=0.3, dtype=dtype, **SHARED[name],
        )  # fmt: skip
        problem, architecture, aim, _ = prepare(estimator, X, y, weight, False)
        function = Function(estimator, problem, architecture, aim, np.dtype(dtype))
        randomness.set_epoch(function.network, SEED, EPOCH, estimator.mixup_alpha)
        assert function.network.net[at.N_WORKERS] == n_workers
        theta = 0.3 * np.random.default_rng(1).standard_normal(architecture.n_params)
        loss, gradient = function(theta)
        results.append((loss, gradient.tobytes(), function.finish(theta).tobytes()))
        assert np.isfinite(loss)
        assert gradient.any()
    assert results.count(results[0]) == len(results)


@pytest.mark.parametrize("case", SOME, ids=name_of)
def test_gradient_in_float32(case):
    """Close to the reference: sums of some ten terms lose two digits of seven."""
    known, theta, *data = make(case, 0)
    theta = theta.astype(np.float32).astype(float)
    known.X = known.X.astype(np.float32).astype(float)
    function = library_function(case, 0, *data, dtype=np.dtype("float32"))
    loss, gradient = function(theta)
    want_loss, want = known(theta)
    size = max(1.0, np.abs(want).max(), abs(want_loss))
    np.testing.assert_allclose(loss, want_loss, rtol=0, atol=1e-5 * size)
    np.testing.assert_allclose(gradient, want, rtol=0, atol=2e-5 * size)
