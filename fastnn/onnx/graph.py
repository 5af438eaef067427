"""Nodes and constants of an ONNX graph while it is put together."""

import numpy as np
from onnx import helper, numpy_helper

INPUT = "X"


class Graph:
    """An ONNX graph that computes with one type of numbers.

    Parameters
    ----------
    dtype : numpy dtype
        float32 or float64.
    n_features : int
        Columns of the input.
    """

    def __init__(self, dtype, n_features):
        self.dtype = np.dtype(dtype)
        self._nodes, self._constants, self._outputs = [], [], []
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        self._input = helper.make_tensor_value_info(INPUT, kind, ["n", n_features])

    def add(self, operator, *inputs, **attributes):
        """Add a node and return the name of its output.

        Parameters
        ----------
        operator : str
            Of the default domain.
        *inputs : str, number or ndarray
            Names of outputs; anything else becomes a constant, floats of the graph's
            type.
        **attributes
            The operator's.
        """
        names = [v if isinstance(v, str) else self._constant(v) for v in inputs]
        name = f"{operator}_{len(self._nodes)}"
        node = helper.make_node(operator, names, [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def cast(self, value, dtype):
        """Return a value as numbers of another type."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.add("Cast", value, to=kind)

    def _constant(self, value):
        array = np.asarray(value)
        return self.keep(array.astype(self.dtype) if array.dtype.kind == "f" else array)

    def keep(self, array):
        """Add a constant of the array's own type and return its name."""
        name = f"constant_{len(self._constants)}"
        contiguous = np.ascontiguousarray(array).reshape(array.shape)
        self._constants.append(numpy_helper.from_array(contiguous, name))
        return name

    def give(self, name, value, dtype, *shape):
        """Make a value an output of the model, under a name of its own."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        shape = ["n", *shape]
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def finish(self, opset, **properties):
        """Return the graph as an `onnx.ModelProto`."""
        graph = helper.make_graph(
            self._nodes, "fastnn", [self._input], self._outputs, self._constants
        )
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=helper.find_min_ir_version_for(opsets),
            **properties,
        )
