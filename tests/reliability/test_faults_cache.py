"""Folders for compiled kernels that fail: full, read-only, gone, planted, shared."""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from fastnn.kernels import _cache, _host
from helpers import run_python

import fastnn

pytestmark = [
    pytest.mark.skipif(_host.JIT_DISABLED, reason="nothing is compiled"),
    pytest.mark.skipif(sys.platform == "win32", reason="modes and limits are POSIX's"),
]
is_root = hasattr(os, "geteuid") and os.geteuid() == 0

# One kernel of a folder's: what `_jit` does for any other.
ONE = """
import json, pathlib, shutil, sys
import numpy as np
from fastnn.kernels import _jit, activations
def relu():
    arena = np.array([-1, 2, -3, 4], np.float32)
    _jit._compile(activations.relu, np.dtype("float32"))(arena, 0, 4)
    return arena.tolist()
"""


def test_disk_that_fills_up(tmp_path):
    """No file may grow beyond some bytes: the kernel works, one warning says why."""
    code = """
    import resource, warnings
    import fastnn
    from fastnn.learning import preparation
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    values = relu(), relu()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):  # as each fit begins
            preparation.check_parameters(fastnn.MLPRegressor())
    print(json.dumps([values, _jit.CACHE_FOLDER, _jit.CACHE_PROBLEM,
                      [str(w.message) for w in caught]]))
    """
    values, folder, problem, caught = run_python(
        ONE, code, NUMBA_CACHE_DIR=str(tmp_path)
    )
    assert values == [[0, 2, 0, 4]] * 2
    assert folder is None
    (warning,) = caught
    assert "cannot be kept between processes" in warning
    assert problem in warning
    assert "NUMBA_CACHE_DIR" in warning
    assert all(path.stat().st_size <= 3000 for path in tmp_path.rglob("*.nb?"))


def test_folder_that_vanishes(tmp_path):
    """Between import and fit: a file lies in its place."""
    code = """
    parent = pathlib.Path(_jit.CACHE_FOLDER).parent
    shutil.rmtree(parent)
    parent.write_text("")
    print(json.dumps([relu(), relu(), _jit.CACHE_FOLDER, _jit.CACHE_PROBLEM]))
    """
    first, second, folder, problem = run_python(
        ONE, code, NUMBA_CACHE_DIR=str(tmp_path)
    )
    assert first == second == [0, 2, 0, 4]
    assert folder is None
    assert problem


FOUND = "from fastnn.kernels import _jit; import json, fastnn"
PRINT_FOUND = "print(json.dumps([_jit.CACHE_FOLDER, _jit.CACHE_PROBLEM]))"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_folder_that_not_even_root_can_make():
    folder, problem = run_python(FOUND, PRINT_FOUND, NUMBA_CACHE_DIR="/proc/self/cache")
    assert folder is None
    assert "/proc/self/cache" in problem


def test_user_without_a_home():
    """No variable tells a home, and the system does not know the user."""
    code = """
    import os, pwd
    for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        os.environ.pop(name, None)
    def unknown(*user):
        raise KeyError(f"uid not found: {user}")
    pwd.getpwuid = pwd.getpwnam = unknown
    """
    folder, problem = run_python(code, FOUND, PRINT_FOUND)
    assert folder is None
    assert "home" in problem


def test_import_from_an_archive(tmp_path):
    """Its sources cannot be told apart from another version's, so nothing is kept."""
    archive = tmp_path / "library.zip"
    folders = {
        "fastnn": fastnn.__path__[0],
        "fastnn/kernels": Path(_cache.__file__).parent,
    }
    with zipfile.ZipFile(archive, "w") as file:
        for name, folder in folders.items():
            for path in Path(folder).rglob("*.py"):
                file.write(path, Path(name, path.relative_to(folder)))
    code = "import sys; sys.path.insert(0, sys.argv[1]); import json"
    end = """
    import fastnn
    print(json.dumps([relu(), fastnn.__file__, fastnn.MLPRegressor().alpha,
                      _jit.CACHE_FOLDER, _jit.CACHE_PROBLEM]))
    """
    values, place, alpha, folder, problem = run_python(
        code, ONE, end, args=(archive,), NUMBA_CACHE_DIR=str(tmp_path)
    )
    assert place.startswith(str(archive))
    assert values == [0, 2, 0, 4]
    assert alpha == 0.0001
    assert folder is None
    assert "sources" in problem


PLANT = """
import pickle
from fastnn.kernels import _cache
class Bomb:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(sys.argv[1]),)
folder = pathlib.Path(sys.argv[2])
relu()
indices = list(folder.rglob("*.nbi"))
assert len(indices) == 1, indices
indices[0].write_bytes(pickle.dumps(Bomb()))
"""
# Begins anew in each folder, as a process would.
TRY_EACH = """
found = []
mark = pathlib.Path(sys.argv[1])
import os
from fastnn.kernels import _cache
for place in json.loads(sys.argv[2]):
    os.environ["NUMBA_CACHE_DIR"] = place
    _jit.CACHE_FOLDER, _jit.CACHE_PROBLEM = _cache.find_folder()
    values = relu()
    used = _jit.CACHE_FOLDER and str(_jit.CACHE_FOLDER)
    found.append([values, mark.exists(), used, _jit.CACHE_PROBLEM])
    mark.unlink(missing_ok=True)
print(json.dumps(found))
"""
WRITABLE = [
    (level, mode)
    for level in ("fastnn", "key", "float32")
    for mode in (0o777, 0o770, 0o720)
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Return folders with a pickle that runs code, and what happened in each."""
    first = tmp_path_factory.mktemp("first")
    mark = tmp_path_factory.mktemp("mark") / "was run"
    run_python(ONE, PLANT, "print(0)", args=(mark, first), NUMBA_CACHE_DIR=str(first))
    assert not mark.exists()
    cases = {"private": first}
    spoilt = [*WRITABLE, *(FOREIGN if is_root else [])]
    for number, case in enumerate(spoilt):
        cases[case] = copy = shutil.copytree(first, first.parent / f"copy-{number}")
        (key,) = (copy / "fastnn").iterdir()
        places = {"fastnn": key.parent, "key": key, "float32": key / "float32"}
        level, change = case
        if change == "owner":
            os.chown(places[level], 65534, 65534)
        else:
            places[level].chmod(change)
    folders = json.dumps(list(map(str, cases.values())))
    found = run_python(ONE, TRY_EACH, args=(mark, folders))
    return dict(zip(cases, found, strict=True))


FOREIGN = [("fastnn", "owner"), ("key", "owner"), ("float32", "owner")]


def test_a_planted_file_would_be_run(planted):
    """In a folder of one's own: so the tests below do plant something dangerous.

    The kernel is compiled again all the same.
    """
    values, was_run, used, problem = planted["private"]
    assert was_run
    assert values == [0, 2, 0, 4]
    assert used
    assert problem is None


def assert_refused(found):
    values, was_run, used, problem = found
    assert not was_run
    assert values == [0, 2, 0, 4]
    assert used is None
    assert problem.endswith("can be written by other users")


@pytest.mark.parametrize("case", WRITABLE, ids=str)
def test_planted_files_are_not_run_where_others_can_write(planted, case):
    assert_refused(planted[case])


@pytest.mark.skipif(not is_root, reason="only root gives files away")
@pytest.mark.parametrize("case", FOREIGN, ids=str)
def test_planted_files_of_another_user_are_not_run(planted, case):
    assert_refused(planted[case])


# Sixteen processes that begin at once, each with some kernels in an order of its own,
# and a few of them with a fit. They are forked, so that they share what is imported.
CROWD = """
import hashlib, json, os, random, sys, warnings
import numpy as np
from scipy import sparse
from helpers import make_data, weights_of
import fastnn
from fastnn import compilation
from fastnn.kernels import _jit
warnings.simplefilter("ignore")

FITTED = 0, 6
FORMS = [np.ascontiguousarray, np.asfortranarray, lambda X: X[::-1][::-1],
         sparse.csr_matrix]
def fit(i):
    dtype, form = ["float32", "float64"][i % 2], FORMS[i // 2 % 4]
    X, y = make_data("regression", n=30, p=3)
    model = fastnn.MLPRegressor((2,), max_iter=2, dtype=dtype, random_state=i,
                                n_threads=1)
    model.fit(form(X), y)
    arrays = [*weights_of(model), model.predict(form(X))]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()

def kernels():
    return [kernel for unit in compilation.units().values()
            for kernel in unit._compiled.values()]

def misses():
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels())

def report(i):
    return [fit(i), misses(), _jit.CACHE_PROBLEM]
"""
AT_ONCE = """
names = json.loads(sys.argv[1])
units = compilation.units()
start, go = os.pipe()
reports, children = [], []
for i in range(16):
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        os.close(go)
        os.read(start, 1)  # ends when the parent closes its end: for all at once
        try:
            random.Random(i).shuffle(names)
            for name in names[:3]:
                units[name][["float32", "float64"][i % 2]]
            got = report(i) if i in FITTED else [None, misses(), _jit.CACHE_PROBLEM]
            os.write(send, json.dumps(got).encode())
        finally:
            os._exit(0)
    os.close(send)
    children.append(child)
    reports.append(receive)
os.close(go)
found = []
for receive, child in zip(reports, children):
    with os.fdopen(receive) as file:
        found.append(json.loads(file.read() or "null"))
    os.waitpid(child, 0)
print(json.dumps(found))
"""
ALL = """
reports = [report(i) for i in range(16)]
print(json.dumps([reports, [name for name, unit in compilation.units().items()
                            if unit._compiled]]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_sixteen_processes_fill_an_empty_cache_at_once(tmp_path):
    """All numbers are those of the user's own cache, now and from the new folder."""
    alone, names = run_python(CROWD, ALL)
    assert len(names) > 15
    assert len({weights for weights, _, _ in alone}) == 16
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    found = run_python(CROWD, AT_ONCE, args=(json.dumps(names),), timeout=250, **env)
    assert None not in found
    fitted = [i for i, got in enumerate(found) if got[0] is not None]
    assert len(fitted) == 2  # dense and sparse rows
    assert [found[i][0] for i in fitted] == [alone[i][0] for i in fitted]
    assert {got[2] for got in found} == {None}
    assert sum(got[1] for got in found) > 0  # the folder was empty
    later, _ = run_python(CROWD, ALL, timeout=250, **env)
    assert [got[0] for got in later] == [got[0] for got in alone]
    assert later[0][1] == 0  # its kernels were not compiled again


def test_a_working_folder_that_is_gone(tmp_path):
    """Numba needs one to compile; an error says so, and the cache is not given up."""
    gone, cache = tmp_path / "gone", tmp_path / "cache"
    gone.mkdir()
    code = """
    import os
    os.chdir(sys.argv[1])
    os.rmdir(sys.argv[1])
    try:
        relu()
        told = "nothing"
    except FileNotFoundError as error:
        told = str(error)
    os.chdir("/")
    print(json.dumps([told, relu(), _jit.CACHE_PROBLEM]))
    """
    told, values, problem = run_python(
        ONE, code, args=(gone,), NUMBA_CACHE_DIR=str(cache)
    )
    assert "working folder was deleted" in told
    assert values == [0, 2, 0, 4]
    assert problem is None
    assert list(cache.rglob("*.nbc"))


def test_a_relative_folder_stays_where_it_is(tmp_path):
    """Wherever the program goes."""
    away = tmp_path / "away"
    away.mkdir()
    code = """
    import os
    os.chdir(sys.argv[1])
    print(json.dumps([relu(), _jit.CACHE_PROBLEM]))
    """
    start = "import os, sys; os.chdir(sys.argv[2])"
    found = run_python(
        start, ONE, code, args=(away, tmp_path), NUMBA_CACHE_DIR="relative"
    )
    assert found == [[0, 2, 0, 4], None]
    assert list((tmp_path / "relative").rglob("*.nbc"))
    assert list(away.iterdir()) == []


def test_the_fit_that_finds_the_folder_useless_says_so(tmp_path):
    """One that was replaced while the process ran; no later fit says it again."""
    code = """
    import warnings
    import fastnn
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    shutil.rmtree(_jit.CACHE_FOLDER.parent)
    _jit.CACHE_FOLDER.parent.write_text("a file")
    told = []
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fastnn.Perceptron().fit(X, y)
        told.append(["cannot be kept" in str(w.message) for w in caught].count(True))
    print(json.dumps(told))
    """
    found = run_python(ONE, code, NUMBA_CACHE_DIR=str(tmp_path), timeout=200)
    assert found == [1, 0]
