"""
From scikit-learn: one import changed
=====================================

The same class name, the same parameters, the same random state; only the import
differs. This script trains both on the digits, compares all numbers, and measures the
time of each on the machine where it runs.
"""

import os
import warnings
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import fastnn

# Both are trained for a number of epochs here, not until they converge.
warnings.simplefilter("ignore", ConvergenceWarning)
QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"

# %%
# Two imports, one network
# ------------------------

X, y = load_digits(return_X_y=True)
X = X / 16
parameters = {
    "hidden_layer_sizes": (100,),
    "max_iter": 5 if QUICK else 30,
    "random_state": 0,
}
theirs = neural_network.MLPClassifier(**parameters)
ours = fastnn.MLPClassifier(**parameters)

# %%
# The first fit of a kind compiles, or loads what was compiled before; this is not what
# should be timed, so that one short fit goes first. Then the two take turns, and the
# best time of each counts: what else runs on the machine only ever adds to it.

fastnn.MLPClassifier(**{**parameters, "max_iter": 1}).fit(X, y)
seconds = {"scikit-learn": np.inf, "fastnn": np.inf}
for _ in range(1 if QUICK else 2):
    for name, network in (("scikit-learn", theirs), ("fastnn", ours)):
        start = perf_counter()
        network.fit(X, y)
        seconds[name] = min(seconds[name], perf_counter() - start)
ratio = seconds["scikit-learn"] / seconds["fastnn"]
print(f"scikit-learn takes {ratio:.1f} times as long as fastnn")

# %%
# The same numbers
# ----------------
# Sums are added in another order, so that the last of 16 digits differ, and training
# makes such differences grow a little. They stay far below anything that matters.

curves = np.array(theirs.loss_curve_), np.array(ours.loss_curve_)
differences = np.abs(curves[0] - curves[1]) / curves[0]
same = float((theirs.predict(X) == ours.predict(X)).mean())
print(f"largest relative difference of a loss: {differences.max():.1e}")
print(f"the same prediction for {same:.2%} of the digits")

epochs = np.arange(1, len(curves[0]) + 1)
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
axes[0].semilogy(epochs, curves[0], color="#E69F00", linewidth=6, label="scikit-learn")
axes[0].semilogy(epochs, curves[1], "--", color="#0072B2", linewidth=2, label="fastnn")
axes[0].set(xlabel="epoch", ylabel="loss")
axes[0].set_title("One curve on the other")
axes[0].legend()
# Where both agree in every digit, a logarithmic axis has no place for the 0.
smallest = np.finfo(float).eps / 2
axes[1].semilogy(epochs, np.maximum(differences, smallest), "o-", ms=3, color="black")
axes[1].set(xlabel="epoch", ylabel="relative difference", ylim=(1e-17, 1e-3))
axes[1].set_title("Their difference")
bars = axes[2].bar(
    list(seconds),
    [seconds[name] / seconds["fastnn"] for name in seconds],
    color=["#E69F00", "#0072B2"],
)
axes[2].bar_label(bars, fmt="%.1f")
axes[2].set(ylabel="time of a fit, fastnn = 1")
axes[2].margins(y=0.12)
axes[2].set_title("Measured in this run")
plt.show()
