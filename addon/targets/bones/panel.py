"""Sub-panel of the sidebar for face bones and what they follow."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.phrases import counted

from ... import paragraphs
from ...sub_panels import SubPanel
from .operators import rig_of

#: Width of the sidebar, in unscaled pixels, from which rows show two names.
_WIDE: Final = 400


def _scale(context: Any) -> float:
    """Return the scale of the interface: pixels for one unscaled pixel."""
    return float(context.preferences.system.ui_scale)


class MOUTHPIECE_UL_bone_links(bpy.types.UIList):
    """List of the table's entries: the bone, what it follows, and the gain."""

    def draw_item(  # Blender requires all of these arguments
        self, context: Any, layout: Any, data: Any, item: Any, icon: int, active_data: Any, active_property: str
    ) -> None:
        """Draw one entry."""
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        missing = item.bone not in data.id_data.data.bones
        row.label(text=item.bone or "?", icon="ERROR" if missing else "NONE", translate=False)
        # in a sidebar of default width two names would be cut; the active entry is shown in full below the list
        if item.source != item.bone and (context.region is None or context.region.width >= _WIDE * _scale(context)):
            row.label(text=item.source or "?", translate=False)
        sub = row.row(align=True)
        sub.ui_units_x = 2.4
        sub.prop(item, "gain", text="", emboss=False)

    def filter_items(self, context: Any, data: Any, name: str) -> tuple[list[int], list[int]]:
        """Show the entries whose source or bone contains the search text."""
        wanted = self.filter_name.lower()
        if not wanted:
            return [], []
        shown = [wanted in entry.source.lower() or wanted in entry.bone.lower() for entry in getattr(data, name)]
        return [self.bitflag_filter_item if found else 0 for found in shown], []


class MOUTHPIECE_PT_bones(SubPanel, bpy.types.Panel):
    """Table of face bones and what they follow."""

    bl_label = "Face Bones"
    bl_order = 3

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is an armature."""
        return rig_of(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the table, its active entry and the eye distance."""
        rig: Any = rig_of(context)
        settings, layout = rig.mouthpiece_bones, self.layout
        layout.enabled = not context.window_manager.mouthpiece.running
        row = layout.row(align=True)
        row.operator("mouthpiece.detect_bones", icon="VIEWZOOM")
        row.operator("mouthpiece.load_bone_mapping", text="", icon="FILE_FOLDER")
        row.operator("mouthpiece.save_bone_mapping", text="", icon="FILE_TICK")
        if settings.links:
            self._draw_table(layout, settings)
        else:
            paragraphs.draw(layout, "Matched by the names of the bones; Detect lists them", "INFO", context)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "eye_distance")
        if 0 <= settings.active < len(settings.links):
            _draw_entry(layout.box(), rig, settings.links[settings.active])

    def _draw_table(self, layout: Any, settings: Any) -> None:
        """Draw the list of entries with its buttons."""
        if settings.profile:
            layout.label(
                text=f"{counted(len(settings.links), 'entry', 'entries')}, {settings.profile}", translate=False
            )
        row = layout.row()
        row.template_list("MOUTHPIECE_UL_bone_links", "", settings, "links", settings, "active", rows=6)
        side = row.column(align=True)
        side.operator("mouthpiece.add_bone_link", text="", icon="ADD")
        side.operator("mouthpiece.remove_bone_link", text="", icon="REMOVE")
        side.separator()
        side.operator_menu_enum("mouthpiece.mirror_bone_links", "which", text="", icon="MOD_MIRROR")
        side.operator("mouthpiece.remove_bone_link", text="", icon="TRASH").all = True


def _draw_entry(layout: Any, rig: bpy.types.Object, entry: Any) -> None:
    """Draw all fields of one entry."""
    from mouthpiece.retarget.bones.controls import CONTROLS

    layout.use_property_split, layout.use_property_decorate = True, False
    layout.prop(entry, "source")
    layout.prop_search(entry, "bone", rig.data, "bones")
    layout.prop(entry, "channel")
    layout.prop(entry, "axis")
    layout.prop(entry, "gain")
    if entry.channel == "SCALE":
        return
    layout.prop(entry, "space")
    if entry.space == "FACE" and entry.channel == "LOCATION":
        layout.prop(entry, "point")
        layout.prop_search(entry, "watch", rig.data, "bones")
    if entry.source not in CONTROLS and entry.space == "FACE" and entry.axis == "ALL":
        layout.label(text="Choose an axis", icon="ERROR")


register, unregister = register_classes_factory((MOUTHPIECE_UL_bone_links, MOUTHPIECE_PT_bones))
