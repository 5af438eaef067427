"""Compiling ahead of the first fit, and what predictions keep between calls."""

import threading
import time

import numpy as np
import pytest
from fastnn.kernels import _jit, activations, training
from helpers import ignore_convergence, make_data, run_python

import fastnn
from fastnn import compilation, prediction, threads
from fastnn.cli import main
from fastnn.learning import epochs


def test_every_unit_is_found():
    """Those of each kind, the parallel ones and the neurons' among them."""
    names = set(compilation.units())
    assert {
        "activations.gelu",
        "training.train_serial",
        "team.train_parallel",
        "adaptive.lion",
        "deep_pass.deep_row_pass",
        "neurons.perceptron_epoch",
    } <= names
    assert len(names) > 100
    # Each once, under the module that it is written in.
    assert len(set(compilation.units().values())) == len(names)


def test_compile_all(monkeypatch):
    """Each unit for each type, and a report before each."""
    some = {"a": activations.relu, "b": training.begin_batch}
    monkeypatch.setattr(compilation, "units", lambda: some)
    told = []
    compilation.compile_all(report=lambda *words: told.append(words))
    assert [name for _, _, name in told] == [
        "a float32", "b float32", "a float64", "b float64",
    ]  # fmt: skip
    assert [(done, total) for done, total, _ in told] == [(i, 4) for i in range(4)]
    for unit in some.values():
        assert {np.dtype("float32"), np.dtype("float64")} <= set(unit._compiled)


def test_the_command(monkeypatch, capsys):
    monkeypatch.setattr(compilation, "units", lambda: {"a": activations.relu})
    assert main(["warmup", "--dtype", "float32"]) == 0
    out = capsys.readouterr().out
    assert "float32" in out
    assert str(_jit.CACHE_FOLDER) in out


def test_the_command_without_a_cache(monkeypatch, capsys):
    """There is nothing to prepare where nothing can be kept: one line says so."""
    monkeypatch.setattr(_jit, "CACHE_FOLDER", None)
    monkeypatch.setattr(_jit, "CACHE_PROBLEM", "no folder")
    assert main(["warmup"]) == 2
    assert "no folder" in capsys.readouterr().err


def fitted(hidden=(9,), **params):
    X, y = make_data("multiclass")
    model = fastnn.MLPClassifier(hidden, max_iter=20, random_state=0, **params)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        return model.fit(X, y), X


def test_predictions_in_turn():
    """Networks of the same shape share memory; none sees another's numbers."""
    models = [fitted(activation=name)[0] for name in ("relu", "tanh")]
    models.append(fitted(hidden=(9,), batch_norm=True)[0])
    X = fitted()[1]
    alone = [model.predict_proba(X[:5]).copy() for model in models]
    wild = np.full_like(X[:5], 1e300)
    for _ in range(3):
        for model, want in zip(models, alone, strict=True):
            model.predict_proba(wild)
            np.testing.assert_array_equal(model.predict_proba(X[:5]), want)


def test_memory_that_is_kept_is_bounded():
    """Few arenas, none of them large, and each thread has its own."""
    model, X = fitted()
    for n in (1, 7, 50, 97):
        for hidden in ((3,), (4,), (5,)):
            fitted(hidden)[0].predict(X[:n])
    networks = prediction._kept.__dict__
    assert 0 < len(networks) <= prediction._MOST_KEPT
    assert all(net.arena.size <= prediction._KEPT_SIZE for net in networks.values())
    seen = []

    def predict():
        model.predict(X)
        seen.extend(prediction._kept.__dict__.values())

    worker = threading.Thread(target=predict)
    worker.start()
    worker.join()
    mine = {id(net) for net in networks.values()}
    assert seen
    assert not mine & {id(net) for net in seen}


def test_a_prediction_within_a_prediction():
    """What a signal handler predicts does not change what it interrupted."""
    model, X = fitted()
    other, _ = fitted(activation="tanh")
    prediction._kept.__dict__.clear()
    want = model.predict_proba(X[:5])
    (ready,) = prediction._kept.__dict__.values()
    kernel = ready.serial

    def interrupted(*arguments):
        ready.serial = kernel
        assert ready.is_busy
        other.predict(X[:5])
        return kernel(*arguments)

    ready.serial = interrupted
    np.testing.assert_array_equal(model.predict_proba(X[:5]), want)
    assert ready.serial is kernel


def test_threads_start_when_predictions_have_taken_a_while():
    """In a new process: many calls on one thread, then the same bits on several."""
    done = run_python(
        """
        import json
        import numpy as np
        import fastnn
        from fastnn import threads
        X = np.random.default_rng(0).standard_normal((20000, 64)).astype("f")
        y = np.arange(200) % 10
        model = fastnn.MLPClassifier((100, 50), max_iter=1, random_state=0,
                                     n_threads=2)
        import warnings
        warnings.simplefilter("ignore")
        model.fit(X[:200], y)
        first = model.predict_proba(X)
        before = threads.is_started()
        threads.note_serial(10.0)
        pays = threads.pays_to_start(1.0)
        last = model.predict_proba(X)
        print(json.dumps([before, pays, threads.is_started(),
                          bool((first == last).all()),
                          threads.numba.config.NUMBA_NUM_THREADS]))
        """
    )
    before, pays, after, same, available = done
    assert not before
    assert pays
    assert after == (available > 1)
    assert same


def test_what_pays_for_starting_threads(monkeypatch):
    monkeypatch.setattr(threads, "is_started", lambda: False)
    monkeypatch.setattr(threads, "_serial_seconds", 0.0)
    assert not threads.pays_to_start(threads.FLOPS_TO_START)
    assert threads.pays_to_start(2 * threads.FLOPS_TO_START)
    threads.note_serial(2 * threads.Twins.PATIENCE)
    assert threads.pays_to_start(1.0)


@ignore_convergence
def test_compiling_is_not_work_that_threads_could_share(monkeypatch):
    """Else a process's first fit would start threads for nothing."""

    class Slow:
        def __init__(self, unit):
            self.unit = unit

        def __getitem__(self, dtype):
            time.sleep(0.5)
            return self.unit[dtype]

        def address(self, dtype):
            return self.unit.address(dtype)

    monkeypatch.setattr(threads, "FLOPS_PER_THREAD", 1.0)
    monkeypatch.setattr(threads, "_serial_seconds", 0.0)
    monkeypatch.setattr(threads, "is_started", lambda: False)
    monkeypatch.setattr(epochs.epochs, "run_epochs", Slow(epochs.epochs.run_epochs))
    monkeypatch.setattr(
        epochs.training, "train_serial", Slow(epochs.training.train_serial)
    )
    X, y = make_data("regression", n=40)
    for flops in (1e9, 1.0):  # in whole epochs, and in slices
        monkeypatch.setattr(epochs, "_FLOPS_PER_CALL", flops)
        model = fastnn.MLPRegressor((9,), batch_size=20, max_iter=2, n_threads=2)
        model.fit(X, y)
        assert 0 < threads._serial_seconds < 0.25, "half a second was a compiler's"


def test_a_fit_says_that_it_compiles(tmp_path):
    """Once, if it is to say anything, and not if the kernels are there already."""
    code = """
    import json, sys, warnings
    import numpy as np
    from fastnn import MLPRegressor
    warnings.simplefilter("ignore")
    sys.stderr = open(sys.argv[1], "a+")
    X = np.arange(20.0).reshape(10, 2)
    for verbose in (False, True):
        model = MLPRegressor((2,), max_iter=1, solver="sgd", verbose=verbose)
        model.set_params(activation="tanh" if verbose else "relu").fit(X, X[:, 0])
    sys.stderr.seek(0)
    print(json.dumps(sys.stderr.read().count("Compiling kernels")))
    """
    told = [  # of both processes together: the file goes on
        run_python(code, args=(tmp_path / "errors",), NUMBA_CACHE_DIR=str(tmp_path))
        for _ in range(2)
    ]
    assert told == [1, 1]
