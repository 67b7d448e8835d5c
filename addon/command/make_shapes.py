"""The command ``blender -b head.blend -c mouthpiece make-shapes``, which adds the shape keys that a head lacks."""

from __future__ import annotations

import argparse
from typing import Any

from mouthpiece.cli.paths import named_path
from mouthpiece.errors import MouthpieceError

from ..targets import find_object
from ..targets.pins import made_shapes
from . import blend_files


def add(commands: Any) -> None:
    """Add the ``make-shapes`` command to ``parser.add_subparsers()``."""
    from mouthpiece.cli.report import add_report_arguments

    parser = commands.add_parser(
        "make-shapes",
        help="add the ARKit shape keys that a head lacks",
        description="Add the ARKit shape keys that a mesh lacks. Keys that move something are not touched.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--object", required=True, metavar="NAME", help="mesh with the face")
    parser.add_argument(
        "--only", nargs="+", choices=("mouth", "eyes", "brows"), default=("mouth", "eyes", "brows"), metavar="PART",
        help="make the shapes of these parts only: mouth, eyes, brows (default: all)",
    )  # fmt: skip
    out = parser.add_argument_group("output")
    out.add_argument(
        "--output", type=named_path, metavar="BLEND", help="save the scene here; the opened file is never saved"
    )
    out.add_argument("--force", action="store_true", help="replace a file that exists")
    add_report_arguments(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Make the shapes, and save the scene if asked to; return the exit code: 0, or 1 if it failed."""
    from mouthpiece.cli.report import DONE, FAILED, reporter

    teller = reporter(options)
    result: dict[str, Any] = {"ok": False, "object": options.object, "outputs": []}
    try:
        if options.output is not None:
            blend_files.check(options.output, options.force)
        obj = find_object(options.object)
        done = made_shapes.make(obj, tuple(part.upper() for part in options.only))
        if options.output is not None:
            result["outputs"].append(str(blend_files.save(options.output)))
    except MouthpieceError as error:
        teller.error(options.object, str(error))
        teller.result(result | {"error": str(error)}, "Failed.") if options.json else None
        return int(FAILED)
    for remark in done.remarks:
        teller.warning(options.object, remark)
    result |= {"ok": True, "made": list(done.keys), "filled": list(done.filled), "nothing": list(done.nothing)}
    result |= {"warnings": list(done.remarks)}
    teller.result(result, "\n".join([made_shapes.said(obj, done), *result["outputs"]]))
    return int(DONE)
