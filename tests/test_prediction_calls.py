"""What calls of predictions keep for the next one, and how they are parted."""

import numpy as np
import pytest
from helpers import assert_same_bits, ignore_convergence, make_data
from scipy import sparse

from fastnn import MLPClassifier, MLPEstimator, prediction


@ignore_convergence
def test_raw_outputs_are_prepared_once(monkeypatch):
    """A service may ask for both, row by row."""
    X, y = make_data("multiclass", n=40)
    model = MLPClassifier((6,), max_iter=2, random_state=0).fit(X, y)
    prediction._kept.__dict__.clear()  # of other tests
    prepared, ready = [], prediction._Ready

    def counted(*arguments):
        prepared.append(arguments)
        return ready(*arguments)

    monkeypatch.setattr(prediction, "_Ready", counted)
    for _ in range(5):
        model.decision_function(X[:1])
        model.predict_proba(X[:1])
    assert 1 <= len(prepared) <= 2


@ignore_convergence
@pytest.mark.parametrize(
    ("form", "dropout"), [(np.asarray, [0.3, 0.2]), (sparse.csr_matrix, 0.4)]
)
def test_samples_in_parts_have_the_same_bits(form, dropout, monkeypatch):
    """Each row has masks of its own, whichever part it is in."""
    X, y = make_data("multiclass", n=401)
    model = MLPEstimator((8,), dropout=dropout, max_iter=2, random_state=0)
    model.fit(form(X), y)
    calls, run = [], prediction.run

    def counted(*arguments):
        calls.append(arguments)
        run(*arguments)

    monkeypatch.setattr(prediction, "run", counted)
    whole = model.predict_proba_samples(form(X), 3, random_state=1)
    assert len(calls) == 3
    monkeypatch.setattr(prediction, "_FLOPS_PER_CALL", 1.0)
    parted = model.predict_proba_samples(form(X), 3, random_state=1)
    assert len(calls) > 2 * 3
    assert_same_bits([parted], [whole])
    assert not (whole[0, 0] == whole[0, 200]).all()
