"""Pieces of a head besides its skin: eyeballs turn, teeth and tongue go with the jaw, lashes and brows with skin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..solve.surface import Surface
from .correspondence import following

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Distance from an eyeball's centre, in its radii, within which iris and pupil lie, but no lashes.
_OF_EYE: Final = 1.2
#: Box in which the middle of a piece lies in the mouth: from the middle of the lips, right or left, up or down, and
#: before the lips' surface or behind it, in eye distances.
_MOUTH: Final = ((-0.45, 0.45), (-0.35, 0.45), (0.03, 0.9))
#: Greatest size of a single tooth, and greatest distance to the next one, in eye distances.
_TOOTH, _BESIDE = 0.4, 0.05
#: Depth of the front of a row of teeth, in eye distances.
_FRONT: Final = 0.12
#: Distance from the skin, in eye distances, up to which pieces (lashes, brows) move with it.
_FOLLOWS: Final = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class InnerParts:
    """The pieces of a head by what they do: ``eyes`` (vertices, middle, right or left), ``mouth`` and ``rest``."""

    eyes: tuple[tuple[Indices, Floats, int], ...]
    mouth: tuple[Indices, ...]
    rest: Indices

    @classmethod
    def of(
        cls, surface: Surface, skin: NDArray[np.bool_], balls: tuple[tuple[Indices, float], ...], lips: Floats
    ) -> InnerParts:
        """Return the parts of a head; ``skin`` (V,) is its skin, ``lips`` (3,) the middle of its mouth."""
        centres = [_centre(surface.points[v], radius) for v, radius in balls]
        eyes: list[tuple[Indices, Floats, int]] = []
        mouth: list[Indices] = []
        rest: list[Indices] = []
        for number in np.unique(surface.piece[~skin]):
            members = np.flatnonzero(surface.piece == number)
            middle = (surface.points[members].min(axis=0) + surface.points[members].max(axis=0)) / 2
            near = [
                centre
                for centre, (_, radius) in zip(centres, balls, strict=True)
                if np.linalg.norm(surface.points[members] - centre, axis=1).max() < _OF_EYE * radius
            ]
            offset = middle - lips
            if near:
                eyes.append((members, near[0], 0 if near[0][0] < 0 else 1))
            elif all(low < value < high for value, (low, high) in zip(offset, _MOUTH, strict=True)):
                mouth.append(members)
            else:
                rest.append(members)
        return cls(tuple(eyes), tuple(mouth), np.concatenate(rest) if rest else np.zeros(0, np.int64))

    def arches(self, points: Floats) -> tuple[Indices, ...]:
        """Return the vertices of what is in the mouth, teeth of one row together; ``points`` (V, 3) are all vertices.

        Teeth are of one row if they are beside each other and at about the same height.
        """
        boxes = [(points[v].min(axis=0), points[v].max(axis=0)) for v in self.mouth]
        row = list(range(len(boxes)))
        for one, (low, high) in enumerate(boxes):
            for other, (bottom, top) in enumerate(boxes[:one]):
                if max((high - low).max(), (top - bottom).max()) > _TOOTH:
                    continue
                shared = min(high[1], top[1]) - max(low[1], bottom[1])
                beside = (np.maximum(low, bottom) - np.minimum(high, top))[[0, 2]].max() < _BESIDE
                if beside and shared > 0.5 * min(high[1] - low[1], top[1] - bottom[1]):
                    row = [row[other] if number == row[one] else number for number in row]
        return tuple(
            np.concatenate([self.mouth[k] for k in range(len(row)) if row[k] == number]) for number in sorted(set(row))
        )


def _centre(ball: Floats, radius: float) -> Floats:
    """Return the centre (3,) of an eyeball, of which there may be the front only."""
    between = (ball.min(axis=0) + ball.max(axis=0)) / 2
    return np.array([between[0], between[1], ball[:, 2].min() + radius])


def rotation_between(rest: Floats, moved: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the rotation (3, 3) that fits the motion ``moved`` (N, 3) of points ``rest`` best, and both middles."""
    middle, there = rest.mean(axis=0), (rest + moved).mean(axis=0)
    u, _, vt = np.linalg.svd((rest - middle).T @ (rest + moved - there))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return (u @ flip @ vt).T, middle, there


def turned_eyes(surface: Surface, parts: InnerParts, turns: Mapping[int, Floats], moved: Floats) -> None:
    """Turn the eyes about their middles, in place; ``turns`` are rotations (3, 3) of the right (0) and left (1)."""
    for members, middle, side in parts.eyes:
        if side in turns:
            arm = surface.points[members] - middle
            moved[members] = arm @ turns[side].T - arm


def with_skin(surface: Surface, parts: InnerParts, skin: Indices, moved: Floats) -> None:
    """Let lashes, brows and the like move with the skin they lie on, in place."""
    if len(parts.rest):
        moved[parts.rest] = following(surface.points[parts.rest], surface.points[skin], moved[skin], _FOLLOWS)


def middle(points: Floats) -> Floats:
    """Return the middle (3,) of the box around ``points`` (N, 3)."""
    between: Floats = (points.min(axis=0) + points.max(axis=0)) / 2
    return between


def bearing(points: Floats) -> Floats:
    """Return by what (2,) teeth and tongues ``points`` (N, 3) are told apart: the height of their front, and depth.

    Rows of teeth rise towards the back: only in front is the upper one above the lips' line, the lower one below it.
    """
    front = points[points[:, 2] < points[:, 2].min() + _FRONT]
    return np.array([middle(front)[1], middle(points)[2] / 2])
