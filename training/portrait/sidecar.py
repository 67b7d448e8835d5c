"""Describe a portrait generator of one's own: ``python -m training.portrait.sidecar FILE.onnx --licence TEXT``.

Writes ``FILE.onnx.json``, without which no generator is loaded, from the network itself: names and shapes of what it
takes and gives, and its hash. The network is then tried out as the renderer will use it; one that does not fit is not
described. Exit code 0 when written, 1 when not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from mouthpiece.errors import MouthpieceError
from mouthpiece.models.registry import SIDECAR_FORMAT
from mouthpiece.portrait.draw.generator import KIND, load_generator

log = logging.getLogger(__name__)


def shapes_of(values: Sequence[onnx.ValueInfoProto]) -> dict[str, list[int | str]]:
    """Return name -> shape of a graph's inputs or outputs; a word stands for a side that is free."""
    shapes: dict[str, list[int | str]] = {}
    for value in values:
        sides = value.type.tensor_type.shape.dim
        shapes[value.name] = [
            side.dim_value if side.HasField("dim_value") else side.dim_param or f"side{k}"
            for k, side in enumerate(sides)
        ]
    return shapes


def described(
    path: Path, name: str, licence: str, data: str, version: str = "1", provenance: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the sidecar of the network stored at ``path``.

    Raises
    ------
    ValueError
        If it is no ONNX file.
    """
    content = path.read_bytes()
    try:
        graph = onnx.load_from_string(content).graph
    except DecodeError as error:
        raise ValueError(f"'{path}' is no ONNX file ({error})") from error
    constants = {tensor.name for tensor in graph.initializer}
    return {
        "format": SIDECAR_FORMAT,
        "name": name,
        "version": version,
        "kind": KIND,
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": shapes_of([value for value in graph.input if value.name not in constants]),
        "outputs": shapes_of(graph.output),
        "rate": 0,
        "features": 0,
        "licence": licence,
        "data": data,
        "provenance": dict(provenance or {}),
    }


def write_sidecar(path: Path, sidecar: Mapping[str, Any]) -> Path:
    """Write a sidecar beside the network at ``path`` and return where, if the renderer can use the network.

    Raises
    ------
    ModelError
        If it cannot. What was there before is there again.
    """
    beside = path.with_name(path.name + ".json")
    before = beside.read_bytes() if beside.is_file() else None
    beside.write_text(json.dumps(sidecar, indent=1) + "\n", encoding="utf-8")
    try:
        load_generator(path)
    except MouthpieceError:
        if before is None:
            beside.unlink()
        else:
            beside.write_bytes(before)
        raise
    return beside


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.portrait.sidecar", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("network", type=Path, metavar="FILE.onnx")
    parser.add_argument("--licence", required=True, help="licence of the weights")
    parser.add_argument("--data", default="not said", help="what it was trained on")
    parser.add_argument("--name", help="what it is called (default: the file's name)")
    parser.add_argument("--version", default="1")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        sidecar = described(args.network, args.name or args.network.stem, args.licence, args.data, args.version)
        beside = write_sidecar(args.network, sidecar)
    except (OSError, ValueError, MouthpieceError) as error:
        log.error("not described: %s", error)
        return 1
    print(f"{beside}: takes {', '.join(sidecar['inputs'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
