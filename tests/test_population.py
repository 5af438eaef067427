"""Networks that are trained together are, bit for bit, those of fits alone."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from helpers import make_data, memory_map, outputs, unaligned
from numpy.random import RandomState
from population_tools import (
    EPOCHS,
    FOLD,
    INTERPRETED,
    PLAIN,
    N,
    assert_as_alone,
    assert_same,
    classifier,
    fit_alone,
    go_on,
    network,
    quiet,
    tasks_of_all,
)
from scipy import sparse

from fastnn.learning.population import Population, Task


@quiet
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_mixture_has_the_bits_of_fits_alone(n_threads):
    tasks = list(tasks_of_all().values())
    mine, alone = assert_as_alone(tasks, n_threads)
    for task, ours, theirs in zip(tasks, mine, alone, strict=True):
        assert_same(go_on(ours, task), go_on(theirs, task), task)


FORMS = {
    "float32": np.float32,
    "list": lambda X: X.tolist(),
    "pandas": lambda X: pd.DataFrame(X, columns=list("abcdefg")),
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "unaligned": unaligned,
}


@quiet
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_x(form):
    tasks = tasks_of_all(FORMS[form], names=PLAIN).values()
    assert_as_alone(list(tasks), 2)


@quiet
@pytest.mark.parametrize(
    "rows",
    [None, np.arange(5, N), FOLD.tolist(), np.arange(N) % 3 != 0, -1 - FOLD],
    ids=["all", "a stretch", "list", "mask", "from the end"],
)
def test_ways_to_choose_rows(rows):
    assert_as_alone(list(tasks_of_all(rows=rows, names=PLAIN).values()), 2)


@quiet
def test_rows_may_come_again():
    rows = np.concatenate((FOLD[:20], FOLD[:9]))
    assert_as_alone(list(tasks_of_all(rows=rows, names=PLAIN).values()), 2)


@quiet
def test_targets():
    X, y = make_data("multiclass", n=N)
    words = np.array(["low", "middle", "high", "top"])[y]
    labels = make_data("multilabel", n=N)[1]
    missing = np.flatnonzero(y != 2)
    frame = pd.Series(words, index=np.arange(N)[::-1])
    assert_as_alone(
        [
            Task(classifier(), X, words, FOLD),
            Task(network(), X, words.tolist(), FOLD),
            Task(network(early_stopping=True), X, frame, FOLD),
            Task(network(), X, y, missing),
            Task(classifier(early_stopping=True), X, y, missing),
            Task(network(), X, y == 1, FOLD),
            Task(classifier(), X, labels, FOLD),
            Task(network(early_stopping=True), X, labels, FOLD),
            Task(classifier(), X, sparse.csr_matrix(labels), FOLD),
            Task(network(), X, sparse.csr_matrix(labels), FOLD),
            Task(network("regression"), X, y.astype(np.float32), FOLD),
        ],
        3,
    )


@quiet
def test_fit_parameters():
    X, y = make_data("multiclass", n=N)
    Xv, yv = make_data("multiclass", n=20, seed=1)
    weight = np.linspace(0, 2, len(FOLD))
    held_out = {"X_val": Xv, "y_val": yv, "sample_weight_val": np.linspace(1, 2, 20)}
    weights = {"sample_weight": weight}
    tasks = [
        Task(make(**params), X, y, FOLD, fit_params)
        for make in (network, classifier)
        for params, fit_params in [
            ({}, weights),
            ({"early_stopping": True}, weights),
            ({"class_weight": "balanced"}, weights),
            ({}, held_out),
            ({"early_stopping": True}, {**weights, **held_out}),
            ({"solver": "lbfgs"}, weights),
        ]
    ]
    assert_as_alone(tasks, 2)


RUNGS = (1, 3) if INTERPRETED else (3, 7)


@quiet
@pytest.mark.parametrize("n_threads", [1, 2])
def test_rungs(n_threads):
    """Each is a fit of so many epochs, and no later training changes its result."""
    tasks = list(tasks_of_all().values())
    alone = {
        n: [fit_alone(task, max_iter=n, **span(task, EPOCHS)) for task in tasks]
        for n in RUNGS
    }
    for task in tasks:
        task.estimator.set_params(**span(task, EPOCHS))
    together = Population(tasks, n_threads)
    results = {}
    for n in RUNGS:
        together.advance(n)
        results[n] = [together.result(i) for i in range(len(tasks))]
    together.advance()
    for n in RUNGS:
        for i, task in enumerate(tasks):
            # Of max_iter a rung keeps what it was set to.
            assert_same(results[n][i], alone[n][i], task, max_iter=True)
            assert results[n][i].max_iter == EPOCHS
    for i, task in enumerate(tasks):  # nor does training a result change the rest
        if results[RUNGS[0]][i] is results[RUNGS[1]][i]:
            continue  # it had stopped before
        go_on(results[RUNGS[0]][i], task)
        assert_same(results[RUNGS[1]][i], alone[RUNGS[1]][i], task, max_iter=True)


def span(task, n_epochs):
    """Return what keeps a schedule the same for any `max_iter`."""
    moves = task.estimator.learning_rate in ("cosine", "one_cycle")
    return {"schedule_epochs": n_epochs} if moves else {}


@quiet
def test_a_result_may_be_trained_while_others_go_on():
    """A stream of random numbers that a user gave is not shared with the result."""
    names = ("stream", "drop-in stream", "wide", "lbfgs")
    tasks = list(tasks_of_all(names=names).values())
    alone = [fit_alone(task) for task in tasks]
    together = Population(tasks, 2)
    together.advance(2)
    for i, task in enumerate(tasks):
        go_on(together.result(i), task)
    together.advance()
    for i, task in enumerate(tasks):
        assert_same(together.result(i), alone[i], task)


@quiet
def test_what_is_dropped_is_not_trained():
    tasks = list(tasks_of_all(names=PLAIN[:3]).values())
    alone = [fit_alone(task) for task in tasks]
    together = Population(tasks, 2)
    together.advance(2)
    together.drop(1)
    together.advance()
    assert [together.epochs(i) for i in range(3)] == [EPOCHS, 2, EPOCHS]
    with pytest.raises(ValueError, match="no such network"):
        together.result(1)
    for i in (0, 2):
        assert_same(together.result(i), alone[i], tasks[i])


def test_before_training_there_is_no_result():
    together = Population([*tasks_of_all(names=["wide"]).values()])
    assert (together.epochs(0), together.seconds(0)) == (0, 0.0)
    with pytest.raises(ValueError, match="not trained"):
        together.result(0)


def numbers_read(tasks):
    """Return the memory that each task's network reads X from."""
    together = Population(tasks, 2)
    together.advance(1)
    members = together._members
    return [member.session.trainer._rows.numbers for member in members]


def data_in_memory(form, folder):
    X, y = make_data("multiclass", n=N)
    X = X.astype(np.float32 if form.endswith("32") else np.float64)
    if form.startswith("map"):
        X = memory_map(X, folder)
    elif form.startswith("csr"):
        X = sparse.csr_matrix(X)
    return X, y


@quiet
@pytest.mark.parametrize("form", ["array 32", "array 64", "map 32", "map 64", "csr 64"])
def test_rows_are_read_where_they_are(form, tmp_path):
    X, y = data_in_memory(form, tmp_path)
    dtype = f"float{form[-2:]}"
    tasks = [
        Task(estimator, X, y, rows)
        for rows in (FOLD, np.arange(2 * N // 3), None)
        for estimator in (
            classifier(),  # whose dtype is that of X
            network(dtype=dtype),
            network(dtype="auto", early_stopping=True),
            network(dtype=dtype, batch_norm=True, batch_size=18),
            classifier(dtype=dtype, class_weight="balanced"),
        )
    ]
    source = X.data if sparse.issparse(X) else X
    for numbers in numbers_read(tasks):
        assert np.shares_memory(numbers, source)


@quiet
@pytest.mark.parametrize("form", ["array", "csr", "list", "unaligned"])
def test_what_must_be_converted_is_converted_once(form):
    X, y = make_data("multiclass", n=N)
    forms = {"array": np.asarray, "csr": sparse.csr_matrix, **FORMS}
    X = forms[form](X)
    dtype = "float64" if form in ("list", "unaligned") else "float32"
    estimators = [network(dtype=dtype), classifier(dtype=dtype), network(dtype=dtype)]
    if dtype == "float64":
        estimators.append(classifier())
    read = numbers_read([Task(estimator, X, y, FOLD) for estimator in estimators])
    for numbers in read:
        assert np.shares_memory(numbers, read[0])


@quiet
@pytest.mark.parametrize("name", ["stream", "drop-in stream"])
def test_streams_of_other_generators(name):
    def task():
        (made,) = tasks_of_all(names=[name]).values()
        stream = RandomState(np.random.PCG64(3))
        return dataclasses.replace(
            made, estimator=made.estimator.set_params(random_state=stream)
        )

    alone, mine = task(), task()
    X, y = alone.X[FOLD], alone.y[FOLD]
    model = alone.estimator.fit(X, y)
    together = Population([mine], 1)
    together.advance()
    assert outputs(together.result(0), X).tobytes() == outputs(model, X).tobytes()
