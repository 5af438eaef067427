"""Samples that a network is validated on, and how well it does on them."""

import copy
import inspect
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.extmath import _approximate_mode

from ..inputs import options, targets
from ..prediction import outputs_of, takes_long
from ..structure import weights


@dataclass
class Validation:
    """Samples to validate on.

    Attributes
    ----------
    rows : Rows
    order : vector of int64
        Which of them; empty for all.
    Y : ndarray of shape (n, n_targets)
        Encoded, never smoothed.
    weight : ndarray of shape (n,), or None
        Class weights included.
    X : ndarray or CSR matrix
        What `rows` was made of: `order` counts its rows.
    y : ndarray of shape (n,) or (n, n_outputs)
        What a scorer gets.
    user_weight : ndarray of shape (n,), or None
        Weights without the classes', for scorers: a metric is what its name says.
    """

    rows: object
    order: np.ndarray
    Y: np.ndarray
    weight: np.ndarray | None
    X: object
    y: np.ndarray
    user_weight: np.ndarray | None = None

    @cached_property
    def samples(self):
        """The rows of X that a scorer gets; a copy, which others do not pay for."""
        return self.X[self.order] if self.order.size else self.X


def split(estimator, objective, problem):
    """Set validation samples aside, as scikit-learn splits them for the same seed."""
    random_state = estimator._random_state
    if estimator._continues:  # the same split in each call
        if getattr(estimator, "_split_seed", None) is None:
            estimator._split_seed = random_state.randint(np.iinfo(np.int32).max)
        random_state = estimator._split_seed
    Y = problem.Y if problem.train is None else problem.Y[problem.train]
    codes = Y.argmax(axis=1) if Y.shape[1] > 1 else Y[:, 0]
    stratify = codes if _is_stratified(estimator, objective, codes) else None
    try:
        train, held_out = _split_rows(
            problem.n_train, estimator.validation_fraction, random_state, stratify
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping with validation_fraction={estimator.validation_fraction} "
            f"of {problem.n_train} samples: {error}"
        ) from error
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    if problem.train is not None:
        train, held_out = problem.train[train], problem.train[held_out]
    weight = problem.weight
    for name, order in (("train", train), ("validation", held_out)):
        if weight is not None and not weight[order].any():
            raise ValueError(
                f"sample_weight is zero for all {name} samples of early stopping."
            )
    problem.train = train
    problem.validation = Validation(
        problem.rows,
        held_out,
        problem.Y[held_out],
        None if weight is None else weight[held_out],
        problem.X,
        problem.y[held_out],
        None if problem.user_weight is None else problem.user_weight[held_out],
    )


def _split_rows(n, fraction, random_state, codes):
    """Return the rows to train on and those held out, as `train_test_split` does.

    The numbers are the same for the same seed; memory is not: what is drawn is not
    drawn into Python lists, nor copied.

    codes : vector, or None
        Classes whose proportions are kept.
    """
    splitter = ShuffleSplit if codes is None else StratifiedShuffleSplit
    splitter = splitter(1, test_size=fraction, random_state=random_state)
    if codes is None:
        parts = next(splitter.split(range(n)))
    else:
        labels, counts = np.unique(codes, return_counts=True)
        n_held_out = ceil(fraction * n)
        if counts.min() < 2 or min(n_held_out, n - n_held_out) < len(counts):
            next(splitter.split(codes, codes))  # raises, and says what is wrong
        parts = _stratified_rows(
            np.searchsorted(labels, codes).astype(np.min_scalar_type(len(labels))),
            counts,
            (n - n_held_out, n_held_out),
            check_random_state(random_state),
        )
    return [np.asarray(part, np.int64) for part in parts]


def _stratified_rows(codes, counts, sizes, stream):
    """Return rows drawn from every class, `StratifiedShuffleSplit`'s numbers.

    codes : vector of small integers, from 0 on
    counts : rows of each class
    sizes : rows of the two parts
    """
    first = _approximate_mode(counts, sizes[0], stream)
    second = _approximate_mode(counts - first, sizes[1], stream)
    rows = np.argsort(codes, kind="stable")  # class by class
    parts = [np.empty(size, rows.dtype) for size in sizes]
    filled = [0, 0]
    starts = np.cumsum(counts) - counts
    for start, count, *shares in zip(starts, counts, first, second, strict=True):
        of_class = rows[start : start + count]
        stream.shuffle(of_class)  # what `permutation` draws, without its copies
        for i, share in enumerate(shares):
            parts[i][filled[i] : filled[i] + share] = of_class[:share]
            of_class = of_class[share:]
            filled[i] += share
    for part in parts:
        stream.shuffle(part)
    return parts


def _is_stratified(estimator, objective, codes):
    """Return whether the split keeps the classes' proportions.

    scikit-learn stratifies two classes only; what need not agree with it stratifies
    all, where there are rows enough of each.
    """
    if objective.kind in ("regression", "multilabel"):
        return False
    if not estimator._continues:
        return estimator.n_outputs_ == 1
    _, counts = np.unique(codes, return_counts=True)
    smaller = min(estimator.validation_fraction, 1 - estimator.validation_fraction)
    return counts.min() >= 2 and int(len(codes) * smaller) >= len(counts)


class Validator:
    """Computes a network's loss and score on validation samples.

    Parameters
    ----------
    estimator : MLPEstimator
    objective : Objective
    validation : Validation
    """

    def __init__(self, estimator, objective, validation):
        self.estimator, self.objective = estimator, objective
        self.validation = validation
        self.metric = estimator.validation_metric
        if self.metric == "auto" and objective.output == "quantiles":
            self.metric = "loss"
        self._scorer = None
        if self.metric not in ("auto", "loss"):
            self._scorer = check_scoring(estimator, self.metric)

    def takes_long(self, architecture):
        """Return whether it may, as a user's scorer may, or that of many rows."""
        data = self.validation
        n = data.order.size or data.rows.n
        return callable(self.metric) or takes_long(architecture, n)

    def __call__(self, network, theta):
        """Return the loss, without penalties, and the score: the higher the better.

        Like the training loss, it is a mean over outputs where scikit-learn has one.

        theta : callable
            Returns the parameters as they are now.
        """
        data = self.validation
        Z = outputs_of(network, data.rows, data.order, raw=True)
        raw = targets.outputs_that_tell(self.objective, Z)
        losses = network.evaluate(Z, data.Y)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = float(np.average(losses.astype(np.float64), weights=data.weight))
        loss *= options.loss_scale(self.estimator, self.objective)
        if self.metric == "loss":
            return loss, -loss
        if self._scorer is None:
            return loss, self._usual_score(Z if raw is None else raw)
        return loss, self._user_score(network, theta())

    def _usual_score(self, outputs):
        """Return accuracy or R², as scikit-learn's networks do."""
        data = self.validation
        if self.objective.kind == "regression":
            return targets.r2(data.Y, outputs, data.weight)
        return targets.accuracy(self.objective, data.Y, outputs, data.weight)

    def _user_score(self, network, theta):
        """Return the score of a scorer that is given a fitted estimator."""
        fitted = copy.copy(self.estimator)
        fitted.__dict__.pop("feature_names_in_", None)  # data.X has none
        weights.Shared(theta, network.architecture).publish(fitted)
        fitted.out_activation_ = network.architecture.output  # labels are read by it
        data = self.validation
        weight = data.user_weight
        weighs = weight is not None and _takes_weights(self._scorer)
        options = {"sample_weight": weight} if weighs else {}
        try:
            return float(self._scorer(fitted, data.samples, data.y, **options))
        except (AttributeError, TypeError, ValueError) as error:
            if not isinstance(self.metric, str):
                raise  # it is the user's own
            raise ValueError(
                f"validation_metric={self.metric!r} cannot score this network on "
                f"these targets; use another one: {error}"
            ) from error


def _takes_weights(scorer):
    """Return whether a scorer may be given `sample_weight`."""
    given = inspect.signature(scorer).parameters
    return "sample_weight" in given or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in given.values()
    )
