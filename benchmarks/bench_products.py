"""Matrix products and transposed copies, the kernels whose work grows fastest."""

import numpy as np
from fastnn.kernels import products
from fastnn.kernels._host import panel_width
from fastnn.kernels.transposition import transpose
from threadpoolctl import threadpool_limits

from .measure import DTYPES, best_seconds


class Products:
    """GFLOP/s of A·B for one panel of columns, beside NumPy's on one thread."""

    params = (((200, 64), (128, 128), (200, 784), (512, 1024), (37, 13)), DTYPES)
    param_names = ("rows and depth", "dtype")

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
        """Multiply the same matrices by np.dot on one thread of its BLAS."""
        out = np.empty((shape[0], self.N), dtype)
        with threadpool_limits(1, user_api="blas"):
            return self._rate(shape, lambda: np.dot(self.A, self.B, out=out))

    track_forward.unit = track_gradient.unit = track_dot.unit = "GFLOP/s"


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
