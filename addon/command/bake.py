"""``blender -b scene.blend -c mouthpiece bake``: what it takes on the command line, and the bake it comes to."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import bpy
from mouthpiece.cli.paths import named_path
from mouthpiece.errors import MouthpieceError

from .. import compat, scene_settings
from ..bake import settings as bake_settings
from ..bake.bake import Bake, Report
from ..characters import company, heads
from ..jobs import drain
from ..sound import recordings, strips, timeline
from ..sound.spoken_texts import LineText, read_text
from ..targets import find_object
from ..targets.bones import mapping as bone_mapping
from ..targets.head.eye_distance import measured_eye_distance
from ..targets.head.target import HeadTarget
from ..targets.mouth_chart import files
from ..targets.shape_keys import presets
from ..targets.shape_keys import table as key_table
from . import blend_files, preview_video


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for sound, character, keys and output."""
    from mouthpiece.cli.spoken import add_text_arguments

    heard = parser.add_argument_group("sound").add_mutually_exclusive_group(required=True)
    heard.add_argument("--audio", metavar="PATH", help="sound file, or a take (.npz) made by animate")
    heard.add_argument("--strip", metavar="NAME", help="sound strip of the scene's sequencer, placed as it is heard")
    add_text_arguments(parser)
    scene = parser.add_argument_group("character")
    scene.add_argument(
        "--object", required=True, action="append", metavar="NAME",
        help="the character; given again, further objects that play the same performance (teeth, tongue, lashes)",
    )  # fmt: skip
    scene.add_argument(
        "--target", metavar="KIND", help="what of the character plays it (default: as its own settings have it)"
    )
    scene.add_argument(
        "--mapping", type=named_path, metavar="FILE",
        help="mapping (.json) saved from the panel: what drives which key or bone; it becomes the character's own",
    )  # fmt: skip
    scene.add_argument(
        "--chart",
        type=named_path,
        metavar="JSON",
        help="set the character's mouth chart up as this file says (target CHART)",
    )
    scene.add_argument("--armature", metavar="NAME", help="armature whose --bone turns with the head")
    scene.add_argument("--bone", metavar="NAME", help="head bone of --armature")
    scene.add_argument("--head-object", metavar="NAME", help="object that turns with the head, by its delta transform")
    scene.add_argument("--head-translation", action="store_true", help="let the head shift as well as turn")
    add_keys_and_output(parser)


def add_keys_and_output(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for keys and output."""
    from mouthpiece.cli.dial import strength

    keys = parser.add_argument_group("keys")
    keys.add_argument(
        "--sequence", action=argparse.BooleanOptionalAction, default=None,
        help="put the sound of --audio into the scene's sequencer, unless it is there (default: as set, yes)",
    )  # fmt: skip
    keys.add_argument("--extend", action="store_true", help="let the scene end with the line, if it ends earlier")
    keys.add_argument(
        "--start", type=_frame, default=1, metavar="FRAME", help="frame at which --audio begins (default 1)"
    )
    keys.add_argument(
        "--strength", type=strength, metavar="X", help="factor on all motion (default: as the character has it, or 1)"
    )
    keys.add_argument(
        "--layers", action=argparse.BooleanOptionalAction, default=None,
        help="lips, eyes, head and expression each in an action and NLA track of its own, or all in one action "
        "(default: as the character's settings have it)",
    )  # fmt: skip
    keys.add_argument(
        "--reduce", type=_error, metavar="ERROR",
        help="as few keys as this error allows, a share of full motion (e.g. 0.01); 0: a key on every frame "
        "(default: as the character's settings have it, 0.01 unless changed)",
    )  # fmt: skip
    keys.add_argument("--replace", action="store_true", help="replace keys of your own and edited takes as well")
    out = parser.add_argument_group("output")
    out.add_argument(
        "--output", type=named_path, metavar="BLEND", help="save the scene here; the opened file is never saved"
    )
    out.add_argument(
        "--render", type=named_path, metavar="VIDEO", help="render the take, with its sound, to .mp4, .mov or .mkv"
    )
    out.add_argument("--force", action="store_true", help="replace files that exist")


def _frame(text: str) -> int:
    """Return a frame that Blender can show, as argparse wants it."""
    last = recordings.LAST_FRAME
    try:
        value = int(text)
    except ValueError:
        value = last + 1
    if not -last <= value <= last:
        raise argparse.ArgumentTypeError(f"'{text}' is not a frame from {-last:,} to {last:,}")
    return value


def _error(text: str) -> float:
    """Return an error from 0 to 1, as argparse wants it."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1")
    return value


def contradiction(options: argparse.Namespace) -> str:
    """Return which options contradict each other; empty if none do."""
    if bool(options.armature) != bool(options.bone):
        return "--armature and --bone belong together: name both, or neither"
    if options.channel is not None and str(options.audio or "").lower().endswith(".npz"):
        return "--channel is for sounds: a take (.npz) is of the channel it was made from"
    if options.render is not None and preview_video.wrong_name(options.render):
        return preview_video.wrong_name(options.render)
    if options.render is not None and options.output is not None and _is_same(options.render, options.output):
        return "--output and --render name the same file: the scene and the film of it need one each"
    if options.armature and options.head_object:
        return "The head is either a bone or an object: give --armature and --bone, or --head-object"
    return ""


def _is_same(one: Path, other: Path) -> bool:
    return os.path.normcase(one.absolute()) == os.path.normcase(other.absolute())


def bake_of(options: argparse.Namespace) -> Bake:
    """Return the bake the options describe, having set the character's mapping, chart and further objects up.

    Raises MouthpieceError if anything is missing or wrong.
    """
    from mouthpiece.cli import dial
    from mouthpiece.cli.animate import actor_asked, style_asked
    from mouthpiece.pipeline import Options

    scene, obj = bpy.context.scene, find_object(options.object[0])
    for name in options.object[1:]:
        company.take_in(obj, find_object(name))
    company.join(obj)
    if options.mapping is not None:
        _map(obj, options.mapping)
    if options.chart is not None:
        files.apply(obj, files.read(options.chart), scene)
    if options.strip:
        heard = strips.from_strip(strips.find_strip(scene, options.strip), scene)
    else:
        heard = recordings.from_file(str(options.audio), scene, options.start)
    if options.channel is None:
        heard = scene_settings.spoken_by(obj, heard)
    else:
        heard = recordings.with_channel(heard, options.channel)
        bake_settings.choose_channel(obj.mouthpiece, options.channel)
    if options.strength is not None:
        obj.mouthpiece.strength = options.strength
    if options.seed:
        obj.mouthpiece.seed = options.seed
    strength = scene_settings.strength_of(obj)
    driven = scene_settings.targets_of(obj, strength, (options.target or "").upper())
    head = _head(options, obj, strength)
    # options that are not given come from the character's own settings
    style, style_from = bake_settings.style_of(obj.mouthpiece) if _no_style(options) else (style_asked(options), "")
    turned = dial.dials_of(options, bake_settings.dials_of(obj.mouthpiece).saved())
    actor = bake_settings.actor_of(obj.mouthpiece) if options.actor is None else actor_asked(options)
    asked = Options(seed=obj.mouthpiece.seed, style=style, actor=actor)
    targets = driven if head is None else (*driven, head)
    layered = obj.mouthpiece.layers == "LAYERS" if options.layers is None else bool(options.layers)
    error = round(obj.mouthpiece.reduce, 6) if options.reduce is None else options.reduce
    obj.mouthpiece.layers, obj.mouthpiece.reduce = "LAYERS" if layered else "ONE", error
    remarks = tuple(company.standing(obj))
    models = options.models or bake_settings.models_of(obj.mouthpiece)
    said = _text(options, scene)
    return Bake(heard, targets, asked, models, options.replace, turned, style_from, layered, error, remarks, text=said)


def _text(options: argparse.Namespace, scene: bpy.types.Scene) -> LineText:
    """Return what is said: what the options give, or else the transcript of the strip."""
    from mouthpiece.cli.spoken import text_file

    language = options.language or scene.mouthpiece.language.strip()
    if options.text is None:
        strip = strips.find_strip(scene, options.strip) if options.strip else None
        return LineText("" if strip is None else strip.mouthpiece.transcript.strip(), language)
    place = text_file(options)
    return LineText(options.text if place is None else read_text(place), language)


def _map(obj: bpy.types.Object, path: Path) -> None:
    """Fill the character's table from a file, with the entries whose shape keys or bones it has."""
    from mouthpiece.retarget.shape_keys import table as core_table

    if obj.type == "ARMATURE":
        bone_mapping.load(obj, path)
        return
    key_table.fill(obj, presets.fitted(obj, core_table.load(path)))


def _no_style(options: argparse.Namespace) -> bool:
    """Return whether no option names a style."""
    return options.style is None and options.style_from is None


def _head(options: argparse.Namespace, obj: bpy.types.Object, strength: float) -> HeadTarget | None:
    """Return the target for the head, or None: what the options name, which becomes the character's own.

    If they name nothing, it is what the character's settings have.
    """
    name = options.armature or options.head_object
    if not name:
        return heads.head_target(obj, strength)
    head, turned = obj.mouthpiece_head, find_object(name)
    distance = measured_eye_distance(obj) if options.head_translation else 0.0
    target = HeadTarget.of(turned, strength, options.bone or "", distance)
    head.turns = "BONE" if options.bone else "OBJECT"
    if options.bone:
        head.armature, head.bone = turned, options.bone
    else:
        head.object = turned
    head.translation, head.eye_distance = bool(options.head_translation), 0.0
    return target if options.bone else heads.head_target(obj, strength)


def run(options: argparse.Namespace) -> int:
    """Bake, then save and render as asked. Return 0 if all succeeded, else 1, or 2 for options that contradict."""
    from mouthpiece.cli.report import BAD_ARGUMENTS, DONE, FAILED, reporter

    teller = reporter(options)
    wrong = contradiction(options)
    if wrong:
        teller.error("bake", wrong)
        return int(BAD_ARGUMENTS)
    began = perf_counter()
    subject = options.audio or options.strip
    result: dict[str, Any] = {"ok": False, "object": options.object[0], "outputs": []}
    try:
        _check_outputs(options)
        bake = bake_of(options)
        report = _drain(bake, teller, subject)
        _put_on_timeline(options, bake, report, teller, subject)
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
    read = files_read(options)
    if options.output is not None:
        blend_files.check(options.output, options.force, read)
    if options.render is not None:
        blend_files.check(options.render, options.force, [*read, *blend_files.opened()])
        preview_video.check(bpy.context.scene)
        preview_video.check_pictures(options.render, options.force)


def files_read(options: argparse.Namespace) -> list[Any]:
    """Return what the options name that may be a file that is read; None for what is not given."""
    names = ("audio", "mapping", "chart", "style", "style_from", "image", "landmarks")
    return [getattr(options, name, None) for name in names] + _strip_file(options.strip)


def _strip_file(name: str | None) -> list[Any]:
    """Return the file of a strip's sound; nothing if there is none, which the bake tells."""
    strip = next((strip for strip in compat.all_strips(bpy.context.scene) if name and strip.name == name), None)
    sound = getattr(strip, "sound", None)
    return [recordings.full_path(sound.filepath, sound.library)] if sound is not None else []


def _put_on_timeline(options: argparse.Namespace, bake: Bake, report: Report, teller: Any, subject: str) -> None:
    """Make the line heard and the scene long enough, or say that it is not, as the options want it."""
    scene = bpy.context.scene
    wanted = scene.mouthpiece.sequence if options.sequence is None else options.sequence
    remarks = timeline.put(scene, bake.recording) if options.audio and wanted else []
    if options.extend:
        scene.frame_end = max(scene.frame_end, report.last)
    elif timeline.beyond(scene, report.last):
        remarks.append(f"{timeline.beyond(scene, report.last)} Give --extend to let it end with the line.")
    for remark in remarks:
        teller.warning(subject, remark)
    report.warnings += remarks


def _summaries(report: Report) -> list[str]:
    told = [f"{target['object']}: {target['summary']}" for target in report.targets]
    return told + report.coverage_lines()


def _drain(bake: Bake, teller: Any, subject: str) -> Report:
    """Do the work, telling about it, and return what was written."""
    reports: list[Report] = []
    said: list[str] = []
    drain(
        bake.steps(),
        lambda progress: teller.progress(subject, progress.fraction, progress.message),
        said.append,
        lambda heard: reports.append(bake.write(heard)),
    )
    (report,) = reports
    report.warnings = said + report.warnings
    for warning in report.warnings:
        teller.warning(subject, warning)
    return report


def _save(options: argparse.Namespace, result: dict[str, Any]) -> None:
    if options.output is not None:
        result["outputs"].append(str(blend_files.save(options.output)))


def _render(options: argparse.Namespace, bake: Bake, report: Report, result: dict[str, Any], teller: Any) -> None:
    if options.render is not None:
        teller.progress(str(options.render), 0.0, "Rendering")
        made, remarks = preview_video.render(
            bpy.context.scene, bake.recording, report.first, report.last, options.render
        )
        result["outputs"].append(str(made))
        for remark in remarks:
            result["warnings"].append(remark)
            teller.warning(str(options.render), remark)
