"""Networks to train together, and comparisons with fits alone."""

import dataclasses
import warnings

import numba
import numpy as np
import pytest
from helpers import make_data, outputs
from numpy.random import RandomState
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.learning.population import Population, Task

INTERPRETED = bool(numba.config.DISABLE_JIT)
N = 30 if INTERPRETED else 90
EPOCHS = 3 if INTERPRETED else 9
FOLD = RandomState(0).permutation(N)[: 4 * N // 5]  # neither sorted nor all
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def add_noise(X, rng):
    return X + rng.normal(0, 0.1, X.shape).astype(X.dtype)


def network(kind="multiclass", hidden_layer_sizes=(5,), **params):
    regression = kind in ("regression", "multioutput")
    options = {"batch_size": 16, "max_iter": EPOCHS, "random_state": 1, **params}
    task = "regression" if regression else "classification"
    return MLPEstimator(hidden_layer_sizes, task=task, **options)


def classifier(**params):
    options = {"batch_size": 16, "max_iter": EPOCHS, "random_state": 1, **params}
    return MLPClassifier((5,), **options)


def regressor(**params):
    options = {"batch_size": 16, "max_iter": EPOCHS, "random_state": 1, **params}
    return MLPRegressor((5,), **options)


# name: what data it is trained on, and the network
NETWORKS = {
    "wide": ("multiclass", lambda: network(hidden_layer_sizes=(33,))),
    "deep": ("multiclass", lambda: network(hidden_layer_sizes=(7, 6, 5))),
    "linear": ("binary", lambda: network(hidden_layer_sizes=())),
    "mixed": ("binary", lambda: network("binary", (4, 3), activation=["tanh", "elu"])),
    "logistic": ("regression", lambda: network("regression", activation="logistic")),
    "several": ("multioutput", lambda: network("multioutput", activation="gelu")),
    "labels": ("multilabel", lambda: network("multilabel", dtype="float64")),
    "drop-in": ("multiclass", lambda: classifier()),
    "drop-in in order": ("binary", lambda: classifier(shuffle=False)),
    "drop-in regressor": ("regression", lambda: regressor(dtype="float32")),
    "drop-in lbfgs": ("regression", lambda: regressor(solver="lbfgs")),
    "lbfgs": ("multiclass", lambda: network(solver="lbfgs")),
    **{
        solver: ("multiclass", lambda solver=solver: network(solver=solver))
        for solver in ("sgd", "rmsprop", "adamw", "nadam", "amsgrad", "adagrad", "lion")
    },
    **{
        name: (
            "regression",
            lambda name=name: network("regression", learning_rate=name),
        )
        for name in ("invscaling", "step", "exponential", "cosine", "one_cycle")
    },
    "adaptive": (
        "binary",
        lambda: network(
            learning_rate="adaptive", solver="sgd", tol=1.0, n_iter_no_change=1
        ),
    ),
    "plateau": ("binary", lambda: network(learning_rate="plateau", decay_epochs=1)),
    "patience": ("binary", lambda: network(tol=10.0, n_iter_no_change=1)),
    "penalties": (
        "multiclass",
        lambda: network(alpha=0.01, l1_ratio=0.5, max_norm=1.0, gradient_clip_norm=1.0),
    ),
    "average": ("multiclass", lambda: network(ema_decay=0.9, warmup=2)),
    "dropout": ("multiclass", lambda: network(dropout=0.3)),
    "noise": ("regression", lambda: network("regression", input_noise=0.1)),
    "mixup": ("multiclass", lambda: network(mixup_alpha=0.4)),
    "augmented": ("multiclass", lambda: network(augmentation=add_noise)),
    "batch norm": ("multiclass", lambda: network(batch_norm=True, batch_size=18)),
    "layer norm": (
        "multiclass",
        lambda: network(hidden_layer_sizes=(5, 5), layer_norm=True, residual=True),
    ),
    "full batch": ("multiclass", lambda: network(batch_size="full", dtype="auto")),
    "stream": ("multiclass", lambda: network(random_state=RandomState(5))),
    "drop-in stream": ("binary", lambda: classifier(random_state=RandomState(5))),
    "stopping": ("multiclass", lambda: network(early_stopping=True)),
    "stopping by loss": (
        "multiclass",
        lambda: classifier(
            early_stopping=True, validation_metric="loss", n_iter_no_change=1, tol=0.5
        ),
    ),
    "stopping by a scorer": (
        "binary",
        lambda: network(early_stopping=True, validation_metric="balanced_accuracy"),
    ),
    "stopping regressor": ("regression", lambda: regressor(early_stopping=True)),
    "class weights": ("multiclass", lambda: network(class_weight="balanced")),
    "class weights, stopping": (
        "binary",
        lambda: network(class_weight={0: 2.0, 1: 0.5}, early_stopping=True),
    ),
}


PLAIN = ("wide", "linear", "logistic", "drop-in", "lbfgs", "sgd", "stopping")


def tasks_of_all(form=np.asarray, rows=FOLD, names=NETWORKS):
    """Return a dict of tasks; those on the same data have the same X."""
    data = {}
    tasks = {}
    for name in names:
        kind, make = NETWORKS[name]
        if kind not in data:
            X, y = make_data(kind, n=N)
            data[kind] = form(X), y
        tasks[name] = Task(make(), *data[kind], rows)
    return tasks


def part(values, rows):
    return values if rows is None else _safe_indexing(values, rows)


def fit_alone(task, **params):
    """Fit a copy of a task's network as a user would."""
    X, y = part(task.X, task.rows), part(task.y, task.rows)
    model = clone(task.estimator).set_params(**params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y, **task.fit_params)


def facts(value):
    """Return all that an object holds as something to compare, bit for bit."""
    if isinstance(value, RandomState):
        return facts(value.get_state(legacy=False))
    if isinstance(value, np.ndarray):
        data = value.tolist() if value.dtype == object else value.tobytes()
        return value.dtype.str, value.shape, data
    if sparse.issparse(value):
        return value.format, facts(value.toarray())
    if isinstance(value, dict):
        return {name: facts(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value), *map(facts, value)]
    if isinstance(value, (float, np.floating)):
        return type(value), np.float64(value).tobytes()
    if dataclasses.is_dataclass(value):
        return facts(vars(value))
    if hasattr(value, "fit"):
        return type(value), facts(vars(value))
    return value


def assert_same(mine, alone, task, **ignored):
    """Compare two fitted networks: attributes, private ones too, and outputs."""
    X = part(task.X, task.rows)
    mine_facts, alone_facts = (
        {
            name: facts(value)
            for name, value in vars(model).items()
            if name not in ("_shared", *ignored)
        }
        for model in (mine, alone)
    )
    assert set(mine_facts) == set(alone_facts)
    for name, fact in alone_facts.items():
        assert mine_facts[name] == fact, name
    assert outputs(mine, X).tobytes() == outputs(alone, X).tobytes()
    assert facts(mine.predict(X)) == facts(alone.predict(X))


def go_on(model, task):
    """Train on in the ways that the network has, and return it."""
    X, y = part(task.X, task.rows), part(task.y, task.rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        refuses = getattr(model, "class_weight", None) == "balanced"
        if model.solver != "lbfgs" and not model.early_stopping and not refuses:
            model.partial_fit(X, y)
        return model.set_params(warm_start=True, max_iter=2).fit(X, y)


def assert_as_alone(tasks, n_threads=None):
    """Train tasks together, compare each with a fit alone, and return the results."""
    alone = [fit_alone(task) for task in tasks]  # first: a stream moves on
    together = Population(tasks, n_threads)
    together.advance()
    for i, task in enumerate(tasks):
        assert_same(together.result(i), alone[i], task)
        assert together.seconds(i) > 0
        assert together.epochs(i) == alone[i].n_iter_
    return [together.result(i) for i in range(len(tasks))], alone
