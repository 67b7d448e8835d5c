"""Sub-panel of the sidebar for the pins of a mesh."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.phrases import counted

from ... import paragraphs, scene_settings
from ...sub_panels import SubPanel
from . import pins
from .made_shapes import missing, refusal
from .operators import pinnable
from .target import last_errors


class MOUTHPIECE_UL_pins(bpy.types.UIList):
    """List of the 68 landmarks."""

    def draw_item(
        self, context: Any, layout: Any, data: Any, item: Any, icon: Any, active: Any, active_name: Any, index: int = 0
    ) -> None:
        """Draw a landmark: whether it is pinned, its number, and its name."""
        from mouthpiece.retarget.pins.names import name_of

        pin = "PINNED" if item.vertex >= 0 else "UNPINNED"
        if item.vertex >= 0 and item.doubtful:
            pin = "ERROR"
        layout.label(text=f"{index}  {name_of(index)}", icon=pin, translate=False)

    def filter_items(self, context: Any, data: Any, name: str) -> tuple[list[int], list[int]]:
        """Show the landmarks whose names contain the search text."""
        from mouthpiece.retarget.pins.names import name_of

        words = self.filter_name.lower()
        shown = [self.bitflag_filter_item if words in name_of(p).lower() else 0 for p in range(len(data.points))]
        return shown, []


class MOUTHPIECE_PT_pins(SubPanel, bpy.types.Panel):
    """Pins of a mesh."""

    bl_label = "Shape Keys by Geometry"
    bl_order = 5

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a mesh whose shape keys are solved, or could be."""
        obj: Any = context.active_object
        keyed = obj is not None and obj.type == "MESH" and obj.data.shape_keys is not None
        wanted = obj.mouthpiece.target if keyed else ""
        return wanted == "SOLVED" or (wanted == "AUTO" and scene_settings.kind_of(obj) in ("SOLVED", ""))

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the number of pins, the buttons and the list."""
        layout = self.layout
        obj: Any = context.active_object
        stored = obj.mouthpiece_pins
        reason = pinnable(context)
        if reason:
            paragraphs.draw(layout, reason, "INFO", context)
        _draw_state(layout, obj, context)
        column = layout.column(align=True)
        column.operator("mouthpiece.propose_pins", icon="VIEWZOOM")
        column.operator("mouthpiece.pick_pins", icon="EYEDROPPER")
        row = layout.row(align=True)
        row.prop(stored, "mirror", toggle=True)
        row.prop(stored, "show", toggle=True)
        if len(stored.points):
            layout.template_list("MOUTHPIECE_UL_pins", "", stored, "points", stored, "active", rows=6)
            _draw_active(layout, stored, context)
            layout.operator("mouthpiece.mirror_pins", icon="MOD_MIRROR")
        row = layout.row(align=True)
        row.operator("mouthpiece.import_pins", text="Import", icon="IMPORT")
        row.operator("mouthpiece.export_pins", text="Export", icon="EXPORT")
        row.operator("mouthpiece.clear_pins", text="", icon="TRASH")


def _draw_state(layout: Any, obj: Any, context: bpy.types.Context) -> None:
    """Draw how many landmarks are pinned, and whether pins were lost or found again."""
    found = pins.pins_of(obj)
    box = layout.column(align=True)
    box.label(text=f"{found.set} of {pins.COUNT} landmarks pinned", icon="PINNED" if found.set else "UNPINNED")
    if found.lost:
        lost = counted(len(found.lost), "pin")
        paragraphs.draw(box, f"The mesh changed: {lost} could not be found again", "ERROR", context)
    elif pins.doubtful(obj):
        text = "Upper and lower lids or lips could not be told apart: correct the orange pins"
        paragraphs.draw(box, text, "ERROR", context)
    elif found.found:
        paragraphs.draw(box, f"The mesh changed: {counted(found.found, 'pin')} found again", "INFO", context)
    off = last_errors(obj)
    if off:
        said = ", ".join(f"{part} {error:.1%}" for part, error in off.items())
        paragraphs.draw(box, f"Last line, off by (of the eye distance): {said}", "DRIVER_DISTANCE", context)


def _draw_active(layout: Any, stored: Any, context: bpy.types.Context) -> None:
    """Draw the full name of the active landmark, and its buttons."""
    from mouthpiece.retarget.pins.names import name_of

    point = min(max(stored.active, 0), len(stored.points) - 1)
    column = layout.column(align=True)
    paragraphs.draw(column, name_of(point).capitalize(), "DOT", context)
    row = column.row(align=True)
    row.operator("mouthpiece.pick_pins", text="Pick", icon="EYEDROPPER").only = point
    side = row.row(align=True)
    side.enabled = stored.points[point].vertex >= 0
    side.operator("mouthpiece.view_pin", text="View", icon="VIEWZOOM").point = point
    side.operator("mouthpiece.unpin", text="", icon="X").point = point


class MOUTHPIECE_PT_missing_shapes(SubPanel, bpy.types.Panel):
    """Shapes that a mesh lacks."""

    bl_label = "Missing Shapes"
    bl_order = 6

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a mesh with a face that lacks some of ARKit's shapes."""
        obj: Any = context.active_object
        if obj is None or obj.type != "MESH" or (refusal(obj) and obj.mode == "OBJECT"):
            return False
        # handles of a drawing and landmarks of a picture are meshes as well, but no faces
        if scene_settings.character(context) != obj or not (obj.data.shape_keys or pins.pins_of(obj).set):
            return False
        kind = scene_settings.kind_of(obj) if obj.mouthpiece.target == "AUTO" else obj.mouthpiece.target
        return kind in ("NAMES", "SOLVED", "") and bool(missing(obj, ("MOUTH", "EYES", "BROWS")))

    def draw(self, context: bpy.types.Context) -> None:
        """Draw how many shapes lack, and the button."""
        layout = self.layout
        obj: Any = context.active_object
        lacks = {part: len(missing(obj, (part,))) for part in ("MOUTH", "EYES", "BROWS")}
        words = {"MOUTH": "mouth", "EYES": "eyes", "BROWS": "brows"}
        said = ", ".join(f"{words[part]} {count}" for part, count in lacks.items() if count)
        total = sum(lacks.values())
        paragraphs.draw(layout, f"{total} of 52 ARKit shapes are missing: {said}", "SHAPEKEY_DATA", context)
        layout.operator("mouthpiece.make_missing_shapes", icon="ADD")


register, unregister = register_classes_factory((MOUTHPIECE_UL_pins, MOUTHPIECE_PT_pins, MOUTHPIECE_PT_missing_shapes))
