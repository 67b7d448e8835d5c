"""``blender -b scene.blend -c mouthpiece …``: bake without a user interface, on the core's own grammar."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from ..bake.bake import Bake, Report

_PROGRAM = "blender -b SCENE.blend -c mouthpiece"
_EPILOG = """\
examples:
  blender -b shot.blend -c mouthpiece bake --audio line.wav --object Face --output baked.blend
  blender -b shot.blend -c mouthpiece bake --audio line.wav --object Face --armature Rig --bone head \\
          --start 101 --output baked.blend --render preview.mp4
  blender -b shot.blend -c mouthpiece bake --strip "Line 7" --object Face --style calm --emotion sad \\
          --output baked.blend
  blender -b baked.blend -c mouthpiece redial --object Face --lips 1.2 --output dialled.blend
  blender -b -c mouthpiece picture --image face.png --audio line.wav --output out.blend --render out.mp4
  blender -b -c mouthpiece portrait --image face.png --audio line.wav -o out.mp4 --consent "own: this is me"
  blender -b shot.blend -c mouthpiece render --object Ada
  blender -b -c mouthpiece animate line.wav -o take.npz

exit codes: 0 done, 1 failed, 2 bad arguments
"""


def main(argv: Sequence[str]) -> int:
    """Run the arguments after ``-c mouthpiece`` and return the exit code."""
    from mouthpiece.cli import parser as core_cli

    return int(core_cli.run(argv, build_parser()))


def build_parser() -> argparse.ArgumentParser:
    """Return the grammar: ``bake``, and the core's own commands."""
    from mouthpiece.cli import dial
    from mouthpiece.cli import parser as core_cli
    from mouthpiece.cli.animate import add_motion_arguments
    from mouthpiece.cli.report import add_report_arguments

    from ..sound import recordings
    from . import bake as bake_command
    from . import picture, portrait, redial, render

    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Speech in, keyframes on a character out.",
        epilog=_EPILOG,
        formatter_class=text,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    bake = commands.add_parser(
        "bake",
        help="animate a character of the scene",
        description="Turn speech into keyframes on a character's face, and on a head bone or object.",
        epilog=_EPILOG,
        formatter_class=text,
    )
    bake_command.add_arguments(bake)
    add_motion_arguments(bake)
    dial.add_dial_arguments(bake)
    add_report_arguments(bake)
    bake.set_defaults(command=run_bake, open_sound=recordings.open_file)
    redial.add(commands)
    picture.add(commands)
    portrait.add(commands)
    render.add(commands)
    # Blender decodes what it can play; the package the stand-alone command reads files with is not bundled.
    core_cli.add_commands(commands, open_sound=recordings.open_file)
    return parser


def run_bake(options: argparse.Namespace) -> int:
    """Bake, then save and render as asked. Return 0 if all succeeded, else 1, or 2 for options that contradict."""
    from mouthpiece.cli.report import BAD_ARGUMENTS, DONE, FAILED, reporter
    from mouthpiece.errors import MouthpieceError

    from . import bake as bake_command

    teller = reporter(options)
    wrong = bake_command.contradiction(options)
    if wrong:
        teller.error("bake", wrong)
        return int(BAD_ARGUMENTS)
    began = perf_counter()
    subject = options.audio or options.strip
    result: dict[str, Any] = {"ok": False, "object": options.object[0], "outputs": []}
    try:
        _check_outputs(options)
        bake = bake_command.bake_of(options)
        report = _drain(bake, teller, subject)
        result |= report.as_dict()
        _save(options, result)
        _render(options, bake, report, result, teller)
    except MouthpieceError as error:
        teller.error(subject, str(error))
        teller.result(result | {"error": str(error)}, "Failed.") if options.json else None
        return int(FAILED)
    result |= {"ok": True, "wall_seconds": round(perf_counter() - began, 3)}
    teller.result(result, "\n".join([report.summary(), *_summaries(report), *result["outputs"]]))
    return int(DONE)


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse outputs that exist or cannot be written, before any work."""
    from . import blend_files, preview_video

    if options.output is not None:
        blend_files.check(options.output, options.force)
    if options.render is not None:
        blend_files.check(options.render, options.force)
        preview_video.check(bpy.context.scene)


def _summaries(report: Report) -> list[str]:
    return [f"{target['object']}: {target['summary']}" for target in report.targets]


def _drain(bake: Bake, teller: Any, subject: str) -> Report:
    """Do the work, telling about it, and return what was written."""
    from mouthpiece.pipeline import Progress

    from ..bake.bake import Heard

    report: Report | None = None
    said: list[str] = []
    for message in bake.steps():
        if isinstance(message, Heard):
            report = bake.write(message)
        elif isinstance(message, Progress):
            teller.progress(subject, message.fraction, message.message)
        else:
            said.append(message.message)
    assert report is not None
    report.warnings = said + report.warnings
    for warning in report.warnings:
        teller.warning(subject, warning)
    return report


def _save(options: argparse.Namespace, result: dict[str, Any]) -> None:
    from . import blend_files

    if options.output is not None:
        result["outputs"].append(str(blend_files.save(options.output)))


def _render(options: argparse.Namespace, bake: Bake, report: Report, result: dict[str, Any], teller: Any) -> None:
    from . import preview_video

    if options.render is not None:
        teller.progress(str(options.render), 0.0, "Rendering")
        made, remark = preview_video.render(
            bpy.context.scene, bake.recording, report.first, report.last, options.render
        )
        result["outputs"].append(str(made))
        if remark:
            result["warnings"].append(remark)
            teller.warning(str(options.render), remark)


_handles: list[Any] = []


def register() -> None:
    """Offer the command ``mouthpiece``."""
    _handles.append(bpy.utils.register_cli_command("mouthpiece", main))


def unregister() -> None:
    """Withdraw it."""
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())
