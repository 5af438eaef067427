"""
A race of solvers
=================

All solvers are told the gradient; they differ in what they make of it. First on a
valley with two parameters, where every step can be seen, then on the digits.
"""

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPClassifier, MLPRegressor

# Networks are trained for a number of steps here, not until they converge.
warnings.simplefilter("ignore", ConvergenceWarning)
QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"

# %%
# A narrow valley
# ---------------
# A network without hidden layers and with one input has two parameters, a weight and a
# bias. The input is far from 0, so that a larger weight can nearly be made up for by a
# smaller bias: the loss is a long narrow valley, 50 times as steep across as along.

rng = np.random.default_rng(0)
x = rng.normal(1.5, 0.5, (100, 1))
target = 2.0 * x[:, 0] - 1.0
design = np.column_stack([x[:, 0], np.ones(len(x))])
curvatures = np.linalg.eigvalsh(design.T @ design / len(x))
steepness = curvatures[1] / curvatures[0]
print(f"curvature across and along: {steepness:.0f} to 1")

plain = {"solver": "sgd", "momentum": 0.0}
racers = {
    "gradient descent": {**plain, "learning_rate_init": 0.5},
    "momentum": {"solver": "sgd", "momentum": 0.9, "learning_rate_init": 0.05},
    "RMSprop": {"solver": "rmsprop", "learning_rate_init": 0.05},
    "Adam": {"solver": "adam", "learning_rate_init": 0.2},
    "Adagrad": {"solver": "adagrad", "learning_rate_init": 0.5},
}
start, n_steps = (-1.0, 0.5), 150


def walk(options):
    """Return weight and bias, and the loss, after every step."""
    network = MLPRegressor((), alpha=0.0, batch_size="full", random_state=0, **options)
    network.initialize(x, target)
    network.coefs_[0][:], network.intercepts_[0][:] = start
    places = [start]
    for _ in range(n_steps):
        network.partial_fit(x, target)
        places.append((network.coefs_[0].item(), network.intercepts_[0].item()))
    places = np.array(places)
    return places, loss_at(places)


def loss_at(places):
    errors = places @ design.T - target
    return (errors**2).mean(axis=-1) / 2


walks = {name: walk(options) for name, options in racers.items()}

# %%
# One map per solver
# ------------------
# From the square to the star. Plain gradient descent jumps from side to side, since the
# rate that suits the floor is nearly too high for the walls. Momentum averages the
# jumps out, so that it may go faster along the floor. RMSprop and Adam give each
# parameter a rate of its own. RMSprop goes straight for the floor, Adam overshoots like
# momentum; near the goal RMSprop's steps stay as long as ever, and its loss trembles.
# Adagrad's rates shrink with all it has seen, and it gets slower and slower.

grid = np.stack(np.meshgrid(np.linspace(-2, 4, 80), np.linspace(-4, 3, 80)), axis=-1)
levels = np.geomspace(0.002, 20, 14)
colors = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
styles = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
figure, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained")
pairs = zip(axes.flat, walks.items(), colors, styles, strict=False)
for ax, (name, (places, losses)), color, style in pairs:
    ax.contour(*np.moveaxis(grid, -1, 0), loss_at(grid), levels, colors="0.8")
    ax.plot(*places.T, "o-", color=color, markersize=3, linewidth=1)
    ax.plot(*start, "s", color="black", markersize=7)
    ax.plot(2, -1, "*", color="black", markersize=13)
    ax.set_title(name)
    ax.set(xlabel="weight", ylabel="bias", xlim=(-2, 4), ylim=(-4, 3))
    axes[1, 2].semilogy(
        np.maximum(losses, 1e-16), linestyle=style, color=color, label=name
    )
axes[1, 2].set(xlabel="step", ylabel="loss", ylim=(1e-17, 50))
axes[1, 2].set_title("The race")
axes[1, 2].legend(fontsize="small", loc="lower left")

# %%
# The digits
# ----------
# The same names on 1,797 images and a network of 7,510 parameters, each with a rate
# that is usual for it. L-BFGS is another kind: it looks at all samples at once and
# searches along a line, and its steps are not epochs. What it reaches with as many
# iterations is drawn as a line.

X, y = load_digits(return_X_y=True)
X = X / 16
n_epochs = 5 if QUICK else 30
network = MLPClassifier((100,), batch_size=100, max_iter=n_epochs, random_state=0)
on_digits = {
    "gradient descent": {**plain, "learning_rate_init": 0.1},
    "momentum": {"solver": "sgd", "learning_rate_init": 0.1},
    "RMSprop": {"solver": "rmsprop"},
    "Adam": {"solver": "adam"},
    "Adagrad": {"solver": "adagrad", "learning_rate_init": 0.01},
}
figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for (name, options), color, style in zip(
    on_digits.items(), colors, styles, strict=True
):
    curve = network.set_params(**{"momentum": 0.9, "learning_rate_init": 0.001})
    curve = curve.set_params(**options).fit(X, y).loss_curve_
    ax.semilogy(range(1, n_epochs + 1), curve, linestyle=style, color=color, label=name)
lbfgs = network.set_params(solver="lbfgs").fit(X, y).loss_
ax.axhline(lbfgs, color="black", linewidth=1, label=f"L-BFGS, {n_epochs} iterations")
ax.set(xlabel="epoch", ylabel="training loss")
ax.set_title("Digits: each solver at one rate, not its best one")
ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
plt.show()
