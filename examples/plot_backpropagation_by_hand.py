"""
Back-propagation by hand
========================

A network of two inputs, two hidden units and two outputs has 12 numbers: few enough to
follow every one. It is given one sample; the library writes out the way forward, the
error, the way back and one step, as one would on paper.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

from fastnn import MLPRegressor
from fastnn.inspection import export_text

QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"

# %%
# The network
# -----------
# `initialize` makes the arrays, and any numbers may be written into them. Plain
# gradient descent: no momentum, no penalty, a rate of 0.5.

x, target = np.array([[0.05, 0.10]]), np.array([[0.01, 0.99]])
network = MLPRegressor(
    (2,),
    activation="logistic",
    output_activation="logistic",
    solver="sgd",
    momentum=0.0,
    alpha=0.0,
    learning_rate_init=0.5,
).initialize(x, target)
network.coefs_[0][:] = [[0.15, 0.25], [0.20, 0.30]]
network.intercepts_[0][:] = 0.35
network.coefs_[1][:] = [[0.40, 0.50], [0.45, 0.55]]
network.intercepts_[1][:] = 0.60

# %%
# Every number of one step
# ------------------------
# Read it from the top: sums z, activations a, the error E. Then back: the delta of a
# unit says how the error changes with its sum; times what came in, it is the gradient
# of a weight. Deltas of hidden units are made from those of the outputs.

print(export_text(network, x[0], target[0], decimals=4))

# %%
# The same step, done by the library
# ----------------------------------
# `partial_fit` on the one sample does exactly what is written above. The weight from
# the first hidden unit to the first output falls from 0.4 to 0.3589. `loss_` is a mean
# over outputs, as in scikit-learn; the error E on paper is their sum, twice as much.

errors, outputs = [], [network.predict(x)[0]]
network.partial_fit(x, target)
errors.append(2 * network.loss_)
first_weight = float(network.coefs_[1][0, 0])
outputs.append(network.predict(x)[0])
print(f"error before the step: {errors[0]:.6f}; the weight now: {first_weight:.4f}")

# %%
# And again
# ---------
# Repeated, the error falls: at first fast, then slower, since the nearer an output
# comes to its target the smaller its delta is.

for _ in range(200 if QUICK else 1500):
    network.partial_fit(x, target)
    errors.append(2 * network.loss_)
    outputs.append(network.predict(x)[0])

steps = np.arange(1, len(errors) + 1)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
axes[0].loglog(steps, errors, color="#0072B2")
axes[0].set(xlabel="step", ylabel="error E before the step")
axes[0].set_title("The error falls step by step")
for i, (color, style) in enumerate((("#0072B2", "-"), ("#D55E00", "--"))):
    way = np.array(outputs)[:-1, i]
    axes[1].semilogx(steps, way, style, color=color, label=f"output {i}")
    axes[1].axhline(
        target[0, i], color=color, linewidth=1, linestyle=":", label=f"target {i}"
    )
axes[1].set(xlabel="step", ylabel="output")
axes[1].set_title("Both outputs approach their targets")
axes[1].legend()
plt.show()
