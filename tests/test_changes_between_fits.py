"""Parameters that a user changes between two fits of the same network."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data
from sklearn.metrics import accuracy_score, f1_score, make_scorer

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor

pytestmark = ignore_convergence
FAST = {"hidden_layer_sizes": (8,), "random_state": 0, "learning_rate_init": 0.01}


def test_another_loss_begins_its_own_patience():
    """The best of a squared error says nothing of an absolute one."""
    X, y = make_data("regression")
    net = MLPRegressor(**FAST, warm_start=True, max_iter=300).fit(X, y)
    net.set_params(loss="absolute_error").fit(X, y)
    assert net.n_iter_ > 20
    # What did not change goes on: nothing is gained in the next call.
    assert net.fit(X, y).n_iter_ < 300


def test_another_metric_begins_its_own_patience():
    X, y = make_data("multiclass")
    net = MLPClassifier(**FAST, warm_start=True, early_stopping=True, max_iter=60)
    net.fit(X, y)
    assert net.best_validation_score_ > 0
    net.set_params(validation_metric="loss").fit(X, y)
    assert net.n_iter_ > 15
    assert net.best_validation_score_ < 0


def test_a_scorer_sees_the_output_of_this_fit():
    """After log_loss with probabilities comes hinge with margins: 0 parts them."""
    X, y = make_data("binary")
    net = MLPEstimator(**FAST, warm_start=True, max_iter=5).fit(X, y)
    seen = []

    def scorer(estimator, X, y):
        seen.append(estimator.out_activation_)
        margins = estimator.decision_function(X) > 0
        np.testing.assert_array_equal(estimator.predict(X), margins.astype(int))
        return accuracy_score(y, estimator.predict(X))

    net.set_params(loss="hinge", validation_metric=scorer)
    net.fit(X, y, X_val=X[:20], y_val=y[:20])
    assert set(seen) == {"identity"}
    assert net.out_activation_ == "identity"


def test_a_score_that_is_no_number_is_no_improvement():
    X, y = make_data("multiclass")
    scores = iter([0.5, *[np.nan] * 100])
    net = MLPEstimator(
        **FAST, early_stopping=True, n_iter_no_change=3, max_iter=50,
        validation_metric=lambda *_: next(scores),
    ).fit(X, y)  # fmt: skip
    assert net.n_iter_ == 5
    assert net.best_validation_score_ == 0.5


def test_probabilities_go_by_what_was_fitted():
    X, y = make_data("binary")
    margins = MLPClassifier(**FAST, loss="hinge", max_iter=5).fit(X, y)
    margins.set_params(loss="log_loss")
    assert not hasattr(margins, "predict_proba")
    chances = MLPClassifier(**FAST, max_iter=5).fit(X, y).set_params(loss="hinge")
    np.testing.assert_allclose(chances.predict_proba(X).sum(axis=1), 1)


def test_the_score_goes_by_the_levels_that_were_fitted():
    X, y = make_data("regression")
    net = MLPRegressor(**FAST, loss="quantile", quantile=[0.2, 0.8], max_iter=20)
    before = net.fit(X, y).score(X, y)
    for levels in ([0.3, 0.9], [0.1, 0.5, 0.9], 0.5):
        assert net.set_params(quantile=levels).score(X, y) == before


def test_a_batch_without_a_class_goes_on():
    """Under warm_start as without, once all classes are known."""
    X, y = make_data("multiclass")
    net = MLPEstimator(**FAST, warm_start=True)
    net.partial_fit(X, y, classes=np.unique(y))
    some = y != y[0]
    net.partial_fit(X[some], y[some])
    assert net.n_iter_ == 2
    with pytest.raises(ValueError, match="classes not in"):
        net.partial_fit(X, np.where(some, y, 77))


def test_one_sample_under_batch_norm():
    X, y = make_data("regression")
    for solver in ("adam", "lbfgs"):
        with pytest.raises(ValueError, match="batch_norm"):
            MLPRegressor(**FAST, batch_norm=True, solver=solver).fit(X[:1], y[:1])


def test_a_fraction_that_leaves_nothing_is_named():
    X, y = make_data("multiclass")
    net = MLPClassifier(**FAST, early_stopping=True, validation_fraction=0.0)
    with pytest.raises(ValueError, match="validation_fraction"):
        net.fit(X, y)


@pytest.mark.parametrize("held_out", [False, True], ids=["split", "X_val"])
def test_a_metric_is_what_its_name_says(held_out):
    """Class weights count in the loss; a scorer gets the user's weights alone."""
    X, y = make_data("binary", n=300)
    weight = np.random.default_rng(0).random(300) + 0.5
    got = []

    def score(y_true, y_pred, sample_weight=None):
        got.append(sample_weight)
        return f1_score(y_true, y_pred, sample_weight=sample_weight)

    net = MLPEstimator(
        **FAST, early_stopping=True, max_iter=3, class_weight={0: 1, 1: 50},
        validation_metric=make_scorer(score),
    )  # fmt: skip
    options = {}
    if held_out:
        options = {"X_val": X[:50], "y_val": y[:50], "sample_weight_val": weight[:50]}
    net.fit(X, y, sample_weight=weight, **options)
    allowed = set(weight[:50].astype("f") if held_out else weight.astype("f"))
    assert len(got) == 3
    assert set(got[0]) <= allowed
