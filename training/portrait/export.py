"""From a run to what the core runs: ``python -m training.portrait.export CHECKPOINT --out core/mouthpiece/assets``.

Writes ``NAME.onnx`` (weights stored as bytes) and its sidecar ``NAME.onnx.json`` after checking that ONNX Runtime and
torch agree on random conditions of several sizes. Exit code 0 when written, 1 when not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from mouthpiece.models.registry import SIDECAR_FORMAT
from mouthpiece.models.session import OnnxSession
from mouthpiece.portrait.draw.generator import INPUTS, KIND, OUTPUT
from torch import Tensor, nn

from ..content.export import LICENCE, OPSET
from ..onnx_export import as_bytes
from .networks import Repair
from .train import load_weights

log = logging.getLogger(__name__)

#: Largest difference between torch and ONNX Runtime, and that weights as bytes may make on random conditions, in 0..1
#: (on three frames of faces the shipped network differs by .0052 at most).
TOLERANCE, STORED_TOLERANCE = 1e-4, 0.02
#: Sides must be multiples of this.
STEP = 16
CONFIG = "training/configs/portrait.json"
DATA = (
    "256 x 256 crops of 47 people, 8,200 frames, with tracked landmarks, from actors' public demo reels and samples of "
    "research repositories; validated on 6 other people. The clips are not included; the network is told a face by the "
    "picture it is given, and stores none."
)


class Exported(nn.Module):
    """The network as the core calls it: conditions by name."""

    def __init__(self, net: Repair) -> None:
        """Wrap ``net``."""
        super().__init__()
        self.net = net

    def forward(self, *conditions: Tensor) -> Tensor:
        """Return the frame (N, 3, H, W) for conditions in the order of ``INPUTS``."""
        frame: Tensor = self.net(torch.cat(conditions, dim=1))
        return frame


def to_onnx(net: Repair, path: Path) -> None:
    """Write ``net`` as ONNX with free sides."""
    examples = tuple(torch.zeros(1, planes, 4 * STEP, 4 * STEP) for planes in INPUTS.values())
    free = {name: {2: "height", 3: "width"} for name in (*INPUTS, OUTPUT)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated; the networks for speech need it as well
        torch.onnx.export(
            Exported(net).eval(), examples, str(path), input_names=list(INPUTS), output_names=[OUTPUT],
            dynamic_axes=free, opset_version=OPSET, dynamo=False,
        )  # fmt: skip


def disagreement(
    net: Repair, path: Path, sizes: Sequence[tuple[int, int]] = ((64, 64), (208, 176), (256, 256))
) -> float:
    """Return the largest difference between torch and ONNX Runtime on random conditions of ``sizes``."""
    session, rng, worst = OnnxSession(path.read_bytes(), path.name), np.random.default_rng(0), 0.0
    for height, width in sizes:
        given = {name: rng.random((1, planes, height, width), np.float32) for name, planes in INPUTS.items()}
        with torch.no_grad():
            expected = Exported(net)(*(torch.from_numpy(value) for value in given.values())).numpy()
        worst = max(worst, float(np.abs(session(given)[OUTPUT] - expected).max()))
    return worst


def sidecar(path: Path, name: str, version: str, provenance: Mapping[str, Any], data: str = DATA) -> dict[str, Any]:
    """Return the description that travels with the ONNX file at ``path``."""
    return {
        "format": SIDECAR_FORMAT,
        "name": name,
        "version": version,
        "kind": KIND,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "inputs": {key: [1, planes, "height", "width"] for key, planes in INPUTS.items()},
        "outputs": {OUTPUT: [1, 3, "height", "width"]},
        "rate": 0,
        "features": 0,
        "licence": LICENCE,
        "data": data,
        "provenance": dict(provenance),
    }


def export(checkpoint: Path, out: Path, name: str = KIND, data: str = DATA, **notes_more: Any) -> Path:
    """Write the network in ``checkpoint`` and its sidecar to the folder ``out``; return the ONNX file's path.

    ``notes_more`` are added to the provenance.

    Raises
    ------
    ValueError
        If torch and ONNX Runtime disagree, or the checkpoint is unusable. Nothing is then written.
    """
    net, notes = load_weights(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    path, part = out / f"{name}.onnx", out / f"{name}.onnx.part"
    try:
        to_onnx(net, part)
        difference = disagreement(net, part)
        if difference > TOLERANCE:
            raise ValueError(f"torch and ONNX Runtime disagree by {difference:.2g} (at most {TOLERANCE:.2g})")
        part.write_bytes(as_bytes(onnx.load(part)).SerializeToString())
        stored = disagreement(net, part)
        if stored > STORED_TOLERANCE:
            raise ValueError(f"weights as bytes change frames by {stored:.2g} (at most {STORED_TOLERANCE:.2g})")
        config = json.loads(notes["config"])
        provenance = {
            "command": f"python -m training.portrait.train --config {CONFIG} --data DATA --out RUN",
            "config": config,
            "seed": config["seed"],
            "step": int(notes["step"]),
            "validation": json.loads(notes["validation"]),
            "torch_onnx_difference": float(f"{difference:.2g}"),
            "weights": "signed bytes with one scale per output",
            "stored_difference": float(f"{stored:.2g}"),
            "torch": torch.__version__,
            "opset": OPSET,
        } | notes_more
        described = sidecar(part, name, str(config["version"]), provenance, data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    path.with_name(path.name + ".json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    log.info("%s: %.1f MB, torch and ONNX Runtime agree within %.2g", path, path.stat().st_size / 1e6, difference)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.portrait.export", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("checkpoint", type=Path, help="average.safetensors of a run")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.onnx and NAME.onnx.json")
    parser.add_argument("--name", default=KIND)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        export(args.checkpoint, args.out, args.name)
    except (OSError, ValueError) as error:
        log.error("not exported: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
