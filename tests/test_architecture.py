"""Rules about the source itself: who imports whom, and how long things are."""

import ast
import importlib
import importlib.metadata
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastnn

FASTNN = Path(fastnn.__file__).parent
KERNELS = Path(fastnn.structure.network.layout.__file__).parent
SOURCES = {
    **{f"kernels/{path.name}": path for path in sorted(KERNELS.glob("*.py"))},
    **{
        f"fastnn/{path.relative_to(FASTNN).as_posix()}": path
        for path in sorted(FASTNN.rglob("*.py"))
        if KERNELS not in path.parents
    },
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}
IN_KERNELS = [name for name in SOURCES if name.startswith("kernels/")]
IN_FASTNN = [name for name in SOURCES if name.startswith("fastnn/")]
FUNCTIONS = [
    (name, node)
    for name, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]


def imports(tree):
    """Return (level, module) of every import, also within functions."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


def names_in(tree):
    """Return every name and attribute that is mentioned."""
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return found


def test_there_is_something_to_look_at():
    """The tests below would pass on an empty list of files."""
    assert {"kernels/_jit.py", "kernels/row_pass.py"} <= set(IN_KERNELS)
    assert {"fastnn/structure/network.py", "fastnn/cli/options.py"} <= set(IN_FASTNN)


@pytest.mark.parametrize("name", IN_KERNELS)
def test_kernels_know_of_nothing_but_numba(name):
    """NumPy, Numba, llvmlite, the standard library, and each other."""
    allowed = {"numpy", "numba", "llvmlite", *sys.stdlib_module_names}
    for level, module in imports(TREES[name]):
        if level == 0:
            assert module.split(".")[0] in allowed, f"{name} imports {module}"
        else:
            assert level == 1, f"{name} imports from above its folder: {module}"


@pytest.mark.parametrize("name", SOURCES)
def test_nobody_imports_a_bare_kernels(name):
    """Installed, it is `fastnn.kernels`; only a checkout has a folder `kernels`."""
    for level, module in imports(TREES[name]):
        assert level > 0 or module.split(".")[0] != "kernels"


@pytest.mark.parametrize("name", SOURCES)
def test_only_one_file_compiles(name):
    compilers = {"njit", "jit", "vectorize", "guvectorize", "generated_jit", "stencil"}
    if name != "kernels/_jit.py":
        assert not names_in(TREES[name]) & compilers


@pytest.mark.parametrize("name", SOURCES)
def test_no_fastmath_that_hides_nan(name):
    """`fastmath=True` assumes that there is no NaN; named flags are chosen."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.keyword) and node.arg == "fastmath":
            assert not isinstance(node.value, ast.Constant)
    if name == "kernels/_jit.py":
        flags = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.walk(TREES[name])
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id.endswith("FASTMATH")
        }
        assert set(flags) == {"FASTMATH", "EXACT_FASTMATH"}
        assert not set.union(*flags.values()) & {"fast", "nnan", "ninf", "arcp", "afn"}


def decorator_of(node, name):
    """Return the decorator that calls `name`, or None."""
    for decorator in node.decorator_list:
        if (
            isinstance(decorator, ast.Call)
            and getattr(decorator.func, "id", "") == name
        ):
            return decorator
    return None


def parallel_units():
    """Return the names of the units that are declared parallel."""
    return {
        node.name
        for _, node in FUNCTIONS
        if (decorator := decorator_of(node, "unit"))
        and any(keyword.arg == "parallel" for keyword in decorator.keywords)
    }


def test_parallel_kernels_are_called_from_python_only():
    """A parallel region inside another would start threads within threads."""
    parallel = parallel_units()
    assert {"train_parallel", "predict_parallel"} <= parallel
    for name in IN_KERNELS:
        mentioned = names_in(TREES[name])
        assert not mentioned & parallel, name
    used = set().union(*(names_in(TREES[name]) for name in IN_FASTNN))
    assert parallel <= used


def test_prange_only_in_parallel_kernels():
    for name, node in FUNCTIONS:
        if "prange" in names_in(node):
            assert node.name in parallel_units(), f"{name}: {node.name}"


def lines_without_docstring(node):
    """Return how many lines a function takes, decorators and docstring aside.

    A constructor's parameters are a table, one a line, and do not count either.
    """
    first = node.body[0].lineno if node.name == "__init__" else node.lineno
    lines = node.end_lineno - first + 1
    if ast.get_docstring(node, clean=False) is not None:
        docstring = node.body[0]
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


@pytest.mark.parametrize("name", SOURCES)
def test_functions_are_short(name):
    """At most 60 lines; code generators, which hold a function each, more."""
    for where, node in FUNCTIONS:
        nested = any(
            isinstance(inner, ast.FunctionDef) and inner is not node
            for inner in ast.walk(node)
        )
        if where == name and not nested:
            limit = 75 if node.name == "codegen" else 60
            assert lines_without_docstring(node) <= limit, node.name


@pytest.mark.parametrize("name", SOURCES)
def test_files_are_short(name):
    """At most 450 lines; the estimator's page of documentation, 500."""
    lines = len(SOURCES[name].read_text("utf-8").splitlines())
    assert lines <= (500 if name == "fastnn/estimator.py" else 450)


@pytest.mark.parametrize("name", IN_KERNELS)
def test_kernels_take_few_arguments(name):
    """At most 12; `_jit` counts a call's context and address as well."""
    for where, node in FUNCTIONS:
        if where == name and name != "kernels/_jit.py":
            assert len(node.args.args) + len(node.args.kwonlyargs) <= 12, node.name


@pytest.mark.parametrize("name", IN_KERNELS)
def test_units_say_what_they_do(name):
    for where, node in FUNCTIONS:
        if where == name and decorator_of(node, "unit"):
            assert ast.get_docstring(node), node.name


def modules_of_kernels():
    """Import every module of the kernels."""
    names = [module.name for module in pkgutil.iter_modules([str(KERNELS)])]
    return [importlib.import_module(f"fastnn.kernels.{name}") for name in names]


def test_every_kernel_module_is_found():
    assert {
        f"kernels/{m.__name__.split('.')[-1]}.py" for m in modules_of_kernels()
    } == {name for name in IN_KERNELS if name != "kernels/__init__.py"}


def test_units_take_what_their_interface_says():
    from fastnn.kernels._jit import Unit

    units = {
        unit
        for module in modules_of_kernels()
        for unit in vars(module).values()
        if isinstance(unit, Unit)
    }
    assert len(units) > 100
    for unit in units:
        n_arguments = unit.function.__code__.co_argcount
        assert n_arguments == unit.interface.n_arguments, unit


def test_the_distribution_brings_no_top_level_kernels():
    distribution = importlib.metadata.distribution("numba-fastnn")
    top = (distribution.read_text("top_level.txt") or "").split()
    if not top:
        top = {str(path).split("/")[0] for path in distribution.files or ()}
    assert "fastnn" in top
    assert "kernels" not in top


def test_import_starts_no_threads_and_compiles_nothing():
    """In a new process: the layer is chosen, and code made, when first needed."""
    code = """
    import json, sys
    import numba
    from numba.core import compiler
    compiled = []
    before = compiler.compile_extra
    def spy(*args, **kwargs):
        compiled.append(repr(args[2]) if len(args) > 2 else repr(kwargs))
        return before(*args, **kwargs)
    compiler.compile_extra = spy
    import fastnn
    import fastnn.kernels._jit as jit
    units = [
        unit
        for name, module in list(sys.modules.items())
        if name.startswith("fastnn.kernels")
        for unit in vars(module).values()
        if isinstance(unit, jit.Unit)
    ]
    try:
        layer = numba.threading_layer()
    except ValueError:
        layer = None
    done = [unit.__name__ for unit in units if unit._compiled or unit._addresses]
    print(json.dumps([layer, len(units), done, compiled]))
    """
    lines = [line[4:] for line in code.splitlines()]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    layer, n_units, units, compiled = json.loads(done.stdout)
    assert layer is None
    assert n_units > 30
    assert units == []
    assert compiled == []
