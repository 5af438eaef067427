"""Targets as the kernels read them, and network outputs as users read them."""

from contextlib import contextmanager

import numpy as np
from scipy import sparse
from sklearn.metrics import r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import type_of_target, unique_labels

from .matrices import check_places
from .missing import check_there

# Labels that are looked at in one operation of NumPy's: some 20 ms.
_NUMBERS_AT_ONCE = 2**22
_LIMITED = ("logistic", "tanh")


def fit_labels(estimator, y):
    """Learn the classes of y: set `_label_binarizer` and `classes_`."""
    estimator._label_binarizer = LabelBinarizer().fit(_enough_rows(y))
    estimator.classes_ = estimator._label_binarizer.classes_


def fit_first_labels(estimator, y, classes):
    """Learn the labels of a first `partial_fit`, which is given all that may come."""
    y = np.asarray(y) if isinstance(y, list) else y
    check_places(y, "y")
    check_there(y)
    with comparable(y):
        assert_all_finite(y, input_name="y")
        kind = type_of_target(_enough_rows(y), input_name="y")
    if not kind.startswith("multilabel"):
        fit_labels(estimator, classes)
        return
    n_labels = y.shape[1]
    if not np.array_equal(unique_labels(classes), np.arange(n_labels)):
        raise ValueError(
            f"classes must be range({n_labels}) for y with a column for each of "
            f"{n_labels} labels; got {classes!r}."
        )
    fit_labels(estimator, y)


def _enough_rows(y):
    """Return y, or its first row if that tells the classes: with 0 and 1 in columns.

    scikit-learn seeks all distinct values, several times; that takes seconds where
    there are many labels, in which Ctrl-C is not answered.
    """
    numbers = y.data if sparse.issparse(y) and y.format == "csr" else y
    is_matrix = isinstance(numbers, np.ndarray) and y.ndim == 2 and y.shape[1] > 1
    is_masked = isinstance(numbers, np.ma.MaskedArray)  # comparisons would pass over
    if not is_matrix or is_masked or numbers.dtype.kind not in "biuf":
        return y
    step = max(1, _NUMBERS_AT_ONCE // (numbers[:1].size or 1))
    for first in range(0, len(numbers), step):
        part = numbers[first : first + step]
        if not ((part == 0) | (part == 1)).all():
            return y
    return y[:1]


def _distinct(y):
    """Return the labels in y, in order; scikit-learn looks at all of y three times."""
    plain = type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biu"
    return np.unique(y) if plain else unique_labels(_enough_rows(y))


@contextmanager
def comparable(y):
    """Say what is wrong with labels that cannot be put in order: some are missing."""
    try:
        yield
    except (TypeError, AttributeError, NotImplementedError, NameError) as error:
        if sparse.issparse(y):  # one that is no indicator matrix
            raise ValueError(
                "A sparse y must have a column for each of several labels, and nothing "
                "but 0 and 1 in them. Give classes as a vector, y.toarray().ravel()."
            ) from error
        if not isinstance(error, TypeError):
            raise
        if np.asarray(y).dtype.kind != "O" or set(map(type, np.ravel(y))) == {bytes}:
            raise
        raise ValueError(
            "Input y has labels that cannot be compared with each other: None for a "
            f"missing one, or words among numbers ({error}). Leave out such rows, or "
            "make all labels of one type."
        ) from error


def check_labels(estimator, y, incremental):
    """Raise unless y's labels suit the classes that the estimator knows.

    A part of them is enough for `partial_fit`; scikit-learn asks for all of them
    under `warm_start` even there.
    """
    classes = _distinct(y)
    if estimator.warm_start and not (incremental and estimator._continues):
        if set(classes) != set(estimator.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same "
                "classes as in the previous call to fit. Previously "
                f"got {estimator.classes_}, `y` has {classes}"
            )
        _check_form(estimator, y)
    else:
        check_known(estimator, y, classes=classes)


def check_known(estimator, y, name="y", classes=None):
    """Raise if y, or its labels if they were found before, has an unknown one."""
    _check_form(estimator, y, name)
    classes = _distinct(y) if classes is None else classes
    if len(np.setdiff1d(classes, estimator.classes_, assume_unique=True)):
        raise ValueError(
            f"`{name}` has classes not in `self.classes_`. "
            f"`self.classes_` has {estimator.classes_}. '{name}' has {classes}."
        )


def _check_form(estimator, y, name="y"):
    """Raise unless y has a column per label just where the first y had, and as many."""
    several = estimator._label_binarizer.y_type_.startswith("multilabel")
    if several != (y.ndim > 1):
        form = "an indicator matrix, one column per label" if several else "a vector"
        raise ValueError(f"{name} must be {form}, as in the first fit.")
    if several and y.shape[1] != len(estimator.classes_):
        raise ValueError(
            f"{name} has {y.shape[1]} columns, but {len(estimator.classes_)} labels "
            "were known from the first fit."
        )


def kind_of(estimator):
    """Return "regression", "binary", "multiclass" or "multilabel"."""
    if estimator._is_regressor():
        return "regression"
    kind = estimator._label_binarizer.y_type_
    return "multilabel" if kind.startswith("multilabel") else kind


def n_targets_of(estimator, y):
    """Return the columns of y, or the number of classes."""
    if estimator._is_regressor():
        return 1 if y.ndim == 1 else y.shape[1]
    return len(estimator.classes_)


def encode(estimator, objective, y, dtype):
    """Return the target matrix, (n, n_targets), as the objective wants it.

    For classes: codes in one column, or 0 and 1 in one column for two classes, or an
    indicator matrix.
    """
    if objective.kind == "regression":
        return _encode_values(objective, y, dtype)
    if objective.kind == "multilabel":
        Y = y.toarray() if hasattr(y, "toarray") else y
        return (Y != 0).astype(dtype, order="C")  # any other number holds, as well
    codes = np.searchsorted(estimator.classes_, y)
    if (estimator.classes_.take(codes, mode="clip") != y).any():
        raise ValueError(
            "y has labels that NumPy takes for one another or cannot put in order; "
            "give them as numbers."
        )
    if objective.codes or objective.n_outputs == 1:
        return codes.astype(dtype).reshape(-1, 1)
    Y = np.empty((len(codes), objective.n_outputs), dtype)
    return np.equal(codes[:, None], np.arange(objective.n_outputs), out=Y)


def smooth(objective, Y, share):
    """Return indicators with ones of 1 - share and zeros of share / (k - 1).

    One column stands for two classes, as does each of several labels.

    Source: C. Szegedy et al., Rethinking the Inception architecture, CVPR 2016.
    """
    if not share:
        return Y
    excluding = objective.kind != "multilabel" and Y.shape[1] > 1
    others = Y.shape[1] - 1 if excluding else 1
    return np.where(Y > 0, Y.dtype.type(1.0 - share), Y.dtype.type(share / others))


def _encode_values(objective, y, dtype):
    """Return the target matrix of regression, or raise if the loss has no such y."""
    if sparse.issparse(y):
        raise ValueError("y is sparse; regression needs dense targets: y.toarray().")
    with np.errstate(over="ignore"):
        Y = np.ascontiguousarray(y, dtype).reshape(len(y), -1)
    if np.isnan(Y).any():  # scikit-learn makes them of None
        raise ValueError("Input y contains NaN or None; leave out such rows.")
    if not np.isfinite(Y).all():
        raise ValueError(
            f"Input y contains a value too large for dtype={dtype.name!r}; scale the "
            "targets or use dtype='float64'."
        )
    loss = objective.loss
    if loss == "poisson" and (Y < 0).any():
        raise ValueError("loss='poisson' needs non-negative targets y.")
    if loss == "gamma" and (Y <= 0).any():
        raise ValueError("loss='gamma' needs positive targets y.")
    if loss == "tweedie":
        power = objective.parameters[0]
        if (Y < 0).any() or (power == 2 and (Y == 0).any()):
            allowed = "positive" if power == 2 else "non-negative"
            raise ValueError(
                f"loss='tweedie' with tweedie_power={power:g} needs {allowed} "
                "targets y."
            )
    if loss == "log_loss" and ((Y < 0) | (Y > 1)).any():
        raise ValueError("loss='log_loss' needs targets y from 0 to 1.")
    return Y


def flat(y):
    """Return a column vector as a vector, with scikit-learn's warning."""
    if y.ndim == 2 and y.shape[1] == 1:
        return column_or_1d(y, warn=True)
    return y


def threshold_of(output):
    """Return the output above which a label holds."""
    return 0.5 if output in ("logistic", "softmax") else 0.0


def saturates(estimator):
    """Return whether several outputs may come to the same number: each has a limit.

    Then the raw outputs tell which class it is.
    """
    limited = estimator.out_activation_ in _LIMITED
    return limited and estimator.n_outputs_ > 1 and kind_of(estimator) == "multiclass"


def decode_labels(estimator, outputs):
    """Return the labels of outputs, an (n, k) array; of raw ones if it saturates."""
    total = outputs.sum()
    if np.isnan(total) and np.isnan(outputs).any():  # cheaper than a look at each
        raise ValueError(
            "An output of the network is not a number, so there is no label: its "
            "weights are not finite, or X has values so large that they overflow."
        )
    binarizer = estimator._label_binarizer
    threshold = threshold_of(estimator.out_activation_)
    if binarizer.y_type_.startswith("multilabel"):
        if threshold != 0.5:
            outputs = (outputs > threshold).astype(outputs.dtype)
        return binarizer.inverse_transform(outputs)
    if len(estimator.classes_) == 1:
        return np.repeat(estimator.classes_, len(outputs))
    return estimator.classes_.take(codes_of(outputs, threshold))


def codes_of(outputs, threshold=0.5):
    """Return class codes: the largest of several outputs, or the one above it."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > threshold).astype(np.intp)
    return outputs.argmax(axis=1)


def outputs_that_tell(objective, Z):
    """Return a copy of raw outputs if labels go by them, None if not."""
    several = objective.kind == "multiclass" and objective.output in _LIMITED
    return Z.copy() if several and Z.shape[1] > 1 else None


def accuracy(objective, Y, outputs, weight=None):
    """Return the accuracy of outputs, raw or not, for encoded targets Y.

    For multilabel a row counts if all its labels are right, as in scikit-learn.
    """
    if objective.kind == "multilabel":
        right = ((outputs > objective.threshold) == Y).all(axis=1)
    else:
        true = Y[:, 0] if Y.shape[1] == 1 else Y.argmax(axis=1)
        right = codes_of(outputs, objective.threshold) == true
    return float(np.average(right, weights=weight))


def r2(Y, outputs, weight=None):
    """Return scikit-learn's r2_score, or NaN if an output is not finite."""
    if not np.isfinite(outputs).all():
        return np.nan
    if Y.shape[1] == 1:
        Y, outputs = Y[:, 0], outputs[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):  # of outputs on their way there
        return float(r2_score(Y, outputs, sample_weight=weight))
