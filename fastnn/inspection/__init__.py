"""Pictures, statistics and verdicts on networks and their training.

Displays follow scikit-learn's: ``Display.from_estimator(...)`` computes and draws,
``plot=False`` only computes, `plot` draws again. matplotlib is imported when something
is drawn.
"""

from . import ensembles
from .bias_variance import BiasVarianceDisplay
from .convergence_study import ConvergenceStudyDisplay
from .decision_boundary import DecisionBoundaryAnimation
from .diagnose import diagnose
from .findings import Diagnosis, Finding
from .gradient_flow import GradientFlowDisplay
from .learning_rate import LearningRateFinderDisplay
from .loss_curve import LossCurveDisplay
from .loss_landscape import LossLandscapeDisplay
from .network import NetworkDisplay
from .search_results import SearchResultsDisplay
from .text import export_text
from .training_statistics import TrainingStatistics, training_statistics

__all__ = [
    "BiasVarianceDisplay",
    "ConvergenceStudyDisplay",
    "DecisionBoundaryAnimation",
    "Diagnosis",
    "Finding",
    "GradientFlowDisplay",
    "LearningRateFinderDisplay",
    "LossCurveDisplay",
    "LossLandscapeDisplay",
    "NetworkDisplay",
    "SearchResultsDisplay",
    "TrainingStatistics",
    "diagnose",
    "ensembles",
    "export_text",
    "training_statistics",
]
