"""Sketches: short texts by which a later run knows that picture, face and pose of a frame are those it would use.

A hash would not do. The same motion comes out a hair different from one release of numpy to the next, and a face that
is found again lies a thousandth of a pixel beside itself. So sums are recorded, and compared within a tolerance.

A sum adds up all numbers of a face or pose, half of them with a minus sign; which half was drawn once, by
``hashlib.shake_256``, which gives the same everywhere. The root mean square of what sixteen such sums differ by is
near the length of the difference itself (off by a fifth, in one of three cases), wherever in the face that lies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Option of a frame's record that holds its sketch.
SKETCH: Final = "sketch"
#: Sums of a face, and of a pose.
_SUMS: Final = 16
#: Rows and columns of blocks whose mean colour is recorded.
_BLOCKS: Final = 4
#: Most difference of a block's mean from one way of reading a picture to another, in levels of 255. A colour profile
#: that one of them knows and the other does not makes more.
_LEVELS: Final = 2
#: Most difference of faces and poses that are the same, as the length of the difference of all their numbers; in
#: distances of the eyes (and in weights, 0 to 1, and radians). A pixel, where the eyes are 300 apart, is 0.0033.
_FACE, _POSE = 0.0015, 0.002


def of_picture(picture: NDArray[np.uint8]) -> str:
    """Return the sketch of a picture (H, W, 4): mean colours of 4 x 4 blocks, times their alpha."""
    height, width = picture.shape[:2]
    rows, columns = (np.linspace(0, side, _BLOCKS + 1).astype(int) for side in (height, width))
    means = np.zeros((_BLOCKS, _BLOCKS, 4))
    for row in range(_BLOCKS):
        for column in range(_BLOCKS):
            block = picture[rows[row] : rows[row + 1], columns[column] : columns[column + 1]]
            if not block.size:
                continue
            means[row, column, 3] = block[..., 3].mean()
            if (block[..., 3] == 255).all():
                means[row, column, :3] = block[..., :3].mean(axis=(0, 1))
            else:
                share = block[..., 3:].astype(np.float32) / 255
                means[row, column, :3] = (block[..., :3] * share).mean(axis=(0, 1))
    return _text(np.round(means).astype(np.uint8).tobytes())


def of_numbers(rows: NDArray[Any]) -> list[str]:
    """Return the sketch of each row (T, N): sixteen sums of its numbers."""
    values = np.asarray(rows, np.float64)
    sums = values @ _signs(values.shape[1]).T
    return [_text(row.tobytes()) for row in sums.astype("<f4")]


def joined(picture: str, face: str, pose: str) -> str:
    """Return the sketch of a frame."""
    return f"{picture}.{face}.{pose}"


def are_alike(one: object, other: object, in_pose: bool = True) -> bool:
    """Tell whether two sketches of frames are of the same picture and face; never if one of them is none.

    ``in_pose`` asks for the same pose as well.
    """
    parts = [str(text).split(".") for text in (one, other)]
    if [len(found) for found in parts] != [3, 3]:
        return False
    try:
        pairs = [[base64.b64decode(text, validate=True) for text in pair] for pair in zip(*parts, strict=True)]
    except (binascii.Error, ValueError):
        return False
    colours = [np.frombuffer(data, np.uint8).astype(int) for data in pairs[0]]
    if [len(levels) for levels in colours] != [4 * _BLOCKS**2] * 2 or np.abs(colours[0] - colours[1]).max() > _LEVELS:
        return False
    return _length(*pairs[1]) <= _FACE and (not in_pose or _length(*pairs[2]) <= _POSE)


def _length(one: bytes, other: bytes) -> float:
    """Return about how long the difference is of the numbers two lists of sums are of; infinite if one is no list."""
    if len(one) != 4 * _SUMS or len(other) != 4 * _SUMS:
        return float("inf")
    apart = np.frombuffer(one, "<f4").astype(np.float64) - np.frombuffer(other, "<f4")
    return float(np.sqrt(np.mean(apart**2))) if np.isfinite(apart).all() else float("inf")


@lru_cache(maxsize=4)
def _signs(count: int) -> NDArray[np.float64]:
    """Return the signs (16, ``count``) of each number in each sum, 1 or -1."""
    drawn = hashlib.shake_256(f"mouthpiece sketch {count}".encode()).digest(_SUMS * count // 8 + 1)
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8))[: _SUMS * count]
    return bits.reshape(_SUMS, count).astype(np.float64) * 2 - 1


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
