"""What the processor offers: vector width and tile shapes of the products.

The constants here are frozen into the machine code, so the cache folder's name
depends on them (see `_cache`).
"""

import os

import llvmlite.binding as llvm
import numba

JIT_DISABLED = bool(numba.config.DISABLE_JIT)

# Rows of a register tile. Six rows by four vectors take 24 accumulators, four
# vectors of the right operand and one broadcast: 29 of AVX-512's 32 registers.
TILE_ROWS = 6


def _features():
    try:
        return {k for k, on in llvm.get_host_cpu_features().items() if on}
    except RuntimeError:  # the host's features cannot be read
        return set()


def _choose(features, machine):
    """Return the vector size in bytes and the vectors in a tile's row."""
    if "avx512f" in features:
        return 64, 4
    if "avx2" in features and "fma" in features:
        return 32, 2  # 16 registers: 12 accumulators, 2 vectors, 1-2 broadcasts
    if machine in {"aarch64", "arm64"}:
        return 16, 4
    return 16, 2


def _machine():
    return llvm.get_process_triple().split("-")[0]


# FASTNN_VECTOR_BYTES=16, 32 or 64 overrides the width (to measure, or to make a
# new processor compute as an old one does).
VECTOR_BYTES, TILE_VECTORS = _choose(_features(), _machine())
if os.environ.get("FASTNN_VECTOR_BYTES") in {"16", "32", "64"}:
    VECTOR_BYTES = int(os.environ["FASTNN_VECTOR_BYTES"])
    TILE_VECTORS = 4 if VECTOR_BYTES == 64 else 2

# Vector code cannot be bounds-checked and does not exist without a compiler:
# then plain loops compute the same sums.
SIMD = not (
    JIT_DISABLED
    or numba.config.BOUNDSCHECK
    or os.environ.get("FASTNN_PRODUCTS") == "loops"
)


# Numba's settings that change machine code and are not in the keys of its own cache.
_COMPILER_SETTINGS = (
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
    "DEBUGINFO_DEFAULT",
    "LLVM_REFPRUNE_PASS",
)


def lanes_of(itemsize):
    """Return how many numbers of `itemsize` bytes a vector holds."""
    return VECTOR_BYTES // itemsize


def panel_width(itemsize):
    """Return the columns of a full panel of packed weights."""
    return TILE_VECTORS * lanes_of(itemsize)


def round_up(n, multiple):
    """Return the least multiple of `multiple` that is not below `n`."""
    return -(-n // multiple) * multiple


def describe():
    """Return a text of all that is frozen into machine code, for cache keys."""
    parts = [
        llvm.get_host_cpu_name(),
        ",".join(sorted(_features())),
        str(VECTOR_BYTES),
        str(TILE_VECTORS),
        str(TILE_ROWS),
        str(SIMD),
        str(numba.config.BOUNDSCHECK),
        str(numba.config.OPT),
        str(numba.config.CPU_NAME),
        str(numba.config.CPU_FEATURES),
        *(str(getattr(numba.config, name, None)) for name in _COMPILER_SETTINGS),
    ]
    return "|".join(parts)
