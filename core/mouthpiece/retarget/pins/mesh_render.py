"""Renders a head to a picture without graphics hardware, by an orthographic z-buffer in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...spans import rectangle_spans
from ..solve.unpinned_parts import together

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Direction to the light, in the picture's axes (x right, y down, z away), and share of ambient light.
_LIGHT: Final = np.array([-0.35, -0.5, -0.8]) / np.linalg.norm([0.35, 0.5, 0.8])
_AMBIENT: Final = 0.3
#: Grey level of the background, linear.
_BACKGROUND: Final = 0.05
#: Most pixels, in boxes around triangles, that are computed at once.
_LOT: Final = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A square, orthographic view of a part of space.

    Attributes
    ----------
    rotation : (3, 3)
        Rotates the mesh's space to the picture's axes: x right, y down, z away from the viewer.
    centre : (2,)
        Point in the middle of the picture, in those axes and the mesh's unit.
    extent : float
        Width and height of the visible part, in the mesh's unit.
    size : int
        Width and height of the picture in pixels.
    """

    rotation: Floats
    centre: Floats
    extent: float
    size: int

    def pixels(self, points: NDArray[np.floating[Any]]) -> Floats:
        """Return the places (..., 3) of ``points`` (..., 3): x, y and depth in pixels; smaller depth is nearer."""
        turned = np.asarray(points, np.float64) @ self.rotation.T
        turned[..., :2] -= self.centre
        placed: Floats = turned * (self.size / self.extent)
        placed[..., :2] += self.size / 2
        return placed

    def zoomed(self, low: Floats, high: Floats, size: int) -> View:
        """Return a square view of the part between the pixels ``low`` and ``high`` (2,)."""
        unit = self.extent / self.size
        middle = self.centre + ((low + high) / 2 - self.size / 2) * unit
        return View(self.rotation, middle, float((high - low).max()) * unit, size)


@dataclass(frozen=True, slots=True, eq=False)
class MeshView:
    """The visible triangle of each pixel (size, size), -1 for none, and its depth (size, size), inf for none."""

    triangle: Indices
    depth: Floats


def rasterise(view: View, points: NDArray[np.floating[Any]], triangles: Indices) -> MeshView:
    """Return which of the ``triangles`` (F, 3) of ``points`` (V, 3) is visible at each pixel of ``view``."""
    corners = view.pixels(points)[triangles]
    low = np.clip(np.floor(corners[..., :2].min(axis=1)), 0, view.size).astype(int)
    high = np.clip(np.ceil(corners[..., :2].max(axis=1)) + 1, 0, view.size).astype(int)
    depth = np.full(view.size**2, np.inf)
    owner = np.full(view.size**2, -1)
    for faces in _lots(low, high):
        pixel, z, face = _covered(corners, faces, low, high, view.size)
        # Sorted so that the nearest is written last.
        order = np.argsort(-z, kind="stable")
        pixel, z, face = pixel[order], z[order], face[order]
        nearest_z, nearest = np.full(view.size**2, np.inf), np.full(view.size**2, -1)
        nearest_z[pixel], nearest[pixel] = z, face
        closer = nearest_z < depth
        depth[closer], owner[closer] = nearest_z[closer], nearest[closer]
    return MeshView(owner.reshape(view.size, view.size), depth.reshape(view.size, view.size))


def _lots(low: Indices, high: Indices) -> Iterator[Indices]:
    """Yield the numbers of triangles whose boxes of pixels are of about the same size, a lot of boxes at a time."""
    side = (high - low).max(axis=1)
    shown = np.flatnonzero(((high - low) > 0).all(axis=1))
    power = np.ceil(np.log2(np.maximum(side[shown], 1))).astype(int)
    for exponent in np.unique(power):
        members = shown[power == exponent]
        step = max(1, _LOT // 4 ** int(exponent))
        for begin in range(0, len(members), step):
            yield members[begin : begin + step]


def _covered(
    corners: Floats, faces: Indices, low: Indices, high: Indices, size: int
) -> tuple[Indices, Floats, Indices]:
    """Return pixels (N,) whose centres lie in or on the rim of the ``faces``, their depth, and the face of each."""
    a, b, c = (corners[faces, k] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    solid = np.abs(area) >= 1e-12
    faces, area, a, b, c = (rows[solid] for rows in (faces, area, a, b, c))
    spans = rectangle_spans(low[faces], high[faces])
    owner, length = spans.shape, spans.length
    ab, ac = (b - a)[owner], (c - a)[owner]
    x = np.repeat(spans.start, length) + spans.steps()
    px = x + 0.5 - np.repeat(a[owner, 0], length)
    py = spans.row + 0.5 - a[owner, 1]
    weighed = np.repeat(area[owner], length)
    second = (px * np.repeat(ac[:, 1], length) - np.repeat(ac[:, 0] * py, length)) / weighed
    third = (np.repeat(ab[:, 0] * py, length) - px * np.repeat(ab[:, 1], length)) / weighed
    first = 1 - second - third
    hit = np.flatnonzero(np.minimum(np.minimum(first, second), third) >= 0)
    which = np.repeat(owner, length)[hit]
    z = first[hit] * a[which, 2] + second[hit] * b[which, 2] + third[hit] * c[which, 2]
    return (np.repeat(spans.row * size, length) + x)[hit], z, faces[which]


def picture(
    view: View, points: NDArray[np.floating[Any]], triangles: Indices, colours: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.uint8], MeshView]:
    """Return a smoothly shaded RGB picture (size, size, 3) of the mesh, and the triangle at each pixel.

    ``colours`` (F, 3) are those of the triangles, linear, 0..1.
    """
    seen = rasterise(view, points, triangles)
    normals = _normals(np.asarray(points, np.float64) @ view.rotation.T, triangles)
    hit = seen.triangle >= 0
    owner = seen.triangle[hit]
    where = np.stack(np.nonzero(hit)[::-1], axis=1) + 0.5
    shares = _shares(view.pixels(points)[triangles[owner]], np.asarray(where, np.float64))
    smooth = (shares[..., None] * normals[triangles[owner]]).sum(axis=1)
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-12)
    # Some meshes have normals that point inwards: these are lit as if they pointed outwards.
    smooth *= np.where(smooth[:, 2:] > 0, -1.0, 1.0)
    shade = _AMBIENT + (1 - _AMBIENT) * np.clip(smooth @ _LIGHT, 0, 1)
    image = np.full((view.size, view.size, 3), _BACKGROUND)
    image[hit] = np.asarray(colours, np.float64)[owner] * shade[:, None]
    return (255 * np.clip(image, 0, 1) ** (1 / 2.2)).astype(np.uint8), seen


def _shares(corners: Floats, where: Floats) -> Floats:
    """Return the barycentric weights (P, 3) of places (P, 2) in triangles (P, 3, 3)."""
    a, b, c = (corners[:, k, :2] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    area = np.where(np.abs(area) < 1e-12, 1.0, area)
    second = ((where[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (where[:, 1] - a[:, 1])) / area
    third = ((b[:, 0] - a[:, 0]) * (where[:, 1] - a[:, 1]) - (where[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])) / area
    shares: Floats = np.stack([1 - second - third, second, third], axis=1)
    return shares


def _normals(points: Floats, triangles: Indices) -> Floats:
    """Return each vertex's normal (V, 3); vertices at the same place share one, so that seams are invisible."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    facet = np.cross(b - a, c - a)
    same = together(points)
    total = np.zeros((int(same.max(initial=-1)) + 1, 3))
    for k in range(3):
        np.add.at(total, same[triangles[:, k]], facet)
    normals: Floats = total[same] / np.maximum(np.linalg.norm(total[same], axis=1, keepdims=True), 1e-12)
    return normals
