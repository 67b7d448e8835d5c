"""Operators for the table of shape keys and their drivers: fill and edit it, presets, JSON files."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ExportHelper, ImportHelper
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted

from ... import exports, scene_settings
from ...bake import settings as bake_settings
from ...reports import reports_errors
from . import fingerprints, presets
from . import table as key_table
from .target import detected_on, editable_keys, table_of


def face_of(context: bpy.types.Context) -> Any:
    """Return the active character if it is a mesh with shape keys, else None."""
    obj = scene_settings.character(context)
    return obj if obj is not None and obj.type == "MESH" and obj.data.shape_keys is not None else None


class OnFace:
    """Mixin for operators that change the table of the active character, in a method ``change``."""

    bl_options = {"REGISTER", "UNDO"}
    needs_table = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the character is a mesh with shape keys and, if ``needs_table``, has a table."""
        obj = face_of(context)
        if obj is None:
            cls.poll_message_set("Click a mesh with shape keys")  # type: ignore[attr-defined]
            return False
        if cls.needs_table and not obj.mouthpiece_names.entries:
            cls.poll_message_set("There is no table yet: Detect makes one")  # type: ignore[attr-defined]
            return False
        return True

    @reports_errors
    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Change the table, report the text returned, and dial lines again if dials are live."""
        obj = face_of(context)
        text = self.change(obj)
        if text:
            self.report({"INFO"}, text)
        bake_settings.follow(obj, context)
        return {"FINISHED"}


class MOUTHPIECE_OT_detect_shape_keys(OnFace, bpy.types.Operator):
    """Fill the table from what the shape keys are called, in place of what it holds."""

    bl_idname = "mouthpiece.detect_shape_keys"
    bl_label = "Detect"
    bl_description = "Fill the table from what the shape keys are called, in place of what it holds"
    needs_table = False

    def change(self, obj: Any) -> str:
        """Fill the table and return a summary."""
        editable_keys(obj)
        table = detected_on(obj)
        key_table.fill(obj, table)
        return table.summary()


class MOUTHPIECE_OT_clear_shape_key_table(OnFace, bpy.types.Operator):
    """Delete the table: the shape keys are driven by what they are called again."""

    bl_idname = "mouthpiece.clear_shape_key_table"
    bl_label = "Clear Table"
    bl_description = "Delete the table: the shape keys are driven by what they are called again"

    def change(self, obj: Any) -> str:
        """Delete the table."""
        key_table.clear(obj)
        return ""


class MOUTHPIECE_OT_add_shape_key_entry(OnFace, bpy.types.Operator):
    """Add an entry: for the active shape key, if nothing drives that yet."""

    bl_idname = "mouthpiece.add_shape_key_entry"
    bl_label = "Add"
    bl_description = "Add an entry: for the active shape key if nothing drives that yet, else for the next such one"
    needs_table = False

    def change(self, obj: Any) -> str:
        """Add the entry and make it active."""
        settings = obj.mouthpiece_names
        known = {item.key for item in settings.entries}
        free = [block.name for block in fingerprints.movers(obj.data.shape_keys) if block.name not in known]
        if not free:
            raise RigError(f"Every shape key of '{obj.name}' has an entry.")
        active = obj.active_shape_key
        name = active.name if active is not None and active.name in free else free[0]
        key_table.add(obj, name)
        return ""


class MOUTHPIECE_OT_remove_shape_key_entry(OnFace, bpy.types.Operator):
    """Remove the chosen entry; its shape key is no longer driven."""

    bl_idname = "mouthpiece.remove_shape_key_entry"
    bl_label = "Remove"
    bl_description = "Remove the chosen entry; its shape key is no longer driven"

    def change(self, obj: Any) -> str:
        """Remove the active entry."""
        settings = obj.mouthpiece_names
        key_table.remove(obj, min(settings.active, len(settings.entries) - 1))
        return ""


def _driver_items(_self: Any, _context: Any) -> list[tuple[str, str, str]]:
    """Return all drivers as items of an EnumProperty."""
    from mouthpiece.retarget.shape_keys import drivers

    if not _ITEMS:
        for group, names in drivers.GROUPS.items():
            _ITEMS.extend((name, name, drivers.NOTES.get(name, group)) for name in names)
    return _ITEMS


#: Items of the enum above: Blender needs Python to keep their strings alive.
_ITEMS: list[tuple[str, str, str]] = []


class MOUTHPIECE_OT_pick_driver(OnFace, bpy.types.Operator):
    """Choose what drives the shape key, from all there is."""

    bl_idname = "mouthpiece.pick_driver"
    bl_label = "Pick Driver"
    bl_description = "Choose what drives the shape key: an ARKit shape, a viseme, eyes or head"
    bl_property = "driver"

    index: bpy.props.IntProperty(name="Entry", options={"HIDDEN", "SKIP_SAVE"})
    driver: bpy.props.EnumProperty(name="Driver", description="What drives the key", items=_driver_items)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open a search popup."""
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def change(self, obj: Any) -> str:
        """Set the driver as the entry's formula."""
        entries = obj.mouthpiece_names.entries
        if not 0 <= self.index < len(entries):
            raise RigError("There is no such entry in the table.")
        entries[self.index].formula = self.driver
        return ""


class MOUTHPIECE_OT_export_mapping(OnFace, ExportHelper, bpy.types.Operator):
    """Write the table to a JSON file, to share it or to use it on the command line."""

    bl_idname = "mouthpiece.export_mapping"
    bl_label = "Export Mapping"
    bl_description = "Write the table to a JSON file, to share it or to use it on the command line"
    filename_ext = presets.ENDING
    needs_table = False

    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def change(self, obj: Any) -> str:
        """Write the file and return its path in a sentence."""
        from mouthpiece.retarget.shape_keys import table as core_table

        return f"Written to {core_table.save(exports.place(self.filepath), table_of(obj), obj.name)}"


class MOUTHPIECE_OT_import_mapping(OnFace, ImportHelper, bpy.types.Operator):
    """Fill the table from a JSON file, for the shape keys the mesh has."""

    bl_idname = "mouthpiece.import_mapping"
    bl_label = "Import Mapping"
    bl_description = "Fill the table from a JSON file, for the shape keys the mesh has"
    filename_ext = presets.ENDING
    needs_table = False

    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def change(self, obj: Any) -> str:
        """Read the file and return how many entries fit."""
        from mouthpiece.retarget.shape_keys import table as core_table

        return put(obj, core_table.load(self.filepath))


class MOUTHPIECE_OT_save_mapping_preset(OnFace, bpy.types.Operator):
    """Keep the table as a preset for other characters."""

    bl_idname = "mouthpiece.save_mapping_preset"
    bl_label = "Save Preset"
    bl_description = "Keep the table as a preset for other characters and files"
    needs_table = False

    name: bpy.props.StringProperty(name="Name", description="Name of the preset")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the name of the preset."""
        self.name = self.name or face_of(context).name
        return context.window_manager.invoke_props_dialog(self)

    def change(self, obj: Any) -> str:
        """Save the preset."""
        presets.save(self.name, table_of(obj))
        return f"Preset '{self.name.strip()}' saved"


class MOUTHPIECE_OT_load_mapping_preset(OnFace, bpy.types.Operator):
    """Fill the table from a preset, for the shape keys the mesh has."""

    bl_idname = "mouthpiece.load_mapping_preset"
    bl_label = "Load Preset"
    bl_description = "Fill the table from a preset, for the shape keys the mesh has"
    needs_table = False

    name: bpy.props.StringProperty(name="Name", description="Name of the preset")

    def change(self, obj: Any) -> str:
        """Load the preset and return how many entries fit."""
        return put(obj, presets.load(self.name))


class MOUTHPIECE_OT_delete_mapping_preset(bpy.types.Operator):
    """Delete a preset; tables filled from it stay."""

    bl_idname = "mouthpiece.delete_mapping_preset"
    bl_label = "Delete Preset"
    bl_description = "Delete a preset; tables filled from it stay"
    bl_options = {"REGISTER"}

    name: bpy.props.StringProperty(name="Name", description="Name of the preset")

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete the preset."""
        presets.remove(self.name)
        return {"FINISHED"}


def put(obj: Any, table: Any) -> str:
    """Fill an object's table with the entries of another for the keys it has; return how many fit, as text."""
    found = presets.fitted(obj, table)
    key_table.fill(obj, found)
    return f"{len(found.entries)} of {counted(len(table.entries), 'entry', 'entries')} fit '{obj.name}'"


register, unregister = register_classes_factory(
    (
        MOUTHPIECE_OT_detect_shape_keys,
        MOUTHPIECE_OT_clear_shape_key_table,
        MOUTHPIECE_OT_add_shape_key_entry,
        MOUTHPIECE_OT_remove_shape_key_entry,
        MOUTHPIECE_OT_pick_driver,
        MOUTHPIECE_OT_export_mapping,
        MOUTHPIECE_OT_import_mapping,
        MOUTHPIECE_OT_save_mapping_preset,
        MOUTHPIECE_OT_load_mapping_preset,
        MOUTHPIECE_OT_delete_mapping_preset,
    )
)
