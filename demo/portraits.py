"""Picture rigs of every picture in a folder, each in a few poses, on contact sheets: for looking at many faces at once.

    python demo/portraits.py FOLDER [--out DIR] [--size N] [--hand]      with the checkout and its core on PYTHONPATH

A row of a sheet is a picture: at rest, and with keys set by hand (mouth open, wide, pursed, eyes shut, head turned).
Pictures in which no face is found get an average face in the middle with --hand, and are named without.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np

from demo import samples, sheets

#: What is shown of each picture: caption, and key values.
POSES: Final[tuple[tuple[str, dict[str, float]], ...]] = (
    ("rest", {}),
    ("shut, blink", {"shut": 1, "blink_L": 1, "blink_R": 1}),
    ("ah", {"shut": 1, "open": 1, "brow_up_L": 1, "brow_up_R": 1}),
    ("ee", {"shut": 1, "open": 0.35, "wide": 0.9, "corners": 0.3}),
    ("oo", {"shut": 1, "open": 0.4, "wide": -0.8}),
    ("turned", {"shut": 1, "open": 0.6, "turn_x": 1, "turn_y": -0.4, "gaze_x": -0.8}),
)
_ENDINGS: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_ROWS: Final = 6


def shown(path: Path, folder: Path, hand: bool) -> list[Any]:
    """Return a picture's poses as rendered; RuntimeError if no rig can be made of it."""
    scene: Any = sheets.empty_file()
    placement = "DETECT"
    try:
        bpy.ops.mouthpiece.make_picture_rig(filepath=str(path), camera=False)
    except RuntimeError:
        if not hand:
            raise
        placement = "HAND"
        bpy.ops.mouthpiece.make_picture_rig(filepath=str(path), camera=False, placement=placement)
    rig: Any = next(obj for obj in bpy.data.objects if obj.mouthpiece_picture.points)
    samples.studio(colour="TEXTURE", light="FLAT")
    samples.camera(*framing(rig), side=0.0, flat=True)
    pictures = []
    for number, (_, values) in enumerate(POSES):
        for block in rig.data.shape_keys.key_blocks[1:]:
            block.value = values.get(block.name, 0.0)
        scene.render.filepath = str(folder / f"{number}.png")
        bpy.ops.render.render(write_still=True)
        pictures.append(sheets.read(Path(scene.render.filepath)))
    return pictures


def framing(rig: Any) -> tuple[tuple[float, float, float], float]:
    """Return the middle of a rig's head and the height to be seen around it."""
    from addon.targets.picture_rig import settings as picture_settings

    marks = picture_settings.landmarks_of(rig).landmarks[:, :2]
    size = np.array(rig.mouthpiece_picture.image.size)
    scale = 2.0 / size.max()
    middle = ((marks.min(axis=0) + marks.max(axis=0)) / 2 - size / 2) * scale
    height = 1.9 * float(np.ptp(marks, axis=0).max()) * scale
    return (float(middle[0]), 0.0, -float(middle[1]) + 0.08 * height), height


def main() -> int:
    """Make the sheets; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="pictures, searched in its folders as well")
    parser.add_argument("--out", type=Path, default=Path("demo/out"))
    parser.add_argument("--size", type=int, default=256, help="side of a frame in pixels (default 256)")
    parser.add_argument("--hand", action="store_true", help="an average face where none is found")
    options = parser.parse_args()
    samples.SIZE = options.size
    options.out.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    rows: list[tuple[str, list[Any]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            try:
                rows.append((path.name, shown(path, Path(folder), options.hand)))
            except RuntimeError as error:
                print(f"{path.name}: {error}", flush=True)
    for first in range(0, len(rows), _ROWS):
        page = rows[first : first + _ROWS]
        picture, places = sheets.composed([one for _, row in page for one in row], len(POSES))
        out = options.out.resolve() / f"portraits-{first // _ROWS + 1}.png"
        sheets.write(picture, out)
        words = [f"{name if k == 0 else ''} {POSES[k][0]}".strip() for name, _ in page for k in range(len(POSES))]
        captions = [(text, x + 6, y + 10, 13) for text, (x, y) in zip(words, places, strict=True)]
        sheets.letter(out, captions)
        print(out, flush=True)
    print(f"{len(rows)} of {len(paths)} pictures")
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # bpy 4.5 as a module may hang at exit
