"""
Tuning a pipeline
=================

Which size, which penalty, which rate? A search tries combinations by cross-validation.
``fastnn.model_selection`` has scikit-learn's searches, with the same parameters and
results; they train all networks together on all cores.
"""

import os
import warnings

import matplotlib.pyplot as plt
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier
from fastnn.inspection import SearchResultsDisplay
from fastnn.model_selection import GridSearchCV, HalvingRandomSearchCV

# A search compares networks of equal training, converged or not.
warnings.simplefilter("ignore", ConvergenceWarning)
QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"

# %%
# The pipeline
# ------------
# The scaler is part of it, so that each fold is scaled by its own training samples. A
# quarter of the digits is put aside for the very end.

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(
    X, y, test_size=0.25, random_state=0, stratify=y
)
if QUICK:
    X, y = X[:400], y[:400]
pipe = make_pipeline(
    StandardScaler(), MLPClassifier(max_iter=15 if QUICK else 30, random_state=0)
)

# %%
# A grid
# ------
# Every size with every penalty, each trained on three folds. The frame marks the best.
# Size matters most here: eight units have learnt too little after 30 epochs. The three
# smaller penalties hardly differ, and which of them wins is luck; look for regions.

grid = {
    "mlpclassifier__hidden_layer_sizes": [(8,), (32,), (128,)],
    "mlpclassifier__alpha": [1e-3, 1e-1, 1.0, 10.0],
}
search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
SearchResultsDisplay.from_search(search, kind="heat_map")
for name, value in search.best_params_.items():
    print(name, value)
print(f"best score: {search.best_score_:.3f}")

# %%
# What it costs
# -------------
# Score against the time of a fit. On the line lie the candidates that no other one
# beats in both: choose from those, not merely the highest.

SearchResultsDisplay.from_search(search, kind="cost")

# %%
# Many, then fewer
# ----------------
# Halving begins with many random candidates and few epochs, keeps the best third, and
# gives those three times as many epochs. A line is a candidate, and ends where it was
# dropped. The learning rate, which the grid left alone, makes most of the difference.

space = {
    "mlpclassifier__hidden_layer_sizes": [(8,), (32,), (128,), (64, 32)],
    "mlpclassifier__alpha": loguniform(1e-4, 10),
    "mlpclassifier__learning_rate_init": loguniform(1e-4, 1e-1),
}
halving = HalvingRandomSearchCV(
    pipe,
    space,
    n_candidates=9 if QUICK else 27,
    resource="mlpclassifier__max_iter",
    min_resources=2,
    max_resources=18 if QUICK else 54,
    factor=3,
    cv=3,
    random_state=0,
).fit(X, y)
SearchResultsDisplay.from_search(halving, kind="rungs")
for name, value in halving.best_params_.items():
    print(name, value)
print(f"best score: {halving.best_score_:.3f}")

# %%
# The honest number
# -----------------
# The best score of a search is a little too good, as it is the luckiest of many. The
# digits put aside have not been seen by anything.

test_score = halving.score(X_test, y_test)
print(f"accuracy on digits never seen: {test_score:.3f}")
plt.show()
