"""The target for lower teeth: an object without shape keys whose delta transform follows the jaw of its face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .. import Driven, find_object
from ..head import delta_transforms
from ..shape_keys.target import face_of
from .jaw import Hinge, hinge_of

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.coverage import Coverage


@dataclass(frozen=True, slots=True)
class LowerTeethTarget:
    """An object that follows a jaw: ``hinge`` is the jaw's motion when it is wide open, in the object's own axes."""

    kind: ClassVar[str] = "LOWER_TEETH"

    object_name: str
    hinge: Hinge
    strength: float = 1.0

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for an object on the list of a face; raises RigError if there is none, or it has no jaw."""
        return cls.beside(face_of(obj), obj, strength)

    @classmethod
    def beside(cls, face: bpy.types.Object, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for the lower teeth of a face; raises RigError if no shape key opens its jaw."""
        to_own = delta_transforms.frame_of(obj).inverted_safe() @ delta_transforms.at_rest(face)
        return cls(obj.name, hinge_of(face, to_own), strength)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return rotation and location curves."""
        from mouthpiece.curves import sample
        from mouthpiece.topology import ARKIT_INDEX

        obj = find_object(self.object_name)
        opened = sample(performance.final().arkit, performance.fps, grid.times)[:, ARKIT_INDEX["jawOpen"]]
        amounts = np.clip(opened * self.strength, 0.0, 1.0)
        axis, place, slide = Vector(self.hinge.turn), self.hinge.place, np.array(self.hinge.shift)
        turns = np.array([Matrix.Rotation(axis.length * amount, 3, axis) for amount in amounts.tolist()])
        shifts = delta_transforms.held(turns, place) + amounts[:, None] * slide
        part, remarks = delta_transforms.moved_part(obj, grid, turns, shifts, "lips")
        return Driven((part,), {}, remarks)

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs."""
        hinge = {"turn": list(self.hinge.turn), "place": list(self.hinge.place), "shift": list(self.hinge.shift)}
        return {"kind": self.kind, "object_name": self.object_name, "strength": self.strength, "hinge": hinge}

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target that was saved."""
        name = find_object(str(saved["object_name"])).name
        rows = np.array([saved["hinge"][field] for field in ("turn", "place", "shift")], np.float64).reshape(3, 3)
        hinge = Hinge(*map(tuple, rows.tolist()))
        return cls(name, hinge, float(saved["strength"]))

    def summary(self) -> str:
        """Return what follows the jaw."""
        return f"{self.object_name} follows the jaw"

    def coverage(self) -> Coverage:
        """Return that the teeth move."""
        from mouthpiece.retarget.coverage import Coverage

        return Coverage({"teeth": (self.object_name,)})

    @classmethod
    def scope(cls, _saved: Mapping[str, Any]) -> tuple[str, ...]:
        """Return with what the ids of the channels begin that a saved target has."""
        return delta_transforms.SCOPE

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the object, if it has no shape keys of its own."""
        return delta_transforms.owners_without_keys(obj)
