"""The estimator's attributes of training, from and to the records of a fit."""

import numpy as np

from .records import History

_NAMES = (
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "history_",
    "_no_improvement_count",
    "_measured",
)


def reset(estimator):
    """Forget what training by mini-batches recorded, and the solver's state."""
    estimator._optimizer = None
    for name in _NAMES:
        estimator.__dict__.pop(name, None)


def new_history(estimator):
    """Return the records of a fit that begins."""
    if estimator.early_stopping:
        return History(best_loss=None, validation_scores=[], best_score=-np.inf)
    return History()


def history_of(estimator):
    """Return what earlier calls recorded, as a history to extend.

    `n_iter_` counts from 0 in each call, as in scikit-learn, but for estimators
    that continue exactly; and under `warm_start` scikit-learn returns to the best
    weights of the call, or keeps the last ones if none was better than before.
    """
    if not hasattr(estimator, "loss_curve_"):  # fitted by L-BFGS before
        return new_history(estimator)
    curves = {
        name: list(curve)
        for name, curve in estimator.history_.items()
        if name != "loss"
    }
    history = History(
        loss_curve=list(estimator.loss_curve_),
        best_loss=estimator.best_loss_,
        validation_scores=estimator.validation_scores_,
        best_score=estimator.best_validation_score_,
        no_improvement=estimator._no_improvement_count,
        t=estimator.t_,
        n_iter=estimator.n_iter_ if estimator._continues else 0,
        curves=curves,
    )
    if estimator.early_stopping != (history.validation_scores is not None):
        fresh = new_history(estimator)
        fresh.loss_curve, fresh.curves = history.loss_curve, curves
        fresh.t, fresh.n_iter = history.t, history.n_iter
        return fresh
    if estimator.early_stopping:
        history.validation_scores = list(history.validation_scores)
    return history


def attributes(history):
    """Return the fitted attributes that a history stands for."""
    result = {
        "loss_curve_": history.loss_curve,
        "best_loss_": history.best_loss,
        "validation_scores_": history.validation_scores,
        "best_validation_score_": history.best_score,
        "history_": {"loss": list(history.loss_curve), **history.curves},
        "_no_improvement_count": history.no_improvement,
        "n_iter_": history.n_iter,
        "t_": history.t,
    }
    if history.loss_curve:
        result["loss_"] = history.loss_curve[-1]
    return result
