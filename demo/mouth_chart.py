"""Render the mouths of the sample chart side by side: ``python demo/mouth_chart.py [--out PNG]``.

With the checkout and its core on PYTHONPATH. The picture of `docs/targets/mouth-charts.md` is made by this.
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
from mouthpiece.motion.chart.charts import named_chart

from demo import samples, sheets

ROOT = Path(__file__).resolve().parent.parent
#: Pixels of a mouth's picture, and the part of the face it shows, in Blender units.
SIZE, HEIGHT = 236, 1.35


def make(out: Path) -> None:
    """Build the sample and render each of its mouths into one labelled picture."""
    sheets.empty_file()
    obj = bpy.data.objects[samples.load("mouth_charts").build()]
    scene: Any = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.camera.data.ortho_scale = HEIGHT
    scene.camera.location[2] = -0.5
    chart = named_chart(obj.mouthpiece_chart.chart)
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for shape in chart.shapes:
            bpy.ops.mouthpiece.show_mouth(shape=shape.name)
            scene.render.filepath = str(Path(folder) / f"{shape.name}.png")
            bpy.ops.render.render(write_still=True)
            pictures.append(sheets.read(Path(scene.render.filepath)))
    picture, places = sheets.composed(pictures, 5)
    sheets.write(picture, out)
    captions = [(s.name, x + 8, y + 9, 17) for s, (x, y) in zip(chart.shapes, places, strict=True)]
    labels = [(s.label, x + 32, y + 10, 11) for s, (x, y) in zip(chart.shapes, places, strict=True)]
    sheets.letter(out, [*captions, *labels, (chart.label, 14, picture.shape[0] - sheets.TITLE + 15, 20)])
    print(out, flush=True)


def main() -> int:
    """Make the picture; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "mouth-chart.png")
    make(parser.parse_args().out.resolve())
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
