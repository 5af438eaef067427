"""Networks trained together: errors, warnings, interrupts and settings."""

import gc
import threading
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
from helpers import make_data, recorded
from population_tools import (
    FOLD,
    PLAIN,
    N,
    assert_as_alone,
    assert_same,
    classifier,
    fit_alone,
    network,
    part,
    quiet,
    tasks_of_all,
)
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fastnn.learning import population, soundness, training
from fastnn.learning.population import Population, Task


def error_of(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)
    return None


INVALID = (
    {"max_iter": "ten"},
    {"max_iter": 0},
    {"max_iter": 2.5},
    {"hidden_layer_sizes": ("a",)},
    {"hidden_layer_sizes": (-1,)},
    {"hidden_layer_sizes": None},
    {"dropout": "half"},
    {"dropout": [0.1, "b"]},
    {"dtype": "float16"},
    {"solver": "newton"},
    {"solver": "lbfgs", "max_iter": "ten"},
    {"alpha": -1.0},
    {"loss": "gamma"},
    {"batch_norm": True, "batch_size": 1},
    {"batch_norm": True, "layer_norm": True},
)


def failing_tasks():
    """Return tasks that must fail, each with others on the same X."""
    X, y = make_data("multiclass", n=N)
    X = X.astype(np.float32)
    holes, infinite = X.copy(), X.copy()
    holes[FOLD[3], 2], infinite[FOLD[3], 2] = np.nan, np.inf
    target = y.astype(float)
    target[FOLD[2]] = np.nan
    huge = network(activation="identity", solver="sgd", learning_rate_init=1e30)
    tasks = [Task(network().set_params(**params), X, y, FOLD) for params in INVALID]
    tasks += [
        Task(huge, X, y, FOLD),
        Task(network(), holes, y, FOLD),
        Task(network(), infinite, y, None),
        Task(network("regression"), X, target, FOLD),
        Task(network(), X, y, FOLD[:0]),
        Task(network(early_stopping=True), X, y, FOLD[:5]),
        Task(network(), X[:, :0], y, FOLD),
    ]
    wrong = (
        {"weights": np.ones(len(FOLD))},
        {"subset": None},
        {"X": X},
        {"sample_weight": np.ones(3)},
        {"sample_weight": -np.ones(len(FOLD))},
        {"sample_weight": np.zeros(len(FOLD))},
        {"X_val": X},
        {"X_val": X[:, 1:], "y_val": y},
    )
    tasks += [
        Task(network(solver=solver), X, y, FOLD, params)
        for params in wrong
        for solver in ("adam", "lbfgs")
    ]
    return tasks


@quiet
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_epochs", [None, 2])
def test_an_error_is_the_tasks_own(n_threads, n_epochs):
    bad = failing_tasks()
    good = list(tasks_of_all(names=PLAIN).values())
    params = {} if n_epochs is None else {"max_iter": n_epochs}
    alone = [fit_alone(task, **params) for task in good]
    expected = [error_of(fit_alone, task) for task in bad]
    assert None not in expected
    tasks = [*bad[::2], *good, *bad[1::2]]
    together = Population(tasks, n_threads)
    together.advance(n_epochs)
    together.advance(n_epochs)  # what has failed is not tried again
    found = {id(task): error_of(together.result, i) for i, task in enumerate(tasks)}
    for task, error in zip(bad, expected, strict=True):
        assert found[id(task)] == error, task.fit_params or task.estimator
    for task, model in zip(good, alone, strict=True):
        result = together.result(tasks.index(task))
        assert_same(result, model, task, **params)


@quiet
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, pd.DataFrame])
def test_a_fold_is_not_failed_by_rows_of_others(form):
    """Numbers that are not finite outside a fold are no concern of it."""
    X, y = make_data("multiclass", n=N)
    X[np.setdiff1d(np.arange(N), FOLD)[0], 1] = np.nan
    tasks = [Task(make(), form(X), y, FOLD) for make in (network, classifier)]
    assert_as_alone(tasks, 2)


@quiet
@pytest.mark.parametrize("end", ["finished", "failed", "dropped"])
@pytest.mark.parametrize("sliced", [False, True])
def test_what_has_ended_lets_go_of_its_memory(monkeypatch, end, sliced):
    """At once: without Python's search for objects that refer to each other."""
    held = []
    session = population.Session

    def remembering(*args, **kwargs):
        made = session(*args, **kwargs)
        held.extend(map(weakref.ref, (made.trainer, made.trainer.network)))
        return made

    monkeypatch.setattr(population, "Session", remembering)
    if sliced:
        monkeypatch.setattr(training, "fits_in_a_call", lambda network: False)
    X, y = make_data("multiclass", n=N)
    rate = 1e30 if end == "failed" else 1e-3
    estimator = network(activation="identity", solver="sgd", learning_rate_init=rate)
    together = Population([Task(estimator, X.astype(np.float32), y, FOLD)])
    gc.disable()
    try:
        together.advance(2 if end == "dropped" else None)
        if end == "dropped":
            together.drop(0)
        assert len(held) == 2
        assert [reference() for reference in held] == [None, None]
    finally:
        gc.enable()
    error = error_of(together.result, 0)
    assert (error is None) == (end == "finished")


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_epochs", [None, 2])
def test_warnings_are_as_many_as_alone(n_threads, n_epochs):
    tasks = list(tasks_of_all().values())
    X, y = make_data("multiclass", n=N)
    tasks.append(Task(network(batch_size=1000), X, y, FOLD))
    # Columns as targets: another warning.
    tasks.append(Task(network("regression"), X, y.astype(float).reshape(-1, 1), FOLD))
    params = {} if n_epochs is None else {"max_iter": n_epochs}
    expected = []
    for task in tasks:
        fit = clone(task.estimator).set_params(**params).fit
        X, y = part(task.X, task.rows), part(task.y, task.rows)
        expected += recorded(fit, X, y)[1]
    _, found = recorded(Population(tasks, n_threads).advance, n_epochs)
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert ConvergenceWarning in dict(found)


def test_a_warning_that_is_an_error_is_the_tasks_own():
    X, y = make_data("multiclass", n=N)
    tasks = [
        Task(network(), X, y, FOLD),
        Task(network(target_loss=1e9), X, y, FOLD),
        Task(classifier(solver="lbfgs", max_iter=2), X, y, FOLD),
    ]
    together = Population(tasks, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        expected = [
            error_of(clone(task.estimator).fit, X[FOLD], y[FOLD]) for task in tasks
        ]
        together.advance()
    assert [error and error[0] for error in expected] == [
        ConvergenceWarning,
        None,
        ConvergenceWarning,
    ]
    for i, error in enumerate(expected):
        assert error_of(together.result, i) == error


def test_a_warning_comes_before_an_error_of_the_last_weights(monkeypatch):
    def fail(*arguments):
        raise ValueError("not finite")

    monkeypatch.setattr(soundness, "check", fail)
    X, y = make_data("multiclass", n=N)
    together = Population([Task(network(), X, y, FOLD)])
    _, found = recorded(together.advance)
    assert [category for category, _ in found] == [ConvergenceWarning]
    assert error_of(together.result, 0) == (ValueError, "not finite")


@quiet
def test_filters_of_warnings_are_left_as_they_were():
    """Whatever a user's function does to them in threads that overlap."""
    meeting = threading.Barrier(2)

    def score(model, X, y):
        first = model.random_state == 0
        if not first:
            meeting.wait(10)  # the first one is within its block
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            if first:
                meeting.wait(10)
            meeting.wait(10)  # both are
            if not first:
                meeting.wait(10)  # the first one has left, and put its filters back
        if first:
            meeting.wait(10)
        return 0.5

    X, y = make_data("binary", n=N)
    tasks = [
        Task(
            network(
                early_stopping=True, validation_metric=score, random_state=s, max_iter=1
            ),
            X,
            y,
            FOLD,
        )
        for s in range(2)
    ]
    before = list(warnings.filters)
    together = Population(tasks, 2)
    together.advance()
    assert [together.result(i).n_iter_ for i in range(2)] == [1, 1]
    assert warnings.filters == before


@quiet
@pytest.mark.parametrize("n_threads", [1, 2])
def test_settings_reach_the_threads(n_threads):
    seen = []

    def score(model, X, y):
        seen.append((get_config()["enable_metadata_routing"], np.geterr()["divide"]))
        return 0.5

    X, y = make_data("multiclass", n=N)
    holes = X.copy()
    holes[FOLD[3], 2] = np.nan
    watching = network(early_stopping=True, validation_metric=score, max_iter=2)
    tasks = [Task(watching, X, y, FOLD), Task(network(), holes, y, FOLD)]
    kept = get_config(), np.geterr()
    with config_context(assume_finite=True, enable_metadata_routing=True):
        expected = error_of(fit_alone, tasks[1])
        together = Population(tasks, n_threads)
        with np.errstate(divide="raise"):
            together.advance()
    assert (get_config(), np.geterr()) == kept
    assert seen == [(True, "raise")] * 2
    assert "Input X" not in expected[1]
    assert error_of(together.result, 1) == expected


@quiet
def test_an_interrupt_of_a_users_function_is_raised():
    calls = []

    def score(model, X, y):
        calls.append(model)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 0.5

    X, y = make_data("binary", n=N)
    watching = network(early_stopping=True, validation_metric=score)
    together = Population([Task(watching, X, y), Task(network(), X, y)], 2)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        together.advance()
    assert threading.active_count() == before


def test_threads_that_have_started_end_if_another_cannot(monkeypatch):
    """A system may refuse another thread."""
    start, started = threading.Thread.start, []

    def refusing(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    X, y = make_data("binary", n=N)
    # A schedule has Python see every epoch, and threads end after one.
    endless = {"max_iter": 10**7, "n_iter_no_change": 10**7, "warmup": 1}
    tasks = [Task(network(random_state=s, **endless), X, y) for s in range(3)]
    monkeypatch.setattr(threading.Thread, "start", refusing)
    with pytest.raises(RuntimeError, match="new thread"):
        Population(tasks, 3).advance()
    assert not any(thread.is_alive() for thread in started)
