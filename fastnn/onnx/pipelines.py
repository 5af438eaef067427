"""Converters for skl2onnx, so that it can convert pipelines with fastnn's networks."""

from onnx import helper

from ..classifier import MLPClassifier
from ..estimator import MLPEstimator
from ..inputs import targets
from ..regressor import MLPRegressor
from ..transformer import MLPTransformer
from .model import build, label_values

_CLASSIFIER_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [False],
    "output_class_labels": [True, False],
}


def register():
    """Tell skl2onnx how fastnn's estimators are converted.

    Importing `fastnn.onnx` does that where skl2onnx is installed.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> import skl2onnx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import fastnn.onnx
    >>> from fastnn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), learning_rate_init=0.1, random_state=0)
    >>> pipe = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> fastnn.onnx.register()  # the import has done that
    >>> model = skl2onnx.to_onnx(pipe, X[:1], options={"zipmap": False})
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "fastnn.onnx.register needs the package skl2onnx: "
            "pip install 'numba-fastnn[onnx]'"
        ) from error
    for cls, options, parser in (
        (MLPClassifier, _CLASSIFIER_OPTIONS, None),
        (MLPEstimator, _CLASSIFIER_OPTIONS, _parse_estimator),
        (MLPRegressor, None, None),
        (MLPTransformer, None, None),
    ):
        update_registered_converter(
            cls,
            f"Fastnn{cls.__name__}",
            _set_types,
            _convert,
            parser=parser,
            options=options,
        )


def _parse_estimator(scope, model, inputs, custom_parsers=None):
    """Declare the outputs of an MLPEstimator, which is a classifier or a regressor.

    skl2onnx knows classifiers by their base class, which MLPEstimator has not.
    """
    from skl2onnx._parse import _apply_zipmap
    from skl2onnx.common.data_types import Int64TensorType, guess_tensor_type

    operator = scope.declare_local_operator(f"Fastnn{MLPEstimator.__name__}", model)
    operator.inputs = inputs
    numbers = guess_tensor_type(inputs[0].type)
    if model._is_regressor():
        operator.outputs.append(scope.declare_local_variable("variable", numbers))
        return operator.outputs
    for name, kind in (("label", Int64TensorType()), ("probabilities", numbers)):
        operator.outputs.append(scope.declare_local_variable(name, kind))
    zipmap = scope.get_options(model, {"zipmap": True})["zipmap"]
    if zipmap is False:
        return operator.outputs
    return _apply_zipmap(zipmap, scope, model, inputs[0].type, operator.outputs)


def _set_types(operator):
    """Set the types of an operator's outputs: floats are of the pipeline's type."""
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        Int64TensorType,
        StringTensorType,
        guess_tensor_type,
    )

    model = operator.raw_operator
    n = operator.inputs[0].get_first_dimension()
    numbers = type(guess_tensor_type(operator.inputs[0].type))
    if not _is_classifier(model):
        network = getattr(model, "estimator_", model)
        width = network.n_outputs_ if network is model else model._n_features_out
        operator.outputs[0].set_type(numbers([n, width]))
        return
    multilabel = targets.kind_of(model) == "multilabel"
    kinds = {"O": StringTensorType, "f": DoubleTensorType, "i": Int64TensorType}
    kind = "i" if multilabel else label_values(model).dtype.kind
    shape = [n, model.n_outputs_] if multilabel else [n]
    operator.outputs[0].set_type(kinds[kind](shape))
    width = model.n_outputs_ if _has_scores(model) else len(model.classes_)
    operator.outputs[1].set_type(numbers([n, width]))


def _is_classifier(model):
    return not isinstance(model, MLPTransformer) and not model._is_regressor()


def _has_scores(model):
    """Return whether a classifier's outputs are no probabilities."""
    return model.out_activation_ in ("identity", "tanh")


def _convert(scope, operator, container):
    """Add the network's nodes, with casts from and to the pipeline's type."""
    from skl2onnx.common.data_types import guess_proto_type
    from skl2onnx.helpers.integration import add_onnx_graph

    model = operator.raw_operator
    has_scores = _is_classifier(model) and _has_scores(model)
    if has_scores and scope.get_options(model, {"zipmap": True})["zipmap"]:
        raise NotImplementedError(
            "loss='hinge' gives scores and no probabilities, so zipmap cannot be "
            "applied; pass options={'zipmap': False}."
        )
    graph = build(model).finish(container.target_opset_any_domain(""))
    wanted = [guess_proto_type(output.type) for output in operator.outputs]
    _cast_ends(graph.graph, wanted)
    add_onnx_graph(scope, operator, container, graph)


def _cast_ends(graph, wanted):
    """Let a graph take and give numbers of other types, by casts at its ends."""
    (entry,) = graph.input
    own = entry.type.tensor_type.elem_type
    name = f"{entry.name}_as_given"
    cast = helper.make_node("Cast", [name], [entry.name], name="cast_in", to=own)
    graph.node.insert(0, cast)
    entry.name = name
    for i, (output, kind) in enumerate(zip(graph.output, wanted, strict=True)):
        if output.type.tensor_type.elem_type == kind:
            continue
        name = f"{output.name}_cast"
        cast = helper.make_node("Cast", [output.name], [name], name=f"{i}", to=kind)
        graph.node.append(cast)
        output.name = name
