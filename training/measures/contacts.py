"""Do lips do what is heard: ``python -m training.measures.contacts --data PACK [--split val]``.

For bilabials (m b p) and labiodentals (f v), every speaker once: how many were heard, and at which share the recorded
face, the network's face (``before``: the dial articulation at 0) and the face that is shown (``after``), and both at
moments drawn at random, within two frames (80 ms) are

  shut   inner lips (62, 66) within :data:`SHUT` eye distances of each other: right for m b p, wrong for most f v;
  bite   the lower lip rolled in under the teeth: its red (66 to 57) thinner than the clip's mean by half a standard
         deviation, while the gap is at most :data:`BITE` of its 95th percentile: right for f v.

A prediction is as good as the recorded column, not as 1. The phones are those the listener hears, which also drive the
motion; ``--phones FILE`` takes others, of aligned transcripts: JSON with a list of [phone, second] by clip. The table
also tells what the correction costs: the correlation of gap and lip width with the recorded ones.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from mouthpiece.audio import Audio
from mouthpiece.features import FRAME_RATE, RATE
from mouthpiece.motion.contacts import (
    BILABIAL,
    GESTURES,
    LABIODENTAL,
    ContactShapes,
    FaceSpeech,
    OwnMouth,
    correct,
)
from mouthpiece.phones.inventory import PHONES
from mouthpiece.phones.speech import POSTERIOR_RATE, Speech
from mouthpiece.pipeline import Options, animate
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..content.targets import canonical_face, make_targets
from ..pack.clips import load_split
from ..paths import PACK
from .markdown import table
from .score import Metrics, closure_metrics, gap, mean_rows, pearson, width

SHUT: Final = 0.03
BITE: Final = 0.35
THIN: Final = -0.5
NEAR: Final = 2
#: Probability of a class at which it counts as heard.
LEAST: Final = 0.5
_RANDOM: Final = 200
COLUMNS: Final = (
    "m b p: heard",
    "m b p: shut",
    "f v: heard",
    "f v: shut",
    "f v: bite",
    "r_open",
    "r_width",
    "closure_recall",
    "closure_precision",
)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A clip as it was recorded and as the network moves it: displacements (T, 68, 3) from the face ``neutral``."""

    name: str
    speaker: str
    neutral: Floats
    recorded: Floats
    moved: Floats
    arkit: Floats
    held: NDArray[np.bool_]
    speech: Speech

    @property
    def times(self) -> Floats:
        """Seconds of the frames (T,)."""
        return np.arange(len(self.moved)) / FRAME_RATE


def pairs_of(data: Path, split: str, models: Path | None = None) -> list[Pair]:
    """Return the clips of ``split`` as pairs.

    Raises
    ------
    ValueError
        If the networks hear no phones.
    """
    train, clips = load_split(data, "train"), load_split(data, split)
    result = []
    for clip, target in zip(clips, make_targets(clips, canonical_face(train)), strict=True):
        heard = animate(Audio(clip.samples, RATE, clip.name), Options(), models)
        if not len(heard.speech.posteriors):
            raise ValueError("the listener hears no phones: make phonetic.onnx with its phone head first")
        take = replace(heard, dials={"articulation": 0.0}).final()
        count = min(len(take), len(clip))
        result.append(
            Pair(
                clip.name,
                clip.speaker,
                take.neutral.astype(float),
                target.landmarks[:count].reshape(count, 68, 3).astype(float),
                (take.landmarks - take.neutral)[:count].astype(float),
                take.arkit[:count].astype(float),
                target.weight[:count] > 0.5,
                heard.speech,
            )
        )
    return result


def corrected(pair: Pair, shapes: ContactShapes | None = None, amount: float = 1.0) -> tuple[Floats, Floats]:
    """Return landmarks (T, 68, 3), as displacements, and weights (T, 52) of a pair with contacts."""
    neutral = pair.neutral.astype(np.float32)
    offsets, arkit = pair.moved.astype(np.float32), pair.arkit.astype(np.float32)
    own = OwnMouth.of(offsets + neutral, neutral, arkit.copy())
    correct(offsets, arkit, own, FaceSpeech(pair.speech, FRAME_RATE, neutral), amount, shapes)
    return offsets.astype(float), arkit.astype(float)


def heard_at(speech: Speech, phones: Iterable[str]) -> Floats:
    """Return the seconds at which ``phones`` are heard: the middles of stretches likelier than :data:`LEAST`."""
    if not len(speech.posteriors):
        return np.zeros(0)
    heard = speech.posteriors[:, [PHONES.index(phone) for phone in phones]].sum(axis=1) > LEAST
    edges = np.flatnonzero(np.diff(np.concatenate(([False], heard, [False])).astype(np.int8)))
    return (edges[::2] + edges[1::2]) / 2 / POSTERIOR_RATE


def courses(face: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the gap (T,) of ``face`` (T, 68, 3), the gap as a share of what is wide, and the lower lip's red.

    In eye distances; as a share of the clip's 95th percentile; in standard deviations from the clip's mean.
    """
    apart = np.linalg.norm(face[:, 62] - face[:, 66], axis=-1)
    red = np.linalg.norm(face[:, 66] - face[:, 57], axis=-1)
    return apart, apart / max(float(np.percentile(apart, 95)), 1e-6), (red - red.mean()) / (red.std() + 1e-9)


def met(face: Floats, frames: NDArray[np.int64]) -> Floats:
    """Return for each of ``frames`` (N,) whether the face is shut, and whether it bites, within two frames: (N, 2)."""
    apart, way, red = courses(face)
    shut, bite = apart <= SHUT, (way <= BITE) & (red <= THIN)
    near = [slice(max(0, frame - NEAR), frame + NEAR + 1) for frame in frames]
    return np.array([[shut[own].any(), bite[own].any()] for own in near], float).reshape(-1, 2)


def frames_of(pair: Pair, gesture: int, said: Sequence[tuple[str, float]] | None = None) -> NDArray[np.int64]:
    """Return the frames of a clip, in which the face is held, at which phones of ``gesture`` are heard."""
    phones = tuple(GESTURES.values())[gesture]
    seconds = heard_at(pair.speech, phones) if said is None else np.array([s for phone, s in said if phone in phones])
    frames = np.round(seconds * FRAME_RATE).astype(np.int64)
    frames = frames[frames < len(pair.moved)]
    return frames[pair.held[frames]]


def contacts_met(
    pairs: Sequence[Pair],
    gesture: int,
    face: Callable[[Pair], Floats],
    said: Mapping[str, Sequence[tuple[str, float]]] | None = None,
    at_random: bool = False,
    pooled: bool = False,
) -> tuple[float, float, int]:
    """Return the share of phones of ``gesture`` at which faces are shut and bite, every speaker once, and how many.

    ``pooled`` counts every phone once instead.

    ``face`` gives a pair's displacements; ``said`` the phones and seconds of each clip, by default those heard;
    ``at_random`` looks at moments drawn at random, as many in each clip with such a phone.
    """
    rows: dict[str, list[Floats]] = defaultdict(list)
    rng = np.random.default_rng(0)
    for pair in pairs:
        frames = frames_of(pair, gesture, None if said is None else said.get(pair.name, ()))
        if not len(frames):
            continue
        owner = "" if pooled else pair.speaker
        shown = face(pair) + pair.neutral
        if at_random:
            chance = met(shown, rng.integers(0, len(shown), _RANDOM)).mean(0)
            rows[owner].append(np.tile(chance, (len(frames), 1)))
        else:
            rows[owner].append(met(shown, frames))
    if not rows:
        return 0.0, 0.0, 0
    shut, bite = np.mean([np.concatenate(own).mean(0) for own in rows.values()], axis=0)
    return float(shut), float(bite), sum(len(each) for own in rows.values() for each in own)


def followed(pairs: Sequence[Pair], face: Callable[[Pair], Floats]) -> Metrics:
    """Return how faces follow the recorded ones: r_open, r_width (every speaker once), closures (pooled)."""
    rows: dict[str, list[Metrics]] = defaultdict(list)
    for pair in pairs:
        if pair.held.sum() < 10:
            continue
        recorded, shown = (points[pair.held] + pair.neutral for points in (pair.recorded, face(pair)))
        row: Metrics = {
            "r_open": pearson(gap(recorded), gap(shown)),
            "r_width": pearson(width(recorded), width(shown)),
        }
        rows[pair.speaker].append(row | closure_metrics(gap(recorded), gap(shown)))
    speakers = mean_rows([mean_rows(own) for own in rows.values()])
    pooled = mean_rows([row for own in rows.values() for row in own])
    return pooled | {name: speakers[name] for name in ("r_open", "r_width")}


def contacts(
    pairs: Sequence[Pair], said: Mapping[str, Sequence[tuple[str, float]]] | None = None
) -> dict[str, Metrics]:
    """Return rows of figures: recorded faces, before and after the correction, and at random."""
    after = {pair.name: corrected(pair)[0] for pair in pairs}
    faces: dict[str, Callable[[Pair], Floats]] = {
        "recorded": lambda pair: pair.recorded,
        "before": lambda pair: pair.moved,
        "after": lambda pair: after[pair.name],
    }
    result: dict[str, Metrics] = {}
    for name, face in faces.items():
        for by_chance in (False, True):
            row: Metrics = {}
            for kind, gesture in (("m b p", BILABIAL), ("f v", LABIODENTAL)):
                shut, bite, count = contacts_met(pairs, gesture, face, said, by_chance)
                row |= {f"{kind}: shut": shut, f"{kind}: bite": bite, f"{kind}: heard": float(count)}
            if name != "recorded" and not by_chance:
                row |= followed(pairs, face)
            result[f"{name}, at random" if by_chance else name] = row
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.measures.contacts", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--split", default="val")
    parser.add_argument("--models", type=Path, help="folder with other networks than the shipped ones")
    parser.add_argument("--phones", type=Path, help="JSON with phones of aligned transcripts: [phone, second] by clip")
    args = parser.parse_args(argv)

    def work() -> None:
        said = json.loads(args.phones.read_text(encoding="utf-8")) if args.phones else None
        rows = contacts(pairs_of(args.data, args.split, args.models), said)
        print(table(rows, "every speaker once", COLUMNS))

    return exit_code(work, "cannot measure")


if __name__ == "__main__":
    sys.exit(main())
