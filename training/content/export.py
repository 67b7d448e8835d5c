"""From a checkpoint to what the core runs: ``python -m training.content.export CHECKPOINT --out core/mouthpiece/assets``.

Writes ``NAME.onnx`` and its sidecar ``NAME.onnx.json`` after checking that ONNX Runtime and torch agree on random
and on silent input of several lengths. Exit code 0 when written, 1 when they disagree or the checkpoint is unusable.
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
from mouthpiece.features import FRAME_RATE
from mouthpiece.models.registry import SIDECAR_FORMAT, find
from mouthpiece.models.session import OnnxSession
from mouthpiece.topology import ARKIT_NAMES, LANDMARK_COUNT, MIRROR
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..onnx_export import as_bytes
from ..pack.clips import LABELLED
from .networks import LANDMARK_NUMBERS, ContentNet, Finish, Shape

log = logging.getLogger(__name__)

OPSET = 18
#: Largest difference between torch and ONNX Runtime that is taken for rounding.
TOLERANCE = 1e-4
#: Largest difference that storing weights as bytes may make, in outer-eye distances and ARKit weights, on random
#: features (the shipped network: .0016; on the demo line .0003 of an eye distance and .0011 of a weight).
STORED_TOLERANCE = 0.01
CONFIG = "training/configs/content.json"
LICENCE = "GPL-3.0-or-later, as the rest of Mouthpiece"
DATA = (
    "Motion and speech features of 113 speakers, 73 minutes, tracked from public talking-head clips (actors' reels, "
    "samples of research corpora, public pages); 54 of 78 minutes English, 10 Arabic, 5 Portuguese. No identity is "
    "stored in the weights; the sources' terms limit redistribution of the clips, which are not included."
)


class Exported(nn.Module):
    """The network as the core calls it: one sequence in, ``tongueOut`` (never labelled) as a last column of zeros.

    Both halves of the face do the same: nobody hears which side a mouth is drawn to, so what difference the network
    makes is the average crookedness of its tracker and speakers. It is what training on mirrored faces would give.
    """

    mirror: Tensor
    turned: Tensor
    swap: Tensor
    taps: Tensor

    def __init__(self, net: ContentNet, finish: Finish | None = None) -> None:
        """Wrap ``net``; ``finish`` (default: none) is done to what it predicts."""
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
        """Return landmarks (1, T, 204) and ARKit weights (1, T, 52) for ``features`` (1, T, 1844)."""
        landmarks, arkit = self.net(features)
        landmarks = self.amplitude * self._livened(landmarks)
        arkit = self._livened(arkit).clamp(0, 1)
        landmarks = 0.5 * (landmarks + landmarks[..., self.mirror] * self.turned)
        arkit = 0.5 * (arkit + arkit[..., self.swap])
        return landmarks, nn.functional.pad(arkit, (0, 1))

    def _livened(self, motion: Tensor) -> Tensor:
        """Return ``motion`` (1, T, C) filtered over time; beyond the ends the first and last frames hold."""
        reach = len(self.taps) // 2
        held = nn.functional.pad(motion.transpose(1, 2), (reach, reach), mode="replicate")
        return nn.functional.conv1d(held.transpose(0, 1), self.taps[None, None]).permute(1, 2, 0)


def _other_side(name: str) -> str:
    """Return the ARKit name of a shape's mirror image."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    return name.removesuffix("Right") + "Left" if name.endswith("Right") else name


def finish_of(notes: Mapping[str, str]) -> Finish:
    """Return the finish a checkpoint's ``notes`` ask for."""
    return Finish(**json.loads(notes.get("config", "{}")).get("finish", {}))


def load_checkpoint(path: Path) -> tuple[ContentNet, dict[str, str]]:
    """Return the network stored in ``path`` (.safetensors), ready to run, and its notes.

    Raises
    ------
    ValueError
        If it is not a checkpoint of this network.
    """
    try:
        with safe_open(path, "pt") as stored:
            notes = dict(stored.metadata() or {})
            net = ContentNet(Shape(**json.loads(notes["shape"])))
            net.load_state_dict({name: stored.get_tensor(name) for name in stored.keys()})
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"'{path}' is not a checkpoint of the content network ({error})") from error
    return net.eval(), notes


def to_onnx(net: ContentNet, path: Path, finish: Finish | None = None) -> None:
    """Write ``net`` as ONNX with a free number of frames."""
    example = torch.zeros(1, 50, len(net.mean))
    free = {name: {1: "frames"} for name in ("features", "landmarks", "arkit")}
    with warnings.catch_warnings():
        # the tracing exporter is deprecated, but the other one unrolls LSTMs to a fixed length
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Exported(net.eval(), finish).eval(),
            (example,),
            str(path),
            input_names=["features"],
            output_names=["landmarks", "arkit"],
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )


def disagreement(
    net: ContentNet, path: Path, finish: Finish | None = None, lengths: Sequence[int] = (1, 7, 50, 600), seed: int = 0
) -> float:
    """Return the largest absolute difference between torch and ONNX Runtime over random sequences of ``lengths``."""
    session = OnnxSession(path.read_bytes(), path.name)
    wrapped, rng, worst = Exported(net.eval(), finish).eval(), np.random.default_rng(seed), 0.0
    for length in lengths:
        spread = 1 / net.scale.numpy()
        features = (net.mean.numpy() + spread * rng.standard_normal((1, length, len(net.mean)))).astype(np.float32)
        outputs = session({"features": features})
        with torch.no_grad():
            expected = wrapped(torch.from_numpy(features))
        for name, tensor in zip(("landmarks", "arkit"), expected, strict=True):
            worst = max(worst, float(np.abs(outputs[name] - tensor.numpy()).max()))
    return worst


def listener_for(notes: Mapping[str, str], folder: Path | None) -> str:
    """Return the hash of the listener a checkpoint with these ``notes`` hears with: in ``folder``, or the shipped one.

    Raises
    ------
    ValueError
        If the listener there is not the one the network learned with.
    """
    listener = find("phonetic", folder).sidecar
    tuned, known = notes.get("tuned", ""), notes.get("listener", "")
    if tuned != listener.provenance.get("tuned", "") if tuned else known not in ("", listener.sha256):
        raise ValueError(
            "the network learned with another listener than the one it would be put beside. A run that tuned its own "
            "has it as listener.safetensors: first build that into this folder (python -m training.listener.export --tuned)"
        )
    return listener.sha256


def sidecar(
    net: ContentNet,
    path: Path,
    name: str,
    version: str,
    provenance: Mapping[str, Any],
    listener: str,
    encoder: str = "",
) -> dict[str, Any]:
    """Return the description that travels with the ONNX file at ``path``.

    ``listener`` is the hash of the listener it hears with, ``encoder`` that of an encoder it needs besides.
    """
    neutral = net.neutral.numpy().astype(float).round(5).tolist()
    assert len(neutral) == LANDMARK_COUNT
    return {
        "format": SIDECAR_FORMAT,
        "name": name,
        "version": version,
        "kind": "content",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "inputs": {"features": [1, "frames", len(net.mean)]},
        "outputs": {"landmarks": [1, "frames", LANDMARK_NUMBERS], "arkit": [1, "frames", len(ARKIT_NAMES)]},
        "rate": FRAME_RATE,
        "features": len(net.mean),
        "listener": listener,
        **({"encoder": encoder} if encoder else {}),
        "neutral": neutral,
        "arkit_names": list(ARKIT_NAMES),
        "licence": LICENCE,
        "data": DATA,
        "provenance": dict(provenance),
    }


def export(checkpoint: Path, out: Path, name: str = "content") -> Path:
    """Write the network in ``checkpoint`` and its sidecar to the folder ``out``; return the ONNX file's path.

    Raises
    ------
    ValueError
        If torch and ONNX Runtime disagree, the checkpoint is unusable, or the listener in ``out`` (or the shipped one)
        is not the one it learned with. Nothing is then written.
    """
    net, notes = load_checkpoint(checkpoint)
    finish = finish_of(notes)
    out.mkdir(parents=True, exist_ok=True)
    listener = listener_for(notes, out)
    path, part = out / f"{name}.onnx", out / f"{name}.onnx.part"
    try:
        to_onnx(net, part, finish)
        difference = disagreement(net, part, finish)
        if difference > TOLERANCE:
            raise ValueError(f"torch and ONNX Runtime disagree by {difference:.2g} (at most {TOLERANCE:.2g})")
        part.write_bytes(as_bytes(onnx.load(part)).SerializeToString())
        stored = disagreement(net, part, finish)
        if stored > STORED_TOLERANCE:
            raise ValueError(f"weights as bytes change the motion by {stored:.2g} (at most {STORED_TOLERANCE:.2g})")
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
            "torch_onnx_difference": float(f"{difference:.2g}"),
            "weights": "signed bytes with one scale per output",
            "stored_difference": float(f"{stored:.2g}"),
            "torch": torch.__version__,
            "opset": OPSET,
        }
        version, encoder = str(config.get("version", "0")), notes.get("encoder", "")
        described = sidecar(net, part, name, version, provenance, listener, encoder)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    text = json.dumps(described, indent=1) + "\n"
    path.with_name(path.name + ".json").write_text(text, encoding="utf-8")
    log.info("%s: %.1f MB, torch and ONNX Runtime agree within %.2g", path, path.stat().st_size / 1e6, difference)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.content.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="best.safetensors of a run")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.onnx and NAME.onnx.json")
    parser.add_argument("--name", default="content")
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
