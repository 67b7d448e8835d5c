"""Time one dial turned on a minute of speech baked on the demo head: what a slider costs. Run by `build.py bench`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import traceback
from pathlib import Path

import bpy
import numpy as np
from mouthpiece import Audio, Options
from mouthpiece.motion.dials import Dials

import addon
from addon import demo
from addon.bake import redial
from addon.bake.bake import Bake, Heard
from addon.sound import recordings
from addon.targets import target_for
from addon.targets.head.target import HeadTarget

RUNS = 9
RESTING = 400
DIALS = ("lips", "jaw", "brows", "blink", "head", "smoothing")


def minute(folder: Path) -> Path:
    """Return a take of a minute of the bundled line, over and over."""
    from mouthpiece.pipeline import animate

    line = recordings.open_file(demo.LINE).whole()
    samples = np.resize(line.samples, 60 * line.rate)
    return animate(Audio(samples, line.rate, "a minute"), Options()).save(folder / "minute.npz")


def _times(head: bpy.types.Object, dials: tuple[str, ...] = DIALS) -> dict[str, str]:
    """Return the median time a dial takes as a slider would turn it, by dial: in the room, and on the processor."""
    found = {}
    for dial in dials:
        took, worked = [], []
        for number in range(RUNS):
            began, busy = time.perf_counter(), time.process_time()
            redial.redial(head, Dials.of({dial: 0.5 + number / RUNS / 2}), draft=True)
            took.append(time.perf_counter() - began)
            worked.append(time.process_time() - busy)
        found[dial] = f"{statistics.median(took):.3f} s ({statistics.median(worked):.3f} s of processor)"
    return found


def main() -> int:
    """Write the result as rows of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    addon.register()
    bpy.context.scene.render.fps = 25
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 101, 1600
    head, rig = demo.build(bpy.context)
    take = recordings.from_file(str(minute(options.json.parent)), bpy.context.scene, 101)
    rows = []
    for error, draft in ((0.0, ""), (0.01, ", keys reduced to 0.01")):
        bake = Bake(take, (target_for(head), HeadTarget.of(rig, bone="head")), error=error)
        for message in bake.steps():
            assert isinstance(message, Heard)  # a finished take needs no work
            bake.write(message)
        for dial, value in _times(head).items():
            what = f"turn the {dial} dial of a minute, 52 shapes and a head bone{draft}"
            rows.append({"what": what, "value": value, "promise": "" if draft else "a frame: 0.040 s"})
        bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 1600 + RESTING - 100
        for dial, value in _times(head, ("jaw", "blink", "head")).items():
            what = f"turn the {dial} dial of a minute and {RESTING} frames of rest around it{draft}"
            rows.append({"what": what, "value": value, "promise": ""})
        bpy.context.scene.frame_start, bpy.context.scene.frame_end = 101, 1600
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
