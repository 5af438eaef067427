"""Everything but drawing works without matplotlib."""

from helpers import run_python

CODE = """
import sys, json, warnings
sys.modules["matplotlib"] = None  # importing it raises ImportError
warnings.simplefilter("ignore")
import numpy as np
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
import fastnn.inspection as fi
from fastnn import MLPClassifier

X, y = make_moons(60, random_state=0)
net = MLPClassifier((4,), max_iter=4, random_state=0).fit(X, y)
search = GridSearchCV(net, {"alpha": [1, 2]}, cv=2).fit(X, y)
scores = [[0.5, 0.6], [0.7, 0.8]]
displays = [
    fi.LossCurveDisplay.from_estimator(net, plot=False),
    fi.GradientFlowDisplay.from_estimator(net, X, y, plot=False),
    fi.LossLandscapeDisplay.from_estimator(net, X, y, resolution=3, plot=False),
    fi.LossLandscapeDisplay.from_training(net, X, y, resolution=3, plot=False),
    fi.DecisionBoundaryAnimation.from_estimator(
        net, X, y, grid_resolution=4, plot=False
    ),
    fi.NetworkDisplay.from_estimator(net, plot=False),
    fi.SearchResultsDisplay.from_search(search, plot=False),
    fi.BiasVarianceDisplay.from_learning_curve(
        [1, 2], scores, scores, plot=False
    ),
]
try:
    import pandas
except ImportError:
    pass
else:
    table = pandas.DataFrame
    study = table({"learning_rate": [0.1], "batch_size": [1], "epoch": [1],
                   "validation_loss": [1.0], "diverged": [False]})
    displays.append(fi.ConvergenceStudyDisplay.from_study(study, plot=False))
    rates = table({"learning_rate": [0.1], "training_loss": [1.0],
                   "diverged": [False]})
    displays.append(fi.LearningRateFinderDisplay.from_table(rates, plot=False))
text = str(fi.diagnose(net, X, y))
messages = []
for display in displays:
    try:
        display.plot()
    except ImportError as error:
        messages.append([type(display).__name__, str(error)])
print(json.dumps({"n": len(displays), "messages": messages, "text": text}))
"""


def test_numbers_need_no_matplotlib():
    """Nor does the import; and what draws says how to install it."""
    found = run_python(CODE)
    assert found["text"]
    assert len(found["messages"]) == found["n"] >= 8
    for name, message in found["messages"]:
        assert message.startswith(f"{name}.plot requires matplotlib")
        assert "pip install numba-fastnn[plot]" in message
