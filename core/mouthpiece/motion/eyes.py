"""Puts blinks and gaze onto landmarks and ARKit weights, and keeps the eyes steady while the head turns."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..topology import ARKIT_INDEX, LEFT_LID_PAIRS, RIGHT_LID_PAIRS

Array = NDArray[np.float32]

#: Eye rotation, in radians, at which an eyeLook shape is fully on.
LOOK_FULL: Final = (0.61, 0.44)
#: How far lids follow the eye down, as a share of a blink per radian.
_LID_FOLLOW: Final = 0.35
#: Where the lids meet, between upper (0) and lower (1) lid: the upper moves most.
_SEAM: Final = 0.85
#: Share of the head's turn that the eyes make up for by turning the other way. On tracked speakers it measures 0.2 to
#: 0.3 in yaw and pitch, which is too little, as irises a few pixels wide seem to move less than they do; people who
#: look at something come near 1 (the vestibulo-ocular reflex). This value between the two was set by eye.
_STEADYING: Final = 0.6


def close_lids(landmarks: Array, blink: Array) -> None:
    """Close the lids of ``landmarks`` (T, 68, 3) by the share ``blink`` (T, 2) of left and right eye, in place."""
    for column, pairs in enumerate((LEFT_LID_PAIRS, RIGHT_LID_PAIRS)):
        for upper, lower in pairs:
            seam = (1 - _SEAM) * landmarks[:, upper] + _SEAM * landmarks[:, lower]
            share = blink[:, column, None]
            landmarks[:, upper] += share * (seam - landmarks[:, upper])
            landmarks[:, lower] += share * (seam - landmarks[:, lower])


def write_eyes(arkit: Array, blink: Array, look: Array) -> None:
    """Set the eyeBlink and eyeLook weights of ``arkit`` (T, 52) from ``blink`` and ``look`` (T, 2), in place."""
    right, down = np.clip(look / np.array(LOOK_FULL, np.float32), -1, 1).T
    follow = np.clip(look[:, 1] * _LID_FOLLOW, 0, 1)
    weights = {
        "eyeBlinkLeft": np.maximum(blink[:, 0], follow),
        "eyeBlinkRight": np.maximum(blink[:, 1], follow),
        "eyeLookOutLeft": np.maximum(right, 0),
        "eyeLookInRight": np.maximum(right, 0),
        "eyeLookInLeft": np.maximum(-right, 0),
        "eyeLookOutRight": np.maximum(-right, 0),
        "eyeLookDownLeft": np.maximum(down, 0),
        "eyeLookDownRight": np.maximum(down, 0),
        "eyeLookUpLeft": np.maximum(-down, 0),
        "eyeLookUpRight": np.maximum(-down, 0),
    }
    for name, values in weights.items():
        arkit[:, ARKIT_INDEX[name]] = values


def open_lids(offsets: Array, neutral: Array, blink: Array) -> None:
    """Remove the blinks ``blink`` (T, 2) from ``offsets`` (T, 68, 3) of the face ``neutral`` (68, 3), in place.

    This is the inverse of :func:`close_lids`, except for other motion of the lids, which a full blink hides.
    """
    for column, pairs in enumerate((LEFT_LID_PAIRS, RIGHT_LID_PAIRS)):
        for upper, lower in pairs:
            seam = (1 - _SEAM) * neutral[upper] + _SEAM * neutral[lower]
            share = blink[:, column, None]
            offsets[:, upper] -= share * (seam - neutral[upper])
            offsets[:, lower] -= share * (seam - neutral[lower])


def steadying(head: Array) -> Array:
    """Return the gaze (T, 2), in radians, that makes up for the turn of the ``head`` (T, 6)."""
    held: Array = (_STEADYING * np.stack([head[:, 1], -head[:, 0]], axis=1)).astype(np.float32)
    return held
