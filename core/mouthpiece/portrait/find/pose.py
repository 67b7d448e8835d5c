"""How far a face is turned away from the camera, read off its landmarks."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...retarget.picture.anatomy import DEPTH, FACE

#: The average face (68, 3) looking at the camera, and the part of it that is bone and skin, not outline: the outline
#: slides over a cheek that turns.
_AHEAD: Final = np.column_stack([FACE, DEPTH])
_INNER: Final = slice(17, 68)


def turn_of(landmarks: NDArray[Any]) -> tuple[float, float]:
    """Return how far a face is turned towards the right of its picture, and nodded down, in radians.

    An average face is laid over it by scale and rotation. On a head whose angle is known, turns of 10, 30, 50 and 70
    degrees are read as 10, 27, 44 and 57 (``tests/test_faces.py``): the network that places landmarks flattens what
    it hardly sees.

    Parameters
    ----------
    landmarks : (68, 3)
        iBUG-68 points, x right, y down, z away from the camera in the same scale.
    """
    points = np.asarray(landmarks, np.float64)
    across = points[45, :2] - points[36, :2]
    roll = np.arctan2(across[1], across[0])
    level = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    seen, ahead = points[_INNER] @ level.T, _AHEAD[_INNER]
    u, _, vt = np.linalg.svd((seen - seen.mean(axis=0)).T @ (ahead - ahead.mean(axis=0)))
    rotation = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    x, y, z = rotation @ (0.0, 0.0, -1.0)  # a face that looks at the camera looks along -z
    return float(np.arctan2(x, -z)), float(np.arcsin(np.clip(y, -1, 1)))
