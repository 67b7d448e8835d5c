"""The target for portraits: lines are stored with the mesh and rendered as frames, not keyed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import bpy
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted

from ...keys.channels import Line, Written
from .. import Driven, find_object
from ..picture_rig.settings import is_portrait
from . import lines as portrait_lines
from .settings import not_editable

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.coverage import Coverage


@dataclass(frozen=True, slots=True)
class PortraitTarget:
    """The portrait ``object_name``."""

    kind: ClassVar[str] = "PORTRAIT"

    object_name: str
    strength: float = 1.0

    @classmethod
    def claims(cls, obj: bpy.types.Object) -> bool:
        """Return whether the object is a portrait."""
        return is_portrait(obj)

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target; raises RigError if the object is no portrait, or may not be changed."""
        if not is_portrait(obj):
            raise RigError(f"'{obj.name}' is not a portrait. Make one of an image with Add Portrait.")
        reason = not_editable(obj)
        if reason:
            raise RigError(reason)
        return cls(obj.name, strength)

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target for the object that was saved."""
        return cls.of(find_object(str(saved["object_name"])), float(saved["strength"]))

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return no parts to key, and as drawings the note of the line: a bake stores the performance itself."""
        obj = find_object(self.object_name)
        PortraitTarget.of(obj)  # raises RigError if it is no portrait any more
        return Driven((), drawings=portrait_lines.Spoken(obj.data, obj.name))

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs."""
        return {"kind": self.kind, "object_name": self.object_name, "strength": self.strength}

    def summary(self) -> str:
        """Return one line: how many lines the portrait has."""
        spoken = len(portrait_lines.order(find_object(self.object_name).data))
        return f"Portrait: {counted(spoken, 'line')}, rendered as frames" if spoken else "Portrait: says nothing yet"

    def coverage(self) -> Coverage:
        """Return that the whole face moves, as its frames are rendered."""
        from mouthpiece.retarget.coverage import PARTS, Coverage

        return Coverage(dict.fromkeys(PARTS, ("rendered frames",)))

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the mesh."""
        return [obj.data] if is_portrait(obj) else []

    @classmethod
    def has_drawings(cls, owner: bpy.types.ID) -> bool:
        """Return whether a portrait has lines."""
        return portrait_lines.PROPERTY in owner

    @classmethod
    def objection(cls, owner: bpy.types.ID) -> str:
        """Return why what is noted of them cannot be read, as a sentence for people; empty if it can."""
        return portrait_lines.objection(owner)

    @classmethod
    def drawn_lines(cls, owner: bpy.types.ID) -> list[Line]:
        """Return the lines of the portrait."""
        return portrait_lines.order(owner)

    @classmethod
    def erase(cls, owner: bpy.types.ID, undo: ExitStack, sounds: Collection[str] | None = None) -> Written:
        """Delete lines from the list."""
        return portrait_lines.erase(owner, undo, sounds)

    @classmethod
    def rename_line(cls, owner: bpy.types.ID, before: str, now: str, undo: ExitStack) -> None:
        """Note a line under another sound."""
        portrait_lines.rename(owner, before, now, undo)
