"""
The vanishing gradient, and what brings it back
===============================================

On its way back through a network the gradient is multiplied by every layer. Factors
below 1 make it vanish, factors above 1 make it explode, and with 20 layers either is
easily had. Four remedies are measured on the digits: how weights begin, batch
normalisation, short cuts, and clipping.
"""

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPClassifier
from fastnn.inspection import GradientFlowDisplay, training_statistics

# Networks are trained for a number of epochs here, not until they converge.
warnings.simplefilter("ignore", ConvergenceWarning)
QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"
N_EPOCHS = 8 if QUICK else 20

X, y = load_digits(return_X_y=True)
X = (X - X.mean()) / X.std()

# %%
# Twenty layers
# -------------
# All networks have 20 hidden layers of 32 units and are trained by plain mini-batch
# gradient descent with momentum. `training_statistics` measures the gradient of each
# layer, before training (epoch 0) and after each epoch.

common = {
    "hidden_layer_sizes": (32,) * 20,
    "solver": "sgd",
    "learning_rate_init": 0.003,
    "batch_size": 50,
    "max_iter": N_EPOCHS,
    "tol": 0,
    "n_iter_no_change": N_EPOCHS,
    "random_state": 0,
}
variants = {
    "logistic": {"activation": "logistic"},
    "logistic, batch norm": {"activation": "logistic", "batch_norm": True},
    "logistic, short cuts": {"activation": "logistic", "residual": True},
    "ReLU, Glorot's weights": {"weight_init": "glorot"},
    "ReLU, He's weights": {"weight_init": "he"},
    "ReLU, short cuts": {"residual": True, "weight_init": "he"},
    "ReLU, short cuts, clipped": {
        "residual": True,
        "weight_init": "he",
        "gradient_clip_norm": 1.0,
    },
}
statistics = {
    name: training_statistics(MLPClassifier(**{**common, **options}), X, y)
    for name, options in variants.items()
}
accuracies = {}
for name, found in statistics.items():
    accuracies[name] = 0.0 if found.divergence else found.estimator.score(X, y)
    end = "diverged" if found.divergence else f"accuracy {accuracies[name]:.2f}"
    first, last = found.gradient_norm[0, [0, -1]]
    print(f"{name:26} first layer {first:.0e}, output layer {last:.0e}: {end}")

# %%
# Before training
# ---------------
# The gradient's way is from right to left. With the logistic function, whose slope is
# at most a quarter, it shrinks by a factor of about 7 in each layer: nothing that can
# be called learning arrives at the first. Batch normalisation scales what every layer
# hands on, and short cuts lead around the layers: the same function, and the gradient
# arrives. For ReLU the weights at the start decide: Glorot's were made for tanh and are
# too small by a factor of 1.4, twenty times over; He's are right. He's weights and
# short cuts together are too much: the gradient explodes, and training diverges.
# Clipping keeps a gradient's direction and shortens it to 1 at most; so training can go
# on.

figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.2), layout="constrained", width_ratios=(3, 2)
)
colors = ("#000000", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#E69F00")
markers = ("o", "s", "^", "D", "v", "P", "x")
shown = {}
for name, color, marker in zip(statistics, colors, markers, strict=True):
    gradient = statistics[name].gradient_norm[0]
    shown[name] = gradient
    axes[0].semilogy(
        np.arange(1, len(gradient) + 1),
        gradient,
        color=color,
        marker=marker,
        markersize=9 if marker == "x" else 5,
        linestyle="none" if marker == "x" else "-",
        label=name,
    )
axes[0].set(xlabel="layer (21 is the output)", ylabel="norm of the gradient")
axes[0].set_title("Before training")
axes[0].set_xticks([1, 5, 10, 15, 21])
names = list(accuracies)[::-1]
bars = axes[1].barh(names, [accuracies[n] for n in names], color=colors[::-1])
axes[1].bar_label(
    bars,
    labels=[
        "diverged" if statistics[n].divergence else f"{accuracies[n]:.2f}"
        for n in names
    ],
    padding=3,
    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
)
axes[1].axvline(0.1, color="black", linestyle=":", linewidth=1, zorder=0)
axes[1].set(xlabel="accuracy in training (dotted: guessing)", xlim=(0, 1.2))
axes[1].set_title(f"After {N_EPOCHS} epochs")
axes[0].legend(fontsize="small", loc="lower right", borderaxespad=0.2)

# %%
# While it learns
# ---------------
# Five layers with the logistic function are easier to read than twenty. From the output
# down to the second layer gradients lie a factor of about 7 apart, and so do the steps
# (upper right): those of the first layers are far below the grey band, where healthy
# ones are. Their activations (lower left) stay where they were: these layers do not
# learn. No unit is dead or saturated; each layer is harmless by itself, and it is the
# product that vanishes.

five = {**common, "hidden_layer_sizes": (32,) * 5, "activation": "logistic"}
GradientFlowDisplay.from_estimator(MLPClassifier(**five), X, y)
plt.show()
