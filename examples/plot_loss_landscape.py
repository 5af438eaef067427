"""
The landscape of the loss
=========================

Training walks downhill in a space of thousands of dimensions. A plane through the
trained weights shows a little of it: the loss at each point, as on a map. Two deep
networks are compared that differ only in short cuts around their layers.
"""

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPClassifier
from fastnn.inspection import LossLandscapeDisplay

# Networks are trained for a number of epochs here, not until they converge.
warnings.simplefilter("ignore", ConvergenceWarning)
QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"
N_EPOCHS, RESOLUTION = (12, 7) if QUICK else (30, 17)

X, y = load_digits(return_X_y=True)
X = (X - X.mean()) / X.std()

# %%
# With and without short cuts
# ---------------------------
# Thirty layers of 16 units. From the trained weights the map goes in two random
# directions, scaled to the weights of each unit, the same distance for both networks.
# Without short cuts training has found nothing: the map is a high plain around a loss
# of 2.3, which is guessing, and offers no slope to follow. With them there is a valley.
# Mind the colour bars: each map has a scale of its own.

networks = {}
for residual in (False, True):
    networks[residual] = MLPClassifier(
        (16,) * 30,
        activation="tanh",
        residual=residual,
        learning_rate_init=0.003,
        batch_size=50,
        max_iter=N_EPOCHS,
        n_iter_no_change=N_EPOCHS,
        weight_init="auto",
        random_state=0,
    ).fit(X, y)

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
displays = {}
for ax, (residual, network) in zip(axes, networks.items(), strict=True):
    displays[residual] = LossLandscapeDisplay.from_estimator(
        network, X, y, resolution=RESOLUTION, n_samples=500, ax=ax
    )
    name = "with" if residual else "without"
    ax.set_title(f"{name} short cuts: accuracy {network.score(X, y):.2f}")

# %%
# The same, cut through the middle
# --------------------------------
# A cut through both maps on one scale. Around the dashed network all is flat for half
# the length of its weights, so that training could not tell where to go.

figure, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for residual, color, style in ((False, "#D55E00", "--"), (True, "#0072B2", "-")):
    display = displays[residual]
    name = "with" if residual else "without"
    cut = display.loss[RESOLUTION // 2]
    ax.plot(display.x, cut, style, color=color, label=f"{name} short cuts")
ax.axhline(np.log(10), color="black", linestyle=":", linewidth=1, label="guessing")
ax.set(xlabel="direction 1 (1: as long as the weights)", ylabel="loss")
ax.set_title("A cut through both landscapes")
ax.legend()

# %%
# The way down
# ------------
# This plane is the one in which training itself moved the most; the axes tell how much
# of the way lies in it. From the square to the star: steep at first, then along a
# valley.

LossLandscapeDisplay.from_training(
    networks[True], X, y, n_epochs=N_EPOCHS, resolution=RESOLUTION, n_samples=500
)
plt.show()
