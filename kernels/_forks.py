"""Forks, and what their children find: nothing half done, and no lock taken for ever.

Compilations come to their ends before a fork. The child would have their locks, held by
threads that it has not, and the compiler's tables as far as they were built.

So do threads of the system that are ending. A thread that ends by `pthread_exit`, as
OpenMP's do and Python's did up to 3.13, is unwound under a lock of the C runtime
(`object_mutex` of libgcc up to version 12). A child that is forked meanwhile finds it
taken, and waits for it when code is compiled or loaded. Python takes a thread for ended
before the system does, so even who has joined all threads may meet it.
"""

import ctypes
import operator
import os
import threading
import time
from collections import deque
from functools import partial
from itertools import compress

from llvmlite.binding import ffi
from numba.core.compiler_lock import global_compiler_lock

from . import _shield
from ._shield import finish

COMPILING = threading.RLock()  # held while a unit is compiled

_LONGEST_COMPILATION = 60.0  # seconds, of another thread
_HERE = threading.local()  # holds: what a thread's forks hold, one within another
_OURS = (RecursionError, MemoryError)  # of a hook at the end of what there is
_LEFT = []  # to be called when the last fork's hooks are through
# Kept alive until Python has called them; its list of such calls is shorter.
_RAISERS: deque = deque(maxlen=1000)

_TASKS = "/proc/self/task"  # of Linux; elsewhere nothing is known of threads
_LONGEST_WAIT = 0.02  # seconds; of loaded machines, 0.011 was the longest needed
_LOOK = 0.0002


def compilers_locks():
    """Return the locks that compiling takes: ours, and Numba's."""
    locks = COMPILING, getattr(global_compiler_lock, "_lock", None)
    return [lock for lock in locks if lock is not None]


def holds_a_lock():
    """Return whether this thread compiles, or forks, further up.

    LLVM's lock counts as well: an exception can leave it taken behind.
    """
    llvm = getattr(getattr(ffi.lib, "_lock", None), "_lock", None)
    locks = [*compilers_locks(), *([] if llvm is None else [llvm])]
    return any(lock._is_owned() for lock in locks)


class _Hold:
    """The compilers' locks in one fork, none of which a signal's handler leaves behind.

    Python runs handlers between two of its own steps. So a lock is taken and noted,
    and forgotten and released, within one call of C code.
    """

    def __init__(self):
        self.locks, self.taken, self.held = compilers_locks(), [], None
        self.raised = None  # by a handler, meanwhile

    def take(self):
        """Take the locks, each if it is free before too long."""
        rest = self.locks[len(self.taken) :]
        calls = [partial(lock.acquire, timeout=_LONGEST_COMPILATION) for lock in rest]
        self.taken.extend(map(operator.call, calls))
        if len(self.taken) < len(self.locks):  # a handler raised StopIteration
            self.take()

    def release(self):
        """Release those that were taken."""
        if self.held is None:
            self.held = [None, *compress(self.locks, self.taken)]
        while self.held:
            release = operator.methodcaller("release")
            deque(map(release, iter(self.held.pop, None)), maxlen=0)


def _holds():
    return _HERE.__dict__.setdefault("holds", [])


def before_fork():
    """Hold the compilers and wait for threads that end."""
    new = []

    def take():
        if not new:
            new.append(_Hold())
        if new[0] not in _holds():
            _holds().append(new[0])
        new[0].take()
        wait_for_ends()

    raised = finish(take)
    if raised is not None and new:
        new[0].raised = raised


def after_fork():
    """Let go of the compilers; return what a handler raised before the fork."""
    if not _holds():
        return None
    hold = _holds()[-1]

    def leave():
        hold.release()
        if hold in _holds():
            _holds().remove(hold)

    finish(leave)
    return hold.raised


def after_fork_in_parent():
    """Let go, and have come up what Python would ignore in a fork's hook."""
    raised = after_fork()
    if threading.current_thread() is not threading.main_thread():
        return  # no handler runs here
    _LEFT.clear()
    if raised is not None and not isinstance(raised, _OURS):
        _LEFT.append(_later(raised))


class _Raiser:
    """What raises an exception when it is asked whether it is true."""

    def __init__(self, error):
        self.error = error

    def __bool__(self):
        error, self.error = self.error, None
        if error is not None:
            raise error
        return False  # two threads' forks have asked for the same call


def _later(error):
    """Return what has Python raise an exception in the main thread's next step.

    The C function that it then calls asks an object whether it is true.
    """
    raiser = _Raiser(error)
    _RAISERS.append(raiser)
    ask = ctypes.cast(ctypes.pythonapi["PyObject_IsTrue"], ctypes.c_void_p)
    add = ctypes.pythonapi["Py_AddPendingCall"]
    return partial(add, ask, ctypes.py_object(raiser))


def after_fork_in_child():  # pragma: no cover (in forked children)
    """Let go; a thread that compiled for too long may hold the old lock."""
    global COMPILING
    after_fork()
    COMPILING = threading.RLock()
    _shield.STARTING = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=before_fork,
        after_in_parent=after_fork_in_parent,
        after_in_child=after_fork_in_child,
    )
    # Calls what is left, all in C: in Python it would come up, and be ignored, there.
    os.register_at_fork(after_in_parent=partial(sorted, _LEFT, key=operator.call))


def wait_for_ends():
    """Wait until no thread that Python does not know of is at work, or some time.

    Such a thread holds the lock only while it runs.
    """
    until = time.monotonic() + _LONGEST_WAIT
    while _some_unknown_runs(until) and time.monotonic() < until:
        time.sleep(_LOOK)


def _some_unknown_runs(until):
    """Return whether one is seen; where there are thousands, a look takes too long."""
    known = _known()
    try:
        unknown = set(os.listdir(_TASKS)) - known
    except OSError:
        return False
    for task in unknown:
        if _runs(task):
            return True
        if time.monotonic() > until:
            break
    # A thread of Python's may have come to its end during the look.
    return not known <= _known()


def _known():
    return {str(thread.native_id) for thread in threading.enumerate()}


def _runs(task):
    """Return whether a thread of this process runs, or waits for memory."""
    try:
        with open(f"{_TASKS}/{task}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except OSError:  # it has ended
        return False
    return state in (b"R", b"D")
