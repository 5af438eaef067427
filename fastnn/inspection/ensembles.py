"""How sure an ensemble is: samples of predictions, summed up.

An ensemble's samples lie in an array (n_samples, n, n_outputs), as
`predict_proba_samples` and `predict_samples` return them. Entropies are in nats.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import entr
from sklearn.utils.validation import check_array

_KINDS = ("classes", "labels", "values")


@dataclass(frozen=True)
class Summary:
    """What the samples of each row say together.

    Attributes
    ----------
    mean, std : ndarray of shape (n, n_outputs)
        Of the samples; the deviation is that of the samples themselves, divided by
        their number.
    predictive_entropy : ndarray of shape (n,) or (n, n_outputs), or None
        How unsure the ensemble is in all; for each label its own. None for values.
    mutual_information : ndarray of the same shape, or None
        The part of it that comes from the samples' disagreement, and that more
        training data could reduce.

    Examples
    --------
    >>> from fastnn.inspection.ensembles import summarise
    >>> summary = summarise([[[1.0], [2.0]], [[3.0], [2.0]]], kind="values")
    >>> summary.mean.ravel(), summary.std.ravel()
    (array([2., 2.]), array([1., 0.]))
    >>> summary.predictive_entropy is None
    True
    """

    mean: np.ndarray
    std: np.ndarray
    predictive_entropy: np.ndarray | None = None
    mutual_information: np.ndarray | None = None


def summarise(samples, kind="classes"):
    """Sum up the samples of an ensemble.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n, n_outputs)
        Predictions of each member for each row.
    kind : {"classes", "labels", "values"}, default="classes"
        Probabilities of classes that exclude each other, of labels that do not
        (multilabel), or numbers.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        If the samples have another shape or are no probabilities, or `kind` is
        unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.inspection.ensembles import summarise
    >>> summary = summarise(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    >>> summary.mean
    array([[0.5, 0.5]])
    >>> summary.mutual_information.round(3)
    array([0.693])
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {_KINDS}; got {kind!r}.")
    samples = _check_samples(samples)
    average, deviation = mean(samples), std(samples)
    if kind == "values":
        return Summary(average, deviation)
    multilabel = kind == "labels"
    return Summary(
        average,
        deviation,
        predictive_entropy(samples, multilabel=multilabel),
        mutual_information(samples, multilabel=multilabel),
    )


def mean(samples):
    """Return the ensemble's prediction, the mean over the samples.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n, n_outputs)
        Predictions of each member for each row.

    Returns
    -------
    ndarray of shape (n, n_outputs)

    Examples
    --------
    >>> from fastnn.inspection.ensembles import mean
    >>> mean([[[1.0, 0.0]], [[0.0, 1.0]]])
    array([[0.5, 0.5]])
    """
    return _check_samples(samples).mean(axis=0)


def std(samples):
    """Return the samples' standard deviation.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n, n_outputs)
        Predictions of each member for each row.

    Returns
    -------
    ndarray of shape (n, n_outputs)

    Examples
    --------
    >>> from fastnn.inspection.ensembles import std
    >>> std([[[1.0, 0.0]], [[0.0, 1.0]]])
    array([[0.5, 0.5]])
    """
    return _check_samples(samples).std(axis=0)


def predictive_entropy(samples, *, multilabel=False):
    """Return the entropy of the mean probabilities.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n, n_outputs)
        Probabilities.
    multilabel : bool, default=False
        Whether each output is a label's probability by itself.

    Returns
    -------
    ndarray of shape (n,), or (n, n_outputs) for labels
        From 0 to log(n_classes), or log(2) for a label; nats.

    Examples
    --------
    >>> from fastnn.inspection.ensembles import predictive_entropy
    >>> samples = [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]]
    >>> predictive_entropy(samples).round(3)
    array([0.693, 0.   ])
    """
    return _entropy(_check_probabilities(samples, multilabel).mean(axis=0), multilabel)


def mutual_information(samples, *, multilabel=False):
    """Return the entropy of the mean less the mean of the samples' entropies.

    Also known as BALD [1]_: 0 where all members agree.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n, n_outputs)
        Probabilities.
    multilabel : bool, default=False
        Whether each output is a label's probability by itself.

    Returns
    -------
    ndarray of shape (n,), or (n, n_outputs) for labels
        From 0 to the predictive entropy, in nats.

    References
    ----------
    .. [1] N. Houlsby et al., "Bayesian active learning for classification and
       preference learning", 2011.

    Examples
    --------
    >>> from fastnn.inspection.ensembles import mutual_information
    >>> mutual_information([[[0.5, 0.5]], [[0.5, 0.5]]])  # unsure, but agreed
    array([0.])
    >>> mutual_information([[[1.0, 0.0]], [[0.0, 1.0]]]).round(3)
    array([0.693])
    """
    samples = _check_probabilities(samples, multilabel)
    whole = _entropy(samples.mean(axis=0), multilabel)
    own = _entropy(samples, multilabel).mean(axis=0)
    return np.maximum(whole - own, 0)  # rounding may leave it just below


def _entropy(p, multilabel):
    if multilabel:
        return entr(p) + entr(1 - p)
    return entr(p).sum(axis=-1)


def _check_samples(samples):
    """Return samples as an array of floats, or raise."""
    samples = check_array(
        samples, dtype=(np.float64, np.float32), allow_nd=True, input_name="samples"
    )
    if samples.ndim != 3:
        raise ValueError(
            "samples must be an array (n_samples, n, n_outputs); got one of shape "
            f"{samples.shape}."
        )
    return samples


def _check_probabilities(samples, multilabel):
    """Return samples that are probabilities, or raise."""
    samples = _check_samples(samples)
    if (samples < 0).any() or (samples > 1).any():
        raise ValueError("samples must be probabilities, from 0 to 1.")
    if not multilabel and np.abs(samples.sum(axis=2) - 1).max() > 1e-3:
        raise ValueError(
            "samples of classes must sum to 1 over them; of several labels pass "
            "multilabel=True, or kind='labels'."
        )
    return samples
