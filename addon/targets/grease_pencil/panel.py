"""Sub-panel of the sidebar for drawn faces: handles, layers, timing."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.errors import RigError

from ... import paragraphs
from ...sub_panels import SubPanel
from . import handles, mouth_check, operators, pose_preview
from . import settings as drawing_settings

#: Buttons that select features, in rows from the brows down to the jaw.
_ROWS = (
    (("RIGHT_BROW", "Right Brow"), ("LEFT_BROW", "Left Brow")),
    (("RIGHT_EYE", "Right Eye"), ("LEFT_EYE", "Left Eye")),
    (("NOSE", "Nose"),),
    (("MOUTH", "Mouth"),),
    (("JAW", "Jaw"), ("ALL", "All")),
)


class MOUTHPIECE_UL_layer_parts(bpy.types.UIList):
    """List of a drawing's layers and which part of the face each is."""

    def draw_item(
        self, context: Any, layout: Any, data: Any, item: Any, icon: Any, active_data: Any, active_property: str
    ) -> None:
        """Draw one layer."""
        layout.use_property_split = False
        row = layout.row(align=True)
        row.label(text=item.name, translate=False)
        row.prop(item, "part", text="")


class MOUTHPIECE_PT_strokes(SubPanel, bpy.types.Panel):
    """Handles, layers and timing of a drawn face."""

    bl_label = "Drawn Face"
    bl_order = 5

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is an active drawing that is not shown as a mouth chart."""
        obj: Any = operators.drawing(context)
        return obj is not None and obj.mouthpiece.target != "CHART"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw handles, layers and timing."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        obj: Any = operators.drawing(context)
        row = layout.row(align=True)
        row.operator("mouthpiece.find_drawn_face", icon="VIEWZOOM")
        row.operator("mouthpiece.place_handles", icon="EMPTY_AXIS")
        if not handles.missing(obj):
            draw_warning(layout, obj, context)
            _draw_handles(layout, obj, context)
        _draw_layers(layout, obj, context)
        column = layout.column()
        column.prop(obj.mouthpiece_strokes, "timing")
        if obj.mouthpiece_strokes.timing == "CHANGE":
            column.prop(obj.mouthpiece_strokes, "change")
        column.prop(obj.mouthpiece_strokes, "head", slider=True)
        column.prop(obj.mouthpiece_strokes, "mouth")
        column.prop(obj.mouthpiece_strokes, "inside")
        column.prop(obj.mouthpiece_strokes, "own")


def draw_warning(layout: Any, obj: Any, context: bpy.types.Context) -> None:
    """Draw that the drawn mouth hardly opens or never does, with the button that lays its handles on it."""
    try:
        opens, hardly = mouth_check.looked_at(obj)[0].has("mouth"), mouth_check.warning(obj)
    except RigError:
        return
    if opens and not hardly:
        return
    box = layout.box().column(align=True)
    never = "The drawn mouth does not open: move the handles of the lips onto its line"
    paragraphs.draw(box, hardly or never, "ERROR", context)
    box.operator("mouthpiece.lay_lips", icon="SNAP_ON")


def draw_beginning(layout: Any, obj: Any) -> None:
    """Draw the buttons that give a drawing its handles, if it has none yet."""
    if obj.type == "GREASEPENCIL" and handles.missing(obj):
        row = layout.row(align=True)
        row.operator("mouthpiece.find_drawn_face", icon="VIEWZOOM")
        row.operator("mouthpiece.place_handles", icon="EMPTY_AXIS")


def _draw_handles(layout: Any, obj: Any, context: bpy.types.Context) -> None:
    """Draw the buttons for handles and for poses to try them with."""
    box = layout.box().column(align=True)
    for features in _ROWS:
        row = box.row(align=True)
        for feature, label in features:
            row.operator("mouthpiece.edit_handles", text=label).feature = feature
    row = box.row(align=True)
    row.operator("mouthpiece.mirror_handles", text="Mirror →", icon="MOD_MIRROR").to_left = True
    row.operator("mouthpiece.mirror_handles", text="← Mirror").to_left = False
    if context.active_object == obj.mouthpiece_strokes.handles:
        box.operator("mouthpiece.leave_handles", icon="CHECKMARK")
    row = layout.row(align=True)
    row.prop(obj.mouthpiece_strokes, "pose", text="Try")
    shown = pose_preview.is_shown()
    row.operator("mouthpiece.try_pose", text="", icon="HIDE_OFF" if shown else "HIDE_ON", depress=shown)


def _draw_layers(layout: Any, obj: Any, context: bpy.types.Context) -> None:
    """Draw the table of layers."""
    row, chosen = layout.row(), obj.mouthpiece_strokes
    row.template_list("MOUTHPIECE_UL_layer_parts", "", chosen, "layers", chosen, "layers_index", rows=4)
    row.operator("mouthpiece.list_layers", text="", icon="FILE_REFRESH")
    if not len(chosen.layers):
        paragraphs.draw(layout, "Layers are told apart by their names; the arrows list them to choose", "INFO", context)
    elif not drawing_settings.is_listed(obj):
        paragraphs.draw(layout, "Layers were added or renamed: press the arrows to list them", "INFO", context)


register, unregister = register_classes_factory((MOUTHPIECE_UL_layer_parts, MOUTHPIECE_PT_strokes))
