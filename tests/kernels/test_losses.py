"""All losses with their deltas, column by column, and the log losses' own tests."""

import numpy as np
import pytest
import reference
from kernel_tools import LOGISTIC, SOFTMAX, assert_close, few_or_many
from loss_tools import (
    CODES,
    LOSSES,
    ONE_TARGET,
    needs_classes,
    parameters_of,
    random_targets,
    reference_of,
    run_loss,
)
from sklearn.metrics import log_loss

DENSE = ("log_loss_dense", "softmax")
DEVIANCES = ("poisson", "gamma", "tweedie")
ROWS = (1, 5, 63, 64)
SHAPES = [
    (ends, k, n)
    for ends in LOSSES
    for k in (1, 2, 3, few_or_many(5, 17))
    for n in ROWS
    if k > 1 or not needs_classes(ends)
]


def test_the_reference_has_the_same_losses():
    """Neither has a pair that the other lacks."""
    assert set(LOSSES) == set(reference.LOSSES)


@pytest.mark.parametrize(("ends", "k", "n"), SHAPES)
def test_loss_and_delta(ends, k, n, dtype):
    rng = np.random.default_rng(k * 100 + n)
    Z = (3 * rng.standard_normal((n, k))).astype(dtype)
    Y = random_targets(ends, n, k, dtype, rng)
    loss, delta = run_loss(ends, Z, Y, dtype)
    want_loss, want_delta = reference_of(ends, Z, Y)
    # Some ten operations of a few ulp each, relative to the largest value.
    assert_close(loss, want_loss, dtype, 1e-14, 5e-6)
    assert_close(delta, want_delta, dtype, 1e-14, 5e-6)


def distance_to_kinks(ends, z, y, parameters):
    """Return how far each row is from where the loss has no derivative."""
    loss, output = ends
    p = reference.OUTPUTS[output](z)
    if loss in {"absolute_error", "quantile"}:
        distance = np.abs(p - y)
    elif loss == "huber":
        distance = np.abs(np.abs(p - y) - parameters[0])
    elif loss == "hinge":
        distance = np.abs(1 - (2 * y - 1) * p)
    elif loss == "hinge_multiclass":
        own = np.take_along_axis(z, y.astype(int), axis=1)
        others = np.where(z == own, -np.inf, z)
        ranked = np.sort(others, axis=1)
        gap = np.abs(1 + ranked[:, -1:] - own)
        tie = ranked[:, -1:] - ranked[:, -2:-1]
        distance = np.minimum(gap, tie)
    else:
        distance = np.full_like(z, np.inf)
    return distance.min(axis=1)


@pytest.mark.parametrize("ends", LOSSES)
def test_delta_is_the_derivative(ends):
    """Central differences of the kernel's own loss, in float64."""
    dtype, h, k = np.dtype("float64"), 1e-5, 3
    rng = np.random.default_rng(7)
    Z = rng.standard_normal((few_or_many(20, 64), k))
    Y = random_targets(ends, len(Z), k, dtype, rng)
    smooth = distance_to_kinks(ends, Z, Y, parameters_of(ends, k)) > 1e-3
    assert smooth.mean() > 0.8
    _, delta = run_loss(ends, Z, Y, dtype)
    for c in range(k):
        step = h * (np.arange(k) == c)
        up, _ = run_loss(ends, Z + step, Y, dtype)
        down, _ = run_loss(ends, Z - step, Y, dtype)
        slope = (up - down) / (2 * h)
        # Truncation is h² times a third derivative, rounding eps · loss / h.
        np.testing.assert_allclose(
            delta[smooth, c], slope[smooth], rtol=1e-7, atol=1e-8
        )


@pytest.mark.parametrize("ends", LOSSES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_stays_in_its_row(ends, place, dtype):
    """Whichever output is NaN, the row's loss is, and no other row's."""
    Z = np.zeros((37, 3), dtype)
    Y = np.ones((37, 1 if ends in ONE_TARGET else 3), dtype)
    bad = [0, 16, 36]
    Z[bad, place] = np.nan
    loss, delta = run_loss(ends, Z, Y, dtype)
    assert sorted(np.flatnonzero(np.isnan(loss))) == bad
    assert np.isnan(delta[bad, place]).all()
    assert not np.isnan(np.delete(delta, bad, axis=0)).any()


def extreme_rows(ends, k, dtype):
    """Rows of raw outputs ±1e4 with targets on either side."""
    Z = np.array([[s * 1e4, -s * 1e4, s * 1e4][:k] for s in (1, -1, 1, -1)], dtype)
    if ends in CODES:
        return Z, np.array([[0], [0], [1], [1]], dtype)
    if ends in ONE_TARGET:
        return Z, np.array([[-3], [3], [1e5], [0]], dtype)
    if ends in {DENSE, ("focal", "softmax")}:
        return Z, np.eye(k, dtype=dtype)[[0, 0, 1, 1]]
    return Z, np.repeat(np.array([[0], [0], [1], [1]], dtype), k, axis=1)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("ends", [e for e in LOSSES if e[0] not in DEVIANCES])
def test_extreme_raw_outputs(ends, k, dtype):
    """As the formula says; infinite where p = exp(z) is, and never NaN."""
    if k == 1 and needs_classes(ends):
        k = 2
    Z, Y = extreme_rows(ends, k, dtype)
    loss, delta = run_loss(ends, Z, Y, dtype)
    want_loss, want_delta = reference_of(ends, Z, Y)
    assert not np.isnan(want_loss).any()
    assert ends[1] == "exp" or np.isfinite(want_loss).all()
    # log Σ exp(z) - z[y] is a difference of numbers near 1e4.
    atol = 1e4 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss, want_loss, rtol=1e-6, atol=atol)
    np.testing.assert_allclose(delta, want_delta, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ends", LOSSES)
def test_padding_rows_are_harmless(ends, dtype):
    """Raw outputs 0 and targets 1, which stand behind a group's last row."""
    Z = np.zeros((7, 3), dtype)
    Y = np.ones((7, 1 if ends in ONE_TARGET else 3), dtype)
    loss, delta = run_loss(ends, Z, Y, dtype)
    assert np.isfinite(loss).all()
    assert np.isfinite(delta).all()


def test_dense_targets_of_one_class_are_codes(dtype):
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((64, 4)).astype(dtype)
    codes = rng.integers(0, 4, (64, 1)).astype(dtype)
    by_code = run_loss(SOFTMAX, Z, codes, dtype)
    Y = (np.arange(4) == codes).astype(dtype)
    dense = run_loss(DENSE, Z, Y, dtype)
    # The same operations, but for fused multiply-adds.
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(by_code[0], dense[0], rtol=0, atol=10 * eps)
    np.testing.assert_allclose(by_code[1], dense[1], rtol=0, atol=2 * eps)


def test_dense_log_loss_of_mixed_classes(dtype):
    """A mixture's loss is the mixture of losses."""
    rng = np.random.default_rng(1)
    Z = rng.standard_normal((64, 3)).astype(dtype)
    Y = rng.dirichlet(np.ones(3), 64).astype(dtype)
    parts = [
        run_loss(SOFTMAX, Z, np.full((64, 1), c, dtype), dtype)[0] for c in range(3)
    ]
    loss, _ = run_loss(DENSE, Z, Y, dtype)
    want = sum(Y[:, c].astype(float) * parts[c] for c in range(3))
    np.testing.assert_allclose(loss, want, rtol=20 * np.finfo(dtype).eps)


def test_log_loss_as_in_sklearn():
    rng = np.random.default_rng(2)
    Z = rng.standard_normal((50, 3))
    codes = np.arange(50.0).reshape(-1, 1) % 3
    loss, _ = run_loss(SOFTMAX, Z, codes, np.dtype("float64"))
    want = log_loss(codes.ravel(), reference.softmax(Z))
    np.testing.assert_allclose(loss.mean(), want, rtol=1e-12)


def test_logistic_loss_keeps_small_values(dtype):
    """log(1 + exp(-30)) is 9.4e-14, not 0: float32 holds it as well."""
    Z = np.array([[30.0], [-30.0]], dtype)
    loss, _ = run_loss(LOGISTIC, Z, np.array([[1], [0]], dtype), dtype)
    np.testing.assert_allclose(loss, np.log1p(np.exp(-30.0)), rtol=1e-5)
