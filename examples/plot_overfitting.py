"""
Over-fitting, and seven remedies
================================

A network with more weights than it needs can learn its training samples by heart,
mistakes included. Here are 200 digits for training, of which about one in seven has a
wrong label, and 1,597 to test on. Seven remedies are measured beside doing nothing.
"""

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastnn import MLPClassifier

# Networks are trained for a number of epochs here, not until they converge.
warnings.simplefilter("ignore", ConvergenceWarning)
QUICK = os.environ.get("FASTNN_EXAMPLES") == "quick"
N_SEEDS = 1 if QUICK else 5
BLUE, ORANGE = "#0072B2", "#D55E00"

# %%
# Few samples, some of them wrong
# -------------------------------
# A label is drawn anew for 15 % of the training samples. Who gets 100 % right in
# training has learnt those by heart, too.

X, y = load_digits(return_X_y=True)
X = X / 16


def draw(seed):
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=200, random_state=seed, stratify=y
    )
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(y_train)) < 0.15
    y_train = np.where(wrong, rng.integers(0, 10, len(y_train)), y_train)
    return X_train, X_test, y_train, y_test


# %%
# More data for nothing
# ---------------------
# A digit that is moved by a pixel is still the same digit. `augmentation` is called
# before each epoch, so that the network never sees quite the same images twice.


def shifted(X, rng):
    """Return each image moved by up to one pixel in each direction."""
    images = X.reshape(-1, 8, 8)
    down, right = rng.integers(-1, 2, (2, len(X), 1))
    rows = np.clip(np.arange(8) + down, 0, 7)
    columns = np.clip(np.arange(8) + right, 0, 7)
    each = np.arange(len(X))[:, None, None]
    return images[each, rows[:, :, None], columns[:, None, :]].reshape(X.shape)


# %%
# The remedies
# ------------
# More data; fewer weights; large weights made dear (L2), or useless ones 0 (L1); units
# switched off by chance; an end before it is too late; less certainty asked for.

remedies = {
    "nothing": {},
    "augmentation": {"augmentation": shifted},
    "smaller network": {"hidden_layer_sizes": (16,)},
    "L2 penalty": {"alpha": 1.0},
    "L1 penalty": {"alpha": 0.1, "l1_ratio": 1.0},
    "dropout": {"dropout": [0.2, 0.5]},
    "early stopping": {
        "early_stopping": True,
        "validation_fraction": 0.2,
        "n_iter_no_change": 10,
    },
    "label smoothing": {"label_smoothing": 0.2},
}
n_epochs = 100 if QUICK else 150
common = {
    "hidden_layer_sizes": (128,),
    "alpha": 0.0,
    "batch_size": 50,
    "learning_rate_init": 0.003,
    "max_iter": n_epochs,
    "tol": 0,
    "n_iter_no_change": n_epochs,
}
scores = {name: [] for name in remedies}
for seed in range(N_SEEDS):
    X_train, X_test, y_train, y_test = draw(seed)
    for name, options in remedies.items():
        network = MLPClassifier(**{**common, **options, "random_state": seed})
        network.fit(X_train, y_train)
        scores[name].append(
            (network.score(X_train, y_train), network.score(X_test, y_test))
        )
means = {name: np.mean(found, axis=0) for name, found in scores.items()}
for name, (training, test) in means.items():
    print(f"{name:16} training {training:.3f}  test {test:.3f}")

# %%
# What helps
# ----------
# The longer a bar, the more was learnt by heart. With nothing done, training is perfect
# and the test is worst. About 0.87 of the labels are right, and what lies above that in
# training was learnt by heart, mistake by mistake. The small dots are single draws of
# the samples: differences of a per cent or two between remedies mean little.

order = sorted(means, key=lambda name: means[name][1])
figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for place, name in enumerate(order):
    training, test = means[name]
    ax.plot([test, training], [place, place], color="0.75", linewidth=4, zorder=1)
    single = np.array(scores[name])[:, 1]
    ax.plot(single, np.full(len(single), place), ".", color=BLUE, alpha=0.45, ms=5)
places = np.arange(len(order))
ax.plot([means[n][0] for n in order], places, "s", color=ORANGE, ms=8, label="training")
ax.plot([means[n][1] for n in order], places, "o", color=BLUE, ms=8, label="test")
ax.axvline(means["nothing"][1], color="black", linestyle=":", linewidth=1)
ax.set_yticks(places, labels=order)
ax.set_xlabel(f"accuracy (mean of {N_SEEDS} draws)")
ax.set_title("Test accuracy without (dotted line) and with a remedy")
ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))

# %%
# Epoch by epoch
# --------------
# Over-fitting shows while it happens: the training loss (thin) goes on falling, and the
# test loss (thick) turns and rises. With a remedy it does not rise. A training loss
# above the test's is the remedy's own doing: a penalty is part of it, and under dropout
# it is measured with units missing.

X_train, X_test, y_train, y_test = draw(0)
figure, axes = plt.subplots(
    1, 3, figsize=(9.5, 3.4), layout="constrained", sharex=True, sharey=True
)
for ax, name in zip(axes, ("nothing", "L2 penalty", "dropout"), strict=True):
    network = MLPClassifier(**{**common, **remedies[name], "random_state": 0})
    network.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    history = network.history_
    epochs = range(1, len(history["loss"]) + 1)
    ax.plot(epochs, history["loss"], color=ORANGE, linewidth=1, label="training")
    ax.plot(epochs, history["validation_loss"], "--", color=BLUE, lw=2.5, label="test")
    ax.set(xlabel="epoch", title=name)
axes[0].set_ylabel("loss")
axes[0].set_ylim(0, 1.8)  # the first epochs lie higher
axes[0].legend()
plt.show()
