"""Networks trained together and interrupted: whole epochs, the user's exceptions."""

import signal
import threading
import time

import pytest
from helpers import make_data
from population_tools import (
    EPOCHS,
    N,
    assert_same,
    classifier,
    fit_alone,
    network,
    quiet,
)

from fastnn import interrupts, prediction
from fastnn.learning import crew, epochs, lbfgs
from fastnn.learning.population import Population, Task


@quiet
def test_a_short_epoch_is_not_interrupted_within(monkeypatch):
    """It could not be undone: not even its validation leaves off."""
    X, y = make_data("binary", n=N)
    task = Task(network(early_stopping=True), X, y)
    together, asked = Population([task]), []

    def goes_on():
        asked.append(1)
        return len(asked) <= 2

    together._members[0].advance(None, goes_on)
    assert together.epochs(0) == 2
    together.advance()
    assert_same(together.result(0), fit_alone(task), task)


def functions_that(act):
    """Return the options of networks that call a function of the user's."""

    def score(estimator, X, y):
        act()
        return 0.5

    def augment(X, rng):
        act()
        return X

    return [
        {"early_stopping": True, "validation_metric": score},
        {"augmentation": augment},
    ]


@quiet
@pytest.mark.parametrize("which", [0, 1])
def test_a_function_of_the_users_that_interrupts(which):
    """Its exception is raised: nobody has withdrawn the permit."""

    def interrupt():
        raise KeyboardInterrupt("mine")

    X, y = make_data("binary", n=N)
    options = functions_that(interrupt)[which]
    with pytest.raises(KeyboardInterrupt, match="mine"):
        Population([Task(network(**options), X, y)]).advance()


@quiet
@pytest.mark.parametrize("which", [0, 1])
def test_training_within_a_function_of_the_users_is_interrupted(which):
    """The epoch that it belongs to is undone, and another one trained later."""
    X, y = make_data("binary", n=N)
    inner, calls, asked = network(solver="lbfgs"), [], []

    def train():
        calls.append(1)
        if len(calls) == 3:
            asked.append(1)
        inner.fit(X, y)

    task = Task(network(max_iter=5, **functions_that(train)[which]), X, y)
    together = Population([task])
    together._members[0].advance(None, lambda: not asked)
    assert together.epochs(0) == len(calls) - 1 == 2
    asked.clear()
    together.advance()
    assert_same(together.result(0), fit_alone(task), task)


@quiet
@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarms")
def test_an_alarm_while_threads_start(monkeypatch):
    """None is left out of those that are waited for."""
    start, begun = crew._start_thread, []

    def ring(number, frame):
        raise TimeoutError("late")

    def start_and_ring(work, daemon):
        assert threading.get_ident() != threading.main_thread().ident
        begun.append(start(work, daemon))
        signal.raise_signal(signal.SIGALRM)
        return begun[-1]

    monkeypatch.setattr(crew, "_start_thread", start_and_ring)
    X, y = make_data("binary", n=N)
    tasks = [Task(network(max_iter=10**6, tol=0.0), X, y) for _ in range(3)]
    handler = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(TimeoutError, match="late"):
            Population(tasks, n_threads=3).advance()
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert len(begun) == 3
    assert all(done.is_set() for done, _ in begun)


@quiet
def test_the_first_failure_is_the_one_that_is_raised(monkeypatch):
    """What it brings about in other threads is not taken for it."""
    begun, failed = threading.Event(), threading.Event()
    evaluate = lbfgs.Function.__call__

    def fail(X, rng):
        begun.wait(30)
        failed.set()
        raise SystemExit("first")

    def wait(function, theta):
        begun.set()
        failed.wait(30)
        end = time.monotonic() + 30
        while interrupts.permit.get()() and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.05)  # the failure is noted before this thread is stopped
        return evaluate(function, theta)

    monkeypatch.setattr(lbfgs.Function, "__call__", wait)
    X, y = make_data("binary", n=N)
    tasks = [
        Task(network(augmentation=fail), X, y),
        Task(network(solver="lbfgs"), X, y),
    ]
    with pytest.raises(SystemExit, match="first"):
        Population(tasks, n_threads=2).advance()


@quiet
@pytest.mark.parametrize("calls", [2, 3, 4, 5])
def test_a_long_validation_is_interrupted_within(calls, monkeypatch):
    """Though epochs are short: the epoch is undone with it."""
    monkeypatch.setattr(prediction, "_FLOPS_PER_CALL", 1.0)
    X, y = make_data("binary", n=N)
    task = Task(network(early_stopping=True, max_iter=4), X, y)
    together, asked = Population([task]), []

    def goes_on():
        asked.append(1)
        return len(asked) <= calls

    together._members[0].advance(None, goes_on)
    assert together.epochs(0) <= calls // 2
    together.advance()
    assert_same(together.result(0), fit_alone(task), task)


@quiet
def test_lbfgs_stops_when_it_is_asked_to():
    X, y = make_data("binary", n=N)
    estimator = network(solver="lbfgs", max_iter=EPOCHS, tol=0.0)
    together = Population([Task(estimator, X, y)])
    with pytest.raises(KeyboardInterrupt):
        together._members[0].advance(None, lambda: False)
    assert together.epochs(0) == 0


@quiet
@pytest.mark.parametrize("kind", [network, classifier])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("calls", [1, 3, 5, 6, 7, 8])
def test_a_long_epoch_is_undone_if_it_is_interrupted(
    kind, early_stopping, calls, monkeypatch
):
    """It is trained in slices; training goes on as if nothing had been.

    Validation is a part of the epoch, and undone with it.
    """
    monkeypatch.setattr(epochs, "_FLOPS_PER_CALL", 1.0)  # a mini-batch in a call
    monkeypatch.setattr(prediction, "_FLOPS_PER_CALL", 1.0)
    X, y = make_data("binary", n=N)
    options = {"max_iter": 4, "batch_size": N // 4, "momentum": 0.5}
    task = Task(kind(early_stopping=early_stopping, **options), X, y)
    alone = fit_alone(task)
    together = Population([task])
    asked = []

    def goes_on():
        asked.append(1)
        return len(asked) <= calls

    together._members[0].advance(None, goes_on)
    assert together.epochs(0) < 4
    assert len(asked) <= calls + 2
    together.advance()
    assert_same(together.result(0), alone, task)
