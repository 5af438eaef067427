"""How many threads a kernel gets, and when it must not use any.

The serial twin computes the same bits as the parallel one, so it stands in
wherever threads are unsafe, and nobody notices:

* after a fork, when the parent had started OpenMP: its runtime would stop the
  child (or hang, in the child's child);
* under Numba's workqueue layer, when another thread is inside a parallel kernel:
  the layer would abort the process.
"""

import contextlib
import functools
import os
import threading

import joblib
import numba

# Work in one batch that pays for one more thread, in floating-point operations. A
# parallel region costs some 2 µs, a core does some 100 per ns.
FLOPS_PER_THREAD = 3e6

_unsafe_after_fork = False
_one_at_a_time = threading.Lock()


def _after_fork():
    global _unsafe_after_fork, _one_at_a_time
    _one_at_a_time = threading.Lock()
    with contextlib.suppress(ValueError):  # no layer was started before the fork
        _unsafe_after_fork |= numba.threading_layer() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def available():
    """Return the threads that may be used: Numba's limit and the CPU quota."""
    return max(1, min(numba.config.NUMBA_NUM_THREADS, joblib.cpu_count()))


def count(n_threads, flops):
    """Return how many threads some work should get.

    Parameters
    ----------
    n_threads : int or None
        What the user asked for, at most; None leaves the choice to the work, and
        to one thread outside the main thread, where a pool of threads is likely
        to keep all cores busy.
    flops : float
        Floating-point operations between two barriers.
    """
    wanted = 1 + int(flops / FLOPS_PER_THREAD)
    if wanted == 1 or n_threads == 1:
        return 1
    if n_threads is None:
        if threading.current_thread() is not threading.main_thread():
            return 1
        return min(wanted, available())
    return min(wanted, n_threads, numba.config.NUMBA_NUM_THREADS)


def run(serial, parallel, dtype, n_workers, arguments):
    """Call the parallel twin of a kernel where that is safe, else the serial one.

    Parameters
    ----------
    serial, parallel : Unit
    dtype : numpy dtype
    n_workers : int
        Threads to use; the arguments' table has as many shares of work.
    arguments : tuple
    """
    if n_workers == 1 or _unsafe_after_fork:
        serial[dtype](*arguments)
        return
    kernel = parallel[dtype]
    before = _start_threads()
    if before is None:
        serial[dtype](*arguments)
        return
    numba.set_num_threads(min(n_workers, numba.config.NUMBA_NUM_THREADS))
    try:
        if numba.threading_layer() != "workqueue":
            kernel(*arguments)
        elif _one_at_a_time.acquire(blocking=False):
            try:
                kernel(*arguments)
            finally:
                _one_at_a_time.release()
        else:
            serial[dtype](*arguments)
    finally:
        numba.set_num_threads(before)


def _start_threads():
    """Start Numba's threads if need be; return their number, or None."""
    try:
        return numba.get_num_threads()
    except (ValueError, RuntimeError):  # the layer that was asked for is missing
        return None
