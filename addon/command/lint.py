"""``blender -b scene.blend -c mouthpiece lint``: what is wrong with the characters of a scene as it is seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy
from mouthpiece.errors import MouthpieceError, PlaceError, RigError

from ..bake.lines import dialled_lines
from ..lint import faces
from ..targets import find_object


def add(commands: Any) -> None:
    """Add ``lint`` to ``parser.add_subparsers()``: the core's, which checks the scene where no files are named."""
    from mouthpiece.cli.lint import add_lint_command
    from mouthpiece.cli.report import add_report_arguments

    lint = add_lint_command(commands)
    lint.description = "Check the characters of the opened scene as Blender shows them, or takes and films."
    for action in lint._actions:
        if action.dest == "inputs":
            action.nargs, action.required = "*", False
    scene = lint.add_argument_group("scene", "without FILE, the characters of the opened scene are checked")
    scene.add_argument(
        "--object", action="append", metavar="NAME", help="a character (default: all of the scene that have lines)"
    )
    scene.add_argument(
        "--frames", type=_span, metavar="A-B", help="frames of the timeline (default: those of the scene and its lines)"
    )
    add_report_arguments(lint)
    lint.set_defaults(command=run)


def _span(text: str) -> tuple[int, int]:
    """Return the first and the last frame in a text such as 100-250, as argparse wants it."""
    first, _, last = text.strip().rpartition("-") if not text.strip().lstrip("-").isdigit() else (text, "-", text)
    try:
        span = int(first), int(last)
    except ValueError:
        span = (1, 0)
    if span[0] > span[1]:
        raise argparse.ArgumentTypeError(f"'{text}' is no range of frames such as 100-250")
    return span


def run(options: argparse.Namespace) -> int:
    """Check the scene, or the files that are named. Return 0, 1 if something is beyond its limits, or 2."""
    from mouthpiece.cli.lint import limits_asked, run_lint, tell
    from mouthpiece.cli.report import BAD_ARGUMENTS, FAILED, reporter
    from mouthpiece.lint.reports import LintReport

    teller = reporter(options)
    if options.inputs:
        if options.object or options.frames:
            teller.error("", "--object and --frames are for a scene: leave them out, or the files.")
            return int(BAD_ARGUMENTS)
        return int(run_lint(options))
    source = bpy.data.filepath or "the scene"
    try:
        limits = limits_asked(options)
        _check_output(options)
        objects = _characters(options)
    except MouthpieceError as error:
        teller.error("", str(error))
        return int(BAD_ARGUMENTS)
    found, remarks = [], []
    try:
        for item in faces.measured(objects, bpy.context.scene, options.frames):
            if isinstance(item, faces.MeasuredFace):
                found.append(item.examined(limits.of(item.face.character)))
                remarks += [f"{item.face.character}: {remark}" for remark in item.remarks]
            else:
                teller.progress(source, item.fraction, item.message)
        report = LintReport(source, tuple(found), remarks=tuple(remarks))
        return int(tell(options, [report], teller))
    except MouthpieceError as error:
        teller.error(source, str(error))
        return int(FAILED)


def _characters(options: argparse.Namespace) -> list[bpy.types.Object]:
    """Return the characters that are asked for; RigError says if there are none, or one has no lines."""
    if not options.object:
        found = faces.characters(bpy.context.scene)
        if not found:
            raise RigError(f"No character of '{bpy.context.scene.name}' has a line. Animate one first, or name FILEs.")
        return found
    named = [find_object(name) for name in dict.fromkeys(options.object)]
    mute = [obj.name for obj in named if not dialled_lines(obj)]
    if mute:
        raise RigError(f"'{mute[0]}' has no line to check. Animate it first, or name its main object.")
    return named


def _check_output(options: argparse.Namespace) -> None:
    """Raise PlaceError if the report may not be written where it is asked for, or not in that format."""
    from mouthpiece.files.places import is_folder, refuse_inputs

    if options.audio:
        raise PlaceError("--audio is for takes and films: the scene's own sounds are heard.")
    if options.output is None:
        if options.json and options.format not in (None, "json"):
            raise PlaceError(f"--json and --format {options.format} both go to stdout. Name a file with -o for one.")
        return
    used = [bpy.data.filepath, *bpy.utils.blend_paths(absolute=True), str(options.limits or "")]
    refuse_inputs([options.output], [Path(name) for name in used if name])
    if is_folder(options.output):
        raise PlaceError(f"'{options.output}' is a folder. Name a file for the report.")
