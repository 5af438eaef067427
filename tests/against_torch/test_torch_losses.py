"""Networks with every loss, trained beside PyTorch's: see `test_torch_networks`.

A loss that PyTorch has is PyTorch's, up to a number that depends on the targets alone;
others are written from their definitions, and differentiated by PyTorch.
"""

import pytest
from torch_tools import (
    DESCENT,
    F,
    assert_trained_alike,
    binary_cross_entropy,
    cross_entropy,
    data,
    gradient_descent,
    half_squares,
    in_double,
    torch,
)


@pytest.fixture(autouse=True)
def _in_double():
    with in_double():
        yield


def focal(z, y, gamma):
    """Return -Σ y (1 - p)ᵍ log p over the classes."""
    log_p = F.log_softmax(z, dim=1)
    return -(y * (1 - log_p.exp()) ** gamma * log_p).sum(dim=1)


def binary_focal(z, y, gamma):
    """Return the same over the two classes of each output."""
    p = torch.sigmoid(z)
    hit = y * (1 - p) ** gamma * F.logsigmoid(z)
    miss = (1 - y) * p**gamma * F.logsigmoid(-z)
    return -(hit + miss).sum(dim=1)


def crammer_singer(z, y):
    own = F.one_hot(y, z.shape[1]).bool()
    rivals = z.masked_fill(own, -torch.inf).amax(dim=1)
    return F.relu(1 + rivals - z[own])


def pinball(p, y, level):
    difference = y - p
    return torch.maximum(level * difference, (level - 1) * difference).sum(dim=1)


def crossing_free(z, y, levels):
    """Return the sum of pinball losses of outputs that only rise."""
    first, rises = z[:, :1], F.softplus(z[:, 1:])
    p = torch.cat([first, first + rises.cumsum(dim=1)], dim=1)
    return pinball(p, y, torch.tensor(levels))


def poisson(z, y):
    """Half the deviance: PyTorch's loss, and a number that depends on y alone."""
    constant = torch.xlogy(y, y) - y
    return (F.poisson_nll_loss(z, y, log_input=True, reduction="none") + constant).sum(
        dim=1
    )


def tweedie(p, y, power):
    """Half the deviance, as scikit-learn's metrics have it."""
    a, b = 1 - power, 2 - power
    return (y**b / (a * b) - y * p**a / a + p**b / b).sum(dim=1)


def gamma(p, y):
    return (y / p - 1 - torch.log(y / p)).sum(dim=1)


def smoothed(z, y, share=0.1):
    """PyTorch spreads its share over all classes, the true one included."""
    k = z.shape[1]
    share = share * k / (k - 1)
    return F.cross_entropy(z, y, reduction="none", label_smoothing=share)


def absolute(p, y):
    return F.l1_loss(p, y, reduction="none").sum(dim=1)


def huber(p, y, delta):
    return F.huber_loss(p, y, delta=delta, reduction="none").sum(dim=1)


def log_cosh(p, y):
    return torch.log(torch.cosh(p - y)).sum(dim=1)


def softmax(loss):
    """Return a loss of probabilities as one of raw outputs."""
    return lambda z, y: loss(torch.softmax(z, dim=1), y)


def through(f, loss):
    """Return a loss of outputs f(z) as one of raw outputs."""
    return lambda z, y: loss(f(z), y)


LEVELS = [0.1, 0.5, 0.8]
# name: kind of targets, the loss of raw outputs in PyTorch, the estimator's parameters
CLASSIFICATION = {
    "cross entropy": ("multiclass", cross_entropy, {}),
    "smoothed": ("multiclass", smoothed, {"label_smoothing": 0.1}),
    "one against the rest": (
        "indicators",
        binary_cross_entropy,
        {"output_activation": "logistic"},
    ),
    "two classes": ("binary", binary_cross_entropy, {}),
    "two outputs": (
        "binary",
        lambda z, y: cross_entropy(z, y[:, 0].long()),
        {"output_activation": "softmax"},
    ),
    "two classes, smoothed": (
        "binary",
        lambda z, y: binary_cross_entropy(z, 0.9 * y + 0.1 * (1 - y)),
        {"label_smoothing": 0.1},
    ),
    "labels": ("multilabel", binary_cross_entropy, {}),
    "focal": (
        "indicators",
        lambda z, y: focal(z, y, 1.5),
        {"loss": "focal", "focal_gamma": 1.5},
    ),
    "focal, two classes": (
        "binary",
        lambda z, y: binary_focal(z, y, 1.5),
        {"loss": "focal", "focal_gamma": 1.5},
    ),
    "hinge": ("multiclass", crammer_singer, {"loss": "hinge"}),
    "hinge, labels": (
        "multilabel",
        lambda z, y: F.relu(1 - (2 * y - 1) * z).sum(dim=1),
        {"loss": "hinge"},
    ),
    "hinge of tanh": (
        "binary",
        lambda z, y: F.relu(1 - (2 * y - 1) * torch.tanh(z)).sum(dim=1),
        {"loss": "hinge", "output_activation": "tanh"},
    ),
    "squares of softmax": (
        "indicators",
        softmax(half_squares),
        {"loss": "squared_error"},
    ),
    "squares of logistic": (
        "multilabel",
        through(torch.sigmoid, half_squares),
        {"loss": "squared_error"},
    ),
    "absolute of softmax": (
        "indicators",
        softmax(absolute),
        {"loss": "absolute_error"},
    ),
}
REGRESSION = {
    "squares": ("numbers", half_squares, {}),
    "squares of tanh": (
        "numbers",
        through(torch.tanh, half_squares),
        {"output_activation": "tanh"},
    ),
    "squares of softplus": (
        "positive",
        through(F.softplus, half_squares),
        {"output_activation": "softplus"},
    ),
    "squares of exp": (
        "positive",
        through(torch.exp, half_squares),
        {"output_activation": "exp"},
    ),
    "absolute": ("numbers", absolute, {"loss": "absolute_error"}),
    "huber": (
        "numbers",
        lambda z, y: huber(z, y, 0.4),
        {"loss": "huber", "huber_delta": 0.4},
    ),
    "log cosh": ("numbers", log_cosh, {"loss": "log_cosh"}),
    "quantile": (
        "number",
        lambda z, y: pinball(z, y, 0.3),
        {"loss": "quantile", "quantile": 0.3},
    ),
    "quantiles": (
        "number",
        lambda z, y: crossing_free(z, y, LEVELS),
        {"loss": "quantile", "quantile": LEVELS},
    ),
    "poisson": ("counts", poisson, {"loss": "poisson"}),
    "poisson of softplus": (
        "counts",
        lambda z, y: poisson(torch.log(F.softplus(z)), y),
        {"loss": "poisson", "output_activation": "softplus"},
    ),
    "gamma": ("positive", through(torch.exp, gamma), {"loss": "gamma"}),
    "gamma of softplus": (
        "positive",
        through(F.softplus, gamma),
        {"loss": "gamma", "output_activation": "softplus"},
    ),
    "tweedie": (
        "counts",
        lambda z, y: tweedie(torch.exp(z), y, 1.3),
        {"loss": "tweedie", "tweedie_power": 1.3},
    ),
    "tweedie of softplus": (
        "counts",
        lambda z, y: tweedie(F.softplus(z), y, 1.3),
        {"loss": "tweedie", "tweedie_power": 1.3, "output_activation": "softplus"},
    ),
    "shares": ("shares", binary_cross_entropy, {"loss": "log_loss"}),
}
LOSSES = {
    **{name: (*case, "classification") for name, case in CLASSIFICATION.items()},
    **{name: (*case, "regression") for name, case in REGRESSION.items()},
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    """Value and gradient: the loss of each epoch, and all weights after the last."""
    kind, rows_loss, params, task = LOSSES[name]
    assert_trained_alike(
        data(kind),
        rows_loss,
        gradient_descent,
        hidden_layer_sizes=(7,),
        activation="tanh",
        alpha=0.1,
        task=task,
        **DESCENT,
        **params,
    )
