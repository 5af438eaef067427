"""Targets with a column per label: what is read of them, and what is refused."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data, snapshot
from scipy import sparse
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import multiclass

from fastnn import MLPClassifier
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


@pytest.mark.parametrize("labels", [(0, 1), (0, 2), (-1, 1)])
def test_indicators_are_what_scikit_learn_makes_of_them(labels):
    """In any form; they are not written to."""
    given = np.where(Y > 0, labels[1], labels[0]).astype(float)
    expected = LabelBinarizer().fit(given).transform(given)
    np.testing.assert_array_equal(expected, given)
    kept = given.copy()
    given.setflags(write=False)
    nets = [
        MLPClassifier(**FAST, label_smoothing=0.1).fit(X, form)
        for form in (given, expected, given.astype(np.int8, "F"), given[:, :].tolist())
    ]
    for net in nets:
        assert net.classes_.tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(net.predict_proba(X), nets[0].predict_proba(X))
    assert (given == kept).all()


@pytest.mark.parametrize("form", [np.array, sparse.csr_matrix, sparse.csc_matrix])
def test_scikit_learn_looks_at_one_row(monkeypatch, form):
    """A look at many labels takes as long as epochs do, and Ctrl-C waits for it."""
    looks, look = [], multiclass.is_multilabel
    monkeypatch.setattr(
        multiclass, "is_multilabel", lambda y: looks.append(y.shape[0]) or look(y)
    )
    net = MLPClassifier(**FAST, warm_start=True)
    net.fit(X, form(Y), X_val=X, y_val=form(Y))
    net.partial_fit(X, form(Y))
    net.fit(X, form(Y))
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
