"""
Hebb's rule: what fires together, wires together
================================================

Hebb (1949) supposed that a connection grows when both its ends are active. As a
formula: after each sample the weights grow by rate · input · target. The rule never
looks at the neuron's own answer, and this example shows what follows from that.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

from fastnn.neurons import HebbianNeuron, Perceptron

QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"

# %%
# AND, learnt in four steps
# -------------------------
# With -1 and 1 for false and true, and a column of ones in the place of a bias, one
# pass over the four inputs is enough.

X = np.array([[-1, -1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, 1]])
y = np.array([-1, -1, -1, 1])
neuron = HebbianNeuron(learning_rate=1.0, activation="sign", record=True).fit(X, y)
print("weights after each sample:", *neuron.coef_history_, sep="\n")
print("answers:", neuron.predict(X), "targets:", y)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for values, name, (color, style, marker) in zip(
    neuron.coef_history_.T,
    ("first input", "second input", "constant"),
    ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "^")),
    strict=True,
):
    axes[0].plot(values, color=color, linestyle=style, marker=marker, label=name)
axes[0].set(xlabel="samples seen", ylabel="weight", xticks=range(5))
axes[0].set_title("One pass over AND: two inputs strengthened")
axes[0].legend()

# %%
# Without bound
# -------------
# Everything is right after the first pass, but the rule does not notice. With every
# further pass the weights grow by the same amount, for ever. The perceptron learns from
# mistakes only, and rests when there are none.

n_passes = 8 if QUICK else 40
options = {"learning_rate": 1.0, "activation": "sign", "record": True}
hebb = HebbianNeuron(max_iter=n_passes, **options).fit(X, y)
sizes = np.linalg.norm(hebb.coef_history_[:: len(X)], axis=1)
perceptron = Perceptron(activation="sign", shuffle=False).partial_fit(X, y, [-1, 1])
rosenblatt = [0.0]
for _ in range(n_passes):
    rosenblatt.append(float(np.linalg.norm(perceptron.coef_)))
    perceptron.partial_fit(X, y)
axes[1].plot(sizes, color=BLUE, label="Hebb")
axes[1].plot(rosenblatt, "--", color=ORANGE, label="perceptron")
axes[1].set(xlabel="passes", ylabel="length of the weights")
axes[1].set_title("Hebb's weights grow for ever")
axes[1].legend()

# %%
# Where it fails
# --------------
# Hebb's weights are the sum of target · input: an arrow from one class's centre to the
# other's, and the border lies square to it. Two long thin clouds side by side, one a
# little ahead, need a border along them, which is not square to that arrow.

rng = np.random.default_rng(0)
n = 60 if QUICK else 150
along, across = rng.uniform(-3.5, 3.5, n), rng.uniform(0.4, 0.9, n)
labels = np.where(np.arange(n) % 2 == 0, 1, -1)
ahead = along + 1.5 * labels
points = np.column_stack([ahead + across * labels, ahead - across * labels])
learners = {
    "Hebb": HebbianNeuron(activation="sign"),
    "perceptron": Perceptron(activation="sign", random_state=0),
}
figure, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
for label, color, marker in ((-1, BLUE, "o"), (1, ORANGE, "s")):
    ax.scatter(
        *points[labels == label].T, s=14, color=color, marker=marker, label=label
    )
accuracies = {}
for (name, learner), style in zip(learners.items(), ("--", "-"), strict=True):
    accuracies[name] = learner.fit(points, labels).score(points, labels)
    w = learner.coef_[0]
    b = float(learner.intercept_[0]) if name == "perceptron" else 0.0
    ax.axline(
        -b * w / (w @ w),
        slope=-w[0] / w[1],
        color="black",
        linestyle=style,
        label=f"{name}: {accuracies[name]:.0%} right",
    )
ax.set(xlabel="first input", ylabel="second input", xlim=(-7, 7), ylim=(-7, 7))
ax.set_title("Only one rule looks at its mistakes")
ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
plt.show()
