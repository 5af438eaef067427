"""Loss, gradients and activations of a network at any weights, by the kernels."""

import copy
from dataclasses import replace

import numpy as np

from ..inputs import class_weights, options, targets
from ..learning.lbfgs import Function
from ..learning.preparation import prepare
from ..learning.records import History
from ..learning.training import Trainer
from ..prediction import outputs_of, predict
from ..structure import weights
from ..structure.architecture import Architecture

# What training does to rows, gradients or weights besides following the loss: left out
# where the loss itself is looked at.
_UNDISTURBED = {
    "solver": "lbfgs",
    "alpha": 0.0,
    "weight_decay": None,
    "max_norm": None,
    "dropout": 0.0,
    "input_noise": 0.0,
    "mixup_alpha": 0.0,
    "gradient_clip_norm": None,
    "gradient_clip_value": None,
    "ema_decay": None,
    "warmup": 0,
}
_ALONE = {
    "augmentation": None,
    "early_stopping": False,
    "target_loss": None,
    "warm_start": False,
    "verbose": False,
}
_ALL_ROWS = np.empty(0, np.int64)


def _prepared(estimator, X, y, sample_weight, changes):
    """Return a network with other parameters, and its problem on these samples.

    The network given is not changed. It has weights, though it may be untrained.
    """
    network = copy.copy(estimator)
    for name, value in {**_ALONE, **changes}.items():
        setattr(network, name, value)
    y_flat = targets.flat(np.asarray(y) if not hasattr(y, "tocsr") else y)
    if getattr(network, "class_weight", None) is not None:
        tables = class_weights.tables(network.class_weight, network.classes_, y_flat)
        product = class_weights.of_samples(tables, y_flat)
        if sample_weight is not None:
            product = product * np.asarray(sample_weight)
        # "balanced" is refused for a network that has seen other samples before.
        network.class_weight, sample_weight = None, product
    parts = prepare(network, X, y, sample_weight, incremental=True)
    return network, *parts[:3]


class Probe:
    """Evaluates a network on a sample at any weights; the estimator stays as it is.

    Penalties, dropout, noise and the like are left out: what is measured is the loss
    that they are added to.

    Parameters
    ----------
    estimator : network with weights
    X, y : sample
    sample_weight : array-like of shape (n_samples,), default=None

    Attributes
    ----------
    architecture : Architecture
    theta : vector
        The estimator's parameters.
    dtype : numpy dtype
    """

    def __init__(self, estimator, X, y, sample_weight=None):
        network, problem, self.architecture, objective = _prepared(
            estimator, X, y, sample_weight, _UNDISTURBED
        )
        self.theta = weights.read(estimator)[0].copy()
        self.dtype = self.theta.dtype
        # What a network validates on makes its table one that predicts as well.
        problem = replace(problem, validation=problem)
        self._function = Function(
            network, problem, self.architecture, objective, self.dtype
        )
        self._problem, self._n_threads = problem, estimator.n_threads
        self._Y = options.training_targets(network, objective, problem.Y)
        self._scale = options.loss_scale(network, objective)

    def loss(self, theta):
        """Return the mean loss of the sample, as a fit reports it, without penalties.

        It may be NaN or inf.

        Under batch normalisation the sample's own statistics are used: those of the
        training belong to other weights.
        """
        theta = np.asarray(theta, self.dtype)
        if self.architecture.norm == "batch":
            return float(self._function(theta)[0])
        network, rows = self._function.network, self._problem.rows
        network.set_parameters(theta)
        losses = network.evaluate(outputs_of(network, rows, _ALL_ROWS, True), self._Y)
        with np.errstate(over="ignore", invalid="ignore"):
            weight = self._problem.weight
            mean = np.average(losses.astype(np.float64), weights=weight)
        return float(mean) * self._scale

    def gradient(self, theta):
        """Return the gradient of the mean loss, a vector of float64."""
        return self._function(np.asarray(theta, self.dtype))[1]

    def activations(self, theta):
        """Return what each hidden layer's activation gives, before short cuts.

        Returns
        -------
        list of ndarray of shape (n_samples, n_units)
        """
        X = self._problem.X
        theta = np.asarray(theta, self.dtype)
        return layer_activations(theta, self.architecture, X, self._n_threads)


def layer_activations(theta, architecture, X, n_threads=None):
    """Return what each hidden layer's activation gives, before short cuts.

    Every layer is a network of its own, which is given the outputs of the one below:
    so each is computed once.

    Parameters
    ----------
    theta : vector
    architecture : Architecture
    X : ndarray or CSR matrix of shape (n, d) and theta's dtype

    Returns
    -------
    list of ndarray of shape (n, n_units)
    """
    lists = weights.views(theta, architecture)
    below, found = X, []
    for layer, name in enumerate(architecture.activations):
        fan_in, fan_out = architecture.sizes[layer : layer + 2]
        single = Architecture(
            (fan_in, fan_out, 1),
            (name,),
            "identity",
            architecture.norm,
            architecture.norm_epsilon,
        )
        own = {
            part.attribute: [lists[part.attribute][layer]]
            for part in single.parts
            if part.layer == 0
        }
        own["coefs_"].append(np.zeros((fan_out, 1), theta.dtype))
        own["intercepts_"].append(np.zeros(1, theta.dtype))
        vector = weights.as_vector(own, single, theta.dtype)
        active = predict(vector, single, below, n_threads, hidden=0)
        found.append(active)
        shortcut = architecture.shortcut(layer)
        if shortcut == "projection":
            below = active + below @ lists["shortcut_coefs_"][layer]
        elif shortcut:
            below = active + below
        else:
            below = active
    return found


class Step:
    """The next step of a network's own solver, on one mini-batch of a sample.

    It is taken on a copy; dropout, noise, penalties and clipping act as in training.

    Parameters
    ----------
    estimator : network with weights
    X, y : one mini-batch
    sample_weight : array-like of shape (n_samples,), default=None
    """

    def __init__(self, estimator, X, y, sample_weight=None):
        self._estimator, self._problem, self._architecture, self._objective = _prepared(
            estimator, X, y, sample_weight, {"batch_size": "full"}
        )

    def change(self, theta, state=None):
        """Return what one step adds to theta.

        Parameters
        ----------
        theta : vector
        state : SolverState or None
            What the solver knows; None is a solver that begins.
        """
        trainer = Trainer(
            self._estimator,
            self._problem,
            self._architecture,
            self._objective,
            theta,
            state,
            History(),
            np.random.RandomState(0),
            n_threads=1,
        )
        before = np.empty_like(theta)
        trainer.network.get_parameters(before)
        trainer.prepare(1)
        trainer()
        after = np.empty_like(theta)
        trainer.network.get_parameters(after)
        trainer.release()
        return after - before


def weight_norms(theta, architecture):
    """Return the Euclidean norm of each layer's weights, without biases."""
    matrices = weights.views(np.asarray(theta, np.float64), architecture)["coefs_"]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array([np.sqrt(np.square(W).sum()) for W in matrices])
