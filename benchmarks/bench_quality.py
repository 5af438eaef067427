"""Scores on held-out rows, so that speed is not bought with accuracy."""

import time
import warnings

import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from .models import LIBRARIES, compile_twins, find_class, fit_quietly

SEEDS = range(3)
TARGET, MOST_EPOCHS = 0.97, 200


def _split(loader, scale_target):
    """Return scaled training and test data."""
    X, y = loader(return_X_y=True)
    if scale_target:
        y = (y - y.mean()) / y.std()
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


def _mean_score(library, task, loader, **params):
    """Return the mean test score of three fits that differ in their seed."""
    X, X_test, y, y_test = _split(loader, task == "regression")
    scores = []
    for seed in SEEDS:
        model = find_class(library, task)(random_state=seed, **params)
        scores.append(fit_quietly(model, X, y).score(X_test, y_test))
    return float(np.mean(scores))


class Quality:
    params = LIBRARIES
    param_names = ("library",)
    timeout = 300

    def track_digits_test_score(self, library):
        return _mean_score(library, "classification", load_digits, max_iter=50)

    track_digits_test_score.unit = "accuracy"

    def track_diabetes_test_score(self, library):
        return _mean_score(
            library, "regression", load_diabetes, max_iter=100, alpha=1.0
        )

    track_diabetes_test_score.unit = "R2"


def train_until(model, data, target, most_epochs=MOST_EPOCHS):
    """Return the seconds of `partial_fit` until the test score reaches `target`.

    Scores are not timed. NaN if no epoch reaches it.
    """
    X, X_test, y, y_test = data
    classes, seconds = np.unique(y), 0.0
    for _ in range(most_epochs):
        start = time.perf_counter()
        model.partial_fit(X, y, classes=classes)
        seconds += time.perf_counter() - start
        if model.score(X_test, y_test) >= target:
            return seconds
    return float("nan")


class TimeToTarget:
    """Seconds of training until 97 % of the held-out digits are right."""

    params = LIBRARIES
    param_names = ("library",)
    timeout = 300

    def setup(self, library):
        self.data = _split(load_digits, scale_target=False)
        if library == "fastnn":
            compile_twins("float64")
        X, _, y, _ = self.data
        model = find_class(library, "classification")(random_state=0)
        model.partial_fit(X, y, classes=np.unique(y)).score(X, y)

    def track_seconds_to_target(self, library):
        """Return the median of three seeds, whose streams go on from epoch to epoch."""
        seconds = []
        for seed in SEEDS:
            stream = np.random.RandomState(seed)
            model = find_class(library, "classification")(random_state=stream)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seconds.append(train_until(model, self.data, TARGET))
        return float(np.median(seconds))

    track_seconds_to_target.unit = "s"
