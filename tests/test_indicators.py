"""Targets with a column per label: what is read of them, and what is refused."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data, snapshot
from scipy import sparse
from sklearn import neural_network
from sklearn.utils import multiclass

from fastnn import MLPClassifier, MLPRegressor
from fastnn.inputs import targets

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0}
X, y = make_data("multiclass", n=60)
Y = np.eye(4)[y]


@pytest.mark.parametrize("form", [np.array, sparse.csr_matrix])
@pytest.mark.parametrize("columns", [Y[:, :3], np.hstack([Y, Y[:, :1]])])
def test_another_number_of_columns(form, columns):
    """One less or one more than in the first fit."""
    with pytest.raises(ValueError, match=r"y_val has [35] columns"):
        MLPClassifier(**FAST).fit(X, form(Y), X_val=X, y_val=form(columns))
    first = {"classes": range(4)}
    for method, arguments in (("fit", {}), ("partial_fit", first)):
        net = MLPClassifier(**FAST, warm_start=True)
        go_on = getattr(net, method)
        go_on(X, form(Y), **arguments)
        before = snapshot(net)
        with pytest.raises(
            ValueError, match=r"y has [35] columns|y` has the same classes"
        ):
            go_on(X, form(columns))
        assert snapshot(net) == before


def test_several_classes_in_a_column():
    several = (2 * Y + (X[:, :1] > 0)).astype(int)
    net = MLPClassifier(**FAST)
    with pytest.raises(ValueError, match="Multioutput"):
        net.fit(X, several)
    with pytest.raises(ValueError, match="Unknown label type"):
        net.partial_fit(X, several, classes=range(4))
    net.fit(X, Y)
    before = snapshot(net)
    with pytest.raises(ValueError, match="y_val"):
        net.fit(X, Y, X_val=X, y_val=several)
    with pytest.raises(ValueError, match="Unknown label type"):
        net.partial_fit(X, several)
    assert snapshot(net) == before


def twice(Y):
    """Return Y in CSR with an entry stored twice, which counts as their sum."""
    rows, columns = np.nonzero(Y)
    places = np.append(rows, rows[:1]), np.append(columns, columns[:1])
    order = np.argsort(places[0], kind="stable")
    starts = np.searchsorted(places[0][order], np.arange(len(Y) + 1))
    return sparse.csr_matrix((np.ones(len(order)), places[1][order], starts), Y.shape)


FORMS = {
    "0 and 1": lambda Y: Y,
    "read-only": lambda Y: np.lib.stride_tricks.as_strided(Y, writeable=False),
    "columns": lambda Y: np.asfortranarray(Y, np.int8),
    "list": lambda Y: Y.astype(int).tolist(),
    "bool": lambda Y: Y.astype(bool),
    "0 and 2": lambda Y: 2 * Y,
    "0 and 255": lambda Y: 255 * Y.astype(np.uint8),
    "1 and 2": lambda Y: 1 + Y,
    "-1 and 1": lambda Y: 2 * Y - 1,
    "large": lambda Y: 1e9 * Y,
    "sparse": sparse.csr_matrix,
    "sparse array": sparse.csc_array,
    "sparse 0 and 2": lambda Y: sparse.csr_matrix(2 * Y),
    "twice": twice,
}


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("form", FORMS)
def test_labels_hold_where_they_do_in_scikit_learn(form, solver):
    """Where y is not 0. The same numbers come of them."""
    given = FORMS[form](Y.copy())
    kept = FORMS[form](Y.copy())
    options = {**FAST, "solver": solver, "alpha": 0.01}
    ours = MLPClassifier(**options).fit(X, given)
    theirs = neural_network.MLPClassifier(**options).fit(X, given)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-6)
    np.testing.assert_allclose(
        ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-9
    )
    assert ours.classes_.tolist() == theirs.classes_.tolist() == [0, 1, 2, 3]
    if not sparse.issparse(given):
        np.testing.assert_array_equal(given, kept)


def test_labels_hold_everywhere_where_y_is_not_0():
    """In class weights, smoothed, in validation and in early stopping."""
    weights = [{0: 1.0, 1: 2.0}] * 4
    options = {**FAST, "class_weight": weights, "label_smoothing": 0.1}
    options |= {"early_stopping": True, "n_iter_no_change": 50}
    nets = [
        MLPClassifier(**options).fit(X, scale * Y, X_val=X, y_val=scale * Y)
        for scale in (1, 2)
    ]
    np.testing.assert_array_equal(*(net.predict_proba(X) for net in nets))
    for name in ("validation_scores_", "loss_curve_"):
        assert getattr(nets[0], name) == getattr(nets[1], name)


@pytest.mark.parametrize("form", [np.array, sparse.csr_matrix, sparse.csc_matrix])
def test_scikit_learn_looks_at_one_row(monkeypatch, form):
    """A look at many labels takes as long as epochs do, and Ctrl-C waits for it."""
    looks, look = [], multiclass.is_multilabel

    def is_multilabel(y):
        if len(np.shape(y)) == 2:
            looks.append(y.shape[0])
        return look(y)

    monkeypatch.setattr(multiclass, "is_multilabel", is_multilabel)
    net = MLPClassifier(**FAST, warm_start=True)
    net.fit(X, form(Y), X_val=X, y_val=form(Y))
    net.partial_fit(X, form(Y))
    net.fit(X, form(Y))
    MLPClassifier(**FAST).partial_fit(X, np.asarray(Y), classes=range(4))
    assert set(looks) == {1}


def test_labels_are_looked_at_in_parts(monkeypatch):
    """The last part may be the one that has something else."""
    monkeypatch.setattr(targets, "_NUMBERS_AT_ONCE", 40)
    for form in (np.array, sparse.csr_matrix):
        other = Y.copy()
        for row in (0, 9, 10, 59):
            other[row, 1] = 7
            with pytest.raises(ValueError, match=r"Multioutput|A sparse y must"):
                MLPClassifier(**FAST).fit(X, form(other))
            other[row] = Y[row]
        net = MLPClassifier(**FAST).fit(X, form(other))
        assert net.classes_.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("classes", [[0, 1], [1, 2, 3, 4], list("abcd"), range(5)])
def test_classes_that_are_not_the_columns(classes):
    net = MLPClassifier(**FAST)
    with pytest.raises(ValueError, match=r"classes must be range\(4\)"):
        net.partial_fit(X, Y, classes=classes)
    assert not hasattr(net, "classes_")


def test_masked_labels_are_not_passed_over():
    masked = np.ma.masked_array(Y, mask=Y > 2)
    masked[3] = np.ma.masked
    masked.data[3] = 7
    for method, more in (("fit", {}), ("partial_fit", {"classes": range(4)})):
        with pytest.raises(ValueError, match=r"Multioutput|Unknown label"):
            getattr(MLPClassifier(**FAST), method)(X, masked, **more)


def test_gaps_in_a_first_partial_fit_are_named():
    gap = Y.copy()
    gap[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        MLPClassifier(**FAST).partial_fit(X, gap, classes=range(4))


def test_regression_refuses_a_sparse_y_by_name():
    with pytest.raises(ValueError, match="y is sparse; regression needs dense"):
        MLPRegressor(**FAST).fit(X, sparse.csr_matrix(Y))
