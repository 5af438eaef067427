"""Scores on held-out rows, so that speed is not bought with accuracy."""

from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from .models import LIBRARIES, find_class, fit_quietly


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
    for seed in range(3):
        model = find_class(library, task)(random_state=seed, **params)
        scores.append(fit_quietly(model, X, y).score(X_test, y_test))
    return float(sum(scores) / len(scores))


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
