"""PyTorch's twin of an `MLPEstimator`: the same network, trained on the same batches.

The twin is made from public parameters and fitted arrays alone, and has PyTorch's own
layers, losses and solvers wherever there are such::

    Z = A_below W + b          nn.Linear (its weight is Wᵀ)
    A = f(norm(Z)) + shortcut  nn.LayerNorm or nn.BatchNorm1d; the first hidden layer
                               has no short cut
"""

import contextlib
import functools
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPEstimator

torch = pytest.importorskip("torch")
F = torch.nn.functional

# 5 mini-batches of 12, 12, 12, 12 and 5 rows.
N_ROWS, BATCH, N_BATCHES = 53, 12, 5
EPOCHS = 3
# Penalties are off unless a test asks for them; rows keep their order.
COMMON = {
    "dtype": "float64",
    "batch_size": BATCH,
    "shuffle": False,
    "alpha": 0.0,
    "max_iter": EPOCHS,
    "n_threads": 1,
    "random_state": 3,
}
# Both sides do the same operations on float64 in another order, and differ by
# rounding: some 1e-16 a step for numbers of size 1, which 15 steps that depend on each
# other raise to 1e-14, as measured, and to 3e-13 where a step is divided by a small
# gradient's size (adam). The bound leaves a digit and a half for other processors'
# products; a term that is left out or counted twice shows at 1e-6 or more.
BOUND = 1e-11
# A bias before batch normalisation has a gradient of 0, but for rounding. What divides
# by a gradient's size makes steps of that: 1e-17 / epsilon = 1e-11, times a rate of
# 0.02, in 15 steps. 8e-12 was measured of such biases and the means they are part of.
SCALED_BATCH_BOUND = 2e-10

ACTIVATIONS = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    # PyTorch has z itself above the threshold, 20 unless told, with an error of 2e-9.
    "softplus": lambda z: F.softplus(z, threshold=40.0),
}

N_FEATURES, N_CLASSES = 5, 3
# `gradient_descent` as the estimator's parameters.
DESCENT = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.05}
# A network of all kinds of layers: normalised, a projection, an identity.
DEEP = {"hidden_layer_sizes": (9, 6, 6), "residual": True, "norm_epsilon": 1e-3}

BETAS = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-6}
TORCH_BETAS = {"betas": (0.8, 0.95), "eps": 1e-6}


@contextlib.contextmanager
def in_double():
    """Make float64 PyTorch's default, and one thread.

    NAdam keeps the product of its momenta in the default type; in float32 that alone
    would make a difference of 1e-9. Threads that wait for each other at every operation
    take ten times as long on cores that others use.

    Kernels work on whole groups of rows, the last of which hold what was there before.
    Without a compiler NumPy would warn of such numbers.
    """
    before = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        torch.set_default_dtype(before[0])
        torch.set_num_threads(before[1])


@functools.cache
def data(kind):
    """Return X, y for the estimator and targets for PyTorch, as a matrix but for codes.

    "multiclass" has codes, "indicators" the same as indicators.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES))
    scores = np.tanh(X @ rng.standard_normal((N_FEATURES, 4)))
    scores += 0.4 * rng.standard_normal(scores.shape)
    codes = scores[:, :N_CLASSES].argmax(axis=1)
    if kind == "multiclass":
        return X, codes, codes
    if kind == "indicators":
        return X, codes, np.eye(N_CLASSES)[codes]
    if kind == "binary":
        y = (scores[:, 0] > 0).astype(int)
        return X, y, y[:, None].astype(float)
    if kind == "multilabel":
        y = (scores[:, :3] > 0).astype(int)
        return X, y, y.astype(float)
    values = {
        "number": scores[:, :1],
        "numbers": scores[:, :2],
        "positive": np.exp(scores[:, :2]),
        "counts": rng.poisson(np.exp(scores[:, :2])).astype(float),
        "shares": 1 / (1 + np.exp(-2 * scores[:, :2])),
    }[kind]
    return X, values[:, 0] if kind == "number" else values, values


def cross_entropy(z, y):
    return F.cross_entropy(z, y, reduction="none")


def binary_cross_entropy(z, y):
    return F.binary_cross_entropy_with_logits(z, y, reduction="none").sum(dim=1)


def half_squares(z, y):
    """Ours has a half, so that the gradient is the difference."""
    return 0.5 * F.mse_loss(z, y, reduction="none").sum(dim=1)


def gradient_descent(twin, rate=0.05):
    """No momentum: an error in one step's gradient is seen as it is."""
    return torch.optim.SGD(twin.parameters(), lr=rate)


def normed(norm):
    """Return the estimator's parameters for "", "layer" or "batch"."""
    return {"layer_norm": norm == "layer", "batch_norm": norm == "batch"}


def linear(W, b=None):
    """Return a layer that computes A W + b."""
    layer = torch.nn.Linear(*W.shape, bias=b is not None, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(W.T.copy()))
        if b is not None:
            layer.bias.copy_(torch.tensor(b))
    return layer


class Twin(torch.nn.Module):
    """The network of an estimator that is initialised or fitted.

    Parameters
    ----------
    estimator : MLPEstimator
    """

    def __init__(self, estimator):
        super().__init__()
        coefs, intercepts = estimator.coefs_, estimator.intercepts_
        n_hidden = len(coefs) - 1
        names = estimator.activation
        names = [names] * n_hidden if isinstance(names, str) else names
        self.functions = [ACTIVATIONS[name] for name in names]
        self.layers = torch.nn.ModuleList(map(linear, coefs, intercepts))
        self.norms = torch.nn.ModuleList(
            self._norm(estimator, i) for i in range(n_hidden)
        )
        self.shortcuts = torch.nn.ModuleList(
            self._shortcut(estimator, i) for i in range(n_hidden)
        )

    @staticmethod
    def _norm(estimator, i):
        units, epsilon = estimator.intercepts_[i].size, estimator.norm_epsilon
        options = {"eps": epsilon, "dtype": torch.float64}
        if estimator.batch_norm:
            # momentum=None: the plain average over all batches so far
            norm = torch.nn.BatchNorm1d(units, momentum=None, **options)
            norm.running_mean.copy_(torch.tensor(estimator.norm_means_[i]))
            norm.running_var.copy_(torch.tensor(estimator.norm_variances_[i]))
            norm.num_batches_tracked.fill_(int(estimator.norm_counts_[i][0]))
        elif estimator.layer_norm:
            norm = torch.nn.LayerNorm(units, **options)
        else:
            return torch.nn.Identity()
        with torch.no_grad():
            norm.weight.copy_(torch.tensor(estimator.norm_scales_[i]))
            norm.bias.copy_(torch.tensor(estimator.norm_shifts_[i]))
        return norm

    @staticmethod
    def _shortcut(estimator, i):
        if not estimator.residual or i == 0:
            return None
        rows, columns = estimator.coefs_[i].shape
        if rows == columns:
            return torch.nn.Identity()
        return linear(estimator.shortcut_coefs_[i])

    def hidden(self, X):
        """Return the outputs of the last hidden layer, or X if there is none."""
        A = X
        for f, layer, norm, shortcut in zip(
            self.functions, self.layers, self.norms, self.shortcuts, strict=False
        ):
            below = A
            A = f(norm(layer(below)))
            if shortcut is not None:
                A = A + shortcut(below)
        return A

    def forward(self, X):
        """Return the raw outputs."""
        return self.layers[-1](self.hidden(X))

    def matrices(self):
        """Return all weights: what is penalised, decays, and is bounded."""
        modules = [*self.layers, *self.shortcuts]
        return [m.weight for m in modules if isinstance(m, torch.nn.Linear)]

    def others(self):
        """Return biases and the parameters of normalisation."""
        weights = {id(W) for W in self.matrices()}
        return [p for p in self.parameters() if id(p) not in weights]

    def begin_step(self, step):
        """Set how batch normalisation's population learns from the step's batch.

        The plain average of the first ten batches, which is PyTorch's momentum=None,
        and then a running one, with a share of 0.1 for the newest.
        """
        for norm in self.norms:
            norm.momentum = None if step <= 10 else 0.1

    def arrays(self):
        """Return all parameters by their names in the estimator."""
        lists = {
            "coefs_": [layer.weight.T for layer in self.layers],
            "intercepts_": [layer.bias for layer in self.layers],
            "shortcut_coefs_": [
                m.weight.T if isinstance(m, torch.nn.Linear) else None
                for m in self.shortcuts
            ],
        }
        for name, attribute in (
            ("norm_scales_", "weight"),
            ("norm_shifts_", "bias"),
            ("norm_means_", "running_mean"),
            ("norm_variances_", "running_var"),
        ):
            lists[name] = [getattr(norm, attribute, None) for norm in self.norms]
        return {
            (name, i): array.detach().numpy().copy()
            for name, arrays in lists.items()
            for i, array in enumerate(arrays)
            if array is not None
        }


def objective(twin, rows_loss, X, Y, l2=0.0, l1=0.0, weight=None):
    """Return what is minimised: (Σ w loss + ½ l2 Σ W² + l1 Σ |W|) / Σ w."""
    losses = rows_loss(twin(X), Y)
    weight = torch.ones_like(losses) if weight is None else weight
    total = (weight * losses).sum()
    if l2:
        total = total + 0.5 * l2 * sum((W**2).sum() for W in twin.matrices())
    if l1:
        total = total + l1 * sum(W.abs().sum() for W in twin.matrices())
    return total / weight.sum()


def train(
    twin,
    rows_loss,
    solver,
    X,
    Y,
    *,
    epochs=EPOCHS,
    weight=None,
    before_step=None,
    after_step=None,
    **penalties,
):
    """Train on mini-batches in the order of the rows; return each epoch's mean loss.

    Parameters
    ----------
    rows_loss : callable
        ``rows_loss(raw outputs, targets)`` returns a number per row.
    before_step, after_step : callable
        Called with the number of the step, from 1.
    """
    X, Y = torch.tensor(X), torch.tensor(Y)
    weights = torch.tensor(np.ones(len(X)) if weight is None else weight)
    curve, step = [], 0
    for _ in range(epochs):
        total = 0.0
        for begin in range(0, len(X), BATCH):
            rows = slice(begin, begin + BATCH)
            step += 1
            twin.begin_step(step)
            solver.zero_grad()
            loss = objective(
                twin, rows_loss, X[rows], Y[rows], weight=weights[rows], **penalties
            )
            loss.backward()
            if before_step is not None:
                before_step(step)
            solver.step()
            if after_step is not None:
                after_step(step)
            total += float(loss.detach()) * float(weights[rows].sum())
        curve.append(total / float(weights.sum()))
    return curve


def initialised(X, y, margin=0.0, **params):
    """Return an estimator with initial weights, of which no layer has 0 or 1 alone.

    margin : float, default=0.0
        How far all weights are from 0 at least.
    """
    estimator = MLPEstimator(**{**COMMON, **params}).initialize(X, y)
    rng = np.random.default_rng(5)
    for name in ("intercepts_", "norm_scales_", "norm_shifts_"):
        for array in getattr(estimator, name, ()):
            if array is not None:
                array += 0.2 * rng.standard_normal(array.shape)
    for name in ("coefs_", "shortcut_coefs_"):
        for array in getattr(estimator, name, ()):
            if array is not None:
                array += margin * np.sign(array)
    return estimator.set_params(warm_start=True)


def fit(estimator, X, y, **options):
    """Go on training from the weights as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y, **options)


def assert_same_arrays(estimator, want, bound=BOUND):
    """Compare all fitted arrays with the twin's, relative to the largest number."""
    for name in ("shortcut_coefs_", "norm_scales_", "norm_means_"):
        n_ours = sum(a is not None for a in getattr(estimator, name, ()))
        assert n_ours == sum(key[0] == name for key in want), name
    for (name, i), array in want.items():
        got = getattr(estimator, name)[i]
        size = max(1.0, np.abs(array).max())
        np.testing.assert_allclose(
            got, array, rtol=0, atol=bound * size, err_msg=f"{name}[{i}]"
        )


def raw_outputs(estimator, X):
    """Return the estimator's outputs before the output activation, as a matrix."""
    two = estimator.out_activation_ == "softmax" and estimator.n_outputs_ == 2
    if estimator.task == "regression" or two:
        # There is no decision_function, or it is the difference of two outputs.
        below = X if len(estimator.coefs_) == 1 else estimator.transform(X)
        return below @ estimator.coefs_[-1] + estimator.intercepts_[-1]
    return estimator.decision_function(X).reshape(len(X), -1)


def assert_same_outputs(estimator, twin, X, bound=BOUND):
    """Compare predictions' raw outputs, the twin being in eval mode."""
    twin.eval()
    with torch.no_grad():
        want = twin(torch.tensor(X)).numpy()
    twin.train()
    size = max(1.0, np.abs(want).max())
    np.testing.assert_allclose(
        raw_outputs(estimator, X), want, rtol=0, atol=bound * size
    )


def moved(before, after, batch_norm):
    """Return the least of the arrays' largest changes: all must have been trained.

    Batch normalisation takes away any bias before it, whose gradient is 0.
    """
    n_hidden = sum(name == "intercepts_" for name, _ in before) - 1
    skipped = {"norm_means_", "norm_variances_"}
    return min(
        np.abs(after[key] - before[key]).max()
        for key in before
        if key[0] not in skipped
        and not (batch_norm and key[0] == "intercepts_" and key[1] < n_hidden)
    )


def assert_trained_alike(
    data, rows_loss, make_solver, *, bound=BOUND, hooks=None, weight=None, **params
):
    """Train an estimator and its twin; compare weights, losses and predictions.

    Parameters
    ----------
    data : tuple
        X, y as the estimator takes it, and targets as the loss takes them.
    rows_loss : callable
        See `train`.
    make_solver : callable
        ``make_solver(twin)`` returns PyTorch's solver.
    bound : float, default=BOUND
    hooks : callable, default=None
        ``hooks(twin, solver)`` returns keyword arguments of `train`, and "averaged",
        another twin that predicts, if there is one.
    weight : vector, default=None
        Sample weights.
    params
        The estimator's.

    Returns
    -------
    estimator : MLPEstimator
    twin : Twin
    """
    X, y, Y = data
    estimator = initialised(X, y, **params)
    twin = Twin(estimator)
    before = twin.arrays()
    if not estimator.batch_norm:  # it has no population yet
        assert_same_outputs(estimator, twin, X)
    solver = make_solver(twin)
    options = {} if hooks is None else hooks(twin, solver)
    predictor = options.pop("averaged", twin)
    l1 = estimator.alpha * estimator.l1_ratio
    options.update(l1=l1, l2=estimator.alpha - l1, epochs=estimator.max_iter)
    curve = train(twin, rows_loss, solver, X, Y, weight=weight, **options)
    fit(estimator, X, y, sample_weight=weight)
    np.testing.assert_allclose(estimator.loss_curve_, curve, rtol=bound, atol=bound)
    assert_same_arrays(estimator, predictor.arrays(), bound)
    assert_same_outputs(estimator, predictor, X, bound)
    assert moved(before, twin.arrays(), estimator.batch_norm) > 1e-4
    return estimator, twin
