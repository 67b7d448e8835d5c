"""What a face does between two lines: ``python -m training.measures.interludes --picture PNG [--sound FILE]``.

The lines are two parts of a sound, cut in the middle of a vowel. Jaw, lids and head are drawn over both of them, with
raw ends as version 0.4.0 left them and with rest, and below the demo head after the first line. How far the mouth stays
open outside of lines is printed. Exit code 0.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from mouthpiece.audio import load
from mouthpiece.motion.dials import Dials, dialled
from mouthpiece.motion.interludes import EDGE, interlude
from mouthpiece.motion.life import alive
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Options, animate
from mouthpiece.topology import ARKIT_INDEX
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..paths import DEMO_LINE
from .demo_face import DemoFace, picture

#: Seconds of the timeline, and those at which the two lines begin.
SECONDS = 12.0
BEGINS = (1.6, 6.4)
#: Frames after the end of the first line at which the demo head is drawn.
AFTER = (0, 2, 4, 6, 12, 25)
_TRACKS = ("landmarks", "arkit", "head", "gaze", "blink", "activity", "style", "style_head")


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Frames of a timeline: courses by name, each (T,), weights (T, 52), and the seconds of the lines on it."""

    fps: float
    courses: Mapping[str, NDArray[np.float64]]
    arkit: NDArray[np.float32]
    lines: tuple[tuple[float, float], ...]


def rows(take: Performance, first: int, last: int) -> Performance:
    """Return the frames ``first`` to ``last`` (not included) of a take."""
    chosen: dict[str, Any] = {name: getattr(take, name)[first:last] for name in _TRACKS}
    return replace(take, **chosen)


def cuts(take: Performance) -> list[Performance]:
    """Return two parts of a take that end and begin where the mouth is open."""
    jaw = take.arkit[:, ARKIT_INDEX["jawOpen"]]
    count = len(take)
    middle = count // 4 + int(jaw[count // 4 : count // 2].argmax())
    end = 3 * count // 4 + int(jaw[3 * count // 4 : count - count // 12].argmax())
    return [rows(take, 0, middle + 1), rows(take, middle, end + 1)]


def timeline(take: Performance, rest: float) -> Timeline:
    """Return two lines on a timeline with what is between them."""
    fps = take.fps
    lines = [dialled(part, Dials()).final() for part in cuts(take)]
    total = round(SECONDS * fps)
    spans, parts = [], []
    done, before = 0, None
    for line, second in zip([*lines, None], [*BEGINS, SECONDS], strict=True):
        begin = round(second * fps)
        still = dialled(alive(done / fps, begin - done, take, 1.0, 4, spoke=before is not None), Dials()).final()
        ends = [
            None if one is None else rows(one, *place) for one, place in ((before, (-EDGE, None)), (line, (0, EDGE)))
        ]
        parts.append(interlude(still, ends[0], ends[1], rest))
        if line is not None:
            parts.append(line)
            spans.append((begin / fps, (begin + len(line) - 1) / fps))
            done, before = begin + len(line), line
    jaw = np.concatenate([part.arkit[:, ARKIT_INDEX["jawOpen"]] for part in parts])
    lids = np.concatenate([part.blink[:, 0] for part in parts])
    yaw = np.degrees(np.concatenate([part.head[:, 1] for part in parts]))
    arkit = np.concatenate([part.arkit for part in parts])
    return Timeline(fps, {"jaw": jaw[:total], "lids": lids[:total], "head, degrees": yaw[:total]}, arkit, tuple(spans))


def draw(raw: Timeline, rested: Timeline, place: Path) -> None:
    """Draw both timelines, one line of plots for each course, into a picture."""
    from matplotlib.figure import Figure  # heavy, and needed for pictures only

    figure = Figure(figsize=(11, 9.2), dpi=100)
    plots, faces = figure.subfigures(2, 1, height_ratios=(5, 4.2))
    axes = plots.subplots(len(raw.courses), 1, sharex=True)
    for axis, name in zip(axes, raw.courses, strict=True):
        for first, last in raw.lines:
            axis.axvspan(first, last, color="#e8e4da", lw=0)
        for one, colour, label in ((raw, "#c0392b", "raw ends"), (rested, "#1f4e79", "rest and life")):
            course = one.courses[name]
            axis.plot(np.arange(len(course)) / one.fps, course, color=colour, lw=1.4, label=label)
        axis.set_ylabel(name)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, loc="upper right", ncols=2)
    axes[-1].set_xlabel("seconds; two lines are shaded")
    axes[-1].set_xlim(0, SECONDS)
    head = DemoFace.load()
    cells = faces.subplots(2, len(AFTER), gridspec_kw={"wspace": 0.02, "hspace": 0.02})
    for row, one, label in zip(cells, (raw, rested), ("raw ends", "rest and life"), strict=True):
        for cell, after in zip(row, AFTER, strict=True):
            cell.imshow(picture(head, one.arkit[round(one.lines[0][1] * one.fps) + after], 300))
            cell.set_xticks([])
            cell.set_yticks([])
        row[0].set_ylabel(label)
    for cell, after in zip(cells[0], AFTER, strict=True):
        cell.set_title(f"{after / raw.fps:.2f} s after the line", fontsize=9)
    figure.savefig(place, bbox_inches="tight")


def report(one: Timeline, label: str) -> None:
    """Print how far the mouth is open and how long lids are shut, and the greatest turn of the head."""
    silent = np.ones(len(one.courses["jaw"]), bool)
    for first, last in one.lines:
        silent[round(first * one.fps) - 6 : round(last * one.fps) + 7] = False
    turned = np.abs(np.diff(one.courses["head, degrees"])).max()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], one.courses["lids"] > 0.5, [0]])))
    longest = max((edges[1::2] - edges[::2]).tolist(), default=0) / one.fps
    print(
        f"{label}: jaw up to {one.courses['jaw'][silent].max():.3f} outside of lines, lids half shut for up to "
        f"{longest:.2f} s, head up to {turned:.2f} degrees a frame"
    )


def measure(sound: Path, place: Path) -> None:
    """Animate a sound, draw both timelines and print what they show."""
    take = animate(load(sound), Options())
    raw, rested = (timeline(take, rest) for rest in (0.0, 1.0))
    draw(raw, rested, place)
    report(raw, "raw ends")
    report(rested, "rest and life")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.measures.interludes", __doc__)
    parser.add_argument("--picture", type=Path, required=True, metavar="PNG", help="where to draw")
    parser.add_argument("--sound", type=Path, default=DEMO_LINE, metavar="FILE", help="at least six seconds long")
    args = parser.parse_args(argv)
    return exit_code(lambda: measure(args.sound, args.picture), "cannot measure")


if __name__ == "__main__":
    sys.exit(main())
