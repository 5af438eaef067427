"""Compilation that Ctrl-C cannot cut short, and folders that it may use."""

import _thread
import ast
import contextvars
import operator
import sys
import threading
import time
from collections import deque
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastnn.kernels import _cache, _forks, _jit, _shield
from llvmlite.binding import ffi


def test_what_is_returned_and_raised():
    """By a thread of its own; in other threads than the main one, right there."""
    places = []

    def work():
        places.append(threading.current_thread())
        return "made"

    assert _shield.shielded(work) == "made"
    assert places[0] is not threading.main_thread()
    worker = threading.Thread(target=lambda: places.append(_shield.shielded(work)))
    worker.start()
    worker.join()
    assert places[1:] == [worker, "made"]
    apart = partial(_shield.shielded, threading.current_thread, everywhere=True)
    worker = threading.Thread(target=lambda: places.append(apart()))
    worker.start()
    worker.join()
    assert places[3] not in (worker, threading.main_thread())

    def fail():
        raise ZeroDivisionError("why")

    with pytest.raises(ZeroDivisionError, match="why"):
        _shield.shielded(fail)


class Interrupted:
    """A lock at which the first waits are interrupted."""

    def __init__(self):
        self.lock, self.left = _thread.allocate_lock(), 2
        self.release, self.locked = self.lock.release, self.lock.locked

    def acquire(self, blocking=True, timeout=-1):
        if timeout > 0 and self.left:
            self.left -= 1
            raise KeyboardInterrupt
        return self.lock.acquire(blocking, timeout)


def threads(**changed):
    """Return what the shield uses of `_thread`, with changes."""
    usual = {
        "allocate_lock": _thread.allocate_lock,
        "start_new_thread": _thread.start_new_thread,
        "stack_size": _thread.stack_size,
    }
    return SimpleNamespace(**{**usual, **changed})


def test_an_interrupt_waits_for_the_end(monkeypatch):
    """It is raised, once the work is done; and the work is done once."""
    done = []

    def work():
        time.sleep(0.05)
        done.append(1)

    monkeypatch.setattr(_shield, "_thread", threads(allocate_lock=Interrupted))
    with pytest.raises(KeyboardInterrupt):
        _shield.shielded(work)
    time.sleep(0.1)  # for a second thread, if there were one
    assert done == [1]


def test_work_may_end_early_after_an_interrupt(monkeypatch):
    told, ended = threading.Event(), []
    monkeypatch.setattr(_shield, "_thread", threads(allocate_lock=Interrupted))
    with pytest.raises(KeyboardInterrupt):
        _shield.shielded(lambda: ended.append(told.wait(30)), told.set)
    assert ended == [True]


def test_an_interrupt_while_another_one_is_dealt_with(monkeypatch):
    note, notes, done = _shield._Wait.note, [], []

    def interrupted(wait, error):
        notes.append(error)
        if len(notes) == 1:
            raise KeyboardInterrupt("second")
        note(wait, error)

    monkeypatch.setattr(_shield, "_thread", threads(allocate_lock=Interrupted))
    monkeypatch.setattr(_shield._Wait, "note", interrupted)
    with pytest.raises(KeyboardInterrupt, match="second"):
        _shield.shielded(lambda: (time.sleep(0.05), done.append(1)))
    assert done == [1]


def test_a_forked_child_does_not_wait_for_ever(monkeypatch):
    """There is no thread in it that would do the work."""
    numbers, over = iter((1, 1, 1)), threading.Event()
    process = SimpleNamespace(getpid=lambda: next(numbers, 2))
    monkeypatch.setattr(_shield, "os", process)
    with pytest.raises(RuntimeError, match="forked"):
        _shield.shielded(over.wait)
    over.set()


def test_an_interrupt_that_starts_it_twice(monkeypatch):
    """Between the start of the thread and its first step."""
    start, done = _shield._start_thread, []

    def twice(run):
        start(run)
        return start(run)

    monkeypatch.setattr(_shield, "_start_thread", twice)
    _shield.shielded(lambda: (time.sleep(0.05), done.append(1)))
    time.sleep(0.1)
    assert done == [1]


def test_a_handler_that_raises_when_the_thread_is_started(monkeypatch):
    """Its RuntimeError does not mean that there can be no thread."""
    at_once, most = [], []

    def start(*arguments):
        _thread.start_new_thread(*arguments)
        time.sleep(0.02)
        raise RuntimeError("late")  # as a handler does that Python runs just then

    def work():
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.05)
        at_once.pop()

    monkeypatch.setattr(_shield, "_thread", threads(start_new_thread=start))
    with pytest.raises(RuntimeError, match="late"):
        _shield.shielded(work)
    assert most == [1]
    assert at_once == []


def test_the_first_exception_is_raised(monkeypatch):
    """What comes while the work ends does not hide why it ends."""
    told = threading.Event()

    def tell():
        told.set()
        raise TimeoutError

    monkeypatch.setattr(_shield, "_thread", threads(allocate_lock=Interrupted))
    with pytest.raises(KeyboardInterrupt):
        _shield.shielded(lambda: told.wait(30), tell)
    assert told.is_set()


def test_without_another_thread(monkeypatch):
    """As at the end of the process: the work is done all the same."""
    context = contextvars.copy_context()

    def test():
        # The error is raised in C, as by the function that it stands for.
        with pytest.raises(RuntimeError, match="already entered"):
            context.run(print, ())
        monkeypatch.setattr(_shield, "_thread", threads(start_new_thread=context.run))
        assert _shield.shielded(threading.current_thread) is threading.main_thread()

    context.run(test)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_raised_without_another_thread(error, monkeypatch):
    """It is not taken for an interrupt of the wait, after which all begins again."""
    monkeypatch.setattr(_shield, "_start_thread", lambda run: False)
    calls = []

    def work():
        calls.append(1)
        if len(calls) < 4:
            raise error

    with pytest.raises(error):
        _shield.shielded(work)
    assert calls == [1]


def test_the_one_that_waits_holds_no_lock(monkeypatch):
    """Else whatever asks for another unit during a compilation would wait for ever."""
    found = []

    def compile_another(unit, dtype):
        found.append(_forks.COMPILING.acquire(timeout=3.0))
        if found[-1]:
            _forks.COMPILING.release()
        return "made"

    monkeypatch.setattr(_jit, "_compile", compile_another)
    unit = _jit.Unit(compile_another, None)
    assert unit._get("float32") == unit._get("float32") == "made"
    assert found == [True]


def test_what_was_compiled_during_an_interrupt_is_kept(monkeypatch):
    made = []

    def compile_interrupted(unit, dtype):
        if not made:
            _thread.interrupt_main()
        made.append(dtype)
        return "made"

    monkeypatch.setattr(_jit, "_compile", compile_interrupted)
    unit = _jit.Unit(compile_interrupted, None)
    with pytest.raises(KeyboardInterrupt):
        unit._get("float32")
    assert unit._get("float32") == "made"
    assert made == ["float32"]


def test_no_folder_without_sources(tmp_path, monkeypatch):
    """As in an archive: versions could not be told apart."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(_cache, "__file__", str(tmp_path / "lib.zip" / "_cache.py"))
    folder, problem = _cache.find_folder()
    assert folder is None
    assert "sources" in problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs modes of files")
def test_a_private_folder(tmp_path):
    _cache.make_private(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    _cache.make_private(tmp_path / "new")
    (tmp_path / "new").chmod(0o770)
    with pytest.raises(PermissionError, match="other users"):
        _cache.make_private(tmp_path / "new")


def test_work_that_is_finished_whatever_is_raised():
    """Also where it deals with what was raised before."""
    # Calls in C: the interrupt is pending when the division has failed.
    calls = iter([_thread.interrupt_main, partial(operator.truediv, 1, 0)])
    error = _shield.finish(partial(deque, map(operator.call, calls)))
    assert isinstance(error, ZeroDivisionError)
    assert list(calls) == []

    done = []
    assert _shield.finish(lambda: done.append(1)) is None
    assert done == [1]


def test_work_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(_shield, "_MOST_TRIES", 3)
    with_error = []

    def fail():
        with_error.append(1)
        raise MemoryError

    assert isinstance(_shield.finish(fail), MemoryError)
    assert with_error == [1] * 3


def test_work_as_python_ends(monkeypatch):
    """A thread would start, and never run."""
    monkeypatch.setattr(_shield.sys, "is_finalizing", lambda: True)
    assert _shield.shielded(threading.get_ident) == threading.get_ident()


def test_the_stack_of_the_other_thread(monkeypatch):
    """It is the system's usual one, whatever the program leaves to its threads."""
    sizes, size = [], [2**16]

    def stack_size(new):
        old, size[0] = size[0], new
        return old

    def start(*arguments):
        sizes.append(size[0])
        return _thread.start_new_thread(*arguments)

    changed = threads(stack_size=stack_size, start_new_thread=start)
    monkeypatch.setattr(_shield, "_thread", changed)
    assert _shield.shielded(lambda: 1) == 1
    assert sizes == [0]
    assert size == [2**16]


def test_who_holds_llvm_s_lock_compiles_alone(monkeypatch):
    """It may have been left behind by an exception, and another thread would wait."""
    monkeypatch.setattr(_jit, "_compile", lambda unit, dtype: threading.get_ident())
    unit = _jit.Unit(lambda: None, None)
    with ffi.lib._lock:
        assert _forks.holds_a_lock()
        assert unit._get("float32") == threading.get_ident()
    assert not _forks.holds_a_lock()
    monkeypatch.setattr(_forks.ffi, "lib", object())  # as other versions may have it
    assert not _forks.holds_a_lock()


def test_who_holds_the_compilers_compiles_alone(monkeypatch):
    """A handler that predicts while a process forks, or while Numba compiles."""
    monkeypatch.setattr(_jit, "_compile", lambda unit, dtype: threading.get_ident())
    unit = _jit.Unit(lambda: None, None)
    assert unit._get("float32") != threading.get_ident()
    _forks.before_fork()
    try:
        assert unit._get("float64") == threading.get_ident()
    finally:
        _forks.after_fork()
    assert unit._get("int8") != threading.get_ident()


def conditional_loops(tree, guarded=False):
    """Yield the lines of loops with a condition within `try` or `with`."""
    for node in ast.iter_child_nodes(tree):
        inside = guarded or isinstance(tree, ast.Try | ast.With)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = False
        loops = isinstance(node, ast.While) and not isinstance(node.test, ast.Constant)
        if loops and inside:
            yield node.lineno
        yield from conditional_loops(node, inside)


def test_interrupts_in_loops_reach_the_handlers_around_them():
    """Python 3.12 and 3.13 jump back to a loop's condition outside of its `try`.

    What a signal raises there, no handler of the function sees.
    """
    sample = "try:\n while a:\n  pass\nfinally:\n pass\nwhile b:\n pass"
    assert list(conditional_loops(ast.parse(sample))) == [2]
    modules = [_shield, sys.modules["fastnn"]]
    folders = [Path(module.__file__).parent for module in modules]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    assert len(paths) > 100
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not list(conditional_loops(tree)), path
