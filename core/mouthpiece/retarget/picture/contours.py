"""Smooth closed lines through the landmarks of lips and lids, and rings around them, as vertices of a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...topology import LANDMARK_COUNT
from ..warp.warp import Points

#: Number of segments from one corner to the other, of lips and of lids.
LIP_STEPS, LID_STEPS = 16, 12


@dataclass(frozen=True, slots=True)
class Loop:
    """Landmarks of a closed line, from the corner on the picture's left to the other: upper side and lower side."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    steps: int


INNER: Final = Loop((60, 61, 62, 63, 64), (60, 67, 66, 65, 64), LIP_STEPS)
OUTER: Final = Loop((48, 49, 50, 51, 52, 53, 54), (48, 59, 58, 57, 56, 55, 54), LIP_STEPS)
LIDS: Final = (Loop((36, 37, 38, 39), (36, 41, 40, 39), LID_STEPS), Loop((42, 43, 44, 45), (42, 47, 46, 45), LID_STEPS))


def line_weights(shape: Points, line: Loop) -> Points:
    """Return the weight of each landmark in each point of a line, (2 * steps, 68).

    ``shape`` (68, 2) is the face at rest. Points run from the first corner along the upper side to the other corner and
    back along the lower side. Both sides are divided alike, so that the lines meet where the landmarks do.
    """
    knots = (_knots(shape[list(line.upper)]), _knots(shape[list(line.lower)]))
    if len(line.upper) == len(line.lower):
        knots = (np.mean(knots, axis=0),) * 2
    at = np.arange(line.steps + 1) / line.steps
    weights = np.zeros((2 * line.steps, LANDMARK_COUNT))
    weights[: line.steps + 1, list(line.upper)] = _hermite(knots[0], at)
    back = _hermite(knots[1], at)[::-1][1:-1]
    weights[line.steps + 1 :, list(line.lower)] = back
    return weights


def _knots(points: Points) -> Points:
    """Return the position (N,) of each landmark of a line (N, 2) along its length, 0..1."""
    lengths = np.maximum(np.linalg.norm(np.diff(points, axis=0), axis=1), 1e-6)
    result: Points = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    return result


def _hermite(knots: Points, at: Points) -> Points:
    """Return the weights (M, N) at positions ``at`` (M,) of a smooth curve's values at its ``knots`` (N,)."""
    count = len(knots)
    slopes = np.zeros((count, count))
    for k in range(count):
        before, after = max(k - 1, 0), min(k + 1, count - 1)
        slopes[k, after] += 1 / (knots[after] - knots[before])
        slopes[k, before] -= 1 / (knots[after] - knots[before])
    piece = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, count - 2)
    length = knots[piece + 1] - knots[piece]
    t = (at - knots[piece]) / length
    eye = np.eye(count)
    result: Points = (
        (1 + 2 * t)[:, None] * ((1 - t) ** 2)[:, None] * eye[piece]
        + (t * (1 - t) ** 2 * length)[:, None] * slopes[piece]
        + (t**2 * (3 - 2 * t))[:, None] * eye[piece + 1]
        + (t**2 * (t - 1) * length)[:, None] * slopes[piece + 1]
    )
    return result


def widened(loop: Points, by: float, corners: float = 0.0) -> Points:
    """Return a closed line (N, 2) moved outward by the distance ``by``, and at the corners by ``by * corners`` more.

    Outward means away from the middle between opposite points, so that flat mouths and eyes get a ring as well.
    """
    count = len(loop)
    opposite = (count - np.arange(count)) % count
    along = loop[count // 2] - loop[0]
    down = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
    along = np.array([down[1], -down[0]])
    middle = (loop + loop[opposite]) / 2
    share = 2 * ((middle - loop[0]) @ along) / max(float((loop[count // 2] - loop[0]) @ along), 1e-9) - 1
    side = np.where(np.arange(count) <= count // 2, -1.0, 1.0)
    # the normal of an ellipse: sideways at the corners, up and down in the middle
    across = np.sqrt(np.clip(1 - share**2, 0, 1)) * side
    across[[0, count // 2]] = 0
    normal = share[:, None] * along * 0.9 + across[:, None] * down
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    result: Points = loop + normal * (by * (1 + corners * np.clip(np.abs(share), 0, 1) ** 6))[:, None]
    return result


def strip(first: Sequence[int], second: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the quads between two closed lines of equally many vertices; the inner line is given first."""
    count = len(first)
    return [(first[k], second[k], second[(k + 1) % count], first[(k + 1) % count]) for k in range(count)]


def filled(loop: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the quads, and the triangles at the corners, that fill a closed line of vertices."""
    count = len(loop)
    half = count // 2
    lower = [loop[0], *reversed(loop[half + 1 :]), loop[half]]
    upper = list(loop[: half + 1])
    faces = []
    for k in range(half):
        corners = (upper[k], lower[k], lower[k + 1], upper[k + 1])
        faces.append(tuple(dict.fromkeys(corners)))
    return faces
