"""
One neuron, and why one is not enough
=====================================

A neuron of McCulloch and Pitts (1943) adds up its inputs and answers 1 if the sum
reaches a threshold. Rosenblatt's perceptron (1958) finds the weights by itself. Both
draw one straight line, which is enough for AND and OR and too little for XOR. A network
with one hidden layer draws several.
"""

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import DecisionBoundaryDisplay

from fastnn import MLPClassifier
from fastnn.neurons import McCullochPittsNeuron, Perceptron

QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"
BLUE, ORANGE = "#0072B2", "#D55E00"

# %%
# Three functions of two bits
# ---------------------------
# Four inputs are all there are. XOR is 1 if the two bits differ.

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
targets = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}

# %%
# Thresholds set by hand
# ----------------------
# With both weights 1 the sum is 0, 1 or 2. A threshold of 1.5 makes AND, one of 0.5
# makes OR. No threshold makes XOR: its sum would have to be high for 1, but low for 2.

for name, threshold in (("AND", 1.5), ("OR", 0.5), ("XOR", 0.5)):
    neuron = McCullochPittsNeuron([1, 1], -threshold).fit(X, targets[name])
    right = int((neuron.predict(X) == targets[name]).sum())
    print(f"{name:3} with threshold {threshold}: {right} of 4 right")

# %%
# Learnt from mistakes
# --------------------
# After every mistake the perceptron moves its weights by the input. If a line exists it
# finds one. For XOR there is none, and it goes on making mistakes for ever.

n_epochs = 12 if QUICK else 30
perceptrons = {}
for name, y in targets.items():
    with warnings.catch_warnings():
        # XOR will not converge: that is what this example shows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        perceptrons[name] = Perceptron(max_iter=n_epochs, shuffle=False).fit(X, y)

figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
styles = ((BLUE, "o", "-"), ("#009E73", "s", "--"), (ORANGE, "^", "-"))
for (name, neuron), (color, marker, line) in zip(
    perceptrons.items(), styles, strict=True
):
    epochs = range(1, neuron.n_iter_ + 1)
    ax.plot(epochs, neuron.errors_, line, color=color, marker=marker, label=name)
ax.set(xlabel="epoch", ylabel="mistakes on 4 inputs", ylim=(-0.2, 4.3))
ax.set_yticks(range(5))
ax.legend()
ax.set_title("A perceptron stops at no mistakes; on XOR it never does")

# %%
# A hidden layer
# --------------
# Each of four hidden units may draw a line, and the output joins them: XOR is solved.
# The first three panels are the perceptrons', the last is the network's.

network = MLPClassifier(
    (4,), activation="tanh", solver="lbfgs", alpha=1e-3, random_state=0
)
network.fit(X, targets["XOR"])

figure, axes = plt.subplots(1, 4, figsize=(10, 3), layout="constrained", sharey=True)
models = [(f"{name}: perceptron", name, p) for name, p in perceptrons.items()]
models.append(("XOR: hidden layer of 4", "XOR", network))
for ax, (title, name, model) in zip(axes, models, strict=True):
    y = np.array(targets[name])
    DecisionBoundaryDisplay.from_estimator(
        model,
        np.vstack([X - 0.4, X + 0.4]),
        response_method="predict",
        plot_method="pcolormesh",
        eps=0,
        cmap=ListedColormap([BLUE, ORANGE]),
        alpha=0.35,
        ax=ax,
        xlabel="first bit",
        ylabel="second bit" if ax is axes[0] else "",
    )
    for value, color, marker in ((0, BLUE, "o"), (1, ORANGE, "s")):
        points = X[y == value].T
        ax.scatter(
            *points, c=color, marker=marker, s=90, edgecolor="white", label=value
        )
    right = int((model.predict(X) == y).sum())
    ax.set_title(f"{title}\n{right} of 4 right", fontsize="medium")
    ax.set_aspect("equal")
    ax.set(xticks=[0, 1], yticks=[0, 1])
axes[-1].legend(title="target", loc="center left", bbox_to_anchor=(1.02, 0.5))
plt.show()

# %%
# In the third panel the line cannot have both orange squares on one side and both blue
# circles on the other, however it is turned.
