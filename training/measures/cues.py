"""How mouth charts are timed: ``python -m training.measures.cues [--data DIR] [--chart NAME] [--fps F]``.

On the validation clips, for the recorded mouths and for ours from the same sound, on ones, twos and threes, and for a
chart read frame by frame without any timing (*greedy*): the share of closures in speech (lips met, ``PP``) during which
a closed mouth is shown, changes per second, the mean and the shortest hold, the share of holds under two frames, and
how often the mouth shown belongs to the group of the phone that ``training.measures.phonemes`` hears at the moment.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mouthpiece.audio import Audio
from mouthpiece.features import FRAME_RATE, RATE
from mouthpiece.motion.chart.charts import DEFAULT, MouthChart, named_chart
from mouthpiece.motion.chart.cues import Timing, choose, closures, shape_costs
from mouthpiece.motion.chart.visemes import VISEMES, viseme_weights
from mouthpiece.performance import Performance
from mouthpiece.pipeline import animate
from numpy.typing import NDArray

from ..content.evaluate import PACK
from ..content.targets import canonical_face
from ..pack.clips import Clip, load_split
from ..tables.viseme_shapes import GROUP_OF, moments, recorded
from .phonemes import Phone, Recogniser

#: A closure counts as met if a closed mouth is shown at most this many seconds before or after it.
SLACK = 1 / 24


class Row(NamedTuple):
    """What one clip adds: closures and those met, holds in seconds, seconds, moments and those agreed."""

    closures: int
    met: int
    holds: NDArray[np.float64]
    seconds: float
    heard: NDArray[np.int64]
    shown: NDArray[np.int64]


def row_of(
    clip: Clip, take: Performance, phones: Sequence[Phone], chart: MouthChart, timing: Timing, greedy: bool
) -> Row:
    """Return the figures of one clip."""
    starts = np.arange(max(1, int(np.ceil(take.seconds / timing.cell - 1e-6)))) * timing.cell
    weights = viseme_weights(take)
    if greedy:
        nearest = np.clip(np.rint((starts + timing.cell / 2) * take.fps), 0, len(take) - 1).astype(int)
        shown = (weights[nearest] @ shape_costs(chart)).argmin(axis=1)
    else:
        shown = choose(take, chart, starts, timing)
    changes = np.flatnonzero(np.r_[True, shown[1:] != shown[:-1]])
    holds = np.diff(np.r_[starts[changes], take.seconds])
    lips = [met for met in closures(weights, take.fps, chart) if met.shapes == chart.closed]
    met = sum(
        bool(np.isin(shown[_cells(one.start - SLACK, one.stop + SLACK, timing, len(shown))], one.shapes).any())
        for one in lips
    )
    heard, groups = [], GROUP_OF[chart.affinities().argmax(axis=1)]
    seen = []
    for frame, viseme in moments(phones, take.activity):
        if frame < len(take) and clip.valid[frame]:
            heard.append(GROUP_OF[viseme])
            seen.append(groups[shown[min(int(frame / FRAME_RATE / timing.cell), len(shown) - 1)]])
    return Row(len(lips), met, holds[1:-1], take.seconds, np.array(heard, int), np.array(seen, int))


def _cells(start: float, stop: float, timing: Timing, count: int) -> slice:
    """Return the cells shown at any time between ``start`` and ``stop``."""
    return slice(max(0, int(start / timing.cell)), min(count, int(np.ceil(stop / timing.cell))))


def said(name: str, rows: Sequence[Row], frame: float) -> str:
    """Return a line of the table."""
    holds = np.concatenate([row.holds for row in rows])
    heard, shown = (np.concatenate([getattr(row, key) for row in rows]) for key in ("heard", "shown"))
    chance = sum((heard == g).mean() * (shown == g).mean() for g in range(GROUP_OF.max() + 1))
    closed = sum(row.closures for row in rows)
    return (
        f"{name:24} {sum(row.met for row in rows) / max(closed, 1):7.3f} of {closed:4d} "
        f"{len(holds) / sum(row.seconds for row in rows):8.2f} {holds.mean():8.3f} {holds.min():8.3f} "
        f"{(holds < 2 * frame - 1e-6).mean():8.3f} {(heard == shown).mean():8.3f} {chance:8.3f}"
    )


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PACK, metavar="DIR")
    parser.add_argument("--chart", default=DEFAULT, metavar="NAME")
    parser.add_argument("--fps", type=float, default=24.0)
    options = parser.parse_args()
    chart, heard = named_chart(options.chart), Recogniser()
    clips = load_split(options.data, "val")
    phones = [heard.phones(clip.samples) for clip in clips]
    takes = {
        "recorded": recorded(clips, canonical_face(load_split(options.data, "train"))),
        "ours": [animate(Audio(clip.samples, RATE, clip.name)).final() for clip in clips],
    }
    print(f"{chart.label}; {len(clips)} clips, {sum(len(t) for t in takes['ours']) / FRAME_RATE / 60:.1f} minutes")
    heads = ("changes/s", "mean s", "least s", "<2 fr.", "agreed", "chance")
    print(f"{'':24} {'closures met':>15}", *(f"{head:>8}" for head in heads))
    for kind, own in takes.items():
        for label, on, greedy in (("greedy", 1, True), ("ones", 1, False), ("twos", 2, False), ("threes", 3, False)):
            timing = Timing.of_frames(options.fps, on)
            rows = [
                row_of(clip, take, said_, chart, timing, greedy)
                for clip, take, said_ in zip(clips, own, phones, strict=True)
            ]
            print(said(f"{kind}, {label}", rows, 1 / options.fps))
    return 0


assert len(GROUP_OF) == len(VISEMES)

if __name__ == "__main__":
    raise SystemExit(main())
