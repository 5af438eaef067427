"""What is known to go wrong with Numba, and cannot go wrong in these kernels.

Rules about their source, and what the compiler makes of it. What needs a process of
its own is in `test_traps_processes`; `docs/reliability_traps.md` lists all of them.
"""

import ast
import re
import shutil
import signal
import threading
import tomllib
from pathlib import Path

import numba
import numpy as np
import pytest
from fastnn.kernels import _cache, _host, _jit, activations, sparse, team, training
from helpers import (
    DENSE_FORMS,
    NAMES,
    SPARSE_FORMS,
    data_for,
    error_of,
    estimator_of,
    ignore_convergence,
    make_data,
    outputs,
    partial_fit_args,
    snapshot,
)
from numba import types
from numba.core import event
from scipy import sparse as scipy_sparse

from fastnn import MLPClassifier, MLPEstimator, compilation
from fastnn.model_selection import GridSearchCV
from fastnn.structure.network import Rows

pytestmark = ignore_convergence

KERNELS = sorted(Path(_jit.__file__).parent.glob("*.py"))
ROOT = Path(__file__).resolve().parents[2]
TREES = {path.name: ast.parse(path.read_text("utf-8")) for path in KERNELS}
COMPILED = {"unit", "inner", "exact_inner"}
JIT = pytest.mark.skipif(_host.JIT_DISABLED, reason="nothing is compiled")


def name_of(node):
    """Return the last name of a call, an attribute or a name."""
    node = node.func if isinstance(node, ast.Call) else node
    return getattr(node, "attr", getattr(node, "id", ""))


KERNEL_FUNCTIONS = [
    (where, node)
    for where, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef)
    and COMPILED & {name_of(decorator) for decorator in node.decorator_list}
]


def test_there_are_kernels_to_look_at():
    assert len(KERNEL_FUNCTIONS) > 150
    assert {"prange"} <= {name_of(n) for t in TREES.values() for n in ast.walk(t)}


ALLOCATE = {"zeros", "empty", "ones", "full", "array", "arange", "append", "copy"}
ALLOCATE |= {"zeros_like", "empty_like", "concatenate", "astype", "reshape"}


def test_kernels_raise_nothing_and_allocate_nothing():
    """Below a parallel loop an exception is lost, with the rest of a thread's work.

    And what is allocated in it has been hoisted out of the loop by mistake before.
    """
    forbidden = (
        *(ast.Raise, ast.Assert, ast.Try, ast.With, ast.List, ast.Dict, ast.Set),
        *(ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp, ast.Lambda),
    )
    for where, function in KERNEL_FUNCTIONS:
        for node in ast.walk(ast.Module(function.body, [])):
            assert not isinstance(node, forbidden), f"{where}: {function.name}"
            if isinstance(node, ast.Call):
                banned = ALLOCATE if isinstance(node.func, ast.Attribute) else {"print"}
                assert name_of(node) not in banned, f"{where}: {function.name}"


def test_kernels_call_no_blas_and_draw_no_numbers():
    """Its threads would fight with ours; Numba's generator belongs to each thread."""
    for where, tree in TREES.items():
        for node in ast.walk(tree):
            assert not isinstance(node, ast.MatMult), where
            names = {getattr(node, "attr", ""), getattr(node, "id", "")}
            assert not names & {"dot", "vdot", "matmul", "linalg", "einsum"}, where
            assert not names & {"random", "rand", "randn", "default_rng"}, where


def test_a_parallel_loop_is_one_call_with_a_signed_number():
    """Its index is unsigned, and mixed with signed numbers would become a float."""
    loops = [
        (function, node)
        for _, function in KERNEL_FUNCTIONS
        for node in ast.walk(function)
        if isinstance(node, ast.For) and name_of(node.iter) == "prange"
    ]
    assert len(loops) == 2
    for function, loop in loops:
        (only,) = loop.body
        assert isinstance(only.value, ast.Call), function.name
        index = loop.target.id
        uses = [n for n in ast.walk(only) if getattr(n, "id", "") == index]
        signed = [n for n in ast.walk(only) if name_of(n) == "INT"]
        signed = [n for n in signed if isinstance(n, ast.Call)]
        assert len(uses) == len(signed) == 1
        assert signed[0].args[0] is uses[0]


def compiled_now(unit, dtype="float32"):
    """Compile a unit in this process, whatever the cache holds; return the result."""
    options = dict(_jit.OPTIONS, fastmath=_jit.FASTMATH, parallel=unit.parallel)
    arguments = unit.interface.arguments(numba.from_dtype(np.dtype(dtype)))
    dispatcher = numba.njit(types.void(*arguments), **options)(unit.function)
    (result,) = dispatcher.overloads.values()
    return result


@JIT
@pytest.mark.parametrize("unit", [team.train_parallel, training.predict_parallel])
def test_parallel_kernels_are_compiled_to_one_parallel_loop(unit):
    """A loop that cannot be shared is made serial with a warning: an error here."""
    found = compiled_now(unit).metadata["parfor_diagnostics"]
    assert found.count_parfors() == 1


@JIT
@pytest.mark.parametrize(
    "unit", [sparse.load_sparse, sparse.add_sparse_gradient, training.train_serial]
)
def test_numbers_of_places_are_64_bits_wide(unit):
    """int32 products overflow in silence, and uint64 with int64 is a float."""
    notes = compiled_now(unit).type_annotation
    kinds = {t for t in notes.typemap.values() if isinstance(t, types.Integer)}
    assert types.int64 in kinds
    assert types.uint64 not in kinds
    narrow = {
        expression.op
        for expression, signature in notes.calltypes.items()
        if getattr(signature, "return_type", None) == types.int32
    }
    assert narrow <= {"getitem", "static_getitem"}  # CSR's columns are only read


def test_every_kernel_divides_by_numpys_rules(monkeypatch):
    """In parallel loops Numba never raises ZeroDivisionError; elsewhere it would."""
    seen = []

    def njit(*arguments, **options):
        seen.append(options)
        return lambda function: function

    monkeypatch.setattr(_jit, "CACHE_FOLDER", None)
    monkeypatch.setattr(_jit.numba, "njit", njit)
    for unit in compilation.units().values():
        _jit._compile(unit, np.dtype("float32"))
    assert len(seen) > 100
    assert {options["error_model"] for options in seen} == {"numpy"}
    assert _jit.INNER["error_model"] == "numpy"
    assert not any("boundscheck" in options for options in seen)  # left to Numba's


@JIT
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_signature_for_each_file_of_the_cache(dtype, tmp_path, monkeypatch):
    """Two processes that write two signatures to one index can mix them up.

    Then one's code is called with the other's numbers. So there is nothing to mix.
    """
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    for other in ("float32", "float64"):
        relu = _jit._compile(activations.relu, np.dtype(other))
        assert len(relu.overloads) == 1
        assert (tmp_path / other).is_dir()
    assert len(list((tmp_path / dtype).rglob("*.nbi"))) == 1
    assert len(list((tmp_path / dtype).rglob("*.nbc"))) == 1
    relu = _jit._compile(activations.relu, np.dtype(dtype))
    assert sum(relu.stats.cache_hits.values()) == 1
    arena = np.array([-1, 2, -3, 4], dtype)
    relu(arena, 0, 4)
    np.testing.assert_array_equal(arena, [0, 2, 0, 4])
    for wrong in (arena.astype(int), arena[::2], arena.astype("float16")):
        with pytest.raises(TypeError, match="No matching definition"):
            relu(wrong, 0, 2)


@JIT
def test_a_folder_that_is_deleted_while_in_use(tmp_path, monkeypatch):
    """As by a cleaner of temporary files: what comes next is compiled all the same."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(_jit, "CACHE_FOLDER", folder)
    monkeypatch.setattr(_jit, "CACHE_PROBLEM", None)
    _jit._compile(activations.relu, np.dtype("float32"))
    assert list(folder.rglob("*.nbc"))
    shutil.rmtree(folder)
    for _ in range(2):
        relu = _jit._compile(activations.relu, np.dtype("float32"))
        arena = np.array([-1, 2], "float32")
        relu(arena, 0, 2)
        assert arena.tolist() == [0, 2]


class Strike(event.Listener):
    """Sends Ctrl-C when the compiler begins."""

    strikes = 0

    def on_start(self, event):
        if not self.strikes:
            self.strikes += 1
            signal.raise_signal(signal.SIGINT)

    def on_end(self, event):
        pass


@JIT
def test_an_interrupt_while_a_kernel_is_compiled(tmp_path, monkeypatch):
    """It is finished first, and kept; no lock is held; the next call works."""
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(_jit, "CACHE_PROBLEM", None)
    unit = _jit.Unit(activations.relu.function, activations.relu.interface)
    with (
        event.install_listener("numba:compile", Strike()) as listener,
        pytest.raises(KeyboardInterrupt),
    ):
        unit["float32"]
    assert listener is None or listener.strikes == 1
    assert list(unit._compiled) == [np.dtype("float32")]
    made = []
    other = threading.Thread(target=lambda: made.append(unit[np.dtype("float32")]))
    other.start()
    other.join(60)
    arena = np.array([-1, 2], "float32")
    made[0](arena, 0, 2)
    assert arena.tolist() == [0, 2]
    assert list(tmp_path.rglob("*.nbc"))
    assert tmp_path == _jit.CACHE_FOLDER


@JIT
def test_a_version_of_numba_that_is_not_known_loads_by_its_own_rules(
    tmp_path, monkeypatch
):
    """The short cut past its tables is for versions that it was tried with."""
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(_jit, "_LOADS_ALONE", False)
    for hits in (0, 1):
        relu = _jit._compile(activations.relu, np.dtype("float64"))
        assert sum(relu.stats.cache_hits.values()) == hits
        arena = np.array([-1.0, 2.0])
        relu(arena, 0, 2)
        assert arena.tolist() == [0, 2]


def test_settings_of_the_compiler_are_part_of_the_folders_name(monkeypatch):
    """Numba's keys leave them out: code of another setting would be loaded."""
    keys = [_cache._key()]
    names = ("BOUNDSCHECK", "OPT", "CPU_NAME", "CPU_FEATURES", "LOOP_VECTORIZE")
    for name in (*names, "SLP_VECTORIZE", "DEBUGINFO_DEFAULT", "LLVM_REFPRUNE_PASS"):
        monkeypatch.setattr(numba.config, name, "another")
        keys.append(_cache._key())
    assert len(set(keys)) == 9


@JIT
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_compiled_for_another_form_of_the_same_data(name):
    """Layouts, read-only memory and strides would each be a type of Numba's.

    And a closure for each estimator would be compiled anew, and never be freed.
    """
    X, y = data_for(name, n=40, p=4)
    X = np.clip(np.rint(X * 2), -3, 3) + 3
    params = {"hidden_layer_sizes": (4,), "max_iter": 2, "dtype": "float64"}

    def work(form, seed):
        model = estimator_of(name, **params, random_state=seed).fit(form(X), y)
        model.partial_fit(form(X), y, **partial_fit_args(name, y))
        return outputs(model, form(X))

    for form in (np.asarray, scipy_sparse.csr_matrix):
        work(form, 0)
    units = list(compilation.units().values())
    before = [dict(unit._compiled) for unit in units]
    with event.install_recorder("numba:compile") as recorder:
        for seed, form in enumerate([*DENSE_FORMS.values(), *SPARSE_FORMS.values()]):
            work(form, seed)
    assert recorder.buffer == []
    assert [unit._compiled for unit in units] == before
    for unit in units:
        for kernel in unit._compiled.values():
            assert len(kernel.overloads) == 1


FORMS = {
    "csr": scipy_sparse.csr_matrix,
    "csc": scipy_sparse.csc_matrix,
    "csr array": scipy_sparse.csr_array,
}


def thin_data():
    X, y = make_data("multiclass", n=60, p=8)
    X[np.abs(X) < 0.7] = 0
    return X, y


def damage(X, case):
    """Write to the arrays of a sparse matrix after it was made."""
    places = X.indices
    if case == "far outside":
        places[5] = 10**7
    elif case == "negative":
        places[0] = -(10**6)
    elif case == "next place":
        places[X.indptr[1] - 1] = X.shape[X.format == "csr"]
    elif case == "start far outside":
        X.indptr[3] = 10**7
    elif case == "starts go back":
        X.indptr[3] = 0
    elif case == "last start":
        X.indptr[-1] += 1
    return X


DAMAGES = ("far outside", "negative", "next place", "start far outside")
DAMAGES += ("starts go back", "last start")


@pytest.mark.parametrize("case", DAMAGES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("maker", [MLPClassifier, MLPEstimator])
def test_a_damaged_sparse_matrix_is_refused(maker, form, case):
    """Compiled code, SciPy's as well, checks no bounds: it would write elsewhere."""
    dense, y = thin_data()
    good, X = FORMS[form](dense), damage(FORMS[form](dense), case)
    model = maker((5,), max_iter=2, random_state=0).fit(good, y)
    before = snapshot(model)
    calls = [(model.fit, X, y), (model.partial_fit, X, y), (model.predict_proba, X)]
    for method, *arguments in calls:
        with pytest.raises(ValueError, match=r"X is a damaged CS. matrix.*Build it"):
            method(*arguments)
    with pytest.raises(ValueError, match=r"X_val: X is a damaged CS. matrix"):
        model.fit(good, y, X_val=X, y_val=y)
    assert snapshot(model) == before


@pytest.mark.parametrize("side", ["row", "col"])
@pytest.mark.parametrize("place", [-1, 10**7])
def test_a_damaged_list_of_places_is_refused(place, side):
    dense, y = thin_data()
    X = scipy_sparse.coo_matrix(dense)
    model = MLPClassifier((5,), max_iter=2, random_state=0).fit(X, y)
    getattr(X, side)[7] = place
    for method, *arguments in ((model.fit, X, y), (model.predict, X)):
        with pytest.raises(ValueError, match="X is a damaged COO matrix"):
            method(*arguments)


def test_a_search_refuses_a_damaged_sparse_matrix():
    dense, y = thin_data()
    X = damage(scipy_sparse.csr_matrix(dense), "far outside")
    search = GridSearchCV(
        MLPClassifier((5,), max_iter=2), {"alpha": [0.0]}, cv=2, error_score="raise"
    )
    with pytest.raises(ValueError, match="damaged CSR matrix"):
        search.fit(X, y)


def test_numbers_that_are_stored_twice_are_added():
    """CSR may hold a place more than once: SciPy takes the sum, and so do kernels."""
    X, y = thin_data()
    plain = scipy_sparse.coo_matrix(X)
    twice = scipy_sparse.csr_matrix(X)
    twice.indices = np.repeat(twice.indices, 2)
    twice.data = np.repeat(twice.data / 2, 2)
    twice.indptr = twice.indptr * 2
    np.testing.assert_array_equal(twice.toarray(), X)
    params = {"max_iter": 5, "random_state": 0}
    left = MLPClassifier((5,), **params).fit(plain, y)
    right = MLPClassifier((5,), **params).fit(twice, y)
    for a, b in zip(left.coefs_, right.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_more_columns_than_an_index_can_count_are_refused():
    X = scipy_sparse.csr_matrix((1, 2**31 + 5))
    with pytest.raises(ValueError, match="sparse X may have at most 2,147,483,647"):
        Rows(X)


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_a_label_never_becomes_a_place_outside(name):
    """Labels of any size, also negative, are looked up: kernels see their codes."""
    X, codes = make_data("multiclass", n=60)
    y = np.array([-1, -(2**40), 2**62, 7])[codes]
    model = estimator_of(name, hidden_layer_sizes=(4,), max_iter=2).fit(X, y)
    assert set(model.predict(X)) <= set(y.tolist())
    before = snapshot(model)
    for unknown in (-2, 2**40, 0):
        others = np.where(np.arange(60) == 3, unknown, y)
        error = error_of(model.partial_fit, X, others)
        assert "has classes not in" in str(error)
        assert snapshot(model) == before


def test_all_tests_take_warnings_for_errors():
    """So no warning of Numba's, as of code that is slow or serial, goes unseen."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["tool"]["pytest"]["ini_options"]["filterwarnings"] == ["error"]


def test_kernels_are_tested_in_three_ways():
    """Compiled; without a compiler, for coverage; with bounds checks, from scratch.

    With checks only outside of parallel loops, where their errors would be lost.
    """
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    for line in (
        "^python -m pytest -n 2 --dist loadfile$",
        "^ +export NUMBA_DISABLE_JIT=1$",
        "^ +coverage run -m pytest -q tests/kernels -k .not float32 or elementary.$",
        "^ +coverage report --fail-under=100",
        "^ +export NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR$",
        r"^ +NUMBA_CACHE_DIR=\$\(mktemp -d\)$",
    ):
        assert re.search(line, script, re.MULTILINE), line
