"""The first calls of kernels deep in other calls, and what comes up while they load."""

import os
import sys

import pytest
from helpers import run_python

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.skipif(sys.platform == "darwin", reason="numpy's BLAS forbids forks"),
]

PREAMBLE = """
import json, os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from llvmlite.binding import ffi
from helpers import make_data
from fastnn import MLPClassifier
signal.signal(signal.SIGINT, signal.default_int_handler)
X, y = make_data("binary", n=60)
model = MLPClassifier((3,), max_iter=1, random_state=0).fit(X, y)
def in_child(work):
    '''Return what work writes in a child whose predictions have loaded nothing.'''
    out, into = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(30)  # it hangs
        work(lambda text: os.write(into, text.encode()))
        os._exit(0)
    os.close(into)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = os.read(out, 99).decode()
    os.close(out)
    return text if status == 0 else f"{text} and exit status {status}"
"""

DEEP = """
def deep(calls, work):
    return work() if calls == 0 else deep(calls - 1, work)
def first_and_next(calls, say):
    try:
        deep(calls, lambda: model.predict(X))
        say("fine")
    except RecursionError:
        say("RecursionError")
    model.predict(X)
    say(", fine")
def in_a_thread(calls, say):
    thread = threading.Thread(target=first_and_next, args=(calls, say))
    thread.start()
    thread.join()
limit = sys.getrecursionlimit()
print(json.dumps([
    [in_child(lambda say: run(calls, say)) for calls in range(limit - 60, limit, 2)]
    for run in (first_and_next, in_a_thread)]))
"""


def test_the_first_prediction_deep_in_other_calls():
    """It is made, or there is a RecursionError; the next one is made."""
    for found in run_python(PREAMBLE, DEEP, timeout=200):
        assert set(found) == {"fine, fine", "RecursionError, fine"}


SHORT = """
def predict(say):
    sys.setrecursionlimit(60)
    try:
        model.predict(X)
        say("fine")
    except RecursionError as error:
        say("named" if "setrecursionlimit(60)" in str(error) else str(error))
    sys.setrecursionlimit(1000)
    model.predict(X)
    say(", fine")
print(json.dumps(in_child(predict)))
"""


def test_a_short_stack_is_named():
    assert run_python(PREAMBLE, SHORT) == "named, fine"


LOCKED = """
def interrupted(say):
    left = [int(sys.argv[1])]
    def interrupt():
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGINT)
    ffi.register_lock_callback(interrupt, lambda: None)
    try:
        model.predict(X)
        say("fine")
    except KeyboardInterrupt:
        say("interrupted")
    model.predict(X)
    say(", fine")
print(json.dumps(in_child(interrupted)))
"""


@pytest.mark.parametrize("count", [1, 2, 5])
def test_ctrl_c_while_a_kernel_is_loaded(count):
    """Each time that LLVM's lock is taken."""
    assert run_python(PREAMBLE, LOCKED, args=(count,)) == "interrupted, fine"


SMALL_STACK = """
threading.stack_size(int(sys.argv[1]))
def predict(say):
    thread = threading.Thread(target=lambda: say(str(len(model.predict(X)))))
    thread.start()
    thread.join()
    say(f", {threading.stack_size(0)}")
print(json.dumps([in_child(predict), len(model.predict(X)), threading.stack_size(0)]))
"""


def test_threads_with_small_stacks():
    """Kernels are loaded on a stack of the usual size; the program's size is kept."""
    size = 2**16
    found = run_python(PREAMBLE, SMALL_STACK, args=(size,))
    assert found == [f"60, {size}", 60, size]
