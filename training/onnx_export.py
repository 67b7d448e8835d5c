"""Weights of an ONNX graph as bytes: a quarter of the size, made floats again when the graph is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

#: Initialisers with fewer numbers than this stay floats.
SMALL = 4096


def as_bytes(model: onnx.ModelProto, exact: Sequence[str] = ()) -> onnx.ModelProto:
    """Return ``model`` with large weights stored as signed bytes, one scale per output, but for those named ``exact``.

    They are multiplied out with plain operators, which ONNX Runtime does once, when it loads the graph: its own
    kernels for quantised weights are slower than those for floats.
    """
    graph, nodes, kept = model.graph, [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL or values.ndim < 2 or tensor.name in exact:
            kept.append(tensor)
            continue
        others = tuple(k for k in range(values.ndim) if k not in _outputs(values))
        scale = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12) / 127
        name = tensor.name
        kept += [
            numpy_helper.from_array(np.round(values / scale).astype(np.int8), name + "_bytes"),
            numpy_helper.from_array(scale.astype(np.float32), name + "_scale"),
        ]
        nodes += [
            helper.make_node("Cast", [name + "_bytes"], [name + "_steps"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [name + "_steps", name + "_scale"], [name]),
        ]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes + body)
    onnx.checker.check_model(model)
    return model


def _outputs(values: NDArray[Any]) -> tuple[int, ...]:
    """Return the axes of a weight that number its outputs, each of which gets a scale.

    A matrix multiplied from the right has them in the last axis, a convolution in the first, an LSTM in the first two:
    directions, of which there are one or two, and gates.
    """
    if values.ndim == 2:
        return (1,)
    return (0, 1) if len(values) <= 2 else (0,)
