"""Counter-based random numbers in unsigned 64-bit arithmetic, and what they make."""

import numpy as np
from scipy.special import ndtri

MASK = np.uint64(0xFFFFFFFF)
GOLDEN = 0x9E3779B9


def _u64(x):
    """Return integers, negative ones modulo 2⁶⁴, as a vector of uint64."""
    return np.atleast_1d(np.asarray(x, dtype=object) % 2**64).astype(np.uint64)


def _shift(x, by):
    return x ^ (x >> np.uint64(by))


def scramble(x):
    """Wellons' lowbias32 of numbers below 2³²."""
    x = _shift(x, 16) * np.uint64(0x7FEB352D) & MASK
    x = _shift(x, 15) * np.uint64(0x846CA68B) & MASK
    return _shift(x, 16)


def key(seed, epoch, layer, rows, which):
    """One of two keys of each row."""
    k = scramble(_u64(seed + which * GOLDEN) & MASK)
    for part in (_u64(epoch), _u64(epoch >> 32), _u64(layer), _u64(rows)):
        k = scramble((k + (part & MASK)) & MASK)
    return k


def draws(seed, epoch, layer, rows, n):
    """Numbers of 32 bits, (rows, n)."""
    first = key(seed, epoch, layer, rows, 1)[:, None]
    second = key(seed, epoch, layer, rows, 2)[:, None]
    x = (np.arange(n, dtype=np.uint64) * np.uint64(GOLDEN) + first) & MASK
    x = (_shift(x, 16) * np.uint64(0x7FEB352D) + second) & MASK
    x = _shift(x, 15) * np.uint64(0x846CA68B) & MASK
    return _shift(x, 16)


def mask(seed, epoch, layer, rows, n, p):
    """0 with probability p, else 1 / (1 - p)."""
    share = min(round(p * 2**32), 2**32 - 1)
    dropped = draws(seed, epoch, layer, rows, n) < share
    return np.where(dropped, 0.0, 1.0 / (1.0 - share / 2**32))


def normals(seed, epoch, layer, rows, n):
    """Return normal numbers by the inverse of the distribution function."""
    bits = draws(seed, epoch, layer, rows, n) >> np.uint64(9)
    return ndtri((bits.astype(float) + 0.5) / 2**23)
