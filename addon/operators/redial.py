"""Dial a character's lines again, put its dials back, or set them as a line has them."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from .. import compat, dials, portrait_preview, properties, redialling
from . import layers


class _OnLines:
    """Needs a character with a line that can be dialled."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be a line."""
        found = bool(redialling.dialled_lines(properties.character(context)))
        if not found:
            cls.poll_message_set("The active character carries no line that can be dialled")  # type: ignore[attr-defined]
        return found and not context.window_manager.mouthpiece.running


class MOUTHPIECE_OT_redial(_OnLines, bpy.types.Operator):
    """Give the character's lines the dials as they are set now; no network runs."""

    bl_idname = "mouthpiece.redial"
    bl_label = "Apply Dials"
    bl_description = "Give the character's lines the dials as they are set now; no network runs, your own keys stay"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Dial."""
        from mouthpiece.errors import MouthpieceError

        obj: Any = properties.character(context)
        settings = obj.mouthpiece
        try:
            done = redialling.redial(
                obj,
                dials.dials_of(settings),
                dials.playhead(settings, context.scene),
                context.scene.mouthpiece.replace_edited,
            )
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for warning in done.warnings:
            self.report({"WARNING"}, warning)
        if done.kept:
            self.report({"WARNING"}, f"{len(done.kept)} channels are locked or were edited since, and stay as they are")
        self.report({"INFO"}, f"{done.keys:,} keys dialled on {done.channels} channels of {obj.name}")
        portrait_preview.changed(obj)
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_reset_dials(bpy.types.Operator):
    """Put the dials and the emotion back; the style stays."""

    bl_idname = "mouthpiece.reset_dials"
    bl_label = "Reset Dials"
    bl_description = "Put the dials and the emotion back to where they do nothing; the style stays"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be a character."""
        return properties.character(context) is not None and not context.window_manager.mouthpiece.running

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put them back, and dial if dials are live."""
        obj: Any = properties.character(context)
        dials.take_over(obj.mouthpiece, {})
        if obj.mouthpiece.live and redialling.dialled_lines(obj):
            return bpy.ops.mouthpiece.redial()
        return {"FINISHED"}


class MOUTHPIECE_OT_take_over_dials(_OnLines, bpy.types.Operator):
    """Set the dials as the line at the playhead has them."""

    bl_idname = "mouthpiece.take_over_dials"
    bl_label = "Dials from Line"
    bl_description = "Set the dials as the line at the playhead has them (or the first, if none is heard there)"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set them."""
        from mouthpiece.errors import MouthpieceError

        obj: Any = properties.character(context)
        found = redialling.dialled_lines(obj, context.scene.frame_current) or redialling.dialled_lines(obj)
        try:
            dials.take_over(obj.mouthpiece, dict(found[0].dials))
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Dials as of {found[0].label}")
        return {"FINISHED"}


register, unregister = register_classes_factory(
    (MOUTHPIECE_OT_redial, MOUTHPIECE_OT_reset_dials, MOUTHPIECE_OT_take_over_dials, *layers.CLASSES)
)
