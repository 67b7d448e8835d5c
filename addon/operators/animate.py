"""Bake speech onto the active character, stop doing so, and take it off again."""

from __future__ import annotations

import bpy
from bpy.utils import register_classes_factory

from .. import compat, portrait_preview, properties
from ..bake import Bake, Heard, Report
from ..jobs import Failed, Finished
from ..keys import writer
from ..targets import find_object
from .working import Working


def disabled_reason(context: bpy.types.Context) -> str:
    """Return why nothing can be baked now; empty if it can. Cheap: targets are asked, no sound is opened."""
    if context.window_manager.mouthpiece.running:
        return "A bake is under way"
    from mouthpiece.errors import RigError

    try:
        properties.targets_of(properties.character(context), 1.0)
    except RigError as error:
        return str(error)
    return _sound_missing(context)


def _sound_missing(context: bpy.types.Context) -> str:
    settings = context.scene.mouthpiece
    if settings.source == "FILE":
        return "" if settings.filepath else "Choose a sound file"
    if settings.source == "SOUND":
        return "" if settings.sound else "Choose a sound"
    strips = compat.all_strips(compat.sequencer_scene(context))
    return "" if any(strip.type == "SOUND" for strip in strips) else "Add a sound strip to the sequencer"


class MOUTHPIECE_OT_animate(Working, bpy.types.Operator):
    """Turn speech into keyframes on the active character."""

    bl_idname = "mouthpiece.animate"
    bl_label = "Animate"
    bl_description = "Turn speech into keyframes on the active character"
    bl_options = {"REGISTER", "UNDO"}

    _bake: Bake

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say why not."""
        reason = disabled_reason(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Bake and wait for it: scripts and background."""
        from mouthpiece.errors import MouthpieceError

        try:
            bake = properties.bake_of(context)
            for message in bake.steps():
                if isinstance(message, Heard):
                    self._tell(context, bake.write(message))
                else:
                    self._show(context, message)
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            compat.set_status(context, None)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Bake in the background of the user interface."""
        from mouthpiece.errors import MouthpieceError

        if bpy.app.background:
            return self.execute(context)
        try:
            self._bake = properties.bake_of(context)
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        context.window_manager.mouthpiece.remarks = ""
        return self._begin(context, self._bake.steps())

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Look at what the worker has sent; Esc stops it."""
        if event.type == "ESC" or context.window_manager.mouthpiece.cancelled:
            self.cancel(context)
            self.report({"WARNING"}, "Stopped: nothing was keyed")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        for message in self._job.messages():
            if isinstance(message, (Heard, Failed)):
                self._put_away(context)
                return self._end(context, message)
            if not isinstance(message, Finished):
                self._show(context, message)
        return {"RUNNING_MODAL"}

    def _end(self, context: bpy.types.Context, message: Heard | Failed) -> set[str]:
        from mouthpiece.errors import MouthpieceError

        try:
            if isinstance(message, Failed):
                raise message.error
            self._tell(context, self._bake.write(message))
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def _tell(self, context: bpy.types.Context, report: Report) -> None:
        for warning in report.warnings:
            self._warn(context, warning)
        self.report({"INFO"}, report.summary())
        portrait_preview.changed(find_object(report.object))
        compat.redraw(context)


class MOUTHPIECE_OT_cancel(bpy.types.Operator):
    """Stop what is under way: nothing is keyed, and frames rendered so far stay."""

    bl_idname = "mouthpiece.cancel"
    bl_label = "Cancel"
    bl_description = "Stop what is under way: nothing is keyed, and frames rendered so far stay"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be one."""
        return bool(context.window_manager.mouthpiece.running)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Leave word for the operator that runs it."""
        context.window_manager.mouthpiece.cancelled = True
        return {"FINISHED"}


class MOUTHPIECE_OT_remove_take(bpy.types.Operator):
    """Take all of Mouthpiece's keys off the character and its head; keys of your own stay."""

    bl_idname = "mouthpiece.remove_take"
    bl_label = "Remove Take"
    bl_description = "Take all of Mouthpiece's keys off the character and its head; keys of your own stay"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be a take."""
        found = any(map(writer.has_takes, properties.owners(context)))
        if not found:
            cls.poll_message_set("The active character carries no take")
        return found and not context.window_manager.mouthpiece.running

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove them."""
        from mouthpiece.errors import MouthpieceError

        try:
            gone = writer.remove(properties.owners(context), context.scene.mouthpiece.replace_edited)
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if gone.kept:
            self.report({"WARNING"}, f"{len(gone.kept)} channels were edited since and are yours now")
        self.report({"INFO"}, f"{gone.keys:,} keys removed from {gone.channels} channels")
        return {"FINISHED"}


def _draw_menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Make the operators searchable: menus are what the search looks through."""
    self.layout.separator()
    self.layout.operator(MOUTHPIECE_OT_animate.bl_idname, text="Animate Speech")
    self.layout.operator(MOUTHPIECE_OT_remove_take.bl_idname, text="Remove Speech Take")


_register_classes, _unregister_classes = register_classes_factory(
    (MOUTHPIECE_OT_animate, MOUTHPIECE_OT_cancel, MOUTHPIECE_OT_remove_take)
)


def register() -> None:
    """Add the operators, and put them into Object > Animation."""
    _register_classes()
    bpy.types.VIEW3D_MT_object_animation.append(_draw_menu)


def unregister() -> None:
    """Take them away again."""
    bpy.types.VIEW3D_MT_object_animation.remove(_draw_menu)
    _unregister_classes()
