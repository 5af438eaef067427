"""The training workloads every benchmark uses, described as data."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

ALPHA = 1e-4
LEARNING_RATE = 1e-3
SEED = 0


@dataclass(frozen=True)
class Workload:
    """One network and one data set.

    Parameters
    ----------
    name : str
        Short name, used on the command line and in asv.
    n_samples, n_features : int
        Shape of the training data.
    hidden : tuple of int
        Widths of the hidden layers.
    n_outputs : int
        Number of classes, or of regression targets.
    batch : int
        Rows in a mini-batch; the last batch of an epoch holds the remainder.
    task : {"classification", "regression"}
        What the network learns.
    activation : {"relu", "tanh"}
        Activation of the hidden layers.
    epochs : int
        Epochs of one asv sample: a fraction of a second to a second.
    """

    name: str
    n_samples: int
    n_features: int
    hidden: tuple
    n_outputs: int
    batch: int
    task: str = "classification"
    activation: str = "relu"
    epochs: int = 1

    @property
    def batches(self):
        """Mini-batches in an epoch, the partial one included."""
        return -(-self.n_samples // self.batch)

    @property
    def output_units(self):
        """Width of the output layer; two classes share one logistic unit."""
        binary = self.task == "classification" and self.n_outputs == 2
        return 1 if binary else self.n_outputs

    @property
    def layer_sizes(self):
        """Widths of all the layers, input and output included."""
        return (self.n_features, *self.hidden, self.output_units)

    @property
    def loss(self):
        """Name of the loss: squared, logistic (two classes) or softmax."""
        if self.task == "regression":
            return "squared"
        return "logistic" if self.output_units == 1 else "softmax"

    def estimator_params(self, epochs):
        """Return the constructor arguments of a fit that runs all `epochs`."""
        return {
            "hidden_layer_sizes": self.hidden,
            "activation": self.activation,
            "solver": "adam",
            "alpha": ALPHA,
            "batch_size": self.batch,
            "learning_rate_init": LEARNING_RATE,
            "max_iter": epochs,
            "tol": 0.0,
            "n_iter_no_change": max(10, epochs + 1),  # never stops early
            "random_state": SEED,
        }


WORKLOADS = {
    w.name: w
    for w in (
        Workload("iris", 150, 4, (16,), 3, 32, epochs=100),
        Workload("digits", 1797, 64, (100,), 10, 200, epochs=20),
        Workload(
            "digits-tanh", 1797, 64, (100,), 10, 200, activation="tanh", epochs=20
        ),
        Workload("tab20k", 20_000, 20, (64, 64), 2, 256, epochs=3),
        Workload("reg20k", 20_640, 8, (128, 128, 128), 1, 128, "regression", epochs=2),
        Workload("mnist", 60_000, 784, (256, 128), 10, 200),
        Workload("wide", 8_192, 512, (1024, 1024), 10, 512),
    )
}

SMALL = ("iris", "digits", "digits-tanh", "tab20k", "reg20k")
LARGE = ("mnist", "wide")


def _teach(rng, X, n_outputs):
    """Return standardised outputs of a random one-hidden-layer network."""
    width = 32
    first = rng.standard_normal((X.shape[1], width), dtype=X.dtype)
    second = rng.standard_normal((width, n_outputs), dtype=X.dtype)
    scores = np.tanh(X @ first / np.sqrt(X.shape[1], dtype=X.dtype)) @ second
    scores -= scores.mean(axis=0)
    return scores / scores.std(axis=0)


@lru_cache(maxsize=2)
def make_data(workload):
    """Generate the data of a workload; the same on every call.

    The targets come from a random teacher network plus noise, so there is
    something to learn, the loss falls, and it does not reach zero.

    Parameters
    ----------
    workload : Workload
        What to generate data for.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), float32
        Standard normal features.
    y : ndarray of shape (n_samples,)
        int64 class indices, or float32 targets.
    """
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((workload.n_samples, workload.n_features), dtype=np.float32)
    scores = _teach(rng, X, workload.n_outputs)
    scores += 0.3 * rng.standard_normal(scores.shape, dtype=np.float32)
    if workload.task == "regression":
        return X, np.ascontiguousarray(scores[:, 0])
    return X, scores.argmax(axis=1)
