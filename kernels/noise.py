"""Random masks and noise from a counter: a hash of (seed, epoch, row, layer, unit).

No state is kept and none is shared, so a number does not depend on who draws it, or
when: the same for any number of threads, and after any pause.

Source: the rounds are C. Wellons' "lowbias32" hash (2018), keyed before the first and
between the first and the second multiplication.
"""

import numpy as np

from . import layout as at
from ._host import JIT_DISABLED
from ._jit import INT, Interface, array, exact_inner, inner, unit
from ._llvm import view
from .elementary import log
from .layout import layer_field
from .loading import LOAD

_MASK = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9
# The hash's second multiplier less 2³²: the same low bits, and products of 64 bits
# with a sign that cannot overflow, which compiled code must not let happen.
_SECOND = 0x846CA68B - 2**32
INPUT_NOISE_LAYER = 1000003  # tells the noise on inputs from all masks


@inner
def scramble_once(x):
    """Hash a number of 32 bits; it and the result are integers below 2³²."""
    x ^= x >> 16
    x = (x * 0x7FEB352D) & _MASK
    x ^= x >> 15
    x = (x * _SECOND) & _MASK
    return x ^ (x >> 16)


@inner
def key_of(net, layer, row, which):
    """Return one of two keys of 32 bits for a row's numbers in this epoch."""
    key = scramble_once((int(net[at.SEED]) + which * _GOLDEN) & _MASK)
    key = scramble_once((key + int(net[at.EPOCH])) & _MASK)
    key = scramble_once((key + (int(net[at.EPOCH]) >> 32)) & _MASK)
    key = scramble_once((key + int(layer)) & _MASK)
    return scramble_once((key + int(row)) & _MASK)


if JIT_DISABLED:

    def draw(j, key_1, key_2):
        """Return the j-th number of 32 bits under two keys."""
        x = (int(j) * _GOLDEN + int(key_1)) & _MASK
        x ^= x >> 16
        x = ((x * 0x7FEB352D) + int(key_2)) & _MASK
        x ^= x >> 15
        x = (x * 0x846CA68B) & _MASK
        return np.uint32(x ^ (x >> 16))

else:  # pragma: llvm only

    @inner
    def draw(j, key_1, key_2):
        """Return the j-th number of 32 bits under two keys, in 32-bit operations."""
        x = np.uint32(np.uint32(j) * np.uint32(_GOLDEN) + np.uint32(key_1))
        x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
        x = np.uint32(x * np.uint32(0x7FEB352D) + np.uint32(key_2))
        x = np.uint32(x ^ np.uint32(x >> np.uint32(15)))
        x = np.uint32(x * np.uint32(0x846CA68B))
        return np.uint32(x ^ np.uint32(x >> np.uint32(16)))


# (net, arena, start, n, share, layer, row)
MASK = Interface(lambda F: (array(INT), array(F), *([INT] * 5)), 7)
call_mask = MASK.call


@unit(MASK)
def drop(net, arena, start, n, share, layer, row):
    """Set a share of n numbers to 0 and scale the others: their mean is kept.

    share : int
        Probability of being dropped, times 2³².

    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks
    from overfitting, JMLR 2014; scaled in training ("inverted").
    """
    T = arena.dtype.type
    A = view(arena, start, n)
    zero = T(0)
    scale = T(1.0 / (1.0 - share / 4294967296.0))
    key_1 = key_of(net, layer, row, 1)
    key_2 = key_of(net, layer, row, 2)
    limit = np.uint32(share)
    for j in range(n):
        a = A[j] * scale
        A[j] = zero if draw(j, key_1, key_2) < limit else a


@exact_inner
def normal_of(arena, bits):
    """Return a number from the standard normal distribution for 23 random bits.

    `arena` tells the type to compute with.

    √2 · erfinv(2 u - 1), u = (bits + ½) / 2²³; the approximation's relative error is
    4e-7. With one bit more, u would not be exact in float32, and the largest be 1.

    Source: M. Giles, Approximating the erfinv function, GPU Computing Gems, 2011.
    """
    T = arena.dtype.type
    u = (bits + T(0.5)) * T(1.0 / 4194304.0) - T(1)
    w = -log((T(1) - u) * (T(1) + u))
    small = w - T(2.5)
    p = T(2.81022636e-08)
    p = T(3.43273939e-07) + p * small
    p = T(-3.5233877e-06) + p * small
    p = T(-4.39150654e-06) + p * small
    p = T(0.00021858087) + p * small
    p = T(-0.00125372503) + p * small
    p = T(-0.00417768164) + p * small
    p = T(0.246640727) + p * small
    p = T(1.50140941) + p * small
    large = np.sqrt(w) - T(3)
    q = T(-0.000200214257)
    q = T(0.000100950558) + q * large
    q = T(0.00134934322) + q * large
    q = T(-0.00367342844) + q * large
    q = T(0.00573950773) + q * large
    q = T(-0.0076224613) + q * large
    q = T(0.00943887047) + q * large
    q = T(1.00167406) + q * large
    q = T(2.83297682) + q * large
    return T(1.4142135623730951) * u * (p if w < T(5) else q)


@inner
def add_noise(net, arena, start, n, deviation, row):
    """Add normal noise of a standard deviation to n inputs."""
    T = arena.dtype.type
    X = view(arena, start, n)
    key_1 = key_of(net, INPUT_NOISE_LAYER, row, 1)
    key_2 = key_of(net, INPUT_NOISE_LAYER, row, 2)
    for j in range(n):
        bits = np.int32(draw(j, key_1, key_2) >> np.uint32(9))
        X[j] += deviation * normal_of(arena, T(bits))


@unit(LOAD)
def disturb_rows(net, arena, X, columns, starts, order, begin, first, last):
    """Add noise to the inputs of rows [first, last) and drop some of them."""
    n = layer_field(net, 0, at.FAN_IN)
    deviation = arena[net[at.CONSTANTS0] + at.INPUT_NOISE]
    for r in range(first, last):
        row = begin + r
        if order.size:
            row = order[row]
        start = net[at.INPUT0] + r * net[at.INPUT_STRIDE]
        if deviation > 0:
            add_noise(net, arena, start, n, deviation, row)
        if net[at.INPUT_DROP] > 0:
            share = net[at.INPUT_DROP]
            call_mask(net[at.MASK], net, arena, start, n, share, -1, row)
