"""What visemes look like on recorded faces: ``python -m training.tables.viseme_shapes [--data DIR]``.

Writes the core's ``assets/visemes.npz`` from the training clips. With ``--check`` it measures, on the validation clips,
how often the strongest viseme of ``mouthpiece.motion.chart.visemes`` belongs to the group of the phone that the
recogniser hears at that moment, beside chance, for recorded mouths and for the mouths the core makes from the sound.

Phones come from ``training.measures.phonemes``. The mouth of a phone is taken shortly before the recogniser names it,
when lips show it best (``LEADS``: where closures are deepest and vowels widest). A speaker's frames of a viseme count
as the square root of their number. A linear discriminant over five frames separates visemes; a viseme's mouth is the
mean of the third of its frames that are separated best. No sound, face or identity is kept.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from mouthpiece.audio import Audio
from mouthpiece.features import FRAME_RATE, RATE, hop_rms
from mouthpiece.files.writer import replacing
from mouthpiece.motion.chart.visemes import CONTEXT, VISEMES, viseme_weights
from mouthpiece.motion.measures import MEASURES, mouth_measures
from mouthpiece.motion.rest import speech_activity
from mouthpiece.performance import Performance
from mouthpiece.pipeline import animate
from mouthpiece.topology import ARKIT_NAMES, LANDMARK_COUNT
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..content.targets import canonical_face, make_targets
from ..measures.phonemes import Phone, Recogniser
from ..pack.clips import Clip, load_split
from ..paths import CORE_ASSETS, PACK

OUTPUT = CORE_ASSETS / "visemes.npz"
#: Seconds before the recogniser names a phone at which the mouth shows it best, by viseme, and for all others.
LEADS = {"PP": 0.08, "FF": 0.07}
LEAD = 0.05
#: A pause is a moment this many seconds from any phone, with at most this probability of speech.
PAUSE, QUIET = 0.3, 0.2
#: Share of a viseme's frames whose mean is its mouth.
TYPICAL = 1 / 3
#: Regularisation of the discriminant, as a share of the mean variance.
RIDGE = 1e-3
#: Viseme -> group; those not named belong to "wide": lips apart, neither round nor far open.
GROUPS = {"sil": "rest", "PP": "closed", "FF": "teeth", "aa": "open", "RR": "rounded", "oh": "rounded", "ou": "rounded"}
GROUP_NAMES = ("rest", "closed", "teeth", "rounded", "wide", "open")
#: Index of the group of every viseme.
GROUP_OF = np.array([GROUP_NAMES.index(GROUPS.get(viseme, "wide")) for viseme in VISEMES])

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


def recorded(clips: Sequence[Clip], neutral: Floats) -> list[Performance]:
    """Return the recorded motion of ``clips`` as takes on the face ``neutral`` (68, 3)."""
    takes = []
    for clip, target in zip(clips, make_targets(clips, neutral), strict=True):
        count = len(clip)
        arkit = np.zeros((count, len(ARKIT_NAMES)), np.float32)
        arkit[:, : target.arkit.shape[1]] = target.arkit
        still = np.zeros((count, 2), np.float32)
        takes.append(
            Performance(
                landmarks=neutral + target.landmarks.reshape(count, LANDMARK_COUNT, 3),
                neutral=neutral,
                arkit=arkit,
                head=np.zeros((count, 6), np.float32),
                gaze=still,
                blink=still,
                activity=speech_activity(hop_rms(clip.samples), count),
                fps=FRAME_RATE,
            )
        )
    return takes


def moments(phones: Sequence[Phone], activity: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield (frame at 25 Hz, index of the viseme) for every phone, and for every third frame of the pauses."""
    shown = np.array([p.seconds - LEADS.get(p.viseme, LEAD) for p in phones])
    for phone, seconds in zip(phones, shown, strict=True):
        frame = round(seconds * FRAME_RATE)
        if 0 <= frame < len(activity):
            yield frame, VISEMES.index(phone.viseme)
    for frame in range(0, len(activity), 3):
        far = not len(shown) or np.abs(shown - frame / FRAME_RATE).min() > PAUSE
        if far and activity[frame] < QUIET:
            yield frame, 0


def balance(speakers: Sequence[str], labels: Numbers) -> Floats:
    """Return weights (N,) with which a speaker's frames of a viseme add up to the square root of their number."""
    counts = Counter(zip(speakers, labels.tolist(), strict=True))
    return np.array([counts[key] ** -0.5 for key in zip(speakers, labels.tolist(), strict=True)])


def discriminant(rows: Floats, labels: Numbers, weights: Floats) -> tuple[Floats, Floats]:
    """Return the linear (D, 15) and constant (15,) parts of a linear discriminant (Fisher, Rao), all visemes alike."""
    own = [labels == k for k in range(len(VISEMES))]
    means = np.array([np.average(rows[o], axis=0, weights=weights[o]) for o in own])
    within = sum(np.cov(rows[o].T, aweights=weights[o]) for o in own) / len(own)
    within += np.eye(len(within)) * np.trace(within) / len(within) * RIDGE
    linear = np.linalg.solve(within, means.T)
    return linear, -0.5 * np.einsum("kd,dk->k", means, linear)


def measure(clips: Sequence[Clip], neutral: Floats, heard: Recogniser) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of ``mouthpiece.motion.chart.visemes.Reading`` for ``clips``."""
    rows, labels, speakers = [], [], []
    reach = round(CONTEXT[-1] * FRAME_RATE)
    for clip, take in zip(clips, recorded(clips, neutral), strict=True):
        own = mouth_measures(take.landmarks - take.neutral, neutral, take.arkit)
        padded = np.pad(own, ((reach, reach), (0, 0)), mode="edge")
        around = np.concatenate([padded[i : i + len(own)] for i in range(len(CONTEXT))], axis=1)
        for frame, viseme in moments(heard.phones(clip.samples), take.activity):
            if clip.valid[frame]:
                rows.append(around[frame])
                labels.append(viseme)
                speakers.append(clip.speaker)
    context, said = np.array(rows, np.float64), np.array(labels)
    weights = balance(speakers, said)
    linear, constant = discriminant(context, said, weights)
    width, middle = len(MEASURES), reach * len(MEASURES)
    shapes = context[:, middle : middle + width]
    found = {
        "prototypes": _prototypes(shapes, context @ linear + constant, said, weights),
        "spread": shapes[said > 0].std(axis=0),
        "linear": linear,
        "constant": constant,
    }
    return {name: array.astype(np.float32) for name, array in found.items()}


def _prototypes(shapes: Floats, scores: Floats, labels: Numbers, weights: Floats) -> Floats:
    """Return the mouth (15, M) of each viseme: the mean of the ``TYPICAL`` share of its frames that score best."""
    margins = scores - np.log(np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
    margins -= scores.max(axis=1, keepdims=True)
    result = np.zeros((len(VISEMES), shapes.shape[1]))
    for viseme in range(1, len(VISEMES)):  # "sil" stays the face at rest
        own = np.flatnonzero(labels == viseme)
        best = own[np.argsort(-margins[own, viseme])[: max(1, round(TYPICAL * len(own)))]]
        result[viseme] = np.average(shapes[best], axis=0, weights=weights[best])
    return result


def check(clips: Sequence[Clip], neutral: Floats, heard: Recogniser) -> None:
    """Print how often the group of the strongest viseme is that of the phone heard, for recorded and for our mouths."""
    said = [heard.phones(clip.samples) for clip in clips]
    ours = [animate(Audio(clip.samples, RATE, clip.name)).final() for clip in clips]
    for name, takes in (("recorded mouths", recorded(clips, neutral)), ("our mouths", ours)):
        report(name, agreement(clips, takes, said, viseme_weights))


def agreement(
    clips: Sequence[Clip],
    takes: Sequence[Performance],
    said: Sequence[Sequence[Phone]],
    weigh: Callable[[Performance], NDArray[np.float32]],
) -> Numbers:
    """Return counts (6, 6) of moments: rows are the groups heard, columns the groups shown."""
    table = np.zeros((len(GROUP_NAMES), len(GROUP_NAMES)), np.int64)
    for clip, take, phones in zip(clips, takes, said, strict=True):
        strongest = weigh(take).argmax(axis=1)
        for frame, viseme in moments(phones, take.activity):
            if frame < len(strongest) and clip.valid[frame]:
                table[GROUP_OF[viseme], GROUP_OF[strongest[frame]]] += 1
    return table


def report(name: str, table: Numbers) -> None:
    """Print the shares of agreement in a ``table`` of :func:`agreement`."""
    total = table.sum()
    chance = float(table.sum(axis=0) @ table.sum(axis=1)) / total**2
    recall = np.diag(table) / np.maximum(table.sum(axis=1), 1)
    shown = table.sum(axis=0) / total
    print(f"{name}: {total} moments, agreement {np.trace(table) / total:.3f}, chance {chance:.3f}")
    print(f"  mean of groups {recall.mean():.3f}, chance {1 / len(GROUP_NAMES):.3f}")
    for group, own, share, count in zip(GROUP_NAMES, recall, shown, table.sum(axis=1), strict=True):
        print(f"  {group:8} heard {count:5d}  agreed {own:.3f}  shown at {share:.3f} of all moments")


def run(data: Path, output: Path, only_check: bool) -> None:
    """Measure the mouths of the pack ``data`` and write them to ``output``, or only check those there are."""
    heard, train = Recogniser(), load_split(data, "train")
    neutral = canonical_face(train)
    if only_check:
        check(load_split(data, "val"), neutral, heard)
        return
    arrays = measure(train, neutral, heard)
    with replacing(output) as part, part.open("wb") as stream:
        np.savez(stream, **arrays)
    print(f"{output.name}: {output.stat().st_size} bytes")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.tables.viseme_shapes", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, metavar="DIR")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="NPZ")
    parser.add_argument("--check", action="store_true", help="measure agreement on the validation clips")
    args = parser.parse_args(argv)
    return exit_code(lambda: run(args.data, args.output, args.check), "not measured")


if __name__ == "__main__":
    sys.exit(main())
