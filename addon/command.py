"""``blender -b scene.blend -c mouthpiece …``: bake without a user interface, on the core's own grammar."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from .bake import Bake, Report

_PROGRAM = "blender -b SCENE.blend -c mouthpiece"
_EPILOG = """\
examples:
  blender -b shot.blend -c mouthpiece bake --audio line.wav --object Face --output baked.blend
  blender -b shot.blend -c mouthpiece bake --audio line.wav --object Face --armature Rig --bone head \\
          --start 101 --output baked.blend --render preview.mp4
  blender -b shot.blend -c mouthpiece bake --strip "Line 7" --object Face --style calm --emotion sad \\
          --output baked.blend
  blender -b baked.blend -c mouthpiece redial --object Face --lips 1.2 --output dialled.blend
  blender -b -c mouthpiece animate line.wav -o take.npz

exit codes: 0 done, 1 failed, 2 bad arguments
"""


def main(argv: Sequence[str]) -> int:
    """Run the arguments after ``-c mouthpiece`` and return the exit code."""
    from mouthpiece import cli

    return int(cli.run(argv, build_parser()))


def build_parser() -> argparse.ArgumentParser:
    """Return the grammar: ``bake``, and the core's own commands."""
    from mouthpiece import cli, dialling

    from . import command_redial, sound

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
        description="Turn speech into keyframes on a mesh's ARKit shape keys, and on a head bone or object.",
        epilog=_EPILOG,
        formatter_class=text,
    )
    _add_bake_arguments(bake)
    cli.add_motion_arguments(bake)
    dialling.add_dial_arguments(bake)
    cli.add_report_arguments(bake)
    bake.set_defaults(command=run_bake, open_sound=sound.open_file)
    command_redial.add(commands)
    # Blender decodes what it can play; the package the stand-alone command reads files with is not bundled.
    cli.add_commands(commands, open_sound=sound.open_file)
    return parser


def _add_bake_arguments(parser: argparse.ArgumentParser) -> None:
    heard = parser.add_argument_group("sound").add_mutually_exclusive_group(required=True)
    heard.add_argument("--audio", metavar="PATH", help="sound file, or a take (.npz) made by animate")
    heard.add_argument("--strip", metavar="NAME", help="sound strip of the scene's sequencer, placed as it is heard")
    scene = parser.add_argument_group("character")
    scene.add_argument("--object", required=True, metavar="NAME", help="mesh with ARKit shape keys, in any spelling")
    scene.add_argument("--armature", metavar="NAME", help="armature whose --bone turns with the head")
    scene.add_argument("--bone", metavar="NAME", help="head bone of --armature")
    scene.add_argument("--head-object", metavar="NAME", help="object that turns with the head, by its delta transform")
    scene.add_argument("--head-translation", action="store_true", help="let the head shift as well as turn")
    keys = parser.add_argument_group("keys")
    keys.add_argument("--start", type=int, default=1, metavar="FRAME", help="frame at which --audio begins (default 1)")
    keys.add_argument("--strength", type=_strength, default=1.0, metavar="X", help="factor on all motion (default 1)")
    keys.add_argument("--replace", action="store_true", help="replace keys of your own and edited takes as well")
    out = parser.add_argument_group("output")
    out.add_argument("--output", type=Path, metavar="BLEND", help="save the scene here; the opened file is never saved")
    out.add_argument("--render", type=Path, metavar="VIDEO", help="render the take, with its sound, to .mp4 or .mkv")
    out.add_argument("--force", action="store_true", help="replace files that exist")


def _strength(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 3.0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 3")
    return value


def run_bake(options: argparse.Namespace) -> int:
    """Bake, then save and render as asked. Return 0 if all succeeded, else 1, or 2 for options that contradict."""
    from mouthpiece import cli
    from mouthpiece.errors import MouthpieceError

    teller = cli.reporter(options)
    contradiction = _contradiction(options)
    if contradiction:
        teller.error("bake", contradiction)
        return int(cli.BAD_ARGUMENTS)
    began = perf_counter()
    subject = options.audio or options.strip
    result: dict[str, Any] = {"ok": False, "object": options.object, "outputs": []}
    try:
        _check_outputs(options)
        bake = _bake_of(options)
        report = _drain(bake, teller, subject)
        result |= report.as_dict()
        _save(options, result)
        _render(options, bake, report, result, teller)
    except MouthpieceError as error:
        teller.error(subject, str(error))
        teller.result(result | {"error": str(error)}, "Failed.") if options.json else None
        return int(cli.FAILED)
    result |= {"ok": True, "wall_seconds": round(perf_counter() - began, 3)}
    teller.result(result, "\n".join([report.summary(), bake.face.match.summary(), *result["outputs"]]))
    return int(cli.DONE)


def _contradiction(options: argparse.Namespace) -> str:
    """Return what is wrong with the options as a whole; empty if nothing is."""
    if bool(options.armature) != bool(options.bone):
        return "--armature and --bone belong together: name both, or neither"
    if options.armature and options.head_object:
        return "The head is either a bone or an object: give --armature and --bone, or --head-object"
    return ""


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse outputs that exist or cannot be written, before any work."""
    from . import preview, saving

    if options.output is not None:
        saving.check(options.output, options.force)
    if options.render is not None:
        saving.check(options.render, options.force)
        preview.check(bpy.context.scene)


def _bake_of(options: argparse.Namespace) -> Bake:
    """Return what to bake, everything checked."""
    from mouthpiece import cli, dialling
    from mouthpiece.pipeline import Options

    from . import dials, sound, strips
    from .bake import Bake
    from .targets import find_object, target_for

    scene, obj = bpy.context.scene, find_object(options.object)
    if options.strip:
        heard = strips.from_strip(strips.find_strip(scene, options.strip), scene)
    else:
        heard = sound.from_file(str(options.audio), scene, options.start)
    face, head = target_for(obj, options.strength), _head(options)
    # what is not named on the command line is as the character's own settings have it
    style, style_from = dials.style_of(obj.mouthpiece) if _no_style(options) else (cli.style_asked(options), "")
    turned = dialling.dials_of(options, dials.dials_of(obj.mouthpiece).saved())
    asked = Options(seed=options.seed, style=style)
    return Bake(heard, face, head, asked, options.models, options.replace, turned, style_from)


def _no_style(options: argparse.Namespace) -> bool:
    return options.style is None and options.style_from is None


def _head(options: argparse.Namespace) -> Any:
    from .targets import find_object
    from .targets.head import HeadTarget, measured_eye_distance

    name = options.armature or options.head_object
    if not name:
        return None
    distance = measured_eye_distance(find_object(options.object)) if options.head_translation else 0.0
    return HeadTarget.of(find_object(name), options.bone or "", options.strength, distance)


def _drain(bake: Bake, teller: Any, subject: str) -> Report:
    """Do the work, telling about it, and return what was written."""
    from mouthpiece.pipeline import Progress

    from .bake import Heard

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
    from . import saving

    if options.output is not None:
        result["outputs"].append(str(saving.save(options.output)))


def _render(options: argparse.Namespace, bake: Bake, report: Report, result: dict[str, Any], teller: Any) -> None:
    from . import preview

    if options.render is not None:
        teller.progress(str(options.render), 0.0, "Rendering")
        made, remark = preview.render(bpy.context.scene, bake.recording, report.first, report.last, options.render)
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
