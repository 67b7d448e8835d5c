"""``blender -b -c mouthpiece portrait``: a picture and a sound into a film or frames, in a scene of its own."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import bpy

from ..sound import recordings
from ..targets.picture_rig import builder as rig_builder
from ..targets.picture_rig import images
from ..targets.portrait import builder as portrait_builder
from ..targets.portrait.render_setup import Signer
from . import blend_files, render

if TYPE_CHECKING:
    from mouthpiece.portrait.find.placement import Placed

    from ..targets.portrait.render import Rendering


def add(commands: Any) -> None:
    """Add the ``portrait`` command to ``parser.add_subparsers()``: the core's own grammar, and where to save."""
    from mouthpiece.cli import portrait as portrait_command
    from mouthpiece.cli.report import add_report_arguments

    parser = commands.add_parser(
        "portrait",
        help="a still picture that talks, as a film or frames",
        description="Make the face of a still picture speak a sound, in a new scene, and render a film or frames.",
        epilog=portrait_command.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    portrait_command.add_portrait_arguments(parser)
    parser.add_argument(
        "--blend", type=Path, metavar="BLEND", help="save the scene here, portrait, sequencer strips and all"
    )
    add_report_arguments(parser)
    parser.set_defaults(command=run, open_sound=recordings.open_file)


def run(options: argparse.Namespace) -> int:
    """Make the portrait, animate it, render. Return 0, 1 if it fails, 2 if the arguments contradict each other."""
    from mouthpiece.cli import portrait as portrait_command
    from mouthpiece.cli.report import BAD_ARGUMENTS, DONE, FAILED, reporter
    from mouthpiece.errors import MouthpieceError

    teller = reporter(options)
    wrong = portrait_command.contradiction(options)
    if wrong:
        teller.error("portrait", wrong)
        return int(BAD_ARGUMENTS)
    began = perf_counter()
    result: dict[str, Any] = {"ok": False, "input": str(options.image), "output": str(options.output), "warnings": []}
    try:
        _check(options)
        obj, warnings = _made(options)
        warnings += _animate(obj, options, teller)
        rendering, told = render.rendering_of(obj, options.force, _signer(options), teller)
        rendering = _as_asked(rendering, options)
        result |= render.render(obj, rendering, [*warnings, *told], teller)
        if options.blend is not None:
            result["blend"] = str(blend_files.save(options.blend))
    except MouthpieceError as error:
        teller.error(str(options.image), str(error))
        teller.result(result | {"error": str(error)}, "Failed.") if options.json else None
        return int(FAILED)
    result |= {"ok": True, "wall_seconds": round(perf_counter() - began, 3)}
    teller.result(result, render.summary(result))
    return int(DONE)


def _check(options: argparse.Namespace) -> None:
    """Refuse before any work what cannot end well."""
    from mouthpiece.cli import portrait as portrait_command
    from mouthpiece.errors import PictureError
    from mouthpiece.provenance.sequences import Numbering

    portrait_command.consent_of(options)
    if options.time_stamp and not bpy.app.online_access:
        raise PictureError("--time-stamp needs the network, which is not allowed here. Allow it in the preferences.")
    if portrait_command.is_film(options.output):
        blend_files.check(options.output, options.force)
    else:
        Numbering.of(options.output)
    if options.blend is not None:
        blend_files.check(options.blend, options.force)


def _made(options: argparse.Namespace) -> tuple[bpy.types.Object, list[str]]:
    """Make the portrait in a scene of its own, its settings as asked for."""
    from mouthpiece.cli import portrait as portrait_command

    from .picture import scene_for

    image = images.load(str(options.image))
    wanted = rig_builder.Wanted(options.face, str(options.landmarks or ""), placed=_placed(image, options))
    with scene_for(image, options.fps):
        made = portrait_builder.make(bpy.context, image, wanted)
        rig_builder.add_camera(bpy.context, made.rig)
    settings: Any = made.rig.mouthpiece_portrait
    consent = portrait_command.consent_of(options)
    settings.consent, settings.kind = True, consent.kind.upper()
    settings.statement, settings.by = consent.statement, consent.by
    settings.mark, settings.longest = options.mark, options.size or 0
    settings.media = "VIDEO" if portrait_command.is_film(options.output) else "FRAMES"
    settings.output = str(options.output.absolute())
    settings.background = [level / 255 for level in options.background]
    settings.keep_frames = options.keep_frames is not None
    if options.generator is not None:
        settings.repair = {"none": "NONE", "shipped": "SHIPPED"}.get(options.generator.lower(), "FILE")
        own = settings.repair == "FILE"
        settings.generator = str(Path(options.generator).absolute()) if own else ""
    return made.rig, made.warnings


def _placed(image: bpy.types.Image, options: argparse.Namespace) -> Placed | None:
    """Return landmarks that are not found by the networks of our own; None if they are to be."""
    from mouthpiece.portrait.find.choice import chosen_face, scaled
    from mouthpiece.portrait.find.faces import look_for_faces
    from mouthpiece.portrait.find.placement import placed_by_clicks, placed_by_detector, placed_in_box

    if options.points:
        return placed_by_clicks(options.points[:2], options.points[2:])
    if options.box:
        return placed_in_box(*options.box)
    if options.landmarks or options.backend == "mediapipe":
        return None
    colours, factor = images.pixels(image)
    look = look_for_faces(images.over_white(colours), options.backend)
    return placed_by_detector(scaled(chosen_face(look, options.face, str(options.image)).face, factor))


def _animate(obj: bpy.types.Object, options: argparse.Namespace, teller: Any) -> list[str]:
    """Have the portrait speak the sound or take, and return remarks."""
    from mouthpiece.cli import dial
    from mouthpiece.cli.animate import style_asked
    from mouthpiece.pipeline import Options, Progress

    from ..bake.bake import Bake, Heard
    from ..targets.portrait.target import PortraitTarget

    source, scene = options.take or options.audio, bpy.context.scene
    heard = recordings.from_file(str(source), scene, 1)
    if options.audio is not None:
        recordings.from_file(str(options.audio), scene, 1)  # refused now rather than after the frames
    asked = Options(seed=options.seed, style=None if options.take else style_asked(options))
    target = PortraitTarget.of(obj, options.strength)
    bake = Bake(heard, (target,), asked, options.models, dials=dial.dials_of(options))
    remarks: list[str] = []
    for message in bake.steps():
        if isinstance(message, Heard):
            report = bake.write(message)
            remarks += report.warnings
            scene.frame_start, scene.frame_end = report.first, report.last
        elif isinstance(message, Progress):
            teller.progress(str(source), message.fraction, message.message)
        else:
            remarks.append(message.message)
    return remarks


def _signer(options: argparse.Namespace) -> Signer:
    certificate, key = (str(path) if path else "" for path in (options.certificate, options.private_key))
    if not certificate and not options.no_credentials:
        from .. import preferences

        certificate, key = preferences.signer(bpy.context)
    return Signer(certificate, key, options.time_stamp, not options.no_credentials)


def _as_asked(rendering: Rendering, options: argparse.Namespace) -> Rendering:
    """Return the rendering with what the panel has no setting for: quality, the place of frames, a take's sound."""
    from mouthpiece.cli import portrait as portrait_command
    from mouthpiece.provenance.sequences import Numbering

    from ..sound import soundtrack

    rendering = replace(rendering, quality=options.quality)
    place = options.keep_frames or (None if portrait_command.is_film(options.output) else options.output)
    if place is not None:
        named = Numbering.of(place.absolute())
        rendering = replace(rendering, folder=replace(rendering.folder, path=named.folder, name=named.name))
    if options.take is not None and options.audio is not None and rendering.film is not None:
        recording = recordings.from_file(str(options.audio), bpy.context.scene, 1)
        last = rendering.first + rendering.folder.count - 1
        rendering = replace(rendering, sounds=(soundtrack.Heard(recording, rendering.first, last),))
    return rendering
