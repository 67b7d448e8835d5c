"""Time a minute of speech drawn on a face of 500 points: baked on ones, and a dial turned. Run by `build.py bench`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mouthpiece import Audio, Options
from mouthpiece.motion.dials import Dials

import addon
from addon import compat, demo
from addon.bake import redial
from addon.bake.bake import Bake, Heard
from addon.sound import recordings
from addon.targets import target_for
from addon.targets.grease_pencil import face_finder, handles, planes
from addon.targets.grease_pencil import settings as drawing_settings

RUNS, POINTS, STROKES = 5, 500, 20


def minute(folder: Path) -> Path:
    """Return a take of a minute of the bundled line, over and over."""
    from mouthpiece.pipeline import animate

    line = recordings.open_file(demo.LINE).whole()
    samples = np.resize(line.samples, 60 * line.rate)
    return animate(Audio(samples, line.rate, "a minute"), Options()).save(folder / "minute.npz")


def drawing() -> Any:
    """Return a face drawn with seeded strokes, with handles."""
    data = compat.grease_pencils().new("Drawing")
    obj: Any = bpy.data.objects.new("Drawing", data)
    bpy.context.scene.collection.objects.link(obj)
    made = data.layers.new("Face").frames.new(1).drawing
    made.add_strokes([POINTS // STROKES] * STROKES)
    face = face_finder.neutral()[:, :2]
    flat = np.random.default_rng(0).uniform(face.min(axis=0), face.max(axis=0), (POINTS, 2))
    places = np.stack([flat[:, 0], 0 * flat[:, 0], -flat[:, 1]], axis=1).astype(np.float32)
    made.attributes["position"].data.foreach_set("vector", places.ravel())
    handles.make(obj, face.astype(np.float64), planes.front())
    drawing_settings.list_layers(obj)
    obj.mouthpiece_strokes.timing = "ONES"
    return obj


def main() -> int:
    """Write the result as rows of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon.register()
    bpy.context.scene.render.fps = 25
    obj = drawing()
    take = recordings.from_file(str(minute(options.json.parent)), bpy.context.scene, 1)
    bake = Bake(take, (target_for(obj),))
    (heard,) = [message for message in bake.steps() if isinstance(message, Heard)]
    took: dict[str, list[float]] = {"bake": [], "dial": []}
    for number in range(RUNS):
        began = time.perf_counter()
        bake.write(heard)
        took["bake"].append(time.perf_counter() - began)
        began = time.perf_counter()
        redial.redial(obj, Dials(lips=0.5 + number / RUNS))
        took["dial"].append(time.perf_counter() - began)
    count = len(obj.data.layers[0].frames)
    rows = [
        {"what": f"draw a minute on ones, {POINTS} points, {count:,} drawings",
         "value": f"{statistics.median(took['bake']):.2f} s", "promise": "at most 2 s"},
        {"what": "turn the lips dial of it, all drawings made anew",
         "value": f"{statistics.median(took['dial']):.2f} s", "promise": "at most 2 s"},
    ]  # fmt: skip
    options.json.write_text(json.dumps(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # the process must end without Python's own shutdown, which the module of 4.5 may not survive
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
