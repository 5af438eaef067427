"""Masks and noise: the draws, their statistics, and what is made of them."""

import numpy as np
import pytest
from fastnn.kernels import layout as at
from fastnn.kernels import noise
from kernel_tools import (
    DTYPES,
    JIT_DISABLED,
    Net,
    few_or_many,
    from_python,
    random_data,
    same_bits,
)
from reference import draws as twin
from scipy import special, stats

from fastnn.structure import plan as plan_module

SEEDS = (0, 1, 2**31 - 1, 2**32 - 1, 2**53)
N = few_or_many(300, 20_000)
STRIDE = 32


def header(seed=3, epoch=7, n_inputs=5):
    """Return a table with what masks and noise read, and nothing else."""
    net = np.zeros(at.HEADER + at.LAYER, np.int64)
    net[at.SEED], net[at.EPOCH] = seed, epoch
    net[at.HEADER + at.FAN_IN] = n_inputs
    net[at.INPUT0], net[at.INPUT_STRIDE] = STRIDE, n_inputs
    net[at.MASK] = noise.drop.address(np.dtype("float64"))
    return net


def mask(dtype, n, p, layer=0, row=0, **options):
    """Return what drop makes of ones."""
    arena = np.ones(n + 2, dtype)
    share = min(round(p * 2**32), 2**32 - 1)
    noise.drop[dtype](header(**options), arena, 1, n, share, layer, row)
    assert arena[0] == arena[-1] == 1
    return arena[1:-1]


def disturb(dtype, rows, n_inputs, deviation, seed=3, epoch=7):
    """Return the noise that is added to inputs of 0."""
    net = header(seed, epoch, n_inputs)
    arena = np.zeros(STRIDE + len(rows) * n_inputs, dtype)
    arena[at.INPUT_NOISE] = deviation
    none = np.empty(0, np.int32)
    order = np.array(rows, np.int64)
    X, starts = np.empty(0, dtype), np.array([n_inputs])
    call = (net, arena, X, none, starts, order, 0, 0, len(rows))
    noise.disturb_rows[dtype](*call)
    return arena[STRIDE:].reshape(len(rows), n_inputs)


@pytest.mark.parametrize("seed", SEEDS)
def test_draws_against_unsigned_arithmetic(seed):
    """Keys and draws, for layers below 0 and epochs beyond 32 bits."""
    for epoch, layer, row in [(0, 0, 0), (2**40 + 5, -1, 12345), (99, 1000003, 2**33)]:
        net = header(seed, epoch)
        keys = [from_python(noise.key_of)(net, layer, row, which) for which in (1, 2)]
        for which in (1, 2):
            want = twin.key(seed, epoch, layer, row, which)[0]
            assert int(keys[which - 1]) == int(want)
        want = twin.draws(seed, epoch, layer, row, 50)[0]
        assert [
            int(from_python(noise.draw)(j, *keys)) for j in range(50)
        ] == want.tolist()


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
def test_mask_against_the_draws(p, dtype):
    """The vector loop drops what number-by-number draws do; others are scaled."""
    for n in (1, 15, 17, few_or_many(40, 1000)):
        want = twin.mask(3, 7, 2, 11, n, p)[0]
        np.testing.assert_array_equal(mask(dtype, n, p, 2, 11), want.astype(dtype))


def test_masks_of_both_types_agree():
    for row in range(5):
        one, other = (mask(dtype, 100, 0.3, 1, row) for dtype in DTYPES)
        np.testing.assert_array_equal(one == 0, other == 0)


def test_scale_is_exact(dtype):
    """For powers of two 1 / (1 - p) has no rounding; p near 1 stays finite."""
    assert set(mask(dtype, 200, 0.5)) == {0, 2}
    assert set(mask(dtype, 200, 0.75)) == {0, 4}
    assert not mask(dtype, 200, 1 - 2**-40).any()
    np.testing.assert_array_equal(mask(dtype, 9, 0.0), 1)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_share_and_mean(p, dtype):
    """The share has a standard error of √(p (1 - p) / n): five of them here.

    The mean of scaled numbers is (1 - share) / (1 - p): an error of the share is
    one of the mean, divided by 1 - p.
    """
    got = mask(dtype, N, p, seed=11)
    bound = 5 * np.sqrt(p * (1 - p) / N)
    assert abs((got == 0).mean() - p) < bound
    assert abs(got.mean(dtype=float) - 1) < bound / (1 - p) + 1e-6


@pytest.mark.parametrize("key", [(0, 0, 0, 0), (1, 0, 0, 0), (9, 1000, 3, 77)])
def test_uniform(key):
    """Chi-square over 64 bins of the high bits, and over the low bits.

    Chance alone gives a p below 1e-4 once in ten thousand; keys are fixed.
    """
    x = twin.draws(*key, 20_000)[0]
    for bins in (x >> np.uint64(26), x & np.uint64(63)):
        counts = np.bincount(bins.astype(int), minlength=64)
        assert stats.chisquare(counts).pvalue > 1e-4


def correlation(left, right):
    return abs(np.corrcoef(left.astype(float), right.astype(float))[0, 1])


def test_independent_in_every_direction():
    """Rows, layers, epochs, seeds and neighbours have a correlation of about 1/√n.

    Five standard deviations; also of the lowest bit, and of both keys' sum.
    """
    n = 20_000
    bound = 5 / np.sqrt(n)
    base = twin.draws(5, 0, 0, 0, n)[0]
    others = [(6, 0, 0, 0), (5, 1, 0, 0), (5, 0, 1, 0), (5, 0, 0, 1), (5, 0, -1, 0)]
    others += [(5, 200, 0, 0), (5, 2**32, 0, 0), (5, 0, 0, 2**16)]
    for key in others:
        x = twin.draws(*key, n)[0]
        assert correlation(base, x) < bound
        assert correlation(base & np.uint64(1), x & np.uint64(1)) < bound
    for lag in (1, 2, 3, 16):
        assert correlation(base[lag:], base[:-lag]) < 1.01 * bound
    rows = twin.draws(5, 0, 0, np.arange(n), 2)
    assert correlation(rows[1:, 0], rows[:-1, 0]) < 1.01 * bound
    assert correlation(rows[:, 0], rows[:, 1]) < bound


def test_no_two_rows_have_the_same_mask():
    x = twin.draws(5, 0, 0, np.arange(20_000), 4)
    assert len(np.unique(x, axis=0)) == len(x)


def test_normal_numbers_against_the_inverse(dtype):
    """Relative error 4e-7 (M. Giles), and some roundings of float32.

    Near 0 float32's u has 2⁻²³ as unit; the numbers here are at least half of it,
    and are exact.
    """
    bound = 2e-6 if dtype == np.float32 else 5e-7
    bits = np.r_[0:200, 2**22 - 100 : 2**22 + 100, 2**23 - 200 : 2**23]
    bits = np.r_[bits, np.linspace(0, 2**23 - 1, few_or_many(50, 5000)).astype(int)]
    arena = np.zeros(1, dtype)
    got = [from_python(noise.normal_of)(arena, dtype.type(b)) for b in bits]
    np.testing.assert_allclose(got, special.ndtri((bits + 0.5) / 2**23), rtol=bound)
    if JIT_DISABLED:  # a compiled function returns Python's float
        assert {type(x) for x in got} == {dtype.type}


def test_normal_numbers_are_symmetric(dtype):
    arena = np.zeros(1, dtype)
    for b in (0, 1, 5, 1000, 2**22 - 1):
        mirrored = from_python(noise.normal_of)(arena, dtype.type(2**23 - 1 - b))
        assert from_python(noise.normal_of)(arena, dtype.type(b)) == -mirrored


def test_noise_against_the_draws(dtype):
    """The vector loop gives the numbers of the single draws, by rows of the order."""
    rows = np.array([4, 0, 9, 2])
    got = disturb(dtype, rows, 19, 0.5)
    want = 0.5 * twin.normals(3, 7, noise.INPUT_NOISE_LAYER, rows, 19)
    bound = 2e-6 if dtype == np.float32 else 5e-7
    np.testing.assert_allclose(got, want, rtol=bound)
    again = disturb(dtype, rows[::-1], 19, 0.5)
    assert same_bits(got, np.ascontiguousarray(again[::-1]))


def test_noise_of_both_types_agrees():
    one, other = (disturb(dtype, range(20), 7, 1.0) for dtype in DTYPES)
    np.testing.assert_allclose(one, other, rtol=2e-6)


def test_moments_and_distribution(dtype):
    """Within five standard errors, those of normal numbers' own moments.

    √(1/n), √(2/n) and √(96/n); Kolmogorov and Smirnov's p is above 1e-4.
    """
    n_inputs = 20
    x = disturb(dtype, range(N // n_inputs), n_inputs, 1.0).ravel().astype(float)
    n = x.size
    assert abs(x.mean()) < 5 / np.sqrt(n)
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((x**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert stats.kstest(x, "norm").pvalue > 1e-4


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
def test_masks_in_a_network_do_not_depend_on_shares(n_workers, monkeypatch, dtype):
    """Nor on how many rows go through the layers together."""
    n, sizes = few_or_many(30, 61), (4, 17, 2)
    X, Y = random_data(n, sizes, ("squared_error", "identity"), dtype)
    X[:] = 0
    for size in (1, 10**9):
        monkeypatch.setattr(plan_module, "_CACHE_BYTES", size)
        net = Net(sizes, X, Y, dropout=(0.2, 0.4), n_workers=n_workers)
        net.net[[at.SEED, at.EPOCH]] = 5, 6
        theta = np.zeros(net.network.n_params)
        theta[4 * 17 + 17 * 2 :][:17] = 0.5
        net.set_theta(theta)
        net.train(order=np.arange(n)[::-1].copy())
        want = np.tanh(0.5) * twin.mask(5, 6, 0, np.arange(n)[::-1], 17, 0.4)
        np.testing.assert_allclose(net.rows_at(0, "A0", n, 17), want, rtol=1e-6, atol=0)
