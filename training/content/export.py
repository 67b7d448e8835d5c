"""From a checkpoint to a network of the core: ``python -m training.content.export CHECKPOINT --out DIR``.

Writes ``NAME.onnx`` and its sidecar ``NAME.onnx.json`` after checking that ONNX Runtime and torch agree on random
input of several lengths. Exit code 0 when written, 1 when they disagree or the checkpoint is unusable.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mouthpiece.features import FRAME_RATE
from mouthpiece.models.registry import find
from mouthpiece.topology import ARKIT_NAMES, LANDMARK_COUNT, MIRROR
from torch import Tensor, nn

from ..command_line import exit_code, parser_of
from ..networks.onnx_export import LICENCE, SPEECH_DATA, compressed, sidecar, traced, worst_difference, write_network
from ..networks.weights import load_network
from ..pack.clips import LABELLED
from .networks import LANDMARK_NUMBERS, ContentNet, ContentShape, Finish

log = logging.getLogger(__name__)

#: Largest difference that storing weights as bytes may make, in outer-eye distances and ARKit weights, on random
#: features (the shipped network: .0016; on the demo line .0003 of an eye distance and .0011 of a weight).
STORED_TOLERANCE = 0.01
CONFIG = "training/configs/content.json"
OUTPUTS = ("landmarks", "arkit")


class ExportedContent(nn.Module):
    """The network as the core calls it, with a last column of zeros for ``tongueOut``, which is never labelled.

    Both halves of the face are made to move alike. Sound does not tell to which side a mouth is drawn, so that what the
    network does differently on the two sides is an average fault of its tracker and speakers. Training on mirrored
    faces would give the same.
    """

    mirror: Tensor
    turned: Tensor
    swap: Tensor
    taps: Tensor

    def __init__(self, net: ContentNet, finish: Finish | None = None) -> None:
        """Wrap ``net``; ``finish`` (default: none) filters what it predicts."""
        super().__init__()
        self.net = net
        finish = finish or Finish()
        self.amplitude = finish.amplitude
        self.register_buffer("taps", torch.tensor(finish.kernel()))
        points = np.array(MIRROR)[:, None] * 3 + np.arange(3)
        self.register_buffer("mirror", torch.from_numpy(points.ravel()))
        self.register_buffer("turned", torch.tensor([-1.0, 1.0, 1.0]).repeat(LANDMARK_COUNT))
        self.register_buffer("swap", torch.tensor([LABELLED.index(_other_side(name)) for name in LABELLED]))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return landmarks (1, T, 204) and ARKit weights (1, T, 52) for ``features`` (1, T, 1076)."""
        landmarks, arkit = self.net(features)
        landmarks = self.amplitude * self._filtered(landmarks)
        arkit = self._filtered(arkit).clamp(0, 1)
        landmarks = 0.5 * (landmarks + landmarks[..., self.mirror] * self.turned)
        arkit = 0.5 * (arkit + arkit[..., self.swap])
        return landmarks, nn.functional.pad(arkit, (0, 1))

    def _filtered(self, motion: Tensor) -> Tensor:
        """Return ``motion`` (1, T, C) filtered over time; the first and last frames are repeated beyond the ends."""
        reach = len(self.taps) // 2
        held = nn.functional.pad(motion.transpose(1, 2), (reach, reach), mode="replicate")
        return nn.functional.conv1d(held.transpose(0, 1), self.taps[None, None]).permute(1, 2, 0)


def _other_side(name: str) -> str:
    """Return the name of the ARKit shape that mirrors the shape ``name``."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    return name.removesuffix("Right") + "Left" if name.endswith("Right") else name


def finish_of(notes: Mapping[str, str]) -> Finish:
    """Return the finish in the configuration that a checkpoint's ``notes`` hold."""
    return Finish.of(json.loads(notes.get("config", "{}")).get("finish", {}), "the checkpoint's finish")


def load_checkpoint(path: Path) -> tuple[ContentNet, dict[str, str]]:
    """Return the network stored in ``path`` (.safetensors), ready to run, and the notes stored with it.

    Raises
    ------
    ValueError
        If it is not a checkpoint of this network.
    """
    return load_network(
        path, lambda notes: ContentNet(ContentShape.of(json.loads(notes["shape"]), "its shape")), "the content network"
    )


def to_onnx(net: ContentNet, finish: Finish | None = None) -> bytes:
    """Return ``net`` as an ONNX file for any number of frames."""
    example = torch.zeros(1, 50, len(net.mean))
    free = {name: {1: "frames"} for name in ("features", *OUTPUTS)}
    return traced(ExportedContent(net.eval(), finish), (example,), ["features"], OUTPUTS, free)


def disagreement(
    net: ContentNet,
    content: bytes,
    finish: Finish | None = None,
    lengths: Sequence[int] = (1, 7, 50, 600),
    seed: int = 0,
) -> float:
    """Return the largest absolute difference between ``net`` and an ONNX file on random sequences of ``lengths``."""
    rng, spread = np.random.default_rng(seed), 1 / net.scale.numpy()
    samples = (
        {"features": (net.mean.numpy() + spread * rng.standard_normal((1, n, len(net.mean)))).astype(np.float32)}
        for n in lengths
    )
    return worst_difference(ExportedContent(net.eval(), finish), content, OUTPUTS, samples)


def listener_for(notes: Mapping[str, str], folder: Path | None) -> str:
    """Return the hash of the listener in ``folder`` (None: the shipped one), if a checkpoint with ``notes`` fits it.

    Raises
    ------
    ValueError
        If it is not the listener that the network was trained with.
    """
    listener = find("phonetic", folder).sidecar
    tuned, known = notes.get("tuned", ""), notes.get("listener", "")
    if tuned != listener.provenance.get("tuned", "") if tuned else known not in ("", listener.sha256):
        raise ValueError(
            "the network learned with another listener than the one it would be put beside. A run that tuned its own "
            "has it as listener.safetensors: first build that into this folder "
            "(python -m training.listener.export --tuned)"
        )
    return listener.sha256


def export(checkpoint: Path, out: Path, name: str = "content") -> Path:
    """Write the network in ``checkpoint`` and its sidecar to the folder ``out``; return the ONNX file's path.

    Raises
    ------
    ValueError
        If torch and ONNX Runtime disagree, the checkpoint is unusable, or the listener in ``out`` (or the shipped one)
        is not the one it was trained with. Nothing is then written.
    """
    net, notes = load_checkpoint(checkpoint)
    finish = finish_of(notes)
    listener, encoder = listener_for(notes, out), notes.get("encoder", "")
    content, facts = compressed(
        to_onnx(net, finish), lambda made: disagreement(net, made, finish), STORED_TOLERANCE, "the motion"
    )
    config = json.loads(notes.get("config", "{}"))
    provenance = {
        "command": f"python -m training.content.train --config {CONFIG} --data DATA --sync LATE "
        + ("--listener PUBLISHED --whisper MODEL " if "tuned" in notes else "")
        + "--out RUN",
        "features": "two phonetic vectors (256 + 256 + 384) and four MFCC frames (13) per motion frame",
        "config": config,
        "seed": config.get("seed"),
        "step": int(notes.get("step", 0)),
        "validation": json.loads(notes.get("validation", "{}")),
    }
    neutral = net.neutral.numpy().astype(float).round(5).tolist()
    assert len(neutral) == LANDMARK_COUNT
    shapes = (
        {"features": [1, "frames", len(net.mean)]},
        {"landmarks": [1, "frames", LANDMARK_NUMBERS], "arkit": [1, "frames", len(ARKIT_NAMES)]},
    )
    described = sidecar(
        content, name, str(config.get("version", "0")), "content", shapes, FRAME_RATE, len(net.mean), LICENCE,
        SPEECH_DATA, provenance | facts, listener=listener, **({"encoder": encoder} if encoder else {}),
        neutral=neutral, arkit_names=list(ARKIT_NAMES),
    )  # fmt: skip
    path = write_network(out / f"{name}.onnx", content, described)
    log.info("%s: %.1f MB, at most %s from torch", path, len(content) / 1e6, facts["torch_onnx_difference"])
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.content.export", __doc__)
    parser.add_argument("checkpoint", type=Path, help="best.safetensors of a run")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.onnx and NAME.onnx.json")
    parser.add_argument("--name", default="content")
    args = parser.parse_args(argv)
    return exit_code(lambda: export(args.checkpoint, args.out, args.name) and None, "not exported")


if __name__ == "__main__":
    sys.exit(main())
