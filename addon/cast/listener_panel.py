"""The sub-panel for how a character listens to the others of its scene."""

from __future__ import annotations

import bpy
from bpy.utils import register_classes_factory

from ..bake.panel import OfCharacter


class MOUTHPIECE_PT_listeners(OfCharacter, bpy.types.Panel):
    """Whom the character looks at, and how attentive it is."""

    bl_label = "Listening"
    bl_order = 32
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the settings and the button."""
        column, settings = self.column(context)
        column.prop(settings, "listens")
        how = column.column()
        how.active = settings.listens
        how.prop(settings, "looks_at")
        if settings.looks_at == "OBJECT":
            how.prop(settings, "looks_at_object")
        amounts = how.column(align=True)
        amounts.prop(settings, "attention", slider=True)
        amounts.prop(settings, "nods", slider=True)
        column.operator("mouthpiece.update_listeners", icon="FILE_REFRESH")


register, unregister = register_classes_factory((MOUTHPIECE_PT_listeners,))
