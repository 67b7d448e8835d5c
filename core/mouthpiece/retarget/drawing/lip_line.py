"""Decides which strokes and points on the line of shut lips belong to the upper lip, and which to the lower."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...topology import INNER_LIPS
from ..warp.folds import LIP_PAIRS
from .face import HAIR, DrawnFace
from .rims import MOUTH, filled

Points = NDArray[np.float64]
Numbers = NDArray[np.int64]

#: Greatest distance from the line of shut lips, in widths of the mouth, of a point on it, and of a stroke along it.
_SEAM, _LINE = 0.012, 0.07
#: Least and greatest share of the mouth's width that such a stroke covers.
_COVERED: Final = (0.55, 1.4)


def inner_lips_shut(face: DrawnFace) -> bool:
    """Return whether the inner lips are drawn as one line, to a hundredth of the mouth's width."""
    lips = face.landmarks[list(INNER_LIPS)]
    wide = float(np.hypot(*(lips[4] - lips[0])))
    return all((face.landmarks[b] - face.landmarks[a]) @ face.axes[:, 1] < 0.01 * wide for a, b in LIP_PAIRS)


@dataclass(frozen=True, slots=True, eq=False)
class Seam:
    """Points of a drawing on the line of shut lips.

    Attributes
    ----------
    sides : (P,) int64
        -1 for the upper lip, 1 for the lower, 0 for points that are not on it.
    anchors : (P, 2) float64
        Place by which each point's triangle is found: the point itself, or the nearest place on the line.
    lifts : (P, 2) float64
        Displacements that keep the two sides of an opened line slightly apart, so that it can be filled.
    """

    sides: Numbers
    anchors: Points
    lifts: Points

    @classmethod
    def of(cls, face: DrawnFace, points: Points, strokes: Sequence[Numbers], lines: Collection[int]) -> Seam:
        """Return the seam for ``points`` (P, 2) of strokes (indices of their points); ``lines`` run there and back."""
        sides, anchors, lifts = np.zeros(len(points), np.int64), points.copy(), np.zeros((len(points), 2))
        wide = np.hypot(*(face.landmarks[64] - face.landmarks[60]))
        for number, stroke in enumerate(strokes):
            if not len(stroke):
                continue
            if number in lines:
                half = len(stroke) // 2
                sides[stroke[:half]], sides[stroke[half:]] = -1, 1
                anchors[stroke] = _projected(face, points[stroke])
                lifts[stroke] = sides[stroke, None] * HAIR / 2 * wide * face.axes[:, 1]
            else:
                sides[stroke] = seam_sides(face, points[stroke])
        return cls(sides, anchors, lifts)


def is_mouth_line(face: DrawnFace, stroke: Points, closed: bool) -> bool:
    """Return whether a stroke (P, 2) is a whole mouth drawn as one line, along the landmarks of shut lips."""
    if closed or len(stroke) < 3 or not inner_lips_shut(face):
        return False
    points, lips = stroke @ face.axes, filled(face.landmarks) @ face.axes
    wide = float(lips[64, 0] - lips[60, 0])
    across = points[:, 0]
    covered = float(np.ptp(across)) / max(wide, 1e-12)
    if not _COVERED[0] <= covered <= _COVERED[1] or _turning_point(across) is not None:
        return False
    within = (across > lips[60, 0]) & (across < lips[64, 0])
    height = points[:, 1] - heights(lips[None], MOUTH[0], points[None, :, 0])[0]
    return bool(within.any() and np.abs(height[within]).max() < _LINE * wide)


def _projected(face: DrawnFace, points: Points) -> Points:
    """Return the nearest places of ``points`` (P, 2) on the line of shut lips; points beyond its ends do not move."""
    upright, lips = points @ face.axes, filled(face.landmarks) @ face.axes
    height = heights(lips[None], MOUTH[0], upright[None, :, 0])[0]
    within = (upright[:, 0] > lips[60, 0]) & (upright[:, 0] < lips[64, 0])
    upright[:, 1] = np.where(within, height, upright[:, 1])
    result: Points = upright @ face.axes.T
    return result


def seam_sides(face: DrawnFace, stroke: Points) -> Numbers:
    """Return the lip (P,) each point of a stroke (P, 2) belongs to: -1 upper, 1 lower, 0 off the line of shut lips.

    A stroke that leaves the line belongs to the lip on whose side it lies. One that runs along the line and back is the
    mouth's rim: the way there is the upper lip, the way back the lower. One that only runs along it is the lower lip.
    """
    sides = np.zeros(len(stroke), np.int64)
    if not inner_lips_shut(face):
        return sides
    points, lips = stroke @ face.axes, filled(face.landmarks) @ face.axes
    wide = float(lips[64, 0] - lips[60, 0])
    height = points[:, 1] - heights(lips[None], MOUTH[0], points[None, :, 0])[0]
    within = (points[:, 0] > lips[60, 0] - _SEAM * wide) & (points[:, 0] < lips[64, 0] + _SEAM * wide)
    on = within & (np.abs(height) < _SEAM * wide)
    if not on.any():
        return sides
    beside = np.flatnonzero(within & ~on & (np.abs(height) < wide))
    if len(beside):
        nearest = beside[np.abs(np.flatnonzero(on)[:, None] - beside).argmin(axis=1)]
        sides[on] = np.where(height[nearest] < 0, -1, 1)
        return sides
    turn = _turning_point(points[:, 0])
    sides[on] = 1
    if turn is not None:
        sides[:turn] = np.where(on[:turn], -1, 0)
    return sides


def heights(landmarks: Points, line: tuple[int, ...], x: Points) -> Points:
    """Return the y (F, C) at ``x`` (F, C) of a line of points (F, N, 2) that runs from left to right."""
    result = np.broadcast_to(landmarks[:, line[0], None, 1], x.shape).copy()
    for first, second in pairwise(line):
        start, end = landmarks[:, first, None], landmarks[:, second, None]
        along = np.clip((x - start[..., 0]) / np.maximum(end[..., 0] - start[..., 0], 1e-12), 0, 1)
        result = np.where(x >= start[..., 0], start[..., 1] + along * (end - start)[..., 1], result)
    return result


def _turning_point(x: Points) -> int | None:
    """Return the index at which a line turns back, given its ``x`` (P,); None if it does not turn back."""
    far = int(np.abs(x - x[0]).argmax())
    if not 0 < far < len(x) - 1:
        return None
    return far if abs(x[-1] - x[0]) < 0.5 * abs(x[far] - x[0]) else None
