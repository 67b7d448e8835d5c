"""Time 52 curves of 1,500 keys written by the add-on, and by Blender's `keyframe_insert`. Run by `build.py bench`."""

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
from mouthpiece.curves import Curves

from addon import demo
from addon.keys import writer
from addon.keys.channels import Channel, Line, Part

FRAMES = 1500
RUNS = 5


def part_of(owner: Any) -> Part:
    """Return seeded curves for every shape of a head's keys."""
    names = tuple(block.name for block in owner.key_blocks[1:])
    values = np.random.default_rng(0).random((FRAMES, len(names)), dtype=np.float32)
    curves = Curves(names, np.arange(1, FRAMES + 1, dtype=np.int64), values)
    return Part(owner, tuple(Channel(name, f'key_blocks["{name}"].value') for name in names), curves)


def bulk(number: int) -> float:
    """Return the seconds the add-on needs on a fresh head, everything it does to plan and remember included."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    head, _ = demo.build(bpy.context)
    part = part_of(head.data.shape_keys)
    began = time.perf_counter()
    written = writer.write([part], Line(f"bench-{number}", 1, FRAMES), "Bench")
    seconds = time.perf_counter() - began
    assert written.keys == FRAMES * len(part.channels), written
    return seconds


def one_by_one() -> float:
    """Return the seconds `keyframe_insert` needs for the same keys."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    head, _ = demo.build(bpy.context)
    owner = head.data.shape_keys
    curves = part_of(owner).curves
    blocks = [owner.key_blocks[name] for name in curves.names]
    began = time.perf_counter()
    for frame, row in zip(curves.frames.tolist(), curves.values.tolist(), strict=True):
        for block, value in zip(blocks, row, strict=True):
            block.value = value
            block.keyframe_insert("value", frame=frame)
    return time.perf_counter() - began


def main() -> int:
    """Write the result as rows of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    fast, slow = statistics.median(bulk(number) for number in range(RUNS)), one_by_one()
    rows = [
        {"what": f"bake 52 curves x {FRAMES:,} keys", "value": f"{fast:.3f} s", "promise": "under 0.1 s"},
        {
            "what": "the same with keyframe_insert",
            "value": f"{slow:.1f} s",
            "promise": f"({slow / fast:.0f} times as long)",
        },
    ]
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
