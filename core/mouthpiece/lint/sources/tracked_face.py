"""Landmarks of a tracked face as the courses that are checked: opening, width, lids, gaze and head."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...motion.closures import LOWER, UPPER
from ...portrait.find.pose import turn_of
from ...topology import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    LEFT_LID_PAIRS,
    MOUTH_LEFT_CORNER,
    MOUTH_RIGHT_CORNER,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    RIGHT_LID_PAIRS,
)

Array = NDArray[np.float32]

#: Radius of an eyeball in widths of the eye.
_EYEBALL: Final = 0.41
#: Share of the frames in which an eye is at least as open as it is taken for when it is open.
_OPEN_SHARE: Final = 80
#: Height of an eye, as a share of that, from which on it begins to shut, and at which it is shut.
_LIDS_OPEN, _LIDS_SHUT = 0.85, 0.35


def face_courses(landmarks: NDArray[Any], irises: NDArray[Any]) -> dict[str, Array]:
    """Return ``opening`` (F,), ``width`` (F,), ``lids`` (F, 2), ``gaze`` (F, 2) and ``head`` (F, 3) of a tracked face.

    Units and signs are those of :class:`mouthpiece.lint.seen_face.SeenFace`; frames in which a landmark is NaN are NaN.
    Lengths are measured in space, so that a face that turns does not seem to move its mouth. Lids are relative to the
    eyes as they mostly are.

    Parameters
    ----------
    landmarks : (F, 68, 3)
        iBUG-68 points, head motion included: x right, y down, z away from the camera in the same scale.
    irises : (F, 2, 3)
        Centres of the irises, the person's right one first.
    """
    points = np.asarray(landmarks, np.float64)
    eyes = _distance(points, RIGHT_EYE_OUTER, LEFT_EYE_OUTER)
    apart = [_distance(points, low, high) for low, high in zip(LOWER, UPPER, strict=True)]
    lids = [_closure(points, *eye) for eye in (_LEFT, _RIGHT)]
    looks = [_look(points, irises[:, side], a, b) for side, (a, b) in enumerate(_CORNERS)]
    courses = {
        "opening": np.mean(apart, axis=0) / eyes,
        "width": _distance(points, MOUTH_RIGHT_CORNER, MOUTH_LEFT_CORNER) / eyes,
        "lids": np.stack(lids, axis=1),
        "gaze": np.mean(looks, axis=0),
        "head": _head(points),
    }
    return {name: course.astype(np.float32) for name, course in courses.items()}


_RIGHT: Final = (RIGHT_LID_PAIRS, RIGHT_EYE_OUTER, RIGHT_EYE_INNER)
_LEFT: Final = (LEFT_LID_PAIRS, LEFT_EYE_INNER, LEFT_EYE_OUTER)
#: Corners of each eye, the one on the left of the picture first; the person's right eye first.
_CORNERS: Final = ((RIGHT_EYE_OUTER, RIGHT_EYE_INNER), (LEFT_EYE_INNER, LEFT_EYE_OUTER))


def _distance(points: NDArray[np.float64], one: int, other: int) -> NDArray[np.float64]:
    length: NDArray[np.float64] = np.linalg.norm(points[:, one] - points[:, other], axis=-1)
    return length


def _closure(points: NDArray[np.float64], pairs: tuple[tuple[int, int], ...], a: int, b: int) -> NDArray[np.float64]:
    height = np.mean([_distance(points, *pair) for pair in pairs], axis=0) / _distance(points, a, b)
    known = height[np.isfinite(height)]
    usual = np.percentile(known, _OPEN_SHARE) if len(known) else 1.0
    share: NDArray[np.float64] = np.clip((_LIDS_OPEN - height / max(usual, 1e-6)) / (_LIDS_OPEN - _LIDS_SHUT), 0, 1)
    return share


def _look(points: NDArray[np.float64], iris: NDArray[Any], a: int, b: int) -> NDArray[np.float64]:
    """Return how far an eye looks to the right and down (F, 2), in radians, from where its iris lies in it."""
    across = (points[:, b] - points[:, a])[:, :2]
    width = np.maximum(np.linalg.norm(across, axis=1), 1e-6)[:, None]
    level = across / width
    away = (np.asarray(iris, np.float64)[:, :2] - (points[:, a, :2] + points[:, b, :2]) / 2) / (width * _EYEBALL)
    along = (away * level).sum(axis=1)
    down = (away * np.stack([-level[:, 1], level[:, 0]], axis=1)).sum(axis=1)
    look: NDArray[np.float64] = np.arcsin(np.clip(np.stack([along, down], axis=1), -0.9, 0.9))
    return look


def _head(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pitch, yaw and roll (F, 3) in radians; NaN where there is no face."""
    head = np.full((len(points), 3), np.nan)
    for frame in np.flatnonzero(np.isfinite(points).all(axis=(1, 2))):
        yaw, pitch = turn_of(points[frame])
        across = points[frame, LEFT_EYE_OUTER] - points[frame, RIGHT_EYE_OUTER]
        head[frame] = pitch, -yaw, np.arctan2(across[1], across[0])
    return head
