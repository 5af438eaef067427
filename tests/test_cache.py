"""Compiled kernels are kept between processes, and no folder can break a fit."""

import json
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest
from fastnn.kernels import _host, _jit, activations

pytestmark = [
    pytest.mark.skipif(_host.JIT_DISABLED, reason="nothing is compiled"),
    pytest.mark.timeout(300),
]

# A tiny fit of one dtype. Prints the weights, what was compiled and what was read
# from the cache, the warnings, and Numba's setting.
FIT = """
import json, sys, warnings
import numba
import numpy as np
from fastnn import MLPEstimator
from fastnn.kernels import _cache, _jit
before = numba.config.CACHE_DIR
X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for repeat in range(2):
        net = MLPEstimator(
            (2,), task="regression", max_iter=2, tol=1e-9, random_state=0,
            n_threads=1,
        ).fit(X, X[:, 0])
units = [
    unit
    for name, module in list(sys.modules.items())
    if name.startswith("fastnn.kernels")
    for unit in vars(module).values()
    if isinstance(unit, _jit.Unit)
]
made = [kernel for unit in units for kernel in unit._compiled.values()]
print(json.dumps({
    "weights": np.concatenate([np.ravel(W) for W in net.coefs_]).tolist(),
    "made": len(made),
    "hits": sum(sum(kernel.stats.cache_hits.values()) for kernel in made),
    "misses": sum(sum(kernel.stats.cache_misses.values()) for kernel in made),
    "warnings": [
        str(w.message) for w in caught if w.category is UserWarning
    ],
    "folder": str(_jit.CACHE_FOLDER),
    "problem": _jit.CACHE_PROBLEM,
    "setting": numba.config.CACHE_DIR == before,
}))
"""


def start(folder, before="", **env):
    """Start a fit in a new process; `folder` is its cache, None for the default."""
    variables = {**os.environ, **env}
    variables.pop("NUMBA_CACHE_DIR", None)
    if folder is not None:
        variables["NUMBA_CACHE_DIR"] = str(folder)
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(before) + FIT],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    """Wait for a fit and return what it printed."""
    try:
        out, err = process.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def fit(folder, before="", **env):
    return result(start(folder, before, **env))


def code_files(folder):
    """Return the files of machine code with their times of writing."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.nbc")}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Return a folder that two processes fill at once, and what each said."""
    folder = tmp_path_factory.mktemp("cache")
    both = [start(folder), start(folder)]
    return folder, [result(process) for process in both]


def assert_right(got, cache):
    """Assert that the weights are those of any other fit, bit for bit."""
    assert got["weights"] == cache[1][0]["weights"]
    assert got["setting"]


def test_two_processes_at_once(cache):
    """Both start from nothing; both finish, silently and with the same weights."""
    first, second = cache[1]
    assert first["weights"] == second["weights"]
    assert len(first["weights"]) == 8
    for got in (first, second):
        assert got["warnings"] == []
        assert got["problem"] is None
        assert got["setting"]
        assert got["made"] == got["hits"] + got["misses"] > 10
    assert first["misses"] + second["misses"] > 0
    assert code_files(cache[0])


def test_folder_lies_where_asked_and_is_private(cache):
    folder = Path(cache[1][0]["folder"])
    assert folder.parent == cache[0] / "fastnn"
    assert [path.name for path in folder.iterdir()] == ["float32"]
    if hasattr(os, "geteuid"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_next_process_compiles_nothing(cache):
    fit(cache[0])  # completes what a race may have left out
    before = code_files(cache[0])
    got = fit(cache[0])
    assert_right(got, cache)
    assert got["misses"] == 0
    assert got["hits"] == got["made"] > 10
    assert got["warnings"] == []
    assert code_files(cache[0]) == before


def test_edited_kernels_have_another_folder(cache):
    """One byte more in a copy of the sources: nothing is taken from the old folder."""
    changed = """
    import pathlib, shutil, tempfile
    from fastnn.kernels import _cache
    with tempfile.TemporaryDirectory() as name:
        copy = pathlib.Path(name) / "kernels"
        shutil.copytree(pathlib.Path(_cache.__file__).parent, copy)
        _cache.__file__ = str(copy / "_cache.py")
        same = _cache.find_folder()[0]
        with open(copy / "losses.py", "a") as file:
            file.write(" ")
        other = _cache.find_folder()[0]
    print(same)
    print(other)
    raise SystemExit
    """
    process = start(cache[0], changed)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    same, other = map(Path, out.splitlines())
    assert str(same) == cache[1][0]["folder"]
    assert other.parent == cache[0] / "fastnn"
    assert str(other) != cache[1][0]["folder"]
    assert not list(other.iterdir())


DAMAGE = {
    "empty code": ("*.nbc", lambda data: b""),
    "truncated code": ("*.nbc", lambda data: data[: len(data) // 2]),
    "garbage code": ("*.nbc", lambda data: b"\x00\xff" * 50),
    "empty index": ("*.nbi", lambda data: b""),
    "truncated index": ("*.nbi", lambda data: data[: len(data) // 2]),
    "garbage index": ("*.nbi", lambda data: b"\x80garbage"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files(damage, tmp_path, monkeypatch):
    """A unit whose file is damaged is compiled all the same, and works."""
    pattern, change = DAMAGE[damage]
    dtype = np.dtype("float32")
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(_jit, "CACHE_PROBLEM", None)
    setting = numba.config.CACHE_DIR
    _jit._compile(activations.relu, dtype)
    (path,) = tmp_path.rglob(pattern)
    path.write_bytes(change(path.read_bytes()))
    relu = _jit._compile(activations.relu, dtype)
    arena = np.array([-1, 2, -3, 4], dtype)
    relu(arena, 0, 4)
    np.testing.assert_array_equal(arena, [0, 2, 0, 4])
    assert setting == numba.config.CACHE_DIR
    assert (_jit.CACHE_FOLDER is None) == (_jit.CACHE_PROBLEM is not None)


def test_fit_with_a_damaged_file(cache, tmp_path):
    """Two fits warn at most once and give the right weights."""
    copy = shutil.copytree(cache[0], tmp_path / "copy")
    (path,) = copy.rglob("transposition.transpose-*.nbc")
    path.write_bytes(path.read_bytes()[:100])
    got = fit(copy)
    assert_right(got, cache)
    assert len(got["warnings"]) <= 1


def test_folder_cannot_be_made(cache, tmp_path):
    """A file lies where the folder should: one warning in two fits, right weights."""
    (tmp_path / "file").write_text("")
    got = fit(tmp_path / "file" / "below")
    assert_right(got, cache)
    assert got["folder"] == "None"
    (warning,) = got["warnings"]
    assert "cannot be kept between processes" in warning
    assert "NUMBA_CACHE_DIR" in warning


FIND = """
from fastnn.kernels import _jit
print(_jit.CACHE_FOLDER)
print(_jit.CACHE_PROBLEM)
raise SystemExit
"""


def find(folder, **env):
    """Return the cache folder of a new process and the problem, without a fit."""
    process = start(folder, FIND, **env)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out.splitlines()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs modes of files")
def test_folder_that_all_can_write_is_refused(tmp_path):
    place = tmp_path / "fastnn"
    place.mkdir()
    place.chmod(0o777)
    folder, problem = find(tmp_path)
    assert folder == "None"
    assert problem == f"{place} can be written by other users"
    assert not list(place.rglob("*.nbc"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_home_that_does_not_exist(tmp_path):
    """A home that cannot be made is no reason to fail."""
    (tmp_path / "file").write_text("")
    folder, problem = find(
        None, HOME=str(tmp_path / "file" / "home"), XDG_CACHE_HOME=""
    )
    assert folder == "None"
    assert "file" in problem


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_default_folder(tmp_path):
    folder, problem = find(None, HOME=str(tmp_path), XDG_CACHE_HOME="")
    assert Path(folder).parent == tmp_path / ".cache" / "fastnn"
    assert problem == "None"
    folder, _ = find(None, HOME="/", XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert Path(folder).parent == tmp_path / "xdg" / "fastnn"
