"""Compiling all kernels ahead of the first fit."""

import importlib
import pkgutil

from . import kernels, threads
from .kernels import team, training
from .kernels._jit import Unit


def units():
    """Return every unit of the kernels, by module and name."""
    found = {}
    for module in pkgutil.iter_modules(kernels.__path__):
        content = vars(importlib.import_module(f"{kernels.__name__}.{module.name}"))
        for name, value in content.items():
            if isinstance(value, Unit) and value.function.__module__.endswith(
                f".{module.name}"
            ):
                found[f"{module.name}.{name}"] = value
    return found


def compile_parallel(dtype):
    """Compile the loops that share work among threads.

    A fit does that when it has worked for a while, and not before.
    """
    if not threads.can_start():
        return
    for unit in (team.train_worker, team.train_parallel, training.predict_parallel):
        unit[dtype]


def compile_all(dtypes=("float32", "float64"), report=None):
    """Compile every kernel, or load what was compiled before.

    Those for threads are left out where no thread can be started.

    Parameters
    ----------
    dtypes : sequence of str
    report : callable, default=None
        Called with the number of kernels done, their number, and the name of the next.
    """
    todo = [
        (name, unit, dtype)
        for dtype in dtypes
        for name, unit in units().items()
        if not unit.parallel or threads.can_start()
    ]
    for done, (name, unit, dtype) in enumerate(todo):
        if report is not None:
            report(done, len(todo), f"{name} {dtype}")
        if not unit.parallel or threads.can_start():
            unit[dtype]  # compiles
