"""scikit-learn's callbacks, on the estimators alone and inside other estimators."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import (
    NAMES,
    assert_same_bits,
    data_for,
    estimator_of,
    ignore_convergence,
    is_classifier_name,
    outputs,
)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

callback = pytest.importorskip("sklearn.callback")

pytestmark = ignore_convergence

EPOCHS = 6
SETTINGS = {
    "hidden_layer_sizes": (5,),
    "max_iter": EPOCHS,
    "random_state": 0,
    "batch_size": 10,
}
SOLVERS = ("sgd", "adam", "lbfgs")
WHERE = ("alone", "pipeline", "search", "search of pipelines")


class Recorder:
    """Keep what each hook was given; `stop_after` asks to stop at that many tasks."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.calls = []
        self.ends = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append("begin" if context.parent is None else "begin epoch")

    def on_fit_task_end(
        self,
        estimator,
        context,
        *,
        X=None,
        y=None,
        metadata=None,
        fitted_estimator=None,
    ):
        root = context.parent is None
        self.calls.append("end" if root else "end epoch")
        if root:
            return False
        self.ends.append((X, y, metadata, fitted_estimator))
        return self.stop_after is not None and len(self.ends) >= self.stop_after


class Failing(Recorder):
    def on_fit_task_end(self, estimator, context):
        if len(self.calls) > 4:
            raise RuntimeError("this callback fails")


def unheard(model):
    """Return a clone without the callbacks, which a clone would share."""
    return clone(model).set_callbacks()


def both(name, **params):
    X, y = data_for(name, n=50, p=4)
    return estimator_of(name, **{**SETTINGS, **params}), X, y


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", NAMES)
def test_hooks_are_called_once_for_each_epoch(name, solver):
    model, X, y = both(name, solver=solver)
    recorder = Recorder()
    model.set_callbacks(recorder).fit(X, y)
    epochs = model.n_iter_
    assert epochs >= 2
    if solver == "lbfgs":  # SciPy's solver is told of as a whole
        epochs = recorder.calls.count("end epoch")
    middle = ["begin epoch", "end epoch"] * epochs
    assert recorder.calls == ["setup", "begin", *middle, "end", "teardown"]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_the_same_with_callbacks(name, solver):
    model, X, y = both(name, solver=solver)
    plain = unheard(model).fit(X, y)
    assert_same_bits(model.set_callbacks(Recorder()).fit(X, y), plain)
    assert model.set_callbacks() is model
    assert_same_bits(model.fit(X, y), plain)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_a_callback_stops_training(name, solver):
    model, X, y = both(name, solver=solver, max_iter=50)
    model.set_callbacks(Recorder(stop_after=3)).fit(X, y)
    assert model.n_iter_ == 3
    assert len(model.loss_curve_) == 3
    shorter = unheard(model).set_params(max_iter=3).fit(X, y)
    assert_same_bits(model, shorter)


@pytest.mark.parametrize("name", NAMES)
def test_a_callback_stops_early_stopping_at_the_best_weights(name):
    model, X, y = both(name, early_stopping=True, max_iter=50, batch_size=5)
    model.set_callbacks(Recorder(stop_after=3)).fit(X, y)
    assert model.n_iter_ == len(model.validation_scores_) == 3
    assert_same_bits(model, unheard(model).set_params(max_iter=3).fit(X, y))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_each_epoch_gives_a_fitted_estimator(name, solver):
    model, X, y = both(name, solver=solver)
    recorder = Recorder()
    model.set_callbacks(recorder).fit(X, y)
    answers = []
    for epoch, (X_seen, y_seen, _, fitted) in enumerate(recorder.ends, 1):
        assert X_seen.shape == X.shape
        assert len(y_seen) == len(y)
        assert fitted is not model
        answers.append(outputs(fitted, X))
        assert np.isfinite(fitted.score(X, y))
        shorter = unheard(model).set_params(max_iter=epoch).fit(X, y)
        assert_same_bits(fitted, shorter)
    # Each of them keeps its own weights: they were all different in the end.
    for left, right in pairwise(answers):
        assert (left != right).any()
    np.testing.assert_array_equal(answers[-1], outputs(model, X))


@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
def test_callbacks_see_the_labels_of_the_caller(name):
    model, X, y = both(name)
    y = np.array(["ant", "bee", "cow", "dog"])[y]
    recorder = Recorder()
    model.set_callbacks(recorder).fit(X, y)
    _, y_seen, _, fitted = recorder.ends[0]
    np.testing.assert_array_equal(y_seen, y)
    assert set(fitted.predict(X)) <= set(y)


@pytest.mark.parametrize("name", NAMES)
def test_callbacks_see_the_sample_weights(name):
    model, X, y = both(name)
    recorder = Recorder()
    model.set_callbacks(recorder).fit(X, y, sample_weight=np.arange(1.0, 51))
    metadata = recorder.ends[0][2]
    np.testing.assert_array_equal(metadata["sample_weight"], np.arange(1.0, 51))


@pytest.mark.parametrize("name", NAMES)
def test_a_failing_callback_is_torn_down_and_reported(name):
    model, X, y = both(name)
    failing = Failing()
    model.set_callbacks(failing)
    with pytest.raises(RuntimeError, match="this callback fails"):
        model.fit(X, y)
    assert failing.calls[-1] == "teardown"
    assert not hasattr(model, "_callback_fit_ctx")
    assert model.set_callbacks().fit(X, y).n_iter_ == EPOCHS


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_called_without_callbacks(name, monkeypatch):
    """No epoch makes a task and no model is rebuilt where nobody listens."""
    model, X, y = both(name, max_iter=4)
    context = callback.CallbackContext

    def forbidden(*args, **kwargs):
        raise AssertionError("a hook was called")

    monkeypatch.setattr(context, "_from_parent", forbidden)
    monkeypatch.setattr(
        "sklearn.callback._callback_context._from_reconstruction_attributes", forbidden
    )
    assert model.fit(X, y).n_iter_ == 4
    model.partial_fit(X, y)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_callbacks_are_refused(name):
    model, _, _ = both(name)
    for wrong in (object(), Recorder, "progress"):
        with pytest.raises(TypeError, match="FitCallback"):
            model.set_callbacks(wrong)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_scoring_monitor(name, solver):
    model, X, y = both(name, solver=solver)
    scoring = "accuracy" if is_classifier_name(name) else "r2"
    monitor = callback.ScoringMonitor(scoring=scoring)
    model.set_callbacks(monitor).fit(X, y)
    rows = monitor.get_logs().data
    epochs = [row for row in rows if len(row["task_id_path"]) == 2]
    assert [row["task_id"] for row in epochs] == list(range(model.n_iter_))
    assert epochs[-1][scoring] == pytest.approx(model.score(X, y))
    first = unheard(model).set_params(max_iter=1).fit(X, y)
    assert epochs[0][scoring] == pytest.approx(first.score(X, y))


def test_scoring_monitor_in_a_pipeline():
    model, X, y = both("classifier")
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    model.set_callbacks(monitor)
    make_pipeline(StandardScaler(), model).fit(X, y)
    scores = [
        row["neg_log_loss"] for row in monitor.get_logs().data if "neg_log_loss" in row
    ]
    assert len(scores) >= EPOCHS
    assert len(set(scores)) >= EPOCHS


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("name", ["classifier", "estimator-reg"])
def test_scoring_monitor_in_a_search(name, n_jobs):
    model, X, y = both(name)
    scoring = "accuracy" if is_classifier_name(name) else "r2"
    monitor = callback.ScoringMonitor(scoring=scoring)
    model.set_callbacks(monitor)
    search = GridSearchCV(model, {"alpha": [0.0, 1.0]}, cv=2, n_jobs=n_jobs)
    search.fit(X, y)
    scores = [row for row in monitor.get_logs(select="all")[-1].data if scoring in row]
    assert len(scores) >= EPOCHS


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("name", NAMES)
def test_progress_bar(name, where, capsys):
    pytest.importorskip("rich")
    model, X, y = both(name)
    plain = unheard(model)
    outer = {
        "alone": lambda: model,
        "pipeline": lambda: make_pipeline(StandardScaler(), model),
        "search": lambda: GridSearchCV(model, {"alpha": [0.0, 1.0]}, cv=2),
        "search of pipelines": lambda: GridSearchCV(
            make_pipeline("passthrough", model), {"memory": [None]}, cv=2
        ),
    }[where]()
    # The whole depth, so that the bars of our epochs are among those printed.
    outer.set_callbacks(callback.ProgressBar(max_propagation_depth=None))
    outer.fit(X, y)
    assert type(model).__name__ in capsys.readouterr().out
    if where == "alone":
        assert_same_bits(outer, plain.fit(X, y))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_bar_in_parallel_search(n_jobs, capsys):
    pytest.importorskip("rich")
    model, X, y = both("classifier")
    search = GridSearchCV(model, {"alpha": [0.0, 1.0]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "MLPClassifier" in capsys.readouterr().out
    assert search.best_estimator_.n_iter_ == EPOCHS


def test_partial_fit_is_one_epoch_or_nothing():
    """The protocol is about `fit` and leaves open what one more epoch tells."""
    model, X, y = both("regressor")
    recorder = Recorder()
    model.set_callbacks(recorder).partial_fit(X, y)
    epoch = ["begin", "begin epoch", "end epoch", "end"]
    assert recorder.calls in ([], ["setup", *epoch, "teardown"])
