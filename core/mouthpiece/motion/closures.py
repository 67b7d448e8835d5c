"""Where lips meet, and keeping them met whatever else is done to the motion."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..topology import ARKIT_INDEX, LANDMARK_COUNT

Array = NDArray[np.float32]

#: Inner lips' points above and below each other: the person's right, middle, left.
UPPER: Final = (61, 62, 63)
LOWER: Final = (67, 66, 65)
#: How much of a pair's parting each lip point goes along with: point -> (right, middle, left) pair.
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
#: Gap in eye distances up to which lips count as met (m, b, p), and from which they do not. Between the two lies
#: what f and v do: the lower lip touches the teeth, and a slit is left to see.
_SHUT: Final = 0.02
_OPEN: Final = 0.06
#: Shapes that part the lips or bring them together.
PARTING: Final = tuple(
    ARKIT_INDEX[name]
    for name in (
        "jawOpen",
        "mouthClose",
        "mouthFunnel",
        "mouthLowerDownLeft",
        "mouthLowerDownRight",
        "mouthUpperUpLeft",
        "mouthUpperUpRight",
        "mouthPressLeft",
        "mouthPressRight",
        "mouthRollLower",
        "mouthRollUpper",
        "mouthShrugLower",
        "mouthShrugUpper",
    )
)


def gaps(points: NDArray[np.floating]) -> Array:
    """Return how far each pair of inner lip points (T, 3) of ``points`` (T, 68, 3) is apart, downwards."""
    apart: Array = (points[:, LOWER, 1] - points[:, UPPER, 1]).astype(np.float32)
    return apart


def contact(points: NDArray[np.floating]) -> Array:
    """Return how nearly (T,), 0 to 1, the lips of ``points`` (T, 68, 3, in eye distances) meet.

    1 where they are shut, as for m, b and p; in between where the lower lip is at the teeth, as for f and v; and 0
    where the mouth is open.
    """
    share = np.clip((_OPEN - gaps(points).max(axis=1)) / (_OPEN - _SHUT), 0, 1)
    nearness: Array = (share * share * (3 - 2 * share)).astype(np.float32)
    return nearness


def lower_followers() -> Array:
    """Return how far (68, 3) each landmark goes along with the lower lip at each of the three pairs."""
    return _followers(_FOLLOW_LOWER)


def upper_followers() -> Array:
    """Return the same for the upper lip."""
    return _followers(_FOLLOW_UPPER)


def _followers(follow: dict[int, tuple[float, float, float]]) -> Array:
    shares = np.zeros((LANDMARK_COUNT, 3), np.float32)
    shares[list(follow)] = list(follow.values())
    return shares


def hold(points: Array, wanted: Array, weight: Array) -> None:
    """Bring the lips of ``points`` (T, 68, 3) to the gaps ``wanted`` (T, 3) by ``weight`` (T,), in place."""
    change = weight[:, None] * (wanted - gaps(points))
    points[:, :, 1] += _LOWER_SHARE * change @ lower_followers().T
    points[:, :, 1] -= (1 - _LOWER_SHARE) * change @ upper_followers().T
