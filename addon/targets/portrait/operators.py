"""Operators that add a portrait and preview its frames."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from ... import compat
from ...reports import reports_errors
from ..picture_rig import settings as picture_settings
from ..picture_rig.operators import OfImage
from . import builder as portrait_builder
from . import lines as portrait_lines
from . import preview


class MOUTHPIECE_OT_add_portrait(OfImage, bpy.types.Operator):
    """Add an image whose face can be made to talk, frame by frame."""

    bl_idname = "mouthpiece.add_portrait"
    bl_label = "Add Portrait"
    bl_description = "Add a photo, painting or drawing whose face talks in frames that are rendered of it"
    what = "portrait"
    make = staticmethod(portrait_builder.make)


class MOUTHPIECE_OT_preview_portrait(bpy.types.Operator):
    """Show the frame at the playhead."""

    bl_idname = "mouthpiece.preview_portrait"
    bl_label = "Preview Frame"
    bl_description = "Show the frame at the playhead on the portrait's plane, and wherever its preview is shown"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is a portrait with lines; if not, the reason becomes the poll message."""
        obj = picture_settings.portrait_meant(context.active_object)
        reason = "" if obj is not None else "Click a portrait"
        if obj is not None and not portrait_lines.order(obj.data):
            reason = "Nothing is spoken yet: choose a sound and press Animate"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw the frame."""
        obj: Any = picture_settings.portrait_meant(context.active_object)
        image = preview.preview(obj, context.scene)
        compat.redraw_images(context)
        self.report({"INFO"}, f"Frame {context.scene.frame_current} is in the image '{image.name}'")
        return {"FINISHED"}


class MOUTHPIECE_OT_open_portrait_preview(bpy.types.Operator):
    """Show the preview in an Image editor."""

    bl_idname = "mouthpiece.open_portrait_preview"
    bl_label = "Preview in Image Editor"
    bl_description = "Draw the frame at the playhead and show it in the Image editors that are open, or in a new window"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a frame can be previewed."""
        return MOUTHPIECE_OT_preview_portrait.poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw the frame and show it in all Image editors, opening a window if there is none."""
        if bpy.ops.mouthpiece.preview_portrait() != {"FINISHED"}:
            return {"CANCELLED"}
        obj: Any = picture_settings.portrait_meant(context.active_object)
        editors = [a for w in context.window_manager.windows for a in w.screen.areas if a.type == "IMAGE_EDITOR"]
        if not editors and not bpy.app.background:
            bpy.ops.wm.window_new()
            area = context.window_manager.windows[-1].screen.areas[0]
            area.type = "IMAGE_EDITOR"
            editors = [area]
        for area in editors:
            area.spaces.active.image = obj.mouthpiece_portrait.preview
        return {"FINISHED"}


def _menu(self: Any, context: bpy.types.Context) -> None:
    """Draw the menu entry."""
    self.layout.operator(MOUTHPIECE_OT_add_portrait.bl_idname, text="Talking Portrait (Mouthpiece)", icon="IMAGE_DATA")


_register, _unregister = register_classes_factory(
    (MOUTHPIECE_OT_add_portrait, MOUTHPIECE_OT_preview_portrait, MOUTHPIECE_OT_open_portrait_preview)
)


def register() -> None:
    """Register the operators and add portraits to the menu Add > Image."""
    _register()
    bpy.types.VIEW3D_MT_image_add.append(_menu)


def unregister() -> None:
    """Remove the menu entry and unregister the operators."""
    bpy.types.VIEW3D_MT_image_add.remove(_menu)
    _unregister()
