"""What the checks of a diagnosis look at, each measured once and when first needed."""

from functools import cached_property

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples

from ._network import inputs_of, layer_names, network_of, sample_of
from ._probe import Probe, weight_norms


class Evidence:
    """Measurements of a network and its data.

    Parameters
    ----------
    given : network or pipeline
        As the user gave it.
    estimator : network or pipeline, or None
        Trained; None if training diverged.
    training : tuple of X, y and weights
    validation : tuple of X and y, or of None
    n_samples : int or None
    random_state : seed

    Attributes
    ----------
    network : estimator
        The trained one, or the one given.
    trained : bool
    X, y, weight : the sample, X as the pipeline is given it
    inputs : ndarray or CSR matrix of shape (n, d)
        And as the network is.
    not_judged : list of str
        Checks write here what they cannot say.
    """

    def __init__(self, given, estimator, training, validation, n_samples, random_state):
        self.trained = estimator is not None
        self.estimator = estimator
        self.network = network_of(estimator if self.trained else given)
        self.n_train = _num_samples(training[0])
        self.all_y = np.asarray(_dense(training[1]))
        self.X, self.y, self.weight = sample_of(*training, n_samples, random_state)
        self.X_val, self.y_val = validation
        if self.trained:
            inputs = inputs_of(estimator, self.X)
        else:
            front = given if network_of(given) is given else clone(given)
            if front is not given and len(front.steps) > 1:
                inputs = front[:-1].fit_transform(self.X, self.y)
            else:
                inputs = self.X
        self.raw_inputs = inputs
        self.inputs = _numbers(inputs)
        self.not_judged: list[str] = []

    @cached_property
    def is_regression(self):
        """Whether values are learnt, not classes."""
        return self.network._is_regressor()

    @cached_property
    def target_kind(self):
        """Return scikit-learn's word for the targets."""
        return type_of_target(self.all_y, input_name="y")

    @cached_property
    def initial(self):
        """A network like this one before training."""
        network = clone(self.network).set_params(warm_start=False)
        return network.initialize(self.raw_inputs, self.y)

    @cached_property
    def initial_probe(self):
        """Loss and gradients around the initial weights."""
        return Probe(self.initial, self.raw_inputs, self.y, self.weight)

    @cached_property
    def probe(self):
        """Loss and gradients around the trained weights, or None."""
        if not self.trained:
            return None
        return Probe(self.network, self.raw_inputs, self.y, self.weight)

    @cached_property
    def architecture(self):
        """The network's layers."""
        return self.initial_probe.architecture

    @cached_property
    def layers(self):
        """Names of the layers of weights."""
        return layer_names(self.architecture.n_layers)

    @cached_property
    def relative_gradients(self):
        """Norm of the gradient over that of the weights, per layer, by moment."""
        found = {}
        for moment, probe in (
            ("before training", self.initial_probe),
            ("after training", self.probe),
        ):
            if probe is None:
                continue
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                gradient = weight_norms(probe.gradient(probe.theta), probe.architecture)
                found[moment] = gradient / weight_norms(probe.theta, probe.architecture)
        return found

    @cached_property
    def activations(self):
        """Outputs of the trained hidden layers, before short cuts; or None."""
        return None if self.probe is None else self.probe.activations(self.probe.theta)

    @cached_property
    def loss_curve(self):
        """Loss of every epoch; empty for L-BFGS and for what was not trained."""
        curve = getattr(self.network, "loss_curve_", ()) if self.trained else ()
        return np.array(curve, dtype=float)

    @cached_property
    def training_score(self):
        """Accuracy or R² on the sample."""
        return float(self.estimator.score(self.X, self.y))

    @cached_property
    def validation_score(self):
        """Score on held-out samples and their number; (None, 0) if there are none."""
        if self.X_val is not None:
            n = _num_samples(self.X_val)
            return float(self.estimator.score(self.X_val, self.y_val)), n
        network = self.network
        best = getattr(network, "best_validation_score_", None)
        if best is None or network.validation_metric != "auto":
            return None, 0
        return float(best), int(np.ceil(network.validation_fraction * self.n_train))


def _dense(y):
    return y.toarray() if sparse.issparse(y) else y


def _numbers(X):
    """Return X as floats, CSR if it is sparse."""
    if sparse.issparse(X):
        return sparse.csr_matrix(X).astype(np.float64)
    return np.asarray(X, dtype=np.float64)
