"""The voice print network: ``python -m training.speaker.voice --weights pretrained.pt --out core/mouthpiece/assets``.

Resemblyzer's speaker encoder (weights Apache-2.0; Wan et al. 2018, "Generalized end-to-end loss for speaker
verification"): 1.6 seconds of sound to 256 numbers of unit length that are alike for one voice and differ between
voices. Re-made here with its mel front end in the graph, so that nothing but samples goes in; its weights are kept as
bytes. Exit code 0 when written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import onnx
import torch
from mouthpiece.features import RATE
from mouthpiece.models.registry import SIDECAR_FORMAT
from mouthpiece.models.session import OnnxSession
from mouthpiece.speaker import PART_SAMPLES, VOICE_SIZE
from torch import Tensor, nn

from ..listener.export import OPSET
from ..onnx_export import as_bytes

log = logging.getLogger(__name__)

MELS, FFT, HOP, HIDDEN, LAYERS = 40, 400, 160, 256, 3
#: Least cosine of the stored network's voice prints to the original's.
CLOSENESS = 0.99


class VoiceNet(nn.Module):
    """Mel power spectra, three LSTM layers, a projection; the last frame's output counts."""

    waves: Tensor
    bands: Tensor

    def __init__(self) -> None:
        """Make the network with random weights."""
        super().__init__()
        phase = 2 * np.pi * np.outer(np.arange(FFT // 2 + 1), np.arange(FFT)) / FFT
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)
        waves = np.concatenate([np.cos(phase) * window, np.sin(phase) * window])
        self.register_buffer("waves", torch.from_numpy(waves[:, None].astype(np.float32)), persistent=False)
        bands = librosa.filters.mel(sr=RATE, n_fft=FFT, n_mels=MELS)
        self.register_buffer("bands", torch.from_numpy(bands.astype(np.float32)), persistent=False)
        self.lstm = nn.LSTM(MELS, HIDDEN, LAYERS, batch_first=True)
        self.linear = nn.Linear(HIDDEN, VOICE_SIZE)

    @classmethod
    def load(cls, path: Path) -> VoiceNet:
        """Return the network with the weights of Resemblyzer's ``pretrained.pt``.

        Raises
        ------
        ValueError
            If the file holds something else.
        """
        net = cls()
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
            net.load_state_dict({k: v for k, v in state.items() if k.startswith(("lstm.", "linear."))})
        except (OSError, KeyError, TypeError, RuntimeError, ValueError) as error:
            raise ValueError(f"'{path}' does not hold the speaker encoder's weights ({error})") from error
        return net.eval()

    def mel(self, sound: Tensor) -> Tensor:
        """Return mel power spectra (B, T, 40) of sounds (B, N) at 16 kHz; frames do not reach beyond the ends."""
        parts = nn.functional.conv1d(sound[:, None], self.waves, stride=HOP)
        real, imaginary = parts.chunk(2, dim=1)
        return (self.bands @ (real**2 + imaginary**2)).transpose(1, 2)

    def embed(self, mel: Tensor) -> Tensor:
        """Return voice prints (B, 256) of unit length from mel power spectra (B, 160, 40)."""
        rows, _ = self.lstm(mel)
        raw = torch.relu(self.linear(rows[:, -1]))
        return raw / raw.norm(dim=1, keepdim=True).clamp_min(1e-6)

    def forward(self, sound: Tensor) -> Tensor:
        """Return voice prints (B, 256) of pieces of sound (B, 25840)."""
        return self.embed(self.mel(sound))


def build(weights: Path, out: Path) -> Path:
    """Write ``voice.onnx`` and its sidecar to ``out`` and return the path.

    Raises
    ------
    ValueError
        If the weights are not the speaker encoder's, or the stored network differs too much from them.
    """
    net = VoiceNet.load(weights)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter, as in training.content.export
        part = Path(folder) / "voice.onnx"
        torch.onnx.export(
            net, (torch.zeros(2, PART_SAMPLES),), str(part), input_names=["sound"], output_names=["voice"],
            dynamic_axes={"sound": {0: "parts"}, "voice": {0: "parts"}}, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
        content = as_bytes(onnx.load(part)).SerializeToString()
    closeness = agreement(net, content)
    if closeness < CLOSENESS:
        raise ValueError(f"the stored voice prints differ from the original's: cosine {closeness:.4f}")
    out.mkdir(parents=True, exist_ok=True)
    path = out / "voice.onnx"
    path.write_bytes(content)
    described = {
        "format": SIDECAR_FORMAT,
        "name": "voice",
        "version": "1",
        "kind": "voice",
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": {"sound": ["parts", PART_SAMPLES]},
        "outputs": {"voice": ["parts", VOICE_SIZE]},
        "rate": RATE / PART_SAMPLES,
        "features": VOICE_SIZE,
        "licence": "Apache-2.0; see LICENSES/NOTICE.md",
        "data": "Speaker verification corpora, as published with Resemblyzer 0.1.4",
        "provenance": {
            "command": "python -m training.speaker.voice --weights pretrained.pt --out DIR",
            "weights": "signed bytes with one scale per row",
            "cosine_to_floats": round(closeness, 5),
        },
    }
    path.with_name(path.name + ".json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    log.info("%s: %.1f MB, cosine to the original %.5f", path, len(content) / 1e6, closeness)
    return path


@torch.no_grad()
def agreement(net: VoiceNet, content: bytes, seed: int = 0) -> float:
    """Return the least cosine of the stored network's voice prints to those of ``net``, on made-up vowels."""
    rng = np.random.default_rng(seed)
    times = np.arange(PART_SAMPLES) / RATE
    pitch = 90 + 160 * rng.random((8, 1))
    vowels = sum(np.sin(2 * np.pi * k * pitch * times + k) / k ** rng.uniform(0.5, 2, (8, 1)) for k in range(1, 20))
    sound = (0.02 * vowels * (1 + np.sin(2 * np.pi * 3 * times)) / 2).astype(np.float32)
    found = OnnxSession(content, "voice")({"sound": sound})["voice"]
    return float((found * net(torch.from_numpy(sound)).numpy()).sum(axis=1).min())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.speaker.voice",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--weights", type=Path, required=True, help="pretrained.pt of Resemblyzer 0.1.4")
    parser.add_argument("--out", type=Path, required=True, help="folder for voice.onnx and its sidecar")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        build(args.weights, args.out)
    except (OSError, ValueError) as error:
        log.error("not built: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
