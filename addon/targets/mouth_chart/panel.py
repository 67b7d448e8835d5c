"""Sub-panel of the sidebar for the mouth chart."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.utils import register_classes_factory

from ... import paragraphs, scene_settings
from ...sub_panels import SubPanel
from ..picture_rig.settings import face_meant
from . import recognition
from . import settings as chart_settings

#: What the number of a row means, by how the chart is shown.
_NUMBERED: Final = {"DRAWINGS": "Frame", "IMAGE": "Picture", "CELLS": "Cell", "PROPERTY": "Value"}


class MOUTHPIECE_UL_mouths(bpy.types.UIList):
    """The table of shapes and what shows each of them."""

    def draw_item(
        self, context: Any, layout: Any, data: Any, item: Any, icon: Any, active_data: Any, active_property: Any,
        index: int = 0, flt_flag: int = 0,
    ) -> None:  # fmt: skip
        """Draw the row of one shape."""
        layout.use_property_split = False
        row = layout.row(align=True)
        row.operator("mouthpiece.show_mouth", text="", icon="HIDE_OFF", emboss=False).shape = item.shape
        row.prop(item, "used", text="")
        split = row.split(factor=0.5 if data.how in _NUMBERED else 0.3, align=True)
        split.label(text=item.shape, translate=False)
        field = split.row(align=True)
        field.enabled = item.used
        if data.how == "OBJECTS":
            shown = "collection" if item.collection is not None else "object"
            field.prop(item, shown, text="")
        elif data.how == "KEYS":
            keys = data.id_data.data.shape_keys if data.id_data.type == "MESH" else None
            if keys is not None:
                field.prop_search(item, "key", keys, "key_blocks", text="")
        else:
            field.prop(item, "number", text="")


class MOUTHPIECE_PT_chart(SubPanel, bpy.types.Panel):
    """Chart, what shows it, table and timing."""

    bl_label = "Mouth Chart"
    bl_order = 8

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object's target is a chart, or could be one as nothing else fits."""
        obj: Any = context.object
        if obj is None or face_meant(obj) is not None:
            return False
        if obj.mouthpiece.target != "AUTO":
            return bool(obj.mouthpiece.target == "CHART")
        if scene_settings.character(context) != obj or scene_settings.kind_of(obj) == "STROKES":
            return False  # a part of a face, or a drawn one
        bare = obj.type == "MESH" and obj.data.shape_keys is None
        return bare or obj.type in ("GREASEPENCIL", "EMPTY") or len(obj.mouthpiece_chart.rows) > 0

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the settings of the chart and its table."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        obj: Any = context.object
        settings = obj.mouthpiece_chart
        column = layout.column()
        column.enabled = not context.window_manager.mouthpiece.running
        row = column.row(align=True)
        row.prop(settings, "chart")
        row.operator("mouthpiece.load_chart", text="", icon="FILE_FOLDER")
        row.operator("mouthpiece.save_chart", text="", icon="FILE_TICK")
        column.prop(settings, "how")
        _draw_place(column, obj, settings)
        column.operator("mouthpiece.set_up_chart", icon="TOOL_SETTINGS")
        if settings.rows:
            _draw_table(column, settings, context)
        timing = column.column(align=True)
        timing.prop(settings, "exposure")
        timing.prop(settings, "hold")
        timing.prop(settings, "lead")


def draw_offer(layout: Any, obj: bpy.types.Object, context: bpy.types.Context) -> None:
    """Draw that an object looks like a mouth chart, and the button that makes it one; nothing if it does not."""
    found = recognition.likeness(obj) if not obj.mouthpiece_chart.rows else None
    if found is not None:
        box = layout.box().column(align=True)
        paragraphs.draw(box, found.text, "INFO", context)
        box.operator("mouthpiece.use_as_chart", icon="IMAGE_DATA")


def _draw_place(layout: Any, obj: Any, settings: Any) -> None:
    """Draw the settings that say where the mouths are."""
    if settings.how == "DRAWINGS":
        layout.prop(settings, "source")
        drawn = settings.source or obj
        if drawn.type == "GREASEPENCIL":
            layout.prop_search(settings, "layer", drawn.data, "layers")
    elif settings.how == "PROPERTY":
        layout.prop(settings, "source")
        layout.prop(settings, "path")
    elif settings.how == "CELLS":
        layout.prop(settings, "material")
        cells = layout.row(align=True)
        cells.prop(settings, "columns")
        cells.prop(settings, "lines", text="Rows")
    elif settings.how == "IMAGE":
        layout.prop(settings, "material")


def _draw_table(layout: Any, settings: Any, context: bpy.types.Context) -> None:
    """Draw the table and its active row."""
    layout.template_list("MOUTHPIECE_UL_mouths", "", settings, "rows", settings, "index", rows=6)
    if 0 <= settings.index < len(settings.rows):
        row = settings.rows[settings.index]
        box = layout.box().column(align=True)
        paragraphs.draw(box, f"{row.shape}: {row.label}", "OUTLINER_DATA_FONT", context)
        if settings.how == "OBJECTS":
            box.prop(row, "object")
            box.prop(row, "collection")
        elif settings.how in _NUMBERED:
            box.prop(row, "number", text=_NUMBERED[settings.how])


assert {how for how, _, _ in chart_settings.HOWS} >= set(_NUMBERED)

register, unregister = register_classes_factory((MOUTHPIECE_UL_mouths, MOUTHPIECE_PT_chart))
