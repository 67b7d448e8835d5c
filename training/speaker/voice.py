"""The voice print network: ``python -m training.speaker.voice --weights pretrained.pt --out core/mouthpiece/assets``.

Resemblyzer's speaker encoder (weights Apache-2.0; Wan et al. 2018, "Generalized end-to-end loss for speaker
verification"): 1.6 seconds of sound to a vector of 256 numbers, of length one, that is alike for one voice and differs
between voices. It is rebuilt here with its mel front end in the graph, so that its input is samples; its weights are
stored as bytes. Exit code 0 when written.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from mouthpiece.features import RATE
from mouthpiece.models.session import OnnxSession
from mouthpiece.speaker import PART_SAMPLES, VOICE_SIZE
from torch import Tensor, nn

from ..command_line import exit_code, parser_of
from ..networks.mel import fourier_waves, mel_bands
from ..networks.onnx_export import as_bytes, sidecar, traced, write_network

log = logging.getLogger(__name__)

MELS, FFT, HOP, HIDDEN, LAYERS = 40, 400, 160, 256, 3
#: Least cosine of the stored network's voice prints to the original's.
CLOSENESS = 0.99


class VoiceNet(nn.Module):
    """Mel power spectra, three LSTM layers, and a projection of the last frame's output."""

    waves: Tensor
    bands: Tensor

    def __init__(self) -> None:
        """Make the network with random weights."""
        super().__init__()
        self.register_buffer("waves", fourier_waves(FFT), persistent=False)
        self.register_buffer("bands", mel_bands(FFT, MELS), persistent=False)
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
        """Return mel power spectra (B, T, 40) of sounds (B, N) at 16 kHz, which are not padded."""
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


def export(weights: Path, out: Path) -> Path:
    """Write ``voice.onnx`` and its sidecar to ``out`` and return the path.

    Raises
    ------
    ValueError
        If the weights are not the speaker encoder's, or the stored network differs too much from them.
    """
    net = VoiceNet.load(weights)
    free = {"sound": {0: "parts"}, "voice": {0: "parts"}}
    exact = traced(net, (torch.zeros(2, PART_SAMPLES),), ["sound"], ["voice"], free)
    content = as_bytes(onnx.load_from_string(exact)).SerializeToString()
    closeness = agreement(net, content)
    if closeness < CLOSENESS:
        raise ValueError(f"the stored voice prints differ from the original's: cosine {closeness:.4f}")
    provenance = {
        "command": "python -m training.speaker.voice --weights pretrained.pt --out DIR",
        "weights": "signed bytes with one scale per row",
        "cosine_to_floats": round(closeness, 5),
    }
    shapes = ({"sound": ["parts", PART_SAMPLES]}, {"voice": ["parts", VOICE_SIZE]})
    described = sidecar(
        content, "voice", "1", "voice", shapes, RATE / PART_SAMPLES, VOICE_SIZE,
        "Apache-2.0; see LICENSES/NOTICE.md",
        "Speaker verification corpora, as published with Resemblyzer 0.1.4", provenance,
    )  # fmt: skip
    path = write_network(out / "voice.onnx", content, described)
    log.info("%s: %.1f MB, cosine to the original %.5f", path, len(content) / 1e6, closeness)
    return path


@torch.no_grad()
def agreement(net: VoiceNet, content: bytes, seed: int = 0) -> float:
    """Return the least cosine between the voice prints of the stored network and of ``net``, on synthetic vowels."""
    rng = np.random.default_rng(seed)
    times = np.arange(PART_SAMPLES) / RATE
    pitch = 90 + 160 * rng.random((8, 1))
    vowels = sum(np.sin(2 * np.pi * k * pitch * times + k) / k ** rng.uniform(0.5, 2, (8, 1)) for k in range(1, 20))
    sound = (0.02 * vowels * (1 + np.sin(2 * np.pi * 3 * times)) / 2).astype(np.float32)
    found = OnnxSession(content, "voice")({"sound": sound})["voice"]
    return float((found * net(torch.from_numpy(sound)).numpy()).sum(axis=1).min())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.speaker.voice", __doc__)
    parser.add_argument("--weights", type=Path, required=True, help="pretrained.pt of Resemblyzer 0.1.4")
    parser.add_argument("--out", type=Path, required=True, help="folder for voice.onnx and its sidecar")
    args = parser.parse_args(argv)
    return exit_code(lambda: export(args.weights, args.out) and None, "not built")


if __name__ == "__main__":
    sys.exit(main())
