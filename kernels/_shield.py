"""Work that Ctrl-C does not reach, while the main thread waits for its end."""

import _thread
import contextvars
import os
import threading

# Seconds between two looks at what a wait cannot be woken by: Ctrl-C on Windows, and
# the absence of the other thread in a forked child.
_LOOK = 0.05


def shielded(work, interrupted=None):
    """Return what `work` returns, done where Ctrl-C does not reach.

    Python raises an interrupt, and whatever a signal's handler raises, in the main
    thread. So another thread does the work, and the main thread waits for its end and
    raises then. Other threads than the main one do the work themselves.

    Parameters
    ----------
    work : callable
    interrupted : callable or None
        Called in the main thread when something was raised there, perhaps several
        times, for instance to have the work end early.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    outcome, done, only = [], threading.Event(), threading.Lock()
    context, interrupt, process = contextvars.copy_context(), None, os.getpid()

    def run():  # pragma: no cover (coverage does not see threads of `_thread`)
        if not only.acquire(blocking=False):  # an interrupt had it started twice
            return
        try:
            outcome.append((context.run(work), None))
        except BaseException as error:
            outcome.append((None, error))
        done.set()

    while not done.is_set() and os.getpid() == process:
        try:
            if interrupt is not None and interrupted is not None:
                interrupted()
            if not only.locked() and not _start_thread(run):
                break
            done.wait(_LOOK)
        except BaseException as error:  # of a signal's handler
            interrupt = error
    if interrupt is not None:
        raise interrupt
    if os.getpid() != process and not outcome:
        _refuse_child()
    if not outcome:  # there can be no other thread
        return work()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _start_thread(run):
    """Return whether there could be another thread: not so when Python ends."""
    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:
        return False
    return True


def _refuse_child():
    raise RuntimeError(
        "A signal's handler forked this process while a thread worked for the main "
        "one, and a forked child has no other threads. Let the handler note the "
        "signal, and fork where it is looked at."
    )
