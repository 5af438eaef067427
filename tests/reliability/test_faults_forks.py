"""Forks whose hooks fit, which signals meet, and handlers that fork within them."""

import os
import sys

import pytest
from helpers import run_python

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.skipif(sys.platform == "darwin", reason="numpy's BLAS forbids forks"),
]

PREAMBLE = """
import faulthandler, json, os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
faulthandler.dump_traceback_later(60, exit=True)
hook = []
os.register_at_fork(after_in_child=lambda: [work() for work in hook])
import numba
import numpy as np
from helpers import make_data
from fastnn import Activation, MLPRegressor
from fastnn.kernels import _forks
signal.signal(signal.SIGINT, signal.default_int_handler)
X, y = make_data("regression", n=40)
def fit(activation="relu", slope=1.0):
    if activation == "own":
        activation = Activation(lambda z: slope * z, lambda z: slope, name="own")
    model = MLPRegressor((3,), activation=activation, max_iter=1, random_state=0)
    return model.fit(X, y)
def fork(work):
    child = os.fork()
    if not child:
        signal.alarm(40)  # it hangs
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
fit()
"""

HOOK = """
# Registered before the library's own hooks, so it runs while the locks are held.
slopes = iter(range(2, 9))
hook.append(lambda: fit("own", next(slopes)))
print(json.dumps([fork(lambda: None), fork(lambda: fit("own", 0.5))]))
"""


def test_a_hook_that_compiles_in_the_child():
    """The locks are held by this thread, and another one would wait for it."""
    assert run_python(PREAMBLE, HOOK) == [0, 0]


NESTED = """
_forks._some_unknown_runs = lambda until: True  # a fork waits for its whole time
_forks._LONGEST_WAIT = 0.2
statuses = []
def again(number, frame):
    statuses.append(fork(lambda: fit("own", 3.0)))
signal.signal(signal.SIGALRM, again)
signal.setitimer(signal.ITIMER_REAL, 0.1)
statuses.append(fork(lambda: fit("own", 4.0)))
is_held = _forks.holds_a_lock()
fitted = []
thread = threading.Thread(target=lambda: fitted.append(fit("own", 5.0).n_iter_))
thread.start()
thread.join(30)
print(json.dumps([statuses, is_held, fitted]))
"""


def test_a_handler_that_forks_while_a_fork_waits():
    statuses, is_held, fitted = run_python(PREAMBLE, NESTED)
    assert statuses == [0, 0]
    assert not is_held
    assert fitted == [1]


INTERRUPTED = """
# Another thread compiles for a second or two; a signal comes while the fork waits.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(3))
kind, sent = {"interrupt": (KeyboardInterrupt, signal.SIGINT),
              "exit": (SystemExit, signal.SIGTERM)}[sys.argv[1]]
begun = threading.Event()
@numba.njit
def slow(a):
    return np.sort(a)[::-1].cumsum() + np.linalg.norm(a) + np.median(a)
def compile_slow():
    begun.set()
    slow(np.ones(3))
compiler = threading.Thread(target=compile_slow)
compiler.start()
begun.wait()
while _forks.global_compiler_lock._lock.acquire(blocking=False):
    _forks.global_compiler_lock._lock.release()
    time.sleep(0.001)
threading.Timer(0.05, os.kill, (os.getpid(), sent)).start()
told, status = "", None
try:
    child = os.fork()
    if not child:
        signal.alarm(40)
        fit("own", 3.0)
        os._exit(0)
except kind as error:
    told = repr(error)
status = os.waitstatus_to_exitcode(os.wait()[1])
compiler.join()
print(json.dumps([told, status, _forks.holds_a_lock(), fit("own", 4.0).n_iter_]))
"""


@pytest.mark.parametrize(
    ("sent", "raised"),
    [
        ("interrupt", "KeyboardInterrupt()"),
        ("exit", "SystemExit(3)"),
    ],
)
def test_a_signal_while_a_fork_waits_for_a_compilation(sent, raised):
    """It comes after the fork; Python ignores what is raised within one."""
    told, status, is_held, n_iter = run_python(PREAMBLE, INTERRUPTED, args=(sent,))
    assert told == raised
    assert status == 0
    assert not is_held
    assert n_iter == 1


HANDLER = """
# It fits while the main thread is within Numba, whose lock it holds. (In Numba's first
# compilation it might meet modules that are half imported, and get an error.)
fit("own", 2.0)
fitted = []
def handler(number, frame):
    if _forks.global_compiler_lock._lock._is_owned():
        signal.setitimer(signal.ITIMER_REAL, 0)
        fitted.append(fit("own", 3.0).n_iter_)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
@numba.njit
def slow(a):
    return np.sort(a)[::-1].cumsum() + np.linalg.norm(a) + np.median(a)
slow(np.ones(3))
print(json.dumps([fitted, fit("own", 4.0).n_iter_]))
"""


def test_a_handler_that_fits_while_numba_compiles_something_else():
    assert run_python(PREAMBLE, HANDLER) == [[1], 1]
