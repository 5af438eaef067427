"""Memory: what a fit adds to the data, and that training allocates nothing."""

import json
import re
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from fastnn.kernels import layout as at
from fastnn.kernels import team, training
from helpers import make_data, memory_map, read_only, run_python
from numba.core.runtime import _nrt_python, rtsys
from scipy import sparse
from sklearn.model_selection import train_test_split

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor, threads
from fastnn.learning import fitting, validation

_PEAK = Path("/proc/self/clear_refs")
measures = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not _PEAK.exists(),
    reason="the peak of a process's memory is read from Linux's /proc",
)
compiled = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="Python numbers are allocated at every step"
)
quiet = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

ROWS, FEATURES = 200_000, 100
# Besides arrays as long as y: the network's table and arena, and what Python keeps;
# all of it was 0.4 MB. The rest is a large page of 2 MB (less those 0.4) that a system
# may give to the heap where a small one would do.
FIXED_BYTES = 2_000_000

# Pages of a mapped file count as memory once they were read, so all are read before.
# Small fits come first, for code that is loaded once; then free memory goes back.
_CHILD = """
    import ctypes, json, sys, warnings
    from pathlib import Path
    import numpy as np
    import fastnn

    warnings.simplefilter("ignore")
    case = json.loads(sys.argv[1])
    n, d = case["shape"]

    def status(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        found = [line for line in lines if line.startswith(field + ":")]
        return 1024 * int(found[0].split()[1])

    def rows():
        rng = np.random.default_rng(0)
        if not case["file"]:
            return rng.standard_normal((n, d), dtype=np.float32)
        X = np.lib.format.open_memmap(case["file"], "w+", np.float32, (n, d))
        for start in range(0, n, 1000):
            stop = min(n, start + 1000)
            X[start:stop] = rng.standard_normal((stop - start, d), dtype=np.float32)
        X.flush()
        return np.load(case["file"], mmap_mode="r")

    X = rows()
    assert X.flags.writeable == (not case["file"])
    assert np.isfinite(X.sum())
    rng = np.random.default_rng(1)
    y = rng.standard_normal(n, dtype=np.float32)
    if case["classes"]:
        y = rng.integers(case["classes"], size=n)
    weight = rng.random(n, dtype=np.float32) + 0.1 if case["weighted"] else None

    def fit(m):
        model = getattr(fastnn, case["name"])(
            (16,), max_iter=1, random_state=0, **case["params"]
        )
        model.fit(X[:m], y[:m], None if weight is None else weight[:m])

    fit(2000)
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    fit(n)
    print(json.dumps([status("VmHWM") - before, X.nbytes]))
"""

CASES = {
    "regression": {"name": "MLPRegressor"},
    "regression, weights, file": {
        "name": "MLPRegressor",
        "weighted": True,
        "file": True,
    },
    "classification": {"name": "MLPClassifier", "classes": 10},
    "classification, in order": {
        "name": "MLPClassifier",
        "classes": 10,
        "params": {"shuffle": False},
    },
    "class weights": {
        "name": "MLPClassifier",
        "classes": 10,
        "params": {"class_weight": "balanced"},
    },
    "classification, early stopping, weights, file": {
        "name": "MLPEstimator",
        "classes": 10,
        "weighted": True,
        "file": True,
        "params": {"early_stopping": True},
    },
    "two classes, early stopping": {
        "name": "MLPClassifier",
        "classes": 2,
        "params": {"early_stopping": True},
    },
    "regression, early stopping": {
        "name": "MLPRegressor",
        "params": {"early_stopping": True},
    },
}


@measures
@compiled
@pytest.mark.parametrize("name", CASES)
def test_a_fit_adds_less_than_a_tenth_of_the_data(name, tmp_path):
    """Neither X nor rows of it are copied, whatever is asked for."""
    given = CASES[name]
    case = {
        "shape": (ROWS, FEATURES),
        "classes": 0,
        "weighted": False,
        "params": {},
        **given,
        "file": str(tmp_path / "X.npy") if given.get("file") else None,
    }
    added, data = run_python(_CHILD, args=[json.dumps(case)])
    assert data == 4 * ROWS * FEATURES
    # No less than an order of rows, in int64: else the measurement is broken.
    assert 8 * ROWS < added < 0.1 * data + FIXED_BYTES


def recorded_trainer(monkeypatch, model, X, y, sample_weight=None):
    """Fit a model and return the trainer that did it."""
    made = []

    class Recorded(fitting.Trainer):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(fitting, "Trainer", Recorded)
    model.fit(X, y, sample_weight)
    (trainer,) = made
    return trainer


@quiet
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("form", ["array", "read-only", "file", "csr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_read_the_numbers_of_the_user(
    monkeypatch, tmp_path, dtype, form, early_stopping
):
    """X itself, for training and for validation."""
    X, y = make_data("multiclass", n=60, dtype=dtype)
    make = {
        "array": np.array,
        "read-only": read_only,
        "file": lambda X: memory_map(X, tmp_path),
        "csr": sparse.csr_matrix,
    }
    X = make[form](X)
    model = MLPClassifier((3,), max_iter=1, early_stopping=early_stopping)
    trainer = recorded_trainer(monkeypatch, model, X, y)
    numbers = X.data if form == "csr" else X
    assert np.shares_memory(trainer._rows.numbers, numbers)
    assert trainer._rows.numbers.size == numbers.size
    held_out = trainer.problem.validation
    assert (held_out is not None) == early_stopping
    if held_out is not None:
        assert np.shares_memory(held_out.rows.numbers, numbers)
        assert held_out.X is trainer.problem.X
        assert "samples" not in held_out.__dict__  # nobody asked for a copy


@quiet
@pytest.mark.parametrize("form", [np.array, sparse.csr_matrix])
def test_a_scorer_gets_the_rows_that_are_held_out(form):
    X, y = make_data("multiclass", n=60)
    seen = []

    def score(model, X, y):
        seen.append((X.toarray() if sparse.issparse(X) else X, y))
        return 0.5

    model = MLPEstimator(
        (3,), max_iter=2, early_stopping=True, validation_metric=score, dtype="float64"
    )
    model.fit(form(X), y)
    assert len(seen) == 2
    of_row = {row.tobytes(): label for row, label in zip(X, y, strict=True)}
    for rows, labels in seen:
        assert [of_row[row.tobytes()] for row in rows] == labels.tolist()
    np.testing.assert_array_equal(seen[0][0], seen[1][0])


@pytest.mark.parametrize("n_classes", [0, 2, 3, 7])
@pytest.mark.parametrize("n", [20, 57, 300])
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_the_split_is_scikit_learns(n_classes, n, fraction):
    """The same rows in the same order, the same draws, or the same complaint."""
    rng = np.random.RandomState(n_classes)
    codes = None
    if n_classes:  # any numbers, some of them missing
        codes = (2 * rng.randint(n_classes, size=n)).astype(np.float32)
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    arguments = {"test_size": fraction, "random_state": theirs, "stratify": codes}
    try:
        expected = train_test_split(np.arange(n), **arguments)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            validation._split_rows(n, fraction, ours, codes)
        return
    parts = validation._split_rows(n, fraction, ours, codes)
    for part, rows in zip(parts, expected, strict=True):
        assert part.dtype == np.int64
        np.testing.assert_array_equal(part, rows)
    assert ours.random_sample() == theirs.random_sample()


# What a network may have, each with the passes and units that only it needs.
OPTIONS = {
    "plain": {},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "sgd": {"solver": "sgd"},
    "dropout": {"dropout": 0.3},
    "noise and mixup": {"input_noise": 0.1, "mixup_alpha": 0.3},
    "batch norm": {"batch_norm": True},
    "layer norm": {"layer_norm": True},
    "residual": {"hidden_layer_sizes": (6, 6, 5), "residual": True},
    "smoothing": {"label_smoothing": 0.1},
    "L1": {"alpha": 0.01, "l1_ratio": 1.0},
    "everything about weights": {
        "solver": "adamw",
        "gradient_clip_norm": 1.0,
        "gradient_clip_value": 0.5,
        "max_norm": 2.0,
        "ema_decay": 0.9,
        "l1_ratio": 0.5,
    },
    "schedule": {"learning_rate": "cosine", "warmup": 5},
}
N_BATCHES, BATCH = 1000, 4
# Numba makes a small record of every array that Python passes to a kernel.
N_ARRAYS = 9


def count_allocations(trainer, kernel, n_batches):
    """Return the arrays that Numba's runtime makes while a kernel trains."""
    network = trainer.network
    arguments = (*trainer._rows.arrays, *trainer._targets, trainer._shuffled)
    before = rtsys.get_allocation_stats()
    kernel(network.net, network.arena, network.hyper, *arguments, 0, n_batches)
    after = rtsys.get_allocation_stats()
    return after.alloc - before.alloc, after.mi_alloc - before.mi_alloc


@pytest.fixture
def counted():
    """Have Numba's runtime count its allocations."""
    were_counted = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    yield
    if not were_counted:
        _nrt_python.memsys_disable_stats()


@numba.njit
def allocate(n):
    """Allocate n arrays: what a kernel must not do."""
    total = 0.0
    for i in range(n):
        total += np.ones(i + 1).sum()
    return total


@compiled
def test_allocations_are_counted(counted):
    allocate(1)
    before = rtsys.get_allocation_stats()
    allocate(10)
    assert rtsys.get_allocation_stats().alloc - before.alloc == 10


@quiet
@compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["dense", "sparse", "weighted"])
@pytest.mark.parametrize("name", OPTIONS)
def test_no_allocation_per_batch(monkeypatch, counted, name, form, dtype):
    """A thousand batches allocate as much as ten: what the call takes, and no more."""
    options = OPTIONS[name]
    if form == "sparse" and "input_noise" in options:
        pytest.skip("noise and mixup need dense rows")
    X, y = make_data("multiclass", n=N_BATCHES * BATCH)
    rows = sparse.csr_matrix(X) if form == "sparse" else X
    weight = np.linspace(0.5, 1.5, len(y)) if form == "weighted" else None
    model = MLPEstimator(
        **{"hidden_layer_sizes": (9, 5), "n_threads": 1, **options},
        batch_size=BATCH,
        max_iter=1,
        dtype=dtype,
    )
    trainer = recorded_trainer(monkeypatch, model, rows, y, weight)
    kernel = training.train_serial[trainer.network.dtype]
    few = count_allocations(trainer, kernel, 10)
    many = count_allocations(trainer, kernel, N_BATCHES)
    assert few == many
    assert max(many) <= N_ARRAYS


@quiet
@compiled
def test_no_allocation_per_batch_on_threads(monkeypatch, counted):
    """The parallel twin allocates no more for a thousand batches than for ten."""
    X, y = make_data("regression", n=N_BATCHES * BATCH, dtype=np.float32)
    monkeypatch.setattr(threads, "FLOPS_PER_THREAD", 1.0)
    model = MLPRegressor((9, 5), batch_size=BATCH, max_iter=1, n_threads=2)
    trainer = recorded_trainer(monkeypatch, model, X, y)
    dtype = trainer.network.dtype
    trainer.network.net[at.TRAIN_WORKER] = team.train_worker.address(dtype)
    kernel = team.train_parallel[dtype]
    count_allocations(trainer, kernel, 1)  # starts the threads
    few = count_allocations(trainer, kernel, 10)
    many = count_allocations(trainer, kernel, N_BATCHES)
    assert few == many
    assert max(many) <= N_ARRAYS
