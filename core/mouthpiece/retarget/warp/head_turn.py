"""Turns the head of a drawing: every point has a depth and is moved as a turn in space would move it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...performance import rotation_matrices

Points = NDArray[np.float64]

#: Place about which a head turns, in eye distances from between the outer eye corners: in the neck, behind the face.
PIVOT: Final = (0.0, 1.35, 0.85)
#: Greatest turn in radians: the far side of a head was not drawn.
MOST: Final = 0.6


def turned(
    points: NDArray[Any], depth: NDArray[Any], head: NDArray[Any], pivot: NDArray[Any], unit: float = 1.0
) -> Points:
    """Return ``points`` of a plane, x right and y down, moved by the turns and shifts of the ``head``, (T, P, 2).

    Parameters
    ----------
    points, depth : (P, 2) or (T, P, 2), (P,)
        Places in the plane, at rest or on each frame, and the depth of each behind it, in units of the plane.
    head : (T, 6)
        Pitch, yaw, roll in radians and x, y, z in eye distances, as ``Performance.head``. Pitch and yaw are limited to
        :data:`MOST`, roll is not. z is ignored: a drawing has no distance.
    pivot : (3,)
        Point that does not move: a place in the plane and its depth.
    unit : float
        Eye distance of the drawing, in units of the plane.
    """
    head = np.asarray(head, np.float64)
    angles = head[:, :3].copy()
    angles[:, :2] = MOST * np.tanh(angles[:, :2] / MOST)
    rotation = rotation_matrices(angles)[:, :2]
    points, pivot = np.asarray(points, np.float64), np.asarray(pivot, np.float64)
    # Displacements are added to the points, so that these are exactly the same where nothing turns.
    change = rotation - np.eye(3)[:2]
    moved: Points = (points - pivot[:2]) @ np.swapaxes(change[:, :, :2], 1, 2)
    moved += (np.asarray(depth, np.float64) - pivot[2])[:, None] * change[:, None, :, 2]
    result: Points = points + moved + unit * head[:, None, 3:5]
    return result
