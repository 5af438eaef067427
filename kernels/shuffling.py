"""Permutations from NumPy's Mersenne Twister, number by number as NumPy draws them.

Source: Matsumoto and Nishimura, ACM TOMACS 8 (1998) 3-30, and NumPy's legacy
`RandomState.shuffle`: numbers below a bound by masks and rejection, Fisher-Yates from
the end.

A stream is a vector of int64: the 624 words of the generator's state, and how many of
them are used up.
"""

from ._jit import INT, Interface, array, inner, unit

WORDS, MIDDLE = 624, 397
_UPPER, _LOWER = 0x80000000, 0x7FFFFFFF
_TWIST = 0x9908B0DF

# (stream, order, n)
SHUFFLE = Interface(lambda F: (array(INT), array(INT), INT), 3)


@inner
def _twist(stream, k, following, far):
    """Replace word k by one made of its own highest bit and two others."""
    y = (stream[k] & _UPPER) | (stream[following] & _LOWER)
    stream[k] = stream[far] ^ (y >> 1) ^ (-(y & 1) & _TWIST)


@inner
def _renew(stream):
    """Make the next 624 words."""
    for k in range(WORDS - MIDDLE):
        _twist(stream, k, k + 1, k + MIDDLE)
    for k in range(WORDS - MIDDLE, WORDS - 1):
        _twist(stream, k, k + 1, k + MIDDLE - WORDS)
    _twist(stream, WORDS - 1, 0, MIDDLE - 1)


@inner
def permute(stream, order, n):
    """Put n numbers (below 2³²) in random order, in place."""
    mask = 1
    while mask < n - 1:
        mask = 2 * mask + 1
    used = stream[WORDS]
    i = n - 1
    while i > 0:
        if used >= WORDS:
            _renew(stream)
            used = 0
        y = stream[used]
        used += 1
        y ^= y >> 11
        y ^= (y << 7) & 0x9D2C5680
        y ^= (y << 15) & 0xEFC60000
        j = (y ^ (y >> 18)) & mask
        if j <= i:
            last = order[i]
            order[i] = order[j]
            order[j] = last
            i -= 1
            if mask >> 1 >= i:
                mask >>= 1
    stream[WORDS] = used


@unit(SHUFFLE)
def shuffle(stream, order, n):
    """Put the first n numbers of `order` in random order."""
    permute(stream, order, n)
