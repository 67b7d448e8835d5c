"""From a run to what the core runs: ``python -m training.portrait.export CHECKPOINT --out core/mouthpiece/assets``.

Writes ``NAME.onnx`` (weights stored as bytes) and its sidecar ``NAME.onnx.json`` after checking that ONNX Runtime and
torch agree on random conditions of several sizes. Exit code 0 when written, 1 when not.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece.portrait.draw.generator import INPUTS, KIND, OUTPUT
from torch import Tensor, nn

from ..command_line import exit_code, parser_of
from ..networks.onnx_export import LICENCE, compressed, sidecar, traced, worst_difference, write_network
from .networks import Repair
from .train import load_weights

log = logging.getLogger(__name__)

#: Largest difference that storing weights as bytes may make on random conditions, for pixels 0..1 (on three frames of
#: faces the shipped network differs by .0052 at most).
STORED_TOLERANCE = 0.02
#: Sides of frames must be multiples of this many pixels.
STEP = 16
CONFIG = "training/configs/portrait.json"
DATA = (
    "256 x 256 crops of 47 people, 8,200 frames, with tracked landmarks, from actors' public demo reels and samples of "
    "research repositories; validated on 6 other people. The clips are not included; the network is told a face by the "
    "picture it is given, and stores none."
)


class ExportedGenerator(nn.Module):
    """The network as the core calls it, with one input for each condition."""

    def __init__(self, net: Repair) -> None:
        """Wrap ``net``."""
        super().__init__()
        self.net = net

    def forward(self, *conditions: Tensor) -> Tensor:
        """Return the frame (N, 3, H, W) for conditions in the order of ``INPUTS``."""
        frame: Tensor = self.net(torch.cat(conditions, dim=1))
        return frame


def to_onnx(net: Repair) -> bytes:
    """Return ``net`` as an ONNX file for frames of any size."""
    examples = tuple(torch.zeros(1, planes, 4 * STEP, 4 * STEP) for planes in INPUTS.values())
    free = {name: {2: "height", 3: "width"} for name in (*INPUTS, OUTPUT)}
    return traced(ExportedGenerator(net), examples, list(INPUTS), [OUTPUT], free)


def disagreement(
    net: Repair, content: bytes, sizes: Sequence[tuple[int, int]] = ((64, 64), (208, 176), (256, 256))
) -> float:
    """Return the largest difference between ``net`` and an ONNX file on random conditions of ``sizes``."""
    rng = np.random.default_rng(0)
    samples = (
        {name: rng.random((1, planes, height, width), np.float32) for name, planes in INPUTS.items()}
        for height, width in sizes
    )
    return worst_difference(ExportedGenerator(net), content, [OUTPUT], samples)


def export(checkpoint: Path, out: Path, name: str = KIND, data: str = DATA, **notes_more: Any) -> Path:
    """Write the network in ``checkpoint`` and its sidecar to the folder ``out``; return the ONNX file's path.

    ``notes_more`` are added to the provenance.

    Raises
    ------
    ValueError
        If torch and ONNX Runtime disagree, or the checkpoint is unusable. Nothing is then written.
    """
    net, notes = load_weights(checkpoint)
    content, facts = compressed(to_onnx(net), lambda made: disagreement(net, made), STORED_TOLERANCE, "frames")
    config = json.loads(notes["config"])
    provenance = {
        "command": f"python -m training.portrait.train --config {CONFIG} --data DATA --out RUN",
        "config": config,
        "seed": config["seed"],
        "step": int(notes["step"]),
        "validation": json.loads(notes["validation"]),
    }
    shapes = (
        {key: [1, planes, "height", "width"] for key, planes in INPUTS.items()},
        {OUTPUT: [1, 3, "height", "width"]},
    )
    described = sidecar(
        content, name, str(config["version"]), KIND, shapes, 0, 0, LICENCE, data, provenance | facts | notes_more
    )
    path = write_network(out / f"{name}.onnx", content, described)
    log.info("%s: %.1f MB, at most %s from torch", path, len(content) / 1e6, facts["torch_onnx_difference"])
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.portrait.export", __doc__)
    parser.add_argument("checkpoint", type=Path, help="average.safetensors of a run")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.onnx and NAME.onnx.json")
    parser.add_argument("--name", default=KIND)
    args = parser.parse_args(argv)
    return exit_code(lambda: export(args.checkpoint, args.out, args.name) and None, "not exported")


if __name__ == "__main__":
    sys.exit(main())
