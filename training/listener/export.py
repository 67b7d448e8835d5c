"""Build the phonetic listener: ``python -m training.listener.export --whisper FILE --head FILE --out DIR``.

The listener is the front end and the first three of six encoder layers of *Whisper base* (multilingual, weights MIT,
read from a CTranslate2 ``model.bin``): waveform in, hidden features at 50 Hz out. The other layers turn sounds into
words, which lips do not need: with each of them lips are read less well. A small network on top (``training.phones``)
reads phones in the same features.

``--tuned RUN/listener.safetensors`` takes Whisper's last layers as ``training.content.train`` tuned them together with
a content network, which then works with no other listener. Matrices are stored as bytes and multiplied as whole
numbers. Exit code 0 when written.
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
from mouthpiece.models.signatures import READINGS
from onnx import TensorProto, compose, helper, numpy_helper

from ..command_line import exit_code, parser_of
from ..networks.onnx_export import SPEECH_DATA, as_bytes, sidecar, traced, with_whole_numbers, write_network
from ..phones.networks import PhoneHead
from ..phones.readers import load_head
from .whisper import RUNTIME, WIDTH, HalfWhisper, read_ctranslate2

log = logging.getLogger(__name__)

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


def head_onnx(head: PhoneHead) -> onnx.ModelProto:
    """Return a phone head as an ONNX graph from ``hidden`` to ``phones`` and ``word_start``, weights as bytes."""
    free = {name: {1: "steps"} for name in ("hidden", *READINGS)}
    example = (torch.zeros(1, 50, WIDTH),)
    return as_bytes(onnx.load_from_string(traced(head, example, ["hidden"], list(READINGS), free)))


def joined(whisper: onnx.ModelProto, head: onnx.ModelProto | None) -> onnx.ModelProto:
    """Return the listener's graph: ``waveform``, ``waveform_lengths`` in; ``whisper``, and what ``head`` reads, out."""
    if head:
        whisper.ir_version = head.ir_version = max(whisper.ir_version, head.ir_version)
        head = compose.add_prefix(head, "head_", rename_inputs=False, rename_outputs=False)
        outputs = ["whisper", *READINGS]
        whisper = compose.merge_models(whisper, head, [("whisper", "hidden")], outputs=outputs)
    whisper.graph.input.append(helper.make_tensor_value_info("waveform_lengths", TensorProto.INT64, [1]))
    return whisper


def described(content: bytes, closeness: float, tuned: str = "", read: str = "") -> dict[str, Any]:
    """Return the sidecar of the listener.

    ``closeness`` is what :func:`agreement` returns; ``tuned`` and ``read`` are the hashes of tuned weights and of the
    phone head, or empty.
    """
    learned = f"; Whisper's layers were trained further with the content network. {SPEECH_DATA}" if tuned else ""
    provenance = {
        "command": "python -m training.listener.export --whisper model.bin "
        + ("--tuned RUN/listener.safetensors " if tuned else "")
        + ("--head phones.safetensors " if read else "")
        + "--out DIR",
        **({"tuned": tuned} if tuned else {}),
        **({"head": read} if read else {}),
        "parts": "the first three of six layers of Whisper's encoder" + (", a phone head" if read else ""),
        "weights": "signed bytes with one scale per row; products of Whisper's layers in whole numbers",
        "cosine_to_floats": closeness,
    }
    widths = {"whisper": WIDTH} | ({name: int(shape[2] or 0) for name, shape in READINGS.items()} if read else {})
    shapes = (
        {"waveform": [1, "samples"], "waveform_lengths": [1]},
        {name: [1, "steps", width] for name, width in widths.items()},
    )
    return sidecar(
        content, "phonetic", "5" if tuned else "4", "phonetic", shapes, 50, WIDTH,
        "MIT (Whisper base); GPL-3.0-or-later (what reads phones); see LICENSES/NOTICE.md",
        "A speech recogniser as published: Whisper base" + learned, provenance,
    )  # fmt: skip


def export(whisper: Path, out: Path, tuned: Path | None = None, head: Path | None = None) -> Path:
    """Write ``phonetic.onnx`` and its sidecar to ``out`` and return the path.

    ``tuned`` (.safetensors) holds weights of Whisper's last layers that were tuned with the content network, ``head``
    the weights of what reads phones in their output; without it no phones are read.

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
    reader = head_onnx(load_head(head)) if head else None
    content = joined(with_waves(small), reader).SerializeToString()
    closeness = agreement(net, content)
    if closeness < 0.998:
        raise ValueError(f"the stored Whisper differs from the original: cosine {closeness:.4f}")
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() if file else "" for file in (tuned, head)]
    path = write_network(out / "phonetic.onnx", content, described(content, round(closeness, 5), *hashes))
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
    parser.add_argument("--head", type=Path, help="phones.safetensors of training.phones.train, to read phones as well")
    args = parser.parse_args(argv)
    return exit_code(lambda: export(args.whisper, args.out, args.tuned, args.head) and None, "not built")


if __name__ == "__main__":
    sys.exit(main())
