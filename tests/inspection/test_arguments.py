"""Numbers that pictures and statistics cannot take are named in an error."""

import numpy as np
import pytest
from helpers import ignore_convergence

from fastnn import MLPClassifier
from fastnn.inspection import (
    DecisionBoundaryAnimation,
    LossLandscapeDisplay,
    NetworkDisplay,
    diagnose,
    training_statistics,
)

pytestmark = ignore_convergence
X = np.random.RandomState(0).standard_normal((40, 2))
Y = (X[:, 0] > 0).astype(int)
NETWORK = MLPClassifier(
    (3,), max_iter=3, n_iter_no_change=1, tol=1e9, dropout=0.5, random_state=0
).fit(X, Y)


def picture(make):
    def call(**options):
        return make(NETWORK, X, Y, plot=False, **options)

    return call


CALLS = {
    "around": picture(LossLandscapeDisplay.from_estimator),
    "training": picture(LossLandscapeDisplay.from_training),
    "boundary": picture(DecisionBoundaryAnimation.from_estimator),
    "network": lambda **o: NetworkDisplay.from_estimator(NETWORK, plot=False, **o),
    "diagnose": lambda **options: diagnose(NETWORK, X, Y, **options),
    "statistics": lambda **options: training_statistics(NETWORK, X, Y, **options),
    "samples": lambda **options: NETWORK.predict_proba_samples(X, **options),
    "describe": lambda **options: NETWORK.describe(**options),
}
NO_COUNT = (0, -1, 1.5, np.nan, np.inf, "x", [1], 10**400)
NO_EXTENT = (0.0, -1.0, np.nan, np.inf, None, "x", [1.0], 10**400)
CASES = [
    ("around", "radius", NO_EXTENT),
    ("around", "resolution", (*NO_COUNT, None, 1, 10**6)),
    ("around", "n_samples", NO_COUNT),
    ("training", "margin", NO_EXTENT),
    ("training", "resolution", (*NO_COUNT, None, 1, 10**6)),
    ("training", "n_samples", NO_COUNT),
    ("training", "n_points", (*NO_COUNT, None, 1)),
    ("boundary", "grid_resolution", (*NO_COUNT, None, 1, 10**6)),
    ("boundary", "eps", (*NO_EXTENT[1:], -1e-9)),
    ("boundary", "epochs", (*NO_COUNT[:-2], None, [np.nan], [1.5], [-1], [10**18], [])),
    ("network", "max_units", (*NO_COUNT, None, 2)),
    ("diagnose", "n_samples", NO_COUNT),
    ("statistics", "n_samples", NO_COUNT),
    ("samples", "n_samples", (*NO_COUNT, None, 2**31)),
    ("describe", "n_samples", (*NO_COUNT, 2**31)),
]


@pytest.mark.parametrize(
    ("call", "name", "value"),
    [(call, name, value) for call, name, values in CASES for value in values],
)
def test_numbers_that_are_refused(call, name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        CALLS[call](**{name: value})


def test_numbers_that_are_taken():
    """The ends of the ranges, and numbers of NumPy's."""
    CALLS["around"](radius=1e-9, resolution=np.int64(2), n_samples=1)
    CALLS["training"](margin=np.float32(1e-3), n_points=2, resolution=2, n_samples=None)
    CALLS["boundary"](eps=0, grid_resolution=2, epochs=[np.int64(1)])
    CALLS["network"](max_units=np.uint8(3))
    assert CALLS["samples"](n_samples=np.int32(1)).shape == (1, 40, 2)
