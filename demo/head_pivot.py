"""Render a head whose origin lies half a metre below it, turned about its origin and about its neck.

    python demo/head_pivot.py docs/images/head-pivot.jpg

Wants the checkout and its core on PYTHONPATH, and bpy.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Matrix
from mouthpiece.performance import Performance
from mouthpiece.topology import ARKIT_NAMES

import addon
from addon import demo as bundled
from demo import samples, sheets

#: How far below the head the mesh's origin is put, in metres.
BELOW: Final = 0.5
#: Pitch of the head on the frames that are rendered, in radians.
NODS: Final = (-0.25, 0.0, 0.25)


def build() -> Any:
    """Make the bundled head without its rig, its origin below it, and return the object."""
    obj, rig = bundled.build(bpy.context)
    obj.parent = None
    obj.modifiers.clear()
    bpy.data.objects.remove(rig)
    obj.data.transform(Matrix.Translation((0, 0, BELOW)), shape_keys=True)
    obj.location.z = -BELOW
    obj.mouthpiece_head.turns = "OBJECT"
    return obj


def nodding() -> Performance:
    """Return a performance that nods once a second: at the pitch of each frame that is rendered."""
    count = len(NODS)
    head = np.zeros((count, 6), np.float32)
    head[:, 0] = NODS
    still, pair = np.zeros((count, 68, 3), np.float32), np.zeros((count, 2), np.float32)
    arkit = np.zeros((count, len(ARKIT_NAMES)), np.float32)
    return Performance(still, np.zeros((68, 3), np.float32), arkit, head, pair, pair, np.zeros(count, np.float32), 25.0)


def main() -> int:
    """Render both pivots and write the sheet that is named on the command line."""
    out = Path(sys.argv[1]).resolve()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon.register()
    scene, pictures = bpy.context.scene, []
    scene.render.fps = 25
    obj = build()
    samples.studio()
    samples.camera((0, 0, 0.15), 0.62, side=1.2)
    settings = scene.mouthpiece
    settings.source, settings.start = "FILE", 1
    bpy.context.view_layer.objects.active = obj
    with tempfile.TemporaryDirectory() as folder:
        take = Path(folder) / "nod.npz"
        nodding().save(take)
        settings.filepath = str(take)
        for pivot in ("ORIGIN", "AUTO"):
            obj.mouthpiece_head.pivot = pivot
            obj.mouthpiece.rest = 0.0
            bpy.ops.mouthpiece.animate()
            for frame in range(1, len(NODS) + 1):
                scene.frame_set(frame)
                scene.render.filepath = str(Path(folder) / f"{pivot}{frame}.png")
                bpy.ops.render.render(write_still=True)
                pictures.append(sheets.read(Path(scene.render.filepath)))
        sheet, places = sheets.composed(pictures, len(NODS))
        sheets.write(sheet, out)
    texts = ["Pivot: origin, half a metre below"] * len(NODS) + ["Pivot: automatic, the neck"] * len(NODS)
    sheets.letter(out, [(text, x + 4, y + 10, 15) for text, (x, y) in zip(texts, places, strict=True)])
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # bpy as a module may hang at exit
