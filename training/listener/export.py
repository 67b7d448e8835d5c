"""Build the phonetic listener: ``python -m training.listener.export --hama FILE --whisper FILE --out DIR``.

Two speech recognisers are cut and joined into one graph, waveform in, hidden features at 50 Hz out:

* **hama** (1.3.13, Apache-2.0): the end and the middle of its convolutional backbone. Its attention layers were tried
  and left out: they add nothing for lips, cost as much as the rest, and fit English better than other languages;
* **Whisper tiny.en** (weights MIT, read from a CTranslate2 ``model.bin``): the output of two of its four encoder
  layers. The others turn sounds into words, which lips do not need, and cost as much again.

``--tuned RUN/listener.safetensors`` takes Whisper's layers as ``training.content.train`` tuned them together with a
content network, which then works with no other listener.

On unseen speakers the lips' opening correlates .05 better than with hama's last layer alone. Whisper's weights are
stored as bytes with one scale per row and made floats again when the graph is loaded. Exit code 0 when written.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from mouthpiece.features import RATE
from mouthpiece.models.session import OnnxSession
from onnx import TensorProto, helper, numpy_helper

from ..command_line import exit_code, parser_of
from ..networks.onnx_export import SPEECH_DATA, as_bytes, sidecar, traced, with_whole_numbers, write_network
from .whisper import RUNTIME, WIDTH, HalfWhisper, read_ctranslate2

log = logging.getLogger(__name__)

#: Tensors of hama's graph that the listener outputs (after eleven and after six of its blocks), and their width.
HAMA_TENSORS = tuple(f"/acoustic_model/backbone/backbone.{block}/Add_output_0" for block in (10, 5))
HAMA_SIZE = 256
#: Weights that stay floats: the spectral front end, because a logarithm follows.
EXACT = ("waves", "bands")


def half_whisper_onnx(net: HalfWhisper) -> onnx.ModelProto:
    """Return ``net`` as an ONNX graph from ``waveform`` to ``whisper``."""
    free = {"waveform": {1: "samples"}, "whisper": {1: "steps"}}
    example = (torch.zeros(1, 5 * RATE),)
    return onnx.load_from_string(traced(net, example, ["waveform"], ["whisper"], free, custom_opsets={RUNTIME: 1}))


def with_waves(model: onnx.ModelProto, name: str = "waves") -> onnx.ModelProto:
    """Return ``model`` with the weight ``name``, which :func:`~..networks.mel.fourier_waves` made, computed on loading.

    Cosines need no room in a file: ONNX Runtime computes what does not depend on inputs once, when it loads a graph.
    """
    graph = model.graph
    (stored,) = (tensor for tensor in graph.initializer if tensor.name == name)
    waves = numpy_helper.to_array(stored)
    size = waves.shape[-1]
    constants = {
        "bin": np.arange(size // 2 + 1, dtype=np.float32)[:, None],
        "sample": np.arange(size, dtype=np.float32)[None],
        "size": np.array(size, np.float32),
        "turn": np.array(2 * np.pi / size, np.float32),
        "half": np.array(0.5, np.float32),
        "axis": np.array([1], np.int64),
    }
    own = {key: f"{name}_{key}" for key in constants}
    steps = [
        ("Mul", ("bin", "sample"), "product", {}), ("Mod", ("product", "size"), "rest", {"fmod": 1}),
        ("Mul", ("rest", "turn"), "phase", {}), ("Cos", ("phase",), "cosine", {}), ("Sin", ("phase",), "sine", {}),
        ("Mul", ("sample", "turn"), "place", {}), ("Cos", ("place",), "bell", {}), ("Mul", ("bell", "half"), "dip", {}),
        ("Sub", ("half", "dip"), "window", {}), ("Mul", ("cosine", "window"), "real", {}),
        ("Mul", ("sine", "window"), "imaginary", {}), ("Concat", ("real", "imaginary"), "rows", {"axis": 0}),
    ]  # fmt: skip

    def named(key: str) -> str:
        return own.setdefault(key, f"{name}_{key}")

    nodes = [
        helper.make_node(op, [named(key) for key in given], [named(out)], **more) for op, given, out, more in steps
    ]
    nodes.append(helper.make_node("Unsqueeze", [named("rows"), named("axis")], [name]))
    kept = [tensor for tensor in graph.initializer if tensor is not stored]
    kept += [numpy_helper.from_array(value, own[key]) for key, value in constants.items()]
    body = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes + body)
    onnx.checker.check_model(model)
    return model


def joined(whisper: onnx.ModelProto) -> onnx.ModelProto:
    """Return the listener's graph: ``waveform`` and ``waveform_lengths`` in, ``whisper`` out."""
    whisper.graph.input.append(helper.make_tensor_value_info("waveform_lengths", TensorProto.INT64, [1]))
    return whisper


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove the nodes and weights on which no output of ``graph`` depends."""
    wanted, kept = {output.name for output in graph.output}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
            wanted |= {name for sub in node.attribute if sub.HasField("g") for n in sub.g.node for name in n.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(weights)


def described(content: bytes, closeness: float, tuned: str = "") -> dict[str, Any]:
    """Return the sidecar of the listener.

    ``closeness`` is what :func:`agreement` returns, ``tuned`` the hash of the tuned weights, or empty.
    """
    learned = f"; Whisper's layers were trained further with the content network. {SPEECH_DATA}" if tuned else ""
    provenance = {
        "command": "python -m training.listener.export --whisper model.bin "
        + ("--tuned RUN/listener.safetensors " if tuned else "")
        + "--out DIR",
        **({"tuned": tuned} if tuned else {}),
        "parts": "the first three of six layers of Whisper's encoder",
        "weights": "signed bytes with one scale per row",
        "cosine_to_floats": closeness,
    }
    shapes = ({"waveform": [1, "samples"], "waveform_lengths": [1]}, {"whisper": [1, "steps", WIDTH]})
    return sidecar(
        content, "phonetic", "5" if tuned else "4", "phonetic", shapes, 50, WIDTH,
        "MIT (Whisper base); see LICENSES/NOTICE.md", "A speech recogniser as published: Whisper base" + learned,
        provenance,
    )  # fmt: skip


def export(whisper: Path, out: Path, tuned: Path | None = None) -> Path:
    """Write ``phonetic.onnx`` and its sidecar to ``out`` and return the path.

    ``tuned`` (.safetensors) holds weights of Whisper's last layers that were tuned with the content network.

    Raises
    ------
    ValueError
        If a source is not what it should be, or the joined graph's output differs from that of its parts.
    """
    net = HalfWhisper()
    net.load(read_ctranslate2(whisper))
    if tuned:
        net.tune(tuned)
    small = as_bytes(with_whole_numbers(half_whisper_onnx(net)), EXACT)
    content = joined(with_waves(small)).SerializeToString()
    closeness = agreement(net, content)
    if closeness < 0.998:
        raise ValueError(f"the stored Whisper differs from the original: cosine {closeness:.4f}")
    tuned_hash = hashlib.sha256(tuned.read_bytes()).hexdigest() if tuned else ""
    path = write_network(out / "phonetic.onnx", content, described(content, round(closeness, 5), tuned_hash))
    log.info("%s: %.1f MB, cosine to the original %.5f", path, len(content) / 1e6, closeness)
    return path


@torch.no_grad()
def agreement(net: HalfWhisper, content: bytes, seed: int = 0) -> float:
    """Return the mean cosine between the Whisper features of the joined graph and of ``net``, on rhythmic noise."""
    rng = np.random.default_rng(seed)
    count = 6 * RATE
    rhythm = np.clip(np.sin(2 * np.pi * 3 * np.arange(count) / RATE), 0.05, 1)
    waveform = (0.1 * rhythm * rng.standard_normal(count)).astype(np.float32)
    outputs = OnnxSession(content, "phonetic")(
        {"waveform": waveform[None], "waveform_lengths": np.array([count], np.int64)}
    )
    expected = net.eval()(torch.from_numpy(waveform[None]))[0].numpy()
    rows = outputs["whisper"][0]
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((rows * expected).sum(axis=1) / norms).mean())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.listener.export", __doc__)
    parser.add_argument("--whisper", type=Path, required=True, help="model.bin of Whisper base for CTranslate2")
    parser.add_argument("--tuned", type=Path, help="listener.safetensors of a training run")
    parser.add_argument("--out", type=Path, required=True, help="folder for phonetic.onnx and its sidecar")
    args = parser.parse_args(argv)
    return exit_code(lambda: export(args.whisper, args.out, args.tuned) and None, "not built")


if __name__ == "__main__":
    sys.exit(main())
