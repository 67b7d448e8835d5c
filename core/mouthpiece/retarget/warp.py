"""A drawing warped by its landmarks: triangles over the face, and points carried along by them.

Everything is in the plane of the drawing, x to the right and y down, in any unit. Landmarks come first among the
vertices, border points after them; border points stand still, so that motion fades to nothing towards them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..topology import INNER_LIPS, LANDMARK_COUNT, LEFT_EYE, LEFT_LID_PAIRS, RIGHT_EYE, RIGHT_LID_PAIRS
from .triangles import Edges, areas, inside

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]

#: Closed lines of landmarks that part what is inside from what is outside: their sides are always edges.
LOOPS: Final[tuple[tuple[int, ...], ...]] = (INNER_LIPS, RIGHT_EYE, LEFT_EYE)
#: Upper and lower points that meet when lips or lids shut.
LIP_PAIRS: Final = ((61, 67), (62, 66), (63, 65))
PAIRS: Final = LIP_PAIRS + RIGHT_LID_PAIRS + LEFT_LID_PAIRS
#: Corners (towards x = 0 first) of the mouth and of the eyes: the pairs are parted across the line between them.
_CORNERS: Final = {**dict.fromkeys(LIP_PAIRS, (60, 64)), **dict.fromkeys(RIGHT_LID_PAIRS, (36, 39)),
                   **dict.fromkeys(LEFT_LID_PAIRS, (42, 45))}  # fmt: skip
#: Points of the upper side of those lines.
UPPER: Final = tuple(upper for upper, _ in PAIRS)
LOWER: Final = tuple(lower for _, lower in PAIRS)
#: How far a shut pair is held apart while triangles are sought, in distances between the corners.
_PARTED: Final = 0.02
#: Area, in those of the square around all vertices, below which a triangle holds no point and counts as flat.
_FLAT: Final = 1e-9
#: Rounds of limiting folds before a frame is scaled back as a whole.
_ROUNDS: Final = 40


def ring(points: Points, margin: float = 0.6, count: int = 24) -> Points:
    """Return border points (count, 2): an ellipse around ``points`` (N, 2), ``margin`` of their size away."""
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


def triangulate(points: Points, border: Points, loops: Sequence[Sequence[int]] | None = None) -> Triangles:
    """Return triangles (K, 3) over ``points`` (N, 2) and ``border`` (B, 2): indices into both, landmarks first.

    Delaunay's triangles, but for those that would cross a loop: with all 68 landmarks, inner lips and lids are loops
    unless others are given. Lips and lids that are shut, or cross, are taken as open a crack, so that the two sides
    of the mouth have no triangle in common and part from each other; what lies between them is flat then and holds no
    point. Every triangle runs the same way around (its area is positive, see :func:`flipped`).

    Raises
    ------
    ValueError
        If fewer than three vertices are given, or they lie on one line.
    """
    from scipy.spatial import Delaunay, QhullError

    count = len(points)
    if loops is None:
        loops = LOOPS if count >= LANDMARK_COUNT else ()
    vertices = parted(np.concatenate([np.asarray(points, np.float64), np.asarray(border, np.float64)]), count)
    try:
        found = Delaunay(vertices).simplices.astype(np.int64)
    except (QhullError, ValueError) as error:
        raise ValueError("the landmarks and the border lie on one line: they cannot be triangulated") from error
    edges = Edges(vertices, found)
    for loop in loops:
        for first, second in zip(loop, (*loop[1:], loop[0]), strict=True):
            edges.require(first, second)
    for upper, lower in PAIRS if count >= LANDMARK_COUNT else ():
        edges.require(upper, lower)  # the inside of shut lips is flat then, whatever line they take
    result = edges.triangles()
    wrong = areas(vertices, result) < 0
    result[wrong] = result[wrong][:, ::-1]
    return result


def parted(vertices: Points, count: int) -> Points:
    """Return ``vertices`` (V, 2) with shut lips and lids open a crack, and no two in the same place.

    ``count`` of them are landmarks. For finding triangles only: what is warped stays where it is.
    """
    moved = vertices.copy()
    for pair in PAIRS if count >= LANDMARK_COUNT else ():
        upper, lower = pair
        start, end = (moved[corner] for corner in _CORNERS[pair])
        across = np.array([-(end - start)[1], (end - start)[0]])  # down, where the first corner is on the left
        width = float(np.hypot(*across))
        if not width:
            continue
        across /= width
        short = _PARTED * width - float(_gap(moved, pair))
        if short > 0:
            moved[upper] -= across * short / 2
            moved[lower] += across * short / 2
    size = float(np.ptp(moved, axis=0).max())
    seen: set[tuple[int, int]] = set()
    for index in range(len(moved)):
        turn = 0
        while (place := _cell(moved[index], size)) in seen:  # by the golden angle, never to the same place again
            turn += 1
            moved[index] += size * 1e-5 * np.sqrt(turn) * np.array([np.cos(2.4 * turn), np.sin(2.4 * turn)])
        seen.add(place)
    return moved


def _cell(point: Points, size: float) -> tuple[int, int]:
    step = size * 1e-6 or 1.0
    return round(float(point[0]) / step), round(float(point[1]) / step)


def region(points: Points, triangles: Triangles, loop: Sequence[int] = INNER_LIPS) -> NDArray[np.bool_]:
    """Return which of the ``triangles`` (K, 3) fill a ``loop`` of landmarks, such as the mouth's inside, (K,).

    ``points`` (V, 2) are the vertices, or as many as the loop needs; shut loops are told apart as well.
    """
    among = np.isin(triangles, loop).all(axis=1)
    opened = parted(np.asarray(points, np.float64), len(points))
    among[among] = inside(opened[triangles[among]].mean(axis=1), opened[list(loop)])
    return among


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Points that follow the landmarks: where each lies among the triangles, worked out once.

    Attributes
    ----------
    points : (P, 2) float64
        The points, at rest.
    neutral : (V, 2) float64
        The vertices at rest: landmarks, then border.
    corners : (P, 3) int64
        Vertices of the triangle each point lies in.
    weights : (P, 3) float64
        Barycentric coordinates in it, adding up to 1; all 0 for points outside, which stand still.
    """

    points: Points
    neutral: Points
    corners: Triangles
    weights: Points

    @classmethod
    def of(
        cls, points: Points, neutral: Points, triangles: Triangles, side: NDArray[np.integer[Any]] | int = 0
    ) -> Warp:
        """Return the warp of ``points`` (P, 2), given the vertices ``neutral`` (V, 2) and their ``triangles`` (K, 3).

        ``side`` (one for all, or (P,)) settles where a point on the line of shut lips or lids belongs: -1 to the upper,
        1 to the lower, 0 to whichever comes first.
        """
        points = np.asarray(points, np.float64).reshape(-1, 2)
        neutral = np.asarray(neutral, np.float64)
        scale = float(np.ptp(neutral, axis=0).max()) ** 2
        solid = triangles[areas(neutral, triangles) > _FLAT * scale]
        sides = np.broadcast_to(np.asarray(side, np.int64), len(points))
        corners = np.zeros((len(points), 3), np.int64)
        weights = np.zeros((len(points), 3))
        for start in range(0, len(points), 4096):  # a picture's mesh may have many points
            part = slice(start, start + 4096)
            corners[part], weights[part] = _located(points[part], neutral, solid, sides[part])
        return cls(points, neutral, corners, weights)

    def blend(self, values: NDArray[Any]) -> Points:
        """Return ``values`` (..., V, D) of the vertices at the points, (..., P, D); 0 outside the triangles."""
        # One corner after the other: the gathered array of all three would not fit the cache.
        parts = (np.take(values, self.corners[:, k], axis=-2) * self.weights[:, k, None] for k in range(3))
        result: Points = sum(parts, np.zeros(1))
        return result

    def __call__(self, moved: NDArray[Any]) -> Points:
        """Return the points (T, P, 2) when the landmarks are at ``moved`` (T, N, 2), or all vertices at (T, V, 2).

        Exactly the points where nothing moves.
        """
        offsets = np.zeros((len(moved), *self.neutral.shape))
        count = moved.shape[1]
        offsets[:, :count] = moved - self.neutral[:count]
        return self.points + self.blend(offsets)


def _located(
    points: Points, neutral: Points, triangles: Triangles, side: NDArray[np.int64]
) -> tuple[Triangles, Points]:
    """Return the triangle (P, 3) each point lies in and its weights (P, 3) there."""
    if not len(triangles):
        return np.zeros((len(points), 3), np.int64), np.zeros((len(points), 3))
    a, b, c = (neutral[triangles[:, k]] for k in range(3))
    whole = _cross(b - a, c - a)
    p = points[:, None]
    weights = np.stack([_cross(b - p, c - p), _cross(c - p, a - p), _cross(a - p, b - p)], axis=-1) / whole[:, None]
    depth = weights.min(axis=-1)
    belongs = np.isin(triangles, LOWER).any(axis=1).astype(np.int64) - np.isin(triangles, UPPER).any(axis=1)
    wanted = (side[:, None] * belongs[None] > 0) & (depth > -1e-6)
    best = np.where(wanted, depth + 1e3, depth).argmax(axis=1)
    rows = np.arange(len(points))
    chosen = np.clip(weights[rows, best], 0, None)  # a point in the crack between two sides goes to the nearer
    chosen /= chosen.sum(axis=1, keepdims=True)
    chosen[depth[rows, best] < -1e-3] = 0
    return triangles[best], chosen


def _cross(u: Points, v: Points) -> Points:
    result: Points = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return result


def flipped(triangles: Triangles, moved: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of the ``triangles`` (K, 3) are turned over when the vertices are at ``moved`` (T, V, 2), (T, K)."""
    moved = np.asarray(moved, np.float64)
    size = np.ptp(moved, axis=-2).max(axis=-1, keepdims=True)
    result: NDArray[np.bool_] = areas(moved, triangles) < -_FLAT * size**2
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """Vertices (T, V, 2) that fold no triangle; how many triangles of how many frames had been folded."""

    moved: Points
    folds: int
    frames: int


def repaired(triangles: Triangles, neutral: Points, moved: NDArray[Any]) -> Repaired:
    """Return ``moved`` (T, N or V, 2) with displacements cut short wherever a triangle would turn over.

    Lips and lids that cross meet half way. Of other triangles the corners are held back, and only as far as it takes:
    to the point at which the triangle is flat. ``neutral`` (V, 2) is where nothing is folded; triangles that are at
    rest already stay out of it.
    """
    neutral = np.asarray(neutral, np.float64)
    offsets = np.zeros((len(moved), *neutral.shape))
    offsets[:, : moved.shape[1]] = np.asarray(moved, np.float64) - neutral[: moved.shape[1]]
    checked = triangles[~flipped(triangles, neutral[None])[0]]
    folded = flipped(checked, neutral + offsets)
    rows = np.flatnonzero(folded.any(axis=1))
    folds, frames = int(folded.sum()), len(rows)
    offsets[rows] = met(neutral + offsets[rows], neutral) - neutral
    folded[rows] = flipped(checked, neutral + offsets[rows])
    rows = rows[folded[rows].any(axis=1)]
    for _ in range(_ROUNDS):
        if not len(rows):
            break
        offsets[rows] *= _kept(checked, neutral, offsets[rows], folded[rows])[..., None]
        folded[rows] = flipped(checked, neutral + offsets[rows])
        rows = rows[folded[rows].any(axis=1)]
    for row in rows:  # never seen on faces; scaled back as a whole, a frame always comes to rest
        while flipped(checked, (neutral + offsets[row])[None]).any():
            offsets[row] *= 0.8
            if np.abs(offsets[row]).max() < 1e-9:
                offsets[row] = 0
                break
    return Repaired(neutral + offsets, folds, frames)


def met(moved: NDArray[Any], neutral: Points) -> Points:
    """Return the vertices ``moved`` (T, V, 2) with lips and lids that cross brought together half way.

    What crosses in ``neutral`` (V, 2) already may go on crossing as far as it does there.
    """
    result = np.array(moved, np.float64)
    for pair in PAIRS if len(neutral) >= LANDMARK_COUNT else ():
        upper, lower = pair
        crossed = _gap(result, pair) < np.minimum(_gap(neutral, pair), 0)
        middle = (result[crossed, upper] + result[crossed, lower]) / 2
        result[crossed, upper] = result[crossed, lower] = middle
    return result


def _gap(vertices: Points, pair: tuple[int, int]) -> Points:
    """Return how far a pair is apart (...,), across the line between its corners."""
    start, end = (vertices[..., corner, :] for corner in _CORNERS[pair])
    along = end - start
    result: Points = _cross(along, vertices[..., pair[1], :] - vertices[..., pair[0], :])
    return result / np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-12)


def _kept(triangles: Triangles, neutral: Points, offsets: Points, folded: NDArray[np.bool_]) -> Points:
    """Return the share (T, V) of each vertex's displacement at which the triangles it folds are just flat."""
    first, second, third = (neutral[triangles[:, k]] for k in range(3))
    d1, d2, d3 = (offsets[:, triangles[:, k]] for k in range(3))
    # Twice the area when a share t of the displacement is done is a polynomial in t.
    base = _cross(second - first, third - first)
    linear = _cross(second - first, d3 - d1) + _cross(d2 - d1, third - first)
    square = _cross(d2 - d1, d3 - d1)
    root = np.sqrt(np.maximum(linear**2 - 4 * square * base, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # the smaller positive root, written so that a vanishing square term does no harm
        share = np.where(folded, 2 * base / np.where(-linear + root > 0, -linear + root, np.inf), 1.0)
    share = np.clip(share, 0, 1) * np.where(folded, 1 - 1e-3, 1)
    kept = np.ones(offsets.shape[:2])
    for k in range(3):
        np.minimum.at(kept.T, triangles[:, k], share.T)
    return kept
