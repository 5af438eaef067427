"""Margins and focal losses: by hand, at their limits, and beside scikit-learn."""

import numpy as np
import pytest
from kernel_tools import LOGISTIC
from loss_tools import reference_of, run_loss
from sklearn.metrics import hinge_loss

HINGE = ("hinge", "identity")
MULTICLASS = ("hinge_multiclass", "identity")
FOCAL = ("focal", "logistic")
FOCAL_SOFTMAX = ("focal", "softmax")
DOUBLE = np.dtype("float64")


def test_hinge_as_in_sklearn():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((100, 1))
    Y = rng.integers(0, 2, (100, 1)).astype(float)
    loss, _ = run_loss(HINGE, Z, Y, DOUBLE)
    np.testing.assert_allclose(loss.mean(), hinge_loss(Y.ravel(), Z.ravel()))


def test_multiclass_hinge_as_in_sklearn():
    rng = np.random.default_rng(1)
    Z = rng.standard_normal((99, 4))
    Y = (np.arange(99) % 4).reshape(-1, 1).astype(float)
    loss, _ = run_loss(MULTICLASS, Z, Y, DOUBLE)
    np.testing.assert_allclose(loss.mean(), hinge_loss(Y.ravel(), Z))


def test_hinge_by_hand(dtype):
    """Beyond the margin nothing, at it 0, before it a slope of one."""
    Z = np.array([[2], [1], [0.5], [-2], [-1], [0.5]], dtype)
    Y = np.array([[1], [1], [1], [0], [0], [0]], dtype)
    loss, delta = run_loss(HINGE, Z, Y, dtype)
    np.testing.assert_array_equal(loss, [0, 0, 0.5, 0, 0, 1.5])
    np.testing.assert_array_equal(delta.ravel(), [0, 0, -1, 0, 0, 1])


def test_multiclass_hinge_by_hand(dtype):
    """Of equal rivals the first is pushed down; a kept margin moves nothing."""
    Z = np.array([[1, 1, 0], [1, 1, 1], [5, 1, 1], [0, 1, 0]], dtype)
    Y = np.array([[2], [1], [0], [1]], dtype)
    loss, delta = run_loss(MULTICLASS, Z, Y, dtype)
    np.testing.assert_array_equal(loss, [2, 1, 0, 0])
    want = [[1, 0, -1], [1, -1, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(delta, want)


def test_focal_without_focus_is_the_log_loss(dtype):
    rng = np.random.default_rng(2)
    Z = (3 * rng.standard_normal((64, 3))).astype(dtype)
    eps = np.finfo(dtype).eps
    Y = rng.integers(0, 2, (64, 3)).astype(dtype)
    for got, want in zip(
        run_loss(FOCAL, Z, Y, dtype, (0.0,)),
        run_loss(LOGISTIC, Z, Y, dtype),
        strict=True,
    ):
        np.testing.assert_allclose(got, want, rtol=10 * eps, atol=10 * eps)
    Y = rng.dirichlet(np.ones(3), 64).astype(dtype)
    for got, want in zip(
        run_loss(FOCAL_SOFTMAX, Z, Y, dtype, (0.0,)),
        run_loss(("log_loss_dense", "softmax"), Z, Y, dtype),
        strict=True,
    ):
        # Both are sums of terms of the raw outputs' size, which is 10.
        np.testing.assert_allclose(got, want, rtol=10 * eps, atol=30 * eps)


@pytest.mark.parametrize("g", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("ends", [FOCAL, FOCAL_SOFTMAX])
def test_focal_of_every_focus(ends, g, dtype):
    rng = np.random.default_rng(3)
    Z = (6 * rng.standard_normal((64, 3))).astype(dtype)
    Z[:4] = [[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [0, 0, 0], [80, -80, 80]]
    Y = rng.dirichlet(np.ones(3), 64).astype(dtype)
    Y[32:] = np.eye(3, dtype=dtype)[rng.integers(0, 3, 32)]
    loss, delta = run_loss(ends, Z, Y, dtype, (g,))
    want_loss, want_delta = reference_of(ends, Z, Y, (g,))
    assert np.isfinite(want_loss).all()
    # A few roundings of the largest terms of a row, g softplus(z) among them.
    eps = np.finfo(dtype).eps
    size = np.abs(Z.astype(float)).max(axis=1)
    bound = 50 * (1 + g) * eps * (1 + np.minimum(size, 100))
    assert (np.abs(loss - want_loss) <= bound + 2 * eps * size).all()
    assert (np.abs(delta - want_delta).max(axis=1) <= bound).all()


def test_focal_of_one_class_by_hand(dtype):
    """-(1 - p)^g log p with p = 1/2, and for three equal classes p = 1/3."""
    loss, _ = run_loss(FOCAL, np.zeros((1, 1), dtype), np.ones((1, 1), dtype), dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss, 0.25 * np.log(2), rtol=10 * eps)
    Y = np.array([[0, 1, 0]], dtype)
    loss, _ = run_loss(FOCAL_SOFTMAX, np.zeros((1, 3), dtype), Y, dtype)
    np.testing.assert_allclose(loss, 4 / 9 * np.log(3), rtol=10 * eps)


def test_focal_keeps_small_values(dtype):
    """For z = (20, 0) and class 0, 1 - p is 2e-9 and the loss about (1 - p)³."""
    Z = np.array([[20, 0]], dtype)
    loss, _ = run_loss(FOCAL_SOFTMAX, Z, np.array([[1, 0]], dtype), dtype)
    q = 1 / (1 + np.exp(20.0))
    np.testing.assert_allclose(loss, -(q**2) * np.log1p(-q), rtol=1e-5)
