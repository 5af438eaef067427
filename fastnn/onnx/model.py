"""`to_onnx`: a fitted estimator as a model with labels, probabilities or values."""

import numpy as np
import onnx
from sklearn.utils.validation import check_is_fitted

from .._version import __version__
from ..base import BaseMLP
from ..inputs import targets
from ..structure import weights
from ..transformer import MLPTransformer
from .functions import ACTIVATIONS, OUTPUTS
from .graph import Graph
from .network import add_hidden_layers, add_network

# The first one has all operators in the form that is used here; the default is what
# runtimes of some years ago can read as well.
OLDEST_OPSET, DEFAULT_OPSET = 13, 17


def to_onnx(estimator, *, target_opset=None):
    """Return a fitted network as an ONNX model.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator or MLPTransformer
        Fitted.
    target_opset : int, default=None
        Version of ONNX's operators, from 13 on; None is 17.

    Returns
    -------
    onnx.ModelProto
        Its input is "X" of shape (n, n_features), of the network's own dtype. Its
        outputs are

        * of a classifier "label", of shape (n,), int64 or strings, or the indicator
          matrix of shape (n, n_labels); and "probabilities" of shape (n, n_classes) as
          `predict_proba` gives them, or, with ``loss="hinge"``, "scores" of shape
          (n, n_outputs), which are what `decision_function` gives;
        * of a regressor "variable", of shape (n, n_outputs), also for one output;
        * of a transformer "variable", of shape (n, n_units).

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    NotImplementedError
        If it is no network of fastnn's, or has what ONNX cannot express; the message
        names it.
    ValueError
        If `target_opset` is too old or unknown to the installed `onnx`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.onnx import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), learning_rate_init=0.1, random_state=0)
    >>> model = to_onnx(network.fit(X, y))
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    opset = _check_opset(target_opset)
    return build(estimator).finish(
        opset, producer_name="fastnn", producer_version=__version__
    )


def _check_opset(target_opset):
    """Return the version of the operators, or raise."""
    if target_opset is None:
        return DEFAULT_OPSET
    newest = onnx.defs.onnx_opset_version()
    is_integer = isinstance(target_opset, int | np.integer)
    if not is_integer or not OLDEST_OPSET <= target_opset <= newest:
        raise ValueError(
            f"target_opset must be an integer from {OLDEST_OPSET} to {newest}, the "
            f"newest that onnx {onnx.__version__} knows; got {target_opset!r}."
        )
    return int(target_opset)


def build(estimator):
    """Return the Graph of a fitted estimator, with its outputs."""
    if isinstance(estimator, MLPTransformer):
        check_is_fitted(estimator)
        return _transformer(estimator.estimator_, estimator.layer)
    if not isinstance(estimator, BaseMLP):
        raise NotImplementedError(
            f"{type(estimator).__name__} cannot be exported by fastnn.onnx.to_onnx, "
            "which knows MLPClassifier, MLPRegressor, MLPEstimator and MLPTransformer. "
            "For pipelines use skl2onnx.to_onnx after `import fastnn.onnx`; of a "
            "search pass best_estimator_."
        )
    check_is_fitted(estimator, "coefs_")
    theta, architecture = weights.read(estimator)
    graph = Graph(theta.dtype, architecture.sizes[0])
    raw, outputs = add_network(graph, theta, architecture)
    if estimator._is_regressor():
        graph.give("variable", outputs, theta.dtype, architecture.sizes[-1])
    else:
        _give_classes(graph, estimator, raw, outputs)
    return graph


def _transformer(network, layer):
    """Return the Graph of a network up to a hidden layer."""
    theta, architecture = weights.read(network)
    graph = Graph(theta.dtype, architecture.sizes[0])
    layer %= architecture.n_hidden
    lists = weights.views(theta, architecture)
    below = add_hidden_layers(graph, lists, architecture, layer + 1)
    graph.give("variable", below, theta.dtype, architecture.sizes[layer + 1])
    return graph


def _give_classes(graph, estimator, raw, outputs):
    """Give labels, and probabilities or scores."""
    threshold = targets.threshold_of(estimator.out_activation_)
    above = graph.add("Greater", outputs, threshold)
    if targets.kind_of(estimator) == "multilabel":
        label = graph.cast(above, np.int64)
        graph.give("label", label, np.int64, estimator.n_outputs_)
    else:
        classes = label_values(estimator)
        scores = raw if targets.saturates(estimator) else outputs
        index = _class_index(graph, estimator, scores, above)
        label = graph.add("Gather", graph.keep(classes), index, axis=0)
        kind = np.str_ if classes.dtype == object else classes.dtype
        graph.give("label", label, kind)
    if estimator.out_activation_ in ("identity", "tanh"):
        graph.give("scores", raw, graph.dtype, estimator.n_outputs_)
        return
    p = _probabilities(graph, estimator, raw, outputs)
    graph.give("probabilities", p, graph.dtype, len(estimator.classes_))


def label_values(estimator):
    """Return the classes as ONNX has them: int64, float64 or strings, or raise."""
    classes = estimator.classes_
    if classes.dtype.kind in "iub":
        return classes.astype(np.int64)
    if classes.dtype.kind == "f":
        return classes.astype(np.float64)
    if all(isinstance(name, str) for name in classes):
        return classes.astype(object)
    kinds = sorted({type(name).__name__ for name in classes})
    raise NotImplementedError(
        f"Class labels of type {', '.join(kinds)} cannot be exported to ONNX; use "
        "integers or strings."
    )


def _class_index(graph, estimator, outputs, above):
    """Return the place of each row's class, (n,)."""
    if len(estimator.classes_) == 1:  # whatever the outputs are
        never = graph.add("Less", outputs, outputs)
        above = graph.add("Gather", never, np.array([0]), axis=1)
    elif estimator.n_outputs_ > 1:
        return graph.add("ArgMax", outputs, axis=1, keepdims=0)
    return graph.add("Reshape", graph.cast(above, np.int64), np.array([-1]))


def _probabilities(graph, estimator, raw, outputs):
    """Return what `predict_proba` gives, (n, n_classes)."""
    multilabel = targets.kind_of(estimator) == "multilabel"
    n_classes = len(estimator.classes_)
    if n_classes == 1 and not multilabel:
        never = graph.cast(graph.add("Less", outputs, outputs), graph.dtype)
        zero = graph.add("Gather", never, np.array([0]), axis=1)
        return graph.add("Exp", zero)
    if multilabel or estimator.out_activation_ == "softmax":
        return outputs
    if estimator.n_outputs_ > 1:  # one class against the rest
        losses = ACTIVATIONS["softplus"](graph, graph.add("Neg", raw))
        return OUTPUTS["softmax"](graph, graph.add("Neg", losses), estimator.n_outputs_)
    rest = graph.add("Sub", 1.0, outputs)
    return graph.add("Concat", rest, outputs, axis=1)
