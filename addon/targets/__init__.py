"""What a performance can drive. A target is a snapshot: it can be made, kept while work runs, and asked again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import bpy

from ..planning import Part

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance

    from .shape_keys import ShapeKeyTarget


@dataclass(slots=True)
class Driven:
    """Curves for one data-block, and remarks: frames clamped by channel, warnings."""

    part: Part
    clamped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Target(Protocol):
    """Something of a scene that a performance drives."""

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return the curves for ``performance`` on ``grid``, changing nothing.

        Raises RigError if what the snapshot was made of is gone or may no longer be edited.
        """
        ...


def target_for(obj: bpy.types.Object | None, strength: float = 1.0) -> ShapeKeyTarget:
    """Return the target that plays the face of ``obj``; RigError says why there is none."""
    from mouthpiece.errors import RigError

    from .shape_keys import ShapeKeyTarget

    if obj is None:
        raise RigError("No character is active. Click a mesh with shape keys.")
    if obj.type != "MESH":
        raise RigError(f"'{obj.name}' is not a mesh ({obj.type.title()}). Click the mesh with the shape keys.")
    return ShapeKeyTarget.of(obj, strength)


def find_object(name: str) -> bpy.types.Object:
    """Return the object called ``name``, a local one before a linked one; RigError if there is none."""
    from mouthpiece.errors import RigError

    obj = bpy.data.objects.get((name, None)) or bpy.data.objects.get(name)
    if obj is None:
        raise RigError(f"There is no object '{name}'. It may have been deleted or renamed.")
    return obj
