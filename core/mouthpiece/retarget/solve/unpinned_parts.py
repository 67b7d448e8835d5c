"""Measures how much of a shape key's motion is away from the pins: of tongues, eyeballs, cheeks, ears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Greatest distance, in eye distances, of a vertex from a pin on the same piece of mesh to count as near it.
_NEAR: Final = 0.25
#: A shape that moves another piece so many times further than the pinned skin counts as a shape of that piece.
_ELSEWHERE: Final = 4.0
#: Size of an eyeball or its front half, in widths of the eye's opening; such a piece is nearly as high as wide, and not
#: flat, ...
_BALL: Final = (0.5, 2.0)
_ROUND, _DEEP = 0.75, 0.4
#: ... and moves by at least this share of its radius when it turns.
_TURNS: Final = 0.05


def together(points: Floats) -> Indices:
    """Return a number (V,) for each of ``points`` (V, 3) that is the same for points at the same place."""
    size = max(float(np.ptp(points, axis=0).max()), 1e-300) if len(points) else 1.0
    _, same = np.unique(np.round(points / size, 6), axis=0, return_inverse=True)
    numbers: Indices = np.ravel(same)
    return numbers


def pieces(vertices: NDArray[np.floating[Any]], edges: NDArray[np.integer[Any]]) -> Indices:
    """Return the number (V,) of each vertex's connected piece.

    Vertices at the same place count as connected, because importers split meshes at seams of texture and normals.

    Parameters
    ----------
    vertices : (V, 3)
        Places of the vertices at rest.
    edges : (E, 2)
        Indices of vertices.
    """
    same = together(np.asarray(vertices, np.float64))
    joined = same[np.asarray(edges, np.int64).reshape(-1, 2)]
    label = np.arange(int(same.max(initial=-1)) + 1)
    while True:
        low = np.minimum(label[joined[:, 0]], label[joined[:, 1]])
        before = label.copy()
        np.minimum.at(label, joined[:, 0], low)
        np.minimum.at(label, joined[:, 1], low)
        # Each label is replaced by its label's label, so that long strips need few rounds.
        label = np.minimum(label, label[label])
        if np.array_equal(label, before):
            result: Indices = label[same]
            return result


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Vertices (V,) on pinned pieces of the mesh, those of them near a pin, the pins' own vertices, and eyeballs.

    Each ball is given by the indices of its vertices and its radius.
    """

    skin: NDArray[np.bool_]
    near: NDArray[np.bool_]
    pins: Indices
    balls: tuple[tuple[Indices, float], ...]
    #: Least motion of an eyeball that turns, as a share of its radius.
    turning: ClassVar[float] = _TURNS

    @classmethod
    def of(
        cls,
        vertices: NDArray[np.floating[Any]],
        edges: NDArray[np.integer[Any]],
        pins: Indices,
        eyes: NDArray[np.floating[Any]],
    ) -> Sight:
        """Return the sight of ``pins`` (N indices of vertices); ``eyes`` (2, 2, 3) are the corners of each eye."""
        points = np.asarray(vertices, np.float64)
        piece = pieces(points, edges)
        distance = float(np.linalg.norm(eyes[0, 0] - eyes[1, 1]))
        near = np.zeros(len(points), bool)
        for pin in pins:
            close = ((points - points[pin]) ** 2).sum(axis=1) < (_NEAR * distance) ** 2
            near |= close & (piece == piece[pin])
        skin = np.isin(piece, piece[pins])
        return cls(skin, near, np.asarray(pins, np.int64), _balls(points, piece, skin, eyes))

    def unseen(self, delta: NDArray[np.floating[Any]]) -> float:
        """Return the share, 0 to 1, of the squared motion ``delta`` (V, 3) that is away from the pins.

        It is the motion far from all pins, or by which skin far from them moves further than any pin. It is 1 if an
        eyeball turns, or if another piece moves much further than the pinned skin.
        """
        size = np.linalg.norm(np.asarray(delta, np.float64), axis=1)
        most = float(size[self.skin].max(initial=0.0))
        if most <= 0 or size.max() > _ELSEWHERE * most:
            return 1.0
        if any(size[ball].max() > _TURNS * radius for ball, radius in self.balls):
            return 1.0
        energy = size**2
        away = self.skin & ~self.near
        share = float(energy[away].sum() / energy[self.skin].sum())
        furthest = float(size[away].max(initial=0.0))
        beyond = 1 - min(float(size[self.pins].max()) / furthest, 1.0) ** 2 if furthest > 0 else 0.0
        return max(share, beyond)


def _balls(
    points: Floats, piece: Indices, skin: NDArray[np.bool_], eyes: NDArray[np.floating[Any]]
) -> tuple[tuple[Indices, float], ...]:
    """Return the pieces that are eyeballs: round, as large as an eye, and behind an eye's opening."""
    found = []
    for number in np.unique(piece[~skin]):
        members = np.flatnonzero(piece == number)
        low, high = points[members].min(axis=0), points[members].max(axis=0)
        size, middle = high - low, (low + high) / 2
        for corners in eyes:
            width = float(np.linalg.norm(corners[1] - corners[0]))
            away = float(np.linalg.norm(middle - corners.mean(axis=0)))
            least, middling, most = np.sort(size)
            round_enough = middling > _ROUND * most and least > _DEEP * most
            if away < width and _BALL[0] * width < most < _BALL[1] * width and round_enough:
                found.append((members, float(size.max()) / 2))
                break
    return tuple(found)
