"""CSR rows: the first layer's kernels, whose time goes with non-zeros, and fits."""

import numpy as np
from fastnn.kernels import layout as at
from fastnn.kernels import sparse as kernels
from scipy import sparse

from fastnn.structure.architecture import Architecture
from fastnn.structure.network import Network, Rows
from fastnn.structure.plan import Plan, Training
from fastnn.structure.variants import LOSSES

from .measure import DTYPES, best_seconds
from .models import LIBRARIES, compile_twins, find_class, fit_quietly

FEATURES, UNITS, CLASSES, BATCH = 20_000, 100, 10, 200
TEXTS, WORDS = 4_000, 40  # 40 of 20,000 words: 0.2 % of the matrix
_NO_ORDER = np.empty(0, np.int64)


def make_texts(n_rows, n_words, dtype, seed=0):
    """Return rows like those of TF-IDF: positive, of norm 1, few words frequent."""
    rng = np.random.default_rng(seed)
    columns = np.empty((n_rows, n_words), np.int32)
    for row in columns:
        # Squares of uniform numbers: the first words are the most frequent ones.
        words = (FEATURES * rng.random(2 * n_words) ** 2).astype(np.int32)
        words = np.unique(words)
        while words.size < n_words:
            words = np.union1d(words, rng.integers(FEATURES, size=n_words))
        row[:] = np.sort(rng.permutation(words)[:n_words])
    numbers = 0.1 + rng.random(columns.shape)
    numbers /= np.linalg.norm(numbers, axis=1, keepdims=True)
    starts = np.arange(0, columns.size + 1, n_words)
    parts = (numbers.ravel().astype(dtype), columns.ravel(), starts)
    return sparse.csr_matrix(parts, shape=(n_rows, FEATURES))


class SparseKernels:
    """Nanoseconds per non-zero of a batch of 200 rows, for few and for many.

    A non-zero takes 100 multiplications and additions, those of one row of W. Where
    time goes with non-zeros alone, the three numbers are the same.
    """

    params = ((10, 40, 160), DTYPES)
    param_names = ("non-zeros per row", "dtype")

    def setup(self, n_words, dtype):
        X = make_texts(BATCH, n_words, dtype)
        plan = Plan(
            Architecture((FEATURES, UNITS, 1), ("relu",), "identity"),
            dtype,
            n_workers=1,
            sparse=True,
            batch_size=BATCH,
            training=Training(LOSSES["squared_error", "identity"], "adam", 1),
        )
        network = Network(plan, BATCH)
        self.call = (network.net, network.arena, *Rows(X).arrays, _NO_ORDER)
        self.nnz = X.nnz
        net = network.net
        places = (net[at.TILES] + i * at.TILE for i in range(net[at.N_TILES]))
        self.tiles = [
            i for i, place in enumerate(places) if net[place + at.TILE_LAYER] == 0
        ]

    def track_load(self, n_words, dtype):
        kernel = kernels.load_sparse[dtype]
        seconds = best_seconds(lambda: kernel(*self.call, 0, 0, BATCH), repeat=5)
        return seconds / self.nnz * 1e9

    def track_gradient(self, n_words, dtype):
        """Time all tiles of the first layer; each looks for its columns in every row.

        There are hundreds of them: what their calls from Python take, without any
        rows, is subtracted.
        """
        kernel = kernels.add_sparse_gradient[dtype]

        def step(rows):
            for tile in self.tiles:
                kernel(*self.call, 0, rows, tile)

        seconds = [best_seconds(lambda n=n: step(n), repeat=5) for n in (BATCH, 0)]
        return (seconds[0] - seconds[1]) / self.nnz * 1e9

    track_load.unit = track_gradient.unit = "ns"


class FitSparse:
    """An epoch on 4,000 texts of 40 words out of 20,000, beside scikit-learn's."""

    params = LIBRARIES
    param_names = ("library",)
    timeout = 300
    number = 1

    def setup(self, library):
        dtype = "float32" if library == "fastnn" else "float64"
        self.X = make_texts(TEXTS, WORDS, dtype)
        self.y = np.random.default_rng(1).integers(CLASSES, size=TEXTS)
        self.model = find_class(library, "classification")(
            (UNITS,), batch_size=BATCH, max_iter=1, random_state=0
        )
        if library == "fastnn":
            compile_twins(dtype)
        rows = 2 * BATCH
        fit_quietly(self.model, self.X[:rows], self.y[:rows])

    def time_fit(self, library):
        fit_quietly(self.model, self.X, self.y)
