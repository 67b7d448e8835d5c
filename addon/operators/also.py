"""Further objects that play a character's performance: teeth, tongue, lashes."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from .. import properties
from ..targets import target_for


class MOUTHPIECE_OT_add_also(bpy.types.Operator):
    """Let the other selected objects play the active character's performance as well."""

    bl_idname = "mouthpiece.add_also"
    bl_label = "Add Selected"
    bl_description = "Let the other selected objects (teeth, tongue, lashes) play the character's performance as well"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be another selected object."""
        obj = properties.character(context)
        found = obj is not None and any(other != obj for other in context.selected_objects)
        if not found:
            cls.poll_message_set("Select the other objects, and the character last")
        return found

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add them, each once; what cannot play is refused."""
        from mouthpiece.errors import RigError

        obj: Any = properties.character(context)
        known = properties.also(obj)
        for other in context.selected_objects:
            if other == obj or other in known:
                continue
            try:
                target_for(other, 1.0, other.mouthpiece.target)
            except RigError as error:
                self.report({"WARNING"}, f"'{other.name}' is left out: {error}")
                continue
            obj.mouthpiece.also.add().object = other
        return {"FINISHED"}


class MOUTHPIECE_OT_remove_also(bpy.types.Operator):
    """Let an object no longer play along; keys it has stay."""

    bl_idname = "mouthpiece.remove_also"
    bl_label = "Remove"
    bl_description = "Let the object no longer play along. Keys it has stay: remove the take first if they are to go"
    bl_options = {"REGISTER", "UNDO"}

    index: bpy.props.IntProperty(name="Index", min=0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Take it off the list."""
        obj = properties.character(context)
        if obj is None or self.index >= len(obj.mouthpiece.also):
            self.report({"ERROR"}, "There is no such object on the list")
            return {"CANCELLED"}
        obj.mouthpiece.also.remove(self.index)
        return {"FINISHED"}


register, unregister = register_classes_factory((MOUTHPIECE_OT_add_also, MOUTHPIECE_OT_remove_also))
