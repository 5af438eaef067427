"""Whether what was learnt can be used: weights and predictions are finite numbers."""

import numpy as np

from .. import prediction
from ..structure.network import for_kernels

# Outputs of larger weights may overflow; so may exp, whose losses read its argument.
_LARGE_WEIGHT = 1e6
_SAMPLED_ROWS = 64


def check(theta, architecture, problem, where):
    """Raise unless weights are finite, and predictions, though every loss was.

    Predictions are made, of some rows, only where they may be infinite.

    Parameters
    ----------
    theta : vector
    architecture : Architecture
    problem : Problem
    where : str
        What led to these weights.
    """
    largest = max(theta.max(), -theta.min())  # NaN if there is one; no copy
    sound = np.isfinite(largest)
    if sound and (architecture.output == "exp" or largest >= _LARGE_WEIGHT):
        rows = slice(_SAMPLED_ROWS)
        if problem.train is not None:
            rows = problem.train[rows]
        X = for_kernels(problem.X[rows])
        sound = np.isfinite(prediction.predict(theta, architecture, X, 1)).all()
    if not sound:
        raise ValueError(
            "Solver produced non-finite parameter weights, or such as have non-finite "
            f"predictions, {where}. The input data or the targets may contain large "
            "values and need to be preprocessed (for instance by StandardScaler), or "
            "learning_rate_init may be too large."
        )
