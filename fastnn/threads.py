"""How many threads a kernel gets, and when it must not use any.

The serial twin computes the same bits as the parallel one, so it stands in
wherever threads are unsafe, and nobody notices:

* after a fork, when the parent had started OpenMP: its runtime would stop the
  child (or hang, in the child's child);
* under Numba's workqueue layer, when another thread is inside a parallel kernel:
  the layer would abort the process.
"""

import atexit
import contextlib
import ctypes
import functools
import os
import sys
import threading
import time

import joblib
import numba

# Work in one batch that pays for one more thread, in floating-point operations. A
# parallel region costs some 2 µs, a core does some 100 per ns.
FLOPS_PER_THREAD = 3e6
# Work in one call that pays for starting threads in a process that has none yet.
FLOPS_TO_START = 1e10

_unsafe_after_fork = False
_is_missing = False  # the threading layer that was asked for, or every one
_serial_seconds = 0.0  # of work, in all fits so far, that threads could have shared
_next_trial = 0.0  # when a new fit may try threads
# Whether threads won the last trial; until when that is taken for granted; and the
# seconds per floating-point operation that they took.
_has_won, _trusted_until, _trusted_rate = False, 0.0, 0.0
_one_at_a_time = threading.Lock()
# Threads of Python inside a kernel, but for the main one; when others came out of
# one; those that wait for the end; and whether Python ends.
_in_kernels: set = set()
_came_out: dict = {}
_waiting: set = set()
_main = threading.main_thread().ident
_is_ending = False


def _after_fork():
    global _unsafe_after_fork, _one_at_a_time, _main
    _one_at_a_time = threading.Lock()
    _in_kernels.clear()
    _came_out.clear()
    _main = threading.main_thread().ident
    with contextlib.suppress(ValueError):  # no layer was started before the fork
        _unsafe_after_fork |= numba.threading_layer() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _end():
    """Wait until no other thread is inside a kernel: some tens of milliseconds.

    Where Python ends while a daemon thread is in one, it ends the thread when that
    wants to go on in Python, in the middle of Numba's own code, and that would abort
    the process.
    """
    global _is_ending
    _is_ending, begin = True, time.monotonic()
    came_out = _came_out.copy()  # others go on to write to it
    busy = {thread for thread, when in came_out.items() if begin - when < 1.0}
    while _in_kernels and time.monotonic() < begin + 2.0:
        time.sleep(0.001)
    # Some may be in short ones that do not call `enter`, and come to one that does.
    while busy - _waiting and time.monotonic() < begin + 2.0:
        busy &= {thread.ident for thread in threading.enumerate()}
        time.sleep(0.001)


def enter():
    """Note that this thread goes into a kernel; `leave` must follow."""
    thread = threading.get_ident()
    if thread == _main:
        return
    if _is_ending and thread not in _waiting and threading.current_thread().daemon:
        _waiting.add(thread)
        time.sleep(3.0)  # Python ends meanwhile, unless a function of `atexit` waits
    _in_kernels.add(thread)


def leave():
    """Note that this thread has come out of a kernel."""
    thread = threading.get_ident()
    if thread != _main:
        _in_kernels.discard(thread)
        if len(_came_out) > 1000:  # of threads that ended long ago
            _came_out.clear()
        _came_out[thread] = time.monotonic()


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


class Twins:
    """A serial and a parallel way to the same results; takes the faster one.

    Which one that is depends on what else the machine does: a barrier waits for
    the slowest thread, and on busy cores that can take a hundred times as long as
    the work. So both are timed as they go, and the one that is not in use is tried
    again now and then; a trial that failed holds for the fits that follow, too, and
    so does one that succeeded. Starting the threads takes some tenths of a second,
    once per process: fits that have worked for a while, together, pay for it.

    Parameters
    ----------
    launch : callable
        ``launch(threaded, n_batches)`` works on at most so many batches, and at least
        on one, and returns how many, and whether it was on threads.
    warm : callable
        Loads the parallel kernel and wakes the threads.
    n_workers : int
        Shares of work; 1 means that threads cannot pay.
    flops : float
        Floating-point operations of a batch.
    """

    PATIENCE = 0.1  # seconds of serial work before threads are started
    # A trial goes on until the twin proves faster, or for so many seconds.
    TRIAL_SECONDS = 0.01
    TRIAL_FLOPS = 1e8  # of one call in a trial
    SURE_FLOPS = 2e8  # of a batch that threads, once started, begin with
    PAUSES = (1.0, 16.0)  # seconds between trials, doubled each time one fails

    def __init__(self, launch, warm, n_workers, flops):
        self.launch, self.warm = launch, warm
        self.n_workers = n_workers
        self.trial_batches = max(1, int(self.TRIAL_FLOPS / flops))
        self.threaded = False  # the twin in use
        self.cost = {False: None, True: None}  # seconds per batch
        self.flops = flops
        self.is_fresh = True  # the first call finds its memory in no cache
        self.trial_end = None  # when the trial of the other twin ends, if one runs
        self.next_trial, self.pause = _next_trial, self.PAUSES[0]
        if n_workers > 1 and is_started() and (_has_won or flops > self.SURE_FLOPS):
            self.threaded, self.next_trial = True, _trusted_until

    def run(self):
        """Work on some batches; return how many."""
        if self.n_workers == 1:
            return self.launch(False, _ALL)[0]
        threaded, most = self._choose(time.perf_counter())
        start = time.perf_counter()
        n_batches, threaded = self.launch(threaded, most)
        self._learn(threaded, start, time.perf_counter(), n_batches)
        return n_batches

    def _choose(self, now):
        """Return whether to use threads, and for how many batches at most."""
        if self.trial_end is None and now >= self.next_trial:
            known = self.cost[self.threaded] is not None
            if known and (is_started() or _serial_seconds > self.PATIENCE):
                if not can_start():
                    self.n_workers = 1
                    return False, _ALL
                if not self.threaded:
                    self.warm()
                self.trial_end = time.perf_counter() + self.TRIAL_SECONDS
        if self.trial_end is not None:
            return not self.threaded, self.trial_batches
        sure = not self.threaded or self.cost[True] is not None
        return self.threaded, _ALL if sure else self.trial_batches

    def _learn(self, threaded, start, now, n_batches):
        """Take note of a call's time, and end a trial that is decided."""
        cost, known = (now - start) / n_batches, self.cost[threaded]
        if not threaded:
            note_serial(now - start)
        if self.is_fresh:
            self.is_fresh = False
            return
        if self.trial_end is None:
            self.cost[threaded] = cost if known is None else 0.6 * known + 0.4 * cost
            if threaded and cost > 3 * _trusted_rate * self.flops:
                self.next_trial = 0.0  # a core was taken away
        elif threaded == self.threaded:  # the other twin cannot run here
            self._end_trial(now, self.PAUSES[1])
        elif cost < self.cost[self.threaded]:
            self.threaded, self.cost[threaded] = threaded, cost
            self._end_trial(now, self.PAUSES[0])
        elif now > self.trial_end or not threaded:
            self._end_trial(now, min(2 * self.pause, self.PAUSES[1]))

    def _end_trial(self, now, pause):
        global _next_trial, _has_won, _trusted_until, _trusted_rate
        self.trial_end = None
        self.pause, self.next_trial = pause, now + pause
        _has_won = self.threaded
        _next_trial = 0.0
        if self.threaded:
            _trusted_until = self.next_trial
            _trusted_rate = self.cost[True] / self.flops
        else:
            _next_trial = self.next_trial


_ALL = 1 << 60


def is_started():
    """Return whether Numba's threads run in this process."""
    try:
        numba.threading_layer()
    except ValueError:
        return False
    return True


def pays_to_start(flops):
    """Return whether threads run already, or are worth the time that starting takes.

    They are for much work at once, and where work that they could have shared has
    taken a while.
    """
    return is_started() or flops > FLOPS_TO_START or _serial_seconds > Twins.PATIENCE


def note_serial(seconds):
    """Take note of work on one thread that several could have shared."""
    global _serial_seconds
    _serial_seconds += seconds


def run_parallel(kernel, n_workers, arguments):
    """Call a parallel kernel if that is safe here and now; return whether it was."""
    if not can_start():
        return False
    before = numba.get_num_threads()
    numba.set_num_threads(min(n_workers, numba.config.NUMBA_NUM_THREADS))
    try:
        return _run_alone(kernel, arguments)
    finally:
        numba.set_num_threads(before)


def _run_alone(kernel, arguments):
    """Call a kernel, if need be unless another one runs; return whether it ran."""
    if numba.threading_layer() != "workqueue":
        kernel(*arguments)
        return True
    if not _one_at_a_time.acquire(blocking=False):
        return False
    try:
        kernel(*arguments)
    finally:
        _one_at_a_time.release()
    return True


@functools.cache
def _load_tbb():
    """Load the library of Intel's TBB from where pip puts it.

    The system's loader does not look there (numba/numba#6108), so without this Numba
    would not find what ``pip install tbb`` has installed.
    """
    for name in ("libtbb.so.12", "libtbb.12.dylib"):
        path = os.path.join(sys.prefix, "lib", name)
        if os.path.exists(path):
            with contextlib.suppress(OSError):
                ctypes.CDLL(path, ctypes.RTLD_GLOBAL)


def can_start():
    """Start Numba's threads if need be; return whether there are any to be used.

    To be asked before a parallel kernel is so much as compiled: Numba starts the
    threads then, and raises an error if the layer that was asked for is missing.
    """
    global _is_missing
    if _unsafe_after_fork or _is_missing:
        return False
    if is_started():
        return True
    if numba.config.THREADING_LAYER not in ("default", "omp", "workqueue"):
        _load_tbb()
    try:
        numba.get_num_threads()
    except (ValueError, ImportError):
        _is_missing = True
    except RuntimeError:  # another library has changed NUMBA_NUM_THREADS
        return False
    return not _is_missing
