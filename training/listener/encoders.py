"""Describe an encoder of your own: ``python -m training.listener.encoders MODEL.onnx --out DIR --name hubert-base``.

The encoder may be wav2vec 2.0, HuBERT, ContentVec or alike, exported to ONNX: one input, a waveform (1, N) at 16 kHz;
one output, hidden features (1, T, D) at 50 vectors a second. The file is run on sounds of several lengths to find D and
how much an encoder without padding loses at its ends. It is copied to DIR as ``encoder.onnx`` with its sidecar. Name
DIR as ``encoder`` in a training configuration. Exit code 0 when written, 1 when it is not such an encoder.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from mouthpiece.features import PHONETIC_RATE, RATE
from mouthpiece.models.session import OnnxSession

from ..command_line import exit_code, parser_of
from ..networks.onnx_export import sidecar, write_network

log = logging.getLogger(__name__)

STEP = RATE // PHONETIC_RATE
#: Lengths tried, in samples. How the number of vectors grows with them tells how long the first window is.
TRIED = (*range(RATE, RATE + STEP, 20), 3 * RATE)
#: Longest window of the first vector that is accepted, in samples.
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
    """Return the width of the features, and the samples the first vector needs (0 if the encoder pads its input).

    Raises
    ------
    ValueError
        If the output is not 50 vectors a second of one width.
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
    provenance = {"command": f"python -m training.listener.encoders {path.name} --name {name}"}
    shapes = ({waveform: [1, "samples"]}, {features: [1, "steps", width]})
    described = sidecar(
        content, name, "1", "encoder", shapes, PHONETIC_RATE, width, licence, "see where it comes from", provenance,
        normalise=normalise, window=window,
    )  # fmt: skip
    target = write_network(out / "encoder.onnx", content, described)
    log.info("%s: %d numbers a vector, %s", target, width, f"window of {window}" if window else "pads by itself")
    return target


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.listener.encoders", __doc__)
    parser.add_argument("model", type=Path, help="the encoder, .onnx")
    parser.add_argument("--out", type=Path, required=True, help="folder for encoder.onnx and its sidecar")
    parser.add_argument("--name", required=True, help="what it is called, in messages")
    parser.add_argument("--output", help="name of the output to use (default: the first)")
    parser.add_argument("--normalise", action="store_true", help="it wants sound of zero mean and unit variance")
    parser.add_argument("--licence", default="unknown", help="noted in the sidecar")
    args = parser.parse_args(argv)

    def work() -> None:
        describe(args.model, args.out, args.name, args.output, args.normalise, args.licence)

    return exit_code(work, "not usable")


if __name__ == "__main__":
    sys.exit(main())
