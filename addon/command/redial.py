"""The command ``blender -b scene.blend -c mouthpiece update`` (or ``redial``): adjusts lines; no network runs."""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import bpy
from mouthpiece.cli.paths import named_path
from mouthpiece.errors import MouthpieceError
from mouthpiece.phrases import counted

from .. import remarks
from ..bake import redial
from ..bake import settings as bake_settings
from ..targets import find_object
from . import blend_files


def add(commands: Any) -> None:
    """Add the ``update`` command, also called ``redial``, to ``parser.add_subparsers()``."""
    from mouthpiece.cli import dial
    from mouthpiece.cli.report import add_report_arguments

    parser = commands.add_parser(
        "update",
        aliases=["redial"],
        help="adjust lines that were animated before: at once, without hearing them again",
        description="Update the lines of a character with other amounts. What is not named is as the character has it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--object", required=True, metavar="NAME", help="mesh that was animated")
    parser.add_argument("--frame", type=int, metavar="FRAME", help="only the lines heard at this frame (default: all)")
    parser.add_argument("--reset", action="store_true", help="put all amounts back first")
    parser.add_argument("--replace", action="store_true", help="change keys that were edited since as well")
    out = parser.add_argument_group("output")
    out.add_argument(
        "--output", type=named_path, metavar="BLEND", help="save the scene here; the opened file is never saved"
    )
    out.add_argument("--force", action="store_true", help="replace a file that exists")
    dial.add_dial_arguments(parser)
    add_report_arguments(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Dial the lines, and save the scene if asked to; return the exit code: 0, or 1 if it failed."""
    from mouthpiece.cli import dial
    from mouthpiece.cli.report import DONE, FAILED, reporter

    teller, began = reporter(options), perf_counter()
    result: dict[str, Any] = {"ok": False, "object": options.object, "outputs": []}
    try:
        if options.output is not None:
            blend_files.check(options.output, options.force)
        obj = find_object(options.object)
        saved = {} if options.reset else bake_settings.dials_of(obj.mouthpiece).saved()
        wanted = dial.dials_of(options, saved)
        done = redial.redial(obj, wanted, options.frame, options.replace)
        bake_settings.take_over(obj.mouthpiece, wanted.saved())
        bpy.context.view_layer.update()
        if options.output is not None:
            result["outputs"].append(str(blend_files.save(options.output)))
    except MouthpieceError as error:
        teller.error(options.object, str(error))
        teller.result(result | {"error": str(error)}, "Failed.") if options.json else None
        return int(FAILED)
    warnings = done.warnings + remarks.kept(done.kept)
    for warning in warnings:
        teller.warning(options.object, warning)
    result |= {"ok": True, "dials": wanted.saved(), "keys": done.keys, "channels": done.channels, "kept": done.kept}
    result |= {"warnings": warnings, "wall_seconds": round(perf_counter() - began, 3)}
    text = f"Updated {counted(done.keys, 'key')} on {counted(done.channels, 'channel')} of {obj.name}"
    teller.result(result, "\n".join([text, *result["outputs"]]))
    return int(DONE)
