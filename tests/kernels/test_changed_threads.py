"""Numba refuses to compile when its number of threads was changed: in plain words."""

import numpy as np
import pytest
from fastnn.kernels import _jit, outputs

NUMBAS = "Cannot set NUMBA_NUM_THREADS to a different value once the threads have been"
UNIT, DTYPE = outputs.output_identity, np.dtype("float32")


def raising(text):
    def fail(*arguments, **options):
        raise RuntimeError(text)

    return fail


@pytest.mark.parametrize("cached", [True, False])
def test_the_message_has_a_remedy(cached, tmp_path, monkeypatch):
    """And neither the files of the cache nor the cache itself are given up."""
    mine = tmp_path / "float32" / "x.output_identity-1.nbi"
    mine.parent.mkdir()
    mine.touch()
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path if cached else None)
    monkeypatch.setattr(_jit, "CACHE_PROBLEM", None)
    monkeypatch.setattr(_jit, "_compile_cached", raising(NUMBAS))
    monkeypatch.setattr(_jit.numba, "njit", raising(NUMBAS))
    with pytest.raises(RuntimeError, match=r"was changed after.*Set it back") as caught:
        _jit._compile(UNIT, DTYPE)
    assert NUMBAS in str(caught.value.__cause__)
    assert mine.exists()
    assert _jit.CACHE_PROBLEM is None


def test_other_errors_of_the_compiler_are_its_own(monkeypatch):
    monkeypatch.setattr(_jit, "CACHE_FOLDER", None)
    monkeypatch.setattr(_jit.numba, "njit", raising("something else"))
    with pytest.raises(RuntimeError, match=r"^something else$"):
        _jit._compile(UNIT, DTYPE)
