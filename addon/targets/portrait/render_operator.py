"""Render Portrait: frames and films, beside the user interface or waited for; stopped at any time, and gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty
from bpy.utils import register_classes_factory

from ... import compat
from ...jobs import Failed, Finished, Working
from ..picture_rig import settings as picture_settings
from . import placement, render_setup
from .render import Asked, Rendering

if TYPE_CHECKING:
    from mouthpiece.portrait.film_job import PortraitMade


class MOUTHPIECE_OT_render_portrait(Working, bpy.types.Operator):
    """Render the portrait's lines to frames or a film."""

    bl_idname = "mouthpiece.render_portrait"
    bl_label = "Render Portrait"
    bl_description = "Render what the portrait says. Esc stops; rendering again goes on from there"
    bl_options = {"UNDO"}  # no REGISTER: the panel to adjust it would render again

    replace: BoolProperty(
        name="Replace", description="Replace a film or frames that are there already", options={"SKIP_SAVE"}
    )

    _rendering: Rendering
    _name: str
    _what = "Portrait"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say why not."""
        reason = render_setup.disabled_reason(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Render and wait for it: scripts and background."""
        from mouthpiece.errors import MouthpieceError
        from mouthpiece.portrait.film_job import PortraitMade

        try:
            self._set_up(context)
            for message in self._rendering.steps():
                if isinstance(message, Asked):
                    message.answer()
                elif isinstance(message, PortraitMade):
                    self._end(context, message)
                else:
                    self._show(context, message)
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            compat.set_status(context, None)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Render in the background of the user interface; ask first if something is in the way."""
        from mouthpiece.errors import MouthpieceError

        if bpy.app.background:
            return self.execute(context)
        context.window_manager.mouthpiece.remarks = ""
        try:
            self._set_up(context)
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        refused = "" if self.replace else self._rendering.job.objection()
        if refused:
            bpy.ops.mouthpiece.replace_portrait("INVOKE_DEFAULT", what=refused)
            return {"CANCELLED"}
        return self._begin(context, self._rendering.steps())

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Look at what the worker has sent; Esc stops it."""
        from mouthpiece.portrait.film_job import PortraitMade

        if event.type == "ESC" or context.window_manager.mouthpiece.cancelled:
            self.cancel(context)
            self.report({"WARNING"}, f"Stopped.{self._rendering.resuming()}")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        for message in self._job.messages():
            if isinstance(message, Asked):
                message.answer()
            elif isinstance(message, (PortraitMade, Failed)):
                self._put_away(context)
                return self._finish(context, message)
            elif not isinstance(message, Finished):
                self._show(context, message)
        return {"RUNNING_MODAL"}

    def _set_up(self, context: bpy.types.Context) -> None:
        obj: Any = picture_settings.portrait_meant(context.active_object)
        self._name = obj.name
        wish = render_setup.RenderWish(replaces=self.replace)
        self._rendering, remarks = render_setup.rendering_of(obj, context.scene, wish)
        for remark in remarks:
            self._warn(context, remark)

    def _finish(self, context: bpy.types.Context, message: PortraitMade | Failed) -> set[str]:
        from mouthpiece.errors import MouthpieceError
        from mouthpiece.provenance.sequences import InTheWay

        if isinstance(message, Failed) and isinstance(message.error, InTheWay):  # the glance before had missed it
            bpy.ops.mouthpiece.replace_portrait("INVOKE_DEFAULT", what=message.error.what)
            return {"CANCELLED"}
        try:
            if isinstance(message, Failed):
                raise message.error
            self._end(context, message)
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def _end(self, context: bpy.types.Context, done: PortraitMade) -> None:
        """Put what was rendered where it is wanted, and tell."""
        from .. import find_object

        first, last, count = self._rendering.first, self._rendering.last, self._rendering.count
        for remark in placement.place(find_object(self._name), context, done, first, last):
            self._warn(context, remark)
        kept = f", {count - done.rendered} of them there before" if done.rendered < count else ""
        self.report({"INFO"}, f"{count} frames of {done.size[0]} x {done.size[1]}{kept}: {done.path}")
        compat.redraw_images(context)


class MOUTHPIECE_OT_replace_portrait(bpy.types.Operator):
    """Ask whether a film or frames may be replaced, and render if they may."""

    bl_idname = "mouthpiece.replace_portrait"
    bl_label = "Replace What Is There?"
    bl_description = "Render, and replace a film or frames that are there already"
    bl_options = {"INTERNAL"}

    what: bpy.props.StringProperty(options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask."""
        return context.window_manager.invoke_props_dialog(self, width=460)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what is in the way."""
        from ... import paragraphs

        paragraphs.draw(self.layout, f"{self.what}. It will be replaced.", "ERROR", context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Render."""
        return bpy.ops.mouthpiece.render_portrait("INVOKE_DEFAULT", replace=True)


register, unregister = register_classes_factory((MOUTHPIECE_OT_render_portrait, MOUTHPIECE_OT_replace_portrait))
