"""Sub-panel of the sidebar for shape keys and what drives them."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.errors import RigError
from mouthpiece.phrases import listed

from ... import paragraphs, scene_settings
from ...sub_panels import SubPanel
from . import presets
from .target import detected_on

#: Width of the sidebar, in unscaled pixels, from which rows also show what drives the key.
_WIDE = 400.0
#: At most so many missing shapes are named; the rest is counted.
_NAMED = 4
_NONE = "Nothing: the key stays as it is"


class MOUTHPIECE_UL_shape_keys(bpy.types.UIList):
    """List of shape keys and what drives them."""

    def draw_item(
        self, context: Any, layout: Any, data: Any, item: Any, icon: Any, active_data: Any, active_name: Any, index: int
    ) -> None:
        """Draw one entry: whether it is enabled, its key, and, in a wide sidebar, what drives it."""
        keys = context.object.data.shape_keys if context.object and context.object.type == "MESH" else None
        there = keys is None or item.key in keys.key_blocks
        row = layout.row(align=True)
        row.prop(item, "enabled", text="")
        wide = context.region.width / context.preferences.system.ui_scale > _WIDE
        names = row.split(factor=0.5) if wide else row.row()
        names.active = item.enabled
        wrong = bool(_wrong(item.formula))
        names.label(text=item.key, icon="NONE" if there and (wide or not wrong) else "ERROR", translate=False)
        if wide:  # in a narrow sidebar only the active entry shows it, below the list
            names.label(text=_driver_text(item), icon="ERROR" if wrong else "NONE", translate=False)

    def filter_items(self, context: Any, data: Any, name: str) -> tuple[list[int], list[int]]:
        """Show the entries whose key or formula contains the search text."""
        items = getattr(data, name)
        wanted = self.filter_name.casefold()
        shown = [wanted in f"{item.key} {item.formula}".casefold() != self.use_filter_invert for item in items]
        flags = [self.bitflag_filter_item if show else 0 for show in shown] if wanted else []
        return flags, bpy.types.UI_UL_list.sort_items_by_name(items, "key") if self.use_filter_sort_alpha else []


class MOUTHPIECE_MT_mapping_presets(bpy.types.Menu):
    """Tables kept as presets."""

    bl_label = "Mapping Presets"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the presets and the operators for presets and files."""
        layout = self.layout
        found = presets.names()
        for name in found:
            layout.operator("mouthpiece.load_mapping_preset", text=name, translate=False).name = name
        if found:
            layout.separator()
        layout.operator("mouthpiece.save_mapping_preset", icon="ADD", text="Save Preset…").name = ""
        if found:
            layout.menu("MOUTHPIECE_MT_delete_mapping_presets", icon="REMOVE")
        layout.separator()
        layout.operator("mouthpiece.import_mapping", icon="IMPORT")
        layout.operator("mouthpiece.export_mapping", icon="EXPORT")
        layout.separator()
        layout.operator("mouthpiece.clear_shape_key_table", icon="TRASH")


class MOUTHPIECE_MT_delete_mapping_presets(bpy.types.Menu):
    """Presets to delete."""

    bl_label = "Delete Preset"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the presets."""
        for name in presets.names():
            self.layout.operator("mouthpiece.delete_mapping_preset", text=name, translate=False).name = name


class MOUTHPIECE_PT_shape_keys(SubPanel, bpy.types.Panel):
    """Table of shape keys and what drives them."""

    bl_label = "Shape Key Mapping"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the character is a mesh whose shape keys are driven by name, or could be."""
        obj: Any = scene_settings.character(context)
        if obj is None or obj.type != "MESH" or obj.data.shape_keys is None:
            return False
        wanted = obj.mouthpiece.target
        return wanted == "NAMES" or (wanted == "AUTO" and scene_settings.kind_of(obj) in ("NAMES", ""))

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the table, its active entry, and which shapes are missing."""
        layout = self.layout
        layout.enabled = not context.window_manager.mouthpiece.running
        obj: Any = scene_settings.character(context)
        settings = obj.mouthpiece_names
        row = layout.row(align=True)
        row.operator("mouthpiece.detect_shape_keys", icon="VIEWZOOM")
        row.menu("MOUTHPIECE_MT_mapping_presets", text="", icon="PRESET")
        if not settings.entries:
            layout.label(text="Driven by what the keys are called", icon="INFO")
        else:
            _draw_table(layout, obj, settings, context)
        layout.prop(settings, "match_lips")
        _draw_missing(layout, obj, context)


def _draw_table(layout: Any, obj: Any, settings: Any, context: bpy.types.Context) -> None:
    """Draw the list of entries and the active entry."""
    row = layout.row()
    row.template_list("MOUTHPIECE_UL_shape_keys", "", settings, "entries", settings, "active", rows=6)
    side = row.column(align=True)
    side.operator("mouthpiece.add_shape_key_entry", text="", icon="ADD")
    side.operator("mouthpiece.remove_shape_key_entry", text="", icon="REMOVE")
    if not 0 <= settings.active < len(settings.entries):
        return
    item = settings.entries[settings.active]
    box = layout.box().column()
    box.use_property_split = True
    box.use_property_decorate = False
    box.prop_search(item, "key", obj.data.shape_keys, "key_blocks")
    line = box.row(align=True)
    line.prop(item, "formula")
    line.operator("mouthpiece.pick_driver", text="", icon="DOWNARROW_HLT").index = settings.active
    problem = _wrong(item.formula)
    if problem:
        paragraphs.draw(box, problem, "ERROR", context)
    for name in ("gain", "offset", "invert", "layer"):
        box.prop(item, name)


def _driver_text(item: Any) -> str:
    """Return the formula of an entry with invert, gain and offset as text."""
    formula = f"({item.formula})" if any(sign in item.formula for sign in "+-") else item.formula
    text = f"1 - {formula}" if item.invert else item.formula
    if item.gain != 1:
        text = f"{item.gain:.3g} * {f'(1 - {formula})' if item.invert else formula}"
    return f"{text} {item.offset:+.3g}" if item.offset else text


def _draw_missing(layout: Any, obj: Any, context: bpy.types.Context) -> None:
    """Draw which shapes the mesh lacks, and what is used instead."""
    try:
        lines = detected_on(obj).missing_lines()
    except RigError:
        return
    for line in lines:
        head, _, names = line.rpartition(": ")
        if head:
            line = f"{head}: {listed(names.split(', '), _NAMED)}"
        paragraphs.draw(layout, line, "INFO", context)


def _wrong(formula: str) -> str:
    """Return what is wrong with a formula; empty if it is valid. Quick, as the core caches parsed formulas."""
    from mouthpiece.retarget.shape_keys import drivers, formulas

    try:
        formulas.parse(formula, drivers.NAMES)
    except RigError as error:
        return str(error) if formula.strip() else _NONE
    return ""


register, unregister = register_classes_factory(
    (
        MOUTHPIECE_UL_shape_keys,
        MOUTHPIECE_MT_mapping_presets,
        MOUTHPIECE_MT_delete_mapping_presets,
        MOUTHPIECE_PT_shape_keys,
    )
)
