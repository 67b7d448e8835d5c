"""How the vertices of a picture's mesh follow its landmarks, and how deep each lies."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..warp.head_turn import PIVOT
from ..warp.warp import Points, Triangles
from .face import PictureFace
from .skin import FAR, HEAD_CENTRE, HEAD_RADII, Skin

#: Share of stiffness against stretching in the net, beside that against bending.
_STRETCH: Final = 0.15
#: Where a head's own motion begins to fade, and has faded, in radii of the head; and below the chin, in eye distances.
_FADE: Final = (1.0, FAR * 0.95)
_NECK: Final = (0.0, 0.9)
#: Width along the picture's edge that fades as well, in eye distances.
_EDGE: Final = 0.35


def laplacian(count: int, triangles: Triangles, points: Points) -> Points:
    """Return the matrix (V, V) that takes from each vertex the mean of its neighbours, near ones counting more."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    weights = np.zeros((count, count))
    lengths = np.linalg.norm(points[sides[:, 0]] - points[sides[:, 1]], axis=1)
    weights[sides[:, 0], sides[:, 1]] = weights[sides[:, 1], sides[:, 0]] = 1 / np.maximum(lengths, 0.01)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    result: Points = np.eye(count) - weights / total
    return result


def spread(skin: Skin, held: NDArray[np.bool_], values: Points, stretch: float = _STRETCH) -> Points:
    """Return values (V, D) of all vertices, smooth between those that are ``held`` (V,) at ``values`` (V, D)."""
    matrix = laplacian(len(skin.points), skin.triangles, skin.points)
    system = matrix.T @ matrix + stretch * matrix
    free = ~held
    result = values.copy()
    if free.any():
        inner = system[np.ix_(free, free)]
        result[free] = np.linalg.solve(inner, -system[np.ix_(free, ~free)] @ values[~free])
    return result


def following(skin: Skin) -> Points:
    """Return how much each landmark's displacement counts in each vertex's, (V, 68)."""
    held = skin.known.copy()
    held[skin.edge] = True
    far = np.linalg.norm((skin.points - HEAD_CENTRE) / HEAD_RADII, axis=1) > 0.85 * FAR
    held |= far & ~skin.known
    return spread(skin, held, skin.weights)


def depths(face: PictureFace, skin: Skin) -> Points:
    """Return how far behind the eye corners each vertex lies (V,), in eye distances; far out as deep as the pivot."""
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
    """Return how far each point (N, 2) belongs to the head (N,): 1 on it, 0 on neck, background and picture's edge."""
    far = np.linalg.norm((points - HEAD_CENTRE) / HEAD_RADII, axis=1)
    chin = face.shape()[8, 1]
    # below the chin the fade begins at the jaw's line, which rises to the sides
    below = points[:, 1] - chin + 0.5 * np.clip(np.abs(points[:, 0]), 0, 0.8) ** 2
    pixels = face.outward(points)
    edge = np.minimum(pixels, np.array([face.width, face.height]) - pixels).min(axis=1) / face.unit
    return _down(far, *_FADE) * _down(below, *_NECK) * (1 - _down(edge, 0.0, _EDGE))


def _down(x: Points, start: float, end: float) -> Points:
    t = np.clip((x - start) / (end - start), 0, 1)
    result: Points = 1 - t * t * (3 - 2 * t)
    return result
