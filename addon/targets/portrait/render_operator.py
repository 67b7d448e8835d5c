"""Render Portrait: frames and films, beside the user interface or waited for; stopped at any time, and gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty
from bpy.utils import register_classes_factory
from mouthpiece.phrases import as_text, counted

from ... import compat, paragraphs
from ...jobs import Working
from ...reports import reports_errors
from .. import find_object
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

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Render and wait for it: scripts and background."""
        self._set_up(context)
        self._wait(context, self._rendering.steps())
        return {"FINISHED"}

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Render in the background of the user interface; ask first if something is in the way."""
        if bpy.app.background:
            return self.execute(context)
        state = context.window_manager.mouthpiece
        state.remarks, state.remarks_of = "", ""
        self._set_up(context)
        refused = "" if self.replace else self._rendering.job.objection()
        if refused:
            bpy.ops.mouthpiece.replace_portrait("INVOKE_DEFAULT", what=refused)
            return {"CANCELLED"}
        return self._begin(context, self._rendering.steps())

    def _stopped(self) -> str:
        """Return what to say when the rendering was stopped."""
        return f"Stopped.{self._rendering.resuming()}"

    def _failed(self, context: bpy.types.Context, error: BaseException) -> set[str]:
        """Ask whether to replace what the worker found in the way, which the glance before had missed."""
        from mouthpiece.provenance.sequences import InTheWay

        if not isinstance(error, InTheWay):
            raise error
        bpy.ops.mouthpiece.replace_portrait("INVOKE_DEFAULT", what=error.what)
        return {"CANCELLED"}

    def _result(self, context: bpy.types.Context, message: Asked | PortraitMade) -> None:
        """Encode a film that only the main thread can; put what was rendered where it is wanted, and report."""
        if isinstance(message, Asked):
            message.answer()
            return
        first, last, count = self._rendering.first, self._rendering.last, self._rendering.count
        for remark in placement.place(find_object(self._name), context, message, first, last):
            self._warn(context, remark)
        kept = f", {count - message.rendered} of them there before" if message.rendered < count else ""
        size = "{} x {}".format(*message.size)
        self.report({"INFO"}, as_text(f"{counted(count, 'frame')} of {size}{kept}: {message.path}"))
        compat.redraw_images(context)

    def _set_up(self, context: bpy.types.Context) -> None:
        from mouthpiece.portrait.film_job import PortraitMade  # heavy: not at Blender's start

        self._last = PortraitMade
        obj: Any = picture_settings.portrait_meant(context.active_object)
        self._name = obj.name
        wish = render_setup.RenderWish(replaces=self.replace)
        self._rendering, remarks = render_setup.rendering_of(obj, context.scene, wish)
        for remark in remarks:
            self._warn(context, remark)


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
        paragraphs.draw(self.layout, f"{self.what}. It will be replaced.", "ERROR", context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Render."""
        return bpy.ops.mouthpiece.render_portrait("INVOKE_DEFAULT", replace=True)


register, unregister = register_classes_factory((MOUTHPIECE_OT_render_portrait, MOUTHPIECE_OT_replace_portrait))
