"""The loss that lbfgs reports under an L1 penalty: that of the weights it returns."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data

from fastnn import MLPRegressor

pytestmark = ignore_convergence


@pytest.mark.parametrize("max_iter", [1, 3, 20])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_it_is_the_loss_by_hand(max_iter, alpha, l1_ratio):
    """Wherever the solver is stopped; nothing counts twice."""
    X, y = make_data("regression", n=80)
    model = MLPRegressor(
        (6,), solver="lbfgs", alpha=alpha, l1_ratio=l1_ratio, max_iter=max_iter,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    w = np.concatenate([coef.ravel() for coef in model.coefs_])
    penalty = alpha * (l1_ratio * np.abs(w).sum() + (1 - l1_ratio) / 2 * (w @ w))
    loss = ((model.predict(X) - y) ** 2).mean() / 2 + penalty / len(y)
    np.testing.assert_allclose(model.loss_, loss, rtol=1e-10)
