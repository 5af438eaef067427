"""The best time of a call that takes microseconds."""

import time

import numpy as np

DTYPES = ("float32", "float64")
REPEAT = 50


def best_seconds(function, n_rounds=7, repeat=REPEAT):
    """Return the best time of a call over a few rounds of many calls.

    The first call is not timed: it compiles, or loads what was compiled. The others
    find their memory in the cache, and there are so many of them that reading the
    clock does not count.
    """
    function()
    best = np.inf
    for _ in range(n_rounds):
        start = time.perf_counter()
        for _ in range(repeat):
            function()
        best = min(best, time.perf_counter() - start)
    return best / repeat
