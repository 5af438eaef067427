"""Losses as functions of raw outputs, output activations, and their derivatives.

LOSSES has, for each (loss, output activation), the rows' losses as a function
``f(z, y, parameters=())`` of raw outputs (n, k) and targets (n, targets), and
`delta_of` their derivatives. Most pairs are put together from a loss of the
output's value and the output.
"""

import numpy as np
from scipy.special import xlogy

from .activations import sigmoid


def log_sum_exp(z):
    """Log Σ exp(z) over each row, (n, 1)."""
    largest = z.max(axis=1, keepdims=True)
    return largest + np.log(np.exp(z - largest).sum(axis=1, keepdims=True))


def softmax(z):
    """exp(z) / Σ exp(z) over each row."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softplus(z):
    """log(1 + exp(z))."""
    return np.logaddexp(0, z)


def quantiles(z):
    """z_0, z_0 + softplus(z_1), z_0 + softplus(z_1) + softplus(z_2) and so on."""
    return np.cumsum(np.hstack([z[:, :1], softplus(z[:, 1:])]), axis=1)


def softmax_back(z, d):
    """Jacobian diag(p) - p pᵀ of each row times d."""
    p = softmax(z)
    return np.array(
        [(np.diag(q) - np.outer(q, q)) @ e for q, e in zip(p, d, strict=True)]
    )


def quantiles_back(z, d):
    """Jacobianᵀ · d, with do_i / dz_j = sigmoid(z_j) for i >= j, and 1 for j = 0."""
    factor = np.hstack([np.ones_like(z[:, :1]), sigmoid(z[:, 1:])])
    return (d @ np.tril(np.ones((z.shape[1],) * 2))) * factor


# name: g(z)
OUTPUTS = {
    "identity": lambda z: z,
    "logistic": sigmoid,
    "softmax": softmax,
    "tanh": np.tanh,
    "exp": np.exp,
    "softplus": softplus,
    "quantiles": quantiles,
}

# name: Jacobianᵀ · d, as a function of z and d = dloss/dp
OUTPUTS_BACK = {
    "identity": lambda z, d: d,
    "logistic": lambda z, d: d * sigmoid(z) * sigmoid(-z),
    "softmax": softmax_back,
    "tanh": lambda z, d: d / np.cosh(np.clip(z, -300, 300)) ** 2,
    "exp": lambda z, d: d * np.exp(z),
    "softplus": lambda z, d: d * sigmoid(z),
    "quantiles": quantiles_back,
}


def pinball(p, y, level):
    """Level · (y - p) where that is positive, else (level - 1) · (y - p)."""
    return np.maximum(level * (y - p), (level - 1) * (y - p))


def pinball_slope(p, y, level):
    """D pinball / d p; 0 where p = y."""
    return np.where(y > p, -level, 0) + np.where(y < p, 1 - level, 0)


def huber(p, y, delta):
    """½ d² for |d| <= delta, else delta (|d| - ½ delta)."""
    d = np.abs(p - y)
    return np.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))


def tweedie(p, y, power):
    """Half the Tweedie deviance (Jørgensen 1987), with the usual two exceptions."""
    v = power
    if v == 1:
        return xlogy(y, y) - xlogy(y, p) - y + p
    if v == 2:
        return np.log(p / y) + y / p - 1
    terms = y ** (2 - v) / ((1 - v) * (2 - v)), y * p ** (1 - v) / (1 - v)
    return terms[0] - terms[1] + p ** (2 - v) / (2 - v)


def margin(p, y):
    """1 - s p with s = ±1 for y = 1, 0."""
    return 1 - (2 * y - 1) * p


# name: (each output's loss, its derivative), functions of p, y and the parameters
VALUE_LOSSES = {
    "squared_error": (lambda p, y: 0.5 * (p - y) ** 2, lambda p, y: p - y),
    "absolute_error": (lambda p, y: np.abs(p - y), lambda p, y: np.sign(p - y)),
    "huber": (huber, lambda p, y, delta: np.clip(p - y, -delta, delta)),
    "log_cosh": (
        lambda p, y: np.logaddexp(p - y, y - p) - np.log(2),
        lambda p, y: np.tanh(p - y),
    ),
    "quantile": (pinball, pinball_slope),
    "poisson": (
        lambda p, y: xlogy(y, y) - xlogy(y, p) - y + p,
        lambda p, y: 1 - y / p,
    ),
    "gamma": (lambda p, y: np.log(p / y) + y / p - 1, lambda p, y: (p - y) / p**2),
    "tweedie": (tweedie, lambda p, y, v: (p - y) / p**v),
    "hinge": (
        lambda p, y: np.maximum(margin(p, y), 0),
        lambda p, y: np.where(margin(p, y) > 0, 1 - 2 * y, 0.0),
    ),
}

_ANY_OUTPUT = ("squared_error", "absolute_error", "huber", "log_cosh", "quantile")
# the pairs that are a loss of the output's value, put behind the output
COMPOSED = [
    *((v, g) for v in _ANY_OUTPUT for g in OUTPUTS if g != "quantiles"),
    *((v, g) for v in ("poisson", "gamma", "tweedie") for g in ("exp", "softplus")),
    *(("hinge", g) for g in ("identity", "tanh")),
]


def one_hot(y, k):
    """Class codes (n, 1) as an indicator matrix (n, k)."""
    return (np.arange(k) == y).astype(float)


def softmax_log_loss(z, y, parameters=()):
    """-log softmax(z)[y] of each row; y holds class codes, (n, 1)."""
    chosen = (z * one_hot(y, z.shape[1])).sum(axis=1)
    return log_sum_exp(z)[:, 0] - chosen


def softmax_log_loss_dense(z, y, parameters=()):
    """-Σ y log softmax(z)."""
    return (y * (log_sum_exp(z) - z)).sum(axis=1)


def logistic_log_loss(z, y, parameters=()):
    """-Σ y log p + (1 - y) log(1 - p), p = sigmoid(z)."""
    return (y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)).sum(axis=1)


def logistic_focal(z, y, parameters):
    """-Σ y (1 - p)^g log p + (1 - y) p^g log(1 - p), p = sigmoid(z)."""
    (g,) = parameters
    one = sigmoid(-z) ** g * softplus(-z)
    zero = sigmoid(z) ** g * softplus(z)
    return (y * one + (1 - y) * zero).sum(axis=1)


def logistic_focal_delta(z, y, parameters):
    """By the product rule, from d softplus(z) / dz = sigmoid(z) = p."""
    (g,) = parameters
    p, q = sigmoid(z), sigmoid(-z)
    one = -(q**g) * q - g * q**g * p * softplus(-z)
    zero = p**g * p + g * p**g * q * softplus(z)
    return y * one + (1 - y) * zero


def _classes(z):
    """Yield each class c with -log p_c, log(1 - p_c) and the others' softmax."""
    total = log_sum_exp(z)[:, 0]
    for c in range(z.shape[1]):
        others = z.copy()
        others[:, c] = -np.inf
        rest = log_sum_exp(others)[:, 0]
        yield c, total - z[:, c], rest - total, softmax(others)


def softmax_focal(z, y, parameters):
    """-Σ y_c (1 - p_c)^g log p_c, p = softmax(z)."""
    (g,) = parameters
    return sum(
        y[:, c] * np.exp(g * rest) * miss for c, miss, rest, _ in _classes(z)
    )  # fmt: skip


def softmax_focal_delta(z, y, parameters):
    """By the product rule, from d log Σ exp(z) / dz = softmax(z), all and others."""
    (g,) = parameters
    p = softmax(z)
    delta = np.zeros_like(p)
    for c, miss, rest, others in _classes(z):
        own = np.zeros_like(p)
        own[:, c] = 1
        slope = (g * miss)[:, None] * (others - p) + p - own
        delta += (y[:, c] * np.exp(g * rest))[:, None] * slope
    return delta


def hinge_multiclass(z, y, parameters=()):
    """max(0, 1 + max_{c≠y} z_c - z_y), row by row."""
    losses = []
    for row, (code,) in zip(z, y.astype(int), strict=True):
        losses.append(max(0.0, 1 + max(np.delete(row, code)) - row[code]))
    return np.array(losses)


def hinge_multiclass_delta(z, y, parameters=()):
    """1 at the first largest of the other classes and -1 at y, within the margin."""
    delta = np.zeros_like(z)
    losses = hinge_multiclass(z, y)
    for i, (row, (code,)) in enumerate(zip(z, y.astype(int), strict=True)):
        if losses[i] > 0:
            others = np.where(np.arange(row.size) == code, -np.inf, row)
            delta[i, others.argmax()] = 1
            delta[i, code] = -1
    return delta


def quantile_loss(z, y, parameters):
    """Pinball losses of all levels, y (n, 1)."""
    return pinball(quantiles(z), y, np.array(parameters)).sum(axis=1)


def quantile_delta(z, y, parameters):
    """By the chain rule."""
    slopes = pinball_slope(quantiles(z), y, np.array(parameters))
    return quantiles_back(z, slopes)


def _composed(value, output):
    """Return loss and derivative of a pair, by the chain rule."""
    loss, slope = VALUE_LOSSES[value]
    g, back = OUTPUTS[output], OUTPUTS_BACK[output]
    return (
        lambda z, y, parameters=(): loss(g(z), y, *parameters).sum(axis=1),
        lambda z, y, parameters=(): back(z, slope(g(z), y, *parameters)),
    )


# (loss, output activation): each row's loss, and delta, as functions of raw outputs,
# targets and parameters
_PAIRS = {
    ("log_loss", "softmax"): (
        softmax_log_loss,
        lambda z, y, parameters=(): softmax(z) - one_hot(y, z.shape[1]),
    ),
    ("log_loss_dense", "softmax"): (
        softmax_log_loss_dense,
        lambda z, y, parameters=(): softmax(z) - y,
    ),
    ("log_loss", "logistic"): (
        logistic_log_loss,
        lambda z, y, parameters=(): sigmoid(z) - y,
    ),
    ("focal", "logistic"): (logistic_focal, logistic_focal_delta),
    ("focal", "softmax"): (softmax_focal, softmax_focal_delta),
    ("hinge_multiclass", "identity"): (hinge_multiclass, hinge_multiclass_delta),
    ("quantile", "quantiles"): (quantile_loss, quantile_delta),
    **{pair: _composed(*pair) for pair in COMPOSED},
}
LOSSES = {pair: functions[0] for pair, functions in _PAIRS.items()}


def delta_of(ends, z, y, parameters=()):
    """D loss / d z."""
    return _PAIRS[ends][1](z, y, parameters)
