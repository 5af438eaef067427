"""A call that raises leaves the estimator, and its random numbers, as they were."""

import signal

import numpy as np
import pytest
from helpers import ignore_convergence, make_data
from sklearn.base import clone

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.structure import weights

pytestmark = ignore_convergence

X, y = make_data("regression", n=60)
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3}


def strike_twice(work, after):
    """Call what takes for ever, with two interrupts 0.1 ms apart, until it ends."""
    struck = []

    def interrupt(number, frame):
        struck.append(1)
        # Once more, should Python have dropped them, as it does in a finaliser.
        signal.setitimer(signal.ITIMER_REAL, 0.0001 if len(struck) % 2 else 0.05)
        raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        try:
            work()
        finally:
            # The second one may be still to come. With a condition, Python 3.13 would
            # jump back outside of the `try`.
            while True:
                if len(struck) % 2 == 0:
                    break
    except KeyboardInterrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert len(struck) >= 2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_interrupts_in_quick_succession(solver):
    """Whole epochs, or the model from before."""
    model = MLPRegressor(**SMALL, solver=solver, random_state=0).fit(X, y)
    model.set_params(max_iter=10**6, tol=0.0, max_fun=10**9, n_iter_no_change=10**9)
    for i in range(60):
        strike_twice(lambda: model.fit(X, y), 0.002 + 0.0005 * (i % 9))
        assert np.isfinite(model.predict(X)).all()
        assert solver == "lbfgs" or model.n_iter_ == len(model.loss_curve_) > 0
        assert weights.read(model)[0].size == model.n_features_in_ * 4 + 4 + 5
        assert model.loss_ > 0


@pytest.mark.parametrize("maker", [MLPEstimator, MLPRegressor, MLPClassifier])
@pytest.mark.parametrize("fitted", [False, True])
def test_the_user_s_random_state_is_put_back(maker, fitted):
    labels = y if maker is MLPRegressor else (y > 0).astype(int)
    random = np.random.RandomState(3)
    model = maker(**SMALL, random_state=random)
    if fitted:
        model.fit(X, labels)
    before = random.get_state(legacy=False)["state"]
    model.set_params(augmentation=lambda X, random: X * np.nan)
    with pytest.raises(ValueError, match="augmentation"):
        model.fit(X, labels)
    after = random.get_state(legacy=False)["state"]
    assert after["pos"] == before["pos"]
    np.testing.assert_array_equal(after["key"], before["key"])


@pytest.mark.parametrize("leave", [None, KeyboardInterrupt])
def test_a_fit_within_a_fit_of_the_same_estimator(leave):
    """It would publish one's weights among the other's labels and columns."""
    X, y = make_data("binary", n=80)
    model = MLPEstimator((3,), early_stopping=True, random_state=0).fit(X, y)
    before, inner = dict(vars(model)), []

    def metric(_, X_val, y_val):
        inner.append(clone(model).set_params(validation_metric="auto").fit(X, y))
        with pytest.raises(RuntimeError, match="Fit a clone"):
            model.fit(X[:, :3], np.where(y, "yes", "no"))
        raise (leave or ValueError)("as it must")

    model.set_params(validation_metric=metric)
    before["validation_metric"] = metric
    with pytest.raises(leave or ValueError, match="as it must"):
        model.fit(X, y)
    assert len(inner) == 1
    assert inner[0].n_iter_ > 0
    assert vars(model) == before
    model.set_params(validation_metric="auto", max_iter=2).fit(X[:, :3], y)
    assert model.n_features_in_ == len(model.coefs_[0]) == 3


def test_one_exception_that_is_raised_again_and_again():
    """What one fit kept says nothing of the next one."""
    stop, left = KeyboardInterrupt(), [3]

    def metric(model, X, y):
        left[0] -= 1
        if left[0] < 0:
            raise stop
        return 0.5

    X, y = make_data("binary", n=80)
    model = MLPEstimator(
        (3,), early_stopping=True, validation_metric=metric, random_state=0
    )
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 3
    before, answers = dict(vars(model)), model.predict_proba(X)
    left[0] = 0
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict_proba(X), answers)
