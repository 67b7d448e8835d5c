"""How steady the landmarks of a face are, and better ones where they are not: the median of many looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...topology import MIRROR
from ..draw.resample import Picture
from .face import Face, face_of
from .networks import IBUG_68, IRISES, Crop, FaceNetworks, crop_around

#: Two crops a little off the face's own: shift right and down in its sides, scale, and turn in radians.
_OFF: Final = ((0.03, 0.02, 1.08, 0.07), (-0.03, -0.02, 0.93, -0.07))
#: Jitter from which more looks are taken, and those: farther off, every one of them mirrored as well. On photos made
#: small and noisy the median of looks was off by 0.031 to 0.053 eye distances from there on, single looks by 0.048 to
#: 0.070; below, one is as good as the other.
_UNSTEADY: Final = 0.018
_FARTHER: Final = (
    (0.0, 0.0, 1.0, 0.0), (0.06, 0.04, 1.15, 0.1), (-0.06, -0.04, 0.88, -0.1), (0.06, -0.05, 0.95, 0.14),
    (-0.06, 0.05, 1.08, -0.14), (0.0, 0.07, 1.22, 0.05), (0.0, -0.07, 0.85, -0.05), (0.03, 0.0, 1.3, 0.0),
)  # fmt: skip
#: Least presence for a look to count, and least share of looks that count for their median to be taken.
_PRESENCE, _SHARE = 0.5, 0.3

Points = NDArray[np.float64]


def steadied(picture: Picture, face: Face, networks: FaceNetworks) -> Face:
    """Return a face of the landmark network with its jitter, and better landmarks if that is large.

    On drawings, where one look finds an eye and the next a brow, the median of looks is nearer to what is there; looks
    at the mirror image take away a liking for one side. Depth is a median too.
    """
    crop = crop_around(face.mesh)
    looks: list[Points] = [face.landmarks[17:, :2].astype(np.float64)]
    looks += [_look(picture, _off(crop, off), networks)[0][17:, :2] for off in _OFF]
    spread = np.array(looks) - np.mean(looks, axis=0)
    eyes = float(np.linalg.norm(face.landmarks[45] - face.landmarks[36]))
    jitter = float(np.linalg.norm(spread, axis=2).mean()) / eyes
    if jitter < _UNSTEADY:
        return replace(face, jitter=jitter)
    seen = [look for look in _many(picture, crop, networks) if look[2] >= _PRESENCE]
    if len(seen) < _SHARE * 2 * len(_FARTHER):
        return replace(face, jitter=jitter)
    mesh = face.mesh.copy()
    mesh[list(IRISES)] = np.median([irises for _, irises, _ in seen], axis=0)
    better = face_of(np.median([marks for marks, _, _ in seen], axis=0), mesh, face.score)
    return replace(better, jitter=jitter)


def _off(crop: Crop, off: tuple[float, float, float, float]) -> Crop:
    right, down, scale, turn = off
    return Crop(crop.x + right * crop.side, crop.y + down * crop.side, crop.side * scale, crop.angle + turn)


def _look(picture: Picture, crop: Crop, networks: FaceNetworks) -> tuple[Points, Points, float]:
    """Return landmarks (68, 3), points of the irises (10, 3) and presence of the face in a crop."""
    points, presence = networks.place(picture, crop)
    return points[list(IBUG_68)], points[list(IRISES)], presence


def _many(picture: Picture, crop: Crop, networks: FaceNetworks) -> Iterator[tuple[Points, Points, float]]:
    """Yield looks through crops off the face's own, and through their mirror images."""
    width = picture.shape[1]
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    for off in _FARTHER:
        near = _off(crop, off)
        yield _look(picture, near, networks)
        marks, irises, presence = _look(mirrored, Crop(width - near.x, near.y, near.side, -near.angle), networks)
        marks, irises = marks[list(MIRROR)], irises[[5, 6, 7, 8, 9, 0, 1, 2, 3, 4]]  # a mirror exchanges left and right
        marks[:, 0], irises[:, 0] = width - marks[:, 0], width - irises[:, 0]
        yield marks, irises, presence
