"""What the numbers were measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def count_cores():
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_cores(count):
    """Restrict this process, and those it starts, to `count` threads.

    Call it before the numerical libraries of a child process are loaded.
    """
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(count)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:count])


def describe_machine():
    """Return processor, cores, system and versions in a list of lines."""
    packages = ("numpy", "scipy", "scikit-learn", "numba", "llvmlite")
    return [
        f"processor: {_read_processor()}, cores used: {count_cores()}",
        f"system: {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}",
        ", ".join(f"{name} {_find_version(name)}" for name in packages),
    ]


def _find_version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _read_processor():
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
