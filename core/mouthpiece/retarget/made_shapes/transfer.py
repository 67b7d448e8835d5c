"""Makes the ARKit shapes of a head by carrying over those of another, on which all are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import RigError
from ...topology import ARKIT_NAMES
from ..solve.pinned_face import PinnedFace, stance
from ..solve.surface import Surface, nearest
from ..solve.unpinned_parts import Sight
from . import rims
from .correspondence import Bending, Proportions, corresponding, side_marks
from .inner_parts import InnerParts, bearing, middle, rotation_between, turned_eyes, with_skin

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Reach, in eye distances, over which carried motion is smoothed along the surface.
_SMOOTH: Final = 0.04
#: Distance of a vertex from another's mirror image, in eye distances, and share of such vertices of a symmetric head.
_MIRRORED, _SYMMETRIC = 0.01, 0.9
#: Height, in eye distances, from which a piece in the mouth belongs to both jaws, and height over which it goes over
#: from the one to the other; how far a stiff piece may bend.
_GUMS, _BETWEEN, _BENDS = 0.4, 0.1, 0.02
#: Motion, in eye distances, below which a vertex is left where it is.
_STILL: Final = 2e-4
#: Landmarks of the corners of both eyes.
_CORNERS: Final = ((36, 39), (42, 45))


@dataclass(frozen=True, slots=True, eq=False)
class PinnedHead:
    """A head: vertices (V, 3) at rest, edges (E, 2), the vertices (68,) of its landmarks, -1 for none."""

    vertices: Floats
    edges: NDArray[np.integer[Any]]
    pins: Indices

    @property
    def marks(self) -> Floats:
        """Places (68, 3) of the landmarks, NaN for those without a vertex."""
        return np.where(self.pins[:, None] >= 0, self.vertices[np.maximum(self.pins, 0)], np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Donor:
    """A head whose ARKit shapes are known: displacements (S, V, 3) of its vertices by each of ``names`` at weight 1.

    ``up`` (3, 3) rotates its space to the landmarks' axes: x right in its picture, y down, z away.
    """

    head: PinnedHead
    names: tuple[str, ...]
    deltas: NDArray[np.float32]
    up: Floats


@dataclass(frozen=True, slots=True, eq=False)
class MadeShape:
    """A made shape: its ARKit name, and the displacements (V, 3) of the head's vertices, in the head's own space."""

    name: str
    delta: NDArray[np.float32]


def made(head: PinnedHead, donor: Donor, names: Sequence[str] = ARKIT_NAMES) -> Iterator[MadeShape]:
    """Yield the shapes called ``names`` for a head, one after the other.

    The donor's motion is carried to the places that correspond, turned and scaled to the head's proportions. Lips and
    lids are told apart along the surface; then lids are made to meet when they blink, lips when they close over an open
    jaw. Eyeballs turn, teeth and tongue stay stiff, lashes move with the lids. A symmetric head gets symmetric shapes.

    Raises
    ------
    RigError
        If too few landmarks are pinned, or left and right are swapped.
    """
    return _Maker(head, donor).shapes(names)


class _Maker:
    """Everything about two heads that does not depend on the shape."""

    def __init__(self, head: PinnedHead, donor: Donor) -> None:
        theirs = donor.head.marks @ donor.up.T
        unit = float(np.linalg.norm(theirs[45] - theirs[36]))
        theirs = (theirs - (theirs[36] + theirs[45]) / 2) / unit
        marks = head.marks
        self.stance = stance(PinnedFace(marks), theirs)
        eyes = (marks[36] + marks[45]) / 2
        self.surface = Surface.of(
            (head.vertices - eyes) @ self.stance.rotation.T / self.stance.eye_distance, head.edges
        )
        self.pins = head.pins
        self.donor = donor
        self.donor_unit = unit
        places = donor.head.vertices @ donor.up.T / unit
        places = places - (places[donor.head.pins[36]] + places[donor.head.pins[45]]) / 2
        self.other = Surface.of(places, donor.head.edges)
        self.skin = _skin(self.surface, head.pins)
        self.other_skin = _skin(self.other, donor.head.pins)
        self._correspond()
        self._inside()
        self.mirror = self._mirrored()
        self.smooth = self.surface.smoother(_SMOOTH)

    def _correspond(self) -> None:
        bending = Bending.between(self.stance.points, self.other.points[self.donor.head.pins])
        marks, theirs = side_marks(self.surface, self.pins), side_marks(self.other, self.donor.head.pins)
        self.sizes = Proportions.between(self.stance.points, self.other.points[self.donor.head.pins])
        own, their_skin = np.flatnonzero(self.skin), np.flatnonzero(self.other_skin)
        self.own, self.bending = own, bending
        self.places = corresponding(
            self.surface.points[own],
            marks[own],
            bending,
            self.sizes,
            self.other,
            theirs,
            their_skin,
        )
        self.eye_rims = [rims.Rims.between(self.surface, self.pins, pair, 0.1) for pair in rims.EYE_RIMS]
        self.lip_rims = rims.Rims.between(self.surface, self.pins, rims.LIP_RIMS, 0.12)

    def _inside(self) -> None:
        parts = []
        for surface, skin, pins in (
            (self.surface, self.skin, self.pins),
            (self.other, self.other_skin, self.donor.head.pins),
        ):
            points = surface.points
            given = pins[pins >= 0]
            eyes = np.stack([[points[pins[k]] if pins[k] >= 0 else np.zeros(3) for k in pair] for pair in _CORNERS])
            known = (pins[[k for pair in _CORNERS for k in pair]] >= 0).all()
            balls = Sight.of(points, surface.edges, given, eyes).balls if known else ()
            parts.append(InnerParts.of(surface, skin, balls, (points[pins[62]] + points[pins[66]]) / 2))
        self.parts, self.other_parts = parts
        self.mouth = self.parts.arches(self.surface.points)
        lips, their_lips = (
            (points[pins[62]] + points[pins[66]]) / 2
            for points, pins in ((self.surface.points, self.pins), (self.other.points, self.donor.head.pins))
        )
        ours = np.array([bearing(self.surface.points[v] - lips) for v in self.mouth]).reshape(-1, 2)
        theirs = np.array([bearing(self.other.points[v] - their_lips) for v in self.other_parts.mouth]).reshape(-1, 2)
        self.like = nearest(theirs, ours, 1)[1][:, 0] if len(ours) and len(theirs) else np.zeros(0, np.int64)
        self.lips_height = float(lips[1])

    def _mirrored(self) -> Indices | None:
        points = self.surface.points[self.own]
        apart, index = nearest(points, points * [-1.0, 1.0, 1.0], 1)
        near = np.linalg.norm(points, axis=1) < 1.5
        return index[:, 0] if near.any() and (apart[near, 0] < _MIRRORED).mean() > _SYMMETRIC else None

    def shapes(self, names: Sequence[str]) -> Iterator[MadeShape]:
        index = {name: k for k, name in enumerate(self.donor.names)}
        for name in names:
            if name not in index:
                raise RigError(f"It is not known what '{name}' does.")
        opened = self._moved("jawOpen", index) if "mouthClose" in names and "jawOpen" in index else None
        for name in names:
            moved = self._moved(name, index)
            if name == "tongueOut" and not self.mouth:
                moved[:] = 0.0
            for rim, side in zip(self.eye_rims, ("Right", "Left"), strict=True):
                if rim is not None and name == f"eyeBlink{side}":
                    moved = rims.shut_lids(self.surface, rim, moved)
            if name == "mouthClose" and self.lip_rims is not None and opened is not None:
                moved = rims.shut_lips(self.surface, self.lip_rims, moved, opened)
            with_skin(self.surface, self.parts, self.own, moved)
            moved[np.linalg.norm(moved, axis=1) < _STILL] = 0.0
            back = moved @ self.stance.rotation * self.stance.eye_distance
            yield MadeShape(name, back.astype(np.float32))

    def _moved(self, name: str, index: dict[str, int]) -> Floats:
        """Return the motion (V, 3) of skin, eyes, teeth and tongue by a shape, in the landmarks' axes."""
        moved = self._of_skin(name, index)
        delta = self._theirs(name, index)
        turns = {}
        for members, _, side in self.other_parts.eyes:
            rotation, _, _ = rotation_between(self.other.points[members], delta[members])
            turns[side] = rotation
        if name.startswith("eyeLook"):
            turned_eyes(self.surface, self.parts, turns, moved)
        for members, like in zip(self.mouth, self.like, strict=False):
            moved[members] = self._of_mouth(members, self.other_parts.mouth[like], delta)
        return moved

    def _theirs(self, name: str, index: dict[str, int]) -> Floats:
        return np.asarray(self.donor.deltas[index[name]], np.float64) @ self.donor.up.T / self.donor_unit

    def _of_skin(self, name: str, index: dict[str, int]) -> Floats:
        carried = self.places.carried(self._theirs(name, index))
        if self.mirror is not None:
            other = name.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right")
            image = self.places.carried(self._theirs(other, index)) if other in index else carried
            carried = (carried + image[self.mirror] * [-1.0, 1.0, 1.0]) / 2
        moved = np.zeros((len(self.surface.points), 3))
        moved[self.own] = carried
        return self.smooth(moved)

    def _of_mouth(self, members: Indices, theirs: Indices, delta: Floats) -> Floats:
        """Return the motion (N, 3) of the vertices ``members`` in the mouth that are like the donor's ``theirs``."""
        points = self.surface.points[members]
        if np.ptp(points[:, 1]) > _GUMS:
            # Gums, or the inside of the mouth, of both jaws: the lower part goes with the jaw, the upper stays.
            lowest = max(self.other_parts.mouth, key=lambda v: float(middle(self.other.points[v])[1]))
            share = np.clip((points[:, 1] - self.lips_height) / _BETWEEN + 0.5, 0.0, 1.0)[:, None]
            return share * self._stiff(points, lowest, delta)
        rest = self.other.points[theirs]
        turn, start, end = rotation_between(rest, delta[theirs])
        if np.abs((rest - start) @ turn.T + end - rest - delta[theirs]).max() < _BENDS:
            return self._stiff(points, theirs, delta)
        _, near = nearest(rest, self.bending.places(points), 4)
        bent: Floats = self.sizes.at(points) * delta[theirs][near].mean(axis=1)
        return bent

    def _stiff(self, points: Floats, theirs: Indices, delta: Floats) -> Floats:
        """Return the motion (N, 3) of ``points`` that turn and move, without bending, as the donor's ``theirs`` do."""
        rest = self.other.points[theirs]
        turn, start, end = rotation_between(rest, delta[theirs])
        arm = points - middle(points) + middle(self.bending.places(points)) - start
        return self.sizes.at(middle(points)[None]) * (arm @ turn.T + end - start - arm)


def _skin(surface: Surface, pins: Indices) -> NDArray[np.bool_]:
    """Return which vertices (V,) are on the piece that most landmarks are pinned to."""
    on = surface.piece[pins[pins >= 0]]
    numbers, counts = np.unique(on, return_counts=True)
    skin: NDArray[np.bool_] = surface.piece == numbers[counts.argmax()]
    return skin
