"""What the kernels ask of the machine, the compiler and the cache folder."""

import errno
import importlib.util
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from fastnn.kernels import _cache, _host, _jit, layout, losses, outputs, team, training
from kernel_tools import JIT_DISABLED

NO_HOME = "Could not determine home directory."


@pytest.mark.parametrize(
    ("features", "machine", "expected"),
    [
        ({"avx512f", "avx2", "fma"}, "x86_64", (64, 4)),
        ({"avx2", "fma"}, "x86_64", (32, 2)),
        ({"avx2"}, "x86_64", (16, 2)),
        (set(), "x86_64", (16, 2)),
        ({"neon"}, "aarch64", (16, 4)),
        (set(), "arm64", (16, 4)),
    ],
)
def test_choice_of_vectors(features, machine, expected):
    assert _host._choose(features, machine) == expected


def test_features_that_cannot_be_read(monkeypatch):
    def fail():
        raise RuntimeError("no such thing here")

    monkeypatch.setattr(_host.llvm, "get_host_cpu_features", fail)
    assert _host._features() == set()


def load_again(module, monkeypatch, **patches):
    """Run a kernel module's source once more, under another name."""
    name = f"{module.__name__}_again"
    for attribute, value in patches.items():
        owner, _, last = attribute.rpartition("__")
        target = {"host": _host, "cache": _cache}[owner]
        monkeypatch.setattr(target, last, value)
    spec = importlib.util.spec_from_file_location(name, module.__file__)
    again = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, again)
    spec.loader.exec_module(again)
    return again


@pytest.mark.parametrize(("size", "vectors"), [("16", 2), ("32", 2), ("64", 4)])
def test_vector_size_can_be_chosen(size, vectors, monkeypatch):
    monkeypatch.setenv("FASTNN_VECTOR_BYTES", size)
    again = load_again(_host, monkeypatch)
    assert (int(size), vectors) == (again.VECTOR_BYTES, again.TILE_VECTORS)
    assert again.lanes_of(4) == int(size) // 4
    assert again.panel_width(8) == int(size) // 8 * vectors


def test_other_vector_sizes_are_ignored(monkeypatch):
    monkeypatch.setenv("FASTNN_VECTOR_BYTES", "48")
    assert load_again(_host, monkeypatch).VECTOR_BYTES in {16, 32, 64}


def test_description_tells_machines_apart(monkeypatch):
    """A key that did not change with these would hand out the wrong code."""
    seen = {_host.describe()}
    for name, value in [
        ("VECTOR_BYTES", 8),
        ("TILE_VECTORS", 9),
        ("TILE_ROWS", 5),
        ("SIMD", "other"),
    ]:
        monkeypatch.setattr(_host, name, value)
        assert _host.describe() not in seen
        seen.add(_host.describe())
    monkeypatch.setattr(_host.llvm, "get_host_cpu_name", lambda: "another")
    assert _host.describe() not in seen


@pytest.mark.parametrize(
    ("n", "multiple", "expected"), [(0, 8, 0), (1, 8, 8), (8, 8, 8)]
)
def test_round_up(n, multiple, expected):
    assert _host.round_up(n, multiple) == expected


def test_key_depends_on_every_source(tmp_path, monkeypatch):
    """One changed byte in any kernel file, or a new file: another folder."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"x = '{name}'\n")
    monkeypatch.setattr(_cache, "__file__", str(tmp_path / "_cache.py"))
    keys = [_cache._key()]
    assert _cache._key() == keys[0]
    (tmp_path / "b.py").write_text("x = 'c.py'\n")
    keys.append(_cache._key())
    (tmp_path / "c.py").write_text("")
    keys.append(_cache._key())
    monkeypatch.setattr(_host, "describe", lambda: "another machine")
    keys.append(_cache._key())
    monkeypatch.setattr(_cache.numba, "__version__", "0.0")
    keys.append(_cache._key())
    assert len(set(keys)) == 5


@pytest.fixture
def no_variables(monkeypatch):
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_folder_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    folder, problem = _cache.find_folder()
    assert problem is None
    assert folder == tmp_path / "chosen" / "fastnn" / _cache._key()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(folder.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_folder_of_the_user(tmp_path, monkeypatch, no_variables):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _cache.find_folder()[0].parent == tmp_path / ".cache" / "fastnn"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert _cache.find_folder()[0].parent == tmp_path / "xdg" / "fastnn"


def test_no_home(monkeypatch, no_variables):
    def fail():
        raise RuntimeError(NO_HOME)

    monkeypatch.setattr(_cache.Path, "home", fail)
    assert _cache.find_folder() == (None, NO_HOME)


def test_a_file_in_the_way(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    folder, problem = _cache.find_folder()
    assert folder is None
    assert "file" in problem


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs modes of files")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
@pytest.mark.parametrize("level", ["fastnn", "key"])
def test_folder_that_others_can_write_is_refused(level, mode, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    place = tmp_path / "fastnn"
    if level == "key":
        place = place / _cache._key()
    place.mkdir(parents=True)
    place.chmod(mode)
    folder, problem = _cache.find_folder()
    assert folder is None
    assert problem == f"{place} can be written by other users"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners of files")
def test_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(_cache.os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert _cache.find_folder()[0] is None


def test_cache_is_looked_for_only_with_a_compiler(monkeypatch):
    """And what is found is kept."""
    answers = {"cache__find_folder": lambda: ("here", "why")}
    again = load_again(_jit, monkeypatch, host__JIT_DISABLED=True, **answers)
    assert again.CACHE_FOLDER is None
    again = load_again(_jit, monkeypatch, host__JIT_DISABLED=False, **answers)
    assert (again.CACHE_FOLDER, again.CACHE_PROBLEM) == ("here", "why")


def test_failed_cache_is_given_up(tmp_path, monkeypatch):
    """The unit is compiled all the same, and the reason is kept."""

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(_jit, "CACHE_PROBLEM", None)
    monkeypatch.setattr(_jit, "_compile_cached", fail)
    compiled = _jit._compile(outputs.output_identity, np.dtype("float32"))
    arena = np.ones(9, np.float32)
    compiled(arena, 0, 4, 1, 4)
    np.testing.assert_array_equal(arena, 1)
    assert _jit.CACHE_FOLDER is None
    assert _jit.CACHE_PROBLEM == "OSError: disk full"


def test_compiled_with_a_cache(tmp_path, monkeypatch):
    """Numba's own setting is as before."""
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    before = _jit.numba.config.CACHE_DIR
    compiled = _jit._compile(outputs.output_identity, np.dtype("float64"))
    assert before == _jit.numba.config.CACHE_DIR
    assert compiled(np.ones(9), 0, 4, 1, 4) is None
    assert tmp_path == _jit.CACHE_FOLDER
    if not JIT_DISABLED:
        assert list((tmp_path / "float64").rglob("*.nbc"))


def test_a_damaged_file_is_replaced(tmp_path, monkeypatch):
    """The unit's own files go, others stay, and the cache is used again."""
    folder = tmp_path / "float32" / "kernels"
    folder.mkdir(parents=True)
    mine, other = folder / "x.output_identity-1.nbi", folder / "x.output_exp-1.nbi"
    mine.touch()
    other.touch()
    attempts = []

    def fail_once(function, signature, options, dtype):
        attempts.append(mine.exists())
        if len(attempts) == 1:
            raise EOFError("Ran out of input")
        return function

    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(_jit, "_compile_cached", fail_once)
    unit = outputs.output_identity
    assert _jit._compile(unit, np.dtype("float32")) is unit.function
    assert attempts == [True, False]
    assert other.exists()
    assert tmp_path == _jit.CACHE_FOLDER


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
@pytest.mark.parametrize("fixed", [True, False])
def test_code_with_addresses_of_this_process_is_not_kept(tmp_path, fixed):
    """Numba would read an attribute that our folders have not, to warn of it."""
    cache = _jit._cache_in(tmp_path, outputs.output_identity.function)
    library = SimpleNamespace(has_dynamic_globals=not fixed)
    found = SimpleNamespace(lifted=(), library=library)
    assert cache._impl.check_cachable(found) is fixed


def test_no_free_descriptor_is_no_fault_of_the_cache(tmp_path, monkeypatch):
    """The unit is compiled without it; no file is deleted, and it is used again."""
    path = tmp_path / "float32" / "x.output_identity-1.nbi"
    path.parent.mkdir()
    path.touch()

    def fail(*arguments):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(_jit, "_compile_cached", fail)
        compiled = _jit._compile(outputs.output_identity, np.dtype("float32"))
    arena = np.ones(9, np.float32)
    compiled(arena, 0, 4, 1, 4)
    np.testing.assert_array_equal(arena, 1)
    assert path.exists()
    assert tmp_path == _jit.CACHE_FOLDER


def test_a_working_folder_that_is_gone_is_named(tmp_path, monkeypatch):
    """The cache is not to blame; any other missing file is told of as it is."""

    def fail(*arguments, **options):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(_jit, "_compile_cached", fail)
    monkeypatch.setattr(_jit.numba, "njit", fail)
    with pytest.raises(FileNotFoundError, match="No such file"):
        _jit._compile(outputs.output_identity, np.dtype("float32"))
    monkeypatch.setattr(_jit.os, "getcwd", fail)
    with pytest.raises(FileNotFoundError, match="working folder was deleted"):
        _jit._compile(outputs.output_identity, np.dtype("float32"))
    assert tmp_path == _jit.CACHE_FOLDER


def test_no_compilation_with_a_short_stack(monkeypatch):
    """Numba would come to its end somewhere, and may end the process."""
    calls = []
    monkeypatch.setattr(_jit.sys, "getrecursionlimit", lambda: _jit.FEWEST_CALLS - 1)
    with pytest.raises(RecursionError, match="setrecursionlimit"):
        _jit._apart(lambda: calls.append(1))
    monkeypatch.setattr(_jit.sys, "getrecursionlimit", lambda: _jit.FEWEST_CALLS)
    _jit._apart(lambda: calls.append(2))
    assert calls == [2]


def test_parallel_units_are_compiled_so(monkeypatch):
    """The option reaches Numba, and the other units do not have it."""
    seen = []

    def njit(signature, **options):
        seen.append(options.get("parallel", False))
        return lambda function: function

    monkeypatch.setattr(_jit, "CACHE_FOLDER", None)
    monkeypatch.setattr(_jit.numba, "njit", njit)
    _jit._compile(team.train_parallel, np.dtype("float64"))
    _jit._compile(training.train_serial, np.dtype("float64"))
    assert seen == [True, False]


def test_a_unit_is_compiled_once(monkeypatch):
    calls = []
    monkeypatch.setattr(_host, "JIT_DISABLED", False)
    monkeypatch.setattr(
        _jit, "_compile", lambda unit, dtype: calls.append(dtype) or (unit, dtype)
    )
    unit = _jit.Unit(lambda arena: None, layout.PACK)
    for dtype in ("float32", np.float64, np.dtype("float32"), "float64"):
        assert unit[dtype] == (unit, np.dtype(dtype))
    assert calls == ["float32", "float64"]


def test_an_address_is_asked_for_once(monkeypatch):
    asked = []
    library = SimpleNamespace(
        get_pointer_to_function=lambda name: asked.append(name) or 4711
    )
    result = SimpleNamespace(
        fndesc=SimpleNamespace(llvm_func_name="symbol"), library=library
    )
    monkeypatch.setattr(_host, "JIT_DISABLED", False)
    monkeypatch.setattr(
        _jit, "_compile", lambda *_: SimpleNamespace(overloads={"one": result})
    )
    unit = _jit.Unit(lambda arena: None, layout.PACK)
    dtype = np.dtype("float32")
    assert [unit.address(dtype), unit.address(dtype)] == [4711, 4711]
    assert asked == ["symbol"]


def test_a_call_is_an_intrinsic_where_there_is_a_compiler(monkeypatch):
    monkeypatch.setattr(_host, "JIT_DISABLED", False)
    interface = _jit.Interface(layout.PACK.arguments, 4)
    with pytest.raises(NotImplementedError, match="not usable in pure-python"):
        interface.call(0, None, None, None, 0)


def test_units_show_their_names():
    assert repr(layout.pack) == "<unit pack>"
    assert "IN" in layout.pack.__doc__


@pytest.mark.skipif(not JIT_DISABLED, reason="with a compiler, calls are machine code")
def test_calls_by_address_without_a_compiler():
    arena = np.zeros(6)
    losses.OUTPUT.call(outputs.output_exp.address(np.float64), arena, 0, 4, 1, 3)
    np.testing.assert_allclose(arena, [1, 1, 1, 0, 0, 0], rtol=1e-15)


@pytest.mark.skipif(_host.JIT_DISABLED, reason="helpers are plain functions then")
def test_helpers_refuse_calls_from_python():
    """They are compiled without the code for such calls, which would be a crash."""
    with pytest.raises(TypeError, match="layer_field is called by other kernels only"):
        layout.layer_field(np.zeros(300, np.int64), 0, 1)
