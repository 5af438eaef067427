"""Single kernels: products, activations, losses, solvers, transposed copies.

Each is called many times inside one timed function, on memory that stays in the
cache, so that the call from Python does not count for much.
"""

import time

import numpy as np
from fastnn.kernels import activations, layout, losses, optimizers, products
from fastnn.kernels import layout as at
from fastnn.kernels._host import panel_width
from fastnn.kernels.transposition import transpose

DTYPES = ("float32", "float64")
REPEAT = 50


def best_seconds(function, n_rounds=7):
    """Return the best time of a call over a few rounds of many calls."""
    function()
    best = np.inf
    for _ in range(n_rounds):
        start = time.perf_counter()
        for _ in range(REPEAT):
            function()
        best = min(best, time.perf_counter() - start)
    return best / REPEAT


class Products:
    """GFLOP/s of A·B for one panel of columns; `dot` is NumPy on all its threads."""

    params = (((200, 64), (128, 128), (200, 784), (512, 1024), (37, 13)), DTYPES)
    param_names = ("rows and depth", "dtype")
    unit = "GFLOP/s"

    def setup(self, shape, dtype):
        M, K = shape
        self.N = panel_width(np.dtype(dtype).itemsize)
        rng = np.random.default_rng(0)
        self.A = rng.standard_normal((M, K)).astype(dtype)
        self.B = rng.standard_normal((K, self.N)).astype(dtype)
        parts = (np.zeros(M * self.N, dtype), self.A.ravel(), self.B.ravel())
        self.arena = np.concatenate(parts)
        self.kernel = products.accumulate[dtype]

    def _rate(self, shape, function):
        M, K = shape
        return 2e-9 * M * K * self.N / best_seconds(function)

    def track_forward(self, shape, dtype):
        """Rows of A in order: Z = A·W and delta = delta·Wᵀ."""
        (M, K), N = shape, self.N
        arguments = (0, N, M * N, K, 1, M * N + M * K, N, M, K, N)
        return self._rate(shape, lambda: self.kernel(self.arena, *arguments))

    def track_gradient(self, shape, dtype):
        """Columns of A in order: dW = Aᵀ·delta."""
        (M, K), N = shape, self.N
        arguments = (0, N, M * N, 1, M, M * N + M * K, N, M, K, N)
        return self._rate(shape, lambda: self.kernel(self.arena, *arguments))

    def track_dot(self, shape, dtype):
        """Time the same product by np.dot, for comparison."""
        out = np.empty((shape[0], self.N), dtype)
        return self._rate(shape, lambda: np.dot(self.A, self.B, out=out))

    track_forward.unit = track_gradient.unit = track_dot.unit = "GFLOP/s"


class Activations:
    """Nanoseconds per element, forward and backward."""

    params = (
        ("relu", "tanh_", "logistic_", "backward_relu", "backward_tanh"),
        DTYPES,
    )
    param_names = ("unit", "dtype")

    def track_element(self, name, dtype):
        n = 4096
        arena = np.random.default_rng(0).standard_normal(2 * n).astype(dtype)
        kernel = getattr(activations, name)[dtype]
        places = (0, n, n) if name.startswith("backward") else (0, n)
        return best_seconds(lambda: kernel(arena, *places)) / n * 1e9

    track_element.unit = "ns"


class Losses:
    """Nanoseconds per row of a loss and its delta."""

    params = (
        (("softmax_log_loss", 10), ("logistic_log_loss", 1), ("squared_error", 1)),
        DTYPES,
    )
    param_names = ("loss and outputs", "dtype")

    def track_row(self, case, dtype):
        name, k = case
        n = layout.GROUP
        arena = np.zeros((2 * k + 4) * n, dtype)
        u0, l0, s0 = k * n, 2 * k * n, (2 * k + 1) * n
        kernel = getattr(losses, name)[dtype]
        return best_seconds(lambda: kernel(arena, 0, u0, l0, s0, k, n)) / n * 1e9

    track_row.unit = "ns"


class Optimizers:
    """Nanoseconds per parameter of an update, penalty included."""

    params = (("sgd", "adam"), DTYPES)
    param_names = ("solver", "dtype")

    def track_parameter(self, name, dtype):
        n = 4096
        net = np.zeros(at.HEADER, np.int64)
        net[[at.N_PACKED, at.P0, at.SLOT0, at.G0]] = n, 0, n, 3 * n
        arena = np.random.default_rng(0).random(4 * n + 16).astype(dtype)
        hyper = np.full(at.N_HYPER, 1e-3)
        hyper[at.GRADIENT_SCALE] = 1 / 200
        kernel = getattr(optimizers, name)[dtype]
        call = (net, arena, hyper, 0, n, 1, 4 * n)
        return best_seconds(lambda: kernel(*call)) / n * 1e9

    track_parameter.unit = "ns"


class Transposition:
    """Nanoseconds per element of a transposed copy."""

    params = (((48, 64), (64, 16), (37, 16)), DTYPES)
    param_names = ("rows and columns", "dtype")

    def track_element(self, shape, dtype):
        m, n = shape
        arena = np.zeros(2 * 64 * 64, dtype)
        kernel = transpose[dtype]
        call = (arena, 0, n, 64 * 64, 64, m, n)
        return best_seconds(lambda: kernel(*call)) / (m * n) * 1e9

    track_element.unit = "ns"
