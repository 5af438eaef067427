r"""
An activation of your own
=========================

A network of rectifiers goes on in a straight line beyond its data, one of tanh stays
where it is. For something that repeats, neither will do. Ziyin, Hartwig and Ueda (2020,
arXiv:2006.08195) put a wave into the activation itself and call it *snake*:

.. math:: f(z) = z + \frac{\sin^2(a z)}{a}, \qquad f'(z) = 1 + \sin(2 a z)

It does not come with the library. Two small functions in Python are enough: they are
compiled into the network's loops.
"""

import math
import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastnn import Activation, MLPRegressor

QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"
warnings.simplefilter("ignore", ConvergenceWarning)  # epochs are counted, not judged

# %%
# Two functions
# -------------
# Each takes one number and returns one. What they refer to, here a, is frozen when the
# activation is made.


def snake(a):
    """Return the activation for one a."""

    def f(z):
        return z + math.sin(a * z) ** 2 / a

    def slope(z):
        return 1 + math.sin(2 * a * z)

    return Activation(f, slope, name=f"snake, a = {a:g}")


print(snake(1.0))

# %%
# The derivative is compared with differences of the function at once. A wrong one would
# train, only badly, and nobody would know why:

try:
    Activation(lambda z: z + math.sin(z) ** 2, lambda z: 1 + math.cos(2 * z))
except ValueError as error:
    refusal = str(error)
    print(refusal)

# %%
# A wave on a slope
# -----------------
# Both sides of zero are known. Beyond the dotted line nothing is known to the networks.

rng = np.random.default_rng(0)
END, FAR = 9, 18


def truth(x):
    """Return what is to be learnt."""
    return np.sin(x) + 0.1 * x


X = np.sort(rng.uniform(-END, END, 400))
y = truth(X) + rng.normal(scale=0.1, size=X.size)
beyond = np.linspace(END, FAR, 300)

# %%
# Three starts for each activation, as one start proves nothing. `activation` takes the
# new ones wherever it takes a name: in lists of one per layer and in searches, too.

activations = ["relu", "tanh", snake(0.5), snake(1.0), snake(2.0)]
seeds = range(1 if QUICK else 3)
networks, errors = {}, {}
for activation in activations:
    for seed in seeds:
        net = MLPRegressor(
            (64,),
            activation=activation,
            learning_rate_init=0.005,
            batch_size=50,
            max_iter=400 if QUICK else 1500,
            n_iter_no_change=np.inf,
            random_state=seed,
        ).fit(X[:, None], y)
        error = np.sqrt(np.mean((net.predict(beyond[:, None]) - truth(beyond)) ** 2))
        errors.setdefault(str(activation), []).append(error)
        networks.setdefault(str(activation), net)
for name, found in errors.items():
    print(f"{name:14} error beyond the data: {', '.join(f'{e:.2f}' for e in found)}")

# %%
# With a = 1 or 2 the wave goes on. With a = 0.5 the units' own waves are too long, and
# the network does worse than one of tanh: an activation is a guess about the function,
# and pays where the guess is right.

figure, axes = plt.subplots(
    3, 1, figsize=(7, 6), sharex=True, sharey=True, layout="constrained"
)
line = np.linspace(-END, FAR, 700)
for ax, name in zip(axes, ("relu", "tanh", "snake, a = 1"), strict=True):
    ax.plot(X, y, ".", color="0.7", markersize=3, label="data")
    ax.plot(line, truth(line), color="#0072B2", label="truth")
    learnt = networks[name].predict(line[:, None])
    ax.plot(line, learnt, color="#D55E00", linestyle="--", label="network")
    ax.axvline(END, color="black", linestyle=":", linewidth=1)
    ax.set_title(f"{name}: error beyond the data {errors[name][0]:.2f}", fontsize=10)
    ax.set_ylabel("y")
    ax.set_ylim(-3, 4)
axes[0].legend(loc="upper left", ncols=3, fontsize=8)
axes[-1].set_xlabel("x")
plt.show()

# %%
# How fast it is
# --------------
# ``math.sin`` is called number by number. ``exp``, ``tanh`` and ``logistic`` of
# ``fastnn.activations`` become vector code: written with them, an activation of your
# own takes as long as one of the library's. Each is compiled once per process, which
# takes about a second.
#
# Such a network can be cloned, searched over, pickled and sent to other processes.
# Files of ``save`` and ONNX hold no code, and refuse it.
