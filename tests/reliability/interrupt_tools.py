"""What tests of interrupts share: a process that presses Ctrl-C in itself."""

import sys

import numba
import pytest

interrupts = pytest.mark.skipif(
    sys.platform == "win32", reason="no process can send itself Ctrl-C there"
)
compiled = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="times are those of compiled kernels"
)

PREAMBLE = """
import gc, hashlib, json, os, queue, signal, sys, threading, time, warnings
import numpy as np
from helpers import data_for, estimator_of, force_threads, weights_of
warnings.simplefilter("ignore")

def bits(*arrays):
    raw = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
    return hashlib.sha256(raw).hexdigest()

presses, struck, lost = queue.SimpleQueue(), queue.SimpleQueue(), []

def press():
    while True:
        over, pause, moments = threading.Event(), presses.get(), []
        struck.put((over, moments))
        while not over.wait(pause):
            moments.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
            pause = 1.0
        struck.put(None)

# One thread for all, and no objects that refer to each other: see COMPILING.
threading.Thread(target=press, daemon=True).start()

def delay_of(seconds, work, *arguments):
    '''Return the time from Ctrl-C to its end of a call, or None if it ended alone.'''
    gc.collect()
    presses.put(seconds)
    over, moments = struck.get()
    delay = None
    try:
        work(*arguments)
    except KeyboardInterrupt:
        delay = time.perf_counter() - moments[-1]
    over.set()
    struck.get()
    lost.extend(moments[1:])
    return delay
"""
