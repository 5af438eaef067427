"""Threads of the system that are ending, which no fork should meet.

A thread that ends by `pthread_exit`, as OpenMP's do and Python's did up to 3.13, is
unwound under a lock of the C runtime (`object_mutex` of libgcc up to version 12). A
child that is forked meanwhile finds the lock taken for ever, and waits for it when code
is compiled or loaded. Python takes a thread for ended before the system does, so even
who has joined all threads may meet it.
"""

import os
import threading
import time

_TASKS = "/proc/self/task"  # of Linux; elsewhere nothing is known of threads
_LONGEST_WAIT = 0.02  # seconds; of loaded machines, 0.011 was the longest needed
_LOOK = 0.0002


def wait_for_ends():
    """Wait until no thread that Python does not know of is at work, or some time.

    Such a thread holds the lock only while it runs.
    """
    until = time.monotonic() + _LONGEST_WAIT
    while _some_unknown_runs() and time.monotonic() < until:
        time.sleep(_LOOK)


def _some_unknown_runs():
    try:
        running = [task for task in os.listdir(_TASKS) if _runs(task)]
    except OSError:
        return False
    # Asked last: a thread of Python's may have come to its end during the look.
    known = {str(thread.native_id) for thread in threading.enumerate()}
    return not known.issuperset(running)


def _runs(task):
    """Return whether a thread of this process runs, or waits for memory."""
    try:
        with open(f"{_TASKS}/{task}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except OSError:  # it has ended
        return False
    return state in (b"R", b"D")
