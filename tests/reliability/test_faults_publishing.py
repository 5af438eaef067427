"""An interrupt after which the weights turn out to be of no use."""

import pytest
from helpers import assert_same_bits, ignore_convergence, make_data

from fastnn import MLPEstimator
from fastnn.learning import soundness


@ignore_convergence
def test_ctrl_c_is_not_lost_if_the_weights_are_refused(monkeypatch):
    """A search would count an error as a score, and go on."""
    X, y = make_data("regression", n=40)
    epochs = []

    def stop_in_the_third(X, random_state):
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return X

    def refuse(*arguments):
        raise ValueError("predictions are non-finite")

    model = MLPEstimator((5,), task="regression", max_iter=2, random_state=0)
    model.fit(X, y)
    before = [*model.coefs_, *model.intercepts_]
    records = list(model.loss_curve_)
    model.set_params(max_iter=9, augmentation=stop_in_the_third)
    monkeypatch.setattr(soundness, "check", refuse)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert len(epochs) == 3
    assert_same_bits([*model.coefs_, *model.intercepts_], before)
    assert model.loss_curve_ == records


@ignore_convergence
def test_ctrl_c_in_a_fit_within_a_fit():
    """The inner network keeps its epochs; that says nothing about the outer one."""
    X, y = make_data("multiclass", n=60)
    epochs = []

    def stop_in_the_third(X, random_state):
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return X

    inner = MLPEstimator((3,), max_iter=5, augmentation=stop_in_the_third)

    def score(estimator, X, y):
        inner.fit(X, y)
        return 0.5

    outer = MLPEstimator((4,), max_iter=2, random_state=0).fit(X, y)
    before = [*outer.coefs_, *outer.intercepts_]
    outer.set_params(
        hidden_layer_sizes=(7,), early_stopping=True, validation_metric=score
    )
    with pytest.raises(KeyboardInterrupt):
        outer.fit(X, y)
    assert inner.n_iter_ == 2
    assert_same_bits([*outer.coefs_, *outer.intercepts_], before)
    assert outer.n_iter_ == 2
