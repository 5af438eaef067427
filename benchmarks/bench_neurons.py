"""Single neurons: their kernels, and a perceptron's training beside scikit-learn's."""

import warnings

import numpy as np
from fastnn.kernels import neurons as kernels
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from fastnn.neurons import Perceptron

from .measure import DTYPES, best_seconds

EPOCHS = 20


class Neurons:
    """Nanoseconds per sample of an epoch, or of net inputs.

    The labels are random, so that the perceptron makes mistakes in every epoch.
    """

    params = ((2, 20, 200), DTYPES)
    param_names = ("features", "dtype")

    def setup(self, width, dtype):
        self.n = 1000
        rng = np.random.default_rng(0)
        self.X = rng.standard_normal(self.n * width).astype(dtype)
        self.y = rng.integers(0, 2, self.n).astype(dtype)
        self.rate = np.ones(self.n, dtype)
        self.order = rng.permutation(self.n)
        self.neuron = np.zeros(width + 1, dtype)
        self.mistakes = np.zeros(1, np.int64)

    def _nanoseconds(self, kernel, *arguments):
        return best_seconds(lambda: kernel(*arguments)) / self.n * 1e9

    def track_perceptron(self, width, dtype):
        data = (self.X, self.y, self.rate, self.order)
        kernel = kernels.perceptron_epoch[dtype]
        return self._nanoseconds(kernel, self.neuron, *data, width, self.mistakes)

    def track_hebb(self, width, dtype):
        kernel, history = kernels.hebbian_epoch[dtype], np.empty(0, dtype)
        return self._nanoseconds(
            kernel, self.neuron[:-1], self.X, 1e-3 * self.y, width, history
        )

    def track_net_inputs(self, width, dtype):
        out, kernel = np.empty(self.n, dtype), kernels.net_inputs[dtype]
        return self._nanoseconds(kernel, out, self.X, self.neuron, width)

    track_perceptron.unit = track_hebb.unit = track_net_inputs.unit = "ns"


class FitPerceptron:
    """A fit of some epochs on labels that cannot be learned; already compiled."""

    params = (((1000, 20), (10000, 100)), (2, 5), ("fastnn", "sklearn"))
    param_names = ("shape", "classes", "library")
    timeout = 120

    def setup(self, shape, n_classes, library):
        rng = np.random.default_rng(0)
        self.X = rng.standard_normal(shape)
        self.y = rng.integers(0, n_classes, shape[0])
        maker = Perceptron if library == "fastnn" else linear_model.Perceptron
        self.model = maker(max_iter=EPOCHS, tol=None, random_state=0)
        self._fit()

    def _fit(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self.X, self.y)

    def time_fit(self, shape, n_classes, library):
        self._fit()
