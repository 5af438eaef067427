"""What a search tells while it runs, and what it lets go of."""

import gc
import io
import threading
import weakref

import numpy as np
import pytest
from helpers import make_data, needs_weights
from search_tools import DIVERGING, assert_same, both, classifier, fit
from sklearn.model_selection import RepeatedKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPEstimator
from fastnn import model_selection as ours
from fastnn.learning import crew
from fastnn.learning.population import Population, Task
from fastnn.model_selection import _evaluation as evaluation
from fastnn.model_selection import _folds as folds

RATES = {"learning_rate_init": [1e-3, 3e-3, 1e-2]}  # candidates of equal work
SIZES = {"hidden_layer_sizes": [(4,), (20,)]}
SPLIT = [(np.arange(60), np.arange(60, 97))]


def network(**params):
    params = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **params}
    return MLPEstimator(task="classification", **params)


def width(model):
    return model.hidden_layer_sizes[0]


def test_messages_come_as_fits_end(monkeypatch):
    """With one thread they are, line by line, those of scikit-learn."""
    X, y = make_data("multiclass")
    printed = []
    for search in both("GridSearchCV", classifier(), RATES, cv=2, n_jobs=1):
        out, known = io.StringIO(), []

        def score(model, X, y, out=out, known=known):
            known.append((out.getvalue().count("START"), out.getvalue().count("END")))
            return 0.25

        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", out)
            fit(search.set_params(verbose=10, scoring=score, refit=False), X, y)
        assert known == [(n + 1, n) for n in range(6)]
        # dots fill the line, and the time is another
        lines = [line.partition("time=")[0] for line in out.getvalue().splitlines()]
        printed.append([[word.strip(".") for word in line.split()] for line in lines])
    assert printed[0] == printed[1]
    assert len(printed[0]) == 1 + 2 * 6


def test_a_network_is_scored_while_another_is_trained():
    X, y = make_data("binary")
    scored, seen = threading.Event(), []

    def metric(model, X, y):
        """Hold up the wide network until the other one has been scored."""
        if width(model) == 20:
            seen.append(scored.wait(60))
        return 0.5

    def score(model, X, y):
        assert threading.current_thread() is threading.main_thread()
        scored.set()
        return float(width(model))

    estimator = network(early_stopping=True, validation_metric=metric, max_iter=1)
    search = ours.GridSearchCV(
        estimator, SIZES, cv=SPLIT, n_jobs=2, scoring=score, refit=False
    )
    fit(search, X, y)
    assert seen == [True]
    assert search.cv_results_["mean_test_score"].tolist() == [4.0, 20.0]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_no_more_threads_are_at_work_than_asked_for(n_jobs):
    """A thread waits for the score of its network."""
    X, y = make_data("binary")
    at_work, most = [0], [0]
    lock = threading.Lock()

    def work(model, X, y):
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        threading.Event().wait(0.01)
        with lock:
            at_work[0] -= 1
        return 0.5

    estimator = network(early_stopping=True, validation_metric=work, max_iter=3)
    search = ours.GridSearchCV(
        estimator, {"alpha": [1e-4] * 8}, cv=SPLIT, n_jobs=n_jobs, scoring=work
    )
    fit(search.set_params(refit=False), X, y)
    assert most[0] == n_jobs


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_fit_that_fails_ends_the_search_where_that_is_asked_for(n_jobs):
    """The error is that of the first network in the order of training."""
    X, y = make_data("multiclass", dtype=np.float32)
    scored, before = [], set(threading.enumerate())

    def score(model, X, y):
        scored.append(model.alpha)
        if model.alpha == 0.25:
            raise RuntimeError("This one has no score.")
        return 0.5

    grid = [
        {"alpha": [0.125, 0.25]},
        {"learning_rate_init": [DIVERGING]},
        {"alpha": [0.5] * 50},
    ]
    search = ours.GridSearchCV(
        classifier(), grid, cv=SPLIT, n_jobs=n_jobs, scoring=score
    )
    with pytest.raises(RuntimeError, match="no score"):
        fit(search.set_params(error_score="raise"), X, y)
    assert sorted(scored)[:2] == [0.125, 0.25]  # also if the second one was sooner
    if n_jobs == 1:  # another thread may be faster by any number of networks
        assert len(scored) == 2
    assert set(threading.enumerate()) <= before
    assert not hasattr(search, "cv_results_")


def test_of_several_errors_the_first_in_order_is_raised():
    """Although another one comes sooner."""
    X, y = make_data("binary")
    failed, trained = threading.Event(), set()

    def metric(model, X, y):
        trained.add(model.random_state)
        return 0.5 if width(model) == 4 else float(failed.wait(60))

    def ends(number):
        failed.set()
        raise RuntimeError(f"network {number}")

    params = {"early_stopping": True, "validation_metric": metric}
    tasks = [
        Task(network(hidden_layer_sizes=(n,), random_state=i, **params), X, y)
        for i, n in enumerate((4, 20, 4))
    ]
    told = []
    with pytest.raises(RuntimeError, match="network 1"):
        Population(tasks, 2).advance(begins=told.append, ends=ends)
    assert told == [1, 0]  # the wide one first, and the last one not at all
    assert trained == {1, 0}


def test_an_interrupted_scorer_ends_the_search():
    X, y = make_data("binary")
    before = set(threading.enumerate())

    def score(model, X, y):
        raise KeyboardInterrupt

    endless = {"max_iter": 10**7, "tol": 0.0, "n_iter_no_change": 10**7}
    grid = [{"max_iter": [2]}, {"warmup": [1]}]
    search = ours.GridSearchCV(
        network(**endless), grid, cv=SPLIT, n_jobs=2, scoring=score
    )
    with pytest.raises(KeyboardInterrupt):
        fit(search, X, y)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("piped", [False, True])
def test_weights_are_let_go_when_they_have_been_scored(piped, monkeypatch):
    monkeypatch.setattr(crew, "PATIENCE", 0.0)  # networks that take long
    X, y = make_data("binary")
    scored = []

    def score(model, X, y):
        gc.collect()
        alive = [reference for reference in scored if reference() is not None]
        final = model[-1] if piped else model
        scored.append(weakref.ref(final.coefs_[0].base))
        return float(len(alive))

    estimator = make_pipeline(StandardScaler(), classifier()) if piped else classifier()
    prefix = "mlpclassifier__" if piped else ""
    grid = {f"{prefix}alpha": [1e-4] * 4}
    search = ours.GridSearchCV(estimator, grid, cv=2, n_jobs=1, scoring=score)
    fit(search.set_params(refit=False), X, y)
    results = search.cv_results_
    alive = [results[f"split{i}_test_score"].max() for i in range(2)]
    assert max(alive) <= 1  # the one before it at most


@pytest.mark.parametrize("cv", [2, RepeatedKFold(n_splits=2, n_repeats=5)])
def test_few_rows_are_copied_at_a_time(cv, monkeypatch):
    most = []

    class Watched(folds.Copies):
        def get(self, *args):
            found = super().get(*args)
            most.append(self._n_rows())
            return found

    monkeypatch.setattr(evaluation, "Copies", Watched)
    X, y = make_data("binary")
    search = ours.GridSearchCV(classifier(), RATES, cv=cv, return_train_score=True)
    fit(search, X, y)
    assert 0 < max(most) <= len(y)


def test_copies_that_were_used_last_are_kept():
    copies, made = folds.Copies(10), []

    def get(key, n_rows):
        return copies.get(key, n_rows, lambda: made.append(key) or key)

    assert [get("a", 4), get("b", 4), get("a", 4)] == ["a", "b", "a"]
    assert made == ["a", "b"]
    get("c", 5)  # b goes
    assert (get("a", 4), made) == ("a", ["a", "b", "c"])
    get("b", 11)  # more than is kept, and alone
    get("a", 4)
    assert made == ["a", "b", "c", "b", "a"]
    copies.forget("a")
    get("a", 4)
    assert made.count("a") == 3


@pytest.mark.parametrize("with_mean", [True, False])
def test_training_samples_are_not_transformed_into_a_second_copy(
    monkeypatch, with_mean
):
    """Where the copy would have the same bits."""
    kept = []

    class Watched(evaluation.Front):
        def transform(self, name, X):
            found = super().transform(name, X)
            if name == "train":
                kept.append(found is self.X)
            return found

    monkeypatch.setattr(evaluation, "Front", Watched)
    X, y = make_data("binary")
    scaler = StandardScaler() if with_mean else Shifting()
    search = ours.GridSearchCV(
        make_pipeline(scaler, classifier()), {"mlpclassifier__alpha": [1e-4]}, cv=2
    )
    fit(search.set_params(return_train_score=True), X, y)
    assert kept == [with_mean] * 2


class Shifting(StandardScaler):
    """Transforms what it is fitted on in another way."""

    def fit_transform(self, X, y=None):
        return super().fit(X).transform(X) + 1.0


class Recorder:
    """Keeps what each hook is told."""

    def __init__(self):
        self.calls = []

    def _keep(self, hook, estimator, context, X=None, metadata=None):
        path = []
        while context is not None:
            path.append((context.task_name, context.task_id))
            context = context.parent
        shape = None if X is None else np.shape(X)
        weight = None if metadata is None else metadata["sample_weight"].tolist()
        self.calls.append((hook, type(estimator).__name__, path, shape, weight))

    def setup(self, estimator, context):
        self._keep("setup", estimator, context)

    def teardown(self, estimator, context):
        self._keep("teardown", estimator, context)

    def on_fit_task_begin(self, estimator, context, *, X=None, metadata=None):
        self._keep("begin", estimator, context, X, metadata)

    def on_fit_task_end(self, estimator, context, *, X=None, metadata=None):
        self._keep("end", estimator, context, X, metadata)


@needs_weights
@pytest.mark.parametrize("name", ["GridSearchCV", "HalvingGridSearchCV"])
@pytest.mark.parametrize("piped", [False, True])
def test_callbacks_are_told_what_scikit_learn_tells(name, piped):
    pytest.importorskip("sklearn.callback")
    X, y = make_data("binary")
    estimator, prefix, fit_params = classifier(), "", {"sample_weight": np.arange(97.0)}
    if piped:
        estimator = make_pipeline(StandardScaler(), estimator)
        prefix, fit_params = "mlpclassifier__", {}
    params = {"cv": ShuffleSplit(2, random_state=0), "n_jobs": 1}
    if name.startswith("Halving"):
        params |= {"resource": f"{prefix}max_iter", "max_resources": 6, "factor": 2}
    grid = {f"{prefix}learning_rate_init": [1e-3, 1e-2]}
    searches = both(name, estimator, grid, **params)
    recorders = [Recorder(), Recorder()]
    for search, recorder in zip(searches, recorders, strict=True):
        fit(search.set_callbacks(recorder), X, y, **fit_params)
    assert hasattr(searches[0], "n_epochs_trained_")  # not scikit-learn's own loop
    assert_same(*searches, X)
    mine, theirs = (recorder.calls for recorder in recorders)
    assert len(mine) > 12
    # A network that is fitted alone puts its own name in its place in the tree.
    assert [_without_leaves(call) for call in mine] == [
        _without_leaves(call) for call in theirs
    ]


def _without_leaves(call):
    hook, estimator, path, shape, weight = call
    return hook, estimator, [number for _, number in path], shape, weight


def test_callbacks_of_a_fit_that_fails():
    pytest.importorskip("sklearn.callback")
    X, y = make_data("binary", dtype=np.float32)
    recorder = Recorder()
    search = ours.GridSearchCV(classifier(), {"learning_rate_init": [DIVERGING]}, cv=2)
    search.set_callbacks(recorder).set_params(error_score="raise")
    with pytest.raises(ValueError, match="non-finite"):
        fit(search, X, y)
    hooks = [call[0] for call in recorder.calls]
    assert hooks.count("end") >= 1
    assert hooks[-1] == "teardown"
    assert not hasattr(search, "_callback_fit_ctx")


@pytest.mark.parametrize("depth", [0, 1])
def test_progress_bars(depth, capsys, monkeypatch):
    """Of the search alone, or with the epochs of each network, which takes a loop."""
    callback = pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "200")  # of the terminal
    X, y = make_data("binary")
    searches = [
        ours.GridSearchCV(classifier(), RATES, cv=2),
        ours.HyperbandSearchCV(classifier(), RATES, max_iter=3, cv=2, random_state=0),
    ]
    for search in searches:
        search.set_callbacks(callback.ProgressBar(max_propagation_depth=depth))
        fit(search, X, y)
        assert hasattr(search, "n_epochs_trained_") == (depth == 0)
        printed = capsys.readouterr().out
        assert f"{type(search).__name__} - search" in printed
        assert ("MLPClassifier" in printed) == (depth == 1)
        # With epochs, the display's last refresh may come before the last bar is full.
        assert depth == 1 or "100%" in printed
