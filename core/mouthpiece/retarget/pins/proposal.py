"""Proposes pins: finds the 68 landmarks in a rendered picture of a mesh and chooses vertices for them.

The head is rendered from the front, a face is found in the picture, and the visible vertex nearest to each landmark is
chosen. For the lips this is done again with the mouth opened by the shape key that opens it most, so that upper and
lower lip get different vertices also if the mouth is shut; for the lids, with the keys that blink, after their
landmarks were put on the rims of the eyes (:mod:`.lids`). On a symmetric mesh both sides get mirrored vertices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...errors import RigError
from ...topology import LANDMARK_COUNT, LEFT_EYE_OUTER, LEFT_LID_PAIRS, LIPS, MIRROR, RIGHT_EYE_OUTER, RIGHT_LID_PAIRS
from ..solve.proportions import LIP_PAIRS
from ..solve.surface import Surface
from . import lids
from .facing import Find, Head, front
from .mesh_render import MeshView, View, picture, rasterise

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Gap to which the mouth is opened, and the least gaps that count as opening and as blinking, in eye distances.
_OPENED, _OPENS, _BLINKS = 0.3, 0.03, 0.02
#: Greatest depth of a vertex behind the visible surface, in eye distances, to count as visible.
_BEHIND: Final = 0.02
#: Number of vertices considered for each point of a pair that must meet.
_CHOICES: Final = 14
#: Greatest distance of a vertex from another's mirror image, in eye distances, and least share of such vertices.
_MIRRORED, _SYMMETRIC = 0.01, 0.9
#: Outer landmarks of the lips, and distance along the surface, in eye distances, up to which inner lips are one.
_UPPER_LIP, _LOWER_LIP = (50, 51, 52), (56, 57, 58)
_FUSED: Final = 0.06
_MIDLINE: Final = tuple(k for k in range(LANDMARK_COUNT) if MIRROR[k] == k)


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """Proposed vertices (68,), the face's score, the shape keys that opened the mouth and shut the lids, symmetry.

    ``doubtful`` are the landmarks of lids, and of inner lips, whose upper and lower one could not be told apart.
    """

    vertices: Indices
    score: float
    opener: str
    blinkers: tuple[str, ...]
    symmetric: bool
    doubtful: tuple[int, ...] = ()


def propose(head: Head, find: Find) -> Proposal:
    """Return proposed vertices for the landmarks on ``head``; ``find`` detects faces in a picture.

    Raises
    ------
    RigError
        If no face is found from any side.
    """
    view, score = front(head, find)
    look = _PosedHead.at(head, head.vertices, view, find)
    if look is None:
        raise RigError("The face was lost on looking closer. Pin the landmarks by hand.")
    mirror = _mirror(head, look)
    middle = mirror == np.arange(len(mirror)) if mirror is not None else None
    look = replace(look, middle=middle)
    marks, on_rims = lids.refined(head, look.marks, look.seen, int(head.piece[look.usable[0]]))
    look = replace(look, marks=marks)
    chosen = look.nearest()
    _part_lids(chosen, replace(look, usable=look.without_lashes(head, view)))
    opener, amount = _opener(head, look, chosen)
    if opener >= 0:
        opened = _PosedHead.at(head, head.vertices + amount * head.deltas[opener], view, find)
        if opened is not None:
            opened = replace(opened, middle=middle)
            chosen[list(LIPS)] = opened.nearest()[list(LIPS)]
            _choose_inner_lips(chosen, head, look, opened, opener)
    else:
        _part_lips(chosen, head, look)
    blinkers = [_blinker(head, look, chosen, pairs) for pairs in (RIGHT_LID_PAIRS, LEFT_LID_PAIRS)]
    for pairs, k in zip((RIGHT_LID_PAIRS, LEFT_LID_PAIRS), blinkers, strict=True):
        if k >= 0:
            shut = look.view.pixels(head.vertices + head.deltas[k])
            for pair in (pair for pair in pairs if not on_rims.issuperset(pair)):
                _choose_pairs(chosen, [pair], look, look, shut, lids.sides(look.places, look.marks, *pair))
    if mirror is not None:
        _mirror_right_side(chosen, look, mirror)
    names = tuple(dict.fromkeys(head.names[k] for k in blinkers if k >= 0))
    opening = head.names[opener] if opener >= 0 else ""
    doubtful = lids.doubtful(look.places[chosen]) + _fused_lips(chosen, head, look)
    return Proposal(chosen, score, opening, names, mirror is not None, doubtful)


@dataclass(frozen=True, slots=True, eq=False)
class _PosedHead:
    """A pose of the head in a view: landmarks (68, 2) and vertices (V, 3) in pixels, and the usable vertices (indices).

    If the mesh has a ``middle`` (V,), landmarks of the middle line get vertices of it.
    """

    view: View
    marks: Floats
    places: Floats
    usable: Indices
    unit: float
    seen: MeshView
    middle: NDArray[np.bool_] | None = None

    @classmethod
    def at(cls, head: Head, points: Floats, view: View, find: Find) -> _PosedHead | None:
        image, seen = picture(view, points, head.triangles, head.colours)
        faces = find(image)
        if not faces:
            return None
        marks = np.asarray(faces[0].landmarks, np.float64)[:, :2]
        unit = float(np.linalg.norm(marks[LEFT_EYE_OUTER] - marks[RIGHT_EYE_OUTER]))
        places = view.pixels(points)
        return cls(view, marks, places, _usable(head, places, seen, marks, unit), unit, seen)

    @property
    def length(self) -> float:
        """The eye distance in the mesh's unit."""
        return self.unit * self.view.extent / self.view.size

    def without_lashes(self, head: Head, view: View) -> Indices:
        """Return the vertices that would be usable if nothing but the skin were in the picture."""
        skin = head.piece[self.usable[0]]
        bare = rasterise(view, head.vertices, head.triangles[head.piece[head.triangles[:, 0]] == skin])
        in_socket = lids.sunken(head, self.places, self.marks, self.seen, int(skin))
        return _in_front((head.piece == skin) & ~in_socket, self.places, bare.depth, self.unit)

    def nearest(self) -> Indices:
        """Return the usable vertex nearest to each landmark."""
        return np.array([self.choices(point)[0][0] for point in range(LANDMARK_COUNT)])

    def choices(self, point: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Indices, Floats]:
        """Return the usable vertices nearest to a landmark, and their distances squared in eye distances."""
        pool = self.usable if allowed is None else self.usable[allowed[self.usable]]
        if point in _MIDLINE and self.middle is not None and self.middle[pool].any():
            pool = pool[self.middle[pool]]
        apart = ((self.places[pool, :2] - self.marks[point]) ** 2).sum(axis=1) / self.unit**2
        first = np.argsort(apart)[:_CHOICES]
        return pool[first], apart[first]


def _usable(head: Head, places: Floats, seen: MeshView, marks: Floats, unit: float) -> Indices:
    """Return the visible vertices of the skin, the piece that covers most of the face in the picture."""
    size = len(seen.triangle)
    low, high = (np.clip(v, 0, size - 1).astype(int) for v in (marks.min(axis=0), marks.max(axis=0) + 1))
    owner = seen.triangle[low[1] : high[1], low[0] : high[0]]
    shown = head.piece[head.triangles[owner[owner >= 0], 0]]
    skin = np.bincount(shown).argmax() if len(shown) else -1
    in_socket = lids.sunken(head, places, marks, seen, int(skin))
    return _in_front((head.piece == skin) & ~in_socket, places, seen.depth, unit)


def _in_front(asked: NDArray[np.bool_], places: Floats, depth: Floats, unit: float) -> Indices:
    """Return which of the vertices ``asked`` for (V,) are not behind the surface seen, ``depth`` at each pixel."""
    inside = ((places[:, :2] >= 0) & (places[:, :2] < len(depth))).all(axis=1) & asked
    index = np.flatnonzero(inside)
    column, row = places[index, 0].astype(int), places[index, 1].astype(int)
    # At the rim of a hole, and of the face itself, the pixel of a vertex may be empty and only one beside it is not.
    beside = np.pad(depth, 1, constant_values=np.inf)
    nearest = np.min([beside[row + y, column + x] for y in range(3) for x in range(3)], axis=0)
    surface = np.where(np.isfinite(depth[row, column]), depth[row, column], nearest)
    in_front: Indices = index[places[index, 2] <= np.where(np.isfinite(surface), surface, -np.inf) + _BEHIND * unit]
    return in_front


def _part_lids(chosen: Indices, look: _PosedHead) -> None:
    """Give upper and lower lids vertices of their own side of the eye's opening, in place."""
    for _, pairs in lids.EYES:
        for upper, lower in pairs:
            for point, side in zip((upper, lower), lids.sides(look.places, look.marks, upper, lower), strict=True):
                near, _ = look.choices(point, side)
                if len(near):
                    chosen[point] = near[0]


def _surface(head: Head) -> Surface:
    corners = head.triangles
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    return Surface.of(head.vertices, np.unique(np.sort(edges, axis=1), axis=0))


def _part_lips(chosen: Indices, head: Head, look: _PosedHead) -> None:
    """Give upper and lower inner lips vertices of their own, in place, though no key opens the mouth.

    Lips that touch are far from each other along the surface: round the corners, or through the mouth.
    """
    surface, most = _surface(head), 0.6 * look.length
    up, low = (surface.distance(chosen[list(side)].tolist(), most) for side in (_UPPER_LIP, _LOWER_LIP))
    _choose_pairs(chosen, LIP_PAIRS, look, look, look.places, (up < low, low < up))


def _fused_lips(chosen: Indices, head: Head, look: _PosedHead) -> tuple[int, ...]:
    """Return the landmarks of inner lips that are one along the surface, so that nothing could part them."""
    surface = _surface(head)
    most = _FUSED * look.length
    found = [p for up, low in LIP_PAIRS for p in (up, low) if surface.distance([chosen[up]], most)[chosen[low]] < most]
    return tuple(sorted(found))


def _opener(head: Head, look: _PosedHead, chosen: Indices) -> tuple[int, float]:
    """Return the shape key that opens the mouth most (-1 for none), and the weight that opens it far enough."""
    down = head.deltas[:, chosen] @ look.view.rotation[1].astype(np.float32)
    opening = down[:, [57, 8, 66]].mean(axis=1) - down[:, [51, 33, 62]].mean(axis=1) if len(down) else np.zeros(1)
    scale = look.view.size / look.view.extent / look.unit
    best = int(opening.argmax())
    far = float(opening[best]) * scale
    return (best, min(1.0, _OPENED / far)) if far > _OPENS else (-1, 0.0)


def _choose_inner_lips(chosen: Indices, head: Head, look: _PosedHead, opened: _PosedHead, opener: int) -> None:
    """Choose vertices for the inner lips, in place: separate for each lip, and together while the mouth is shut."""
    down = head.deltas[opener] @ look.view.rotation[1].astype(np.float32)
    # The border between the lips is where the motion is halfway between that of the upper and of the lower lip.
    border = (np.median(down[chosen[[50, 51, 52]]]) + np.median(down[chosen[[56, 57, 58]]])) / 2
    _choose_pairs(chosen, LIP_PAIRS, opened, opened, look.places, (down < border, down >= border))


def _choose_pairs(
    chosen: Indices,
    pairs: Sequence[tuple[int, int]],
    above: _PosedHead,
    below: _PosedHead,
    together: Floats,
    allowed: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None,
) -> None:
    """Choose vertices for pairs of points, in place: near their landmarks, and near each other in ``together``."""
    for upper, lower in pairs:
        up, up_cost = above.choices(upper, allowed[0] if allowed else None)
        low, low_cost = below.choices(lower, allowed[1] if allowed else None)
        if not len(up) or not len(low):
            continue
        apart = ((together[up][:, None, :] - together[low][None, :, :]) ** 2).sum(axis=2) / above.unit**2
        cost = up_cost[:, None] + low_cost[None, :] + 2 * apart + 1.0 * (up[:, None] == low[None, :])
        a, b = np.unravel_index(int(cost.argmin()), cost.shape)
        chosen[upper], chosen[lower] = up[a], low[b]


def _blinker(head: Head, look: _PosedHead, chosen: Indices, pairs: Sequence[tuple[int, int]]) -> int:
    """Return the shape key that closes an eye's lids most without opening the mouth, or -1."""
    down = head.deltas[:, chosen] @ look.view.rotation[1].astype(np.float32)
    if not len(down):
        return -1
    closing = np.mean([down[:, up] - down[:, low] for up, low in pairs], axis=0)
    best = int(closing.argmax())
    return best if closing[best] * look.view.size / look.view.extent / look.unit > _BLINKS else -1


def _mirror(head: Head, look: _PosedHead) -> Indices | None:
    """Return the mirrored vertex (V,) of each vertex across the face's middle; None if the mesh is not symmetric."""
    from scipy.spatial import cKDTree

    across = head.vertices @ look.view.rotation[0]
    middle = look.view.centre[0] + (look.marks[list(_MIDLINE), 0].mean() - look.view.size / 2) * (
        look.view.extent / look.view.size
    )
    unit = look.unit * look.view.extent / look.view.size
    skin = np.flatnonzero(head.piece == head.piece[look.usable[0]])
    shown = np.isin(skin, look.usable)
    tree = cKDTree(head.vertices[skin])
    # Most heads are built about a plane, whose place the picture gives only roughly.
    for plane in (0.0, (across[skin[shown]].min() + across[skin[shown]].max()) / 2, middle):
        if abs(plane - middle) > 0.1 * unit:
            continue
        mirrored = head.vertices[skin] - 2 * np.outer(across[skin] - plane, look.view.rotation[0])
        apart, image = tree.query(mirrored)
        if (apart[shown] < _MIRRORED * unit).mean() > _SYMMETRIC:
            result = np.arange(len(head.vertices))
            result[skin] = skin[image]
            return result
    return None


def _mirror_right_side(chosen: Indices, look: _PosedHead, mirror: Indices) -> None:
    """Replace the left side's vertices by the mirrored ones of the right side, in place."""
    for point in range(LANDMARK_COUNT):
        if point != MIRROR[point] and look.marks[point, 0] < look.marks[MIRROR[point], 0]:
            chosen[MIRROR[point]] = mirror[chosen[point]]
