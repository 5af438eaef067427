"""Searches whose candidates are trained by workers elsewhere."""

import os
import signal
import threading
import time
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest
from helpers import make_data
from joblib import effective_n_jobs, parallel_config, register_parallel_backend
from joblib._parallel_backends import ThreadingBackend
from search_tools import (
    DIVERGING,
    GRID,
    assert_same,
    assert_same_results,
    both,
    classifier,
    fit,
)
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn.model_selection import GridSearchCV, _distribution
from fastnn.model_selection import _evaluation as evaluation


class Elsewhere(ThreadingBackend):
    """A backend that is not one of the usual ones.

    It has a single thread: several would change warnings' filters under each other's
    feet.
    """

    def _get_pool(self):
        if self._pool is None:
            self._pool = ThreadPool(1)
        return self._pool

    def terminate(self):
        """Wait for what runs when an error ends it all: it may warn."""
        pool = self._pool
        super().terminate()
        if pool is not None:
            pool.join()


register_parallel_backend("elsewhere", Elsewhere)


@pytest.fixture
def populations(monkeypatch):
    """Return a list of (number of tasks, n_threads), one for each population."""
    seen = []

    class Counted(evaluation.Population):
        def __init__(self, tasks, n_threads=None):
            seen.append((len(tasks), n_threads))
            super().__init__(tasks, n_threads)

    monkeypatch.setattr(evaluation, "Population", Counted)
    return seen


@pytest.mark.parametrize(
    ("n_jobs", "n_threads"), [(None, None), (1, 1), (2, 2), (-1, effective_n_jobs(-1))]
)
def test_by_default_all_networks_are_in_one_population(populations, n_jobs, n_threads):
    X, y = make_data("binary")
    fit(GridSearchCV(classifier(), GRID, cv=3, n_jobs=n_jobs), X, y)
    assert populations == [(12, n_threads)]


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_processes_and_threads_of_this_machine_are_threads_of_this_process(
    populations, backend
):
    X, y = make_data("binary")
    with parallel_config(backend=backend, n_jobs=2):
        fit(GridSearchCV(classifier(), GRID, cv=3), X, y)
    assert populations == [(12, 2)]


@pytest.mark.parametrize("piped", [False, True])
def test_another_backend_gets_chunks(populations, piped):
    X, y = make_data("multiclass")
    estimator, grid = classifier(), GRID
    if piped:
        estimator = make_pipeline(StandardScaler(), estimator)
        grid = {f"mlpclassifier__{name}": values for name, values in GRID.items()}
    mine, theirs = both("GridSearchCV", estimator, grid, cv=3, return_train_score=True)
    with parallel_config(backend="elsewhere", n_jobs=2):
        fit(mine, X, y)
    fit(theirs, X, y)
    assert_same(mine, theirs, X)
    assert len(populations) > 1
    assert sum(n for n, _ in populations) == 12
    assert {n_threads for _, n_threads in populations} == {1}
    assert mine.n_epochs_trained_ == 12 * 4


def test_n_jobs_of_1_stays_here_whatever_the_backend(populations):
    X, y = make_data("binary")
    with parallel_config(backend="elsewhere", n_jobs=2):
        fit(GridSearchCV(classifier(), GRID, cv=3, n_jobs=1), X, y)
    assert populations == [(12, 1)]


def test_halving_elsewhere_starts_again_and_has_the_same_results():
    X, y = make_data("binary")
    params = {"cv": 3, "resource": "max_iter", "max_resources": 9}
    mine, theirs = both("HalvingGridSearchCV", classifier(), GRID, **params)
    with parallel_config(backend="elsewhere", n_jobs=2):
        fit(mine, X, y)
    fit(theirs, X, y)
    assert_same(mine, theirs, X)


def test_a_lost_chunk_is_sent_again(monkeypatch):
    X, y = make_data("binary")
    real, lost = _distribution.evaluate_chunk, []

    def loses(number, *rest):
        if number in (1, 2) and lost.count(number) < 2:
            lost.append(number)
            if number == 1:
                raise ConnectionError("The worker is gone.")
            return "something else"
        return real(number, *rest)

    monkeypatch.setattr(_distribution, "evaluate_chunk", loses)
    mine, theirs = both("GridSearchCV", classifier(), GRID, cv=3)
    with parallel_config(backend="elsewhere", n_jobs=2):
        fit(mine, X, y)
    fit(theirs, X, y)
    assert_same(mine, theirs, X)
    assert set(lost) == {1, 2}


def test_chunks_that_are_always_lost_end_in_an_error(monkeypatch):
    X, y = make_data("binary")

    def loses(*args):
        raise ConnectionError("The worker is gone.")

    monkeypatch.setattr(_distribution, "evaluate_chunk", loses)
    search = GridSearchCV(classifier(), GRID, cv=3)
    with (
        parallel_config(backend="elsewhere", n_jobs=2),
        pytest.raises(RuntimeError, match="lost with their workers"),
    ):
        fit(search, X, y)


def test_errors_of_fits_elsewhere():
    X, y = make_data("binary", dtype=np.float32)
    grid = {"learning_rate_init": [1e-3, DIVERGING]}
    mine, theirs = both("GridSearchCV", classifier(solver="sgd"), grid, cv=3)
    with (
        parallel_config(backend="elsewhere", n_jobs=2),
        pytest.warns((FitFailedWarning, UserWarning)),
    ):
        fit(mine, X, y)
    with pytest.warns((FitFailedWarning, UserWarning)):
        fit(theirs, X, y)
    assert_same(mine, theirs, X)
    raising = GridSearchCV(classifier(solver="sgd"), grid, cv=3, error_score="raise")
    with (
        parallel_config(backend="elsewhere", n_jobs=2),
        pytest.raises(ValueError, match="non-finite"),
    ):
        fit(raising, X, y)


class Slow(TransformerMixin, BaseEstimator):
    """Takes its time in other processes, and writes down which they are."""

    def __init__(self, folder=None, seconds=0.0, home=None):
        self.folder, self.seconds, self.home = folder, seconds, home

    def fit(self, X, y=None):
        if os.getpid() != self.home:
            name = f"{os.getpid()}-{time.time_ns()}"
            with open(os.path.join(self.folder, name), "w"):
                pass
            time.sleep(self.seconds)
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.asarray(X)


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Return a client of two workers in processes of their own."""
    distributed = pytest.importorskip("distributed")
    # also those that are started later find this module
    folder = os.path.dirname(os.path.abspath(__file__))
    folders = [folder, os.path.dirname(folder), os.environ.get("PYTHONPATH")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, folders)))
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path / "dask"),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dask_and_a_worker_that_is_killed(client, tmp_path):
    X, y = make_data("multiclass", n=150)
    grid = {
        "mlpclassifier__activation": ["relu", "tanh"],
        "slow__seconds": [0.10, 0.11, 0.12],
    }
    slow = Slow(str(tmp_path), home=os.getpid())
    estimator = make_pipeline(StandardScaler(), slow, classifier())
    mine, theirs = both("GridSearchCV", estimator, grid, cv=3)
    killed = []

    def kill():
        """Kill the first process that has begun to work on a chunk."""
        while not killed and time.time() < deadline:
            for name in os.listdir(tmp_path):
                pid = name.split("-")[0]
                if pid.isdigit():
                    os.kill(int(pid), signal.SIGKILL)
                    killed.append(int(pid))
                    return
            time.sleep(0.01)

    deadline = time.time() + 60
    thread = threading.Thread(target=kill)
    thread.start()
    with parallel_config(backend="dask"):
        fit(mine, X, y)
    thread.join()
    assert killed
    fit(theirs, X, y)
    assert_same_results(mine, theirs)
    np.testing.assert_array_equal(mine.predict(X), theirs.predict(X))
