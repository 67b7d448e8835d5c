"""Corrects made shapes so that what is to close does: lids on blinking, lips on closing over an open jaw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..solve.surface import Surface, blended, nearest

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Landmarks along the rims of the right and the left eye's lids, and of the lips: upper, then lower.
EYE_RIMS: Final = (((36, 37, 38, 39), (36, 41, 40, 39)), ((42, 43, 44, 45), (42, 47, 46, 45)))
LIP_RIMS: Final = ((60, 61, 62, 63, 64), (60, 67, 66, 65, 64))
#: How far along the surface the correction of lids and of lips reaches, in eye distances.
_LIDS_REACH, _LIPS_REACH = 0.1, 0.12
#: Share of a correction that the lower side makes.
_LOWER_LID, _LOWER_LIP = 0.0, 0.7
#: Greatest gap of lips at rest, in eye distances, that counts as their being shut.
_SHUT: Final = 0.03
#: Least number of vertices of a rim.
_FEW: Final = 3
#: Number of times a correction is made; its spreading leaves a little of the gap each time.
_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Rims:
    """The vertices along an upper and a lower rim, and the distance (V,) of each vertex from them along the surface."""

    upper: Indices
    lower: Indices
    from_upper: Floats
    from_lower: Floats

    @classmethod
    def between(cls, surface: Surface, pins: Indices, rims: tuple[tuple[int, ...], ...], reach: float) -> Rims | None:
        """Return the rims through the landmarks ``rims``; None if they are not all pinned, or the same."""
        ways = []
        for rim in rims:
            stops = [int(pins[k]) for k in rim]
            if min(stops) < 0:
                return None
            ways.append(surface.way(stops))
        # Towards the corners both ways may go along the same edge; a rim that is all on the other is none.
        both = set(ways[0].tolist()) & set(ways[1].tolist())
        upper, lower = (np.array([v for v in way if v not in both], np.int64) for way in ways)
        if min(len(upper), len(lower)) < _FEW:
            return None
        far = [surface.distance(side.tolist(), 4 * reach) for side in (upper, lower)]
        return cls(upper, lower, *far)

    def gaps(self, places: Floats) -> tuple[Floats, Floats]:
        """Return from each upper rim's vertex to the lower rim (N, 3), and from each lower to the upper (M, 3).

        ``places`` (V, 3) are all vertices, x to the right and y down; what lies at the same x is opposite.
        """
        return self._to(places, self.upper, self.lower), self._to(places, self.lower, self.upper)

    @staticmethod
    def _to(places: Floats, rim: Indices, other: Indices) -> Floats:
        line = places[other]
        line = line[np.argsort(line[:, 0])]
        x = places[rim, 0]
        across = np.stack([np.interp(x, line[:, 0], line[:, k]) for k in range(3)], axis=1)
        return across - places[rim]


def widest(rims: Rims, places: Floats) -> float:
    """Return the greatest height of the gap between two rims, 0 if they meet everywhere or cross."""
    return float(rims.gaps(places)[0][:, 1].max(initial=0.0))


def shut_lids(surface: Surface, rims: Rims, moved: Floats) -> Floats:
    """Return the motion (V, 3) of a blink, ``moved``, corrected so that the upper lid ends on the lower one."""
    return _met(surface, rims, moved, np.zeros_like(moved), np.zeros((len(rims.upper), 3)), _LIDS_REACH, _LOWER_LID)


def shut_lips(surface: Surface, rims: Rims, moved: Floats, opened: Floats) -> Floats:
    """Return the motion (V, 3) of *mouthClose*, ``moved``, corrected so that lips meet when the jaw has ``opened``."""
    rest = rims.gaps(surface.points)[0]
    kept = np.where(np.abs(rest[:, 1:2]) < _SHUT, rest, 0.0)
    return _met(surface, rims, moved, opened, kept, _LIPS_REACH, _LOWER_LIP)


def _met(surface: Surface, rims: Rims, moved: Floats, also: Floats, kept: Floats, reach: float, share: float) -> Floats:
    """Return ``moved`` (V, 3) corrected so that, with the motion ``also``, only the gaps ``kept`` (N, 3) stay."""
    result = moved.copy()
    near_upper = rims.from_upper < rims.from_lower
    sides = (
        (rims.upper, np.where(near_upper, rims.from_upper, np.inf)),
        (rims.lower, np.where(near_upper, np.inf, rims.from_lower)),
    )
    for _ in range(_ROUNDS):
        upper, lower = rims.gaps(surface.points + result + also)
        lower_kept = _opposite(surface.points, rims, kept)
        wanted = ((1 - share) * (upper - kept), share * (lower - lower_kept))
        for (rim, far), change in zip(sides, wanted, strict=True):
            touched = np.flatnonzero(far < 3 * reach)
            apart, index = nearest(surface.points[rim], surface.points[touched], 3)
            fall = np.exp(-((far[touched] / reach) ** 2))
            result[touched] += fall[:, None] * blended(apart, change[index], 0.005)
    return result


def _opposite(points: Floats, rims: Rims, kept: Floats) -> Floats:
    """Return the gaps ``kept`` (N, 3) of the upper rim as seen from the vertices of the lower one (M, 3)."""
    order = np.argsort(points[rims.upper, 0])
    x = points[rims.upper[order], 0]
    return -np.stack([np.interp(points[rims.lower, 0], x, kept[order, k]) for k in range(3)], axis=1)
