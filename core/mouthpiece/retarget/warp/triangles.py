"""Triangles in the plane: their areas, points inside a polygon, and triangulations with required edges."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]


#: Area below which a triangle counts as flat, as a share of the square around all vertices.
FLAT: Final = 1e-9


def cross(u: NDArray[Any], v: NDArray[Any]) -> Points:
    """Return the cross products (...,) of vectors (..., 2); with y down, positive means ``v`` is clockwise of ``u``."""
    result: Points = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return result


def areas(vertices: NDArray[Any], triangles: Triangles) -> Points:
    """Return the signed areas (..., K) of ``triangles`` (K, 3) of the ``vertices`` (..., V, 2)."""
    a, b, c = (np.take(vertices, triangles[:, k], axis=-2) for k in range(3))
    result: Points = cross(b - a, c - a) / 2
    return result


def inside(points: Points, polygon: Points) -> NDArray[np.bool_]:
    """Return which of the ``points`` (P, 2) lie inside the ``polygon`` (M, 2), (P,)."""
    start, end = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, None, 0], points[:, None, 1]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(spans, end[:, 1] - start[:, 1], 1.0)
    crossing = start[:, 0] + (y - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
    result: NDArray[np.bool_] = (spans & (x < crossing)).sum(axis=1) % 2 == 1
    return result


class Edges:
    """A triangulation whose edges can be flipped until it has all required edges."""

    def __init__(self, vertices: Points, triangles: Triangles) -> None:
        """Start with ``triangles`` (K, 3) of ``vertices`` (V, 2)."""
        self._vertices = vertices
        self._rows = [tuple(int(v) for v in row) for row in triangles]
        self._sides: dict[frozenset[int], set[int]] = {}
        self._fixed: set[frozenset[int]] = set()
        for number, row in enumerate(self._rows):
            self._attach(number, row)

    def triangles(self) -> Triangles:
        """Return the current triangles (K, 3)."""
        return np.array(self._rows, np.int64).reshape(-1, 3)

    def require(self, first: int, second: int) -> bool:
        """Make the line from ``first`` to ``second`` a permanent edge; return whether that was possible.

        It is not possible if a required edge or a vertex lies on the line.
        """
        wanted = frozenset((first, second))
        for turn in range(4 * len(self._sides)):
            if wanted in self._sides:
                self._fixed.add(wanted)
                return True
            if not self._exchange_one(first, second, turn):
                return False
        return False

    def _exchange_one(self, first: int, second: int, turn: int) -> bool:
        """Flip an edge that crosses the line: one that leaves fewer crossings if there is one, else each in turn."""
        crossing = sorted((side for side in self._sides if self._crosses(side, first, second)), key=sorted)
        others = ((side, self._opposite(side)) for side in crossing if side not in self._fixed)
        able = [(side, other) for side, other in others if other is not None and self._crosses(side, *other)]
        if not able:
            return False
        better = [pair for pair in able if not self._crosses(frozenset(pair[1]), first, second)]
        self._exchange(*(better[0] if better else able[turn % len(able)]))
        return True

    def _attach(self, number: int, row: tuple[int, ...]) -> None:
        for k in range(3):
            self._sides.setdefault(frozenset((row[k], row[k - 1])), set()).add(number)

    def _detach(self, number: int) -> None:
        row = self._rows[number]
        for k in range(3):
            side = frozenset((row[k], row[k - 1]))
            self._sides[side].discard(number)
            if not self._sides[side]:
                del self._sides[side]

    def _opposite(self, side: frozenset[int]) -> tuple[int, int] | None:
        """Return the third vertices of the two triangles at an edge; None at the border."""
        rows = sorted(self._sides[side])
        if len(rows) != 2:
            return None
        first, second = (next(v for v in self._rows[row] if v not in side) for row in rows)
        return first, second

    def _exchange(self, side: frozenset[int], other: tuple[int, int]) -> None:
        one, two = sorted(self._sides[side])
        a, b = sorted(side)
        self._detach(one)
        self._detach(two)
        self._rows[one], self._rows[two] = (a, *other), (b, *other)
        self._attach(one, self._rows[one])
        self._attach(two, self._rows[two])

    def _crosses(self, side: frozenset[int], first: int, second: int) -> bool:
        """Return whether an edge and the line between two vertices cross between their ends."""
        a, b = side
        if first in side or second in side:
            return False
        return self._turn(a, b, first) * self._turn(a, b, second) < 0 and (
            self._turn(first, second, a) * self._turn(first, second, b) < 0
        )

    def _turn(self, a: int, b: int, c: int) -> float:
        (ax, ay), (bx, by), (cx, cy) = (self._vertices[v] for v in (a, b, c))
        return float((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
