"""Operators of the Health panel: check all lines of a character, and jump to where something was found."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.lint.contacts import counted_contacts, told_contacts
from mouthpiece.phrases import counted

from .. import compat, jobs, scene_settings
from ..bake.lines import dialled_lines
from ..jobs import Working
from ..reports import reports_errors
from ..targets import find_object
from . import faces, health
from .faces import MeasuredFace

#: Seconds of work between two moments at which the interface can react.
_SLICE = 0.15


class MOUTHPIECE_OT_check(Working, bpy.types.Operator):
    """Look at the character on every frame, as Blender shows it, and tell what does not fit its sound."""

    bl_idname = "mouthpiece.check"
    bl_label = "Check"
    bl_description = "Look at the character on every frame, as Blender shows it, and tell what does not fit its sound"
    bl_options = {"REGISTER"}

    _what = "Check"
    _last = MeasuredFace
    _in_thread = False
    _object: str

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active character has lines and no operator is running."""
        if context.window_manager.mouthpiece.running:
            cls.poll_message_set(jobs.BUSY)
            return False
        found = bool(dialled_lines(scene_settings.character(context)))
        if not found:
            cls.poll_message_set("The active character has no line to check: animate it first")
        return found

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Check and wait until it is done: for scripts and background mode."""
        self._wait(context, self._steps(context, None))
        return {"FINISHED"}

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Check in slices while the user interface stays usable."""
        if bpy.app.background:
            return self.execute(context)
        return self._begin(context, self._steps(context, _SLICE))

    def _steps(self, context: bpy.types.Context, slice_seconds: float | None) -> Any:
        obj: Any = scene_settings.character(context)
        self._object = obj.name
        return faces.measured([obj], context.scene, slice_seconds=slice_seconds)

    def _stopped(self) -> str:
        return "Stopped: what was found before stays"

    def _result(self, context: bpy.types.Context, message: MeasuredFace) -> None:
        """Keep what was found, and report how much that is."""
        obj = find_object(self._object)
        found = message.examined()
        health.keep(obj, message, found, whole=True)
        for one in found.findings:
            self.report({"WARNING"}, f"Frame {one.first}: {one.sentence} {one.remedy}")
        for remark in message.remarks:
            self.report({"INFO"}, remark)
        lips = told_contacts(counted_contacts(found.measures))
        if lips:
            self.report({"INFO"}, f"{obj.name}: contacts of the lips: {lips}")
        self.report({"INFO"}, f"{obj.name}: {counted(len(found.findings), 'finding')}")
        compat.redraw(context)


class MOUTHPIECE_OT_jump(bpy.types.Operator):
    """Go to the frame where this was found."""

    bl_idname = "mouthpiece.jump"
    bl_label = "Jump"
    bl_description = "Go to the frame where this was found"
    bl_options = {"REGISTER", "UNDO"}

    frame: bpy.props.IntProperty(name="Frame", description="Frame to go to", options={"SKIP_SAVE"})
    remedy: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """Return the remedy, and where the button leads."""
        return f"{properties.remedy} Go to frame {properties.frame}".strip()

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show the frame."""
        context.scene.frame_set(self.frame)
        return {"FINISHED"}


register, unregister = register_classes_factory((MOUTHPIECE_OT_check, MOUTHPIECE_OT_jump))
