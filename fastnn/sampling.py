"""Outputs of a network whose units are dropped as in training, many times over."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import prediction, threads
from .abilities import gives_probabilities, is_regressor
from .inputs import parameters, targets
from .kernels import deep_layer, deep_pass, noise
from .kernels import layout as at
from .structure import weights
from .structure.network import Network, Rows
from .structure.plan import Plan, drop_share


class SamplingMixin:
    """Predictions with dropout, as methods."""

    @available_if(gives_probabilities)
    def predict_proba_samples(self, X, n_samples=100, random_state=None):
        """Draw probabilities from the networks that dropout makes of this one.

        Units are dropped as in training, by the parameter `dropout` as it is now, and
        for each sample and row anew. How far the samples of a row lie apart says how
        sure the network is ("Monte-Carlo dropout" [1]_); `fastnn.inspection.ensembles`
        sums them up.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Rows.
        n_samples : int, default=100
            Samples of each row.
        random_state : int, RandomState instance or None, default=None
            Seed of the masks. The same one gives the same bits for any number of
            threads.

        Returns
        -------
        ndarray of shape (n_samples, n, n_classes)
            Of each sample what `predict_proba` returns.

        Raises
        ------
        ValueError
            If the network drops nothing (`dropout` is 0), or `n_samples` is below 1.

        References
        ----------
        .. [1] Y. Gal and Z. Ghahramani, "Dropout as a Bayesian approximation", ICML
           2016.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from fastnn import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = MLPClassifier((16,), dropout=0.2, tol=0.01, random_state=0)
        >>> drawn = net.fit(X, y).predict_proba_samples(X[:4], 20, random_state=0)
        >>> drawn.shape
        (20, 4, 3)
        >>> bool((drawn.std(axis=0) > 0).all())
        True
        """
        check_is_fitted(self, "coefs_")
        raw = targets.saturates(self)
        drawn = outputs(self, X, n_samples, random_state, raw)
        p = self._probabilities(drawn.reshape(-1, drawn.shape[-1]))
        return p.reshape(*drawn.shape[:2], -1)

    @available_if(is_regressor)
    def predict_samples(self, X, n_samples=100, random_state=None):
        """Draw predictions from the networks that dropout makes of this one.

        As `predict_proba_samples` of a classifier, which explains it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Rows.
        n_samples : int, default=100
            Samples of each row.
        random_state : int, RandomState instance or None, default=None
            Seed of the masks.

        Returns
        -------
        ndarray of shape (n_samples, n, n_outputs)
            With one output, too.

        Raises
        ------
        ValueError
            If the network drops nothing (`dropout` is 0), or `n_samples` is below 1.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from fastnn import MLPRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> net = MLPRegressor((16,), dropout=0.2, tol=100, random_state=0).fit(X, y)
        >>> net.predict_samples(X[:4], 20, random_state=0).shape
        (20, 4, 1)
        """
        check_is_fitted(self, "coefs_")
        return outputs(self, X, n_samples, random_state)


def outputs(estimator, X, n_samples, random_state, raw=False):
    """Return samples of a fitted estimator's outputs, each with masks of its own.

    Parameters
    ----------
    estimator : MLPEstimator
    X : {array-like, sparse matrix} of shape (n, d)
    n_samples : int
    random_state : int, RandomState instance or None
    raw : bool
        Whether before the output activation.

    Returns
    -------
    ndarray of shape (n_samples, n, n_outputs)

    Raises
    ------
    ValueError
        If nothing is dropped, `n_samples` is no number of samples, or inputs are to be
        dropped that are sparse.
    """
    theta, architecture = weights.read(estimator)
    if raw:
        architecture = prediction.without_output(architecture)
    shares = _shares(estimator, architecture.n_hidden)
    is_count = isinstance(n_samples, Integral) and not isinstance(n_samples, bool)
    if not is_count or not 1 <= n_samples < 2**31:
        raise ValueError(
            f"n_samples must be an integer from 1 on, below 2³¹; got {n_samples!r}."
        )
    rows = Rows(prediction.validate(estimator, X, theta.dtype))
    if shares[0] and rows.sparse:
        raise ValueError("dropout of the inputs needs a dense X; pass X.toarray().")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    flops = 2.0 * architecture.n_params * rows.n
    n_workers = threads.count(estimator.n_threads, flops / 4)
    if not threads.pays_to_start(flops * n_samples):
        n_workers = 1
    network = _network(architecture, theta.dtype, n_workers, rows, shares)
    network.set_parameters(theta)
    network.net[at.SEED] = seed
    out = np.empty((n_samples, rows.n, architecture.sizes[-1]), theta.dtype)
    order = np.arange(rows.n, dtype=np.int64)  # masks go by it, in whichever part
    for sample in range(n_samples):
        network.net[at.EPOCH] = sample  # masks of one sample are not those of another
        target = out[sample].reshape(-1)
        arguments = (network.net, network.arena, *rows.arrays, order, target, rows.n)
        prediction.run_all(theta.dtype, n_workers, arguments, architecture.work_of_row)
    return out


def _shares(estimator, n_hidden):
    """Return the shares of inputs and hidden units that are dropped, or raise."""
    estimator._validate_params()
    shares = parameters.dropout(estimator, n_hidden)
    if not shares:
        layers = "" if n_hidden else " A network without hidden layers needs a list."
        raise ValueError(
            "Samples of predictions differ by dropped units, but "
            f"dropout={estimator.dropout!r} drops none: fit with dropout above 0, such "
            f"as dropout=0.2.{layers}"
        )
    return shares


def _network(architecture, dtype, n_workers, rows, shares):
    """Return a network that predicts with masks."""
    plan = Plan(
        architecture,
        dtype,
        n_workers=n_workers,
        sparse=rows.sparse,
        batch_size=prediction.block_rows(rows.n, n_workers),
    )
    net = plan.net
    net[at.FORWARD_ROWS] = deep_pass.masked_forward_rows.address(plan.dtype)
    net[at.DEEP_LAYER] = deep_layer.forward_layer.address(plan.dtype)
    net[at.MASK] = noise.drop.address(plan.dtype)
    net[at.NORM_ROWS] = net[at.NORM_PREDICTED]
    if shares[0]:
        net[at.DISTURB] = noise.disturb_rows.address(plan.dtype)
        net[at.INPUT_DROP] = drop_share(shares[0])
    places = at.HEADER + np.arange(architecture.n_hidden) * at.LAYER + at.DROP
    net[places] = [drop_share(share) for share in shares[1:]]
    return Network(plan)
