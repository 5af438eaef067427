"""A fitted classifier as an ONNX graph, run by ONNX Runtime."""

import numpy as np

_OPSET, _IR = 17, 10  # what a runtime of some years ago can read as well


class OnnxClassifier:
    """The same network as a fitted classifier with relu units and several classes.

    Parameters
    ----------
    model : fitted MLPClassifier
        Gives weights and class labels; they become float32.

    Raises
    ------
    ImportError
        If onnx or onnxruntime is not installed.
    """

    def __init__(self, model):
        import onnxruntime

        graph = _build(model.coefs_, model.intercepts_)
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        self.classes_ = model.classes_

    def predict_proba(self, X):
        """Return the probabilities of the classes for float32 rows."""
        return self._session.run(["probabilities"], {"X": X})[0]

    def predict(self, X):
        """Return the most probable class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def _build(coefs, intercepts):
    """Return the graph: Gemm and Relu per layer, and Softmax at the end."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, below = [], [], "X"
    for i, (W, b) in enumerate(zip(coefs, intercepts, strict=True)):
        for name, array in ((f"W{i}", W), (f"b{i}", b)):
            tensor = np.ascontiguousarray(array, dtype=np.float32)
            tensors.append(numpy_helper.from_array(tensor, name))
        nodes.append(helper.make_node("Gemm", [below, f"W{i}", f"b{i}"], [f"Z{i}"]))
        last = i == len(coefs) - 1
        below = "probabilities" if last else f"A{i}"
        kind = "Softmax" if last else "Relu"
        nodes.append(helper.make_node(kind, [f"Z{i}"], [below]))
    ends = (("X", coefs[0].shape[0]), ("probabilities", coefs[-1].shape[1]))
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])]
        for name, width in ends
    )
    graph = helper.make_graph(nodes, "network", inputs, outputs, tensors)
    opset = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=_IR)
