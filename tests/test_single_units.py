"""Networks seen from the neuron: what units without hidden layers are, and with.

A unit of identity or logistic activation is an older model; XOR needs a hidden layer
whose activation is not linear.
"""

import warnings

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPClassifier, MLPRegressor

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
XOR = np.array([0, 1, 1, 0])


def test_a_linear_unit_is_linear_regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 4))
    y = X @ [1.0, -2.0, 0.5, 3.0] + 0.7 + 0.3 * rng.standard_normal(80)
    unit = MLPRegressor(
        (), solver="lbfgs", alpha=0, tol=1e-12, max_iter=1000, random_state=0
    ).fit(X, y)
    line = linear_model.LinearRegression().fit(X, y)
    # L-BFGS ends some 1e-6 from the minimum, where the loss is flat to rounding.
    np.testing.assert_allclose(unit.coefs_[0][:, 0], line.coef_, rtol=0, atol=1e-5)
    np.testing.assert_allclose(unit.intercepts_[0], line.intercept_, rtol=0, atol=1e-5)
    np.testing.assert_allclose(unit.predict(X), line.predict(X), rtol=0, atol=2e-5)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_logistic_unit_is_logistic_regression(n_classes, alpha):
    """Mean loss + α/(2n)·Σw², times n/α, is C·(sum of losses) + ½Σw² at C = 1/α.

    With several classes the softmax of as many units is multinomial regression.
    """
    X, y = make_classification(
        100, 4, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0
    )
    unit = MLPClassifier(
        (), solver="lbfgs", alpha=alpha, tol=1e-12, max_iter=1000, random_state=0
    ).fit(X, y)
    model = linear_model.LogisticRegression(C=1 / alpha, tol=1e-10, max_iter=1000)
    model.fit(X, y)
    # L-BFGS ends within some 1e-5 of the minimum, where the loss is flat to rounding.
    bound = {"rtol": 0, "atol": 1e-4}
    np.testing.assert_allclose(unit.coefs_[0].T, model.coef_, **bound)
    np.testing.assert_allclose(unit.predict_proba(X), model.predict_proba(X), **bound)


def test_two_layers_learn_xor():
    """Four hidden tanh units do from all 20 initial weights, a lone unit from none.

    Two hidden units would be enough, but from some weights end in a local minimum.
    """

    def scores(hidden, n_seeds=20):
        return [
            MLPClassifier(
                hidden,
                activation="tanh",
                solver="lbfgs",
                alpha=0,
                max_iter=500,
                random_state=seed,
            )
            .fit(CORNERS, XOR)
            .score(CORNERS, XOR)
            for seed in range(n_seeds)
        ]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert max(scores(())) <= 0.75
        assert scores((4,)) == [1] * 20
        pair = scores((2,))
        assert max(pair) == 1
        assert min(pair) < 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_linear_layers_collapse(dtype):
    """With identity as activation, W0·W1·W2 is all that two hidden layers add."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5)).astype(dtype)
    y = np.sin(X @ rng.standard_normal((5, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net = MLPRegressor(
            (7, 6), activation="identity", max_iter=20, random_state=0, dtype=dtype
        ).fit(X, y)
    (W0, W1, W2), (b0, b1, b2) = (
        [a.astype(float) for a in part] for part in (net.coefs_, net.intercepts_)
    )
    want = X.astype(float) @ (W0 @ W1 @ W2) + ((b0 @ W1 + b1) @ W2 + b2)
    # Three products of five to seven terms.
    bound = 1e-13 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(net.predict(X), want, rtol=0, atol=bound)
