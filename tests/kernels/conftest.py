"""Fixtures of the kernels' tests."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _silent_floats():
    """Let overflow and NaN pass in silence, as in compiled code.

    Without a compiler the kernels compute with NumPy's scalars, which warn.
    """
    with np.errstate(all="ignore"):
        yield


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Each of the two types of numbers."""
    return np.dtype(request.param)
