"""Measures a face of bones: where their ends are on each frame, whatever constraints and drivers do with them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ..targets.bones.face_frame import frame_of
from ..targets.bones.response import place_of
from ..targets.bones.target import BonesTarget
from .evaluation import SeenTracks

if TYPE_CHECKING:
    from mouthpiece.retarget.bones.mapping import Link

Floats = NDArray[np.float64]

#: Opening of a mouth whose lips are no bones, as a share of the eye distance, for each radian of the jaw.
_BY_JAW: Final = 0.6
#: Turn in radians, and scale or shift in eye distances, at which a lid that is no pair of bones counts as shut.
_LID_TURN: Final = 0.6
_LID_SHIFT: Final = 0.12


@dataclass(slots=True, eq=False)
class BoneGauge:
    """Reads the bones of a rig that a target's links name, against the bone they hang on."""

    rig: bpy.types.Object
    links: tuple[Link, ...]
    unit: float
    axes: Floats
    head: str
    _names: tuple[str, ...] = ()
    _rows: list[Floats] = field(default_factory=list)
    _world: list[Floats] = field(default_factory=list)

    @classmethod
    def of(cls, target: BonesTarget, neutral: NDArray[np.floating], rig: bpy.types.Object) -> BoneGauge:
        """Return the gauge of a rig; ``neutral`` (68, 3) is the face of a take that was baked onto it."""
        frame = frame_of(rig, target.links, neutral, target.eye_distance)
        names = tuple(dict.fromkeys(place_of(link)[0] for link in target.links if place_of(link)[0] in rig.data.bones))
        gauge = cls(rig, target.links, frame.eye_distance, np.asarray(frame.axes), _carrier(rig, names))
        gauge._names = names
        return gauge

    def ready(self, lent: ExitStack) -> list[bpy.types.Object]:
        """Return the rig."""
        return [self.rig]

    def read(self, graph: bpy.types.Depsgraph, frame: int) -> None:
        """Note the bones' matrices relative to the bone they hang on, and that bone's in the world."""
        shown = self.rig.evaluated_get(graph)
        bones = shown.pose.bones
        carrier = bones[self.head].matrix if self.head else Matrix()
        rest = shown.data.bones[self.head].matrix_local if self.head else Matrix()
        undone = np.array(rest @ carrier.inverted_safe(), np.float64)
        self._rows.append(undone @ np.array([bones[name].matrix for name in self._names], np.float64))
        self._world.append(np.array((shown.matrix_world @ carrier).to_3x3(), np.float64))

    def tracks(self) -> SeenTracks:
        """Return what the bones did."""
        if not self._rows:
            return SeenTracks()
        seen, remarks = np.array(self._rows), list[str]()
        lips = [
            (a, b)
            for a, b in (("lip_upper", "lip_lower"), ("lip_upper.L", "lip_lower.L"), ("lip_upper.R", "lip_lower.R"))
            if self._has(a) and self._has(b)
        ]
        opening = None
        if lips:
            gaps = [(self._place(seen, b) - self._place(seen, a)) @ self._down for a, b in lips]
            rest = [float((self._resting(b) - self._resting(a)) @ self._down) for a, b in lips]
            opening = (
                np.mean([np.maximum(gap - own, 0) for gap, own in zip(gaps, rest, strict=True)], axis=0) / self.unit
            )
        elif self._has("jaw"):
            opening = np.linalg.norm(self._turn(seen, "jaw"), axis=1) * _BY_JAW
        elif self._has("lip_lower") or self._has("chin"):
            one = "lip_lower" if self._has("lip_lower") else "chin"
            opening = np.maximum((self._place(seen, one) - self._resting(one)) @ self._down, 0) / self.unit
        else:
            remarks.append(f"No bone of '{self.rig.name}' is known to open the mouth: not measured")
        width = None
        if self._has("lip_corner.L") and self._has("lip_corner.R"):
            width = (
                np.linalg.norm(self._place(seen, "lip_corner.L") - self._place(seen, "lip_corner.R"), axis=1)
                / self.unit
            )
        return SeenTracks(
            _single(opening), _single(width), _single(self._lids(seen)), _single(self._gaze(seen)),
            _single(self._headed()), tuple(remarks),
        )  # fmt: skip

    @property
    def _down(self) -> Floats:
        return self.axes[:, 1]

    def _link(self, source: str) -> Link | None:
        return next((link for link in self.links if link.source == source and place_of(link)[0] in self._names), None)

    def _has(self, source: str) -> bool:
        return self._link(source) is not None

    def _place(self, seen: Floats, source: str) -> Floats:
        """Return where the end of a bone is that a control moves, (F, 3), in the rig's space."""
        link = self._link(source)
        assert link is not None  # callers have asked
        name, end = place_of(link)
        matrices = seen[:, self._names.index(name)]
        if end == "HEAD":
            return np.asarray(matrices[:, :3, 3], np.float64)
        return np.asarray(matrices[:, :3, 3] + matrices[:, :3, 1] * self.rig.data.bones[name].length, np.float64)

    def _resting(self, source: str) -> Floats:
        link = self._link(source)
        assert link is not None  # callers have asked
        name, end = place_of(link)
        bone = self.rig.data.bones[name]
        return np.array(bone.tail_local if end == "TAIL" else bone.head_local, np.float64)

    def _turn(self, seen: Floats, source: str) -> Floats:
        """Return how a bone is turned from rest, as rotation vectors (F, 3) in the performance's axes."""
        from mouthpiece.retarget.bones.response import rotation_vectors

        link = self._link(source)
        assert link is not None  # callers have asked
        name = place_of(link)[0]
        rest = np.array(self.rig.data.bones[name].matrix_local, np.float64)[:3, :3]
        turned = seen[:, self._names.index(name), :3, :3]
        turned = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)
        return np.asarray(rotation_vectors(turned @ rest.T) @ self.axes, np.float64)

    def _lids(self, seen: Floats) -> Floats | None:
        """Return the closure (F, 2) of left and right lid; None if the rig has no bones for both."""
        sides = []
        for side in "LR":
            upper, lower = f"lid_upper.{side}", f"lid_lower.{side}"
            if self._has(upper):
                fall = (self._place(seen, upper) - self._resting(upper)) @ self._down
                gap = _LID_SHIFT * self.unit
                if self._has(lower):
                    gap = float((self._resting(lower) - self._resting(upper)) @ self._down) or gap
                    fall = fall - (self._place(seen, lower) - self._resting(lower)) @ self._down
                turned = np.linalg.norm(self._turn(seen, upper), axis=1) / _LID_TURN
                closed = fall / gap if gap > 0.02 * self.unit and np.ptp(fall) > 0.1 * gap else turned
            elif self._has(f"blink.{side}"):
                closed = np.linalg.norm(self._turn(seen, f"blink.{side}"), axis=1) / _LID_TURN
            else:
                return None
            sides.append(np.clip(closed, 0, 1))
        return np.stack(sides, axis=1)

    def _gaze(self, seen: Floats) -> Floats | None:
        """Return the direction (F, 2) of the eyes; None if no bone turns them."""
        there = [self._turn(seen, source) for source in ("eyes", "eye.L", "eye.R") if self._has(source)]
        if not there:
            return None
        turns = np.mean(there, axis=0)
        return np.stack([-turns[:, 1], turns[:, 0]], axis=1)

    def _headed(self) -> Floats:
        """Return pitch, yaw and roll (F, 3) of the bone the face hangs on, against the first frame."""
        from mouthpiece.retarget.bones.response import rotation_vectors

        world = np.array(self._world)
        world = world / np.maximum(np.linalg.norm(world, axis=1, keepdims=True), 1e-9)
        return np.asarray(rotation_vectors(world @ world[0].T) @ self.axes, np.float64)


def _carrier(rig: bpy.types.Object, names: Sequence[str]) -> str:
    """Return the bone that a face hangs on: the nearest above all of its bones that is none of them; empty if none."""
    head = rig.mouthpiece_head
    if head.turns == "BONE" and head.armature == rig and head.bone in rig.data.bones:
        return str(head.bone)
    above = [[parent.name for parent in rig.data.bones[name].parent_recursive] for name in names]
    shared = [
        name
        for name in (above[0] if above else ())
        if all(name in row or name == names[i] for i, row in enumerate(above))
    ]
    return next((name for name in shared if name not in names), "")


def _single(values: Floats | None) -> NDArray[np.float32] | None:
    return None if values is None else np.asarray(values, np.float32)
