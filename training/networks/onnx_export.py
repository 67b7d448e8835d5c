"""From torch to the ONNX files the core runs: tracing, checks against torch, weights as bytes, and sidecars.

Every exporter of training uses these steps: :func:`traced`, :func:`worst_difference` against torch, :func:`as_bytes`,
and :func:`write_network` with the :func:`sidecar` that describes the file to the core.
"""

from __future__ import annotations

import hashlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from mouthpiece.files.writer import write_whole
from mouthpiece.models.registry import SIDECAR_FORMAT
from mouthpiece.models.session import OnnxSession
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from ..files import write_json

OPSET = 18
#: Largest difference between torch and ONNX Runtime that counts as rounding.
TOLERANCE = 1e-4
#: Initialisers with fewer numbers than this stay floats.
SMALL = 4096
LICENCE = "GPL-3.0-or-later, as the rest of Mouthpiece"
#: What the networks that hear speech were trained on.
SPEECH_DATA = (
    "Motion and speech features of 113 speakers, 73 minutes, tracked from public talking-head clips (actors' reels, "
    "samples of research corpora, public pages); 54 of 78 minutes English, 10 Arabic, 5 Portuguese. No identity is "
    "stored in the weights; the sources' terms limit redistribution of the clips, which are not included."
)


def traced(
    net: nn.Module,
    examples: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    free: Mapping[str, Mapping[int, str]],
    **options: Any,
) -> bytes:
    """Return ``net`` as an ONNX file, traced on ``examples``, one tensor per name in ``inputs``.

    ``free`` names the axes of any length: name of an input or output -> axis -> name of the axis. ``options`` go to
    ``torch.onnx.export``.
    """
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # the tracing exporter is deprecated, but the other one unrolls LSTMs to a fixed length
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), examples, stream, input_names=list(inputs), output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in free.items()}, opset_version=OPSET, dynamo=False,
            **options,
        )  # fmt: skip
    return stream.getvalue()


def worst_difference(
    net: nn.Module, content: bytes, outputs: Sequence[str], samples: Iterable[Mapping[str, NDArray[Any]]]
) -> float:
    """Return the largest absolute difference between ``net`` and the ONNX file ``content`` over ``samples``.

    A sample holds one array per input, in the order of the network's arguments; ``outputs`` names what is compared.
    """
    session, worst = OnnxSession(content, "exported network"), 0.0
    for sample in samples:
        found = session(sample)
        with torch.no_grad():
            expected = net.eval()(*(torch.from_numpy(value) for value in sample.values()))
        tensors = (expected,) if isinstance(expected, Tensor) else expected
        worst = max(
            worst, *(float(np.abs(found[name] - t.numpy()).max()) for name, t in zip(outputs, tensors, strict=True))
        )
    return worst


def compressed(
    content: bytes, difference: Callable[[bytes], float], most: float, changed: str
) -> tuple[bytes, dict[str, Any]]:
    """Return the ONNX file ``content`` with weights as bytes, and facts about the export for the sidecar.

    ``difference`` returns how far the outputs of an ONNX file are from torch's. It may be ``TOLERANCE`` before, and
    ``most`` after weights are rounded to bytes; ``changed`` names the outputs in the error.

    Raises
    ------
    ValueError
        If either difference is larger.
    """
    exact = difference(content)
    if exact > TOLERANCE:
        raise ValueError(f"torch and ONNX Runtime disagree by {exact:.2g} (at most {TOLERANCE:.2g})")
    small = as_bytes(onnx.load_from_string(content)).SerializeToString()
    stored = difference(small)
    if stored > most:
        raise ValueError(f"weights as bytes change {changed} by {stored:.2g} (at most {most:.2g})")
    return small, {
        "torch_onnx_difference": float(f"{exact:.2g}"),
        "weights": "signed bytes with one scale per output",
        "stored_difference": float(f"{stored:.2g}"),
        "torch": torch.__version__,
        "opset": OPSET,
    }


def sidecar(
    content: bytes,
    name: str,
    version: str,
    kind: str,
    shapes: tuple[Mapping[str, Sequence[int | str]], Mapping[str, Sequence[int | str]]],
    rate: float,
    features: int,
    licence: str,
    data: str,
    provenance: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """Return the description that travels with the ONNX file ``content``; see ``mouthpiece.models.registry``.

    ``shapes`` are those of the inputs and of the outputs by name, where words stand for free axes; ``rate`` is in
    vectors a second, ``features`` their width; ``more`` are the facts that only this kind of network has.
    """
    return {
        "format": SIDECAR_FORMAT,
        "name": name,
        "version": version,
        "kind": kind,
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": {key: list(shape) for key, shape in shapes[0].items()},
        "outputs": {key: list(shape) for key, shape in shapes[1].items()},
        "rate": rate,
        "features": features,
        **more,
        "licence": licence,
        "data": data,
        "provenance": dict(provenance),
    }


def write_network(path: Path, content: bytes, described: Mapping[str, Any]) -> Path:
    """Write an ONNX file to ``path`` and its sidecar beside it; return ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    write_json(path.with_name(path.name + ".json"), described)
    return path


def as_bytes(model: onnx.ModelProto, exact: Sequence[str] = ()) -> onnx.ModelProto:
    """Return ``model`` with large weights stored as signed bytes, one scale per output; those named ``exact`` stay.

    Weights take a quarter of the room. Plain operators make them floats again, once, when ONNX Runtime loads the
    graph: its own kernels for quantised weights are slower than those for floats.
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


def with_whole_numbers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` with matrices that multiply from the right stored and multiplied as whole numbers.

    Weights have 7 bits, one scale per column, so that 16-bit sums do not overflow on processors without dot products of
    bytes and results are the same on all; what they are multiplied with is rounded to 8 bits when the network runs
    (ONNX Runtime's dynamic quantisation). Two thirds of the time of the same products of floats.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    chosen = [n.name for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in weights]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "quantised.onnx"
        logging.disable(logging.WARNING)  # it warns of each activation that it has no measured range for
        try:
            quantize_dynamic(
                model, target, op_types_to_quantize=["MatMul"], nodes_to_quantize=chosen, per_channel=True,
                reduce_range=True, weight_type=QuantType.QInt8,
            )  # fmt: skip
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(target)


def _outputs(values: NDArray[Any]) -> tuple[int, ...]:
    """Return the axes of a weight that count its outputs, each of which gets a scale.

    That is the last axis of a matrix multiplied from the right, the first of a convolution, and the first two of an
    LSTM: directions, of which there are one or two, and gates.
    """
    if values.ndim == 2:
        return (1,)
    return (0, 1) if len(values) <= 2 else (0,)
