"""Decides on which frames a drawn face gets a new drawing, and which drawings are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..warp.folds import LIP_PAIRS
from .face import DrawnFace, DrawnMotion

Numbers = NDArray[np.int64]

#: Differences of landmarks, in eye distances, below which two drawings count as the same.
ALIKE: Final = 1e-3
#: Gaps, in widths of mouth and eye, below which lips and lids count as shut.
_LIPS_SHUT, _LIDS_SHUT = 0.03, 0.04
_LID_PAIRS: Final = ((37, 41), (38, 40), (43, 47), (44, 46))


@dataclass(frozen=True, slots=True, eq=False)
class Holds:
    """The D drawings of a motion, each held for some frames.

    Attributes
    ----------
    starts : (D,) int64
        Index of the frame from which each drawing is shown, ascending.
    poses : (D,) int64
        Index of the frame whose pose each drawing shows.
    same : (D,) int64
        Index, among the drawings, of the first one that is the same; its own if there is none before.
    """

    starts: Numbers
    poses: Numbers
    same: Numbers


def held(face: DrawnFace, motion: DrawnMotion, head: float, step: int = 1, change: float = 0.0) -> Holds:
    """Return the drawings of ``face`` for a ``motion`` on F frames; ``head`` is a factor on the head's motion.

    Parameters
    ----------
    step : int
        Least frames a drawing is held: 1 for ones, 2 for twos. If lips or lids meet within that time, the drawing shows
        the moment they meet, so that an m or a blink is never skipped.
    change : float
        Least motion of any landmark, in eye distances, for a new drawing; lips and lids that meet or part always cause
        one. Motion of less than :data:`ALIKE` never does.
    """
    poses = _visible_values(face, motion, head)
    ratios = _gaps(face, motion)
    shut = ratios < 1
    begins = np.arange(0, len(poses), max(1, step))
    starts: list[int] = []
    shown: list[int] = []
    for begin in begins:
        pose = _drawn_frame(ratios, int(begin), min(int(begin) + max(1, step), len(poses)))
        if shown and not _differs(poses, shut, shown[-1], pose, max(change, ALIKE)):
            continue
        starts.append(int(begin))
        shown.append(pose)
    return Holds(np.array(starts, np.int64), np.array(shown, np.int64), _alike(poses[shown]))


def _visible_values(face: DrawnFace, motion: DrawnMotion, head: float) -> NDArray[np.float64]:
    """Return all values that change a drawing, one row per frame (F, D), in eye distances and radians."""
    landmarks = (motion.landmarks[:, : len(face.landmarks)] - face.landmarks) / face.unit
    pupils = motion.pupils / face.unit
    parts = (landmarks.reshape(len(landmarks), -1), pupils.reshape(len(pupils), -1), motion.head * head)
    return np.concatenate(parts, axis=1)


def _gaps(face: DrawnFace, motion: DrawnMotion) -> NDArray[np.float64]:
    """Return the gaps of lips, right lids and left lids, (F, 3), divided by those at which they count as shut."""
    upright = motion.landmarks @ face.axes
    result = []
    for pairs, corners, share in (
        (LIP_PAIRS, (60, 64), _LIPS_SHUT),
        (_LID_PAIRS[:2], (36, 39), _LIDS_SHUT),
        (_LID_PAIRS[2:], (42, 45), _LIDS_SHUT),
    ):
        wide = np.hypot(*(face.landmarks[corners[1]] - face.landmarks[corners[0]]))
        gaps = np.stack([upright[:, lower, 1] - upright[:, upper, 1] for upper, lower in pairs])
        result.append(gaps.max(axis=0) / max(share * wide, 1e-12))
    return np.stack(result, axis=1)


def _drawn_frame(ratios: NDArray[np.float64], begin: int, end: int) -> int:
    """Return the frame of a hold that is drawn: the first, or the one at which lips or lids shut most tightly."""
    window = ratios[begin:end]
    met = (window < 1) & (window[0] >= 1)
    return begin + int(np.where(met, 2 - window, 0).sum(axis=1).argmax())


def _differs(poses: NDArray[Any], shut: NDArray[np.bool_], before: int, now: int, least: float) -> bool:
    moved = np.abs(poses[now] - poses[before]).max()
    return bool(moved >= least or (moved >= ALIKE and (shut[now] != shut[before]).any()))


def _alike(poses: NDArray[Any]) -> Numbers:
    """Return for each pose (D, N) the index of the first pose that rounds to the same multiples of ``ALIKE``."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(np.rint(row / ALIKE).astype(np.int32).tobytes(), k)
                     for k, row in enumerate(poses)], np.int64)  # fmt: skip
