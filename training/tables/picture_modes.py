"""Twelve named ways in which mouths move, for picture rigs, measured on real mouths: the core's ``picture_modes.npz``.

    python -m training.tables.picture_modes --data ../shared/data [--out DIR]

Displacements of the lips in the picture plane, every speaker counting alike, are split into a part that is the same on
both sides and a part that is opposite. Each name stands for a measure of the lips. Its mode is the average motion of
the lips when that measure changes by one; this motion is subtracted before the next mode is computed, so that a mode
does not change the measures before it. One unit of a mode is a strong movement in speech: the 99.5th percentile of its
weight. The contour of the jaw, which is tracked with noise, follows the weights of the lips as it did on average.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from mouthpiece.files.writer import replacing
from mouthpiece.topology import INNER_LIPS, JAW, LIPS, MIRROR
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..content.targets import canonical_face, make_targets
from ..pack.clips import Clip, load_split
from ..paths import CORE_ASSETS

Points = NDArray[np.float64]

OUTPUT = CORE_ASSETS
FILE: Final = "picture_modes.npz"

#: A measure of lips: the sum of factor * displacement over (landmark, axis, factor); y points down.
Measure = Sequence[tuple[int, int, float]]
X, Y = 0, 1
#: Modes that are the same on both sides, the most important first.
EVEN: Final[Mapping[str, Measure]] = {
    # the lower lip goes down, and the jaw with it
    "open": [(66, Y, 1)],
    # the upper lip goes up, and bares the teeth; or down, to meet the lower one
    "upper_lip": [(62, Y, -1)],
    # the corners go apart, or together as if to whistle
    "wide": [(54, X, 0.5), (48, X, -0.5)],
    # the corners go up against the middle, or down
    "corners": [(54, Y, -0.5), (48, Y, -0.5), (66, Y, 0.5), (62, Y, 0.5)],
    # the red of the lower lip is pushed out, or rolled in
    "lower_roll": [(57, Y, 1), (66, Y, -1)],
    # the red of the upper lip is pushed out, or rolled in
    "upper_roll": [(62, Y, 1), (51, Y, -1)],
    # the opening is as high at its sides as in the middle, or round
    "square": [(67, Y, 0.5), (65, Y, 0.5), (61, Y, -0.5), (63, Y, -0.5)],
    # the outer line at the sides goes out, or in
    "flare": [(59, Y, 0.5), (55, Y, 0.5), (49, Y, -0.5), (53, Y, -0.5)],
}
#: Modes that are opposite on the two sides; positive is to the left of the face, the right of the picture.
ODD: Final[Mapping[str, Measure]] = {
    "jaw_side": [(66, X, 1)],
    "mouth_side": [(62, X, 1)],
    "corners_tilt": [(54, Y, -0.5), (48, Y, 0.5)],
    "open_tilt": [(65, Y, 0.5), (63, Y, -0.5), (67, Y, -0.5), (61, Y, 0.5)],
}
#: Most frames that are used of each speaker.
FRAMES_EACH: Final = 600
#: Factor on inner lip points beside outer ones, as they form the gap.
INNER_SHARE: Final = 1.5
#: Percentile of a weight's size that is one unit.
STRONG: Final = 99.5


def displacements(clips: Sequence[Clip], rng: np.random.Generator) -> Points:
    """Return displacements (F, 68, 2) from rest, in eye distances, of at most ``FRAMES_EACH`` frames per speaker."""
    targets = make_targets(clips, canonical_face(clips))
    speakers: dict[str, list[Points]] = {}
    for clip, target in zip(clips, targets, strict=True):
        held = target.landmarks[target.weight > 0].reshape(-1, 68, 3)[..., :2]
        speakers.setdefault(clip.speaker, []).append(held.astype(np.float64))
    chosen = []
    for own in speakers.values():
        frames = np.concatenate(own)
        chosen.append(frames[rng.permutation(len(frames))[:FRAMES_EACH]])
    return np.concatenate(chosen)


def mirrored(moved: Points) -> Points:
    """Return the displacements (..., 68, 2) of the mirrored face."""
    result: Points = moved[..., list(MIRROR), :] * np.array([-1.0, 1.0])
    return result


def importance() -> Points:
    """Return the factor of each coordinate in fits and errors (136,): 0 outside the lips."""
    weight = np.zeros(68)
    weight[list(LIPS)] = 1.0
    weight[list(INNER_LIPS)] = INNER_SHARE
    return np.repeat(weight, 2)


def named_modes(part: Points, names: Mapping[str, Measure]) -> Points:
    """Return the modes (K, 136) of ``names``, computed from the displacements ``part`` (F, 136)."""
    left = part * (importance() > 0)
    modes = []
    for terms in names.values():
        measured = np.zeros(len(left))
        for point, axis, factor in terms:
            measured += factor * left[:, 2 * point + axis]
        mode = measured @ left / (measured @ measured)
        left = left - np.outer(measured, mode)
        modes.append(mode)
    return np.array(modes)


def solved(modes: Points, moved: Points) -> Points:
    """Return the weights (F, K) with which ``modes`` (K, 136) fit the displacements ``moved`` (F, 136) best."""
    scale = importance()
    weights: Points = np.linalg.lstsq((modes * scale).T, (moved * scale).T, rcond=None)[0].T
    return weights


def lip_error(modes: Points, moved: Points) -> float:
    """Return the root mean square error of lip points, in eye distances, when ``modes`` are fitted to ``moved``."""
    off = (solved(modes, moved) @ modes - moved).reshape(-1, 68, 2)[:, list(LIPS)]
    return float(np.sqrt((off**2).sum(axis=-1).mean()))


def write_modes(data: Path, out: Path) -> None:
    """Measure the modes on the pack ``data``, write them to the folder ``out`` and print how well they fit."""
    moved = displacements(load_split(data, "train"), np.random.default_rng(0))
    even, odd = (((moved + sign * mirrored(moved)) / 2).reshape(-1, 136) for sign in (1, -1))
    modes = np.concatenate([named_modes(even, EVEN), named_modes(odd, ODD)])
    flat = moved.reshape(-1, 136)
    weights = solved(modes, flat)
    strong = np.percentile(np.abs(weights), STRONG, axis=0)
    modes *= strong[:, None]
    weights /= strong
    jaw = np.repeat(np.isin(np.arange(68), JAW), 2)
    modes[:, jaw] = np.linalg.lstsq(weights, flat[:, jaw], rcond=None)[0]
    names = (*EVEN, *ODD)
    unseen = displacements(load_split(data, "val"), np.random.default_rng(0)).reshape(-1, 136)
    for name, mode, weight in zip(names, modes, weights.T, strict=True):
        size = np.linalg.norm(mode.reshape(68, 2)[list(LIPS)], axis=1).max()
        low, high = np.percentile(weight, [0.5, 99.5])
        print(f"{name:<15} largest lip move {size:.3f}   weights {low:+.2f} to {high:+.2f}")
    print(f"condition number {np.linalg.cond(modes * importance()):.1f}")
    print(f"lips, RMS: train {100 * lip_error(modes, flat):.2f} %, val {100 * lip_error(modes, unseen):.2f} %")
    for count in (6, 12, 20):
        best = np.linalg.svd(flat * importance(), full_matrices=False)[2][:count]
        best = np.divide(best, importance(), out=np.zeros_like(best), where=importance() > 0)
        print(f"  {count} principal components without names: val {100 * lip_error(best, unseen):.2f} %")
    about = "Made by training/tables/picture_modes.py; displacements of 68 landmarks (x, y) in eye distances"
    arrays = {"modes": modes.reshape(-1, 68, 2).astype(np.float32), "names": np.array(names), "about": np.array(about)}
    with replacing(out / FILE) as part, part.open("wb") as stream:
        np.savez(stream, **arrays)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.tables.picture_modes", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="the training pack")
    parser.add_argument("--out", type=Path, default=OUTPUT)
    args = parser.parse_args(argv)
    return exit_code(lambda: write_modes(args.data, args.out), "not written")


if __name__ == "__main__":
    sys.exit(main())
