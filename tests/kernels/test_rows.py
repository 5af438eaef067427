"""Rows of X, dense or CSR, on their way into the network."""

import numpy as np
import pytest
import reference
from fastnn.kernels import forward, loading, sparse
from fastnn.kernels import layout as at
from kernel_tools import (
    CANARY,
    Net,
    assert_close,
    from_python,
    random_data,
    random_theta,
    same_bits,
)
from scipy import sparse as scipy_sparse

SQUARED = ("squared_error", "identity")
NONE = np.empty(0, np.int64)


@pytest.mark.parametrize("width", [1, 15, 16, 17, 65])
@pytest.mark.parametrize("ordered", [False, True])
def test_load_dense(width, ordered, dtype):
    """Rows [2, 5) of a block that starts at row 1, and nothing beside them."""
    sizes = (width, 2)
    X, Y = random_data(7, sizes, SQUARED, dtype)
    net = Net(sizes, X, Y)
    order = np.array([6, 0, 3, 5, 1, 2, 4]) if ordered else NONE
    rows = order[3:6] if ordered else slice(3, 6)
    net.arena[:] = CANARY
    want = net.arena.copy()
    start, stride = int(net.net[at.INPUT0]), int(net.net[at.INPUT_STRIDE])
    for i, row in enumerate(X[rows]):
        at_row = start + (2 + i) * stride
        want[at_row : at_row + width] = row
    loading.load_dense[dtype](net.net, net.arena, *net.rows.arrays, order, 1, 2, 5)
    assert same_bits(net.arena, want)


def sparse_like(n, d, dtype, seed=0):
    """Return a CSR matrix of small integers; its rows 0 and 3 are empty."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-3, 4, (n, d)) * (rng.random((n, d)) < 0.3)
    X[[0, 3 % n]] = 0
    X[n - 1, d - 1] = 2
    X[1 % n, 0] = 1 if n > 1 else X[0, 0]
    return scipy_sparse.csr_matrix(X.astype(dtype))


def with_duplicates(X):
    """Return the same matrix with every number in two halves at the same place."""
    indptr = 2 * X.indptr
    twice = (np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), indptr)
    return scipy_sparse.csr_matrix(twice, shape=X.shape)


FORMS = {"plain": lambda X: X, "duplicates": with_duplicates}
SIZES = [(1, 1), (5, 17), (65, 16), (30, 100), (40, 5, 3), (17, 65, 2)]


def integer_theta(sizes, dtype):
    theta = np.random.default_rng(5).integers(-2, 3, random_theta(sizes, dtype).size)
    return theta.astype(dtype)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sizes", SIZES)
def test_load_sparse(sizes, form, dtype):
    """Integers: the raw outputs are exact. An empty row gives the biases."""
    X = sparse_like(7, sizes[0], dtype)
    net = Net(sizes, FORMS[form](X), np.zeros((7, sizes[-1]), dtype))
    theta = integer_theta(sizes, dtype)
    coefs, intercepts = reference.split(theta, sizes)
    want = X.toarray() @ coefs[0] + intercepts[0]
    for order in (NONE, np.array([6, 0, 3, 5, 1, 2, 4])):
        net.arena[:] = CANARY
        net.arena[: int(net.net[at.N_PACKED])] = 0
        net.set_theta(theta)
        before = net.arena.copy()
        sparse.load_sparse[dtype](net.net, net.arena, *net.rows.arrays, order, 1, 2, 5)
        rows = order[3:6] if order.size else np.arange(3, 6)
        stride = net.field(0, "STRIDE")
        start = net.field(0, "A0") + 2 * stride
        got = net.arena[start : start + 3 * stride].reshape(3, stride)
        np.testing.assert_array_equal(got[:, : sizes[1]], want[rows])
        assert not got[:, sizes[1] :].any()
        before[start : start + 3 * stride] = got.ravel()
        assert same_bits(net.arena, before)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sizes", SIZES)
def test_gradient_of_csr_is_the_dense_one(sizes, form, weighted, dtype):
    """Integers again: both orders of summation give the same number."""
    n = 13
    X = sparse_like(n, sizes[0], dtype)
    Y = np.random.default_rng(2).integers(-3, 4, (n, sizes[-1])).astype(dtype)
    weight = np.where(np.arange(n) % 3 == 0, 0, 2).astype(dtype) if weighted else None
    theta = integer_theta(sizes, dtype)
    results = []
    for rows in (np.ascontiguousarray(X.toarray()), FORMS[form](X)):
        net = Net(sizes, rows, Y, SQUARED, "identity", weight)
        net.set_theta(theta)
        net.train()
        results.append((net.gradient, net.predict()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    _, gradient = reference.backpropagate(
        theta, sizes, "identity", SQUARED, X.toarray(), Y, weight=weight
    )
    # The division by Σ w is the only rounding.
    np.testing.assert_allclose(results[0][0], gradient, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_training_on_csr_is_training_on_dense(form, dtype):
    """Some epochs of Adam in mini-batches that are shuffled."""
    sizes, n = (30, 17, 3), 23
    rng = np.random.default_rng(1)
    X = sparse_like(n, 30, dtype)
    X.data[:] = rng.standard_normal(X.nnz)
    _, Y = random_data(n, sizes, SQUARED, dtype)
    order = rng.permutation(n)
    results = []
    for rows in (np.ascontiguousarray(X.toarray()), FORMS[form](X)):
        net = Net(sizes, rows, Y, solver="adam", batch_size=6)
        net.set_theta(random_theta(sizes, dtype))
        losses = [net.train(order=order) for _ in range(5)]
        results.append((net.theta, np.array(losses)))
    # Dense sums add zeros in between; halves of duplicates round once more.
    assert_close(results[1][0], results[0][0], dtype, 1e-12, 1e-4)
    assert_close(results[1][1], results[0][1], dtype, 1e-12, 1e-4)


def test_a_matrix_without_numbers(dtype):
    """All rows empty: the network sees its biases, the gradient of W is 0."""
    sizes = (5, 3)
    X = scipy_sparse.csr_matrix((4, 5), dtype=dtype)
    net = Net(sizes, X, np.ones((4, 3), dtype))
    theta = integer_theta(sizes, dtype)
    net.set_theta(theta)
    net.train()
    np.testing.assert_array_equal(net.predict(), np.tile(theta[15:], (4, 1)))
    np.testing.assert_array_equal(net.gradient[:15], 0)
    np.testing.assert_array_equal(net.gradient[15:], theta[15:] - 1)


def test_bisection_finds_the_first_of_equals():
    columns = np.array([9, 1, 3, 3, 3, 7, 0], np.int32)
    for value, want in ((0, 1), (1, 1), (2, 2), (3, 2), (4, 5), (7, 5), (8, 6)):
        assert from_python(sparse.first_at_least)(columns, 1, 6, value) == want
    assert from_python(sparse.first_at_least)(columns, 4, 4, 0) == 4


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 5, 6, 7, 13, 50])
def test_shares_of_rows(rows, n_workers):
    """Whole tiles of rows, in order, all of them, each once."""
    bounds = [
        from_python(forward.share_of_rows)(rows, w, n_workers)
        for w in range(n_workers + 1)
    ]
    assert bounds[0] == 0
    assert bounds[-1] == rows
    assert all(b == rows or b % forward.TILE_ROWS == 0 for b in bounds)
    assert bounds == sorted(bounds)
