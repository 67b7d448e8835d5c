"""The demo head as a picture: ARKit weights in, shaded pixels out, without Blender.

The view is frontal and orthographic. The picture serves to find landmarks on the head and to look at expressions.
Coordinates are those of ``addon/assets/README.md``: metres, z up, facing -y.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..paths import DEMO_HEAD

#: Height of the view in metres, and of its lower edge above the ground.
VIEW, BOTTOM = 0.27, 0.02
_LIGHT = np.array([-0.35, -0.8, 0.5]) / np.linalg.norm([-0.35, -0.8, 0.5])
_AMBIENT = 0.3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DemoFace:
    """Vertices (V, 3), triangles (F, 3) with a colour (F, 3) each, and displacements (S, V, 3) of the ARKit shapes."""

    vertices: Floats
    triangles: NDArray[np.int64]
    colors: Floats
    shapes: NDArray[np.float32]
    names: tuple[str, ...]

    @classmethod
    def load(cls, path: Path = DEMO_HEAD) -> DemoFace:
        """Return the demo head stored in ``path``."""
        with np.load(path, allow_pickle=False) as stored:
            head = {name: stored[name] for name in stored.files}
        corners = np.split(head["face_vertices"], np.cumsum(head["face_sizes"])[:-1])
        triangles = [(f[0], f[k], f[k + 1]) for f in corners for k in range(1, len(f) - 1)]
        owner = np.repeat(np.arange(len(corners)), head["face_sizes"] - 2)
        shapes = np.zeros((len(head["shape_names"]), *head["vertices"].shape), np.float32)
        for row, (start, stop) in enumerate(zip(head["shape_start"][:-1], head["shape_start"][1:], strict=True)):
            shapes[row, head["shape_index"][start:stop]] = head["shape_delta"][start:stop]
        colors = head["material_colors"][head["material_index"][owner], :3].astype(float)
        return cls(head["vertices"].astype(float), np.array(triangles), colors, shapes, tuple(head["shape_names"]))

    def posed(self, weights: NDArray[np.floating]) -> Floats:
        """Return the vertices (V, 3) under ARKit ``weights`` (52,)."""
        moved: Floats = self.vertices + np.tensordot(weights, self.shapes, axes=1)
        return moved


def to_pixels(points: Floats, size: int) -> Floats:
    """Return where ``points`` (N, 3) are seen (N, 3): x and y in pixels, and depth, where smaller is nearer."""
    scale = size / VIEW
    return np.stack(
        [size / 2 + scale * points[:, 0], size - scale * (points[:, 2] - BOTTOM), scale * points[:, 1]], axis=1
    )


def rasterise(face: DemoFace, points: Floats, size: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the triangle seen at every pixel (size, size), -1 for none, and weights of its corners (size, size, 3)."""
    seen = np.full((size, size), -1)
    depth, weights = np.full((size, size), np.inf), np.zeros((size, size, 3))
    corners = to_pixels(points, size)[face.triangles]
    for index, (a, b, c) in enumerate(corners):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)[:2]).astype(int), 0)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)[:2]).astype(int) + 1, size)
        if abs(area) < 1e-9 or (high <= low).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        wb = ((x - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (y - a[1])) / area
        wc = ((b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1])) / area
        wa = 1 - wb - wc
        z = wa * a[2] + wb * b[2] + wc * c[2]
        block = np.s_[low[1] : high[1], low[0] : high[0]]
        hit = (np.minimum(np.minimum(wa, wb), wc) >= 0) & (z < depth[block])
        depth[block][hit], seen[block][hit] = z[hit], index
        weights[block][hit] = np.stack([wa, wb, wc], axis=-1)[hit]
    return seen, weights


def picture(face: DemoFace, weights: NDArray[np.floating], size: int = 512) -> NDArray[np.uint8]:
    """Return the head under ARKit ``weights`` (52,) as RGB (size, size, 3)."""
    points = face.posed(weights)
    seen, corners = rasterise(face, points, size)
    a, b, c = (points[face.triangles[:, k]] for k in range(3))
    facet = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, face.triangles[:, k], facet)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    hit = seen >= 0
    smooth = np.einsum("pk,pkj->pj", corners[hit], normals[face.triangles[seen[hit]]])
    shade = _AMBIENT + (1 - _AMBIENT) * np.clip(smooth @ _LIGHT, 0, 1)
    image = np.full((size, size, 3), 0.05)
    image[hit] = face.colors[seen[hit]] * shade[:, None]
    return (255 * np.clip(image, 0, 1) ** (1 / 2.2)).astype(np.uint8)
