"""Time frames of a portrait, with the generator and without, and what a long take costs. Run by `build.py bench`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from mouthpiece import Options, animate
from mouthpiece.audio import load
from mouthpiece.performance import Performance
from mouthpiece.portrait.draw.generator import Generator, shipped_generator
from mouthpiece.portrait.draw.render import Renderer
from mouthpiece.portrait.find.faces import find_faces
from mouthpiece.portrait.find.placement import placed_by_detector
from mouthpiece.portrait.images import over_white, read_picture
from mouthpiece.portrait.portrait import Portrait, portrait_of, resized

ROOT = Path(__file__).resolve().parent.parent
FPS, FRAMES, RUNS = 25.0, 25, 4
#: Length of the long take in seconds, and frames rendered of it at a time.
LONG, SLICE = 600, 40
#: Left, top, width and height of the astronaut's head, shoulders and room, in her picture, as wide as a film is.
WIDE = (48, 0, 400, 225)
#: Megabytes that memory may go up and down by without growing: freed memory is not always given back at once.
LEEWAY = 16.0


def portraits() -> dict[str, Portrait]:
    """Return the astronaut as a square of 256 pixels and as a film's frame of 1,920 x 1,080."""
    picture = read_picture(ROOT / "demo" / "samples" / "astronaut.jpg")
    left, top, width, height = WIDE
    pictures = {
        "256 x 256": resized(np.ascontiguousarray(picture[:300, 74:374]), 256, 256),
        "1,920 x 1,080": resized(np.ascontiguousarray(picture[top : top + height, left : left + width]), 1080, 1920),
    }
    placed = {name: placed_by_detector(find_faces(over_white(shown))[0]) for name, shown in pictures.items()}
    return {name: portrait_of(shown, placed[name]) for name, shown in pictures.items()}


def speed(renderer: Renderer, performance: Performance) -> float:
    """Return frames per second, the best of several runs: others may be using the machine."""
    list(renderer.frames(performance, FPS, 0, 3))
    took = []
    for run in range(RUNS):
        began = time.perf_counter()
        made = sum(1 for _ in renderer.frames(performance, FPS, run * FRAMES, (run + 1) * FRAMES))
        took.append((time.perf_counter() - began) / made)
    return 1 / min(took)


def lengthened(performance: Performance, seconds: float) -> Performance:
    """Return a take said again and again."""
    count = round(seconds * performance.fps)
    tracks = {field.name: getattr(performance, field.name) for field in dataclasses.fields(performance)}
    timed = {n: t for n, t in tracks.items() if isinstance(t, np.ndarray) and n != "neutral" and len(t)}
    longer: dict[str, Any] = {name: np.resize(track, (count, *track.shape[1:])) for name, track in timed.items()}
    return dataclasses.replace(performance, **longer)


def peak() -> float:
    """Return the most memory this process has had so far, in megabytes; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


def held() -> float:
    """Return the memory this process has now, in megabytes; the most it has had where the system tells no more."""
    status = Path("/proc/self/statm")
    if not status.is_file():
        return peak()
    return int(status.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def growth(renderer: Renderer, performance: Performance) -> float:
    """Return by how many megabytes memory grows from the first frames of a long take to the last, by way of others."""
    marks = []
    for start in np.linspace(0, LONG * FPS - SLICE, 5).astype(int):
        for _ in renderer.frames(performance, FPS, int(start), int(start) + SLICE):
            pass
        marks.append(held())
    return marks[-1] - marks[0]


def main() -> int:
    """Write the result as rows of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    performance = animate(load(ROOT / "addon" / "assets" / "demo_line.flac"), Options()).final()
    shown, rows = portraits(), []
    networks: dict[str, Generator | None] = {"warp": None}
    shipped = shipped_generator()
    if shipped is not None:
        networks["warp + generator"] = shipped
    for name, portrait in shown.items():
        for method, network in networks.items():
            told = f"{speed(Renderer(portrait, network), performance):.1f} frames/s"
            rows.append({"what": f"portrait, {name}, {method}", "value": told, "promise": "at least 10 frames/s"})
    renderer = Renderer(shown["1,920 x 1,080"], shipped)
    grown = growth(renderer, lengthened(performance, LONG))
    rows.append({"what": f"portrait at 1080p, parts of a take of {LONG // 60} minutes: memory at most",
                 "value": f"{peak():.0f} MB", "promise": "bounded"})  # fmt: skip
    rows.append({"what": "portrait at 1080p, memory from the first frames to the last",
                 "value": f"{grown:+.1f} MB", "promise": f"at most {LEEWAY:.0f} MB"})  # fmt: skip
    options.json.write_text(json.dumps(rows), encoding="utf-8")
    return 1 if grown > LEEWAY else 0


if __name__ == "__main__":
    raise SystemExit(main())
