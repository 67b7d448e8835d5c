"""Render a scene that listens as one labelled strip: three characters speak in turn, a fourth only listens.

    python demo/listening.py [--out DIR] [--image FILE]

The scene is built in an empty file, its lines are animated by the add-on's own operators, *Update Listeners* is
pressed, and frames are rendered by Workbench into DIR/listening.png (and FILE, smaller, for the documentation). It
wants the checkout and its core on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy
from mathutils import Matrix, Vector

import addon
from addon import compat
from addon import demo as bundled
from addon.cast import sightlines
from demo import samples, sheets

FPS: Final = 25
#: First and last frame of the scene.
FRAMES: Final = (1, 500)
#: The point between the characters, and how far from it they are, in metres.
MIDDLE: Final = Vector((0.0, 0.0, 0.0))
AWAY: Final = 0.46


@dataclass(frozen=True, slots=True)
class Placed:
    """A character: its name, its sample, where it sits (degrees round the table, 0 faces the camera), and its size."""

    who: str
    sample: str
    degrees: float
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """A line: who speaks, its first and last frame on the timeline, and the frame of the bundled sound it begins at."""

    who: str
    first: int
    last: int
    begin: int = 0


CAST: Final = (
    Placed("Ada", "shape_keys", -68.0),
    Placed("Ben", "bones", -22.0, 0.09),
    Placed("Cat", "grease_pencil", 22.0, 0.09),
    Placed("Dee", "shape_keys", 68.0),
)
#: Dee says nothing.
LINES: Final = (Said("Ada", 40, 150, 0), Said("Ben", 165, 250, 90), Said("Cat", 262, 340, 0), Said("Ada", 350, 420, 60))
#: Moments of the strip.
SHOWN: Final = (20, 75, 158, 190, 285, 330, 375, 450)


def build() -> dict[str, Any]:
    """Make characters, strips and a camera in the open, empty file; return each character's object by its name."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    scene.frame_start, scene.frame_end = FRAMES
    cast = {}
    for placed in CAST:
        before = set(scene.objects)
        obj = bpy.data.objects[samples.load(placed.sample).build()]
        cast[placed.who] = obj
        fresh = [one for one in scene.objects if one not in before]
        for one in fresh:
            if one.type in ("CAMERA", "LIGHT"):
                bpy.data.objects.remove(one)
        _seat(obj, [one for one in scene.objects if one not in before and one.parent is None], placed)
        obj["cast"] = placed.who
    strips = compat.strips_of(scene.sequence_editor_create())
    for channel, line in enumerate(LINES, 1):
        strip = strips.new_sound(f"{line.who} {channel}", str(bundled.LINE), channel, line.first - line.begin)
        strip.frame_offset_start = line.begin
        strip.frame_offset_end = compat.strip_length(strip) - line.begin - (line.last - line.first + 1)
    samples.studio()
    samples.camera((0.0, -0.1, -0.03), 1.15, side=0.0, above=0.08)
    scene.render.resolution_x, scene.render.resolution_y = 960, 400
    return cast


def _seat(obj: Any, objects: list[Any], placed: Placed) -> None:
    """Put a character's objects at a place round the table, half turned to its middle, all eyes at one height."""
    angle = math.radians(placed.degrees)
    place = MIDDLE + Vector((math.sin(angle) * AWAY, math.cos(angle) * AWAY * 0.6, 0.0))
    for one in objects:
        turned = Matrix.LocRotScale(place, Matrix.Rotation(-angle * 0.45, 3, "Z"), Vector((placed.size,) * 3))
        one.matrix_world = turned @ one.matrix_world
    bpy.context.view_layer.update()
    high = sightlines.head_place(obj).eyes.z
    for one in objects:
        one.location.z -= high
    bpy.context.view_layer.update()


def animate(cast: dict[str, Any]) -> None:
    """Press *Animate* for each line, and *Update Listeners* with everybody selected."""
    for channel, line in enumerate(LINES, 1):
        _choose([cast[line.who]])
        bpy.context.scene.mouthpiece.source, bpy.context.scene.mouthpiece.strip = "STRIP", f"{line.who} {channel}"
        if bpy.ops.mouthpiece.animate() != {"FINISHED"}:
            raise RuntimeError(f"{line.who}'s line was not animated; see the message above.")
    _choose(list(cast.values()))
    if bpy.ops.mouthpiece.update_listeners() != {"FINISHED"}:
        raise RuntimeError("The listeners were not updated; see the message above.")


def _choose(objects: list[Any]) -> None:
    """Select these objects and no others, the last one active."""
    for other in bpy.context.view_layer.objects:
        other.select_set(other in objects)
    bpy.context.view_layer.objects.active = objects[-1]


def speaker_at(frame: int) -> str:
    """Return who speaks at a frame; empty if nobody does."""
    return next((line.who for line in LINES if line.first <= frame <= line.last), "")


def strip(out: Path) -> Path:
    """Render the strip and return its file."""
    scene = bpy.context.scene
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for frame in SHOWN:
            scene.frame_set(frame)
            scene.render.filepath = str(Path(folder) / f"{frame}.png")
            bpy.ops.render.render(write_still=True)
            pictures.append(sheets.read(Path(scene.render.filepath)))
    picture, places = sheets.composed(pictures, 2)
    path = out / "listening.png"
    sheets.write(picture, path)
    captions = [
        (f"frame {frame}  ·  {speaker_at(frame) or 'nobody'} speaks", x + 8, y + 10, 15)
        for frame, (x, y) in zip(SHOWN, places, strict=True)
    ]
    title = "A scene that listens: Ada, Ben and Cat speak in turn, Dee says nothing"
    sheets.letter(path, [*captions, (title, sheets.GAP + 8, picture.shape[0] - sheets.TITLE + 15, 20)])
    return path


def main() -> int:
    """Make the strip; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=sheets.ROOT / "demo" / "out")
    parser.add_argument("--image", type=Path, help="where a smaller copy goes, for the documentation")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if not hasattr(bpy.types.Scene, "mouthpiece"):
        addon.register()
    animate(build())
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "listening.blend"), compress=True)
    path = strip(out)
    if options.image:
        small = sheets.read(path)[::2, ::2]
        sheets.write(small, options.image.resolve())
    print(path, flush=True)
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except Exception:  # the module of 4.5 hangs when Python ends by itself while classes are registered
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
