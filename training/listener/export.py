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
from onnx import TensorProto, compose, helper

from ..command_line import exit_code, parser_of
from ..networks.onnx_export import SPEECH_DATA, as_bytes, sidecar, traced, write_network
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


def joined(hama: onnx.ModelProto, whisper: onnx.ModelProto) -> onnx.ModelProto:
    """Return one graph of both: ``waveform`` and ``waveform_lengths`` in; ``hama``, ``middle``, ``whisper`` out.

    All outputs are (1, steps, width) at 50 Hz; their lengths may differ by a step or two.
    """
    del hama.graph.output[:]
    for source, name in zip(HAMA_TENSORS, ("hama", "middle"), strict=True):
        # hama computes its hidden layers in half floats; outputs are floats
        hama.graph.node.append(helper.make_node("Transpose", [source], [name + "_rows"], perm=[0, 2, 1]))
        hama.graph.node.append(helper.make_node("Cast", [name + "_rows"], [name], to=TensorProto.FLOAT))
        hama.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "steps", HAMA_SIZE]))
    _drop_unused(hama.graph)
    whisper = compose.add_prefix(whisper, "whisper_", rename_inputs=False, rename_outputs=False)
    graph = helper.make_graph(
        [*hama.graph.node, *whisper.graph.node],
        "listener",
        list(hama.graph.input),
        [*hama.graph.output, helper.make_tensor_value_info("whisper", TensorProto.FLOAT, [1, "steps", WIDTH])],
        [*hama.graph.initializer, *whisper.graph.initializer],
    )
    opsets = {entry.domain: entry.version for entry in [*whisper.opset_import, *hama.opset_import]}
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in opsets.items()])
    model.ir_version = min(hama.ir_version, 10)
    return model


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
        "command": "python -m training.listener.export --hama asr_waveform_fp16.onnx --whisper model.bin "
        + ("--tuned RUN/listener.safetensors " if tuned else "")
        + "--out DIR",
        **({"tuned": tuned} if tuned else {}),
        "parts": "hama's backbone after eleven and after six blocks, two layers of Whisper's encoder",
        "weights": "Whisper's as signed bytes with one scale per row; hama's as half floats, as published",
        "cosine_to_floats": closeness,
    }
    widths = {"hama": HAMA_SIZE, "middle": HAMA_SIZE, "whisper": WIDTH}
    shapes = (
        {"waveform": [1, "samples"], "waveform_lengths": [1]},
        {name: [1, "steps", width] for name, width in widths.items()},
    )
    return sidecar(
        content, "phonetic", "3" if tuned else "2", "phonetic", shapes, 50, sum(widths.values()),
        "Apache-2.0 (hama), MIT (Whisper tiny.en); see LICENSES/NOTICE.md",
        "Speech recognisers as published: hama 1.3.13 (English and Korean), Whisper tiny.en (English)" + learned,
        provenance,
    )  # fmt: skip


def export(hama: Path, whisper: Path, out: Path, tuned: Path | None = None) -> Path:
    """Write ``phonetic.onnx`` and its sidecar to ``out`` and return the path.

    ``tuned`` (.safetensors) holds weights of Whisper's layers that were tuned with the content network.

    Raises
    ------
    ValueError
        If a source is not what it should be, or the joined graph's output differs from that of its parts.
    """
    net = HalfWhisper()
    net.load(read_ctranslate2(whisper))
    if tuned:
        net.tune(tuned)
    content = joined(onnx.load(hama), as_bytes(half_whisper_onnx(net), EXACT)).SerializeToString()
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
    parser.add_argument("--hama", type=Path, required=True, help="asr_waveform_fp16.onnx of hama 1.3.13")
    parser.add_argument("--whisper", type=Path, required=True, help="model.bin of Whisper tiny.en for CTranslate2")
    parser.add_argument("--tuned", type=Path, help="listener.safetensors of a training run")
    parser.add_argument("--out", type=Path, required=True, help="folder for phonetic.onnx and its sidecar")
    args = parser.parse_args(argv)
    return exit_code(lambda: export(args.hama, args.whisper, args.out, args.tuned) and None, "not built")


if __name__ == "__main__":
    sys.exit(main())
