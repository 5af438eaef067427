"""A row's way through a small network as text, with all numbers, as in a textbook."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..base import BaseMLP
from ..inputs import targets
from ..structure import weights
from ..transformer import MLPTransformer
from . import worked

_MOST_PARAMETERS = 50


def export_text(estimator, X_row, y=None, decimals=3, *, learning_rate=None):
    """Write out what a small network computes from a row, number by number.

    With a target also the loss, back-propagation, and a step of gradient descent. The
    numbers are those of the library's kernels. The loss is the row's alone: penalties,
    class weights, dropout, noise and the solver are left out.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator or MLPTransformer
        Fitted or initialised, of at most 50 parameters, without `batch_norm`,
        `layer_norm` and short cuts (`residual`).
    X_row : array-like of shape (n_features,) or (1, n_features)
        The row.
    y : label, number or array-like of shape (n_outputs,), default=None
        Its target.
    decimals : int, default=3
        Digits behind the point, from 0 to 17.
    learning_rate : float, default=None
        Of the step; None is the estimator's `learning_rate_init`.

    Returns
    -------
    str

    Raises
    ------
    NotFittedError
        If the network has no weights yet.
    ValueError
        If the network is too large or has layers that are left out here, if X_row is
        not one row, or if y does not suit.
    TypeError
        If the estimator is no network of fastnn's.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import MLPRegressor
    >>> from fastnn.inspection import export_text
    >>> X, y = np.array([[0.0], [1.0]]), np.array([0.0, 1.0])
    >>> net = MLPRegressor((), random_state=0).initialize(X, y)
    >>> net.coefs_[0][:], net.intercepts_[0][:] = 2.0, 0.5
    >>> print(export_text(net, [3.0]))
    MLPRegressor 1-1: forward
    W1 is coefs_[0] and b1 intercepts_[0]; W1[i,j] leads from i to j.
    x = [3.000]
    <BLANKLINE>
    Output layer (identity)
      z[0] = 3.000·2.000 + 0.500 = 6.500
      a[0] = identity(z[0]) = 6.500
    Prediction: 6.500
    """
    network = _check_network(estimator)
    number = _Number(decimals)
    theta, architecture = weights.read(network)
    _check_size(architecture)
    if learning_rate is None:
        learning_rate = network.learning_rate_init
    if not isinstance(learning_rate, Real) or not 0 < learning_rate < np.inf:
        raise ValueError(
            f"learning_rate must be a number above 0; got {learning_rate!r}."
        )
    X = worked.check_row(network, X_row, theta.dtype)
    way = worked.forward(theta, architecture, X)
    lines = _forward_lines(network, architecture, way, X[0], number)
    if y is not None:
        back = worked.backward(network, theta, architecture, X, y, way)
        lines += ["", *_loss_lines(way, back, number)]
        lines += ["", *_backward_lines(way, back, number)]
        lines += ["", *_step_lines(way, back, float(learning_rate), number)]
    return "\n".join(lines)


class _Number:
    """Writes numbers with so many decimals, and no zero with a sign."""

    def __init__(self, decimals):
        is_count = isinstance(decimals, Integral) and not isinstance(decimals, bool)
        if not is_count or not 0 <= decimals <= 17:
            raise ValueError(
                f"decimals must be an integer from 0 to 17; got {decimals!r}."
            )
        self._decimals = int(decimals)

    def __call__(self, value):
        return f"{float(value):z.{self._decimals}f}"

    def products(self, left, right):
        """Write a sum of products of numbers, those of negative ones in brackets."""
        pairs = zip(left, right, strict=True)
        return " + ".join(f"{self.factor(a)}·{self.factor(b)}" for a, b in pairs)

    def factor(self, value):
        """Write a number as a factor or a term: a negative one in brackets."""
        text = self(value)
        return f"({text})" if text.startswith("-") else text

    def vector(self, values):
        """Write a list of numbers."""
        return f"[{', '.join(map(self, values))}]"


def _check_network(estimator):
    """Return the network of an estimator, or raise."""
    if isinstance(estimator, MLPTransformer):
        check_is_fitted(estimator)
        estimator = estimator.estimator_
    if not isinstance(estimator, BaseMLP):
        raise TypeError(
            "export_text shows MLPClassifier, MLPRegressor, MLPEstimator and "
            f"MLPTransformer; got {type(estimator).__name__}."
        )
    check_is_fitted(estimator, "coefs_")
    return estimator


def _check_size(architecture):
    """Raise if a network would not make a readable example."""
    if architecture.n_params > _MOST_PARAMETERS:
        raise ValueError(
            f"export_text writes out every number of a network of at most "
            f"{_MOST_PARAMETERS} parameters; this one has {architecture.n_params:,}. "
            "Use describe() for its size, or fit a smaller one."
        )
    has_shortcut = any(map(architecture.shortcut, range(architecture.n_hidden)))
    for used, name in (
        (architecture.norm == "batch", "batch_norm"),
        (architecture.norm == "layer", "layer_norm"),
        (has_shortcut, "residual"),
    ):
        if used:
            raise ValueError(
                f"export_text shows networks of products and activations only; this "
                f"one was fitted with {name}=True."
            )


def _titles(way):
    n = len(way.coefs)
    names = [*(f"Hidden layer {i}" for i in range(1, n)), "Output layer"]
    return [f"{a} ({f})" for a, f in zip(names, way.names, strict=True)]


def _forward_lines(network, architecture, way, x, number):
    """Return the lines from the inputs to the prediction."""
    sizes = "-".join(map(str, architecture.sizes))
    lines = [
        f"{type(network).__name__} {sizes}: forward",
        "W1 is coefs_[0] and b1 intercepts_[0]; W1[i,j] leads from i to j.",
        f"x = {number.vector(x)}",
    ]
    for i, title in enumerate(_titles(way)):
        lines += ["", title]
        W, b, name = way.coefs[i], way.intercepts[i], way.names[i]
        whole = name in ("softmax", "quantiles")
        for j, z in enumerate(way.z[i]):
            terms = number.products(way.inputs[i], W[:, j])
            terms = f"{terms} + {number.factor(b[j])}"
            lines.append(f"  z[{j}] = {terms} = {number(z)}")
        for j, a in enumerate(way.a[i]):
            call = f"{name}(z)[{j}]" if whole else f"{name}(z[{j}])"
            lines.append(f"  a[{j}] = {call} = {number(a)}")
    return [*lines, f"Prediction: {_prediction(network, way, number)}"]


def _prediction(network, way, number):
    """Write what `predict` gives."""
    outputs = way.a[-1]
    if network._is_regressor():
        return number(outputs[0]) if outputs.size == 1 else number.vector(outputs)
    outputs = way.z[-1] if targets.saturates(network) else outputs
    label = targets.decode_labels(network, outputs[None])
    label = label.toarray() if hasattr(label, "toarray") else label
    return f"{'labels' if label.ndim > 1 else 'class'} {label[0]}"


def _loss_lines(way, back, number):
    """Return the lines of the loss, with its terms where they are simple."""
    p, y = way.a[-1], back.target
    kind = back.loss_name, way.names[-1]
    terms = None
    if back.loss_name == "squared_error":
        pairs = zip(p, y, strict=True)
        terms = [f"½({number(a)} - {number.factor(b)})²" for a, b in pairs]
    elif kind == ("log_loss", "softmax"):
        pairs = zip(p, y, strict=True)
        terms = [f"-{number(b)}·log({number(a)})" for a, b in pairs if b]
    middle = "" if terms is None else f"{' + '.join(terms)} = "
    return [
        f"Loss ({back.loss_name}), target y = {number.vector(y)}",
        f"  E = {middle}{number(back.loss)}",
    ]


def _backward_lines(way, back, number):
    """Return the lines from the last layer's delta to the first one's gradient."""
    lines = ["Back: delta = dE/dz"]
    titles = _titles(way)
    for i in reversed(range(len(titles))):
        lines += ["", titles[i]]
        for j, delta in enumerate(back.deltas[i]):
            if i == len(titles) - 1:
                middle = _output_delta(way, back, j, number)
            else:
                terms = number.products(way.coefs[i + 1][j], back.deltas[i + 1])
                middle = f"({terms})·{number.factor(back.slopes[i][j])} = "
            lines.append(f"  delta[{j}] = {middle}{number(delta)}")
        layer = i + 1
        for (k, j), g in np.ndenumerate(back.coefs[i]):
            factors = number.products([way.inputs[i][k]], [back.deltas[i][j]])
            lines.append(f"  dE/dW{layer}[{k},{j}] = {factors} = {number(g)}")
        for j, g in enumerate(back.intercepts[i]):
            lines.append(f"  dE/db{layer}[{j}] = delta[{j}] = {number(g)}")
    return lines


def _output_delta(way, back, j, number):
    """Write the terms of an output's delta, where they are simple."""
    p, y, name = way.a[-1], back.target, way.names[-1]
    slope = back.slopes[-1]
    if back.loss_name == "log_loss":
        return f"{number(p[j])} - {number.factor(y[j])} = "
    if back.loss_name != "squared_error" or slope is None:
        return ""
    error = f"{number(p[j])} - {number.factor(y[j])}"
    if name == "identity":
        return f"{error} = "
    return f"({error})·{number.factor(slope[j])} = "


def _step_lines(way, back, rate, number):
    """Return the lines of a step of gradient descent."""
    lines = [f"Step: new = old - {rate:g} · gradient"]
    for i, W in enumerate(way.coefs):
        for (k, j), w in np.ndenumerate(W):
            g = back.coefs[i][k, j]
            name = f"W{i + 1}[{k},{j}]"
            lines.append(f"  {name} = {_step(w, g, rate, number)}")
        for j, b in enumerate(way.intercepts[i]):
            g = back.intercepts[i][j]
            lines.append(f"  b{i + 1}[{j}] = {_step(b, g, rate, number)}")
    return lines


def _step(old, gradient, rate, number):
    change = f"{number(old)} - {rate:g}·{number.factor(gradient)}"
    return f"{change} = {number(old - rate * gradient)}"
