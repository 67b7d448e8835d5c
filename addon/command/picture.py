"""``blender -b -c mouthpiece picture``: an image into an animated picture rig, in a scene of its own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy
from mouthpiece.cli.paths import named_path
from mouthpiece.errors import MouthpieceError
from mouthpiece.files.places import is_file

from .. import compat
from ..sound import strips
from ..targets.picture_rig import builder as rig_builder
from ..targets.picture_rig import images
from . import bake as bake_command
from . import blend_files
from .new_scene import scene_for


def add(commands: Any) -> None:
    """Add the ``picture`` command to ``parser.add_subparsers()``."""
    from mouthpiece.cli import dial
    from mouthpiece.cli.animate import add_actor_argument, add_motion_arguments
    from mouthpiece.cli.landmarks import FaceBox, pixel
    from mouthpiece.cli.report import add_report_arguments
    from mouthpiece.cli.spoken import add_text_arguments

    parser = commands.add_parser(
        "picture",
        help="make a picture rig of an image and animate it",
        description="Turn an image into a picture rig, in a new scene with a camera, and animate it with a sound.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--image", required=True, type=named_path, metavar="PICTURE", help="photo, painting or drawing")
    parser.add_argument("--audio", metavar="PATH", help="sound file, or a take (.npz); without it nothing moves yet")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--landmarks", type=named_path, metavar="JSON", help="points, as written by `landmarks` or the panel"
    )
    where.add_argument(
        "--points", metavar="X,Y", nargs=4, type=pixel,
        help="eye, eye, corner and corner of the mouth in pixels, the left of the picture first",
    )  # fmt: skip
    where.add_argument("--box", metavar="PX", nargs=4, action=FaceBox, help="left, top, right and bottom of the face")
    parser.add_argument("--face", type=int, default=1, metavar="N", help="which face, if there are several (default 1)")
    parser.add_argument("--fps", type=int, metavar="N", help="frame rate of the scene (default: as opened)")
    bake_command.add_keys_and_output(parser)
    add_motion_arguments(parser)
    add_actor_argument(parser)
    add_text_arguments(parser)
    dial.add_dial_arguments(parser)
    add_report_arguments(parser)
    # what `bake` has besides, and a picture rig no use for, is as it is when nobody names it
    whole = argparse.ArgumentParser()
    bake_command.add_arguments(whole)
    unnamed = vars(whole.parse_args(["--audio", "", "--object", ""]))
    parser.set_defaults(**{**unnamed, "audio": None, "command": run, "target": "PICTURE"})


def run(options: argparse.Namespace) -> int:
    """Make the rig, animate it if there is a sound, save and render. Return the exit code."""
    from mouthpiece.cli.report import BAD_ARGUMENTS, DONE, FAILED, reporter
    from mouthpiece.portrait.find.placement import PlacementError

    teller = reporter(options)
    wrong = bake_command.contradiction(options)
    if options.audio is None and options.render is not None:
        wrong = "--render needs --audio: without a sound nothing moves"
    if wrong:
        teller.error("picture", wrong)
        return int(BAD_ARGUMENTS)
    try:
        read = bake_command.files_read(options)
        for path, more in ((options.output, []), (options.render, blend_files.opened())):
            if path is not None:
                blend_files.check(path, options.force, [*read, *more])
        rig, warnings = _made(options)
        for warning in warnings:
            teller.warning(str(options.image), warning)
        options.object = [rig.name]
        if options.audio is not None:
            _heard(options)
            return bake_command.run(options)
        outputs = [str(blend_files.save(options.output))] if options.output is not None else []
    except MouthpieceError as error:
        teller.error(str(options.image), str(error))
        teller.result({"ok": False, "error": str(error)}, "Failed.") if options.json else None
        return int(BAD_ARGUMENTS if isinstance(error, PlacementError) else FAILED)
    result = {"ok": True, "object": rig.name, "outputs": outputs, "warnings": warnings}
    teller.result(result, "\n".join([f"Made the picture rig '{rig.name}'", *outputs]))
    return int(DONE)


def _made(options: argparse.Namespace) -> tuple[bpy.types.Object, list[str]]:
    """Make the rig in a new scene that shows it as the picture is; nothing stays of it if that fails."""
    from mouthpiece.portrait.find.placement import check_inside, placed_by_clicks, placed_in_box

    image = images.load(str(options.image))
    placed = placed_by_clicks(options.points[:2], options.points[2:]) if options.points else None
    placed = placed_in_box(*options.box) if options.box else placed
    if placed is not None:
        check_inside(placed, *image.size)
    wanted = rig_builder.WantedFace(options.face, str(options.landmarks or ""), placed=placed)
    with scene_for(image, options.fps):
        made = rig_builder.make(bpy.context, image, wanted)
        rig_builder.add_camera(bpy.context, made.rig)
    return made.rig, made.warnings


def _heard(options: argparse.Namespace) -> None:
    """Put the sound into the scene's sequencer, so that the saved file plays it; a take has none."""
    path = Path(options.audio)
    if path.suffix.lower() == ".npz" or not is_file(path):
        return  # baking reads the take, or says what is wrong with the path
    scene: Any = bpy.context.scene
    added = compat.strips_of(scene.sequence_editor_create())
    strip = strips.new_strip(added, path.stem, str(path.resolve()), 1, options.start)
    scene.frame_start, scene.frame_end = options.start, options.start + max(1, compat.strip_length(strip)) - 1
    scene.sync_mode = "AUDIO_SYNC"
    options.strip, options.audio = strip.name, None
