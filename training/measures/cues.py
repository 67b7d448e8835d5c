"""How mouth charts are timed: ``python -m training.measures.cues [--data DIR] [--chart NAME] [--fps F]``.

On the validation clips, for the recorded mouths and for ours from the same sound, on ones, twos and threes, and for a
chart read frame by frame without timing (*greedy*), the table shows: the share of closures in speech (lips met,
``PP``) during which a closed mouth is shown, changes per second, the mean and the shortest hold, the share of holds
under two frames, how often the mouth shown belongs to the group of the phone that ``training.measures.phonemes`` hears
at that moment, and how often it would by chance.
"""

from __future__ import annotations

import sys
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

from ..command_line import exit_code, parser_of
from ..content.targets import canonical_face
from ..pack.clips import Clip, load_split
from ..paths import PACK
from ..tables.viseme_shapes import GROUP_OF, moments, recorded
from .phonemes import Phone, Recogniser

#: A closure counts as met if a closed mouth is shown at most this many seconds before or after it.
SLACK = 1 / 24


class CueFigures(NamedTuple):
    """Figures of one clip.

    Attributes
    ----------
    closures, met : closures, and those during which a closed mouth is shown.
    holds : seconds that mouths are held (N,).
    seconds : length of the clip.
    heard, shown : the groups of the phone heard and of the mouth shown, (M,), at the moments of phones and pauses.
    """

    closures: int
    met: int
    holds: NDArray[np.float64]
    seconds: float
    heard: NDArray[np.int64]
    shown: NDArray[np.int64]


def cue_figures(
    clip: Clip, take: Performance, phones: Sequence[Phone], chart: MouthChart, timing: Timing, greedy: bool
) -> CueFigures:
    """Return the figures of one clip and its ``take``."""
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
    return CueFigures(len(lips), met, holds[1:-1], take.seconds, np.array(heard, int), np.array(seen, int))


def _cells(start: float, stop: float, timing: Timing, count: int) -> slice:
    """Return the cells shown at any time between ``start`` and ``stop``."""
    return slice(max(0, int(start / timing.cell)), min(count, int(np.ceil(stop / timing.cell))))


def table_line(name: str, rows: Sequence[CueFigures], frame: float) -> str:
    """Return the line of the table for the system ``name``; ``frame`` is the length of a frame in seconds."""
    holds = np.concatenate([row.holds for row in rows])
    heard, shown = (np.concatenate([getattr(row, key) for row in rows]) for key in ("heard", "shown"))
    chance = sum((heard == g).mean() * (shown == g).mean() for g in range(GROUP_OF.max() + 1))
    closed = sum(row.closures for row in rows)
    return (
        f"{name:24} {sum(row.met for row in rows) / max(closed, 1):7.3f} of {closed:4d} "
        f"{len(holds) / sum(row.seconds for row in rows):8.2f} {holds.mean():8.3f} {holds.min():8.3f} "
        f"{(holds < 2 * frame - 1e-6).mean():8.3f} {(heard == shown).mean():8.3f} {chance:8.3f}"
    )


def print_table(data: Path, chart_name: str, fps: float) -> None:
    """Measure the clips in ``data`` and print the table."""
    chart, heard = named_chart(chart_name), Recogniser()
    clips = load_split(data, "val")
    phones = [heard.phones(clip.samples) for clip in clips]
    takes = {
        "recorded": recorded(clips, canonical_face(load_split(data, "train"))),
        "ours": [animate(Audio(clip.samples, RATE, clip.name)).final() for clip in clips],
    }
    print(f"{chart.label}; {len(clips)} clips, {sum(len(t) for t in takes['ours']) / FRAME_RATE / 60:.1f} minutes")
    heads = ("changes/s", "mean s", "least s", "<2 fr.", "agreed", "chance")
    print(f"{'':24} {'closures met':>15}", *(f"{head:>8}" for head in heads))
    for kind, own in takes.items():
        for label, on, greedy in (("greedy", 1, True), ("ones", 1, False), ("twos", 2, False), ("threes", 3, False)):
            timing = Timing.of_frames(fps, on)
            rows = [
                cue_figures(clip, take, said_, chart, timing, greedy)
                for clip, take, said_ in zip(clips, own, phones, strict=True)
            ]
            print(table_line(f"{kind}, {label}", rows, 1 / fps))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.measures.cues", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, metavar="DIR")
    parser.add_argument("--chart", default=DEFAULT, metavar="NAME")
    parser.add_argument("--fps", type=float, default=24.0)
    args = parser.parse_args(argv)
    return exit_code(lambda: print_table(args.data, args.chart, args.fps), "cannot measure")


assert len(GROUP_OF) == len(VISEMES)

if __name__ == "__main__":
    sys.exit(main())
