"""Sparse matrices of X and y whose arrays were written to after they were made."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data, snapshot
from scipy import sparse

from fastnn import MLPClassifier, MLPEstimator

pytestmark = ignore_convergence

X, y = make_data("multiclass", n=60, p=8)
THIN = np.where(np.abs(X) < 0.7, 0, X)
Y = np.eye(4)[y]
MODEL = {"hidden_layer_sizes": (5,), "max_iter": 2, "random_state": 0}


def bsr(numbers):
    return sparse.bsr_matrix(numbers, blocksize=(2, 2))


def far(matrix):
    matrix.indices[5] = 2_000_000_000


def negative(matrix):
    matrix.indices[5] = -1_000_000


def start(matrix):
    matrix.indptr[3] = 10**7


def shape_of_numbers(matrix):
    matrix.data = matrix.data.reshape(-1, 1)


def far_column(matrix):
    matrix.rows[3][0] = 10**9


def negative_column(matrix):
    matrix.rows[3][0] = -1


def one_number_less(matrix):
    matrix.data[3].pop()


def far_row(matrix):
    matrix.row[3] = 10**7


CASES = [(bsr, damage) for damage in (far, negative, start, shape_of_numbers)]
CASES += [
    (form, damage)
    for form in (sparse.csr_matrix, sparse.csc_matrix)
    for damage in (far, negative, start, shape_of_numbers)
]
CASES += [(sparse.lil_matrix, far_column), (sparse.lil_matrix, negative_column)]
CASES += [(sparse.lil_matrix, one_number_less), (sparse.coo_matrix, far_row)]


@pytest.mark.parametrize(("form", "damage"), CASES)
@pytest.mark.parametrize("maker", [MLPClassifier, MLPEstimator])
def test_they_are_refused(maker, form, damage):
    """SciPy's conversions, which scikit-learn calls, would end the process."""
    model = maker(**MODEL).fit(form(THIN), form(Y))
    before = snapshot(model)
    bad_X, bad_y = form(THIN), form(Y)
    damage(bad_X)
    damage(bad_y)
    fresh = maker(**MODEL)
    for call, name in (
        (lambda: model.fit(bad_X, Y), "X"),
        (lambda: model.predict(bad_X), "X"),
        (lambda: model.fit(X, Y, X_val=bad_X, y_val=Y), "X_val: X"),
        (lambda: model.fit(X, bad_y), "y"),
        (lambda: model.partial_fit(X, bad_y), "y"),
        (lambda: fresh.partial_fit(X, bad_y, classes=range(4)), "y"),
        (lambda: model.fit(X, Y, X_val=X, y_val=bad_y), "y_val: y"),
        (lambda: model.score(X, bad_y), "y"),
    ):
        with pytest.raises(ValueError, match=f"{name} is a damaged .* matrix"):
            call()
    assert snapshot(model) == before
    assert not hasattr(fresh, "coefs_")


SOUND = (sparse.csr_matrix, sparse.csc_matrix, sparse.lil_matrix, sparse.coo_matrix)


@pytest.mark.parametrize("form", [bsr, *SOUND])
def test_sound_ones_are_not(form):
    """With blocks, empty rows, and none at all."""
    thin = THIN.copy()
    thin[10:20] = 0
    expected = MLPClassifier(**MODEL).fit(thin, Y)
    model = MLPClassifier(**MODEL).fit(form(thin), form(Y))
    np.testing.assert_allclose(
        model.predict_proba(form(thin)), expected.predict_proba(thin), rtol=1e-10
    )
    assert len(MLPClassifier(**MODEL).fit(form(0 * thin), form(0 * Y)).coefs_) == 2
