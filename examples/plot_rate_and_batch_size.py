"""
Learning rate and batch size
============================

The two numbers that decide most about training. A rate too low wastes time, one too
high never settles or blows up; small batches take many noisy steps per epoch, large
ones few and exact ones. `convergence_study` trains a network for every pair.
"""

import os

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier
from fastnn.inspection import ConvergenceStudyDisplay, LearningRateFinderDisplay
from fastnn.model_selection import convergence_study

QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
network = MLPClassifier((32,), solver="sgd", momentum=0.0, random_state=0)

# %%
# Every pair
# ----------
# Plain gradient descent, so that nothing else adapts the steps. A table comes back,
# with a row for each network and epoch.

rates, sizes = [0.001, 0.01, 0.1, 1.0, 30.0], [16, 64, 256]
study = convergence_study(
    network, X, y, rates, sizes, n_epochs=6 if QUICK else 30, random_state=0
)
last = study.groupby(["learning_rate", "batch_size"]).tail(1)
print(last.drop(columns="epoch").to_string(index=False))

# %%
# All in one panel
# ----------------
# Colours are rates, line styles are batch sizes. In one epoch of 1,617 samples a batch
# of 16 makes 102 steps, one of 256 only 7: with the same rate the small batch is far
# ahead. Ten times the rate makes up for it, until it is too much.

one = ConvergenceStudyDisplay.from_study(study)

# %%
# One panel per batch size
# ------------------------
# The best rate moves with the batch: what is best for batches of 256 is too much for
# batches of 16, whose curve at that rate is so high that it leaves the panel. Change
# one, and look at the other again.

multiples = ConvergenceStudyDisplay.from_study(study, kind="multiples")

# %%
# A quick look
# ------------
# The whole table is seldom needed. One short training for each of many rates says where
# to begin: left of where the loss begins to rise, where it is the lowest.

finder = LearningRateFinderDisplay.from_estimator(
    network, X, y, low=1e-3, high=10.0, n_rates=8 if QUICK else 16, random_state=0
)
plt.show()
