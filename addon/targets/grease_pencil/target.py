"""The target for drawn faces of Grease Pencil: strokes are warped into new drawings on the face's own layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import bpy
import numpy as np
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted

from ...keys import notes
from ...keys.channels import Line, Written
from .. import Driven, find_object
from . import handles, ledgers, mouth_check, planes, written_lines
from . import settings as drawing_settings
from .drawings import Show
from .layer_plan import own_checksums

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.coverage import Coverage

#: If motion was held back on more than this share of the frames, the warning gives advice.
_FEW: Final = 0.1


@dataclass(frozen=True, slots=True)
class StrokesTarget:
    """The drawn face ``object_name``; timing, layers and handles are read from its settings when it is driven."""

    object_name: str
    strength: float = 1.0
    kind: ClassVar[str] = "STROKES"

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for a Grease Pencil whose face has handles; raises RigError for any other object."""
        if obj.type != "GREASEPENCIL":
            raise RigError(f"'{obj.name}' is no Grease Pencil ({obj.type.replace('_', ' ').title()}). Click a drawing.")
        reason = handles.missing(obj) or written_lines.not_drawable(obj)
        if reason:
            raise RigError(reason)
        return cls(obj.name, strength)

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target for the object that was saved."""
        return cls.of(find_object(str(saved["object_name"])), float(saved["strength"]))

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs; everything else is read from the object's settings."""
        return {"kind": self.kind, "object_name": self.object_name, "strength": self.strength}

    def summary(self) -> str:
        """Return one line: how many layers move, and the timing."""
        obj = find_object(self.object_name)
        count = sum(not written_lines.is_locked(layer) for layer, _ in drawing_settings.parts_of(obj))
        timing = {name: label for name, label, _ in drawing_settings.TIMINGS}[obj.mouthpiece_strokes.timing]
        return f"Drawn face: {count} of {counted(len(obj.data.layers), 'layer')}, {timing.lower()}"

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return the drawings that a performance gives, and a warning if motion was held back."""
        obj = find_object(self.object_name)
        reason = written_lines.not_drawable(obj)
        if reason:
            raise RigError(reason)
        hardly = mouth_check.warning(obj)
        count = len(grid.frames)
        show, folds = shown(obj, performance, grid, self.strength)
        driven = Driven(
            (), drawings=written_lines.FaceDrawings(obj.data, obj.name, show, obj.mouthpiece_strokes.own == "WARP")
        )
        if hardly:
            driven.warnings.append(hardly)
        if folds:
            more = " Lower Strength, or give the features more room with the handles." if folds > _FEW * count else ""
            driven.warnings.append(
                f"On {folds} of {counted(count, 'frame')} motion was held back lest the drawing fold over itself.{more}"
            )
        return driven

    def coverage(self) -> Coverage:
        """Return which parts of the face are drawn where its handles are; the mouth only if its line would open."""
        return mouth_check.looked_at(find_object(self.object_name))[0]

    @classmethod
    def form(cls, obj: bpy.types.Object) -> str:
        """Return what of a drawn face decides how it is warped: the user's own drawings, and the handles on them."""
        ledger = ledgers.read(obj.data)
        own = {layer.name: own_checksums(layer, ledger) for layer in obj.data.layers}
        return repr((own, handles.read(obj).round(4).tolist()))

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the Grease Pencil."""
        return [obj.data] if obj.type == "GREASEPENCIL" else []

    @classmethod
    def has_drawings(cls, owner: bpy.types.ID) -> bool:
        """Return whether lines are drawn in a data-block."""
        return ledgers.PROPERTY in owner

    @classmethod
    def objection(cls, owner: bpy.types.ID) -> str:
        """Return why what is noted of them cannot be read, as a sentence for people; empty if it can."""
        return ledgers.objection(owner)

    @classmethod
    def drawn_lines(cls, owner: bpy.types.ID) -> list[Line]:
        """Return the lines that are drawn."""
        return [Line(line.sound, line.first, line.last) for line in ledgers.read(owner).lines]

    @classmethod
    def erase(cls, owner: bpy.types.ID, undo: ExitStack, sounds: Collection[str] | None = None) -> Written:
        """Remove the drawings that Mouthpiece made, all or those of some lines."""
        users = [obj for obj in bpy.data.objects if obj.data == owner]
        warp_own = any(obj.mouthpiece_strokes.own == "WARP" for obj in users)
        if sounds is None:
            return written_lines.erase(owner, warp_own, undo)
        return written_lines.erase_lines(owner, sounds, warp_own, undo)

    @classmethod
    def rename_line(cls, owner: bpy.types.ID, before: str, now: str, undo: ExitStack) -> None:
        """Note a line under another sound."""
        undo.callback(ledgers.restore, owner, notes.value_of(owner, ledgers.PROPERTY))
        ledger = ledgers.read(owner)
        for line in ledger.lines:
            line.sound = now if line.sound == before else line.sound
        ledgers.write(owner, ledger)


def shown(obj: bpy.types.Object, performance: Performance, grid: FrameGrid, strength: float) -> tuple[Show, int]:
    """Return what a face shows on each frame of a grid, and on how many frames motion was held back from folding it."""
    from mouthpiece.retarget.drawing.face import DrawnFace, follow
    from mouthpiece.retarget.drawing.strokes import DrawnPuppet
    from mouthpiece.retarget.drawing.timing import held

    chosen = obj.mouthpiece_strokes
    face = DrawnFace.of(handles.read(obj), performance.neutral, chosen.mouth.lower())
    puppet = DrawnPuppet.of(face)
    motion, done = puppet.repaired(follow(face, performance, grid.times, strength))
    change = chosen.change if chosen.timing == "CHANGE" else 0.0
    holds = held(face, motion, chosen.head, drawing_settings.STEPS[chosen.timing], change)
    starts = (grid.first + holds.starts).tolist()
    plane = planes.from_numbers(chosen.plane)
    inside = -1 if chosen.inside is None else obj.data.materials.find(chosen.inside.name)
    show = Show(puppet, plane, motion, starts, np.asarray(holds.poses).tolist(), chosen.head, inside)
    return show, done.frames
