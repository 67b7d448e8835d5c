"""The mesh that shows the picture: loops around mouth and eyes, landmarks, a net over the head, and the edge.

Everything is in the face's coordinates. Mouth and eyes are holes, through which the layers behind are visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...errors import PictureError
from ...topology import JAW, LEFT_BROW, NOSE, RIGHT_BROW
from ..warp.triangles import areas, inside
from ..warp.warp import Points, Triangles, triangulate
from .contours import INNER, LIDS, OUTER, line_weights, strip, widened
from .face import PictureFace

#: Distances of the two rings around lips, and of those around lids.
LIP_RINGS: Final = (0.045, 0.1)
LID_RINGS: Final = (0.03, 0.085)
#: How much farther out the lips' rings are at the corners, as a factor: the corners move far and need the room.
_LIP_CORNERS: Final = (0.0, 1.4)
#: Landmarks that are vertices besides those of lips and lids.
_SINGLE: Final = (*JAW, *RIGHT_BROW, *LEFT_BROW, *NOSE)
#: Distance of the points above and below brows.
_BROW_RING: Final = 0.07
#: Step of the net on the head and around it; the head's middle and radii; the extent of the net, in radii.
STEP, FAR_STEP = 0.15, 0.34
HEAD_CENTRE, HEAD_RADII, FAR = (0.0, 0.4), (1.15, 1.55), 2.1
#: A point nearer to another than this share of the step is left out.
_NEAR: Final = 0.55
#: Number of quads next to each corner of a mouth or eye that are cut into triangles.
_CORNER: Final = 3
#: Least distance of a point from a rim: nearer ones would make needle-shaped triangles.
_OFF_RIM: Final = 0.045
#: Length of the parts of the picture's sides, and most parts of a side.
_EDGE_STEP, _MOST_EDGES = 0.5, 24


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """A mesh over the picture.

    Attributes
    ----------
    points : (V, 2) float64
        Vertices in the face's coordinates.
    faces : tuple of tuples of int
        Quads around mouth and eyes, triangles elsewhere.
    triangles : (K, 3) int64
        All faces as triangles that run the same way around.
    mouth : tuple of (32,) int64
        Vertices of the mouth's lines: inner lips, middle, outer lips, two rings.
    eyes : tuple of tuples of (24,) int64
        Vertices of the lines of the person's right and left eye: lids, two rings.
    known : (V,) bool
        Vertices whose place is a weighted mean of landmarks.
    weights : (V, 68) float64
        The landmarks' weights in that place; 0 for the other vertices. The ring next to the lips moves with them.
    edge : (E,) int64
        Vertices on the picture's edge.
    """

    points: Points
    faces: tuple[tuple[int, ...], ...]
    triangles: Triangles
    mouth: tuple[NDArray[np.int64], ...]
    eyes: tuple[tuple[NDArray[np.int64], ...], ...]
    known: NDArray[np.bool_]
    weights: Points
    edge: NDArray[np.int64]


def skin_of(face: PictureFace) -> Skin:
    """Return the mesh over a picture.

    Raises
    ------
    PictureError
        If eyes or mouth are too near the picture's edge for a ring around them.
    """
    shape = face.shape()[:, :2]
    rows = [line_weights(shape, line) for line in (INNER, OUTER, *LIDS)]
    mouth = _mouth_lines(face, shape, rows[0] @ shape, rows[1] @ shape)
    brows = (RIGHT_BROW, LEFT_BROW)
    eyes = [_eye_lines(face, shape, row @ shape, brow) for row, brow in zip(rows[2:], brows, strict=True)]
    lines = [*mouth, *eyes[0], *eyes[1]]
    starts = np.cumsum([0, *(len(line) for line in lines)])
    indices = [np.arange(a, b) for a, b in pairwise(starts)]
    holes = [mouth[-1], eyes[0][-1], eyes[1][-1]]
    loose, owners = _loose(face, shape, holes)
    edge = _edge(face)
    points = np.concatenate([*lines, loose, edge])
    base = starts[-1]
    weights = np.zeros((len(points), 68))
    places = (0, rows[0]), (1, (rows[0] + rows[1]) / 2), (2, rows[1]), (3, rows[1]), (5, rows[2]), (8, rows[3])
    for which, row in places:
        weights[indices[which]] = row
    for place, owner in enumerate(owners):
        weights[base + place, owner] = 1.0 if owner >= 0 else 0.0
    weights[base : base + len(owners)][np.array(owners) < 0] = 0
    known = np.asarray(weights.any(axis=1))
    first, second = tuple(indices[5:8]), tuple(indices[8:11])
    quads = [face for lines in (tuple(indices[:5]), first, second) for face in _bands(points, lines)]
    outer = _between(points, [indices[4], indices[7], indices[10]])
    triangles = _as_triangles(points, quads, outer)
    return Skin(
        points, (*quads, *(tuple(int(v) for v in row) for row in outer)), triangles, tuple(indices[:5]),
        (first, second), known, weights, np.arange(base + len(loose), len(points)),
    )  # fmt: skip


def _mouth_lines(face: PictureFace, shape: Points, inner: Points, outer: Points) -> list[Points]:
    """Return the mouth's lines: inner, middle, outer, and two rings that do not reach nose and chin."""
    room = min(shape[8, 1] - shape[57, 1], shape[51, 1] - shape[33, 1])
    share = np.clip(0.55 * room / LIP_RINGS[1], 0.25, 1.0)
    return [inner, (inner + outer) / 2, outer, *_rings(face, outer, LIP_RINGS, float(share), _LIP_CORNERS, "mouth")]


def _eye_lines(face: PictureFace, shape: Points, lids: Points, brow: tuple[int, ...]) -> list[Points]:
    """Return an eye's lines: lids, and two rings that do not reach the brow."""
    room = lids[:, 1].min() - shape[list(brow), 1].max()
    share = np.clip(0.8 * room / LID_RINGS[1], 0.35, 1.0)
    return [lids, *_rings(face, lids, LID_RINGS, float(share), (0.0, 0.0), "eyes")]


def _rings(
    face: PictureFace, line: Points, distances: tuple[float, ...], share: float, corners: tuple[float, ...], what: str
) -> list[Points]:
    for shrink in (1.0, 0.6, 0.3):
        pairs = zip(distances, corners, strict=True)
        rings = [widened(line, distance * share * shrink, extra) for distance, extra in pairs]
        pixels = face.outward(rings[-1])
        if (pixels > 0).all() and (pixels < (face.width, face.height)).all():
            return rings
    raise PictureError(f"The {what} touch the picture's edge. Use a picture with more room around the face.")


def _edge(face: PictureFace) -> Points:
    """Return points on the picture's edge, corners included."""
    points = []
    corners = np.array([(0, 0), (face.width, 0), (face.width, face.height), (0, face.height)], np.float64)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.abs(end - start).max()) / face.unit
        count = int(np.clip(np.ceil(length / _EDGE_STEP), 2, _MOST_EDGES))
        points.append(start + (end - start) * (np.arange(count) / count)[:, None])
    return face.inward(np.concatenate(points))


def _loose(face: PictureFace, shape: Points, holes: list[Points]) -> tuple[Points, list[int]]:
    """Return the vertices between holes and edge, and for each the number of its landmark, or -1."""
    points: list[Points] = []
    owners: list[int] = []

    def add(candidates: Points, owner: list[int], near: float) -> None:
        pixels = face.outward(candidates)
        margin = 0.3 * near * face.unit
        within = (pixels > margin) & (pixels < (face.width - margin, face.height - margin))
        fits: NDArray[np.bool_] = np.asarray(within.all(axis=1))
        for hole in holes:
            fits &= ~inside(candidates, hole)
            fits &= _distance(candidates, hole) > min(near, _OFF_RIM)
        placed, count = np.empty((len(points) + len(candidates), 2)), len(points)
        placed[:count] = np.array(points).reshape(-1, 2)
        for candidate, index, fit in zip(candidates, owner, fits, strict=True):
            off = candidate - placed[:count]
            if fit and (np.hypot(off[:, 0], off[:, 1]) > near).all():
                placed[count], count = candidate, count + 1
                points.append(candidate)
                owners.append(index)

    add(shape[list(_SINGLE)], list(_SINGLE), 0.02)
    brows = shape[[*RIGHT_BROW, *LEFT_BROW]]
    for side in (-_BROW_RING, _BROW_RING):
        add(brows + np.array([0, side]), [-1] * 10, 0.045)
    for step, low, high in ((STEP, 0.0, 1.0), (FAR_STEP, 1.0, FAR)):
        net = _net(step)
        far = np.linalg.norm((net - HEAD_CENTRE) / HEAD_RADII, axis=1)
        add(net[(far >= low) & (far < high)], [-1] * int(((far >= low) & (far < high)).sum()), _NEAR * step)
    return np.array(points).reshape(-1, 2), owners


def _distance(points: Points, loop: Points) -> Points:
    """Return the distances (N,) of points (N, 2) from a closed line (M, 2)."""
    along = np.roll(loop, -1, axis=0) - loop
    offset = points[:, None] - loop
    share = np.clip((offset * along).sum(axis=-1) / np.maximum((along**2).sum(axis=-1), 1e-12), 0, 1)
    result: Points = np.linalg.norm(offset - share[..., None] * along, axis=-1).min(axis=1)
    return result


def _net(step: float) -> Points:
    """Return the points of a net of equilateral triangles over the head and around it."""
    reach = np.array(HEAD_RADII) * FAR
    rows = np.arange(-reach[1], reach[1] + step, step * np.sqrt(3) / 2)
    columns = np.arange(-reach[0], reach[0] + step, step)
    # every other row is shifted by half a step; all are symmetric about the face's middle line
    columns -= columns.mean()
    net = [np.column_stack([columns + step / 2 * (k % 2), np.full(len(columns), y)]) for k, y in enumerate(rows)]
    result: Points = np.concatenate(net) + HEAD_CENTRE
    return result


def _bands(points: Points, lines: tuple[NDArray[np.int64], ...]) -> list[tuple[int, ...]]:
    """Return the faces between neighbouring lines: quads, or pairs of triangles at the corners, where quads skew."""
    faces: list[tuple[int, ...]] = []
    for first, second in pairwise(lines):
        half = len(first) // 2
        for k, quad in enumerate(strip(first.tolist(), second.tolist())):
            corner = min(k % half, half - 1 - k % half) < _CORNER
            faces += _halves(points, quad) if corner else [quad]
    return faces


def _halves(points: Points, quad: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return a quad as two triangles, cut along the diagonal for which the thinner of the two is less thin."""
    a, b, c, d = quad
    cuts: list[list[tuple[int, ...]]] = [[(a, b, c), (a, c, d)], [(a, b, d), (b, c, d)]]

    def fatness(cut: list[tuple[int, ...]]) -> float:
        corners = points[np.array(cut)]
        longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        return float((areas(points, np.array(cut)) / np.maximum(longest, 1e-9) ** 2).min())

    return max(cuts, key=fatness)


def _between(points: Points, rims: list[NDArray[np.int64]]) -> Triangles:
    """Return the triangles over everything outside the rims of mouth and eyes."""
    taken = np.zeros(len(points), bool)
    taken[: rims[-1][-1] + 1] = True
    taken[np.concatenate(rims)] = False
    kept = np.flatnonzero(~taken)
    place = np.full(len(points), -1)
    place[kept] = np.arange(len(kept))
    found = kept[triangulate(np.zeros((0, 2)), points[kept], [place[rim].tolist() for rim in rims])]
    middles = points[found].mean(axis=1)
    outside = ~np.any([inside(middles, points[rim]) for rim in rims], axis=0)
    corners = points[found]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    # three points on one side of the picture would make a flat triangle, out of rounding errors
    kept_rows: Triangles = found[outside & (areas(points, found) > 1e-3 * longest**2)]
    return kept_rows


def _as_triangles(points: Points, quads: list[tuple[int, ...]], triangles: Triangles) -> Triangles:
    halves = np.array([(row[0], row[k], row[k + 1]) for row in quads for k in range(1, len(row) - 1)])
    return np.concatenate([halves, triangles])
