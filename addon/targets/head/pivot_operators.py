"""Operators for head motion: set the pivot."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from ... import scene_settings
from . import settings as head_settings


class MOUTHPIECE_OT_pivot_from_cursor(bpy.types.Operator):
    """Let the head turn about the place where the 3D cursor is now."""

    bl_idname = "mouthpiece.pivot_from_cursor"
    bl_label = "Pivot from 3D Cursor"
    bl_description = "Let the head turn about the place where the 3D cursor is now"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether an object turns with the active character's head."""
        obj: Any = scene_settings.character(context)
        found = obj is not None and obj.mouthpiece_head.turns == "OBJECT" and head_settings.object_of(obj) is not None
        if not found:
            cls.poll_message_set("Choose an object that turns with the head first")
        return found

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Note the cursor's place in the space of the object that turns."""
        obj: Any = scene_settings.character(context)
        turned = head_settings.object_of(obj)
        assert turned is not None  # see poll
        head = obj.mouthpiece_head
        head.pivot_place = turned.matrix_world.inverted_safe() @ context.scene.cursor.location
        head.pivot = "PLACE"
        return {"FINISHED"}


register, unregister = register_classes_factory((MOUTHPIECE_OT_pivot_from_cursor,))
