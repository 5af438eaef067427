"""Work that Ctrl-C does not reach, while the main thread waits for its end."""

import _thread
import contextvars
import os
import sys
import threading

# Seconds between two looks at what a wait cannot be woken by: Ctrl-C on Windows, and
# the absence of the other thread in a forked child.
_LOOK = 0.05
_MOST_TRIES = 1000  # of work that is interrupted again and again
STARTING = threading.RLock()  # held while the size of new threads' stacks is another


def shielded(work, interrupted=None, everywhere=False):
    """Return what `work` returns, done where Ctrl-C does not reach.

    Python raises an interrupt, and whatever a signal's handler raises, in the main
    thread. So another thread does the work, and the main thread waits for its end and
    raises then; of several exceptions, the first. Other threads than the main one do
    the work themselves.

    Parameters
    ----------
    work : callable
    interrupted : callable or None
        Called in the main thread when something was raised there, perhaps several
        times, for instance to have the work end early.
    everywhere : bool
        Whether another thread works for others than the main one as well: it has a
        stack of its own.
    """
    if not everywhere and threading.current_thread() is not threading.main_thread():
        return work()
    wait = _Wait(work, interrupted)
    # An exception may come between any two steps, also of what deals with another: two
    # levels bear a timer whose handler raises every millisecond. The inner loop has no
    # condition: Python 3.12 and 3.13 would jump back to it outside of the `try`
    # (https://github.com/python/cpython/issues/130279).
    while not wait.is_over():
        try:
            while True:
                if wait.is_over():
                    break
                try:
                    wait.go_on()
                except BaseException as error:
                    wait.note(error)
        except BaseException as error:
            wait.note(error)
    return wait.result()


def finish(work):
    """Do short work whatever is raised meanwhile, and return the first that was.

    Where a signal's handler raises, the work begins again: it goes on from wherever it
    was. Two levels, as in `shielded`, and no condition either.
    """
    done, raised = [], []
    while not done and len(raised) < _MOST_TRIES:
        try:
            while True:
                if done or len(raised) >= _MOST_TRIES:
                    break
                try:
                    work()
                    done.append(True)
                except BaseException as error:
                    raised.append(error)
        except BaseException as error:
            raised.append(error)
    return raised[0] if raised else None


class _Wait:
    """The main thread's wait for another one."""

    def __init__(self, work, interrupted):
        self.work, self.interrupted = work, interrupted
        self.error = None  # the first that was raised here
        self.outcome = []
        self.alone = False  # there can be no other thread
        self.process = os.getpid()
        self.context = contextvars.copy_context()
        # Locks without any Python code of their own, which might be interrupted.
        self.begun, self.done = _thread.allocate_lock(), _thread.allocate_lock()
        self.done.acquire()

    def is_over(self):
        return self.outcome or self.alone or os.getpid() != self.process

    def go_on(self):
        """Start the thread, unless there is one, and wait a while."""
        if self.error is not None and self.interrupted is not None:
            self.interrupted()
        if not self.begun.locked() and not _start_thread(self.run):
            self.alone = self.begun.acquire(blocking=False)
            return
        self.done.acquire(timeout=_LOOK)

    def note(self, error):
        """Keep what a signal's handler has raised."""
        if self.error is None:
            self.error = error

    def run(self):  # pragma: no cover (coverage does not see threads of `_thread`)
        if not self.begun.acquire(blocking=False):  # an interrupt had it started twice
            return
        try:
            self.outcome.append((self.context.run(self.work), None))
        except BaseException as error:
            self.outcome.append((None, error))
        self.done.release()

    def result(self):
        """Return or raise what has come of the work."""
        if self.error is not None:
            raise self.error
        if self.alone:
            return self.work()
        if not self.outcome:
            _refuse_child()
        result, error = self.outcome[0]
        if error is not None:
            raise error
        return result


def _start_thread(run):
    """Return whether there could be another thread: not so when Python ends.

    Its stack is the system's usual one: compilers need more than some programs leave
    to their many threads.
    """
    if sys.is_finalizing():  # it would start, and wait for ever
        return False
    try:
        with STARTING:
            size = _thread.stack_size(0)
            try:
                _thread.start_new_thread(run, ())
            finally:
                _thread.stack_size(size)
    except RuntimeError as error:
        if error.__traceback__.tb_next is not None:  # of a signal's handler
            raise
        return False
    return True


def _refuse_child():
    raise RuntimeError(
        "A signal's handler forked this process while a thread worked for the main "
        "one, and a forked child has no other threads. Let the handler note the "
        "signal, and fork where it is looked at."
    )
