"""Time a minute of speech solved onto 52 shape keys of unknown names, and pins proposed. Run by `build.py bench`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from mouthpiece import Audio, Options
from mouthpiece.curves import FrameGrid
from mouthpiece.performance import Performance
from mouthpiece.pipeline import animate

import addon
from addon import demo
from addon.sound import recordings
from addon.targets import target_for
from addon.targets.pins import proposal, solver_inputs

RUNS = 5


def minute() -> Performance:
    """Return a take of a minute of the bundled line, over and over."""
    line = recordings.open_file(str(demo.LINE)).whole()
    return animate(Audio(np.resize(line.samples, 60 * line.rate), line.rate, "a minute"), Options()).final()


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes, the median of several."""
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def main() -> int:
    """Write the result as rows of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    addon.register()
    head, _ = demo.build(bpy.context)
    for number, block in enumerate(head.data.shape_keys.key_blocks[1:], start=1):
        block.name = f"key {number:02d}"
    began = time.perf_counter()
    proposal.propose(head)
    proposed = time.perf_counter() - began
    take = minute()
    grid = FrameGrid(25.0, 1.0, 1, len(take))
    target = target_for(head, 1.0, "SOLVED")
    began = time.perf_counter()
    target.drive(take, grid)
    first = time.perf_counter() - began
    solver = solver_inputs.solving_of(head, take.neutral).solver
    wanted = solver.wanted(take).displacements
    rows = [
        {"what": "propose 68 pins on the demo head", "value": f"{proposed:.1f} s", "promise": "a few seconds"},
        {"what": f"solve {len(solver.free)} shapes over {len(take)} frames",
         "value": f"{timed(lambda: solver.solve(wanted, take.fps)):.3f} s", "promise": "under 1 s"},
        {"what": "curves of a minute on a pinned head, the first time", "value": f"{first:.3f} s", "promise": "1 s"},
        {"what": "curves of a minute on a pinned head, again",
         "value": f"{timed(lambda: target.drive(take, grid)):.3f} s", "promise": "under 1 s"},
    ]  # fmt: skip
    options.json.write_text(json.dumps(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    code = 1
    try:
        code = main()
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)  # bpy may hang on the way out
