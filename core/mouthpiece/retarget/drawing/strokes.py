"""Moves the strokes of a drawn face: lips, lids and brows by the warp, pupils and teeth behind them, and the head.

Points are in the plane of the drawing, x right and y down. Each stroke is a part of the face (:class:`FacePart`), which
its layer or its place decides. Points of some parts are kept between lids or lips, which cover them when they shut.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import LEFT_EYE, RIGHT_EYE
from ..warp.folds import Repaired, met, repaired
from ..warp.head_turn import PIVOT, turned
from ..warp.triangles import inside
from ..warp.warp import Warp, ring, triangulate
from . import rims
from .face import HAIR, DrawnFace, DrawnMotion
from .lip_line import Seam, heights
from .rims import LEFT, MOUTH, RIGHT

Points = NDArray[np.float64]
Numbers = NDArray[np.int64]


class FacePart(IntEnum):
    """The part of a face that a stroke, or a whole layer, shows."""

    FACE = 0  #: moves with the landmarks; pupils on such a layer are found by their place
    HEAD = 1  #: moves with the head as a whole: hair, ears, hats
    UPPER = 2  #: inside the mouth, moves with the skull: upper teeth, palate
    LOWER = 3  #: inside the mouth, moves with the jaw: lower teeth
    PUPIL_RIGHT = 4  #: moves with the gaze of the person's right eye, behind its lids
    PUPIL_LEFT = 5
    STILL = 6  #: does not move
    TONGUE = 7  #: inside the mouth, moves with the jaw and rises as phones ask for it


#: Upper and lower line of the lips or lids that cover a part, from one corner to the other, as in :mod:`.rims`.
_COVERS: Final = {
    FacePart.UPPER: MOUTH,
    FacePart.LOWER: MOUTH,
    FacePart.TONGUE: MOUTH,
    FacePart.PUPIL_RIGHT: RIGHT,
    FacePart.PUPIL_LEFT: LEFT,
}
_EYES: Final = ((FacePart.PUPIL_RIGHT, RIGHT_EYE), (FacePart.PUPIL_LEFT, LEFT_EYE))
#: Greatest width of a pupil, in widths of its eye, and least share of its points that lie between the lids.
_PUPIL_WIDTH, _PUPIL_SHARE = 0.8, 0.7
#: Gap, in widths of mouth or eye, below which parts inside shrink to nothing.
_VANISH: Final = 0.06
#: Area, in square eye distances, below which a folded triangle is invisible, as at the corners of mouth and eyes.
_DOT: Final = 4e-4
#: Depth of the points around the face, in eye distances behind the eyes: that of the middle of the head.
_BACK: Final = 0.75
#: The head's motion fades between these distances below the chin, in eye distances: on the neck.
_NECK: Final = (0.15, 1.1)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPuppet:
    """A drawn face cut into triangles, which all drawings of a character share.

    Attributes
    ----------
    face : DrawnFace
        The face's landmarks and the scales of their motion.
    vertices : (V, 2) float64
        Landmarks, the additional points of :mod:`.rims`, then the border around them.
    triangles : (K, 3) int64
        Indices of vertices.
    """

    face: DrawnFace
    vertices: Points
    triangles: Numbers

    @classmethod
    def of(cls, face: DrawnFace) -> DrawnPuppet:
        """Return the face with a border around it, cut into triangles."""
        landmarks = np.ascontiguousarray(face.landmarks, np.float64)
        return cls(face, *_cut(landmarks.tobytes(), len(landmarks)))

    def repaired(self, motion: DrawnMotion) -> tuple[DrawnMotion, Repaired]:
        """Return the motion without folded triangles, and what was repaired; lips and lids that meet do not count."""
        closed = rims.carried(self.face.landmarks, met(motion.landmarks, self.face.landmarks))
        checked = self.triangles[~np.isin(self.triangles, rims.LIDS).all(axis=1)]
        done = repaired(checked, self.vertices, closed, _DOT * self.face.unit**2)
        return replace(motion, landmarks=done.moved[:, : closed.shape[1]]), done


@lru_cache(maxsize=16)
def _cut(landmarks: bytes, count: int) -> tuple[Points, Numbers]:
    """Return vertices and triangles of a puppet with these landmarks (count, 2); cached: lines share their face."""
    points = np.frombuffer(landmarks, np.float64).reshape(count, 2)
    filled, border = rims.filled(points), ring(points)
    return np.concatenate([filled, border]), triangulate(filled, border, rims.LOOPS, rims.PAIRS)


@lru_cache(maxsize=128)
def _warp(anchors: bytes, sides: bytes, vertices: bytes, triangles: bytes) -> Warp:
    """Return the warp of anchors (P, 2); cached: a drawing is bound to its face for each line and stretch anew.

    ``sides`` (P,), ``vertices`` (V, 2) and ``triangles`` (K, 3) are as :meth:`Warp.of` takes them.
    """
    points, corners = (np.frombuffer(one, np.float64).reshape(-1, 2) for one in (anchors, vertices))
    cut = np.frombuffer(triangles, np.int64).reshape(-1, 3)
    return Warp.of(points, corners, cut, np.frombuffer(sides, np.int64), rims.PAIRS)


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A drawing whose points are bound to a puppet.

    Attributes
    ----------
    puppet : DrawnPuppet
        The puppet that moves it.
    points : (P, 2) float64
        The drawing's points at rest.
    parts : (P,) int64
        The :class:`FacePart` of each.
    warp : Warp
        Moves the place of each point with the triangles.
    beside : (P, 2) float64
        Distance of each point from that place.
    depth : (P,) float64
        Depth of each point behind the eyes, in units of the plane.
    grip : (P,) float64
        Share of the head's motion that each point takes part in, 0 to 1.
    """

    puppet: DrawnPuppet
    points: Points
    parts: Numbers
    warp: Warp
    beside: Points
    depth: Points
    grip: Points

    @classmethod
    def of(
        cls,
        puppet: DrawnPuppet,
        points: NDArray[Any],
        starts: NDArray[np.integer[Any]],
        part: FacePart,
        parts: Numbers | None = None,
        lines: Collection[int] = (),
    ) -> Bound:
        """Return ``points`` (P, 2), whose strokes begin at ``starts`` (S,), bound to a puppet; ``part`` is the layer's.

        ``parts`` (P,) is given where the parts are known, as for the handles of a curve's points. ``lines`` are strokes
        that run along shut lips and back: their first half is the upper lip, their second the lower.
        """
        points = np.asarray(points, np.float64).reshape(-1, 2)
        strokes = [s for s in np.split(np.arange(len(points)), np.asarray(starts[1:], np.int64)) if len(points)]
        if parts is None:
            parts = np.full(len(points), part, np.int64)
            for number, stroke in enumerate(strokes):
                if len(stroke) and part is FacePart.FACE and number not in lines:
                    parts[stroke] = found_part(puppet.face, points[stroke])
        seam = Seam.of(puppet.face, points, strokes if part is FacePart.FACE else [], lines)
        warp = _warp(
            *(
                np.ascontiguousarray(a).tobytes()
                for a in (
                    np.asarray(seam.anchors, np.float64),
                    np.asarray(seam.sides, np.int64),
                    puppet.vertices.astype(np.float64),
                    puppet.triangles.astype(np.int64),
                )
            )
        )
        back = np.full(len(puppet.vertices), _BACK * puppet.face.unit)
        depths = rims.filled(np.stack([puppet.face.depths] * 2, axis=1))[:, 0]
        back[: len(depths)] = depths
        depth = _BACK * puppet.face.unit + warp.blend((back - _BACK * puppet.face.unit)[:, None])[:, 0]
        grip = np.where(parts == FacePart.STILL, 0.0, _grip(puppet.face, points))
        return cls(puppet, points, parts, warp, points - seam.anchors + seam.lifts, depth, grip)

    def moved(self, motion: DrawnMotion, head: float = 1.0) -> Points:
        """Return the points (F, P, 2) for a ``motion`` of F frames; ``head`` is a factor on the head's motion."""
        face = self.puppet.face
        result = self.warp(rims.carried(face.landmarks, motion.landmarks)) + self.beside
        loose = self.parts >= FacePart.HEAD
        result[:, loose] = self.points[loose]
        for part in _COVERS:
            chosen = np.flatnonzero(self.parts == part)
            if len(chosen):
                result[:, chosen] = self._behind(part, chosen, motion)
        if not head or not motion.head.any():
            return result
        # In the face's own upright axes, with the origin between its eyes.
        upright = (result - face.origin) @ face.axes
        pivot = np.array(PIVOT) * face.unit
        shifted = turned(upright, self.depth, motion.head * head, pivot, face.unit) - upright
        moved: Points = result + self.grip[:, None] * (shifted @ face.axes.T)
        return moved

    def _behind(self, part: FacePart, chosen: Numbers, motion: DrawnMotion) -> Points:
        """Return the ``chosen`` points (F, C, 2), which move as one and are covered by lids or lips."""
        frame = self.puppet.face.axes
        eye = {FacePart.PUPIL_RIGHT: 0, FacePart.PUPIL_LEFT: 1}.get(part)
        inside = {FacePart.LOWER: motion.jaw, FacePart.TONGUE: motion.tongue}
        shift = inside.get(part, np.zeros_like(motion.jaw)) if eye is None else motion.pupils[:, eye]
        landmarks = self.puppet.face.landmarks
        rest, now = rims.filled(landmarks) @ frame, rims.carried(landmarks, motion.landmarks) @ frame
        cover = _Cover(_COVERS[part], rest, now)
        points = self.points[chosen] @ frame
        free = points + (shift @ frame)[:, None]
        # Points under a thick line of the lid at rest may stay under it, to the degree the lids are open.
        covered: Points = cover.kept(free, None if eye is None else points) @ frame.T
        return covered


@dataclass(frozen=True, slots=True, eq=False)
class _Cover:
    """Lips or lids: indices of their upper and lower line, and all points at ``rest`` (N, 2) and ``now`` (F, N, 2)."""

    lines: tuple[tuple[int, ...], tuple[int, ...]]
    rest: Points
    now: Points

    def kept(self, free: Points, resting: Points | None) -> Points:
        """Return the points ``free`` (F, C, 2) moved between the lines; those outside at rest (C, 2) less strictly."""
        upper = self.lines[0]
        left, right = (self.now[:, [upper[end]], 0] for end in (0, -1))
        spare, sideways = np.zeros((2, free.shape[1])), np.zeros((2, free.shape[1]))
        if resting is not None:
            above, below = (heights(self.rest[None], line, resting[None, :, 0])[0] for line in self.lines)
            spare = np.maximum([above - resting[:, 1], resting[:, 1] - below], 0)
            ends = self.rest[[upper[0], upper[-1]], 0]
            sideways = np.maximum([ends[0] - resting[:, 0], resting[:, 0] - ends[1]], 0)
        x = np.clip(free[..., 0], left - sideways[0], np.maximum(right, left) + sideways[1])
        share = self._open()[:, None]
        above, below = (heights(self.now, line, x) for line in self.lines)
        above, below = above - spare[0] * share, below + spare[1] * share
        middle = (above + below) / 2
        y = np.clip(free[..., 1], np.minimum(above, middle), np.maximum(below, middle))
        # Points pressed onto a line would be visible as a line: they shrink towards the middle.
        opened = (below - above).max(axis=1, keepdims=True) / np.maximum(right - left, 1e-12)
        gone = np.clip(1 - (opened - 1.5 * HAIR) / _VANISH, 0, 1)
        centre = (left + right) / 2
        x, y = x + gone * (centre - x), y + gone * (heights(self.now, upper, centre) - y)
        return np.stack([x, y], axis=-1)

    def _open(self) -> Points:
        """Return how open the cover is, relative to its rest, 0 to 1: (F,)."""
        upper, lower = (list(line[1:-1]) for line in self.lines)
        whole = float((self.rest[lower, 1] - self.rest[upper, 1]).sum())
        if whole <= 0:
            return np.ones(len(self.now))
        share: Points = (self.now[:, lower, 1] - self.now[:, upper, 1]).sum(axis=1) / whole
        return np.clip(share, 0, 1)


def found_part(face: DrawnFace, stroke: Points) -> FacePart:
    """Return the part a stroke (P, 2) on a layer of the face shows: a pupil if it lies well between the lids."""
    for part, loop in _EYES:
        lids = face.landmarks[list(loop)]
        wide = float(np.ptp(lids @ face.axes[:, 0]))
        middle = lids.mean(axis=0)
        # An iris touches the lids but lies around the middle of the eye; a line along the lids does not.
        centred = inside(stroke.mean(axis=0)[None], middle + 0.7 * (lids - middle))[0]
        narrow = np.ptp(stroke @ face.axes[:, 0]) <= _PUPIL_WIDTH * wide
        if centred and narrow and inside(stroke, middle + 1.1 * (lids - middle)).mean() >= _PUPIL_SHARE:
            return part
    return FacePart.FACE


def _grip(face: DrawnFace, points: Points) -> Points:
    """Return the share (P,) of the head's motion of points (P, 2): 1, but less on the neck and below it."""
    below = ((points - face.landmarks[8]) @ face.axes[:, 1]) / face.unit
    share = np.clip((below - _NECK[0]) / (_NECK[1] - _NECK[0]), 0, 1)
    grip: Points = 1 - share * share * (3 - 2 * share)
    return grip
