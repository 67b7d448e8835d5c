"""What ARKit's shapes do to the 68 landmarks, so that weights and points can be moved alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..files import ASSETS
from ..topology import ARKIT_INDEX, ARKIT_NAMES
from . import closures

Array = NDArray[np.float32]

_FILE: Final = ASSETS / "face_shapes.npz"


@cache
def landmark_shapes() -> Array:
    """Return each shape's displacement (52, 68, 3) of the landmarks at weight 1, as ``Performance.landmarks``.

    Measured on the demo head by ``training/tables/face_shapes.py``; read-only.
    """
    with np.load(_FILE, allow_pickle=False) as stored:
        shapes: Array = stored["shapes"].astype(np.float32)
    shapes.setflags(write=False)
    return shapes


def weights_of(named: Mapping[str, float]) -> Array:
    """Return the weights (52,) of the shapes ``named``; ``mouthSmile`` stands for both sides' where there are two."""
    weights = np.zeros(len(ARKIT_NAMES), np.float32)
    for name, value in named.items():
        for side in (name,) if name in ARKIT_INDEX else (f"{name}Left", f"{name}Right"):
            weights[ARKIT_INDEX[side]] = value
    return weights


def displacement(weights: Array) -> Array:
    """Return what ``weights`` (52,) add to the landmarks (68, 3) without parting or pressing the lips.

    Both points of an inner pair go the same way, and the outer points follow their inner ones: the mouth is moved and
    bent as a whole, and the gap of the lips stays what speech makes it.
    """
    moved: Array = np.tensordot(weights, landmark_shapes(), axes=1).astype(np.float32)
    middle = (moved[list(closures.UPPER)] + moved[list(closures.LOWER)]) / 2
    closing = (middle - moved[list(closures.UPPER)], middle - moved[list(closures.LOWER)])
    moved = moved.copy()
    moved += np.tensordot(closures.upper_followers(), closing[0], axes=(1, 0))
    moved += np.tensordot(closures.lower_followers(), closing[1], axes=(1, 0))
    return moved


@cache
def alone(column: int) -> Array:
    """Return the :func:`displacement` (68, 3) by one whole unit of the shape ``column``; read-only."""
    moved = displacement(np.eye(len(ARKIT_NAMES), dtype=np.float32)[column])
    moved.setflags(write=False)
    return moved
