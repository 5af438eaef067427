"""Threads that end without Python's knowing, and forks that wait for them."""

import _thread
import hashlib
import sys
import time

import pytest
from fastnn.kernels import _ends, _jit

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="threads are not seen")


def seen_within(seconds, expected):
    """Return whether the look at the threads has that result before too long."""
    until = time.monotonic() + seconds
    while _ends._some_unknown_runs() != expected and time.monotonic() < until:
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
    monkeypatch.setattr(_ends, "_LONGEST_WAIT", 60)
    monkeypatch.setattr(
        _ends, "_some_unknown_runs", lambda: made.append(1) or (left and left.pop())
    )
    _ends.wait_for_ends()
    assert len(made) == n_looks


def test_it_does_not_wait_for_ever(monkeypatch):
    """A thread of another library may work for hours."""
    made = []
    monkeypatch.setattr(_ends, "_some_unknown_runs", lambda: made.append(1) or True)
    monkeypatch.setattr(_ends, "_LONGEST_WAIT", 0.005)
    _ends.wait_for_ends()
    assert len(made) >= 2


def test_systems_that_do_not_show_their_threads(monkeypatch, tmp_path):
    monkeypatch.setattr(_ends, "_TASKS", str(tmp_path / "none"))
    assert not _ends._some_unknown_runs()
    assert not _ends._runs("1")  # nor one that has ended since


def test_a_fork_waits_when_nothing_is_compiled_any_more(monkeypatch):
    """A compilation that ends meanwhile may be the work of such a thread."""
    held = []
    monkeypatch.setattr(_jit, "wait_for_ends", lambda: held.append(_jit._HELD.locks))
    _jit._hold_compilers()
    _jit._let_go()
    assert len(held) == 1
    assert _jit._LOCK in held[0]
