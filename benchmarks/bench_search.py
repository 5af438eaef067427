"""Searches for hyper-parameters: many small fits, as in practice."""

from sklearn import model_selection as sklearn_search
from sklearn.datasets import load_digits

from fastnn import model_selection as fastnn_search

from .bench_memory import bytes_added
from .models import LIBRARIES, compile_twins, find_class, fit_quietly

GRID = {
    "hidden_layer_sizes": [(50,), (100,)],
    "alpha": [1e-5, 1e-3, 1e-1],
    "learning_rate_init": [1e-3, 1e-2],
}
FOLDS, EPOCHS = 5, 5
LONGER = 20  # epochs: for fits whose training is more than what Python adds to it
CANDIDATES, THREADS = (1, 10, 50, 200), (1, 2)
FEW_UNITS = {"hidden_layer_sizes": (20,)}  # so that 200 candidates take seconds
SEARCHES = {"fastnn": fastnn_search, "sklearn": sklearn_search}


def _make_search(search, library, grid, n_jobs=None, epochs=EPOCHS, **params):
    """Return an unfitted search, and the digits; all that it calls is compiled."""
    if search == "fastnn" and library == "sklearn":
        raise NotImplementedError("it would be scikit-learn's own loop")
    X, y = load_digits(return_X_y=True)
    network = find_class(library, "classification")
    estimator = network(max_iter=epochs, random_state=0, **params)
    if library == "fastnn":
        compile_twins("float64")
    fit_quietly(estimator, X[:300], y[:300]).score(X, y)
    made = SEARCHES[search].GridSearchCV(estimator, grid, cv=FOLDS, n_jobs=n_jobs)
    return made, X, y


def _make_grid(candidates):
    """Return penalties, so that all candidates cost the same."""
    return {"alpha": [10.0 ** -(1 + i / 4) for i in range(candidates)]}


class GridSearch:
    """Twelve candidates, five folds of the digits, five epochs each, and a last fit.

    `search` is who searches: fastnn's class, or scikit-learn's on one core; `library`
    is whose network it trains. The classes of both get float64.
    """

    params = (tuple(SEARCHES), LIBRARIES)
    param_names = ("search", "library")
    timeout = 600
    number = 1
    repeat = (2, 5, 20.0)

    def setup(self, search, library):
        self.arguments = _make_search(search, library, GRID)

    def time_search(self, search, library):
        fit_quietly(*self.arguments)


class ScaleCandidates:
    """How the time grows with candidates, on one thread and on two.

    With the same work for each candidate, it grows in proportion, but for the last
    fit, which all have once. Twenty epochs each, of a small network.
    """

    params = (CANDIDATES, THREADS)
    param_names = ("candidates", "threads")
    timeout = 300
    number = 1
    repeat = (2, 5, 20.0)

    def setup(self, candidates, threads):
        grid = _make_grid(candidates)
        self.arguments = _make_search(
            "fastnn", "fastnn", grid, threads, LONGER, **FEW_UNITS
        )

    def time_search(self, candidates, threads):
        fit_quietly(*self.arguments)


class SearchMemory:
    params = (CANDIDATES, tuple(SEARCHES))
    param_names = ("candidates", "search")
    timeout = 300

    def setup(self, candidates, search):
        grid = _make_grid(candidates)
        self.arguments = _make_search(search, "fastnn", grid, **FEW_UNITS)

    def peakmem_search(self, candidates, search):
        """Peak of the whole process, the libraries and the data included."""
        fit_quietly(*self.arguments)

    def track_search_bytes(self, candidates, search):
        """Bytes that a search adds at its peak to what the warm-up left; Linux only."""
        return bytes_added(lambda: fit_quietly(*self.arguments))

    track_search_bytes.unit = "bytes"
