"""What a fit works on, what it records, and what a solver needs to go on."""

from dataclasses import dataclass, field

import numpy as np

from .variants import SOLVERS


@dataclass
class SolverState:
    """What a solver needs to go on where it stopped; plain arrays and numbers.

    Attributes
    ----------
    solver : str
    slots : ndarray of shape (n_slots, n_params)
        In the order of `weights`.
    rate : float
        Learning rate, which 'adaptive' and 'invscaling' change.
    rate_init : float
        `learning_rate_init` that it came from.
    steps, power_1, power_2 : float
        Steps taken; beta_1 and beta_2 to that power.
    """

    solver: str
    slots: np.ndarray
    rate: float
    rate_init: float
    steps: float = 0.0
    power_1: float = 1.0
    power_2: float = 1.0

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
    """What is recorded of training, epoch by epoch, and what stopping looks at."""

    loss_curve: list = field(default_factory=list)
    validation_scores: list | None = None
    best_loss: float | None = np.inf
    best_score: float | None = None
    best_theta: np.ndarray | None = None
    no_improvement: int = 0
    t: int = 0
    n_iter: int = 0

    def record(self, loss, score, tol, theta):
        """Add an epoch; `score` is None without validation."""
        if score is None:
            stalled = loss > self.best_loss - tol
            self.no_improvement = self.no_improvement + 1 if stalled else 0
            self.best_loss = min(self.best_loss, loss)
            return
        self.validation_scores.append(score)
        stalled = score < self.best_score + tol
        self.no_improvement = self.no_improvement + 1 if stalled else 0
        if score > self.best_score:
            self.best_score = score
            self.best_theta = theta()

    def mark(self):
        """Return a note of how far the records go, for `back_to`."""
        n_scores = len(self.validation_scores or ())
        scalars = {name: getattr(self, name) for name in _SCALARS}
        return len(self.loss_curve), n_scores, scalars

    def back_to(self, mark):
        """Forget what was recorded since the mark."""
        n_losses, n_scores, scalars = mark
        del self.loss_curve[n_losses:]
        if self.validation_scores is not None:
            del self.validation_scores[n_scores:]
        for name, value in scalars.items():
            setattr(self, name, value)


_SCALARS = ("best_loss", "best_score", "best_theta", "no_improvement", "t", "n_iter")


@dataclass(frozen=True)
class Done:
    """All that an interrupt goes back to: the end of a whole epoch.

    Attributes
    ----------
    n_epochs : int
        Epochs of this call.
    copy : int
        Which of the two copies of parameters and slots holds them.
    steps : tuple
        Steps of the solver, and its powers of beta_1 and beta_2.
    rate : float
    mark : object
        Of the history.
    stream : object or None
        State of the random stream, of estimators that continue exactly.
    """

    n_epochs: int
    copy: int
    steps: tuple
    rate: float
    mark: tuple
    stream: object


@dataclass
class Problem:
    """Data of one fit, ready for the kernels.

    Attributes
    ----------
    rows : Rows
    Y : ndarray of shape (n, n_targets)
    weight : ndarray of shape (n,), or None
    train, validation : ndarrays of row numbers, or None for all and for none
    """

    rows: object
    Y: np.ndarray
    weight: np.ndarray | None = None
    train: np.ndarray | None = None
    validation: np.ndarray | None = None

    @property
    def n_train(self):
        """Number of rows to train on."""
        return self.rows.n if self.train is None else len(self.train)


def new_state(estimator, theta):
    """Return a solver's state before its first step."""
    slots = np.zeros((SOLVERS[estimator.solver].n_slots, theta.size), theta.dtype)
    rate = float(estimator.learning_rate_init)
    return SolverState(estimator.solver, slots, rate, rate)
