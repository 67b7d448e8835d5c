"""When a drawn face gets a new drawing: on ones, twos or threes, or when it has changed enough; and which are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..warp.folds import LIP_PAIRS
from .face import DrawnFace, DrawnMotion

Numbers = NDArray[np.int64]

#: Landmarks that differ by less than this, in eye distances, make the same drawing.
ALIKE: Final = 1e-3
#: Gaps, in widths of mouth and eye, below which lips and lids count as shut.
_LIPS_SHUT, _LIDS_SHUT = 0.03, 0.04
_LID_PAIRS: Final = ((37, 41), (38, 40), (43, 47), (44, 46))


@dataclass(frozen=True, slots=True, eq=False)
class Holds:
    """Drawings over time.

    Attributes
    ----------
    starts : (D,) int64
        Index of the frame from which each drawing is shown, ascending.
    poses : (D,) int64
        Index of the frame whose pose it shows.
    same : (D,) int64
        Index, among the drawings, of the first one that is alike: itself if it is the first.
    """

    starts: Numbers
    poses: Numbers
    same: Numbers


def held(face: DrawnFace, motion: DrawnMotion, head: float, step: int = 1, change: float = 0.0) -> Holds:
    """Return when ``face`` gets new drawings for a ``motion`` on F frames, of whose head as much as ``head`` shows.

    Parameters
    ----------
    step : int
        Frames a drawing is held for at least: 1 for ones, 2 for twos. Where lips or lids meet within that time, it is
        the moment they meet that is drawn: an m or a blink is never skipped.
    change : float
        Least motion of any landmark, in eye distances, for which there is a new drawing; lips and lids that meet or
        part always get one. What changes less than :data:`ALIKE` never does.
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
    """Return everything that shows in a drawing (F, D), in eye distances."""
    landmarks = (motion.landmarks[:, : len(face.landmarks)] - face.landmarks) / face.unit
    pupils = motion.pupils / face.unit
    parts = (landmarks.reshape(len(landmarks), -1), pupils.reshape(len(pupils), -1), motion.head * head)
    return np.concatenate(parts, axis=1)


def _gaps(face: DrawnFace, motion: DrawnMotion) -> NDArray[np.float64]:
    """Return the gaps of the lips, the right and the left lids in those at which they count as shut, (F, 3)."""
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
    """Return the frame of a hold that is drawn: its first, or the one at which what was open is shut most tightly."""
    window = ratios[begin:end]
    met = (window < 1) & (window[0] >= 1)
    return begin + int(np.where(met, 2 - window, 0).sum(axis=1).argmax())


def _differs(poses: NDArray[Any], shut: NDArray[np.bool_], before: int, now: int, least: float) -> bool:
    moved = np.abs(poses[now] - poses[before]).max()
    return bool(moved >= least or (moved >= ALIKE and (shut[now] != shut[before]).any()))


def _alike(poses: NDArray[Any]) -> Numbers:
    """Return for each pose (D, N) the first one that is alike: in the same cells of a grid of that measure."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(np.rint(row / ALIKE).astype(np.int32).tobytes(), k)
                     for k, row in enumerate(poses)], np.int64)  # fmt: skip
