"""Describe a portrait generator of one's own: ``python -m training.portrait.sidecar FILE.onnx --licence TEXT``.

Writes ``FILE.onnx.json``, without which no generator is loaded. The names and shapes of inputs and outputs and the hash
are read from the network itself. The network is then tried as the renderer will use it; for one that does not fit, no
sidecar is written. Exit code 0 when written, 1 when not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from mouthpiece.errors import MouthpieceError
from mouthpiece.files.writer import write_whole
from mouthpiece.portrait.draw.generator import KIND, load_generator

from ..command_line import exit_code, parser_of
from ..files import write_json
from ..networks.onnx_export import sidecar


def shapes_of(values: Sequence[onnx.ValueInfoProto]) -> dict[str, list[int | str]]:
    """Return name -> shape of a graph's inputs or outputs, with words for sides of any length."""
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
        If it is not an ONNX file.
    """
    content = path.read_bytes()
    try:
        graph = onnx.load_from_string(content).graph
    except DecodeError as error:
        raise ValueError(f"'{path}' is no ONNX file ({error})") from error
    constants = {tensor.name for tensor in graph.initializer}
    shapes = (shapes_of([value for value in graph.input if value.name not in constants]), shapes_of(graph.output))
    return sidecar(content, name, version, KIND, shapes, 0, 0, licence, data, provenance or {})


def write_sidecar(path: Path, facts: Mapping[str, Any]) -> Path:
    """Write the sidecar of the network at ``path`` and return its path, if the renderer can use the network.

    Raises
    ------
    ModelError
        If it cannot. The former sidecar, if there was one, is then restored.
    """
    beside = path.with_name(path.name + ".json")
    before = beside.read_bytes() if beside.is_file() else None
    write_json(beside, facts)
    try:
        load_generator(path)
    except MouthpieceError:
        if before is None:
            beside.unlink()
        else:
            write_whole(beside, before)
        raise
    return beside


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.portrait.sidecar", __doc__)
    parser.add_argument("network", type=Path, metavar="FILE.onnx")
    parser.add_argument("--licence", required=True, help="licence of the weights")
    parser.add_argument("--data", default="not said", help="what it was trained on")
    parser.add_argument("--name", help="what it is called (default: the file's name)")
    parser.add_argument("--version", default="1")
    args = parser.parse_args(argv)

    def work() -> None:
        facts = described(args.network, args.name or args.network.stem, args.licence, args.data, args.version)
        beside = write_sidecar(args.network, facts)
        print(f"{beside}: takes {', '.join(facts['inputs'])}")

    return exit_code(work, "not described")


if __name__ == "__main__":
    sys.exit(main())
