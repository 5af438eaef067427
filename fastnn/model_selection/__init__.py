"""Searches for hyper-parameters that train all their networks together."""

from ._classes import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
)
from ._hyperband import HyperbandSearchCV
from ._spaces import suggest, suggest_space
from ._studies import convergence_study, learning_rate_range

__all__ = [
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "HyperbandSearchCV",
    "RandomizedSearchCV",
    "convergence_study",
    "learning_rate_range",
    "suggest",
    "suggest_space",
]
