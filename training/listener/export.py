"""Build the phonetic listener the core ships: ``python -m training.listener.export --hama FILE --whisper FILE --out DIR``.

``--tuned RUN/listener.safetensors`` takes the weights that ``training.content.train`` taught Whisper's layers together with the
content network, which then hears with nothing else.

Two speech recognisers are cut open and joined into one graph, waveform in, hidden features at 50 Hz out:

* **hama** (1.3.13, Apache-2.0): the end and the middle of its convolutional backbone. The attention layers that follow
  were tried and left out: they add nothing for lips, cost as much as the rest of it, and know English better;
* **Whisper tiny.en** (weights MIT, read from a CTranslate2 ``model.bin``): what its encoder knows after two of its
  four layers. The rest turns sounds into words, which lips do not care for, and costs as much again.

On unseen speakers the lips' opening correlates .05 better than with hama's last layer alone. Whisper's weights are
kept as bytes with one scale per row and made floats again when the graph is loaded. Exit code 0 when written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import struct
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnx
import torch
from mouthpiece.features import RATE
from mouthpiece.models.registry import SIDECAR_FORMAT
from mouthpiece.models.session import OnnxSession
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..content.export import DATA
from ..onnx_export import as_bytes

log = logging.getLogger(__name__)

OPSET = 18
#: Domain of the operators that ONNX Runtime adds to the standard.
RUNTIME = "com.microsoft"
#: Tensors of hama's graph that are listened to (after eleven and after six of its blocks), and their width.
HAMA_TENSORS = tuple(f"/acoustic_model/backbone/backbone.{block}/Add_output_0" for block in (10, 5))
HAMA_SIZE = 256
#: Whisper's layout: width, heads, mel bands, FFT and hop at 16 kHz, and how many of its layers are used.
WIDTH, HEADS, MELS, FFT, HOP, LAYERS = 384, 6, 80, 400, 160, 2
#: Longest window in hidden frames (30 seconds, what Whisper was trained on).
POSITIONS = 1500
#: Weights that stay floats: the spectral front end, because a logarithm follows.
EXACT = ("waves", "bands")

_CTRANSLATE2_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


def read_ctranslate2(path: Path) -> dict[str, NDArray[Any]]:
    """Return the variables of a CTranslate2 ``model.bin`` (format 6) by name.

    Raises
    ------
    ValueError
        If it is not such a file.
    """
    data, at = path.read_bytes(), 0

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        at += length
        return data[at - length : at].rstrip(b"\0").decode()

    try:
        if number("I") != 6:
            raise ValueError("its format is not 6")
        text()  # name of the model's specification
        number("I")  # and its revision
        found = {}
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            kind = _CTRANSLATE2_TYPES[number("B")]
            size = number("I")
            found[name] = np.frombuffer(data[at : at + size], kind).reshape(shape)
            at += size
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"'{path}' is not a CTranslate2 model this reads ({error})") from error
    return found


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return what each step (1, T, 384) takes from all others, with six heads."""
    heads = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (query, key, value))
    return nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


class Attention(torch.autograd.Function):
    """:func:`attend` for export: ONNX Runtime's own operator, which never holds all of its table at once."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return what each step (1, T, 384) takes from all others."""
        return attend(query, key, value)

    @staticmethod
    def symbolic(g: Any, query: Any, key: Any, value: Any) -> Any:
        """Return the operator in the graph ``g``."""
        found = g.op(f"{RUNTIME}::MultiHeadAttention", query, key, value, num_heads_i=HEADS)
        found.setType(query.type())
        return found


class Layer(nn.Module):
    """One pre-norm transformer layer of Whisper's encoder."""

    def __init__(self) -> None:
        """Make a layer with random weights."""
        super().__init__()
        self.attention_norm, self.norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mix, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return the next layer's input (1, T, 384)."""
        taken = Attention.apply if torch.onnx.is_in_onnx_export() else attend
        x = x + self.out(taken(*self.mix(self.attention_norm(x)).chunk(3, dim=-1)))
        y: Tensor = x + self.narrow(nn.functional.gelu(self.widen(self.norm(x))))
        return y


class HalfWhisper(nn.Module):
    """Whisper's log-mel front end and first encoder layers (Radford et al. 2022): waveform to features (1, T, 384)."""

    waves: Tensor
    bands: Tensor
    positions: Tensor

    def __init__(self) -> None:
        """Make the network with random weights; see :meth:`load`."""
        super().__init__()
        phase = 2 * np.pi * np.outer(np.arange(FFT // 2 + 1), np.arange(FFT)) / FFT
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)
        waves = np.concatenate([np.cos(phase) * window, np.sin(phase) * window])
        self.register_buffer("waves", torch.from_numpy(waves[:, None].astype(np.float32)))
        bands = librosa.filters.mel(sr=RATE, n_fft=FFT, n_mels=MELS)
        self.register_buffer("bands", torch.from_numpy(bands.astype(np.float32)))
        rates = np.exp(-np.log(10000) / (WIDTH // 2 - 1) * np.arange(WIDTH // 2))
        angles = np.arange(POSITIONS)[:, None] * rates
        table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        self.register_buffer("positions", torch.from_numpy(table.astype(np.float32)))
        self.first = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def load(self, variables: dict[str, NDArray[Any]]) -> None:
        """Take the weights of a CTranslate2 Whisper.

        Raises
        ------
        ValueError
            If one is missing or has another shape.
        """
        for module, name in self._sources():
            try:
                keys = ("gamma", "beta") if isinstance(module, nn.LayerNorm) else ("weight", "bias")
                for parameter, key in zip((module.weight, module.bias), keys, strict=True):
                    value = torch.from_numpy(variables[f"encoder/{name}/{key}"].astype(np.float32))
                    if value.shape != parameter.shape:
                        raise ValueError(f"'{name}' has shape {tuple(value.shape)}: not Whisper tiny")
                    parameter.data.copy_(value)
            except KeyError as error:
                raise ValueError(f"the model holds no {error}: not a Whisper") from error

    def tune(self, path: Path) -> None:
        """Take the weights of the layers from ``path`` (.safetensors), as a tuning run wrote them.

        Raises
        ------
        ValueError
            If they are another network's.
        """
        try:
            self.layers.load_state_dict(load_file(path))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(f"'{path}' does not hold a tuned listener's weights ({error})") from error

    def _sources(self) -> list[tuple[Any, str]]:
        pairs: list[tuple[Any, str]] = [(self.first, "conv1"), (self.second, "conv2")]
        for k, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            pairs += [
                (layer.attention_norm, f"layer_{k}/self_attention/layer_norm"),
                (layer.mix, f"layer_{k}/self_attention/linear_0"),
                (layer.out, f"layer_{k}/self_attention/linear_1"),
                (layer.norm, f"layer_{k}/ffn/layer_norm"),
                (layer.widen, f"layer_{k}/ffn/linear_0"),
                (layer.narrow, f"layer_{k}/ffn/linear_1"),
            ]
        return pairs

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Return Whisper's log-mel spectrogram (1, 80, N // 160) of ``waveform`` (1, N) at 16 kHz."""
        padded = nn.functional.pad(waveform[:, None], (FFT // 2, FFT // 2), mode="reflect")
        parts = nn.functional.conv1d(padded, self.waves, stride=HOP)[..., :-1]
        real, imaginary = parts.chunk(2, dim=1)
        level = (self.bands @ (real**2 + imaginary**2)).clamp_min(1e-10).log10()
        return (torch.maximum(level, level.amax() - 8) + 4) / 4

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the hidden features (1, N // 320, 384) of ``waveform`` (1, N), 0.1 to 30 seconds at 16 kHz."""
        return self.hear(waveform, 0)

    def hear(self, waveform: Tensor, first: int) -> Tensor:
        """Return the same for a cutting whose first step is number ``first`` of its window."""
        x = nn.functional.gelu(self.first(self.log_mel(waveform)))
        x = nn.functional.gelu(self.second(x)).transpose(1, 2)
        x = x + self.positions[first : first + x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return x


def half_whisper_onnx(net: HalfWhisper, path: Path) -> onnx.ModelProto:
    """Return ``net`` as ONNX (``waveform`` to ``whisper``), written to ``path`` on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter, as in training.content.export
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, 5 * RATE),),
            str(path),
            input_names=["waveform"],
            output_names=["whisper"],
            dynamic_axes={"waveform": {1: "samples"}, "whisper": {1: "steps"}},
            opset_version=OPSET,
            custom_opsets={RUNTIME: 1},
            dynamo=False,
        )
    return onnx.load(path)


def joined(hama: onnx.ModelProto, whisper: onnx.ModelProto) -> onnx.ModelProto:
    """Return one graph of both: ``waveform`` and ``waveform_lengths`` in; ``hama``, ``middle``, ``whisper`` out.

    All outputs are (1, steps, width) at 50 Hz; their lengths may differ by a step or two.
    """
    del hama.graph.output[:]
    for source, name in zip(HAMA_TENSORS, ("hama", "middle"), strict=True):
        # hama stores half floats and computes its hidden layers in them; what leaves is plain
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
    """Remove the nodes and weights nothing that leaves ``graph`` depends on."""
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


def sidecar(path: Path, closeness: float, tuned: str = "") -> dict[str, Any]:
    """Return the description that travels with the listener at ``path``.

    ``closeness`` is what :func:`agreement` says, ``tuned`` the hash of the weights it was tuned to, if it was.
    """
    learned = f"; Whisper's layers were trained further with the content network. {DATA}" if tuned else ""
    return {
        "format": SIDECAR_FORMAT,
        "name": "phonetic",
        "version": "3" if tuned else "2",
        "kind": "phonetic",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "inputs": {"waveform": [1, "samples"], "waveform_lengths": [1]},
        "outputs": {
            "hama": [1, "steps", HAMA_SIZE],
            "middle": [1, "steps", HAMA_SIZE],
            "whisper": [1, "steps", WIDTH],
        },
        "rate": 50,
        "features": 2 * HAMA_SIZE + WIDTH,
        "licence": "Apache-2.0 (hama), MIT (Whisper tiny.en); see LICENSES/NOTICE.md",
        "data": "Speech recognisers as published: hama 1.3.13 (English and Korean), Whisper tiny.en (English)"
        + learned,
        "provenance": {
            "command": "python -m training.listener.export --hama asr_waveform_fp16.onnx --whisper model.bin "
            + ("--tuned RUN/listener.safetensors " if tuned else "")
            + "--out DIR",
            **({"tuned": tuned} if tuned else {}),
            "parts": "hama's backbone after eleven and after six blocks, two layers of Whisper's encoder",
            "weights": "Whisper's as signed bytes with one scale per row; hama's as half floats, as published",
            "cosine_to_floats": closeness,
        },
    }


def build(hama: Path, whisper: Path, out: Path, tuned: Path | None = None) -> Path:
    """Write ``phonetic.onnx`` and its sidecar to ``out`` and return the path.

    ``tuned`` (.safetensors) are weights Whisper's layers learned with the content network.

    Raises
    ------
    ValueError
        If a source is not what it should be, or the joined graph says something else than its parts.
    """
    net = HalfWhisper()
    net.load(read_ctranslate2(whisper))
    if tuned:
        net.tune(tuned)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "phonetic.onnx"
    with tempfile.TemporaryDirectory() as folder:
        model = joined(onnx.load(hama), as_bytes(half_whisper_onnx(net, Path(folder) / "whisper.onnx"), EXACT))
        onnx.save(model, Path(folder) / "phonetic.onnx")
        content = (Path(folder) / "phonetic.onnx").read_bytes()
    closeness = agreement(net, content)
    if closeness < 0.998:
        raise ValueError(f"the stored Whisper differs from the original: cosine {closeness:.4f}")
    path.write_bytes(content)
    described = sidecar(path, round(closeness, 5), hashlib.sha256(tuned.read_bytes()).hexdigest() if tuned else "")
    text = json.dumps(described, indent=1) + "\n"
    path.with_name(path.name + ".json").write_text(text, encoding="utf-8")
    log.info("%s: %.1f MB, cosine to the original %.5f", path, len(content) / 1e6, closeness)
    return path


@torch.no_grad()
def agreement(net: HalfWhisper, content: bytes, seed: int = 0) -> float:
    """Return the mean cosine of the joined graph's Whisper features to those of ``net``, on noise with a rhythm."""
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
    parser = argparse.ArgumentParser(
        prog="python -m training.listener.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--hama", type=Path, required=True, help="asr_waveform_fp16.onnx of hama 1.3.13")
    parser.add_argument("--whisper", type=Path, required=True, help="model.bin of Whisper tiny.en for CTranslate2")
    parser.add_argument("--tuned", type=Path, help="listener.safetensors of a training run")
    parser.add_argument("--out", type=Path, required=True, help="folder for phonetic.onnx and its sidecar")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        build(args.hama, args.whisper, args.out, args.tuned)
    except (OSError, ValueError) as error:
        log.error("not built: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
