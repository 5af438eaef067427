"""C += A·B by register tiles, for every shape around a tile's borders."""

import numpy as np
import pytest
import reference
from fastnn.kernels import _host, products
from kernel_tools import CANARY, few_or_many, same_bits

ROWS = (1, 5, 6, 7, 13)
DEPTHS = few_or_many((1, 17, 65), (1, 15, 16, 17, 63, 64, 65, 130))
VECTORS = range(1, _host.TILE_VECTORS + 1)
GAP = 7

# How A lies: (row step, column step) for a matrix of M rows and K columns.
LAYOUTS = {
    "rows": lambda M, K: (K + GAP, 1),
    "columns": lambda M, K: (1, M + GAP),
    "ones": lambda M, K: (0, 0),
}


def place(arena, start, matrix, row_step, column_step):
    """Write a matrix into the arena, one number at a time."""
    for i, row in enumerate(matrix):
        for j, number in enumerate(row):
            arena[start + i * row_step + j * column_step] = number


def accumulate(A, B, C, layout, dtype):
    """Return C + A·B as the kernel computes it, and check all around it."""
    (M, K), width = A.shape, B.shape[1]
    ars, acs = LAYOUTS[layout](M, K)
    cs, bs = width + GAP, width + 2 * GAP
    c0 = GAP
    a0 = c0 + M * cs
    b0 = a0 + (M + GAP) * (K + GAP)
    arena = np.full(b0 + K * bs + GAP, CANARY, dtype)
    place(arena, a0, A, ars, acs)
    place(arena, b0, B, bs, 1)
    place(arena, c0, C, cs, 1)
    before = arena.copy()
    products.accumulate[dtype](arena, c0, cs, a0, ars, acs, b0, bs, M, K, width)
    result = np.array([arena[c0 + i * cs : c0 + i * cs + width] for i in range(M)])
    place(before, c0, result, cs, 1)
    assert same_bits(arena, before)
    return result


def integers(shape, seed, dtype):
    """Small integers: all sums of their products are exact in both types."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("M", ROWS)
@pytest.mark.parametrize("vectors", VECTORS)
def test_exact_for_integers(layout, M, vectors, dtype):
    width = vectors * _host.lanes_of(dtype.itemsize)
    for K in DEPTHS:
        A = integers((M, K), 0, dtype)
        if layout == "ones":
            A[:] = 1
        B, C = integers((K, width), 1, dtype), integers((M, width), 2, dtype)
        got = accumulate(A, B, C, layout, dtype)
        want = C + A.astype(float) @ B.astype(float)
        np.testing.assert_array_equal(got, want, err_msg=f"K = {K}")


@pytest.mark.parametrize("vectors", VECTORS)
def test_close_to_the_exact_product(vectors, dtype):
    """A chain of K fused operations is off by at most K eps Σ |a b|."""
    rng = np.random.default_rng(3)
    K, width = few_or_many(17, 130), vectors * _host.lanes_of(dtype.itemsize)
    A = rng.standard_normal((7, K)).astype(dtype)
    B = rng.standard_normal((K, width)).astype(dtype)
    got = accumulate(A, B, np.zeros((7, width)), "rows", dtype)
    want = reference.product(A.astype(float), B.astype(float))
    bound = K * np.finfo(dtype).eps * (np.abs(A) @ np.abs(B))
    assert (np.abs(got - want) <= bound).all()


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("vectors", VECTORS)
def test_bits_do_not_depend_on_the_place(layout, vectors, dtype):
    """A row gives the same bits in a tall tile, in a flat one and on its own.

    A column gives the same bits in a wide tile and in a narrow one.
    """
    rng = np.random.default_rng(4)
    lanes = _host.lanes_of(dtype.itemsize)
    K, width = few_or_many(17, 130), vectors * lanes
    A = rng.standard_normal((13, K)).astype(dtype)
    B = rng.standard_normal((K, width)).astype(dtype)
    C = rng.standard_normal((13, width)).astype(dtype)
    whole = accumulate(A, B, C, layout, dtype)
    for i in (0, 5, 6, 12):
        row = slice(i, i + 1)
        assert same_bits(accumulate(A[row], B, C[row], "rows", dtype), whole[row])
    narrow = accumulate(A, B[:, -lanes:], C[:, -lanes:], "columns", dtype)
    assert same_bits(narrow, np.ascontiguousarray(whole[:, -lanes:]))


def test_nan_and_infinity_go_through(dtype):
    """A row with a NaN is NaN, others are not; 0 · inf is NaN as well."""
    width = _host.lanes_of(dtype.itemsize)
    A, B = np.ones((7, 5), dtype), np.ones((5, width), dtype)
    A[2, 3] = np.nan
    A[4, 1] = np.inf
    got = accumulate(A, B, np.zeros((7, width)), "rows", dtype)
    assert np.isnan(got[2]).all()
    assert np.isposinf(got[4]).all()
    assert (np.delete(got, [2, 4], axis=0) == 5).all()
    B[1] = 0
    assert np.isnan(accumulate(A, B, np.zeros((7, width)), "rows", dtype)[4]).all()


def test_nothing_to_add(dtype):
    """A product over no columns leaves C as it is."""
    width = _host.lanes_of(dtype.itemsize)
    C = integers((7, width), 0, dtype)
    got = accumulate(np.ones((7, 0)), np.ones((0, width)), C, "rows", dtype)
    np.testing.assert_array_equal(got, C)
