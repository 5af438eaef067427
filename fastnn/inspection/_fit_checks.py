"""Over-fitting and under-fitting."""

import numpy as np
from scipy import sparse
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .findings import Finding

# Ten points of accuracy or R² between training and held-out samples, and for accuracy
# also twice the standard error that so few held-out samples have.
GAP, N_ERRORS, LARGE_GAP = 0.1, 2.0, 0.25
# The validation loss has risen by this share from its lowest, over at least so many
# epochs in which the training loss fell: the picture of over-fitting in every textbook.
RISE, EPOCHS_AFTER = 0.1, 5
# A network that scores lower than a linear model on its own training samples has not
# used what it has; two points are more than the penalties make.
BELOW_LINEAR = 0.02
# Share of what guessing leaves open. Below it the network has hardly learnt anything,
# or there is nothing to learn.
LEAST_SKILL = 0.1
# A linear model with fewer samples per column than this fits noise.
ROWS_PER_COLUMN = 5


def overfitting(evidence):
    """Find training samples that are done better than others."""
    if not evidence.trained:
        return
    reasons, numbers, severity = [], {}, "warning"
    held_out, n = evidence.validation_score
    if held_out is None:
        evidence.not_judged.append(
            "over-fitting by scores (pass X_val and y_val, or set early_stopping)"
        )
    else:
        train = evidence.training_score
        gap = train - held_out
        error = 0.0
        if not evidence.is_regression:
            share = min(max(held_out, 0.0), 1.0)
            error = np.sqrt(share * (1 - share) / n)
        numbers = {"training_score": train, "held_out_score": held_out, "gap": gap}
        if gap > max(GAP, N_ERRORS * error):
            reasons.append(
                f"the score is {train:.3f} in training, {held_out:.3f} held out"
            )
            severity = "error" if gap > LARGE_GAP else "warning"
    rise = _rise_of_validation_loss(evidence)
    if rise is not None:
        numbers |= {"validation_loss_rise": rise[0], "best_epoch": rise[1]}
        reasons.append(
            f"the validation loss has risen by {rise[0]:.0%} since epoch {rise[1]}"
        )
    if reasons:
        yield Finding(
            "overfitting",
            severity,
            numbers,
            f"Over-fitting: {'; '.join(reasons)}.",
            "Set early_stopping=True, raise alpha or dropout, use fewer units, or find "
            "more samples.",
        )


def _rise_of_validation_loss(evidence):
    """Return the rise since the lowest validation loss and its epoch, or None.

    Early stopping takes the best weights, so that a rise does no harm under it.
    """
    network = evidence.network
    curve = np.array(getattr(network, "history_", {}).get("validation_loss", ()), float)
    if network.early_stopping or not np.isfinite(curve).any():
        return None
    best = int(np.nanargmin(curve))
    after = len(curve) - 1 - best
    if after < EPOCHS_AFTER or not curve[best] > 0:
        return None
    fell = evidence.loss_curve[-1] < evidence.loss_curve[best]
    rise = float(curve[-1] / curve[best] - 1)
    return (rise, best + 1) if fell and rise > RISE else None


def underfitting(evidence):
    """Find training samples that are not learnt, either."""
    if not evidence.trained:
        return
    train = evidence.training_score
    chance = _chance(evidence)
    skill = (train - chance) / (1 - chance) if chance < 1 else 1.0
    linear = _linear_score(evidence)
    numbers = {"training_score": train, "chance": chance, "linear_score": linear}
    reasons = []
    if linear is not None and train < linear - BELOW_LINEAR:
        reasons.append(f"a linear model reaches {linear:.3f}")
    if skill < LEAST_SKILL:
        reasons.append(f"guessing reaches {chance:.3f}")
    if reasons:
        yield Finding(
            "underfitting",
            "warning",
            numbers,
            f"Under-fitting: the score on training samples is {train:.3f}, where "
            f"{' and '.join(reasons)}.",
            "See to the other findings first; else use more units or epochs, another "
            "learning_rate_init, a smaller alpha, less dropout. If nothing helps, the "
            "columns may not tell the targets.",
        )


def _chance(evidence):
    """Return the score of the best constant prediction."""
    if evidence.is_regression:
        return 0.0
    y = np.asarray(evidence.y.toarray() if sparse.issparse(evidence.y) else evidence.y)
    return float(np.unique(y, axis=0, return_counts=True)[1].max() / len(y))


def _linear_score(evidence):
    """Return a ridge model's score on the sample, or None if it says nothing."""
    X, network = evidence.inputs, evidence.network
    n, d = X.shape
    if n < ROWS_PER_COLUMN * d or sparse.issparse(evidence.y):
        return None
    y = np.asarray(evidence.y)
    if evidence.is_regression and network._loss_name() != "squared_error":
        return None  # another loss aims at something else than R²
    if not evidence.is_regression and len(np.unique(y)) < 2:
        return None
    model = Ridge() if evidence.is_regression else RidgeClassifier()
    scaler = StandardScaler(with_mean=not sparse.issparse(X))
    return float(make_pipeline(scaler, model).fit(X, y).score(X, y))


CHECKS = (overfitting, underfitting)
