"""Columns on different scales, constant ones, rare classes, contradictory labels."""

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from .findings import Finding

# The curvature of the loss in a weight of the first layer grows with the square of its
# input (Y. LeCun et al., Efficient BackProp, 1998, who ask for means near 0 and equal
# variances). Scales a hundred apart make curvatures 10 000 apart: a rate that suits
# the one is useless for the other.
SCALES = 100.0
# A mean of five standard deviations: nearly all of the input is one constant, and
# the squared ratio, 25, is again a spread of curvatures.
OFFSET = 5.0
# All inputs alike, but this many times larger or smaller than the 1 that initial
# weights are made for.
SIZE = 30.0
# Targets of regression likewise: outputs begin near 0 and of size 1.
TARGET_SIZE, TARGET_OFFSET = 100.0, 10.0
# The rarest class against the most frequent one. Google's "Imbalanced datasets" calls a
# minority of 1 to 20 % moderate, below 1 % extreme.
RARE, VERY_RARE = 0.1, 0.01
# Rows with the same inputs as others and another label: one in a hundred is a ceiling
# on the accuracy that is worth knowing.
CONTRADICTORY = 0.01


def _columns(evidence):
    """Return means and standard deviations of the network's inputs, 0 for constants.

    What differs by rounding alone is constant: the bound is that of scikit-learn's
    StandardScaler.
    """
    X = evidence.inputs
    if sparse.issparse(X):
        mean, variance = mean_variance_axis(X, axis=0)
    else:
        mean, variance = X.mean(axis=0), X.var(axis=0)
    n, eps = X.shape[0], np.finfo(np.float64).eps
    bound = n * eps * variance + (n * mean * eps) ** 2
    return mean, np.where(variance <= bound, 0.0, np.sqrt(variance))


def constant_columns(evidence):
    """Find columns that say nothing."""
    places = np.flatnonzero(_columns(evidence)[1] == 0)
    if not places.size:
        return
    total = evidence.inputs.shape[1]
    yield Finding(
        "constant_columns",
        "info",
        {"columns": places.tolist(), "n_columns": total},
        f"{places.size} of {total} columns are constant: {_listed(places)}.",
        "Leave them out (sklearn.feature_selection.VarianceThreshold); they cost time "
        "and act as further biases.",
    )


def unscaled_inputs(evidence):
    """Find columns of different sizes, or far from 0."""
    mean, std = _columns(evidence)
    varied = std > 0
    if not varied.any():
        return
    mean, std = mean[varied], std[varied]
    spread = float(std.max() / std.min())
    offset = np.abs(mean) / std
    size = float(np.median(np.sqrt(mean**2 + std**2)))
    reasons = []
    if spread > SCALES and not sparse.issparse(evidence.inputs):
        reasons.append(f"standard deviations are up to {spread:.3g} times apart")
    n_far = int((offset > OFFSET).sum())
    if n_far:
        reasons.append(
            f"the mean of {n_far} of {len(mean)} columns is more than {OFFSET:g} "
            "standard deviations from 0"
        )
    if size > SIZE or (size < 1 / SIZE and not sparse.issparse(evidence.inputs)):
        reasons.append(f"the columns' usual size is {size:.3g}, far from 1")
    if reasons:
        yield Finding(
            "unscaled_inputs",
            "warning",
            {
                "spread": spread,
                "largest_offset": float(offset.max()),
                "usual_size": size,
            },
            f"The inputs are not scaled: {'; '.join(reasons)}.",
            "Put a StandardScaler before the network in a pipeline (MaxAbsScaler for "
            "sparse inputs).",
        )


def unscaled_targets(evidence):
    """Find targets of regression far from what outputs begin with."""
    if not evidence.is_regression or evidence.initial.out_activation_ == "exp":
        return
    y = evidence.all_y.astype(float)
    std, mean = float(np.max(y.std(axis=0))), float(np.max(np.abs(y.mean(axis=0))))
    if std == 0:
        return
    if 1 / TARGET_SIZE <= std <= TARGET_SIZE and mean <= TARGET_OFFSET * max(std, 1.0):
        return
    yield Finding(
        "unscaled_targets",
        "warning",
        {"std": std, "mean": mean},
        f"The targets are not scaled: standard deviation {std:.3g}, mean {mean:.3g}. "
        "Outputs begin near 0 and of size 1, and gradients grow with the targets.",
        "Wrap the network in sklearn.compose.TransformedTargetRegressor with a "
        "StandardScaler.",
    )


def class_imbalance(evidence):
    """Find classes that are rare, and what becomes of them."""
    if evidence.is_regression or evidence.target_kind not in ("binary", "multiclass"):
        return
    labels, counts = np.unique(evidence.all_y, return_counts=True)
    quotient = float(counts.min() / counts.max())
    if len(labels) < 2 or quotient >= RARE:
        return
    rare = labels[counts.argmin()].item()
    numbers = {"class": rare, "count": int(counts.min()), "quotient": quotient}
    severity, found = "info" if quotient >= VERY_RARE else "warning", ""
    own = np.asarray(evidence.y) == rare
    if evidence.trained and own.any():
        predicted = np.asarray(evidence.estimator.predict(evidence.X))
        recall = float(np.mean(predicted[own] == rare))
        numbers["recall"] = recall
        if recall < 0.5 * evidence.training_score:
            severity = "warning"
        found = f", and {recall:.0%} of its training samples are recognised"
    yield Finding(
        "class_imbalance",
        severity,
        numbers,
        f"Class {rare!r} is rare: {counts.min()} samples, {quotient:.1%} of the most "
        f"frequent class{found}.",
        "Set class_weight='balanced' (or sample_weight), score with balanced_accuracy "
        "or average_precision instead of accuracy, and stratify splits.",
    )


def contradictory_labels(evidence):
    """Find equal rows with different labels, which no network can tell apart."""
    X = evidence.inputs
    single = evidence.target_kind in ("binary", "multiclass")
    if evidence.is_regression or sparse.issparse(X) or not single:
        return
    _, group = np.unique(X, axis=0, return_inverse=True)
    labels, code = np.unique(np.asarray(evidence.y), return_inverse=True)
    pairs, counts = np.unique(
        np.column_stack([group.ravel(), code.ravel()]), axis=0, return_counts=True
    )
    most = np.zeros(group.max() + 1, dtype=int)
    np.maximum.at(most, pairs[:, 0], counts)
    share = float(1 - most.sum() / len(X))  # wrong, whatever is predicted
    if share < CONTRADICTORY or len(labels) < 2:
        return
    yield Finding(
        "contradictory_labels",
        "warning",
        {"share": share},
        f"Equal rows have different labels: no network can be right about {share:.1%} "
        "of the samples.",
        "Look for labels that are wrong, or for a feature that is missing; do not ask "
        "for more training accuracy than that.",
    )


def _listed(places):
    """Return the first places as text."""
    text = ", ".join(map(str, places[:8]))
    return f"{text}, ..." if len(places) > 8 else text


CHECKS = (
    constant_columns,
    unscaled_inputs,
    unscaled_targets,
    class_imbalance,
    contradictory_labels,
)
