"""Masks, noise and mixtures of an epoch, from their description, in 64-bit integers.

A number of 32 bits is a hash of (seed, epoch, layer, row) and of the unit's place: C.
Wellons' "lowbias32" of the place times the golden ratio, with one key added before
its first round and another before its second.
"""

import numpy as np

BITS_32 = np.uint64(2**32 - 1)
GOLDEN = 0x9E3779B9
FIRST, SECOND = np.uint64(0x7FEB352D), np.uint64(0x846CA68B)
INPUTS, NOISE = -1, 1000003  # stand for a layer's number


def words(x):
    """Return integers as words of 32 bits, held in 64."""
    return np.asarray(np.asarray(x) & 0xFFFFFFFF, np.uint64)


def folded(x, places):
    """X xor (x >> places)."""
    return x ^ (x >> np.uint64(places))


def lowbias32(x, key=0):
    """Return the hash of words; the key is added after the first multiplication."""
    x = folded(words(x), 16) * FIRST + words(key) & BITS_32
    x = folded(x, 15) * SECOND & BITS_32
    return folded(x, 16)


def key_of(seed, epoch, layer, rows, which):
    """Return each row's key number 1 or 2: all the numbers hashed in turn."""
    key = lowbias32(seed + which * GOLDEN)
    for number in (epoch, epoch >> 32, layer, np.asarray(rows)):
        key = lowbias32(key.astype(np.int64) + number)
    return key


def random_bits(seed, epoch, layer, rows, n):
    """Return n words for each of some rows, (rows, n)."""
    one, two = (key_of(seed, epoch, layer, rows, which)[:, None] for which in (1, 2))
    return lowbias32(np.arange(n) * GOLDEN + one.astype(np.int64), two)


def mask(seed, epoch, layer, rows, n, probability):
    """Return 0 for what is dropped, 1 / (1 - p) elsewhere; p is rounded to 2⁻³²."""
    share = round(probability * 2**32)
    kept = random_bits(seed, epoch, layer, rows, n) >= share
    return kept / (1 - share / 2**32)


def giles(u):
    """Approximate √2 erfinv(u), to 4e-7 (M. Giles, 2011)."""
    w = -np.log((1 - u) * (1 + u))
    near = (
        2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
        -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
    )  # fmt: skip
    far = (
        -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
        -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
    )  # fmt: skip
    p = np.where(w < 5, np.polyval(near, w - 2.5), np.polyval(far, np.sqrt(w) - 3))
    return np.sqrt(2) * u * p


def uniform(seed, epoch, rows, n):
    """Return the numbers in (-1, 1) that noise is made from: 23 bits and a half."""
    bits = random_bits(seed, epoch, NOISE, rows, n) >> np.uint64(9)
    return 2 * (bits.astype(float) + 0.5) / 2**23 - 1


def input_noise(seed, epoch, rows, n, deviation):
    """Return normal noise for n inputs of each row."""
    return deviation * giles(uniform(seed, epoch, rows, n))


def mixup(seed, epoch, alpha, n):
    """Return each row's partner, the next one, and the row's own share.

    Shares are drawn from a beta distribution; the larger part is the row's own.
    """
    share = np.random.default_rng([seed, epoch, 1]).beta(alpha, alpha, n)
    return np.roll(np.arange(n), -1), np.maximum(share, 1 - share)
