"""Early stopping of `MLPEstimator`, and what an interrupt leaves of its records."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from helpers import ignore_convergence, make_data
from scipy import sparse
from sklearn.model_selection import train_test_split

from fastnn import MLPClassifier, MLPEstimator
from fastnn.learning import epochs
from fastnn.learning.training import Trainer

pytestmark = ignore_convergence

SETTINGS = {"early_stopping": True, "warm_start": True, "random_state": 0}


def fitted(**params):
    X, y = make_data("multiclass", n=200, p=7)
    model = MLPEstimator((10,), **{**SETTINGS, "max_iter": 20, **params})
    return model.fit(X, y), X, y


def test_zeroed_weights_are_where_the_next_call_starts():
    """Weights from before they were overwritten do not come back."""
    model, X, y = fitted(learning_rate_init=0.02)
    before = model.best_validation_score_
    for W in [*model.coefs_, *model.intercepts_]:
        W[:] = 0
    model.set_params(max_iter=1, learning_rate_init=1e-6).fit(X, y)
    assert max(abs(W).max() for W in model.coefs_) < 1e-3
    assert model.best_validation_score_ < before


def test_another_architecture_is_not_mixed_up_with_the_best_weights():
    model, X, y = fitted(learning_rate_init=0.02)
    small = MLPEstimator((4,), max_iter=1, random_state=3).fit(X, y)
    model.coefs_, model.intercepts_ = small.coefs_, small.intercepts_
    model.set_params(hidden_layer_sizes=(4,), max_iter=1, learning_rate_init=1e-9)
    start = [W.copy() for W in small.coefs_]
    model.fit(X, y)
    for W, expected in zip(model.coefs_, start, strict=True):
        np.testing.assert_allclose(W, expected, atol=1e-5)


def test_other_targets_do_not_return_old_weights():
    """The score to beat is that of the weights on this call's rows."""
    model, X, y = fitted(learning_rate_init=0.02, max_iter=60)
    others = (y + 1) % 4
    before = model.score(X, others)
    model.set_params(max_iter=60).fit(X, others)
    assert model.score(X, others) > before + 0.3


def test_many_classes_in_few_rows():
    """No stratification where it cannot be done, as with scikit-learn's defaults."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(60, 4)), np.arange(60) % 20
    model = MLPEstimator((5,), early_stopping=True, max_iter=2, random_state=0)
    assert len(model.fit(X, y).validation_scores_) == 2


@pytest.mark.parametrize("part", ["train", "validation"])
def test_weights_of_one_part_all_zero(part):
    X, y = make_data("binary", n=60, p=3)
    model = MLPClassifier((4,), early_stopping=True, max_iter=2, random_state=0)
    probe = np.random.RandomState(0)
    for shape in ((3, 4), (4,), (4, 1), (1,)):
        probe.uniform(size=shape)  # the draws of the initial weights
    rows = train_test_split(
        np.arange(60), test_size=0.1, random_state=probe, stratify=y
    )
    weight = np.ones(60)
    weight[rows[0 if part == "train" else 1]] = 0
    with pytest.raises(ValueError, match=f"sample_weight is zero for all {part}"):
        model.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("place", ["_record", "_should_stop", "_mark"])
def test_interrupt_between_two_epochs(place, early_stopping, monkeypatch):
    """All records and the weights belong to the same epoch, and training goes on."""
    monkeypatch.setattr(epochs, "_FLOPS_PER_CALL", 1)  # one epoch in each call
    X, y = make_data("multiclass", n=120, p=5)
    params = {"random_state": 0, "tol": 0.0, "n_iter_no_change": 1000}
    params |= {"early_stopping": early_stopping, "warm_start": True}
    method, calls = getattr(Trainer, place), []

    def strike(self, *arguments):
        calls.append(1)
        result = method(self, *arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Trainer, place, strike)
    model = MLPEstimator((6,), max_iter=9, **params)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    monkeypatch.undo()
    n = model.n_iter_
    assert n in (2, 3)
    assert len(model.loss_curve_) == n
    whole = MLPEstimator((6,), max_iter=n, **params).fit(X, y)
    assert whole.loss_curve_ == model.loss_curve_
    assert whole.best_loss_ == model.best_loss_
    assert whole.validation_scores_ == model.validation_scores_
    assert whole.best_validation_score_ == model.best_validation_score_
    for a, b in zip(whole.coefs_, model.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    left, right = (m.set_params(max_iter=3).fit(X, y) for m in (whole, model))
    assert left.loss_curve_ == right.loss_curve_


@pytest.mark.parametrize("place", ["prepare", "take", "_record", "_mark"])
def test_interrupt_between_calls_of_several_epochs(place, monkeypatch):
    """The epochs of whole calls are kept, and the random stream stands after them."""
    X, y = make_data("multiclass", n=120, p=5)
    params = {"random_state": 0, "tol": 0.0, "n_iter_no_change": 1000}
    method, calls = getattr(Trainer, place), []
    make = epochs.WholeCalls.__init__

    def make_short(self, *arguments, **options):
        make(self, *arguments, **options)
        self.most = self._limit = 4

    def strike(self, *arguments, **options):
        calls.append(1)
        result = method(self, *arguments, **options)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(epochs.WholeCalls, "__init__", make_short)
    monkeypatch.setattr(epochs, "_SECONDS_PER_CALL", 60.0)
    monkeypatch.setattr(Trainer, place, strike)
    model = MLPEstimator((6,), max_iter=19, warm_start=True, **params)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    monkeypatch.undo()
    assert model.n_iter_ == {"take": 12}.get(place, 8 if place != "_mark" else 4)
    whole = MLPEstimator((6,), max_iter=model.n_iter_, warm_start=True, **params)
    whole.fit(X, y)
    assert whole.loss_curve_ == model.loss_curve_
    left, right = (m.set_params(max_iter=5).fit(X, y) for m in (whole, model))
    assert left.loss_curve_ == right.loss_curve_
    np.testing.assert_array_equal(left.coefs_[0], right.coefs_[0])


@pytest.mark.parametrize("kind", [MLPClassifier, MLPEstimator])
@pytest.mark.parametrize("shuffle", [True, False])
def test_unseen_epochs_are_the_same_as_seen_ones(kind, shuffle, capsys):
    """`verbose` has Python see every epoch."""
    X, y = make_data("multiclass", n=120, p=5)
    for params in ({}, {"tol": 0.01, "n_iter_no_change": 3}, {"target_loss": 0.9}):
        models = [
            kind(
                (6,), max_iter=60, random_state=0, shuffle=shuffle, verbose=verbose,
                learning_rate_init=0.02, **params,
            ).fit(X, y)
            for verbose in (False, True)
        ]  # fmt: skip
        assert f"Iteration {models[0].n_iter_}" in capsys.readouterr().out
        assert (models[0].n_iter_ < 60) == bool(params)
        assert models[0].loss_curve_ == models[1].loss_curve_
        for name, curve in models[0].history_.items():
            np.testing.assert_array_equal(curve, models[1].history_[name])
        np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])


def test_another_generator_than_numpy_s_default():
    """A RandomState may have any bit generator; its orders are drawn in Python."""
    X, y = make_data("multiclass", n=120, p=5)

    def stream():
        return np.random.RandomState(np.random.PCG64(5))

    models = [
        MLPClassifier((6,), max_iter=9, random_state=stream(), verbose=verbose)
        for verbose in (False, True)
    ]
    for model in models:
        model.fit(X, y)
    assert models[0].loss_curve_ == models[1].loss_curve_


def test_interrupt_while_publishing(monkeypatch):
    """The first attempt to publish is struck; the epochs are kept all the same."""
    X, y = make_data("binary", n=60, p=3)
    finish, calls = Trainer.finish, []

    def strike(self):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return finish(self)

    monkeypatch.setattr(Trainer, "finish", strike)
    model = MLPClassifier((4,), max_iter=5, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 5


def test_csr_with_strided_buffers():
    X, y = make_data("binary", n=60, p=6)
    X = sparse.csr_matrix(X * (np.abs(X) > 0.5))
    strided = sparse.csr_matrix(
        (np.repeat(X.data, 2)[::2], np.repeat(X.indices, 2)[::2], X.indptr), X.shape
    )
    params = {"max_iter": 2, "random_state": 0}
    left, right = (MLPClassifier((4,), **params).fit(Z, y) for Z in (X, strided))
    np.testing.assert_array_equal(left.coefs_[0], right.coefs_[0])


@pytest.mark.skipif(not hasattr(os, "umask"), reason="needs modes of files")
@pytest.mark.parametrize("umask", ["002", "077", "000"])
def test_cache_is_used_under_any_umask(umask, tmp_path):
    code = (
        f"import os; os.umask(0o{umask})\n"
        "from fastnn.kernels import _jit\n"
        "print(_jit.CACHE_PROBLEM, oct(_jit.CACHE_FOLDER.parent.stat().st_mode)[-3:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "new")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["None", "700"]


@pytest.mark.parametrize("values", [[np.nan], [np.nan, 0.5]])
def test_scores_that_are_no_numbers(values):
    """If all are none, a warning says so; weights and curves are kept."""
    found = []

    def metric(model, X, y):
        found.append(values[len(found) % len(values)])
        return found[-1]

    X, y = make_data("binary")
    model = MLPEstimator(
        (3,), early_stopping=True, validation_metric=metric, max_iter=30, tol=0.0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    told = [str(w.message) for w in caught if "No validation score" in str(w.message)]
    assert len(told) == (len(values) == 1)
    assert len(model.loss_curve_) == len(found) == len(model.validation_scores_)
