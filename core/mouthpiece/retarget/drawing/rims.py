"""Additional points on the rims of mouth and eyes and around the eyes, as the landmarks alone give no round eye.

Some lie on smooth curves through the landmarks and move with these; others lie around each eye, where the motion of the
lids fades, so that a crease above them bends smoothly. They are numbered after the 68 landmarks.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import LANDMARK_COUNT, LEFT_EYE, RIGHT_EYE
from ..warp.folds import CORNERS

#: Number of points between two neighbouring landmarks of a rim.
BETWEEN: Final = 3
_LINES: Final = (
    ((60, 61, 62, 63, 64), (60, 67, 66, 65, 64)),
    ((36, 37, 38, 39), (36, 41, 40, 39)),
    ((42, 43, 44, 45), (42, 47, 46, 45)),
)


#: Tension of each rim's curve: 0.5 is Catmull and Rom's; eyes are rounder than that.
_TENSIONS: Final = (0.5, 0.63, 0.63)
#: Size of the line around an eye, relative to the eye, and the share of the lids' motion on that line.
_AROUND, _LEFT_THERE = 1.5, 0.3


def _rims() -> tuple[NDArray[np.float64], list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """Return the weights (R, 68) of the landmarks in each additional rim point, and the lines with these points."""
    rows: list[NDArray[np.float64]] = []
    lines = []
    for (upper, lower), tension in zip(_LINES, _TENSIONS, strict=True):
        pair = []
        for line, other in ((upper, lower), (lower, upper)):
            # A rim is closed: beyond a corner it continues with the next point of the other line.
            wide = (other[1], *line, other[-2])
            points = [line[0]]
            for k in range(len(line) - 1):
                for step in range(1, BETWEEN + 1):
                    points.append(LANDMARK_COUNT + len(rows))
                    rows.append(_between(wide[k : k + 4], step / (BETWEEN + 1), tension))
                points.append(line[k + 1])
            pair.append(tuple(points))
        lines.append((pair[0], pair[1]))
    return np.array(rows), lines


def _between(four: tuple[int, ...], t: float, tension: float) -> NDArray[np.float64]:
    """Return the weights (68,) of a point between the middle two of four landmarks, on a cardinal spline."""
    before, start, end, after = four
    row = np.zeros(LANDMARK_COUNT)
    for landmark, share in (
        (start, 2 * t**3 - 3 * t**2 + 1),
        (end, -2 * t**3 + 3 * t**2),
        (end, tension * (t**3 - 2 * t**2 + t)),
        (before, -tension * (t**3 - 2 * t**2 + t)),
        (after, tension * (t**3 - t**2)),
        (start, -tension * (t**3 - t**2)),
    ):
        row[landmark] += share
    return row


def _sockets(rims: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the landmarks' weights (S, 68) in the places of the points around the eyes, and those in their motion."""
    every = np.concatenate([np.eye(LANDMARK_COUNT), rims])
    places, motion = [], []
    for (upper, lower), eye in ((RIGHT, RIGHT_EYE), (LEFT, LEFT_EYE)):
        centre = every[list(eye)].mean(axis=0)
        for point in (*upper, *lower[-2:0:-1]):
            places.append(centre + _AROUND * (every[point] - centre))
            motion.append(_LEFT_THERE * every[point])
    return np.array(places), np.array(motion)


_RIMS, _ALL = _rims()
#: Upper and lower line of the mouth and of the person's right and left eye, from the left of the picture to its right.
MOUTH, RIGHT, LEFT = _ALL
#: The rims as closed lines, and the (upper, lower) pairs of points on them, with the corners they lie between.
LOOPS: Final = tuple((*upper, *lower[-2:0:-1]) for upper, lower in _ALL)
PAIRS: Final = {
    (up, low): (upper[0], upper[-1])
    for upper, lower in _ALL
    for up, low in zip(upper[1:-1], lower[1:-1], strict=True)
}  # fmt: skip
assert set(CORNERS) <= set(PAIRS)
_PLACES, _MOTION = (np.concatenate([_RIMS, rows]) for rows in _sockets(_RIMS))
COUNT: Final = LANDMARK_COUNT + len(_PLACES)
#: All points of both eyes and around them: triangles between these are skin of the lids, which may fold.
LIDS: Final = (*RIGHT_EYE, *LEFT_EYE, *(p for lines in (RIGHT, LEFT) for line in lines for p in line),
               *range(LANDMARK_COUNT + len(_RIMS), COUNT))  # fmt: skip


def filled(landmarks: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``landmarks`` (..., 68, D) at rest with the additional points after them, (..., COUNT, D)."""
    result: NDArray[np.float64] = np.concatenate([landmarks, _PLACES @ landmarks], axis=-2)
    return result


def carried(rest: NDArray[Any], moved: NDArray[Any]) -> NDArray[np.float64]:
    """Return the landmarks ``moved`` (F, 68, D) with the additional points after them, if they lack, (F, COUNT, D).

    ``rest`` (68, D) are the places of the landmarks at rest.
    """
    if moved.shape[-2] == COUNT:
        return moved
    beside = _PLACES @ rest + _MOTION @ (moved - rest)
    result: NDArray[np.float64] = np.concatenate([moved, beside], axis=-2)
    return result
