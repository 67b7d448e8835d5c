"""``blender -b -c mouthpiece portrait``: a picture and a sound into a film or frames, in a scene of its own."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import bpy
from mouthpiece.cli.paths import named_path
from mouthpiece.errors import MouthpieceError, PictureError

from .. import preferences
from ..bake import settings as bake_settings
from ..bake.bake import Bake, Heard
from ..jobs import drain
from ..sound import recordings
from ..targets.picture_rig import builder as rig_builder
from ..targets.picture_rig import images
from ..targets.portrait import builder as portrait_builder
from ..targets.portrait.render_setup import RenderWish, Signer
from ..targets.portrait.target import PortraitTarget
from . import blend_files, render
from .new_scene import scene_for

if TYPE_CHECKING:
    from mouthpiece.portrait.find.placement import Placed
    from mouthpiece.provenance.sequences import Numbering


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
        "--blend", type=named_path, metavar="BLEND", help="save the scene here, portrait, sequencer strips and all"
    )
    add_report_arguments(parser)
    parser.set_defaults(command=run, open_sound=recordings.open_file)


def run(options: argparse.Namespace) -> int:
    """Make the portrait, animate it, render. Return 0, 1 if it fails, 2 if the arguments contradict each other."""
    from mouthpiece.cli import portrait as portrait_command
    from mouthpiece.cli.report import BAD_ARGUMENTS, DONE, FAILED, reporter
    from mouthpiece.portrait.find.placement import PlacementError

    teller = reporter(options)
    wrong = portrait_command.contradiction(options)
    if wrong:
        teller.error("portrait", wrong)
        return int(BAD_ARGUMENTS)
    began = perf_counter()
    result: dict[str, Any] = {"ok": False, "input": str(options.image), "output": str(options.output), "warnings": []}
    try:
        frames = _check(options)
        obj, finders, warnings = _made(options)
        warnings += _animate(obj, options, teller)
        signer, sound = _signer(options), _sound(options)
        wish = RenderWish(options.force, signer, options.quality, frames, sound, finders, render.REMEDY)
        rendering, told = render.rendering_of(obj, wish, teller)
        result |= render.render(obj, rendering, [*warnings, *told], teller)
        if options.blend is not None:
            result["blend"] = str(blend_files.save(options.blend))
    except MouthpieceError as error:
        teller.error(str(options.image), str(error))
        teller.result(result | {"error": str(error)}, "Failed.") if options.json else None
        return int(BAD_ARGUMENTS if isinstance(error, PlacementError) else FAILED)
    result |= {"ok": True, "wall_seconds": round(perf_counter() - began, 3)}
    teller.result(result, render.summary(result))
    return int(DONE)


def _check(options: argparse.Namespace) -> Numbering | None:
    """Refuse before any work what cannot end well; return where frames go, if that was said."""
    from mouthpiece.cli.portrait import files_read
    from mouthpiece.portrait.consent import Consent
    from mouthpiece.portrait.film_job import is_film
    from mouthpiece.provenance.sequences import Numbering

    Consent.of(options.consent, options.consent_by)
    if options.channel is not None:
        recordings.open_file(options.audio, options.channel)
    if options.time_stamp and not bpy.app.online_access:
        raise PictureError("--time-stamp needs the network, which is not allowed here. Allow it in the preferences.")
    place, read = options.keep_frames, files_read(options)
    if is_film(options.output):
        blend_files.check(options.output, options.force, [*read, *blend_files.opened()])
    else:
        place = options.output
    if options.blend is not None:
        blend_files.check(options.blend, options.force, read)
    return None if place is None else Numbering.of(place.absolute())


def _made(options: argparse.Namespace) -> tuple[bpy.types.Object, Mapping[str, str], list[str]]:
    """Make the portrait in a scene of its own, its settings as asked for; return it, who found its face, remarks."""
    from mouthpiece.performance import Performance
    from mouthpiece.portrait.consent import Consent
    from mouthpiece.portrait.film_job import is_film
    from mouthpiece.portrait.frame_motion import rate_of

    image = images.load(str(options.image))
    placed, finders, remarks = _face(image, options)
    wanted = rig_builder.WantedFace(options.face, str(options.landmarks or ""), placed=placed)
    take = Performance.load(options.take) if options.take is not None else None
    with scene_for(image, rate_of(options.fps, take)):
        made = portrait_builder.make(bpy.context, image, wanted)
        rig_builder.add_camera(bpy.context, made.rig)
    settings: Any = made.rig.mouthpiece_portrait
    consent = Consent.of(options.consent, options.consent_by)
    settings.consent, settings.kind = True, consent.kind.upper()
    settings.statement, settings.by = consent.statement, consent.by
    settings.mark, settings.longest = options.mark, options.size or 0
    settings.media = "VIDEO" if is_film(options.output) else "FRAMES"
    settings.output = str(options.output.absolute())
    settings.background = [level / 255 for level in options.background]
    settings.keep_frames = options.keep_frames is not None
    if options.generator is not None:
        settings.repair = {"none": "NONE", "shipped": "SHIPPED"}.get(options.generator.lower(), "FILE")
        own = settings.repair == "FILE"
        settings.generator = str(Path(options.generator).absolute()) if own else ""
    return made.rig, finders, [*made.warnings, *remarks]


def _face(
    image: bpy.types.Image, options: argparse.Namespace
) -> tuple[Placed | None, Mapping[str, str], tuple[str, ...]]:
    """Return the face, the networks that found it, and remarks; None for one that comes from a file."""
    from mouthpiece.cli.landmarks import face_request

    if options.landmarks is not None:
        return None, {}, ()
    sighting = rig_builder.found_in(image, face_request(options, options.face))
    return sighting.placed[0], sighting.networks or {}, sighting.remarks


def _animate(obj: bpy.types.Object, options: argparse.Namespace, teller: Any) -> list[str]:
    """Have the portrait speak the sound or take, and return remarks."""
    from mouthpiece.cli import dial
    from mouthpiece.cli.animate import channel_asked, style_asked
    from mouthpiece.pipeline import Options

    source, scene = options.take or options.audio, bpy.context.scene
    heard = recordings.with_channel(recordings.from_file(str(source), scene, 1), channel_asked(options))
    bake_settings.choose_channel(obj.mouthpiece, heard.channel)
    if options.audio is not None:
        recordings.from_file(str(options.audio), scene, 1)  # refused now rather than after the frames
    asked = Options(seed=options.seed, style=None if options.take else style_asked(options))
    target = PortraitTarget.of(obj, options.strength)
    bake = Bake(heard, (target,), asked, options.models, dials=dial.dials_of(options))
    remarks: list[str] = []

    def write(heard: Heard) -> None:
        report = bake.write(heard)
        remarks.extend(report.warnings)
        scene.frame_start, scene.frame_end = report.first, report.last

    drain(
        bake.steps(),
        lambda progress: teller.progress(str(source), progress.fraction, progress.message),
        remarks.append,
        write,
    )
    return remarks


def _sound(options: argparse.Namespace) -> recordings.Recording | None:
    """Return what is heard in a film of a take that was given with a sound; None for the sound the take is made of."""
    if options.take is None or options.audio is None:
        return None
    return recordings.from_file(str(options.audio), bpy.context.scene, 1)


def _signer(options: argparse.Namespace) -> Signer:
    certificate, key = (str(path) if path else "" for path in (options.certificate, options.private_key))
    if not certificate and not options.no_credentials:
        certificate, key = preferences.signer(bpy.context)
    return Signer(certificate, key, options.time_stamp, not options.no_credentials)
