"""What the commands print: progress, tables, notes, the machine."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence

LABEL_WIDTH = 32


class Progress:
    """Tells how far a search is.

    On a terminal one line is rewritten; elsewhere each report is a line.

    Parameters
    ----------
    name : str
        What each line begins with.
    total : int
        Number of candidates.
    """

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.start = time.perf_counter()
        self._width = 0

    def update(self, done: int, best: float) -> None:
        """Report the number of candidates that are done and the best score."""
        seconds = time.perf_counter() - self.start
        text = f"{self.name}: candidate {done}/{self.total}"
        text += f"  best CV score {best:.4f}  {seconds:.1f} s"
        self._show(text)

    def tell(self, what: str) -> None:
        """Report a step that is no candidate."""
        self._show(f"{self.name}: {what}")

    def close(self) -> None:
        """End the rewritten line."""
        if self._width:
            print(flush=True)
            self._width = 0

    def _show(self, text: str) -> None:
        # The stream is looked up each time: scikit-learn sends the search, and
        # this object with it, to other processes, and streams cannot be sent.
        if not sys.stdout.isatty():
            print(text, flush=True)
            return
        print("\r" + text.ljust(self._width), end="", flush=True)
        self._width = max(self._width, len(text))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with a line for each row.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : iterable of sequences
        What each row shows.
    """
    cells = [list(header)] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip_up(line, widths)))


def zip_up(cells: Sequence[str], widths: Sequence[int]) -> Iterable[tuple[str, int]]:
    """Pair cells with widths, leaving no blanks after the last cell."""
    return zip(cells, [*widths[:-1], 0], strict=True)


def print_pair(label: str, value: object) -> None:
    """Print a labelled value."""
    print(f"{label + ':':<{LABEL_WIDTH}} {value}")


def print_note(text: str, *, to_stderr: bool = False) -> None:
    """Print a note: something done that the user may want to know."""
    print(f"note: {text}", file=sys.stderr if to_stderr else sys.stdout, flush=True)


def show_value(value: object) -> str:
    """Return a parameter's value as Python source, numbers with few digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return repr(value)


def print_machine(n_jobs: int) -> None:
    """Print the versions of the libraries and what the machine offers.

    Parameters
    ----------
    n_jobs : int
        Number of processes that the search was asked to use.
    """
    import joblib
    import numba
    import numpy
    import sklearn
    from threadpoolctl import threadpool_info

    from fastnn import __version__

    versions = f"fastnn {__version__}, scikit-learn {sklearn.__version__}, "
    versions += f"numba {numba.__version__}, numpy {numpy.__version__}, "
    print_pair("versions", versions + f"Python {platform.python_version()}")
    blas = sorted(
        {
            f"{pool['internal_api']} {pool['num_threads']}"
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        }
    )
    cores = f"{joblib.cpu_count()} of {os.cpu_count()} cores usable"
    if hasattr(os, "getloadavg"):  # not on Windows
        # Timings beside other programs that use the cores say little.
        cores += f", load {os.getloadavg()[0]:.1f}"
    threads = f"BLAS threads: {', '.join(blas) or 'unknown'}"
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    threads += f"; Numba threads: {most}"
    print_pair("machine", f"{platform.machine()}, {cores}; {threads}; n_jobs={n_jobs}")
