"""How far each ARKit shape moves the 68 landmarks, so that weights and landmarks can be changed together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..files import ASSETS
from ..files.shipped_files import shipped_arrays
from ..topology import ARKIT_INDEX, ARKIT_NAMES
from . import closures

Array = NDArray[np.float32]

_FILE: Final = ASSETS / "face_shapes.npz"


@cache
def landmark_shapes() -> Array:
    """Return how far each shape at weight 1 moves each landmark, (52, 68, 3), in the axes and unit of ``Performance``.

    Measured on the demo head by ``training/tables/face_shapes.py``; read-only.
    """
    shapes: Array = shipped_arrays(_FILE)["shapes"].astype(np.float32)
    shapes.setflags(write=False)
    return shapes


def weights_of(named: Mapping[str, float]) -> Array:
    """Return the weights (52,) of the shapes ``named``; a name without a side (``mouthSmile``) sets both sides."""
    weights = np.zeros(len(ARKIT_NAMES), np.float32)
    for name, value in named.items():
        for side in (name,) if name in ARKIT_INDEX else (f"{name}Left", f"{name}Right"):
            weights[ARKIT_INDEX[side]] = value
    return weights


def displacement(weights: Array) -> Array:
    """Return the displacement (68, 3) of the landmarks by ``weights`` (52,) without any change of the lips' gap.

    Both points of an inner pair move alike, and the outer points follow the inner ones: the mouth moves and bends as a
    whole, and only speech opens and closes it.
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
    """Return the :func:`displacement` (68, 3) by weight 1 of the shape ``column``; read-only."""
    moved = displacement(np.eye(len(ARKIT_NAMES), dtype=np.float32)[column])
    moved.setflags(write=False)
    return moved
