"""Weights of classes as weights of samples."""

import numpy as np

from .parameters import is_number


def tables(class_weight, classes, y):
    """Return a dict of every class's weight, for each column of y, or raise.

    Parameters
    ----------
    class_weight : dict, "balanced" or list of dict
        As `compute_sample_weight` has it. Classes that a dict leaves out weigh 1.
    classes : ndarray
        Labels that the network knows, unless y has several columns of 0 and 1.
    y : ndarray or sparse matrix of shape (n,) or (n, n_labels)
        What "balanced" counts.

    Returns
    -------
    list of dict
    """
    columns = _columns(y)
    several = y.ndim > 1
    if isinstance(class_weight, str):
        return [_balanced(column) for column in columns]
    given = class_weight if several else [class_weight]
    if not isinstance(given, list) or len(given) != len(columns):
        raise ValueError(
            "class_weight must be 'balanced' or a list with one dict per label "
            f"({len(columns)} here) for multilabel targets; got {class_weight!r}."
        )
    known = [0, 1] if several else classes.tolist()
    return [_checked(table, known) for table in given]


def of_samples(found, y):
    """Return each sample's weight in float64: the product over the columns of y."""
    product = 1.0
    for table, column in zip(found, _columns(y), strict=True):
        labels = np.unique(column)
        # A class that "balanced" never met has no weight of its own.
        weights = [table.get(label, 1.0) for label in labels.tolist()]
        product = np.array(weights, float)[np.searchsorted(labels, column)] * product
    return product


def _columns(y):
    """Return y's columns as vectors; of several, whether each label holds."""
    if y.ndim == 1:
        return [y]
    return list(((y.toarray() if hasattr(y, "toarray") else y) != 0).T)


def _balanced(column):
    """Return n / (number of classes * rows of the class), scikit-learn's "balanced"."""
    classes, counts = np.unique(column, return_counts=True)
    weights = len(column) / (len(classes) * counts)
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


def _checked(table, known):
    """Return a table with all known classes, or raise."""
    if not isinstance(table, dict):
        raise ValueError(
            "class_weight must be a dict, 'balanced' or None for targets of one "
            f"column, and a list of dicts for several labels; got {table!r}."
        )
    for label, weight in table.items():
        sound = is_number(weight) and not isinstance(weight, bool)
        if not sound or not 0 <= weight < np.inf:
            raise ValueError(
                "class_weight must have numbers from 0 on, and finite ones; got "
                f"{weight!r} for class {label!r}."
            )
    unknown = [label for label in table if label not in known]
    if unknown and not set(known) <= set(table):
        raise ValueError(
            f"class_weight has classes {unknown} that y has not, and leaves out "
            f"{[label for label in known if label not in table]}; name classes of "
            f"{known}."
        )
    return {label: float(table.get(label, 1.0)) for label in known}
