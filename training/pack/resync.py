"""How late sounds are, to a fraction of a frame: ``python -m training.pack.resync --data PACK --out FILE``.

``training.pack.prepare`` shifts a video's sound by whole frames; errors of up to half a frame remain, and larger ones
where clips are too short to measure. A network trained on many speakers knows to a fraction of a frame when lips should
move, since the errors of its clips average out. This writes, for every clip of a split, by how many frames of 1/25 s
its sound is late (> 0) by that network: a table for ``training.content.train --sync`` and
``training.content.evaluate --sync``. Exit code 0 when written.
"""

from __future__ import annotations

import csv
import io
import logging
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from mouthpiece.audio import Audio
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, RATE
from mouthpiece.files.writer import write_whole
from mouthpiece.pipeline import Options, animate
from mouthpiece.styles import Style
from mouthpiece.topology import INNER_LIP_BOTTOM, INNER_LIP_TOP
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..content.targets import canonical_face, make_targets
from .clips import Clip, load_split

log = logging.getLogger(__name__)

Series = NDArray[np.float64]

#: Largest shift that is tried, in frames, and largest that is accepted: more has another cause than a late sound.
REACH, LIMIT = 8, 2.5
#: Frames from which a clip is judged alone; shorter ones are judged together with the speaker's others.
ALONE = 8 * FRAME_RATE
#: Standard deviation, in frames, of the lateness measured on one second; it falls with the square root of the length.
#: Continuous speech cut to pieces that are heard alone gives .53 (107 of 1.2 s) and .43 (45 of 3 s) in seven videos of
#: large faces; smaller faces are tracked less well.
NOISE = 0.6
#: Least correlation of recorded and predicted openings at which a shift counts.
LEAST_CORRELATION = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Correlations (17,) of recorded and predicted openings at shifts of -8 to 8 frames, and the number of frames."""

    frames: int
    correlations: Series


def openings(landmarks: NDArray[np.float32]) -> Series:
    """Return the inner and outer lip gaps (T, 2) of landmarks or displacements (T, 68, 3)."""
    height = landmarks[..., 1].astype(np.float64)
    return np.stack([height[:, INNER_LIP_BOTTOM] - height[:, INNER_LIP_TOP], height[:, 57] - height[:, 51]], axis=1)


def likeness(real: Series, held: NDArray[np.bool_], heard: Series) -> Likeness:
    """Return how two series of openings (T, 2) correlate at each shift; ``held`` (T,) marks the frames that count."""
    n = min(len(real), len(heard))
    rows = np.zeros(2 * REACH + 1)
    for k in range(-REACH, REACH + 1):
        keep = held[max(0, -k) : n - max(0, k)]
        a = real[max(0, -k) : n - max(0, k)][keep]
        b = heard[max(0, k) : n - max(0, -k)][keep]
        if len(a) > REACH:
            a, b = a - a.mean(axis=0), b - b.mean(axis=0)
            power = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
            rows[k + REACH] = float(((a * b).sum(axis=0) / np.maximum(power, 1e-12)).mean())
    return Likeness(int(held.sum()), rows)


def lateness(found: Sequence[Likeness]) -> float:
    """Return the shift, in frames, at which clips agree best on average; 0 if there is no clear one."""
    return _peak(found) or 0.0


def _peak(found: Sequence[Likeness]) -> float | None:
    """Return the shift, in frames, at which clips agree best on average; None if there is no clear one."""
    total = sum(one.frames for one in found)
    if not total:
        return None
    mean = np.sum([one.frames * one.correlations for one in found], axis=0) / total
    best = int(mean.argmax())
    if mean[best] < LEAST_CORRELATION or not 0 < best < len(mean) - 1:
        return None
    bend = mean[best - 1] - 2 * mean[best] + mean[best + 1]
    shift = best - REACH + (0.5 * (mean[best - 1] - mean[best + 1]) / bend if bend < -1e-12 else 0.0)
    return float(shift) if abs(shift) <= LIMIT else None


def shared_lateness(found: Sequence[Likeness]) -> list[float]:
    """Return the lateness, in frames, of each of one speaker's short clips.

    A short clip is measured with much noise, so its value is moved towards the speaker's common value: all the way if
    the clips differ no more than noise explains (one video, one shift), hardly if they differ much (cuts from different
    broadcasts). This is the James-Stein estimator with known noise.
    """
    together, own = lateness(found), [_peak([one]) for one in found]
    apart = [(value - together) ** 2 for value in own if value is not None]
    chance = [NOISE**2 * FRAME_RATE / one.frames for one, value in zip(found, own, strict=True) if value is not None]
    share = max(0.0, 1 - float(np.mean(chance)) / max(float(np.mean(apart)), 1e-12)) if len(apart) > 1 else 0.0
    return [together if value is None else together + share * (value - together) for value in own]


def late_sounds(clips: Sequence[Clip], models: Path | None = None) -> dict[str, float]:
    """Return clip name -> by how many frames its sound is late, against the networks in ``models``."""
    targets = make_targets(clips, canonical_face(clips))
    late: dict[str, float] = {}
    short: dict[str, dict[str, Likeness]] = defaultdict(dict)
    for clip, target in zip(clips, targets, strict=True):
        take = animate(Audio(clip.samples, RATE, clip.name), Options(style=Style()), models)
        real = openings(target.landmarks.reshape(-1, 68, 3))
        alike = likeness(real, target.weight > 0, openings(take.landmarks))
        if len(clip) >= ALONE:
            late[clip.name] = lateness([alike])
        else:
            short[clip.speaker][clip.name] = alike
    for own in short.values():
        late |= zip(own, shared_lateness(list(own.values())), strict=True)
    return late


def in_time(clip: Clip, late: float) -> Clip:
    """Return ``clip`` with its sound moved ``late`` frames earlier (later, if negative); its length stays."""
    count = round(late * FRAME_SAMPLES)
    if count >= 0:
        samples = np.pad(clip.samples[count:], (0, count))
    else:
        samples = np.pad(clip.samples, (-count, 0))[: len(clip.samples)]
    return replace(clip, samples=samples)


def read(path: Path) -> dict[str, float]:
    """Return the table that this program wrote to ``path``: clip name -> frames by which its sound is late.

    Raises
    ------
    ValueError
        If the file is something else.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream, delimiter="\t"))
    try:
        return {name: float(late) for name, late in rows[1:]}
    except ValueError as error:
        raise ValueError(f"'{path}' was not written by training.pack.resync ({error})") from error


def synced(clips: Sequence[Clip], late: Mapping[str, float]) -> list[Clip]:
    """Return ``clips`` with their sounds moved by the frames in ``late``; clips it does not name stay as they are."""
    return [in_time(clip, late.get(clip.name, 0.0)) for clip in clips]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.pack.resync", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--out", type=Path, required=True, help="table to write (.tsv)")
    parser.add_argument("--split", default="train")
    parser.add_argument("--models", type=Path, help="folder with another content network than the shipped one")
    args = parser.parse_args(argv)

    def work() -> None:
        late = late_sounds(load_split(args.data, args.split), args.models)
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(["clip", "sound_late_frames"])
        writer.writerows([name, f"{shift:.3f}"] for name, shift in sorted(late.items()))
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(args.out, stream.getvalue())
        values = np.abs(list(late.values()))
        mean, most = values.mean(), values.max()
        log.info("%s: %d clips, %.2f frames off on average, %.2f at most", args.out, len(values), mean, most)

    return exit_code(work, "not resynced")


if __name__ == "__main__":
    sys.exit(main())
