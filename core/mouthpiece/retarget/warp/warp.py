"""Warps a drawing by its landmarks: triangles over the face, and points that move with them.

Everything is in the plane of the drawing, x to the right and y down, in any unit. The vertices are the landmarks,
followed by border points, which do not move, so that motion fades towards them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import INNER_LIPS, LANDMARK_COUNT, LEFT_EYE, RIGHT_EYE
from .folds import CORNERS, PAIRS, gap
from .triangles import FLAT, Edges, areas, cross, inside

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]

#: Closed lines of landmarks that no triangle may cross: their sides are always edges.
LOOPS: Final[tuple[tuple[int, ...], ...]] = (INNER_LIPS, RIGHT_EYE, LEFT_EYE)
#: Gap of a shut pair while the triangles are computed, in distances between its corners.
_PARTED: Final = 0.02


def ring(points: Points, margin: float = 0.6, count: int = 24) -> Points:
    """Return border points (count, 2) on an ellipse around ``points`` (N, 2), at ``margin`` times their size."""
    low, high = points.min(axis=0), points.max(axis=0)
    # An ellipse through the corners of a box is wider than the box by the square root of two.
    radii = (high - low) / 2 * (np.sqrt(2) + margin)
    radii = np.maximum(radii, radii.max() / 4 + 1e-12)
    angle = 2 * np.pi * np.arange(count) / count
    result: Points = (low + high) / 2 + radii * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return result


def box(low: Sequence[float], high: Sequence[float], steps: int = 6) -> Points:
    """Return border points (4 * steps, 2) on the sides of the box from ``low`` to ``high``, corners included."""
    part = np.arange(steps) / steps
    unit = np.concatenate(
        [np.stack(side, axis=1) for side in (
            (part, 0 * part), (1 + 0 * part, part), (1 - part, 1 + 0 * part), (0 * part, 1 - part)
        )]
    )  # fmt: skip
    result: Points = np.asarray(low, np.float64) + unit * (np.asarray(high, np.float64) - np.asarray(low, np.float64))
    return result


def triangulate(
    points: Points,
    border: Points,
    loops: Sequence[Sequence[int]] | None = None,
    pairs: Mapping[tuple[int, int], tuple[int, int]] | None = None,
) -> Triangles:
    """Return triangles (K, 3) over ``points`` (N, 2) and ``border`` (B, 2): indices into both, landmarks first.

    They are Delaunay's triangles, changed so that none crosses a loop. With all 68 landmarks the loops are inner lips
    and lids, unless others are given; ``pairs`` maps (upper, lower) points of the loops to the corners they lie
    between. Lips and lids that are shut, or cross, are opened slightly first, so that no triangle joins the two lips;
    the triangles between them are then flat and hold no point. All triangles have the same orientation (positive area,
    see :func:`~mouthpiece.retarget.warp.folds.flipped`).

    Raises
    ------
    ValueError
        If fewer than three vertices are given, or they lie on one line.
    """
    from scipy.spatial import Delaunay, QhullError

    count = len(points)
    if loops is None:
        loops = LOOPS if count >= LANDMARK_COUNT else ()
    if pairs is None:
        pairs = CORNERS if count >= LANDMARK_COUNT else {}
    vertices = parted(np.concatenate([np.asarray(points, np.float64), np.asarray(border, np.float64)]), pairs)
    try:
        found = Delaunay(vertices).simplices.astype(np.int64)
    except (QhullError, ValueError) as error:
        raise ValueError("the landmarks and the border lie on one line: they cannot be triangulated") from error
    edges = Edges(vertices, found)
    for loop in loops:
        for first, second in zip(loop, (*loop[1:], loop[0]), strict=True):
            edges.require(first, second)
    for upper, lower in pairs:
        edges.require(upper, lower)  # so that the inside of shut lips is flat, however curved their line is
    result = edges.triangles()
    wrong = areas(vertices, result) < 0
    result[wrong] = result[wrong][:, ::-1]
    return result


def parted(vertices: Points, pairs: Mapping[tuple[int, int], tuple[int, int]] = CORNERS) -> Points:
    """Return ``vertices`` (V, 2) with shut lips and lids slightly opened, and no two at the same place.

    ``pairs`` is as for :func:`triangulate`. The result is only for computing triangles; the drawing is not changed.
    """
    moved = vertices.copy()
    for pair, corners in pairs.items():
        upper, lower = pair
        start, end = (moved[corner] for corner in corners)
        across = np.array([-(end - start)[1], (end - start)[0]])  # down, where the first corner is on the left
        width = float(np.hypot(*across))
        if not width:
            continue
        across /= width
        short = _PARTED * width - float(gap(moved, pair, corners))
        if short > 0:
            moved[upper] -= across * short / 2
            moved[lower] += across * short / 2
    size = float(np.ptp(moved, axis=0).max())
    seen: set[tuple[int, int]] = set()
    for index in range(len(moved)):
        turn = 0
        while (place := _cell(moved[index], size)) in seen:  # turned by the golden angle, which never repeats a place
            turn += 1
            moved[index] += size * 1e-5 * np.sqrt(turn) * np.array([np.cos(2.4 * turn), np.sin(2.4 * turn)])
        seen.add(place)
    return moved


def _cell(point: Points, size: float) -> tuple[int, int]:
    step = size * 1e-6 or 1.0
    return round(float(point[0]) / step), round(float(point[1]) / step)


def region(points: Points, triangles: Triangles, loop: Sequence[int] = INNER_LIPS) -> NDArray[np.bool_]:
    """Return which of the ``triangles`` (K, 3) are inside a ``loop`` of landmarks, such as the inner lips, (K,).

    ``points`` (V, 2) are the vertices, at least those of the loop; the loop may be shut.
    """
    among: NDArray[np.bool_] = np.all(np.isin(triangles, loop), axis=1)
    points = np.asarray(points, np.float64)
    opened = parted(points) if len(points) >= LANDMARK_COUNT else points
    among[among] = inside(opened[triangles[among]].mean(axis=1), opened[list(loop)])
    return among


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Points that move with the landmarks; the triangle of each is computed once.

    Attributes
    ----------
    points : (P, 2) float64
        The points, at rest.
    neutral : (V, 2) float64
        The vertices at rest: landmarks, then border.
    corners : (P, 3) int64
        Vertices of the triangle each point lies in.
    weights : (P, 3) float64
        Barycentric coordinates in it, which sum to 1; all 0 for points outside, which do not move.
    """

    points: Points
    neutral: Points
    corners: Triangles
    weights: Points

    @classmethod
    def of(
        cls,
        points: Points,
        neutral: Points,
        triangles: Triangles,
        side: NDArray[np.integer[Any]] | int = 0,
        pairs: Iterable[tuple[int, int]] = PAIRS,
    ) -> Warp:
        """Return the warp of ``points`` (P, 2), given the vertices ``neutral`` (V, 2) and their ``triangles`` (K, 3).

        ``side`` (one for all, or (P,)) assigns points on the line of shut lips or lids: -1 to the upper, 1 to the
        lower, 0 to the one found first; ``pairs`` are the upper and lower points of such lines.
        """
        points = np.asarray(points, np.float64).reshape(-1, 2)
        neutral = np.asarray(neutral, np.float64)
        scale = float(np.ptp(neutral, axis=0).max()) ** 2
        solid = triangles[areas(neutral, triangles) > FLAT * scale]
        sides = np.broadcast_to(np.asarray(side, np.int64), len(points))
        upper, lower = (np.any(np.isin(solid, list(line)), axis=1) for line in zip(*pairs, strict=True))
        belongs: Triangles = np.subtract(lower, upper, dtype=np.int64)
        corners = np.zeros((len(points), 3), np.int64)
        weights = np.zeros((len(points), 3))
        for start in range(0, len(points), 4096):  # a picture's mesh may have many points
            part = slice(start, start + 4096)
            corners[part], weights[part] = _located(points[part], neutral, solid, sides[part, None] * belongs)
        return cls(points, neutral, corners, weights)

    def blend(self, values: NDArray[Any]) -> Points:
        """Return ``values`` (..., V, D) of the vertices, interpolated at the points (..., P, D); 0 outside."""
        # One corner after the other: an array of all three would not fit the cache.
        parts = (np.take(values, self.corners[:, k], axis=-2) * self.weights[:, k, None] for k in range(3))
        result: Points = sum(parts, np.zeros(1))
        return result

    def __call__(self, moved: NDArray[Any]) -> Points:
        """Return the points (T, P, 2) when the landmarks are at ``moved`` (T, N, 2), or all vertices at (T, V, 2).

        Where nothing moves, the result is exactly the points at rest.
        """
        offsets = np.zeros((len(moved), *self.neutral.shape))
        count = moved.shape[1]
        offsets[:, :count] = moved - self.neutral[:count]
        return self.points + self.blend(offsets)


def _located(
    points: Points, neutral: Points, triangles: Triangles, preference: NDArray[np.int64]
) -> tuple[Triangles, Points]:
    """Return the triangle (P, 3) each point lies in and its weights (P, 3) there.

    If several meet at a point, one with a ``preference`` (P, K) above 0 is used.
    """
    if not len(triangles):
        return np.zeros((len(points), 3), np.int64), np.zeros((len(points), 3))
    a, b, c = (neutral[triangles[:, k]] for k in range(3))
    whole = cross(b - a, c - a)
    p = points[:, None]
    weights = np.stack([cross(b - p, c - p), cross(c - p, a - p), cross(a - p, b - p)], axis=-1) / whole[:, None]
    depth = weights.min(axis=-1)
    wanted = (preference > 0) & (depth > -1e-6)
    best = np.where(wanted, depth + 1e3, depth).argmax(axis=1)
    rows = np.arange(len(points))
    chosen = np.clip(weights[rows, best], 0, None)  # a point between two sides is moved to the nearer one
    chosen /= chosen.sum(axis=1, keepdims=True)
    chosen[depth[rows, best] < -1e-3] = 0
    return triangles[best], chosen
