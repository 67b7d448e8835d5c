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
from addon import demo, redialling, sound
from addon.bake import Bake, Heard
from addon.targets import target_for
from addon.targets.head import HeadTarget

RUNS = 9


def minute(folder: Path) -> Path:
    """Return a take of a minute of the bundled line, over and over."""
    from mouthpiece.pipeline import animate

    line = sound.open_file(demo.LINE)
    samples = np.resize(line.samples, 60 * line.rate)
    return animate(Audio(samples, line.rate, "a minute"), Options()).save(folder / "minute.npz")


def main() -> int:
    """Write the result as rows of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    addon.register()
    bpy.context.scene.render.fps = 25
    head, rig = demo.build(bpy.context)
    take = sound.from_file(str(minute(options.json.parent)), bpy.context.scene, 1)
    bake = Bake(take, (target_for(head), HeadTarget.of(rig, bone="head")))
    for message in bake.steps():
        assert isinstance(message, Heard)  # a finished take needs no work
        bake.write(message)
    took: dict[str, list[float]] = {"lips": [], "head": []}
    for number in range(RUNS):
        for dial, times in took.items():
            began = time.perf_counter()
            redialling.redial(head, Dials.of({dial: 0.5 + number / RUNS}))
            times.append(time.perf_counter() - began)
    rows = [
        {"what": f"turn the {dial} dial of a minute, 52 shapes and a head bone",
         "value": f"{statistics.median(times):.3f} s", "promise": "a frame: 0.04 s"}
        for dial, times in took.items()
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
