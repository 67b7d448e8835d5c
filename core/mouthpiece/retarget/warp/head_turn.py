"""A drawing that turns its head: every point has a depth, and the plane shows what a turn would show of it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...performance import rotation_matrices

Points = NDArray[np.float64]

#: Where a head turns, seen from between the outer eye corners, in eye distances: down the neck, behind the face.
PIVOT: Final = (0.0, 1.35, 0.85)
#: A turn shows no point farther round than this (radians): what is behind a drawing was never drawn.
MOST: Final = 0.6


def turned(
    points: NDArray[Any], depth: NDArray[Any], head: NDArray[Any], pivot: NDArray[Any], unit: float = 1.0
) -> Points:
    """Return ``points`` of a plane, x right and y down, as the ``head`` (T, 6) turns and shifts, (T, P, 2).

    Parameters
    ----------
    points, depth : (P, 2) or (T, P, 2), (P,)
        Places in the plane, at rest or at each moment, and how far behind it each is, in units of the plane.
    head : (T, 6)
        Pitch, yaw, roll in radians and x, y, z in eye distances, as ``Performance.head``. Nods and turns are limited
        to what can be shown of a drawing, roll is not. z is ignored: a drawing comes no nearer.
    pivot : (3,)
        What stays where it is: a place in the plane and its depth.
    unit : float
        Eye distance of the drawing, in units of the plane.
    """
    head = np.asarray(head, np.float64)
    angles = head[:, :3].copy()
    angles[:, :2] = MOST * np.tanh(angles[:, :2] / MOST)
    rotation = rotation_matrices(angles)[:, :2]
    points, pivot = np.asarray(points, np.float64), np.asarray(pivot, np.float64)
    # What a point moves by, added to it: where nothing turns, points stay exactly.
    change = rotation - np.eye(3)[:2]
    moved: Points = (points - pivot[:2]) @ np.swapaxes(change[:, :, :2], 1, 2)
    moved += (np.asarray(depth, np.float64) - pivot[2])[:, None] * change[:, None, :, 2]
    result: Points = points + moved + unit * head[:, None, 3:5]
    return result
