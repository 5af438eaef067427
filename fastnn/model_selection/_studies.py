"""How training depends on learning rate and batch size, as tables."""

import warnings
from itertools import product
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_random_state, indexable
from sklearn.utils._param_validation import validate_params
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples

from ..inputs.parameters import Range
from ..learning.population import Population, Task
from ._candidates import is_network

_COUNT = Range(Integral, 1, None, closed="left")
_ABOVE_0 = Range(Real, 0, None, closed="neither")
_OF_BOTH = {
    "n_epochs": [_COUNT],
    "random_state": ["random_state"],
    "n_threads": [_COUNT, None],
}
_OF_STUDY = {
    **_OF_BOTH,
    "learning_rates": [_ABOVE_0, "array-like"],
    "validation_fraction": [Range(Real, 0, 1, closed="neither"), None],
}
_OF_RANGE = {
    **_OF_BOTH,
    "low": [_ABOVE_0],
    "high": [_ABOVE_0],
    "n_rates": [Range(Integral, 2, None, closed="left")],
}


@validate_params(_OF_STUDY, prefer_skip_nested_validation=False)
def convergence_study(
    estimator,
    X,
    y,
    learning_rates,
    batch_sizes,
    *,
    n_epochs=50,
    validation_fraction=0.1,
    X_val=None,
    y_val=None,
    random_state=None,
    n_threads=None,
):
    """Train a network for each learning rate and batch size, and return all curves.

    All networks begin with the same seed and are trained for `n_epochs`, whatever the
    estimator says about stopping.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or MLPEstimator
        The network, not with ``solver="lbfgs"``; it is cloned.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    learning_rates : float or sequence of float
        Values of `learning_rate_init`.
    batch_sizes : int, str or sequence of these
        Values of `batch_size`.
    n_epochs : int, default=50
        Epochs.
    validation_fraction : float or None, default=0.1
        Share of the samples to validate on, unless X_val is given; None for none.
    X_val, y_val : like X and y, default=None
        Samples to validate on.
    random_state : int, RandomState instance or None, default=None
        Seed of the split and of all networks.
    n_threads : int or None, default=None
        Threads at most.

    Returns
    -------
    pandas.DataFrame
        A row for each network and epoch, with columns "learning_rate", "batch_size",
        "epoch" (from 1), "training_loss", "validation_loss" and "diverged". The rows of
        a network that diverges end with the epoch in which it did so, with NaN for both
        losses and True for "diverged".

    See Also
    --------
    fastnn.inspection.ConvergenceStudyDisplay : A picture of it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import convergence_study
    >>> X, y = load_iris(return_X_y=True)
    >>> study = convergence_study(
    ...     MLPClassifier((8,)), X, y, [1e-3, 1e-2], 32, n_epochs=20, random_state=0
    ... )
    >>> study.shape
    (40, 6)
    >>> last = study[study["epoch"] == 20]
    >>> float(last.loc[last["training_loss"].idxmin(), "learning_rate"])
    0.01
    """
    pandas = _pandas()
    _check(estimator, X, y)
    X, y = indexable(X, y)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    rows, fit_params = None, {}
    if X_val is not None or y_val is not None:
        fit_params = {"X_val": X_val, "y_val": y_val}
    elif validation_fraction is not None:
        rows, held_out = _split(estimator, y, validation_fraction, seed)
        fit_params = {
            "X_val": _safe_indexing(X, held_out),
            "y_val": _safe_indexing(y, held_out),
        }
    settings = list(product(_rates(learning_rates), _listed(batch_sizes)))
    if not settings:
        raise ValueError("learning_rates and batch_sizes must not be empty.")
    tasks = [
        Task(
            _configured(estimator, rate, batch_size, n_epochs, seed),
            X,
            y,
            rows,
            fit_params,
        )
        for rate, batch_size in settings
    ]
    table = [
        (rate, batch_size, epoch, *losses, diverged)
        for (rate, batch_size), curve in zip(
            settings, _curves(tasks, n_epochs, n_threads), strict=True
        )
        for epoch, (*losses, diverged) in enumerate(curve, start=1)
    ]
    columns = [
        "learning_rate",
        "batch_size",
        "epoch",
        "training_loss",
        "validation_loss",
        "diverged",
    ]
    return pandas.DataFrame(table, columns=columns)


@validate_params(_OF_RANGE, prefer_skip_nested_validation=False)
def learning_rate_range(
    estimator,
    X,
    y,
    low=1e-5,
    high=1.0,
    n_rates=16,
    n_epochs=1,
    *,
    random_state=None,
    n_threads=None,
):
    """Train a network for each of many learning rates, briefly, and suggest one.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or MLPEstimator
        The network, not with ``solver="lbfgs"``; it is cloned.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    low, high : float, default=1e-5, 1.0
        Lowest and highest rate.
    n_rates : int, default=16
        Number of rates, the same factor apart.
    n_epochs : int, default=1
        Epochs for each.
    random_state : int, RandomState instance or None, default=None
        Seed of all networks.
    n_threads : int or None, default=None
        Threads at most.

    Returns
    -------
    table : pandas.DataFrame
        A row for each rate, with columns "learning_rate", "training_loss" (of the
        trained network on all samples, without penalties, NaN if it diverged) and
        "diverged".
    rate : float
        The rate whose loss, averaged with the losses of the rates next to it, is the
        lowest. A rate next to one that diverges is never suggested.

    Raises
    ------
    ValueError
        If no rate is left to suggest.

    See Also
    --------
    fastnn.inspection.LearningRateFinderDisplay : A picture of it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import learning_rate_range
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), batch_size=16)
    >>> table, rate = learning_rate_range(network, X, y, n_epochs=3, random_state=0)
    >>> len(table)
    16
    >>> 1e-3 < rate < 1
    True
    """
    _check(estimator, X, y)
    if not low < high:
        raise ValueError(f"low must be below high; got low={low!r}, high={high!r}.")
    rates = np.geomspace(low, high, n_rates)
    table = convergence_study(
        estimator,
        X,
        y,
        rates.tolist(),
        [estimator.batch_size],
        n_epochs=n_epochs,
        X_val=X,  # the loss after the last step; an epoch's is of those before it
        y_val=y,
        random_state=random_state,
        n_threads=n_threads,
    )
    table = table.groupby("learning_rate", sort=True).tail(1).reset_index(drop=True)
    loss = table["validation_loss"].to_numpy()
    table = table[["learning_rate", "diverged"]]
    table.insert(1, "training_loss", loss)
    loss = np.where(np.isfinite(loss), loss, np.inf)
    means = np.array([loss[max(0, i - 1) : i + 2].mean() for i in range(len(loss))])
    if not np.isfinite(means).any():
        raise ValueError(
            f"Training diverged for all rates from {low:g} to {high:g}, or next to "
            "them. Scale the inputs, or try lower rates."
        )
    return table, float(table["learning_rate"][int(means.argmin())])


def _pandas():
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "This function returns a DataFrame: install pandas (pip install pandas)."
        ) from error
    return pandas


def _listed(values):
    return [values] if np.ndim(values) == 0 else list(values)


def _rates(values):
    """Return learning rates as a list, or raise if one is none."""
    rates = _listed(values)
    for rate in rates:
        if not _ABOVE_0.is_satisfied_by(rate):
            raise ValueError(f"learning_rates must be numbers above 0; got {rate!r}.")
    return rates


def _check(estimator, X, y):
    if not is_network(estimator):
        raise TypeError(
            "estimator must be MLPClassifier, MLPRegressor or MLPEstimator of this "
            f"package; got {type(estimator).__name__}."
        )
    if estimator.solver == "lbfgs":
        raise ValueError(
            "solver='lbfgs' has neither a learning rate nor mini-batches; choose "
            "another solver."
        )
    for name, value in (("X", X), ("y", y)):
        if value is None:
            raise ValueError(f"{name} is None; give the samples and their targets.")


def _configured(estimator, rate, batch_size, n_epochs, seed):
    """Return a clone that is trained for n_epochs and not stopped before."""
    network = clone(estimator).set_params(
        learning_rate_init=rate,
        batch_size=batch_size,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        early_stopping=False,
        random_state=seed,
    )
    changes = {"target_loss": None, "validation_metric": "loss"}
    if getattr(network, "schedule_epochs", 0) is None:
        changes["schedule_epochs"] = n_epochs  # also for fewer epochs
    known = network.get_params(deep=False)
    return network.set_params(**{key: changes[key] for key in changes if key in known})


def _split(estimator, y, fraction, seed):
    """Return rows to train and to validate on, stratified where that is possible."""
    stratify = None
    if is_classifier(estimator) and type_of_target(y, input_name="y") in (
        "binary",
        "multiclass",
    ):
        counts = np.unique(np.asarray(y), return_counts=True)[1]
        stratify = y if counts.min() > 1 else None
    return train_test_split(
        np.arange(_num_samples(y)),
        test_size=fraction,
        random_state=seed,
        stratify=stratify,
    )


def _curves(tasks, n_epochs, n_threads):
    """Return for each task a list of (training loss, validation loss, diverged)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # n_epochs are wanted
        population = Population(tasks, n_threads)
        population.advance(n_epochs)
        curves = [_curve(population, i) for i in range(len(tasks))]
        diverged = [i for i, curve in enumerate(curves) if curve is None]
        found = _curves_to_divergence([tasks[i] for i in diverged], n_epochs, n_threads)
    for i, curve in zip(diverged, found, strict=True):
        curves[i] = curve
    return curves


def _curves_to_divergence(tasks, n_epochs, n_threads):
    """Return the curves of networks that diverge, found epoch by epoch."""
    if not tasks:
        return []
    population = Population(tasks, n_threads)
    curves = [[] for _ in tasks]
    left = set(range(len(tasks)))
    for epoch in range(1, n_epochs + 1):
        if not left:
            break
        population.advance(epoch)
        for i in sorted(left):
            curve = _curve(population, i)
            if curve is None:
                curves[i].append((np.nan, np.nan, True))
                population.drop(i)
                left.discard(i)
            else:
                curves[i] = curve
    return curves


def _curve(population, i):
    """Return the curve of a task, or None if its network diverged."""
    try:
        history = population.result(i).history_
    except ValueError as error:
        if "non-finite" not in str(error):
            raise
        return None
    pairs = zip(history["loss"], history["validation_loss"], strict=True)
    return [(training, validation, False) for training, validation in pairs]
