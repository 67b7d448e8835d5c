"""What lips do at phones: ``python -m training.tables.contact_shapes --data PACK`` writes ``contacts.npz``.

The shipped networks move the faces of the training clips and hear their phones. Where a class of phones is heard, the
recorded lips are compared with the moved ones:

* ``landmarks``: least squares. The difference of recorded and moved landmarks (without each clip's mean) is explained
  by the strengths of the gestures, with a ridge; both halves of the face are made mirror images. What of it changes
  the gap of the lips is left out: it made mouths of unheard people follow the recorded ones less.
* ``reds``: how much thicker recorded reds of the lips are than moved ones for each unit of the moved gap.
* ``gap``, ``width``, ``chin``: quantiles of recorded mouths while a gesture shows.
* least gap at f and v: that with which moved faces are shut as often as recorded ones, found by halving an interval
  with the correction in place.
* most red at f and v: that of recorded lips while they bite (:mod:`training.measures.contacts`).
* ``arkit``, ``weights``: the weights that move the demo head's landmarks like that (least squares over some shapes of
  jaw and lips, as the tracker's own weights know no rolled lip), and quantiles of what the network does.

Speakers count by the square root of their frames, as in training.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from mouthpiece.features import FRAME_RATE
from mouthpiece.files.writer import replacing
from mouthpiece.motion.closures import PARTING, contact, gaps, hold
from mouthpiece.motion.contacts import GESTURES, LABIODENTAL, ContactShapes, shapes_sizes, strengths
from mouthpiece.motion.shapes import landmark_shapes
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES, LIPS, MIRROR, MOUTH_AND_JAW
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from ..command_line import exit_code, parser_of
from ..measures.contacts import BITE, NEAR, THIN, Pair, contacts_met, corrected, courses, frames_of, pairs_of
from ..paths import CORE_ASSETS, PACK

OUTPUT = CORE_ASSETS / "contacts.npz"
#: What each gesture keeps away from weaker ones, and the seconds it begins before its sound and ends after it.
RESISTANCE = {
    "bilabial": 1.0, "labiodental": 0.95, "postalveolar": 0.8, "sibilant": 0.6, "dental": 0.4, "rounded": 0.4,
}  # fmt: skip
TIMING = {
    "bilabial": (0.08, 0.06), "labiodental": (0.06, 0.04), "postalveolar": (0.1, 0.08), "sibilant": (0.08, 0.06),
    "dental": (0.08, 0.06), "rounded": (0.14, 0.1),
}  # fmt: skip
RIDGE = 0.002
#: Strength from which on a gesture counts as shown.
SHOWN = 0.7
#: A bound so far away that nothing meets it.
FREE = 10.0
_UPPER_UP = ("mouthUpperUpLeft", "mouthUpperUpRight")
#: Shapes, both sides alike, that play the displacement of each gesture.
PLAYING: dict[str, tuple[tuple[str, ...], ...]] = {
    "postalveolar": (("jawOpen",), ("mouthFunnel",), ("mouthPucker",)),
    "sibilant": (("jawOpen",), ("mouthPucker",)),
    "rounded": (("mouthFunnel",), ("mouthPucker",)),
}
#: Most jawOpen of a sibilant: OpenFaceFX' rule.
JAW_CAP = 0.35
STEPS = 9
#: Quantile of the moved faces' mouthUpperUp at f and v that is taken: of those who show the teeth that the lip is at.
TEETH = 0.9
Floats = NDArray[np.float64]


def empty_shapes() -> ContactShapes:
    """Return shapes that ask for nothing, with resistance and timing."""
    zero = {name: np.zeros(size, np.float32) for name, size in shapes_sizes().items()}
    bounds = {
        name: np.stack([np.full(shapes_sizes()[name][:-1], side) for side in (-FREE, FREE)], -1)
        for name in ("gap", "weights")
    }
    zero |= {name: np.asarray(array, np.float32) for name, array in bounds.items()}
    zero |= {name: np.full(len(GESTURES), FREE, np.float32) for name in ("width", "chin", "red")}
    zero["resistance"] = np.array([RESISTANCE[name] for name in GESTURES], np.float32)
    zero["timing"] = np.array([TIMING[name] for name in GESTURES], np.float32)
    return ContactShapes(**zero)


def balance(pairs: Sequence[Pair]) -> list[float]:
    """Return the weight of a frame of each pair: speakers count by the square root of their frames."""
    frames: Counter[str] = Counter()
    for pair in pairs:
        frames[pair.speaker] += int(pair.held.sum())
    return [1 / np.sqrt(max(frames[pair.speaker], 1)) for pair in pairs]


def fit(pairs: Sequence[Pair]) -> ContactShapes:
    """Return what recorded lips of ``pairs`` do beyond the moved ones."""
    usable = [pair for pair in pairs if pair.held.sum() >= FRAME_RATE]
    shapes = replace(empty_shapes(), reds=fitted_reds(usable))
    shapes = replace(shapes, landmarks=fitted_landmarks(usable, shapes))
    shapes = bounded(usable, shapes)
    return with_weights(usable, bite_as_recorded(usable, shapes))


def _red(points: Floats, neutral: Floats, lower: bool) -> Floats:
    """Return how much higher the red of a lip is than at rest: (T,)."""
    top, bottom = (66, 57) if lower else (51, 62)
    height: Floats = points[:, bottom, 1] - points[:, top, 1]
    return height


def fitted_reds(pairs: Sequence[Pair]) -> NDArray[np.float32]:
    """Return by how much recorded reds are higher than moved ones for each unit of the moved gap: lower, upper."""
    result = []
    for lower in (True, False):
        top, bottom = 0.0, 0.0
        for pair, weight in zip(pairs, balance(pairs), strict=True):
            keep = pair.held
            gap = np.maximum(gaps(pair.moved)[keep, 1].astype(float), 0)
            missing = (_red(pair.recorded, pair.neutral, lower) - _red(pair.moved, pair.neutral, lower))[keep]
            gap -= gap.mean()
            top += weight * float(gap @ (missing - missing.mean()))
            bottom += weight * float(gap @ gap)
        result.append(max(top / max(bottom, 1e-9), 0.0))
    return np.array(result, np.float32)


def fitted_landmarks(pairs: Sequence[Pair], shapes: ContactShapes) -> NDArray[np.float32]:
    """Return the displacement (G, 68, 3) by which each gesture brings moved faces nearest to recorded ones."""
    count = len(GESTURES)
    normal, right, total = np.zeros((count, count)), np.zeros((count, 204)), 0.0
    for pair, weight in zip(pairs, balance(pairs), strict=True):
        keep = pair.held
        share = strengths(pair.speech, pair.times, shapes)[keep].astype(float)
        missing = (pair.recorded - corrected(pair, shapes)[0])[keep].reshape(keep.sum(), -1)
        share, missing = share - share.mean(0), missing - missing.mean(0)
        normal += weight * share.T @ share
        right += weight * share.T @ missing
        total += weight * len(share)
    found = np.linalg.solve(normal + RIDGE * total * np.eye(count), right).reshape(count, 68, 3)
    found = 0.5 * (found + found[:, list(MIRROR)] * np.array([-1.0, 1.0, 1.0]))
    still = np.setdiff1d(np.arange(68), MOUTH_AND_JAW)
    found[:, still] = 0
    result = found.astype(np.float32)
    hold(result, np.zeros((count, 3), np.float32), np.ones(count, np.float32))
    return result


def _while_shown(pairs: Sequence[Pair], gesture: int, shapes: ContactShapes) -> list[tuple[Pair, NDArray[np.bool_]]]:
    return [(pair, pair.held & (strengths(pair.speech, pair.times, shapes)[:, gesture] > SHOWN)) for pair in pairs]


def bounded(pairs: Sequence[Pair], shapes: ContactShapes) -> ContactShapes:
    """Return ``shapes`` with the bounds that recorded mouths keep to."""
    gap, width, chin = shapes.gap.copy(), shapes.width.copy(), shapes.chin.copy()
    for at, name in enumerate(GESTURES):
        shown = _while_shown(pairs, at, shapes)
        apart = np.concatenate([gaps(pair.recorded + pair.neutral)[keep] for pair, keep in shown])
        wide = np.concatenate([(pair.recorded + pair.neutral)[keep][:, [54, 48], 0] for pair, keep in shown])
        drop = np.concatenate([pair.recorded[keep, 8, 1] for pair, keep in shown])
        if not len(apart):
            continue
        if name == "bilabial":
            gap[at, :, 1] = 0.0
        elif name == "labiodental":
            gap[at, :, 1] = np.quantile(apart, 0.85, axis=0)
        elif name == "dental":
            gap[at, :, 0] = np.quantile(apart, 0.3, axis=0)
        elif name in ("sibilant", "postalveolar"):
            gap[at, :, 1] = np.quantile(apart, 0.9, axis=0)
        if name in ("rounded", "postalveolar"):
            width[at] = np.quantile(wide[:, 0] - wide[:, 1], 0.8)
        if name in ("sibilant", "postalveolar", "labiodental"):
            chin[at] = np.quantile(drop, 0.9)
        gap[at] = 0.5 * (gap[at] + gap[at, ::-1])
    return replace(shapes, gap=gap, width=width, chin=chin)


def bite_as_recorded(pairs: Sequence[Pair], shapes: ContactShapes) -> ContactShapes:
    """Return ``shapes`` with the least gap and the most red at f and v."""
    recorded = contacts_met(pairs, LABIODENTAL, lambda pair: pair.recorded, pooled=True)[0]
    most = shapes.gap[LABIODENTAL, :, 1]

    def with_gap(value: float) -> ContactShapes:
        gap = shapes.gap.copy()
        gap[LABIODENTAL, :, 0] = value * most / most[1]
        return replace(shapes, gap=gap)

    low, high = 0.0, 0.5 * float(most[1])
    for _ in range(STEPS):
        trial = with_gap(0.5 * (low + high))
        shut = contacts_met(pairs, LABIODENTAL, partial(_shown, trial), pooled=True)[0]
        low, high = (0.5 * (low + high), high) if shut > recorded else (low, 0.5 * (low + high))
    red = shapes.red.copy()
    red[LABIODENTAL] = biting(pairs)[0]
    return replace(with_gap(high), red=red)


def _shown(shapes: ContactShapes, pair: Pair) -> Floats:
    return corrected(pair, shapes)[0]


def biting(pairs: Sequence[Pair]) -> tuple[float, float, float]:
    """Return what recorded lips show while they bite at f and v.

    Mean height of the lower lip's red, that beyond the clip's mean, and mean gap of the lips, in eye distances.
    """
    rows = []
    for pair in pairs:
        face = pair.recorded + pair.neutral
        gap, way, score = courses(face)
        red = np.linalg.norm(face[:, 66] - face[:, 57], axis=-1)
        for frame in frames_of(pair, LABIODENTAL):
            near = slice(max(0, frame - NEAR), frame + NEAR + 1)
            bites = (way[near] <= BITE) & (score[near] <= THIN)
            if bites.any():
                at = int(np.where(bites, red[near], np.inf).argmin())
                rows.append((red[near][at], red[near][at] - red.mean(), gap[near][at]))
    height, beyond, gap = np.mean(rows, axis=0)
    return float(height), float(beyond), float(gap)


def played(name: str, displacement: Floats, least: float = -0.4, most: float = 0.8) -> Floats:
    """Return the weights (52,) of the shapes of gesture ``name`` that move the demo head's lips nearest to (68, 3)."""
    shapes = landmark_shapes().astype(float)
    columns = [[ARKIT_INDEX[each] for each in names] for names in PLAYING.get(name, ())]
    weights = np.zeros(len(ARKIT_NAMES))
    if not columns:
        return weights
    points = list(LIPS)
    matrix = np.stack([shapes[own].sum(0)[points, :2].ravel() for own in columns], axis=1)
    found = lsq_linear(matrix, displacement[points, :2].ravel(), bounds=(least, most)).x
    for own, value in zip(columns, found, strict=True):
        weights[own] = value
    return weights


def bite(pairs: Sequence[Pair], upper: float) -> Floats:
    """Return the weights (52,) by which the demo head bites as recorded faces do; ``upper`` is mouthUpperUp.

    mouthRollLower makes the red as much thinner as it is in recorded faces, and jawOpen leaves their gap.
    """
    shapes = landmark_shapes().astype(float)
    opened = shapes[:, 66, 1] - shapes[:, 62, 1]
    height = shapes[:, 57, 1] - shapes[:, 66, 1]
    _, thinner, gap = biting(pairs)
    weights = np.zeros(len(ARKIT_NAMES))
    for name in _UPPER_UP:
        weights[ARKIT_INDEX[name]] = upper
    roll, jaw = ARKIT_INDEX["mouthRollLower"], ARKIT_INDEX["jawOpen"]
    weights[roll] = np.clip(thinner / height[roll], 0, 1)
    weights[jaw] = np.clip((gap - weights @ opened) / opened[jaw], 0, JAW_CAP)
    return weights


def with_weights(pairs: Sequence[Pair], shapes: ContactShapes) -> ContactShapes:
    """Return ``shapes`` with ARKit weights to their landmarks, and bounds of weights."""
    arkit, weights = shapes.arkit.copy(), shapes.weights.copy()
    for at, name in enumerate(GESTURES):
        if name != "labiodental":
            arkit[at] = played(name, shapes.landmarks[at].astype(float))
        shown = [(pair, keep) for pair, keep in _while_shown(pairs, at, shapes) if keep.any()]
        if not shown:
            continue
        own = np.concatenate([pair.arkit[keep] for pair, keep in shown])
        if name == "bilabial":
            shut = np.concatenate([contact(pair.moved + pair.neutral)[keep] > 0.9 for pair, keep in shown])
            weights[at, PARTING, 1] = np.quantile(own[shut][:, PARTING], 0.9, axis=0)
        elif name == "labiodental":
            pose = bite(pairs, float(np.quantile(own[:, [ARKIT_INDEX[each] for each in _UPPER_UP]], TEETH)))
            weights[at, PARTING] = pose[list(PARTING), None]
        elif name == "sibilant":
            weights[at, ARKIT_INDEX["jawOpen"], 1] = min(
                float(np.quantile(own[:, ARKIT_INDEX["jawOpen"]], 0.9)), JAW_CAP
            )
        elif name in ("rounded", "postalveolar"):
            column = ARKIT_INDEX["mouthPucker" if name == "rounded" else "mouthFunnel"]
            weights[at, column, 0] = np.quantile(own[:, column], 0.3)
    return replace(shapes, arkit=arkit.astype(np.float32), weights=weights.astype(np.float32))


def write_shapes(data: Path, models: Path | None, output: Path) -> None:
    """Fit the shapes on the training clips of ``data``, write them to ``output`` and print them."""
    save(fit(pairs_of(data, "train", models)), output)


def save(shapes: ContactShapes, output: Path) -> None:
    """Write ``shapes`` to ``output`` and print what they ask for."""
    about = "What lips do at phones, fitted on the training pack by training/tables/contact_shapes.py"
    with replacing(output) as part, part.open("wb") as stream:
        np.savez_compressed(stream, about=np.array(about), **{name: getattr(shapes, name) for name in shapes_sizes()})
    print("reds grow with the gap by", shapes.reds.round(3).tolist())
    for at, name in enumerate(GESTURES):
        added, weights = shapes.landmarks[at], zip(ARKIT_NAMES, shapes.arkit[at], shapes.weights[at], strict=True)
        print(f"{name}: gap {shapes.gap[at, 1].round(3).tolist()}, red at most {shapes.red[at]:.3f}")
        print(f"    width {added[54, 0] - added[48, 0]:+.3f}, at most {shapes.width[at]:.3f}")
        print(f"    chin {added[8, 1]:+.3f}, at most {shapes.chin[at]:.3f}")
        for key, more, (low, high) in weights:
            if abs(more) > 0.01 or low > -FREE or high < FREE:
                print(f"    {key} {more:+.2f}, from {low:.2f} to {high:.2f}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.tables.contact_shapes", __doc__)
    parser.add_argument("--data", type=Path, default=PACK)
    parser.add_argument("--models", type=Path, help="folder with other networks than the shipped ones")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args(argv)
    return exit_code(lambda: write_shapes(args.data, args.models, args.output), "not fitted")


if __name__ == "__main__":
    sys.exit(main())
