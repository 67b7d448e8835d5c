"""Stills of a film as one picture: `python demo/film_stills.py FILM.blend FRAME … -o PICTURE.jpg`.

Each frame is seen through the camera that the film cuts to there, with whoever speaks then written below.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import bpy

import addon
from addon.cast.scene_lines import resolved
from demo import sheets
from demo.telling import Moment

#: Height of the letters, and pixels between them and the edge.
LETTERS, EDGE = 15, 8


def spoken(frame: int) -> str:
    """Return who speaks on a frame, as the cast of the scene has it."""
    lines, _ = resolved(bpy.context.scene)
    places = [(line.character, line.recording.placement) for line in lines]
    names = [name for name, place in places if (place.left or 0) <= frame < (place.right or 1 << 30)]
    return " and ".join(dict.fromkeys(names)) or "nobody"


def main() -> int:
    """Write the picture; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path, help="an animated film")
    parser.add_argument("frames", type=int, nargs="+", help="frames to show")
    parser.add_argument("--columns", type=int, default=2, help="stills side by side (default: 2)")
    parser.add_argument("--percent", type=int, default=60, help="of the film's own size (default: 60)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PICTURE")
    options = parser.parse_args()
    addon.register()
    bpy.ops.wm.open_mainfile(filepath=str(options.film.absolute()))
    scene: Any = bpy.context.scene
    scene.render.resolution_percentage = options.percent
    moments = [Moment((frame - 1) / sheets.FPS, f"{spoken(frame)}  ·  frame {frame}") for frame in options.frames]
    with tempfile.TemporaryDirectory() as folder:
        pictures = sheets.render(scene, moments, Path(folder))
        picture, places = sheets.composed(pictures, options.columns)
        sheet = Path(folder) / "sheet.png"
        sheets.write(picture[: -sheets.TITLE + sheets.GAP], sheet)
        below = zip(moments, places, strict=True)
        sheets.letter(sheet, [(moment.words, x + EDGE, y + EDGE, LETTERS) for moment, (x, y) in below])
        sheets.write(sheets.read(sheet), options.output.absolute())
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # the module of 4.5 hangs when Python ends by itself while classes are registered
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
