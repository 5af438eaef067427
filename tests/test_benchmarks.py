"""The benchmark suite: complete, cheap to import, and comparing equals."""

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not installed", allow_module_level=True)
KINDS = re.compile("(time|timeraw|track|peakmem|mem)_")


@pytest.fixture(scope="module", autouse=True)
def _on_path():
    """Make `import benchmarks` work wherever pytest was started."""
    sys.path.append(str(ROOT))
    yield
    sys.path.remove(str(ROOT))


def modules():
    """Return the suite's modules by name; those of asv start with bench_."""
    names = [m.name for m in pkgutil.iter_modules([str(ROOT / "benchmarks")])]
    return {
        name: importlib.import_module(f"benchmarks.{name}")
        for name in names
        if name.startswith("bench_")
    }


def classes():
    """Return every benchmark class that asv finds, by module and name."""
    return {
        f"{name}.{key}": value
        for name, module in modules().items()
        for key, value in vars(module).items()
        if inspect.isclass(value)
        and not key.startswith("_")
        and any(KINDS.match(attribute) for attribute in dir(value))
    }


def combinations(cls):
    """Return how many values each parameter has."""
    params = getattr(cls, "params", ())
    if params and not isinstance(params[0], (tuple, list)):
        params = (params,)
    return params


def test_classes_are_found_once():
    """A class that another module imports would run twice."""
    found = classes()
    assert len(found) > 20
    assert len(set(found.values())) == len(found)
    for name, cls in found.items():
        assert cls.__module__ == f"benchmarks.{name.partition('.')[0]}"


def test_parameters_are_named():
    for name, cls in classes().items():
        params = combinations(cls)
        assert len(params) == len(getattr(cls, "param_names", ())), name
        assert all(len(values) > 0 for values in params), name


def test_numbers_that_are_tracked_have_a_unit():
    for name, cls in classes().items():
        for attribute in dir(cls):
            if attribute.startswith("track_"):
                assert getattr(cls, attribute).unit, f"{name}.{attribute}"


def test_each_workload_is_fitted_by_each_library():
    from benchmarks import bench_fit, contenders, workloads

    small, large = bench_fit.FitSmall.params, bench_fit.FitLarge.params
    assert {*small[0], *large[0]} == set(workloads.WORKLOADS)
    assert not set(small[0]) & set(large[0])
    for libraries in (small[1], large[1]):
        assert set(contenders.NAMES) - {"torch.compile"} == set(libraries)


def test_each_variant_has_a_kernel_benchmark():
    from benchmarks import bench_kernels
    from fastnn.structure.variants import ACTIVATIONS, CODED_LOSSES, LOSSES, SOLVERS

    assert set(bench_kernels.Activations.params[0]) == {*ACTIVATIONS, "own silu"}
    assert {c[:2] for c in bench_kernels.Losses.params[0]} == {*LOSSES, *CODED_LOSSES}
    assert set(bench_kernels.Optimizers.params[0]) == set(SOLVERS)


def test_a_missing_library_is_skipped(monkeypatch):
    """By NotImplementedError, which asv reports as n/a."""
    from benchmarks import bench_fit, bench_predict

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NotImplementedError, match="torch"):
        bench_fit.FitSmall().setup("iris", "torch")
    bench_predict.fit_network.cache_clear()
    with pytest.raises(NotImplementedError, match="onnx"):
        bench_predict.PredictOneRow().setup("onnxruntime")


def test_the_onnx_graph_is_the_same_network():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from benchmarks import bench_predict

    X = np.random.default_rng(3).standard_normal((7, 64)).astype(np.float32)
    ours = bench_predict.fit_network("fastnn")
    graph = bench_predict.fit_network("onnxruntime")
    # Float32 sums of up to 100 products in another order: some 1e-6.
    np.testing.assert_allclose(
        graph.predict_proba(X), ours.predict_proba(X), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(graph.predict(X), ours.predict(X))


def test_texts_are_valid_csr():
    from benchmarks.bench_sparse import FEATURES, WORDS, make_texts

    X = make_texts(20, WORDS, "float32")
    X.check_format()
    assert X.shape == (20, FEATURES)
    assert X.has_canonical_format
    assert (np.diff(X.indptr) == WORDS).all()
    assert X.nnz / np.prod(X.shape) == pytest.approx(0.002)
    # Rounding of 40 float32 squares.
    np.testing.assert_allclose(np.sqrt(X.multiply(X).sum(axis=1)), 1, rtol=1e-5)


def test_allocations_are_counted():
    """The count sees what a compiled function allocates, and nothing when it is off."""
    import numba

    from benchmarks.bench_allocations import count_allocations, per_batch

    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")

    @numba.njit
    def allocate(n):
        total = 0.0
        for i in range(n):
            total += np.ones(i + 1).sum()
        return total

    allocate(1)
    assert count_allocations(lambda: allocate(10)) >= 10
    assert per_batch(allocate) >= 1


@pytest.mark.parametrize("kernel", ["train_serial", "train_parallel"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_allocation_in_a_mini_batch(kernel, dtype):
    import numba

    from benchmarks.bench_allocations import KernelAllocations

    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    bench = KernelAllocations()
    bench.setup(kernel, dtype)
    assert bench.track_per_batch(kernel, dtype) == 0


def test_training_stops_at_the_target():
    from benchmarks.bench_quality import train_until

    class Model:
        epochs = 0

        def partial_fit(self, X, y, classes):
            self.epochs += 1

        def score(self, X, y):
            return self.epochs / 10

    data, model = (None, None, np.arange(3), None), Model()
    assert train_until(model, data, 0.5) >= 0
    assert model.epochs == 5
    assert np.isnan(train_until(Model(), data, 0.5, most_epochs=4))
