"""What a fit works on, what it records, and what a solver needs to go on."""

from dataclasses import dataclass, field, replace
from operator import attrgetter, itemgetter

import numpy as np

from ..kernels import layout as at
from ..structure.variants import SOLVERS


@dataclass
class SolverState:
    """What a solver needs to go on where it stopped; plain arrays and numbers.

    Attributes
    ----------
    solver : str
    slots : ndarray of shape (n_slots, n_params)
        In the order of `weights`.
    rate : float
        Learning rate, which 'adaptive', 'invscaling' and 'plateau' change.
    rate_init : float
        `learning_rate_init` that it came from.
    averaged : tuple of two vectors, or None
        Running averages of the parameters, and the parameters themselves.
    epochs : int
        Epochs taken, which schedules count.
    steps, power_1, power_2, power_mu : float
        Steps taken; beta_1 and beta_2 to that power; product of Nadam's momenta.
    plateau_best, plateau_waits : float, int
        What 'plateau' compares with, and epochs since.
    """

    solver: str
    slots: np.ndarray
    rate: float
    rate_init: float
    averaged: tuple | None = None
    epochs: int = 0
    steps: float = 0.0
    power_1: float = 1.0
    power_2: float = 1.0
    power_mu: float = 1.0
    plateau_best: float = np.inf
    plateau_waits: int = 0

    def suits(self, solver, n_params, dtype):
        """Return whether this state can continue such a fit."""
        shape = (SOLVERS[solver].n_slots, n_params)
        return (
            self.solver == solver
            and self.slots.shape == shape
            and self.slots.dtype == dtype
        )


@dataclass
class History:
    """What is recorded of training, epoch by epoch, and what stopping looks at.

    Attributes
    ----------
    loss_curve : list of float
    validation_scores : list of float, or None without early stopping
    curves : dict of lists of float
        More curves, each as long as `loss_curve`: NaN where nothing was measured.
    """

    loss_curve: list = field(default_factory=list)
    validation_scores: list | None = None
    best_loss: float | None = np.inf
    best_score: float | None = None
    best_theta: np.ndarray | None = None
    no_improvement: int = 0
    t: int = 0
    n_iter: int = 0
    curves: dict = field(default_factory=dict)

    def extend(self, losses, n_rows, *others):
        """Add epochs of n_rows samples; `others` in the order of `CURVES`."""
        self.loss_curve += losses
        self.n_iter += len(losses)
        self.t += n_rows * len(losses)
        for name, value in zip(CURVES, others, strict=True):
            self.curves[name] += [value] * len(losses)

    def watch_losses(self, losses, tol):
        """Count epochs without improvement of the training loss."""
        for loss in losses:
            stalled = loss > self.best_loss - tol
            self.no_improvement = self.no_improvement + 1 if stalled else 0
            self.best_loss = min(self.best_loss, loss)

    def watch_score(self, score, tol, theta):
        """Count epochs without improvement of the validation score."""
        self.validation_scores.append(score)
        stalled = not score >= self.best_score + tol  # a NaN is no improvement
        self.no_improvement = self.no_improvement + 1 if stalled else 0
        if score > self.best_score:
            self.best_score = score
            self.best_theta = theta()

    def forget_best(self):
        """Begin to wait for improvements anew: what is measured has changed."""
        validates = self.validation_scores is not None
        self.best_loss = None if validates else np.inf
        self.best_score = -np.inf if validates else None
        self.no_improvement = 0

    def __post_init__(self):
        for name in CURVES:
            curve = self.curves.setdefault(name, [])
            curve += [np.nan] * (len(self.loss_curve) - len(curve))

    def mark(self):
        """Return what `back_to` needs to forget all that comes after."""
        return len(self.loss_curve), len(self.validation_scores or ()), _scalars(self)

    def back_to(self, mark):
        """Forget what was recorded since the mark."""
        n_losses, n_scores, scalars = mark
        del self.loss_curve[n_losses:]
        for curve in self.curves.values():
            del curve[n_losses:]
        if self.validation_scores is not None:
            del self.validation_scores[n_scores:]
        for name, value in zip(_SCALARS, scalars, strict=True):
            setattr(self, name, value)


CURVES = ("validation_loss", "validation_score", "learning_rate")
_SCALARS = ("best_loss", "best_score", "best_theta", "no_improvement", "t", "n_iter")
_scalars = attrgetter(*_SCALARS)


@dataclass(frozen=True)
class Done:
    """All that an interrupt goes back to: the end of a whole epoch.

    Attributes
    ----------
    n_epochs : int
        Epochs of this call.
    is_live : bool
        Whether parameters and slots are where the kernels change them; else they are
        in the copy that was made before the current call.
    numbers : tuple
        Of the solver's state, see `state_numbers`.
    mark : object
        Of the history.
    """

    n_epochs: int
    is_live: bool
    numbers: tuple
    mark: tuple


@dataclass
class Problem:
    """Data of one fit, ready for the kernels.

    Attributes
    ----------
    rows : Rows
    Y : ndarray of shape (n, n_targets)
    X, y : what a user's scorer or augmentation gets
    weight : ndarray of shape (n,), or None
        Class weights included.
    user_weight : ndarray of shape (n,), or None
        Without the classes' weights.
    train : ndarray of row numbers, or None for all
    validation : Validation or None
    """

    rows: object
    Y: np.ndarray
    X: object
    y: np.ndarray
    weight: np.ndarray | None = None
    train: np.ndarray | None = None
    validation: object | None = None
    user_weight: np.ndarray | None = None

    @property
    def n_train(self):
        """Number of rows to train on."""
        return len(self.Y) if self.train is None else len(self.train)

    def only_training(self):
        """Return the problem without the rows that are held out."""
        if self.train is None:
            return self
        weight = None if self.weight is None else self.weight[self.train]
        return replace(
            self,
            Y=self.Y[self.train],
            X=self.X[self.train],
            y=self.y[self.train],
            weight=weight,
            train=None,
        )


# What changes of a solver's state besides arrays, and what of it the kernels keep.
STATE_NUMBERS = ("rate", "epochs", "plateau_best", "plateau_waits")
KERNEL_NUMBERS = {
    "steps": at.STEPS,
    "power_1": at.POWER_1,
    "power_2": at.POWER_2,
    "power_mu": at.POWER_MU,
}
_of_state = attrgetter(*STATE_NUMBERS)
_of_kernel = itemgetter(*KERNEL_NUMBERS.values())


def state_numbers(state, hyper):
    """Return the numbers of a solver's state as they are now."""
    return (*_of_state(state), *_of_kernel(hyper))


def state_of(state, numbers, **arrays):
    """Return a solver's state with these numbers and arrays."""
    names = (*STATE_NUMBERS, *KERNEL_NUMBERS)
    values = dict(zip(names, numbers, strict=True))
    for name in KERNEL_NUMBERS:
        values[name] = float(values[name])
    return replace(state, **values, **arrays)


def new_state(estimator, theta):
    """Return a solver's state before its first step."""
    slots = np.zeros((SOLVERS[estimator.solver].n_slots, theta.size), theta.dtype)
    rate = float(estimator.learning_rate_init)
    return SolverState(estimator.solver, slots, rate, rate)
