"""
A network that reads digits, and its 13,002 numbers
===================================================

784 pixels, two hidden layers of 16 units, ten answers: the network that many courses
begin with. How many numbers does it have, what does it cost, and can one see what its
units look for?
"""

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastnn import MLPClassifier
from fastnn.inspection import NetworkDisplay

# The network is trained for a number of epochs here, not until it converges.
warnings.simplefilter("ignore", ConvergenceWarning)
QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"

# %%
# Images of 28 by 28 pixels
# -------------------------
# Nothing is downloaded: scikit-learn's digits of 8 by 8 pixels are drawn larger, to the
# size that such networks usually see.

small, y = load_digits(return_X_y=True)
small = small[:600] if QUICK else small
y = y[: len(small)]
images = zoom(small.reshape(-1, 8, 8) / 16, (1, 3.5, 3.5), order=1)
X = images.reshape(len(images), -1)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, random_state=0, stratify=y
)

# %%
# Counting
# --------
# Each unit has a weight for every input and one bias: 784 · 16 + 16 in the first layer,
# 16 · 16 + 16 in the second, 16 · 10 + 10 in the last. Nearly all are in the first.

network = MLPClassifier(
    (16, 16),
    activation="logistic",
    learning_rate_init=0.01,
    batch_size=50,
    alpha=0.1,
    max_iter=10 if QUICK else 60,
    random_state=0,
)
network.fit(X_train, y_train)
description = network.describe(n_samples=len(X_train))
accuracy = network.score(X_test, y_test)
print(description)
print(f"accuracy on digits never seen: {accuracy:.3f}")

# %%
# The drawing
# -----------
# A line's colour is the sign and its thickness the size of a weight. Of the 784 inputs
# the 16 with the largest weights are drawn, and dots stand for the others; a feature's
# number is 28 times its row, plus its column. None of the 16 lies in the left or right
# margin, where pixels are hardly ever dark: nothing is learnt from them, and the
# penalty has made their weights small.

NetworkDisplay.from_estimator(network, max_units=16)

# %%
# What the first layer looks for
# ------------------------------
# The 784 weights of a unit are an image, too: ink on purple pixels speaks for it, ink
# on orange ones against it. One might hope for strokes and loops. There are blobs and
# edges that no person would choose, and the network works all the same.

weights = network.coefs_[0].T.reshape(-1, 28, 28)
limit = np.abs(weights).max()
figure, axes = plt.subplots(2, 8, figsize=(9.5, 2.9), layout="constrained")
for i, (ax, image) in enumerate(zip(axes.flat, weights, strict=True)):
    shown = ax.imshow(image, cmap="PuOr", vmin=-limit, vmax=limit)
    ax.set_title(f"unit {i}", fontsize="small")
    ax.set_axis_off()
figure.colorbar(shown, ax=axes, label="weight")

# %%
# Sure, unsure, and wrong
# -----------------------
# Above, digits of which it is the least sure; below, what it thinks of each. A bar in
# orange is the right answer.

probabilities = network.predict_proba(X_test)
hardest = np.argsort(probabilities.max(axis=1))[:6]
figure, axes = plt.subplots(
    2, 6, figsize=(9.5, 3.6), layout="constrained", height_ratios=(3, 2), sharey="row"
)
for column, i in zip(axes.T, hardest, strict=True):
    column[0].imshow(X_test[i].reshape(28, 28), cmap="gray_r")
    column[0].set_title(
        f"is {y_test[i]}, read as {probabilities[i].argmax()}", fontsize="small"
    )
    column[0].set_axis_off()
    colors = ["#D55E00" if digit == y_test[i] else "0.6" for digit in range(10)]
    column[1].bar(range(10), probabilities[i], color=colors)
    column[1].set_xticks(range(0, 10, 2))
axes[1, 0].set_ylabel("probability")
figure.supxlabel("digit", fontsize="medium")
plt.show()
