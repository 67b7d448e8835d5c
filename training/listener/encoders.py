"""Describe an encoder of your own: ``python -m training.listener.encoders MODEL.onnx --out DIR --name hubert-base``.

wav2vec 2.0, HuBERT, ContentVec and their kin, exported to ONNX: one input, a waveform (1, N) at 16 kHz; one output,
hidden features (1, T, D) at 50 vectors a second. The file is tried on sounds of several lengths, which tells D and how
much an encoder without padding loses at its ends, and is copied to DIR as ``encoder.onnx`` with its sidecar. Name DIR
as ``encoder`` in a training configuration. Exit code 0 when written, 1 when it is not such an encoder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import PHONETIC_RATE, RATE
from mouthpiece.models.registry import SIDECAR_FORMAT
from mouthpiece.models.session import OnnxSession

log = logging.getLogger(__name__)

STEP = RATE // PHONETIC_RATE
#: Lengths tried, samples: what is left over when they are cut into steps tells how long the first window is.
TRIED = (*range(RATE, RATE + STEP, 20), 3 * RATE)
#: Longest window a first vector is believed to need, samples.
LONGEST_WINDOW = 2 * STEP


def names(model: onnx.ModelProto, output: str | None) -> tuple[str, str]:
    """Return the names of the waveform's input and of the features' output.

    Raises
    ------
    ValueError
        If there are several inputs, or no such output.
    """
    inputs = [tensor.name for tensor in model.graph.input]
    outputs = [tensor.name for tensor in model.graph.output]
    if len(inputs) != 1:
        raise ValueError(f"it has the inputs {', '.join(inputs)}; export it with the waveform as its only one")
    if output is not None and output not in outputs:
        raise ValueError(f"it has no output '{output}'; its outputs are {', '.join(outputs)}")
    return inputs[0], output or outputs[0]


def measured(session: OnnxSession, waveform: str, features: str) -> tuple[int, int]:
    """Return the width of the features, and the samples the first vector needs (0 if the encoder pads by itself).

    Raises
    ------
    ValueError
        If what comes out is not 50 vectors a second of one width.
    """
    rng, widths, windows = np.random.default_rng(0), set(), []
    for count in TRIED:
        rows = session({waveform: 0.05 * rng.standard_normal((1, count)).astype(np.float32)})[features]
        if rows.ndim != 3 or rows.shape[0] != 1:
            raise ValueError(f"it gives an array of shape {rows.shape}, not (1, steps, width)")
        widths.add(rows.shape[2])
        # the last vector's window ends within the sound: count - window is from steps - 1 to below steps
        windows.append(count - (rows.shape[1] - 1) * STEP)
    window = min(windows)
    if len(widths) != 1 or not -STEP < window <= LONGEST_WINDOW:
        raise ValueError(
            f"{TRIED[0]} samples do not give about {PHONETIC_RATE} vectors; it must give {PHONETIC_RATE} a second"
        )
    return widths.pop(), max(0, window) if window > STEP else 0


def describe(
    path: Path, out: Path, name: str, output: str | None = None, normalise: bool = False, licence: str = "unknown"
) -> Path:
    """Copy the encoder at ``path`` to ``out`` with its sidecar and return the copy's path.

    Raises
    ------
    ValueError
        If it is not an encoder of this kind.
    """
    content = path.read_bytes()
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's decoder has no public exception of its own
        raise ValueError(f"'{path}' is not an ONNX file ({error})") from error
    waveform, features = names(model, output)
    width, window = measured(OnnxSession(content, name), waveform, features)
    described: dict[str, Any] = {
        "format": SIDECAR_FORMAT,
        "name": name,
        "version": "1",
        "kind": "encoder",
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": {waveform: [1, "samples"]},
        "outputs": {features: [1, "steps", width]},
        "rate": PHONETIC_RATE,
        "features": width,
        "normalise": normalise,
        "window": window,
        "licence": licence,
        "data": "see where it comes from",
        "provenance": {"command": f"python -m training.listener.encoders {path.name} --name {name}"},
    }
    out.mkdir(parents=True, exist_ok=True)
    target = out / "encoder.onnx"
    target.write_bytes(content)
    target.with_name("encoder.onnx.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    log.info("%s: %d numbers a vector, %s", target, width, f"window of {window}" if window else "pads by itself")
    return target


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.listener.encoders",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="the encoder, .onnx")
    parser.add_argument("--out", type=Path, required=True, help="folder for encoder.onnx and its sidecar")
    parser.add_argument("--name", required=True, help="what it is called, in messages")
    parser.add_argument("--output", help="name of the output to use (default: the first)")
    parser.add_argument("--normalise", action="store_true", help="it wants sound of zero mean and unit variance")
    parser.add_argument("--licence", default="unknown", help="noted in the sidecar")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        describe(args.model, args.out, args.name, args.output, args.normalise, args.licence)
    except (OSError, ValueError, MouthpieceError) as error:
        log.error("not usable: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
