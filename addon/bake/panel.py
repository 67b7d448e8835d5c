"""Sub-panels of the sidebar for style and emotion, and for adjusting lines."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.errors import RigError

from .. import paragraphs, scene_settings
from ..sub_panels import SubPanel
from . import redial

#: Amount -> the part of the face it is about, where a character may lack it.
_PARTS: Final = {"tongue": "tongue", "brows": "brows", "blink": "lids", "gaze": "gaze", "head": "head"}


class OfCharacter(SubPanel):
    """Mixin for sub-panels of the Mouthpiece panel that show settings of the active character."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a character that can be animated, or was."""
        obj: Any = scene_settings.character(context)
        return obj is not None and bool(scene_settings.kind_of(obj) or redial.dialled_lines(obj))

    def column(self: Any, context: bpy.types.Context) -> tuple[Any, Any]:
        """Return the layout column to draw into, and the character's settings."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.enabled = not context.window_manager.mouthpiece.running
        character: Any = scene_settings.character(context)
        return column, character.mouthpiece


class MOUTHPIECE_PT_style(OfCharacter, bpy.types.Panel):
    """Style and emotion of the character."""

    bl_label = "Style & Emotion"
    bl_order = 30

    def draw(self, context: bpy.types.Context) -> None:
        """Draw style and emotion."""
        column, settings = self.column(context)
        column.prop(settings, "style")
        if settings.style == "SOUND":
            column.prop(settings, "style_sound")
        if settings.style == "FILE":
            column.prop(settings, "style_file")
        column.prop(settings, "style_blend", slider=True)
        column.prop(settings, "actor")
        row = column.row(align=True)
        row.operator("mouthpiece.fit_actor", icon="FILE_TICK")
        row.operator("mouthpiece.fit_actor_to_keys", text="", icon="RESTRICT_SELECT_OFF")
        column.separator()
        column.prop(settings, "emotion")
        row = column.row()
        row.active = settings.emotion != "NEUTRAL"
        row.prop(settings, "intensity", slider=True)


class MOUTHPIECE_PT_dials(OfCharacter, bpy.types.Panel):
    """Amounts by which the character's lines are adjusted: dials, as the code calls them."""

    bl_label = "Adjust"
    bl_order = 31

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the amounts, and how lines are updated with them."""
        column, settings = self.column(context)
        amounts = column.column(align=True)
        lacking = _lacking(context)
        for name in ("lips", "jaw", "articulation", "tongue", "brows", "blink", "gaze", "expression", "head"):
            if name not in lacking:
                amounts.prop(settings, name, slider=True)
        column.prop(settings, "smoothing", slider=True)
        column.prop(settings, "offset")
        between = column.column(align=True)
        between.label(text="Between Lines")
        between.prop(settings, "rest", slider=True)
        row = between.row()
        row.active = settings.rest > 0
        row.prop(settings, "life", slider=True)
        found = redial.dialled_lines(scene_settings.character(context))
        box = column.column()
        box.active = bool(found)
        box.prop(settings, "live")
        if len(found) > 1:
            box.prop(settings, "scope")
            box.operator("mouthpiece.take_over_dials", icon="EYEDROPPER")
        row = column.row(align=True)
        row.operator("mouthpiece.redial", icon="FILE_REFRESH")
        row.operator("mouthpiece.reset_dials", text="", icon="LOOP_BACK")
        draw_kept(column, context, again=True)


def _lacking(context: bpy.types.Context) -> set[str]:
    """Return the amounts that are about a part of the face which the character lacks."""
    try:
        moved = scene_settings.coverage(context)
    except RigError:  # what is wrong is told above
        return set()
    return {name for name, part in _PARTS.items() if not moved.has(part)}


def draw_kept(layout: Any, context: bpy.types.Context, again: bool) -> None:
    """Draw which channels did not follow when the character was animated, or updated (``again``), and the way out."""
    state: Any = context.window_manager.mouthpiece
    obj = scene_settings.character(context)
    if not state.kept or state.kept_again != again or obj is None or obj.name != state.kept_of:
        return
    box = layout.box().column()
    for sentence in state.kept.splitlines():
        paragraphs.draw(box, sentence, "INFO", context)
    if state.kept_edits:
        box.operator("mouthpiece.keep_edits", icon="NLA")


register, unregister = register_classes_factory((MOUTHPIECE_PT_style, MOUTHPIECE_PT_dials))
