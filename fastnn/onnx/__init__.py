"""Fitted networks as ONNX models: `to_onnx`, and converters for skl2onnx.

Needs the package `onnx`. Where `skl2onnx` is installed, importing this module also lets
``skl2onnx.to_onnx(pipeline, X)`` convert pipelines that hold fastnn's networks.
"""

from importlib.util import find_spec

if find_spec("onnx") is None:
    raise ImportError(
        "fastnn.onnx needs the package onnx: pip install 'numba-fastnn[onnx]'"
    )

from .model import to_onnx
from .pipelines import register

__all__ = ["register", "to_onnx"]

if find_spec("skl2onnx") is not None:
    register()
