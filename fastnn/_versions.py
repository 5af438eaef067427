"""A report of versions and of the machine, for bug reports."""

import platform

import joblib
import llvmlite
import numba
import numpy as np
import scipy
import sklearn

from . import threads
from ._version import __version__
from .kernels import _host, _jit


def show_versions():
    """Print versions, vector width, threads and the folder of compiled kernels.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.show_versions()  # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    fastnn: ...
    python: ...
    numba: ...
    """
    rows = {
        "fastnn": __version__,
        "python": platform.python_version(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "joblib": joblib.__version__,
        "platform": platform.platform(),
        "vectors": f"{_host.VECTOR_BYTES * 8} bits",
        "products": "vector code" if _host.SIMD else "plain loops",
        "threads": threads.available(),
        "threading layer": _layer(),
        "kernels kept in": _jit.CACHE_FOLDER or f"(nowhere: {_jit.CACHE_PROBLEM})",
    }
    for name, value in rows.items():
        print(f"{name:>16}: {value}")


def _layer():
    try:
        return numba.threading_layer()
    except ValueError:
        return f"{numba.config.THREADING_LAYER} (not started)"
