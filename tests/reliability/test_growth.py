"""Fits and predictions leave nothing behind, however many there are.

A small scale of what `soak.py --memory` measures; in a process of its own.
"""

import functools
import json
import sys
from pathlib import Path

import numba
import pytest
from helpers import run_python

pytestmark = [
    pytest.mark.skipif(
        not Path("/proc/self/statm").exists() or not sys.platform.startswith("linux"),
        reason="resident memory is read from Linux's /proc",
    ),
    pytest.mark.skipif(
        numba.config.DISABLE_JIT, reason="there are no compiled allocations to count"
    ),
]

# Half of the calls warm up, so that 750 fits, 10,000 predictions and 50 clones are
# measured. The full scale's 5 MB would be 0.4 MB for so many fits; memory comes in
# pages and its heap in arenas, and 0.3 MB was what these calls were seen to add.
SCALE = {"n_fits": 750, "n_predictions": 10_000, "n_clones": 50, "n_parallel": 40}
MOST_GROWTH = 1_500_000

CHILD = """
import json
import growth_tools
scale = json.loads(sys.argv[1])
print(json.dumps(growth_tools.measure(**scale, first_share=1.0)))
"""


@functools.cache
def report():
    env = {"NUMBA_NUM_THREADS": "2"}
    return run_python("import sys", CHILD, args=[json.dumps(SCALE)], timeout=280, **env)


def test_memory_does_not_grow():
    """Between the middle and the end of some hundred calls of each kind."""
    growth = {name: grown for name, (grown, _) in report()["growth"].items()}
    assert len(growth) == 12
    assert sum(growth.values()) < MOST_GROWTH, growth


def test_numba_frees_what_it_allocates():
    """All blocks and all records of arrays, on threads as well."""
    blocks = {name: grown for name, (_, grown) in report()["growth"].items()}
    assert all(grown == [0, 0] for grown in blocks.values()), blocks
    assert report()["allocated"] > 10_000  # they are counted
    assert report()["parallel"] > 80


LEAK = """
import numpy as np
import growth_tools
kept = []
def leak(i):
    kept.append(np.ones(2000, np.uint8) * (i % 7))
grown, _ = growth_tools.growth_of(leak, 1000, 1000)
print(json.dumps(grown))
"""


def test_a_leak_of_two_kilobytes_is_seen():
    """The measurement itself, on what keeps 2 kB in each call."""
    assert run_python("import json", LEAK) > MOST_GROWTH
