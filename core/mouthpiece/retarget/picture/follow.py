"""Computes how the vertices of a picture rig's mesh follow the landmarks, and the depth of each."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..warp.head_turn import PIVOT
from ..warp.warp import Points, Triangles
from .face import PictureFace
from .skin import FAR, HEAD_CENTRE, HEAD_RADII, Skin

#: Stiffness of the mesh against stretching, relative to that against bending.
_STRETCH: Final = 0.15
#: Where the head's motion begins and ends to fade, in radii of the head, and the same below the chin, in eye distances.
_FADE: Final = (1.0, FAR * 0.95)
_NECK: Final = (0.0, 0.9)
#: Width of the border of the picture in which it fades as well, in eye distances.
_EDGE: Final = 0.35


def laplacian(count: int, triangles: Triangles, points: Points) -> Points:
    """Return the matrix (V, V) that subtracts from each vertex the mean of its neighbours, weighted by nearness."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    weights = np.zeros((count, count))
    lengths = np.linalg.norm(points[sides[:, 0]] - points[sides[:, 1]], axis=1)
    weights[sides[:, 0], sides[:, 1]] = weights[sides[:, 1], sides[:, 0]] = 1 / np.maximum(lengths, 0.01)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    result: Points = np.eye(count) - weights / total
    return result


def spread(skin: Skin, held: NDArray[np.bool_], values: Points, stretch: float = _STRETCH) -> Points:
    """Return values (V, D) of all vertices: ``values`` (V, D) at those that are ``held`` (V,), smooth between them."""
    matrix = laplacian(len(skin.points), skin.triangles, skin.points)
    system = matrix.T @ matrix + stretch * matrix
    free = ~held
    result = values.copy()
    if free.any():
        inner = system[np.ix_(free, free)]
        result[free] = np.linalg.solve(inner, -system[np.ix_(free, ~free)] @ values[~free])
    return result


def following(skin: Skin) -> Points:
    """Return the weight (V, 68) of each landmark's displacement in that of each vertex."""
    held = skin.known.copy()
    held[skin.edge] = True
    far = np.linalg.norm((skin.points - HEAD_CENTRE) / HEAD_RADII, axis=1) > 0.85 * FAR
    held |= far & ~skin.known
    return spread(skin, held, skin.weights)


def depths(face: PictureFace, skin: Skin) -> Points:
    """Return the depth (V,) of each vertex behind the eye corners, in eye distances; far from the face, the pivot's."""
    held = skin.known.copy()
    total = np.maximum(skin.weights.sum(axis=1, keepdims=True), 1e-9)
    values = skin.weights @ face.shape()[:, 2:] / total
    rim = np.linalg.norm((skin.points - HEAD_CENTRE) / HEAD_RADII, axis=1) > 0.8 * FAR
    rim[skin.edge] = True
    rim &= ~skin.known
    values[rim] = PIVOT[2]
    result: Points = spread(skin, held | rim, values, stretch=4.0)[:, 0]
    return result


def moving(face: PictureFace, points: Points) -> Points:
    """Return the share (N,) of the head's motion of points (N, 2): 1 on the head, 0 on neck, background and edge."""
    far = np.linalg.norm((points - HEAD_CENTRE) / HEAD_RADII, axis=1)
    chin = face.shape()[8, 1]
    # below the chin the fade begins at the line of the jaw, which rises to the sides
    below = points[:, 1] - chin + 0.5 * np.clip(np.abs(points[:, 0]), 0, 0.8) ** 2
    pixels = face.outward(points)
    edge = np.minimum(pixels, np.array([face.width, face.height]) - pixels).min(axis=1) / face.unit
    return _down(far, *_FADE) * _down(below, *_NECK) * (1 - _down(edge, 0.0, _EDGE))


def _down(x: Points, start: float, end: float) -> Points:
    t = np.clip((x - start) / (end - start), 0, 1)
    result: Points = 1 - t * t * (3 - 2 * t)
    return result
