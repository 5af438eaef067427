"""Targets as the kernels read them, and network outputs as users read them."""

import numpy as np
from sklearn.metrics import r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import unique_labels


def fit_labels(estimator, y):
    """Learn the classes of y: set `_label_binarizer` and `classes_`."""
    estimator._label_binarizer = LabelBinarizer().fit(y)
    estimator.classes_ = estimator._label_binarizer.classes_


def check_labels(estimator, y):
    """Raise unless y's labels suit the classes that the estimator knows."""
    classes = unique_labels(y)
    if estimator.warm_start:
        if set(classes) != set(estimator.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same "
                "classes as in the previous call to fit. Previously "
                f"got {estimator.classes_}, `y` has {classes}"
            )
    elif len(np.setdiff1d(classes, estimator.classes_, assume_unique=True)):
        raise ValueError(
            "`y` has classes not in `self.classes_`. "
            f"`self.classes_` has {estimator.classes_}. 'y' has {classes}."
        )


def encode_labels(estimator, y, dtype):
    """Return the target matrix of classification and the number of outputs.

    Class codes in one column for several classes, 0 and 1 for two, an indicator
    matrix for multilabel.
    """
    kind = estimator._label_binarizer.y_type_
    if kind.startswith("multilabel"):
        Y = estimator._label_binarizer.transform(y)
        Y = np.ascontiguousarray(Y.toarray() if hasattr(Y, "toarray") else Y, dtype)
        return Y, Y.shape[1]
    codes = np.searchsorted(estimator.classes_, y)
    n_classes = len(estimator.classes_)
    n_outputs = n_classes if kind == "multiclass" else 1
    return codes.astype(dtype).reshape(-1, 1), n_outputs


def encode_values(estimator, y, dtype):
    """Return the target matrix of regression and the number of outputs."""
    with np.errstate(over="ignore"):
        Y = np.ascontiguousarray(y, dtype).reshape(len(y), -1)
    if not np.isfinite(Y).all():
        raise ValueError(
            f"Input y contains a value too large for dtype={dtype.name!r}; scale the "
            "targets or use dtype='float64'."
        )
    if estimator.loss == "poisson" and (Y < 0).any():
        raise ValueError("loss='poisson' needs non-negative targets y.")
    return Y, Y.shape[1]


def flat(y):
    """Return a column vector as a vector, with scikit-learn's warning."""
    if y.ndim == 2 and y.shape[1] == 1:
        return column_or_1d(y, warn=True)
    return y


def decode_labels(estimator, outputs):
    """Return the labels of outputs, an (n, k) array of probabilities."""
    binarizer = estimator._label_binarizer
    if binarizer.y_type_.startswith("multilabel"):
        return binarizer.inverse_transform(outputs)
    if len(estimator.classes_) == 1:
        return np.repeat(estimator.classes_, len(outputs))
    return estimator.classes_.take(codes_of(outputs))


def codes_of(outputs):
    """Return class codes: the largest of several outputs, or the one above 0.5."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > 0.5).astype(np.intp)
    return outputs.argmax(axis=1)


def accuracy(Y, outputs, weight=None):
    """Return the accuracy of outputs for encoded targets Y.

    For multilabel a row counts if all its labels are right, as in scikit-learn.
    """
    if Y.shape[1] == 1:
        right = codes_of(outputs) == Y[:, 0]
    else:
        right = ((outputs > 0.5) == Y).all(axis=1)
    return float(np.average(right, weights=weight))


def r2(Y, outputs, weight=None):
    """Return scikit-learn's r2_score, or NaN if an output is not finite."""
    if not np.isfinite(outputs).all():
        return np.nan
    if Y.shape[1] == 1:
        Y, outputs = Y[:, 0], outputs[:, 0]
    return float(r2_score(Y, outputs, sample_weight=weight))
