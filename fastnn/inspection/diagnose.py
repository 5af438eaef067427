"""`diagnose`: what is likely to be wrong with a network, its training or its data."""

import warnings

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import indexable

from . import _curve_checks, _data_checks, _fit_checks, _layer_checks
from ._arguments import checked
from ._evidence import Evidence
from ._network import is_fitted, network_of
from .findings import Diagnosis, Finding

_MODULES = (_data_checks, _layer_checks, _curve_checks, _fit_checks)
CHECKS = tuple(check for module in _MODULES for check in module.CHECKS)


@checked("n_samples")
def diagnose(
    estimator,
    X,
    y,
    *,
    X_val=None,
    y_val=None,
    sample_weight=None,
    n_samples=2000,
    random_state=0,
):
    """Look for what usually goes wrong in training a network.

    Judged are the data (scales, constant columns, rare classes, contradictions), the
    gradients and activations of each layer, the curve of the loss (rate too high or
    too low, stopped too soon), and the scores (over- and under-fitting). It costs two
    gradients and one pass over a sample, a linear model on the sample, and the
    predictions of sample and validation samples; an estimator that is not fitted is
    cloned and trained first.

    Parameters
    ----------
    estimator : network, or pipeline that ends in one
        It is left as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training samples. For a pipeline, the columns are judged as the network gets
        them.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    X_val, y_val : like X and y, default=None
        Samples that the network was not trained on. Without them, over-fitting is
        judged by the scores of early stopping, if there are any.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights for the gradients, and for training where that is asked for.
    n_samples : int or None, default=2000
        Rows of X that are looked at, drawn at random; None is all.
    random_state : int, RandomState instance or None, default=0
        Seed of that draw.

    Returns
    -------
    Diagnosis
        `str()` of it is a text to read.

    Raises
    ------
    ValueError
        If only one of X_val and y_val is given, or if the arguments do not suit a fit.
        Training that diverges is a finding.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import diagnose
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((32,), learning_rate_init=1e-5, random_state=0)
    >>> "learning_rate_too_low" in diagnose(net, X, y)
    True
    """
    network = network_of(estimator)
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val must be given together.")
    X, y, sample_weight = indexable(X, y, sample_weight)
    findings, judged = [], estimator
    if not is_fitted(estimator):
        judged, message = _trained(estimator, X, y, sample_weight)
        if judged is None:
            findings.append(_divergence(network, message))
    evidence = Evidence(
        estimator,
        judged,
        (X, y, sample_weight),
        (X_val, y_val),
        n_samples,
        random_state,
    )
    for check in CHECKS:
        findings.extend(check(evidence))
    return Diagnosis(findings, evidence.not_judged, judged)


def _trained(estimator, X, y, sample_weight):
    """Return a trained clone, or None and the message if training diverged."""
    whole = clone(estimator)
    fit_params = {}
    if sample_weight is not None:
        step = f"{whole.steps[-1][0]}__" if network_of(whole) is not whole else ""
        fit_params[f"{step}sample_weight"] = sample_weight
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # becomes a finding
        try:
            return whole.fit(X, y, **fit_params), None
        except ValueError as error:
            if "non-finite" not in str(error):
                raise
            return None, str(error)


def _divergence(network, message):
    rate = float(network.learning_rate_init)
    message = message.split(" The input data")[0]  # the remedy follows below
    return Finding(
        "diverged",
        "error",
        {"learning_rate_init": rate},
        f"Training diverged with learning_rate_init={rate:g}: {message}",
        "Scale inputs and targets; then lower learning_rate_init by tens "
        "(fastnn.model_selection.learning_rate_range finds a rate), or set "
        "gradient_clip_norm=1.",
    )
