"""The sidebar panel: 3D View > N > Mouthpiece."""

from __future__ import annotations

import textwrap
from typing import Any, Final

import bpy
from bpy.utils import register_classes_factory

from . import compat, properties
from .operators.animate import disabled_reason
from .targets import DRIVABLE, target_for

#: Remarks on the last bake that are shown; all of them are in the Info editor.
_REMARKS: Final = 4
#: Parts of a target's summary that are shown.
_ITEMS: Final = 4
#: Mean width of a letter, in unscaled pixels.
_LETTER: Final = 6.5


class MOUTHPIECE_PT_speech(bpy.types.Panel):
    """Speech to keyframes."""

    bl_label = "Mouthpiece"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mouthpiece"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw sound, character, head, motion, and the button."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.mouthpiece
        running = context.window_manager.mouthpiece.running
        column = layout.column()
        column.enabled = not running
        _draw_sound(column, settings, context)
        _draw_character(column, context)
        _draw_head(column, settings)
        motion = column.column(align=True)
        motion.prop(settings, "strength", slider=True)
        motion.prop(settings, "seed")
        column.prop(settings, "replace_edited")
        _draw_buttons(layout, context)


def _draw_sound(layout: Any, settings: Any, context: bpy.types.Context) -> None:
    layout.row().prop(settings, "source", expand=True)
    if settings.source == "STRIP":
        editor = compat.sequencer_scene(context).sequence_editor
        if editor is not None:
            layout.prop_search(settings, "strip", editor, compat.strips_name(editor), icon="SEQ_SEQUENCER")
        return
    if settings.source == "SOUND":
        layout.template_ID(settings, "sound", open="sound.open")
    else:
        layout.prop(settings, "filepath", text="File")
    layout.prop(settings, "start")


def _draw_character(layout: Any, context: bpy.types.Context) -> None:
    from mouthpiece.errors import RigError

    obj: Any = properties.character(context)
    if obj is None or (obj.type not in DRIVABLE and obj.mouthpiece.target == "AUTO"):
        layout.operator("mouthpiece.add_demo", icon="ADD")
        return
    box = layout.box().column(align=True)
    box.label(text=obj.name, icon="OBJECT_DATA", translate=False)
    box.prop(obj.mouthpiece, "target")
    try:
        target = target_for(obj, 1.0, obj.mouthpiece.target)
    except RigError as error:
        _draw_text(box, str(error), "ERROR", context)
        if obj.type == "MESH" and obj.data.shape_keys is None:
            layout.operator("mouthpiece.add_demo", icon="ADD")
        return
    _draw_text(box, _short(target.summary()), "CHECKMARK", context)
    _draw_also(layout, obj)


def _draw_also(layout: Any, obj: Any) -> None:
    """Draw the objects that play along."""
    column = layout.column(align=True)
    for index, entry in enumerate(obj.mouthpiece.also):
        row = column.row(align=True)
        row.prop(entry, "object", text="Also")
        row.operator("mouthpiece.remove_also", text="", icon="X").index = index
    column.operator("mouthpiece.add_also", icon="ADD")


def _short(text: str) -> str:
    """Return a summary that fits the sidebar: of a long list only the beginning."""
    items = text.split(", ")
    return text if len(items) <= _ITEMS else f"{', '.join(items[:_ITEMS])} and {len(items) - _ITEMS} more"


def _draw_head(layout: Any, settings: Any) -> None:
    column = layout.column()
    column.prop(settings, "head")
    if settings.head == "BONE":
        column.prop(settings, "armature")
        if settings.armature is not None:
            column.prop_search(settings, "bone", settings.armature.data, "bones")
    elif settings.head == "OBJECT":
        column.prop(settings, "head_object")
    if settings.head != "NONE":
        column.prop(settings, "head_translation")
        if settings.head_translation:
            column.prop(settings, "eye_distance")


def _draw_buttons(layout: Any, context: bpy.types.Context) -> None:
    state = context.window_manager.mouthpiece
    if state.running:
        row = layout.row(align=True)
        row.progress(factor=state.progress, text=f"{state.message} {state.progress:.0%}")
        row.operator("mouthpiece.cancel", text="", icon="X")
        return
    reason = disabled_reason(context)
    if reason:
        _draw_text(layout.box(), reason, "INFO", context)
    column = layout.column()
    column.scale_y = 1.4
    column.operator("mouthpiece.animate", icon="PLAY")
    layout.operator("mouthpiece.remove_take", icon="TRASH")
    for remark in state.remarks.splitlines()[:_REMARKS]:
        _draw_text(layout.box(), remark, "ERROR", context)


def _draw_text(layout: Any, text: str, icon: str, context: bpy.types.Context) -> None:
    """Draw a sentence on as many lines as the sidebar's width asks for."""
    width = context.region.width / context.preferences.system.ui_scale
    column = layout.column(align=True)
    for number, line in enumerate(textwrap.wrap(text, max(16, int(width / _LETTER) - 6))):
        column.label(text=line, icon="BLANK1" if number else icon, translate=False)


register, unregister = register_classes_factory((MOUTHPIECE_PT_speech,))
