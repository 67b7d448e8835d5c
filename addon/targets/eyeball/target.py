"""The target for an eyeball: an object without shape keys whose delta transform turns it with the gaze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import bpy
import numpy as np
from mathutils import Vector

from .. import Driven, find_object
from ..head import delta_transforms
from ..head.target import AXES
from ..shape_keys.target import face_of

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.coverage import Coverage


@dataclass(frozen=True, slots=True)
class EyeballTarget:
    """An object that turns with the gaze about ``centre``, in its own axes.

    ``axes`` are the rows of the rotation from the axes of its face to those of the object, at rest.
    """

    kind: ClassVar[str] = "EYEBALL"

    object_name: str
    axes: tuple[tuple[float, ...], ...]
    centre: tuple[float, ...]
    strength: float = 1.0

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for an object on the list of a face; raises RigError if it is on none."""
        return cls.beside(face_of(obj), obj, (obj,), strength)

    @classmethod
    def beside(
        cls, face: bpy.types.Object, obj: bpy.types.Object, eye: tuple[bpy.types.Object, ...], strength: float = 1.0
    ) -> Self:
        """Return the target for a part of an eye, which turns about the middle of the largest object of the ``eye``."""
        whole = max(eye, key=lambda part: part.dimensions.length)
        middle = sum((Vector(corner) for corner in whole.bound_box), Vector()) / 8
        frame = delta_transforms.frame_of(obj)
        centre = frame.inverted_safe() @ (delta_transforms.at_rest(whole) @ middle)
        turn = frame.to_quaternion().inverted() @ delta_transforms.at_rest(face).to_quaternion()
        axes = tuple(tuple(round(value, 6) for value in row) for row in turn.to_matrix())
        return cls(obj.name, axes, tuple(round(value, 6) for value in centre), strength)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return rotation curves, and those of the location that hold the centre in its place."""
        from mouthpiece.curves import sample
        from mouthpiece.performance import rotation_matrices

        obj = find_object(self.object_name)
        gaze = sample(performance.final().gaze, performance.fps, grid.times) * self.strength
        looks = rotation_matrices(np.stack([gaze[:, 1], -gaze[:, 0], np.zeros(len(gaze))], axis=1))
        to_own = np.array(self.axes) @ np.array(AXES)
        turns = to_own @ looks @ to_own.T
        part, remarks = delta_transforms.moved_part(obj, grid, turns, delta_transforms.held(turns, self.centre), "eyes")
        return Driven((part,), {}, remarks)

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs."""
        axes = [list(row) for row in self.axes]
        return {
            "kind": self.kind, "object_name": self.object_name, "strength": self.strength, "axes": axes,
            "centre": list(self.centre),
        }  # fmt: skip

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target that was saved."""
        name = find_object(str(saved["object_name"])).name
        axes = np.array(saved["axes"], np.float64).reshape(3, 3).tolist()
        centre = np.array(saved["centre"], np.float64).reshape(3).tolist()
        return cls(name, tuple(map(tuple, axes)), tuple(centre), float(saved["strength"]))

    def summary(self) -> str:
        """Return what turns."""
        return f"{self.object_name} turns with the gaze"

    def coverage(self) -> Coverage:
        """Return that the gaze moves."""
        from mouthpiece.retarget.coverage import Coverage

        return Coverage({"gaze": (self.object_name,)})

    @classmethod
    def scope(cls, _saved: Mapping[str, Any]) -> tuple[str, ...]:
        """Return with what the ids of the channels begin that a saved target has."""
        return delta_transforms.SCOPE

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the object, if it has no shape keys of its own."""
        return delta_transforms.owners_without_keys(obj)
