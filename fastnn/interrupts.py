"""Who may end work before its end: Ctrl-C, and a thread that others work for.

Python raises an interrupt when it next comes to run Python, so nothing is raised
within a call of a kernel. Short calls are simply waited for. In a long one the kernels
leave off when STOP is set in their network's table, which somebody has to do::

    main thread        waits ......... Ctrl-C, sets STOP .. raises KeyboardInterrupt
    another thread     kernel ................... leaves off
"""

import contextlib
import contextvars
import threading

from .kernels import layout as at
from .kernels._shield import shielded

# What the thread works under, if it works for another one: a callable that returns
# whether to go on, such as a `Permit`.
permit: contextvars.ContextVar = contextvars.ContextVar("permit", default=None)


class Permit:
    """Leave to work, given to threads that Ctrl-C does not reach."""

    def __init__(self):
        self._is_withdrawn = False
        self._tables = {}  # of networks within a long call

    def __call__(self):
        """Return whether to go on."""
        return not self._is_withdrawn

    def withdraw(self):
        """Have everybody who works under this permit stop."""
        self._is_withdrawn = True
        for net in self._tables.copy().values():
            net[at.STOP] = 1

    @contextlib.contextmanager
    def covers(self, net):
        """Have the kernels leave off if the permit is withdrawn within the block."""
        self._tables[id(net)] = net
        try:
            if self._is_withdrawn:
                net[at.STOP] = 1
            yield
        finally:
            del self._tables[id(net)]


@contextlib.contextmanager
def heeded(is_heeded):
    """Heed the permit within the block, or do not: short work is waited for."""
    token = None if is_heeded else permit.set(None)
    try:
        yield
    finally:
        if token is not None:
            permit.reset(token)


def check():
    """Raise KeyboardInterrupt if this thread is to go on no more."""
    allowed = permit.get()
    if allowed is not None and not allowed():
        raise KeyboardInterrupt


def stoppable(net, work):
    """Return what long work returns, or raise what has interrupted it.

    Parameters
    ----------
    net : vector of int64
        The table of the network that the work's kernels are called with, and nobody
        else's. Where anything is raised, its arena is of no use any more.
    work : callable
        Calls kernels; on another thread, if this is the main one.
    """
    net[at.STOP] = 0
    if threading.current_thread() is threading.main_thread():
        return shielded(work, lambda: net.__setitem__(at.STOP, 1))
    allowed = permit.get()
    if not isinstance(allowed, Permit):
        return work()
    with allowed.covers(net):
        result = work()
    check()
    return result
