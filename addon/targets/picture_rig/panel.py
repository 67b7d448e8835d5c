"""Sub-panel of the sidebar for picture rigs."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from ... import scene_settings
from ...sub_panels import SubPanel
from . import landmarks as rig_landmarks
from .settings import face_meant, is_rig, rig_meant


class MOUTHPIECE_PT_picture(SubPanel, bpy.types.Panel):
    """Button that makes a picture rig, and the landmarks of a rig."""

    bl_label = "Picture Rig"
    bl_order = 6

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a picture rig, or has no target yet."""
        obj = context.active_object
        return obj is None or is_rig(face_meant(obj)) or (face_meant(obj) is None and not scene_settings.kind_of(obj))

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the button that makes a rig; for a rig, also its picture and its landmark buttons."""
        layout = self.layout
        rig = rig_meant(context.active_object)
        layout.operator("mouthpiece.make_picture_rig", icon="IMAGE_DATA")
        if rig is None:
            return
        layout.template_ID(rig.mouthpiece_picture, "image", open="image.open")
        draw_landmarks(layout, rig)


def draw_landmarks(layout: Any, obj: Any) -> None:
    """Draw the buttons for the landmarks of a picture rig or portrait."""
    if obj.mouthpiece_picture.found:
        layout.label(text=obj.mouthpiece_picture.found, icon="INFO")
    column = layout.column(align=True)
    column.operator("mouthpiece.place_landmarks", icon="CURSOR")
    column.operator("mouthpiece.edit_landmarks", icon="EDITMODE_HLT")
    row = column.row(align=True)
    row.enabled = rig_landmarks.editor_of(obj) is not None
    row.operator("mouthpiece.apply_landmarks", icon="CHECKMARK")
    column.operator_menu_enum("mouthpiece.mirror_landmarks", "keep", icon="MOD_MIRROR")
    row = layout.row(align=True)
    row.operator("mouthpiece.load_landmarks", text="Load", icon="IMPORT")
    row.operator("mouthpiece.save_landmarks", text="Save", icon="EXPORT")


register, unregister = register_classes_factory((MOUTHPIECE_PT_picture,))
