"""Time a drawing of 500 points warped over a minute, triangles and folds included. Run by `build.py bench`."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from mouthpiece import Options, animate
from mouthpiece.audio import load
from mouthpiece.performance import Performance
from mouthpiece.retarget.warp import folds, warp

ROOT = Path(__file__).resolve().parent.parent
FRAMES, POINTS, RUNS = 1500, 500, 5


def line() -> Performance:
    """Return the take of the bundled line."""
    return animate(load(ROOT / "addon" / "assets" / "demo_line.flac"), Options())


def main() -> int:
    """Write the result as rows of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    take = line().final()
    neutral = take.neutral[:, :2].astype(np.float64)
    landmarks = np.resize(take.landmarks[..., :2], (FRAMES, *neutral.shape))
    points = np.random.default_rng(0).uniform(neutral.min(axis=0), neutral.max(axis=0), (POINTS, 2))
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        border = warp.ring(neutral)
        triangles = warp.triangulate(neutral, border)
        rest = np.concatenate([neutral, border])
        done = folds.repaired(triangles, rest, landmarks)
        warp.Warp.of(points, rest, triangles)(done.moved)
        took.append(time.perf_counter() - began)
    what = f"warp a drawing of {POINTS} points over {FRAMES:,} frames, {done.folds} folds undone"
    rows = [{"what": what, "value": f"{statistics.median(took):.3f} s", "promise": "at most 2 s"}]
    options.json.write_text(json.dumps(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
