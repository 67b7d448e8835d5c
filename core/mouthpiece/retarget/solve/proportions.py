"""Transfers a performance's motion to a face of other proportions, scaled by the sizes of its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import (
    JAW,
    LANDMARK_COUNT,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_LID_PAIRS,
    LIPS,
    MIRROR,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_LID_PAIRS,
)

Floats = NDArray[np.float64]

#: Inner points of the lips that meet: (upper, lower).
LIP_PAIRS: Final = ((61, 67), (62, 66), (63, 65))
#: Points that move with the lower point of a pair, and those that move with the upper, when a gap is corrected.
_WITH_LOWER: Final = {67: 0, 66: 1, 65: 2, 58: 0, 57: 1, 56: 2}
_WITH_UPPER: Final = {61: 0, 62: 1, 63: 2, 50: 0, 51: 1, 52: 2}
#: Share of a correction that the lower lip makes.
_LOWER_SHARE: Final = 0.7
#: Gap of the performance's lips, in eye distances, up to which they count as meeting, and from which as parted.
_SHUT, _PARTED = 0.02, 0.06
#: The same for one pair of points: up to the first gap it is shut on the rig, from the second its gap is unchanged.
_TOUCH: Final = (0.015, 0.045)
#: Gap of a rig's lips at rest, in eye distances, from which its mouth counts as open at rest.
_RESTS_OPEN: Final = 0.03
#: Greatest ratio of the sizes of a region on the rig and the performance's face, either way.
_MOST: Final = 3.0
#: Factor by which the chin drops further than the contour landmarks, which slide over the skin. (For the same reason
#: their sideways motion says nothing about cheeks.)
CHIN_SLIDES: Final = 2.2
_CHIN: Final = 8
#: Asymmetry of a motion, as a share of its size, up to which it is removed, and from which it is kept.
_LOPSIDED: Final = (0.15, 0.35)


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """The wanted motion of a rig's landmarks.

    Attributes
    ----------
    displacements : (T, 68, 3)
        Displacements from the rig's rest, in the landmarks' axes and the rig's eye distances.
    contact : (T,)
        How closely, 0 to 1, the performance's lips meet.
    """

    displacements: Floats
    contact: Floats


def transferred(landmarks: NDArray[np.floating[Any]], neutral: NDArray[np.floating[Any]], rig: Floats) -> Wanted:
    """Return the motion ``landmarks`` (T, 68, 3) of the face ``neutral`` (68, 3) on the proportions of ``rig`` (68, 3).

    All are in the landmarks' axes (:class:`.Stance`). Each region is scaled by its own size: lips horizontally by the
    width of the mouth and vertically by the height of the face below the nose, brows by their height over the eyes,
    lids so that they meet when the performance's do. Where the performance's lips meet, the rig's meet, also if they
    are parted at rest. Motion that is nearly the same on both sides is made the same.
    """
    face = np.asarray(neutral, np.float64)
    moved = np.asarray(landmarks, np.float64) - face
    moved[:, JAW, 1] *= CHIN_SLIDES
    moved[:, JAW, 0] = moved[:, [_CHIN], 0]
    moved = evened(moved)
    gaps = _gaps(np.asarray(landmarks, np.float64))
    contact = 1 - _smooth(gaps.max(axis=1), _SHUT, _PARTED)
    moved = moved * scales(face, rig)
    _close(moved, rig, contact, _smooth(gaps, *_TOUCH))
    return Wanted(moved, contact)


def evened(moved: Floats) -> Floats:
    """Return motion (T, 68, 3) with small asymmetries removed; clearly asymmetric motion is unchanged."""
    mirrored = moved[:, list(MIRROR)] * np.array([-1.0, 1.0, 1.0])
    even, odd = (moved + mirrored) / 2, (moved - mirrored) / 2
    size = np.sqrt((moved**2).sum(axis=(1, 2))) + 1e-9
    share = np.sqrt((odd**2).sum(axis=(1, 2))) / size
    kept: Floats = even + _smooth(share, *_LOPSIDED)[:, None, None] * odd
    return kept


def _gaps(points: Floats) -> Floats:
    """Return the vertical gap of each inner lip pair of ``points`` (..., 68, 3), (..., 3)."""
    return np.stack([points[..., low, 1] - points[..., up, 1] for up, low in LIP_PAIRS], axis=-1)


def _smooth(value: Floats, low: float, high: float) -> Floats:
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    return share * share * (3 - 2 * share)


def _ratio(face: Floats, rig: Floats, pairs: Sequence[tuple[int, int]], axis: int) -> float:
    """Return the ratio of the rig's size to the face's between pairs of points, along an axis; 1 if undetermined."""
    ours = np.mean([abs(face[b, axis] - face[a, axis]) for a, b in pairs])
    theirs = [abs(rig[b, axis] - rig[a, axis]) for a, b in pairs]
    known = [value for value in theirs if np.isfinite(value)]
    if len(known) < len(pairs) or ours < 1e-6:
        return 1.0
    return float(np.clip(np.mean(known) / ours, 1 / _MOST, _MOST))


def scales(face: Floats, rig: Floats) -> Floats:
    """Return the factors (68, 3) on the displacements of the points."""
    scales = np.ones((LANDMARK_COUNT, 3))
    wide = _ratio(face, rig, [(48, 54)], 0)
    tall = _ratio(face, rig, [(33, 8)], 1)
    scales[list(LIPS)] = (wide, np.sqrt(wide * tall), np.sqrt(wide * tall))
    scales[list(JAW)] = (wide, tall, tall)
    for brow, eye in ((RIGHT_BROW, RIGHT_EYE), (LEFT_BROW, LEFT_EYE)):
        height = _ratio(face, rig, [(brow[2], eye[1]), (brow[2], eye[2])], 1)
        scales[list(brow)] = (1.0, np.sqrt(height), 1.0)
    for eye, lids in ((RIGHT_EYE, RIGHT_LID_PAIRS), (LEFT_EYE, LEFT_LID_PAIRS)):
        scales[list(eye), 1] = _ratio(face, rig, lids, 1)
        scales[list(eye), 0] = _ratio(face, rig, [(eye[0], eye[3])], 0)
    return scales


def _close(moved: Floats, rig: Floats, contact: Floats, opened: Floats) -> None:
    """Correct the rig's lip gaps, in place: lips never cross, and they meet where the performance's meet.

    ``contact`` (T,) is how closely the lips meet, ``opened`` (T, 3) how far, 0 to 1, each pair is open.
    """
    rest = _gaps(rig)
    parted = np.where(np.isfinite(rest) & (rest > _RESTS_OPEN), rest, 0.0)
    gap = _gaps(moved)
    # Negative gaps (pressed lips) are set to 0: the lips would pass through each other on a mesh.
    change = np.maximum(gap, 0.0) * opened - parted * contact[:, None] - gap
    for points, share in ((_WITH_LOWER, _LOWER_SHARE), (_WITH_UPPER, _LOWER_SHARE - 1)):
        for point, pair in points.items():
            moved[:, point, 1] += share * change[:, pair]
