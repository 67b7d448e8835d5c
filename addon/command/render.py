"""``blender -b scene.blend -c mouthpiece render``: a portrait of the scene into what its settings say."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import bpy
from mouthpiece.cli.paths import named_path
from mouthpiece.errors import MouthpieceError, RigError
from mouthpiece.phrases import counted

from ..jobs import drain
from ..targets import find_object
from ..targets.picture_rig import settings as picture_settings
from ..targets.portrait import placement, render_setup
from ..targets.portrait.render import Asked, Rendering
from ..targets.portrait.render_setup import RenderWish
from . import blend_files

#: What can be done, besides choosing another place, where files are in the way of a rendering.
REMEDY: Final = "replace {it} with --force"

if TYPE_CHECKING:
    from mouthpiece.portrait.film_job import PortraitMade


def add(commands: Any) -> None:
    """Add the ``render`` command to ``parser.add_subparsers()``."""
    from mouthpiece.cli.report import add_report_arguments

    parser = commands.add_parser(
        "render",
        help="render a portrait of the scene as its settings say",
        description="Render a portrait that was set up in the panel. What was stopped goes on the next time.",
    )
    parser.add_argument("--object", required=True, metavar="NAME", help="the portrait, animated and with consent given")
    parser.add_argument(
        "-o", "--output", metavar="PATH", help="film (.mp4, .mov), or folder of frames (default: as set in the panel)"
    )
    parser.add_argument("--blend", type=named_path, metavar="BLEND", help="save the scene here, with what was rendered")
    parser.add_argument("--force", action="store_true", help="replace files that exist, and other frames")
    add_report_arguments(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Render. Return 0, or 1 if it failed."""
    from mouthpiece.cli.report import DONE, FAILED, reporter
    from mouthpiece.portrait.film_job import is_film

    teller, began = reporter(options), perf_counter()
    result: dict[str, Any] = {"ok": False, "object": options.object, "warnings": []}
    try:
        if options.blend is not None:
            blend_files.check(options.blend, options.force)
        obj: Any = find_object(options.object)
        if not picture_settings.is_portrait(obj):
            raise RigError(f"'{obj.name}' is not a portrait. Make one of an image with Add Portrait.")
        if options.output is not None:
            place = Path(options.output).absolute()
            obj.mouthpiece_portrait.output = str(place)
            obj.mouthpiece_portrait.media = "VIDEO" if is_film(place) else "FRAMES"
        rendering, told = rendering_of(obj, RenderWish(options.force, remedy=REMEDY), teller)
        result |= render(obj, rendering, told, teller)
        if options.blend is not None:
            result["blend"] = str(blend_files.save(options.blend))
    except MouthpieceError as error:
        teller.error(options.object, str(error))
        teller.result(result | {"error": str(error)}, "Failed.") if options.json else None
        return int(FAILED)
    result |= {"ok": True, "wall_seconds": round(perf_counter() - began, 3)}
    teller.result(result, summary(result))
    return int(DONE)


def rendering_of(obj: bpy.types.Object, wish: RenderWish, teller: Any) -> tuple[Rendering, list[str]]:
    """Return what is to be rendered of a portrait, and remarks."""
    teller.progress(obj.name, 0.0, "Reading the picture")
    return render_setup.rendering_of(obj, bpy.context.scene, wish)


def render(obj: bpy.types.Object, rendering: Rendering, remarks: list[str], teller: Any) -> dict[str, Any]:
    """Render, telling about it, place the result, and return what was made, fit for JSON."""
    remarks, job = list(remarks), rendering.job
    made: list[PortraitMade] = []
    drain(
        rendering.steps(),
        lambda progress: teller.progress(obj.name, progress.fraction, progress.message),
        remarks.append,
        lambda message: message.answer() if isinstance(message, Asked) else made.append(message),
    )
    (done,) = made
    remarks += placement.place(obj, bpy.context, done, rendering.first, rendering.last)
    for remark in remarks:
        teller.warning(obj.name, remark)
    return {
        "object": obj.name,
        "output": str(done.path),
        "frames": rendering.count,
        "rendered": done.rendered,
        "size": list(done.size),
        "fps": rendering.rate,
        "seconds": round(rendering.count / rendering.rate, 3),
        "generator": job.generator.name if job.generator is not None else None,
        "signature": job.seal.signature,
        "consent": job.consent.as_dict(),
        "warnings": remarks,
    }


def summary(result: dict[str, Any]) -> str:
    """Return a result in words."""
    before = result["frames"] - result["rendered"]
    kept = f", {before} of them made before" if before else ""
    made = f"{result['output']}  {counted(result['frames'], 'frame')}{kept}"
    text = f"{made}, {result['seconds']:.2f} s, in {result['wall_seconds']} s"
    return "\n".join([text, *([result["blend"]] if "blend" in result else [])])
