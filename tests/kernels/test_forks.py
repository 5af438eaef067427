"""Forks: they wait for compilations, and for threads that end."""

import _thread
import hashlib
import operator
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from fastnn.kernels import _forks

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="threads are not seen")


def seen_within(seconds, expected):
    """Return whether the look at the threads has that result before too long."""
    until = time.monotonic() + seconds
    while _forks._some_unknown_runs(until) != expected and time.monotonic() < until:
        time.sleep(0.001)
    return time.monotonic() < until


@LINUX
def test_a_thread_that_python_does_not_know_is_seen_until_it_ends():
    stop = []

    def work():
        while not stop:
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10_000)  # lets go of the GIL

    assert seen_within(30, False)  # whatever other tests have left
    _thread.start_new_thread(work, ())
    try:
        assert seen_within(30, True)
    finally:
        stop.append(1)
    assert seen_within(30, False)


@pytest.mark.parametrize(("looks", "n_looks"), [("", 1), ("1", 2), ("111", 4)])
def test_it_waits_until_none_is_seen(monkeypatch, looks, n_looks):
    made, left = [], list(looks)
    monkeypatch.setattr(_forks, "_LONGEST_WAIT", 60)
    monkeypatch.setattr(
        _forks, "_some_unknown_runs", lambda _: made.append(1) or (left and left.pop())
    )
    _forks.wait_for_ends()
    assert len(made) == n_looks


def test_it_does_not_wait_for_ever(monkeypatch):
    """A thread of another library may work for hours."""
    made = []
    monkeypatch.setattr(_forks, "_some_unknown_runs", lambda _: made.append(1) or True)
    monkeypatch.setattr(_forks, "_LONGEST_WAIT", 0.005)
    _forks.wait_for_ends()
    assert len(made) >= 2


def test_systems_that_do_not_show_their_threads(monkeypatch, tmp_path):
    monkeypatch.setattr(_forks, "_TASKS", str(tmp_path / "none"))
    assert not _forks._some_unknown_runs(time.monotonic() + 1)
    assert not _forks._runs("1")  # nor one that has ended since


def is_free(lock):
    """Return whether another thread could take a lock."""
    found = []

    def take():
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return found[0]


def all_free():
    return [is_free(lock) for lock in _forks.compilers_locks()] == [True, True]


def test_a_fork_waits_when_nothing_is_compiled_any_more(monkeypatch):
    """A compilation that ends meanwhile may be the work of such a thread."""
    free = []
    monkeypatch.setattr(_forks, "wait_for_ends", lambda: free.append(all_free()))
    _forks.before_fork()
    assert free == [False]
    assert _forks.holds_a_lock()
    assert not any(map(is_free, _forks.compilers_locks()))
    assert _forks.after_fork() is None
    assert all_free()
    assert not _forks.holds_a_lock()


def test_forks_within_forks():
    """By a signal's handler, while a fork waits."""
    for _ in range(3):
        _forks.before_fork()
    for _ in range(3):
        assert not all_free()
        assert _forks.after_fork() is None
    assert all_free()
    assert _forks.after_fork() is None  # of a fork whose first step was interrupted
    assert all_free()


def test_a_fork_gets_a_lock_of_its_own(monkeypatch):
    """Another thread may hold the parent's lock for too long."""
    held = threading.RLock()
    thread = threading.Thread(target=held.acquire)
    thread.start()
    thread.join()
    monkeypatch.setattr(_forks, "COMPILING", held)
    monkeypatch.setattr(_forks, "_LONGEST_COMPILATION", 0.01)
    _forks.before_fork()
    _forks.after_fork_in_child()
    assert _forks.COMPILING is not held
    assert all_free()


def raising(waits):
    """Return a wait that raises what is next in a list, or nothing for None."""

    def wait():
        raised = waits.pop(0)
        if raised:
            raise raised

    return wait


def test_what_comes_up_while_a_fork_waits(monkeypatch):
    """The locks are taken all the same, and it comes when the fork is done."""
    waits = [KeyboardInterrupt, TimeoutError, None]

    monkeypatch.setattr(_forks, "wait_for_ends", raising(waits))
    _forks.before_fork()
    assert not any(map(is_free, _forks.compilers_locks()))
    _forks.after_fork_in_parent()
    assert all_free()
    with pytest.raises(KeyboardInterrupt):
        raise_what_is_left()

    waits[:] = [TimeoutError, None]
    _forks.before_fork()
    _forks.after_fork_in_parent()
    assert all_free()
    with pytest.raises(TimeoutError):
        raise_what_is_left()

    waits[:] = [None]
    _forks.before_fork()
    _forks.after_fork_in_parent()
    assert _forks._LEFT == []


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_a_hook_that_comes_to_an_end_of_what_there_is(monkeypatch, error):
    """The fork is done, and nobody is told: the locks are held all the same."""
    waits = [error, None]

    monkeypatch.setattr(_forks, "wait_for_ends", raising(waits))
    _forks.before_fork()
    assert not any(map(is_free, _forks.compilers_locks()))
    _forks.after_fork_in_parent()
    assert _forks._LEFT == []
    assert all_free()


def test_a_fork_in_another_thread_has_nothing_to_say(monkeypatch):
    """No handler runs there; what is left for the main thread stays."""
    monkeypatch.setattr(_forks, "_LEFT", [str])
    waits = [TimeoutError, None]

    def fork():
        _forks.before_fork()
        _forks.after_fork_in_parent()

    monkeypatch.setattr(_forks, "wait_for_ends", raising(waits))
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    assert [str] == _forks._LEFT
    assert all_free()


def test_what_is_raised_later_is_raised_once():
    """Two forks may have Python ask the same object."""
    raiser = _forks._Raiser(TimeoutError())
    with pytest.raises(TimeoutError):
        bool(raiser)
    assert not raiser


def test_a_handler_that_raises_stop_iteration(monkeypatch):
    """While a fork waits for a lock; it would end the list of those that are taken."""
    free, held = threading.RLock(), threading.RLock()
    waits = [StopIteration]

    def acquire(timeout):
        if waits:
            raise waits.pop()
        return held.acquire()

    waited_for = SimpleNamespace(acquire=acquire, release=held.release)
    monkeypatch.setattr(_forks, "compilers_locks", lambda: [waited_for, free])
    _forks.before_fork()
    assert not is_free(held)
    assert not is_free(free)
    _forks.after_fork()
    assert is_free(held)
    assert is_free(free)


def raise_what_is_left():
    """Call in C what the last hook calls, and take some steps."""
    sorted(_forks._LEFT, key=operator.call)
    for _ in range(3):
        str(_)


@LINUX
def test_a_look_at_very_many_threads_comes_to_an_end(monkeypatch):
    seen = []
    monkeypatch.setattr(_forks.os, "listdir", lambda folder: list("0123456789"))
    monkeypatch.setattr(_forks, "_runs", lambda task: seen.append(task))
    assert not _forks._some_unknown_runs(time.monotonic() - 1)
    assert len(seen) == 1
    assert not _forks._some_unknown_runs(time.monotonic() + 60)
    assert len(seen) == 1 + 10


@LINUX
def test_a_thread_that_ends_during_a_look_calls_for_another(monkeypatch):
    known = [{"1", "2"}, {"1"}]
    monkeypatch.setattr(_forks, "_known", lambda: known.pop(0))
    monkeypatch.setattr(_forks.os, "listdir", lambda folder: ["1", "2"])
    assert _forks._some_unknown_runs(time.monotonic() + 60)


def raise_at(step, names):
    """Raise at a step of the interpreter's in functions of these names.

    Python runs signals' handlers between some of them; here it is any.
    """
    passed, raised = [], []

    def trace(frame, event, argument):
        code = frame.f_code
        if code.co_filename != _forks.__file__ or code.co_name not in names:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            passed.append(1)
            if len(passed) == step:
                raised.append(1)
                raise TimeoutError
        return trace

    sys.settrace(trace)
    return raised


@pytest.mark.parametrize(
    ("hook", "names"),
    [
        ("before", {"take", "__init__", "wait_for_ends", "_some_unknown_runs"}),
        ("after", {"leave", "release"}),
    ],
)
def test_no_signal_leaves_a_lock_behind(monkeypatch, hook, names):
    """At any step of what holds the locks, and of what lets them go."""
    monkeypatch.setattr(_forks, "_TASKS", "no such folder")
    kept, step, is_over = sys.gettrace(), 0, False
    while not is_over:
        step += 1
        try:
            if hook == "before":
                raised = raise_at(step, names)
            _forks.before_fork()
            sys.settrace(None)
            assert not any(map(is_free, _forks.compilers_locks())), step
            if hook == "after":
                raised = raise_at(step, names)
            _forks.after_fork()
        finally:
            sys.settrace(kept)
        assert all_free(), step
        assert not _forks._holds()
        is_over = not raised
    assert step > 50
