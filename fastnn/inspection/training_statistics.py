"""What happens inside a network while it is trained, per epoch and layer."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _activity
from ._arguments import checked
from ._network import fresh, layer_names, sample_of, stochastic_network
from ._probe import Probe, Step, weight_norms
from ._tracing import Tracing, check_epochs


@dataclass
class TrainingStatistics:
    """Numbers per epoch and layer, made by `training_statistics`.

    Epoch 0 is the network before training. Arrays have a row per epoch and a column
    per layer.

    Attributes
    ----------
    epochs : ndarray of int, (n_epochs + 1,)
        From 0; fewer than asked for if training stopped or diverged.
    layers : list of str
        "hidden 1", ..., "output": the layers of weights. Activations have all of them
        but the last.
    loss, validation_loss, validation_score, learning_rate : ndarray, (n_epochs + 1,)
        As in `history_`; NaN before training and where nothing was measured.
    gradient_norm : ndarray, (n_epochs + 1, n_layers)
        Euclidean norm of the gradient of the sample's mean loss in a layer's weights,
        without penalties, dropout and noise.
    weight_norm : ndarray, (n_epochs + 1, n_layers)
        Euclidean norm of a layer's weights.
    update_norm : ndarray, (n_epochs + 1, n_layers)
        Norm of what the solver's next step on one mini-batch of the sample would add.
    update_ratio : ndarray, (n_epochs + 1, n_layers)
        `update_norm` / `weight_norm`.
    epoch_change : ndarray, (n_epochs + 1, n_layers)
        Norm of what the epoch has changed, divided by the weights' norm before it; NaN
        for epoch 0.
    activation_mean, activation_std : ndarray, (n_epochs + 1, n_hidden)
        Over rows of the sample and units, before short cuts.
    dead_share : ndarray, (n_epochs + 1, n_hidden)
        Share of units that no row of the sample activates; NaN for activations that
        are never off, such as "tanh" and "leaky_relu".
    saturated_share : ndarray, (n_epochs + 1, n_hidden)
        Share of units whose derivative is, on average over the sample, below a
        twentieth of its maximum; NaN for activations that do not saturate.
    estimator : network
        Trained, the same as by `fit`, to the bit; the last finite epoch if training
        diverged, and untrained if that was the first.
    divergence : str or None
        The error that `fit` would have raised because the loss was not finite.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import training_statistics
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8,), random_state=0)
    >>> statistics = training_statistics(net, X, y, n_epochs=5)
    >>> statistics.gradient_norm.shape
    (6, 2)
    >>> statistics.to_frame()["layer"].unique().tolist()
    ['hidden 1', 'output']
    """

    layers: list
    estimator: Any = None
    divergence: str | None = None
    epochs: Any = field(default_factory=list)
    loss: Any = field(default_factory=list)
    validation_loss: Any = field(default_factory=list)
    validation_score: Any = field(default_factory=list)
    learning_rate: Any = field(default_factory=list)
    gradient_norm: Any = field(default_factory=list)
    weight_norm: Any = field(default_factory=list)
    update_norm: Any = field(default_factory=list)
    update_ratio: Any = field(default_factory=list)
    epoch_change: Any = field(default_factory=list)
    activation_mean: Any = field(default_factory=list)
    activation_std: Any = field(default_factory=list)
    dead_share: Any = field(default_factory=list)
    saturated_share: Any = field(default_factory=list)

    def to_frame(self):
        """Return a table with a row for each epoch and layer.

        Returns
        -------
        pandas.DataFrame
            With columns "epoch", "layer", "loss" and one for each of the arrays per
            layer; NaN for the activations of the output layer.
        """
        import pandas

        n_epochs, n_layers = self.gradient_norm.shape
        table = {
            "epoch": np.repeat(self.epochs, n_layers),
            "layer": self.layers * n_epochs,
            "loss": np.repeat(self.loss, n_layers),
        }
        for name in (*_PER_LAYER, *_PER_HIDDEN):
            values = getattr(self, name)
            missing = np.full((n_epochs, n_layers - values.shape[1]), np.nan)
            table[name] = np.hstack([values, missing]).ravel()
        return pandas.DataFrame(table)

    def _close(self):
        """Turn lists into arrays."""
        n_epochs, n_hidden = len(self.epochs), len(self.layers) - 1
        for name in ("epochs", *_PER_EPOCH, *_PER_LAYER):
            setattr(self, name, np.array(getattr(self, name)))
        for name in _PER_HIDDEN:
            values = np.array(getattr(self, name), dtype=float)
            setattr(self, name, values.reshape(n_epochs, n_hidden))


_PER_EPOCH = ("loss", "validation_loss", "validation_score", "learning_rate")
_PER_LAYER = (
    "gradient_norm",
    "weight_norm",
    "update_norm",
    "update_ratio",
    "epoch_change",
)
_PER_HIDDEN = ("activation_mean", "activation_std", "dead_share", "saturated_share")


@checked("n_samples")
def training_statistics(
    estimator,
    X,
    y,
    *,
    n_epochs=None,
    sample_weight=None,
    X_val=None,
    y_val=None,
    n_samples=1000,
    random_state=0,
):
    """Train a clone epoch by epoch and record what happens inside it.

    The clone's weights are those of `fit` with the same parameters, to the bit. Each
    epoch costs its training on one thread, and besides about as much as three passes
    over the sample: one for the gradient, one for the activations, and one
    mini-batch. An ordinary `fit` records none of it and pays nothing.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator, or Pipeline that ends in one
        Not with ``solver="lbfgs"``. It is cloned and left as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    n_epochs : int, default=None
        Epochs at most; None is `max_iter`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the training samples.
    X_val, y_val : like X and y, default=None
        Samples to validate on, as `fit` has them.
    n_samples : int or None, default=1000
        Rows of X that are measured on, drawn once; None is all.
    random_state : int, RandomState instance or None, default=0
        Seed of that draw. Training follows the estimator's own.

    Returns
    -------
    TrainingStatistics

    Raises
    ------
    ValueError
        If the solver is "lbfgs", which has no epochs, or if an argument does not suit
        `fit`. A loss that stops being finite raises nothing: see `divergence`.

    See Also
    --------
    GradientFlowDisplay : A picture of it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import training_statistics
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8,), activation="tanh", random_state=0)
    >>> statistics = training_statistics(net, X, y, n_epochs=5)
    >>> statistics.epochs
    array([0, 1, 2, 3, 4, 5])
    >>> bool(statistics.loss[1] > statistics.loss[5])
    True
    """
    stochastic_network(estimator, "training_statistics")
    check_epochs(n_epochs)
    network, X, (X_val,) = fresh(estimator, X, y, (X_val,))
    fit_params = {"sample_weight": sample_weight, "X_val": X_val, "y_val": y_val}
    tracing = Tracing(network, X, y, n_epochs, fit_params)
    sample = sample_of(X, y, sample_weight, n_samples, random_state)
    recorder = _Recorder(network, tracing.session.trainer, sample)
    for moment in tracing:
        recorder.record(moment)
        moment.publish(network)
    statistics = recorder.statistics
    statistics.estimator, statistics.divergence = network, tracing.divergence
    statistics._close()
    return statistics


class _Recorder:
    """Measures a network at every moment of its training.

    Parameters
    ----------
    network : estimator with initial weights
    trainer : Trainer
    sample : tuple of X, y and weights
    """

    def __init__(self, network, trainer, sample):
        self._probe = Probe(network, *sample)
        self._step = Step(network, *sample_of(*sample, trainer.batch_size, 0))
        self._trainer, self._architecture = trainer, trainer.architecture
        self._before = None
        n_layers = self._architecture.n_layers
        self.statistics = TrainingStatistics(layer_names(n_layers))

    def record(self, moment):
        """Add an epoch to the statistics."""
        statistics, theta = self.statistics, moment.theta
        statistics.epochs.append(moment.epoch)
        history = self._trainer.history
        curves = {"loss": history.loss_curve, **history.curves}
        for name in _PER_EPOCH:
            known = curves[name] if moment.epoch else [np.nan]
            getattr(statistics, name).append(known[-1])
        with np.errstate(over="ignore", invalid="ignore"):  # shortly before it diverges
            self._record_weights(theta, moment.state())
            self._record_activations(theta)
        self._before = theta

    def _record_weights(self, theta, state):
        statistics, architecture = self.statistics, self._architecture
        norms = weight_norms(theta, architecture)
        gradient = self._probe.gradient(theta)
        update = self._step.change(theta, copy.copy(state))
        update = weight_norms(update, architecture)
        changed = np.full(len(norms), np.nan)
        if self._before is not None:
            changed = weight_norms(theta - self._before, architecture)
            changed = _ratio(changed, weight_norms(self._before, architecture))
        statistics.gradient_norm.append(weight_norms(gradient, architecture))
        statistics.weight_norm.append(norms)
        statistics.update_norm.append(update)
        statistics.update_ratio.append(_ratio(update, norms))
        statistics.epoch_change.append(changed)

    def _record_activations(self, theta):
        statistics = self.statistics
        names = self._architecture.activations
        layers = self._probe.activations(theta)
        pairs = list(zip(names, layers, strict=True))
        statistics.activation_mean.append([float(A.mean()) for A in layers])
        statistics.activation_std.append([float(A.std()) for A in layers])
        statistics.dead_share.append([_activity.dead_share(*pair) for pair in pairs])
        statistics.saturated_share.append(
            [_activity.saturated_share(*pair) for pair in pairs]
        )


def _ratio(numbers, norms):
    """Return quotients, NaN where a layer has no weights but zeros."""
    return np.divide(numbers, norms, out=np.full(len(norms), np.nan), where=norms > 0)
