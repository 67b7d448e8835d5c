"""The sidebar panel: 3D View > N > Mouthpiece."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.utils import register_classes_factory

from . import compat, paragraphs, properties
from .bake.operators import disabled_reason
from .targets import DRIVABLE, target_for

#: Remarks on the last bake that are shown; all of them are in the Info editor.
_REMARKS: Final = 4
#: Parts of a target's summary that are shown.
_ITEMS: Final = 4


class MOUTHPIECE_PT_speech(bpy.types.Panel):
    """Speech to keyframes."""

    bl_label = "Mouthpiece"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mouthpiece"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw sound, character and the buttons; everything else is in sub-panels."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.mouthpiece
        running = context.window_manager.mouthpiece.running
        column = layout.column()
        column.enabled = not running
        _draw_sound(column, settings, context)
        told = _draw_character(column, context)
        _draw_buttons(layout, context, told)


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


def _draw_character(layout: Any, context: bpy.types.Context) -> str:
    """Draw who is animated and by what; return what is wrong with that, if anything."""
    from mouthpiece.errors import RigError

    obj: Any = properties.character(context)
    if obj is None or (obj.type not in DRIVABLE and obj.mouthpiece.target == "AUTO"):
        _draw_beginnings(layout)
        return ""
    box = layout.box().column(align=True)
    box.label(text=obj.name, icon="OBJECT_DATA", translate=False)
    box.prop(obj.mouthpiece, "target")
    try:
        target = target_for(obj, 1.0, obj.mouthpiece.target)
    except RigError as error:
        paragraphs.draw(box, str(error), "ERROR", context)
        if obj.type == "MESH" and obj.data.shape_keys is None:
            _draw_beginnings(layout)
        return str(error)
    paragraphs.draw(box, _short(target.summary()), "CHECKMARK", context)
    return ""


def _draw_beginnings(layout: Any) -> None:
    """Draw what a character can be made of where there is none."""
    column = layout.column(align=True)
    column.operator("mouthpiece.add_demo", icon="ADD")
    column.operator("mouthpiece.make_picture_rig", icon="IMAGE_DATA")
    column.operator("mouthpiece.add_portrait", icon="IMAGE_DATA")


def _short(text: str) -> str:
    """Return a summary that fits the sidebar: of a long list only the beginning."""
    items = text.split(", ")
    return text if len(items) <= _ITEMS else f"{', '.join(items[:_ITEMS])} and {len(items) - _ITEMS} more"


def _draw_buttons(layout: Any, context: bpy.types.Context, told: str) -> None:
    """Draw what can be done, or why it cannot, unless that has been ``told``."""
    state = context.window_manager.mouthpiece
    if state.running:
        row = layout.row(align=True)
        row.progress(factor=state.progress, text=f"{state.message} {state.progress:.0%}")
        row.operator("mouthpiece.cancel", text="", icon="X")
        return
    reason = disabled_reason(context)
    if reason and reason != told:
        paragraphs.draw(layout.box(), reason, "INFO", context)
    column = layout.column()
    column.scale_y = 1.4
    column.operator("mouthpiece.animate", icon="PLAY")
    layout.operator("mouthpiece.remove_take", icon="TRASH")
    for remark in state.remarks.splitlines()[:_REMARKS]:
        paragraphs.draw(layout.box(), remark, "ERROR", context)


register, unregister = register_classes_factory((MOUTHPIECE_PT_speech,))
