"""
A playground: how a border takes shape
======================================

Four classic puzzles in two dimensions, each for a small network that starts with random
weights. The colour is the network's probability, from class 0 (blue) over undecided
(white) to class 1 (vermillion); watch it from left to right as epochs pass.
"""

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_circles, make_moons
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPClassifier
from fastnn.inspection import DecisionBoundaryAnimation

# Networks are trained for a number of epochs here, not until they converge.
warnings.simplefilter("ignore", ConvergenceWarning)
QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"
N = 120 if QUICK else 240
EPOCHS = [0, 2, 5, 10] if QUICK else [0, 10, 40, 300]

# %%
# The puzzles
# -----------


def make_xor(n, rng):
    X = rng.uniform(-1, 1, (n, 2))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def make_spiral(n, rng):
    """Return two arms that wind around each other one and a half times."""
    y = np.arange(n) % 2
    turn = np.sqrt(rng.uniform(0.01, 1, n)) * 3 * np.pi
    angle = turn + np.pi * y
    X = np.column_stack([np.cos(angle), np.sin(angle)]) * turn[:, None] / (3 * np.pi)
    return X + rng.normal(0, 0.02, X.shape), y


rng = np.random.default_rng(0)
puzzles = {
    "circles": make_circles(N, noise=0.1, factor=0.4, random_state=0),
    "moons": make_moons(N, noise=0.15, random_state=0),
    "XOR": make_xor(N, rng),
    "spiral": make_spiral(N, rng),
}

# %%
# Four rows of film
# -----------------
# The same network for all: two hidden layers of 16 units. Circles, moons and XOR are
# solved soon; the spiral takes far longer, as its border must bend again and again.

network = MLPClassifier(
    (16, 16),
    activation="tanh",
    learning_rate_init=0.02,
    batch_size=32,
    max_iter=EPOCHS[-1],
    tol=0,
    n_iter_no_change=EPOCHS[-1],
    random_state=1,
)
figure, axes = plt.subplots(4, 4, figsize=(9, 9), layout="constrained", sharex="row")
displays = {}
for (name, (X, y)), row in zip(puzzles.items(), axes, strict=True):
    displays[name] = DecisionBoundaryAnimation.from_estimator(
        network, X, y, epochs=EPOCHS, grid_resolution=30 if QUICK else 70, ax=row
    )
    for ax in row:
        ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
    row[0].set_ylabel(name, fontsize="large")
for row in axes[1:]:
    row[-1].get_legend().remove()  # one is enough

# %%
# As a film
# ---------
# `animate` plays the frames; with ``path="spiral.gif"`` it also saves them.

X, y = puzzles["spiral"]
film = DecisionBoundaryAnimation.from_estimator(
    network, X, y, epochs=4 if QUICK else 16, grid_resolution=50, plot=False
)
animation = film.animate(fps=4).animation_  # plays as long as it is kept
plt.show()
