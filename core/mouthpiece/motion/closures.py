"""Finds where lips meet, and keeps them together when other parts of the motion change."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..topology import ARKIT_INDEX, LANDMARK_COUNT

Array = NDArray[np.float32]

#: Inner points of the upper lip, and those of the lower lip below them: the person's right, middle, left.
UPPER: Final = (61, 62, 63)
LOWER: Final = (67, 66, 65)
#: Share of the motion of each pair's point that another lip point takes part in: point -> (right, middle, left) pair.
_FOLLOW_LOWER: Final = {
    67: (1.0, 0.0, 0.0),
    66: (0.0, 1.0, 0.0),
    65: (0.0, 0.0, 1.0),
    59: (0.5, 0.0, 0.0),
    58: (1.0, 0.0, 0.0),
    57: (0.0, 1.0, 0.0),
    56: (0.0, 0.0, 1.0),
    55: (0.0, 0.0, 0.5),
}
_FOLLOW_UPPER: Final = {
    61: (1.0, 0.0, 0.0),
    62: (0.0, 1.0, 0.0),
    63: (0.0, 0.0, 1.0),
    49: (0.5, 0.0, 0.0),
    50: (1.0, 0.0, 0.0),
    51: (0.0, 1.0, 0.0),
    52: (0.0, 0.0, 1.0),
    53: (0.0, 0.0, 0.5),
}
#: Share of a correction made by the lower lip, which does most of the closing.
_LOWER_SHARE: Final = 0.7
#: Gap in eye distances up to which lips count as meeting (m, b, p), and from which they count as open. In between are
#: f and v: the lower lip touches the teeth, and a slit stays open.
_SHUT: Final = 0.02
_OPEN: Final = 0.06
#: Columns of the ARKit shapes that open the mouth, with mouthClose, which is at most jawOpen.
OPENING: Final = tuple(
    ARKIT_INDEX[name]
    for name in (
        "jawOpen",
        "mouthClose",
        "mouthFunnel",
        "mouthLowerDownLeft",
        "mouthLowerDownRight",
        "mouthUpperUpLeft",
        "mouthUpperUpRight",
    )
)
#: Columns of those, and of the ARKit shapes that bring the lips together.
PARTING: Final = OPENING + tuple(
    ARKIT_INDEX[name]
    for name in (
        "mouthPressLeft",
        "mouthPressRight",
        "mouthRollLower",
        "mouthRollUpper",
        "mouthShrugLower",
        "mouthShrugUpper",
    )
)


def gaps(points: NDArray[np.floating]) -> Array:
    """Return the vertical gaps (T, 3) of the three inner lip pairs of ``points`` (T, 68, 3), in their unit."""
    apart: Array = (points[:, LOWER, 1] - points[:, UPPER, 1]).astype(np.float32)
    return apart


def contact(points: NDArray[np.floating]) -> Array:
    """Return how closely, 0 to 1, the lips of ``points`` (T, 68, 3), in eye distances, meet: (T,).

    1 where they are shut, as for m, b and p; in between where the lower lip is at the teeth, as for f and v; and 0
    where the mouth is open.
    """
    share = np.clip((_OPEN - gaps(points).max(axis=1)) / (_OPEN - _SHUT), 0, 1)
    nearness: Array = (share * share * (3 - 2 * share)).astype(np.float32)
    return nearness


def lower_followers() -> Array:
    """Return the share (68, 3) of the lower lip's motion at each of the three pairs that each landmark makes."""
    return _followers(_FOLLOW_LOWER)


def upper_followers() -> Array:
    """Return the share (68, 3) of the upper lip's motion at each of the three pairs that each landmark makes."""
    return _followers(_FOLLOW_UPPER)


def _followers(follow: dict[int, tuple[float, float, float]]) -> Array:
    shares = np.zeros((LANDMARK_COUNT, 3), np.float32)
    shares[list(follow)] = list(follow.values())
    return shares


def hold(points: Array, wanted: Array, weight: Array) -> None:
    """Move the lips of ``points`` (T, 68, 3) towards gaps ``wanted`` (T, 3) by a share ``weight`` (T,), in place."""
    change = weight[:, None] * (wanted - gaps(points))
    points[:, :, 1] += _LOWER_SHARE * change @ lower_followers().T
    points[:, :, 1] -= (1 - _LOWER_SHARE) * change @ upper_followers().T
