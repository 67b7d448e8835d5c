"""Sub-panel of the sidebar for picture rigs."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from ... import paragraphs
from ...sub_panels import SubPanel
from . import landmarks as rig_landmarks
from .settings import rig_meant


class MOUTHPIECE_PT_picture(SubPanel, bpy.types.Panel):
    """Picture and landmarks of a picture rig."""

    bl_label = "Picture Rig"
    bl_order = 6

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a picture rig."""
        return rig_meant(context.active_object) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Draw its picture and its landmark buttons."""
        layout = self.layout
        rig: Any = rig_meant(context.active_object)
        layout.template_ID(rig.mouthpiece_picture, "image", open="image.open")
        draw_landmarks(layout, rig, context)


def draw_landmarks(layout: Any, obj: Any, context: bpy.types.Context) -> None:
    """Draw the buttons for the landmarks of a picture rig or portrait."""
    if obj.mouthpiece_picture.found:
        paragraphs.draw(layout, obj.mouthpiece_picture.found, "INFO", context)
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
