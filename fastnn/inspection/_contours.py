"""Levels of contours, and the numbers beside their colours."""

import numpy as np


def levels_of(loss, n):
    """Return the levels of contours and their scale: log where the loss spreads widely.

    The highest tenth of the points is left to one colour, for a few of them may be
    far above all others.
    """
    low, high = loss.min(), np.quantile(loss.compressed(), 0.9)
    if not high > low:
        high = low + max(abs(low), 1.0) * 1e-6
    if low > 0 and high / low > 8:
        return np.geomspace(low, high, n), "log"
    return np.linspace(low, high, n), "linear"


def texts_of(ticks):
    """Write numbers with as few digits, from two, as tell them apart."""
    for digits in range(2, 17):
        texts = [_plain(tick, digits) for tick in ticks]
        if len(set(texts)) == len(texts):
            break
    return texts


def _plain(value, digits):
    """Return a number with some digits, without an exponent where that is short."""
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0 or 1e-4 <= abs(rounded) < 1e6:
        return np.format_float_positional(rounded, trim="-")
    return f"{value:.{digits}g}"
