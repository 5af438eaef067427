"""``python -m fastnn warmup``: compile everything once."""

from __future__ import annotations

import argparse
import sys
import time

from fastnn.cli.errors import CliError
from fastnn.cli.report import print_pair
from fastnn.compilation import compile_all, units
from fastnn.kernels import _jit

DTYPES = {"float32": ("float32",), "float64": ("float64",)}


def run_warmup(options: argparse.Namespace) -> None:
    """Compile all kernels into the cache.

    Parameters
    ----------
    options : argparse.Namespace
        ``dtype``.
    """
    if _jit.CACHE_FOLDER is None:
        raise CliError(
            "nothing can be kept, so there is nothing to prepare "
            f"({_jit.CACHE_PROBLEM or 'compilation is off'})"
        )
    dtypes = DTYPES.get(options.dtype, ("float32", "float64"))
    start = time.perf_counter()
    compile_all(dtypes, _show if sys.stderr.isatty() else None)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    print_pair("kernels", f"{len(units())} for {' and '.join(dtypes)}")
    print_pair("time", f"{time.perf_counter() - start:.1f} s")
    print_pair("kept in", str(_jit.CACHE_FOLDER))


def _show(done: int, total: int, name: str) -> None:
    print(f"\r\033[K{done}/{total} {name}", end="", file=sys.stderr, flush=True)
