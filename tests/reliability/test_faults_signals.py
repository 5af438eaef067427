"""Signals whose handlers raise, take note or fork, during calls that take long."""

import os

import pytest
from helpers import run_python
from interrupt_tools import PREAMBLE, compiled, interrupts

pytestmark = interrupts

LONG_EPOCHS = """
X, y = data_for("classifier", n=20000, p=200)
def make(epochs):
    return estimator_of("estimator-clf", hidden_layer_sizes=(256, 256),
                        batch_size=20000, batch_norm=True, max_iter=epochs, tol=0.0,
                        n_iter_no_change=10**9, random_state=0, n_threads=1)
"""

ALARM = """
# A handler may raise anything, or only take note.
model = make(1).fit(X, y)
before = bits(*weights_of(model), np.array(model.loss_curve_))
heard = []

def late(number, frame):
    heard.append(number)
    raise TimeoutError("late")

signal.signal(signal.SIGALRM, late)
model.set_params(max_iter=10**6)
signal.setitimer(signal.ITIMER_REAL, 0.3)
begin = time.perf_counter()
try:
    model.fit(X, y)
except TimeoutError:
    delay = time.perf_counter() - begin - 0.3
same = bits(*weights_of(model), np.array(model.loss_curve_)) == before

signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
noted = make(3).fit(X, y)
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
alone = make(3).fit(X, y)
print(json.dumps([delay, same, len(heard),
                  bits(*weights_of(noted)) == bits(*weights_of(alone))]))
"""


@compiled
def test_other_signals_within_a_long_epoch():
    """What a handler raises ends the fit; one that raises nothing changes nothing."""
    delay, same, n_heard, alike = run_python(PREAMBLE, LONG_EPOCHS, ALARM)
    assert delay < 0.2
    assert same
    assert n_heard > 5
    assert alike


FORKING = """
# In the child there is no thread that works for the main one.
alone = make(4).fit(X, y)
receive, send = os.pipe()
children = []

def fork(number, frame):
    while frame is not None and frame.f_code.co_name != "shielded":
        frame = frame.f_back
    if frame is None:  # not within an epoch: a child could go on
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        children.append(os.fork())

signal.signal(signal.SIGALRM, fork)
signal.setitimer(signal.ITIMER_REAL, 0.2)
model = make(4)
try:
    model.fit(X, y)
    told = "trained"
except RuntimeError as error:
    told = str(error)
if children == [0]:
    os.write(send, f"{told} {hasattr(model, 'coefs_')}".encode())
    os._exit(0)
os.close(send)
with os.fdopen(receive) as file:
    child = file.read()
status = os.waitpid(children[0], 0)[1]
print(json.dumps([told, child, status, bits(*weights_of(model)) ==
                  bits(*weights_of(alone))]))
"""


@compiled
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_handler_that_forks_within_a_long_epoch():
    """The parent goes on; the child is told, and does not wait for ever."""
    told, child, status, same = run_python(PREAMBLE, LONG_EPOCHS, FORKING)
    assert told == "trained"
    assert status == 0
    assert "forked" in child
    assert child.endswith("False")
    assert same


STORM = """
# A timer that strikes again while the exception before is dealt with.
from fastnn.kernels._shield import shielded

def late(number, frame):
    if len(running) == 1:
        raise TimeoutError

def work():
    running.append(1)
    time.sleep(0.02)
    running.append(2)

signal.signal(signal.SIGALRM, late)
raised, at_work = [], 0
for _ in range(100):
    running = []
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.002)
        shielded(work)
    except BaseException as error:
        at_work += len(running) == 1
        raised.append(type(error).__name__)
    signal.setitimer(signal.ITIMER_REAL, 0)
print(json.dumps([sorted(set(raised)), len(raised), at_work]))
"""


@compiled
def test_a_storm_of_signals():
    """Nobody goes on while the other thread still works, and no exception is lost."""
    kinds, n_raised, at_work = run_python(PREAMBLE, STORM)
    assert kinds == ["TimeoutError"]
    assert n_raised == 100
    assert at_work == 0
