"""Which places of two heads correspond: the one bent until its landmarks lie on the other's, lip on lip, lid on lid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import JAW, LANDMARK_COUNT, LEFT_LID_PAIRS, RIGHT_LID_PAIRS
from ..solve.proportions import LIP_PAIRS, scales
from ..solve.surface import Surface, blended, nearest

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Landmarks the bending is given by: of the edge of the face only the jaw, and that loosely, as they slide over skin.
_GIVEN: Final = tuple(k for k in range(LANDMARK_COUNT) if k not in JAW) + JAW[3:14]
#: Stiffness of the bending at landmarks, and at those of the jaw's edge.
_TIGHT, _EDGE = 1e-4, 0.03
#: Landmarks that say how much motion is scaled at a vertex, and distance over which they are blended.
_FEATURES, _FEATURE = 12, 0.15
#: Landmarks of the upper and of the lower lip, and of lids, each with how far along the surface a side is known, and
#: how far apart the two sides are made.
_UPPER_LIP: Final = (49, 50, 51, 52, 53, 61, 62, 63)
_LOWER_LIP: Final = (55, 56, 57, 58, 59, 65, 66, 67)
_SIDES: Final = (
    (_UPPER_LIP, _LOWER_LIP, 0.35, 0.15),
    *(
        (tuple(up for up, _ in pairs), tuple(low for _, low in pairs), 0.15, 0.08)
        for pairs in (RIGHT_LID_PAIRS, LEFT_LID_PAIRS)
    ),
)
#: How quickly a side is clear on leaving the border between them.
_CLEAR: Final = 3.0
#: Places of the other head that are blended for one vertex, and distance over which, in eye distances.
_NEAR, _SOFT = 6, 0.012
#: Distance from the other head's skin, in eye distances, up to which a vertex follows it, and from which not at all.
_ON, _OFF = 0.2, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Correspondence:
    """Where vertices (N,) of a head lie on another: ``index`` and weights ``share`` (N, K) of the other's vertices.

    ``scale`` (N, 3) takes the other's motion to this head's proportions, faded out where the other has no skin.
    """

    index: Indices
    share: Floats
    scale: Floats

    def carried(self, delta: NDArray[np.floating[Any]]) -> Floats:
        """Return the motion (N, 3) of the vertices that corresponds to the other head's ``delta`` (V, 3)."""
        theirs = np.einsum("nk,nkd->nd", self.share, np.asarray(delta, np.float64)[self.index])
        ours: Floats = self.scale * theirs
        return ours


@dataclass(frozen=True, slots=True, eq=False)
class Bending:
    """The space of one head bent onto another's, as a sum of radial functions."""

    function: Any

    @classmethod
    def between(cls, ours: Floats, theirs: Floats) -> Bending:
        """Return the bending that takes landmarks ``ours`` (68, 3) to ``theirs``; NaN are left out."""
        from scipy.interpolate import RBFInterpolator

        ours, theirs = ours.copy(), theirs.copy()
        for up, low in LIP_PAIRS:
            # Lips may touch on the one head and be parted on the other: only the middle between them corresponds.
            for points in (ours, theirs):
                points[up] = points[low] = (points[up] + points[low]) / 2
        kept = [k for k in _GIVEN if np.isfinite(ours[k]).all() and k not in {low for _, low in LIP_PAIRS}]
        _, first = np.unique(np.round(ours[kept], 3), axis=0, return_index=True)
        kept = [kept[k] for k in np.sort(first)]
        here, there = ours[kept], theirs[kept]
        stiff = np.where(np.isin(kept, JAW), _EDGE, _TIGHT)
        return cls(RBFInterpolator(here, there, kernel="linear", degree=1, smoothing=stiff))

    def places(self, points: Floats) -> Floats:
        """Return where ``points`` (N, 3) are taken."""
        taken: Floats = self.function(points)
        return taken


@dataclass(frozen=True, slots=True, eq=False)
class Proportions:
    """By how much motion is scaled at the landmarks ``points`` (M, 3) of a head: ``factors`` (M, 3)."""

    points: Floats
    factors: Floats

    @classmethod
    def between(cls, ours: Floats, theirs: Floats) -> Proportions:
        """Return the factors that take motion of the head with landmarks ``theirs`` (68, 3) to ``ours`` (68, 3)."""
        kept = np.isfinite(ours).all(axis=1)
        return cls(ours[kept], scales(theirs, ours)[kept])

    def at(self, points: Floats) -> Floats:
        """Return the factors (N, 3) at ``points`` (N, 3), changing slowly from one feature to the next."""
        apart, index = nearest(self.points, points, _FEATURES)
        return blended(apart, self.factors[index], _FEATURE)


def side_marks(surface: Surface, pins: Indices) -> Floats:
    """Return for each vertex (V, 3) to which side of mouth, right and left eye it belongs, and how clearly.

    It is positive for the upper side and negative for the lower, measured along the surface, so that lips that touch
    are told apart; it is 0 away from them.
    """
    marks = np.zeros((len(surface.points), len(_SIDES)))
    for column, (upper, lower, reach, apart) in enumerate(_SIDES):
        most = 4 * reach
        up, low = (surface.distance([int(pins[k]) for k in side if pins[k] >= 0], most) for side in (upper, lower))
        fade = np.exp(-((np.minimum(up, low) / reach) ** 2))
        marks[:, column] = apart * fade * np.tanh(_CLEAR * (low - up) / np.maximum(low + up, 1e-9))
    return marks


def corresponding(
    points: Floats,
    marks: Floats,
    bending: Bending,
    sizes: Proportions,
    other: Surface,
    other_marks: Floats,
    skin: Indices,
) -> Correspondence:
    """Return where vertices (``points`` (N, 3), ``marks`` (N, 3)) lie on the vertices ``skin`` of another head."""
    places = bending.places(points)
    apart, found = nearest(
        np.concatenate([other.points[skin], other_marks[skin]], axis=1), np.concatenate([places, marks], axis=1), _NEAR
    )
    weight = 1 / (apart**2 + _SOFT**2)
    away = np.clip((apart[:, 0] - _ON) / (_OFF - _ON), 0.0, 1.0)
    fade = 1 - away * away * (3 - 2 * away)
    scale = sizes.at(points) * fade[:, None]
    return Correspondence(skin[found], weight / weight.sum(axis=1, keepdims=True), scale)


def following(points: Floats, leaders: Floats, moved: Floats, reach: float) -> Floats:
    """Return the motion (N, 3) of ``points`` (N, 3) that follow the nearest ``leaders`` (M, 3) moving by ``moved``.

    It fades out with the distance, until nothing follows beyond ``reach``.
    """
    apart, index = nearest(leaders, points, 4)
    away = np.clip(2 * apart[:, 0] / reach - 1, 0.0, 1.0)
    follows: Floats = blended(apart, moved[index], 0.01) * (1 - away)[:, None]
    return follows
