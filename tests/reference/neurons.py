"""Single neurons, sample by sample and weight by weight, in float64."""

import numpy as np


def step(net):
    """Return Heaviside's function, with step(0) = 1."""
    return 1 if net >= 0 else 0


def sign(net):
    """Return the sign, with sign(0) = 1."""
    return 1 if net >= 0 else -1


def net_input(w, b, x):
    """Return Σ w_i x_i + b, added up from the left."""
    total = 0.0
    for w_i, x_i in zip(w, x, strict=True):
        total += float(w_i) * float(x_i)
    return total + float(b)


def mcculloch_pitts(w, b, x, activation=step):
    """Return the output of a neuron with fixed weights."""
    return activation(net_input(w, b, x))


def rosenblatt(w, b, X, y, eta, weight, order):
    """Learn from all samples once, with targets 0 and 1.

    Returns weights, bias, the number of mistakes, and the smallest |net input| met:
    where it is well above rounding errors, other arithmetic takes the same decisions.
    """
    w, b, mistakes, margin = np.array(w, float), float(b), 0, np.inf
    for r in order:
        net = net_input(w, b, X[r])
        margin = min(margin, abs(net))
        error = y[r] - step(net)
        if error != 0 and weight[r] > 0:
            mistakes += 1
        for i in range(len(w)):
            w[i] = w[i] + eta * weight[r] * error * X[r][i]
        b = b + eta * weight[r] * error
    return w, b, mistakes, margin


def rosenblatt_sign(w, b, X, t, eta, order):
    """Learn likewise with targets -1 and 1: half of t - f."""
    w, b = np.array(w, float), float(b)
    for r in order:
        half = (t[r] - sign(net_input(w, b, X[r]))) / 2
        w = w + eta * half * np.asarray(X[r], float)
        b = b + eta * half
    return w, b


def hebb(X, y, eta, epochs=1):
    """Return the weights before the first and after every sample, by Δw = η x y."""
    w = np.zeros(len(X[0]))
    history = [w]
    for _ in range(epochs):
        for x, target in zip(X, y, strict=True):
            w = np.array([w[i] + eta * x[i] * target for i in range(len(w))])
            history.append(w)
    return np.array(history)
