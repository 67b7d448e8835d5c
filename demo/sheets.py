"""Animate samples with the bundled line and render each as one labelled contact sheet.

    python demo/sheets.py [NAME …] [--out DIR] [--frames N] [--images DIR]

Each sample is built in an empty file, animated by the add-on's own operator, saved as DIR/NAME.blend, and its most
telling frames are rendered by Workbench into DIR/NAME.png (and IMAGES/sheet-NAME.jpg, for the documentation). `python
build.py samples` prepares an environment and runs this for all; alone it wants the checkout and its core on PYTHONPATH.
A sheet whose frames hardly differ is an error: the face did not move.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mouthpiece.performance import Performance
from numpy.typing import NDArray

import addon
from addon import compat, scene_settings
from addon import demo as bundled
from addon.bake.bake import Heard
from demo import samples
from demo.telling import Moment, telling

ROOT = Path(__file__).resolve().parent.parent
FPS = 25
COLUMNS = 4
#: Heights of the caption under a frame and of the title, gap between frames, pixels.
CAPTION, TITLE, GAP = 30, 46, 6
INK, PAPER = (0.92, 0.93, 0.95, 1.0), (0.115, 0.125, 0.145, 1.0)
#: Frames look alike if their `difference` is below this.
LEAST_DIFFERENCE = 0.05

Picture = NDArray[np.float32]


def empty_file() -> Any:
    """Open an empty file with the add-on enabled and the line on frame 1; return its scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if not hasattr(bpy.types.Scene, "mouthpiece"):  # factory settings disable what they did not enable
        addon.register()
    scene: Any = bpy.context.scene
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    strip = bundled.add_line(scene)
    scene.frame_end = max(1, compat.strip_length(strip))
    scene.sync_mode = "AUDIO_SYNC"
    scene.mouthpiece.source, scene.mouthpiece.strip = "STRIP", strip.name
    return scene


def animate(name: str) -> Performance:
    """Press *Animate* on the object called ``name`` and return the motion it was given, as it is seen."""
    for obj in bpy.context.selected_objects:
        obj.select_set(False)
    obj = bpy.data.objects[name]
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj
    heard = [item for item in scene_settings.bake_of(bpy.context).steps() if isinstance(item, Heard)]
    if bpy.ops.mouthpiece.animate() != {"FINISHED"}:
        raise RuntimeError(f"'{name}' was not animated; see the message above.")
    return heard[0].performance.final()


def render(scene: Any, moments: Sequence[Moment], folder: Path) -> list[Picture]:
    """Return the scene's frames at those moments, each (height, width, 4) as displayed, first row at the bottom."""
    scene.render.image_settings.file_format = "PNG"
    pictures = []
    for number, moment in enumerate(moments):
        scene.frame_set(frame_of(moment))
        scene.render.filepath = str(folder / f"{number}.png")
        bpy.ops.render.render(write_still=True)
        pictures.append(read(Path(scene.render.filepath)))
    return pictures


def frame_of(moment: Moment) -> int:
    """Return the scene's frame of a moment of the line; the last one is heard for less than a frame."""
    return min(1 + round(moment.second * FPS), bpy.context.scene.frame_end)


def read(path: Path) -> Picture:
    """Return an image file's colours (height, width, 4), first row at the bottom."""
    image = bpy.data.images.load(str(path))
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)


def write(picture: Picture, path: Path) -> None:
    """Save colours (height, width, 4), first row at the bottom, as PNG, or JPEG if the path ends so."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new("Sheet", width, height)
    image.pixels.foreach_set(np.ascontiguousarray(picture, np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "JPEG" if path.suffix == ".jpg" else "PNG"
    image.save(quality=85)
    bpy.data.images.remove(image)


def composed(pictures: Sequence[Picture], columns: int = COLUMNS) -> tuple[Picture, list[tuple[int, int]]]:
    """Return pictures of one size side by side, with room for captions and a title, and where each caption begins.

    Places are (x, y) in pixels from the bottom left; the first picture is at the top left.
    """
    height, width = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    cell, line = width + GAP, height + CAPTION
    sheet = np.empty((rows * line + TITLE, columns * cell + GAP, 4), np.float32)
    sheet[:] = PAPER
    places = []
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        x, y = GAP + column * cell, (rows - 1 - row) * line
        sheet[y + CAPTION : y + line, x : x + width] = picture
        places.append((x, y))
    return sheet, places


def letter(path: Path, texts: Sequence[tuple[str, int, int, int]]) -> None:
    """Draw texts into an image file: each with x and y of its foot, and its size, in pixels."""
    import blf
    import imbuf  # like blf, found only once bpy is loaded

    picture = imbuf.load(str(path))
    with blf.bind_imbuf(0, picture):
        for text, x, y, size in texts:
            blf.size(0, size)
            blf.color(0, *INK)
            blf.position(0, x, y, 0)
            blf.draw_buffer(0, text)
    imbuf.write(picture, filepath=str(path))


def difference(pictures: Sequence[Picture]) -> float:
    """Return how far colours (0..1) spread over the frames: the mean of the thousandth of pixels that differ most."""
    spread = np.sort(np.ptp(np.stack(pictures)[..., :3], axis=0).max(axis=-1).ravel())
    return float(spread[-max(1, len(spread) // 1000) :].mean())


def make(sample: samples.Sample, out: Path, count: int) -> Path:
    """Build, animate, save and render one sample, and return its sheet; RuntimeError if its face does not move."""
    began = time.monotonic()
    scene = empty_file()
    character = sample.build()
    if scene.camera is None:
        raise RuntimeError(f"The sample '{sample.name}' has no camera.")
    moments = telling(animate(character), count)
    blend, sheet = out / f"{sample.name}.blend", out / f"{sample.name}.png"
    widest = next((moment for moment in moments if moment.words == "wide open"), moments[0])
    scene.frame_set(frame_of(widest))
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), compress=True)
    with tempfile.TemporaryDirectory() as folder:
        pictures = render(scene, moments, Path(folder))
    picture, places = composed(pictures)
    write(picture, sheet)
    captions = [
        (f"{moment.words}  ·  frame {frame_of(moment)}", x + 8, y + 10, 15)
        for moment, (x, y) in zip(moments, places, strict=True)
    ]
    letter(sheet, [*captions, (sample.title, GAP + 8, picture.shape[0] - TITLE + 15, 20)])
    if difference(pictures) < LEAST_DIFFERENCE:
        raise RuntimeError(f"The frames of '{sample.name}' look alike: its face does not move. Look at {sheet}")
    print(f"{sample.name}: {blend}, {sheet} ({time.monotonic() - began:.0f} s)", flush=True)
    return sheet


def main() -> int:
    """Make the sheets; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"(default: all) {', '.join(samples.names())}")
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "out")
    parser.add_argument("--frames", type=int, default=8, help="frames on a sheet (default: 8)")
    parser.add_argument("--images", type=Path, help="where a smaller copy of each sheet goes, for the documentation")
    options = parser.parse_args()
    if options.frames < 2:
        parser.error("--frames must be 2 or more")
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for name in options.names or samples.names():
        sample = samples.load(name)
        if sample.missing:
            print(f"{name}: left out, {sample.missing} is missing", flush=True)
            continue
        sheet = make(sample, out, options.frames)
        if options.images:
            write(read(sheet), options.images.resolve() / f"sheet-{name}.jpg")
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except LookupError as error:
        print(error, file=sys.stderr)
        code = 1
    except Exception:  # the module of 4.5 hangs when Python ends by itself while classes are registered
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
