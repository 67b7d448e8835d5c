"""Keep and share tables of which shape key is driven by what: presets and JSON files."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ExportHelper, ImportHelper

from .. import mapping_presets, mapping_table
from .mapping import OnFace, face_of


class MOUTHPIECE_OT_export_mapping(OnFace, ExportHelper, bpy.types.Operator):
    """Write the table to a JSON file, to share it or to bake with it from the command line."""

    bl_idname = "mouthpiece.export_mapping"
    bl_label = "Export Mapping"
    bl_description = "Write the table to a JSON file, to share it or to bake with it from the command line"
    filename_ext = mapping_presets.ENDING
    needs_table = False

    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def change(self, obj: Any) -> str:
        """Write it."""
        from mouthpiece.retarget import mapping

        from ..targets.shape_keys import table_of

        return f"Written to {mapping.save(self.filepath, table_of(obj), obj.name)}"


class MOUTHPIECE_OT_import_mapping(OnFace, ImportHelper, bpy.types.Operator):
    """Fill the table from a JSON file, for the shape keys the mesh has."""

    bl_idname = "mouthpiece.import_mapping"
    bl_label = "Import Mapping"
    bl_description = "Fill the table from a JSON file, for the shape keys the mesh has"
    filename_ext = mapping_presets.ENDING
    needs_table = False

    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def change(self, obj: Any) -> str:
        """Read it."""
        from mouthpiece.retarget import mapping

        return put(obj, mapping.load(self.filepath))


class MOUTHPIECE_OT_save_mapping_preset(OnFace, bpy.types.Operator):
    """Keep the table as a preset for other characters."""

    bl_idname = "mouthpiece.save_mapping_preset"
    bl_label = "Save Preset"
    bl_description = "Keep the table as a preset for other characters and files"
    needs_table = False

    name: bpy.props.StringProperty(name="Name", description="Name of the preset")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for its name."""
        self.name = self.name or face_of(context).name
        return context.window_manager.invoke_props_dialog(self)

    def change(self, obj: Any) -> str:
        """Keep it."""
        from ..targets.shape_keys import table_of

        mapping_presets.save(self.name, table_of(obj))
        return f"Preset '{self.name.strip()}' saved"


class MOUTHPIECE_OT_load_mapping_preset(OnFace, bpy.types.Operator):
    """Fill the table from a preset, for the shape keys the mesh has."""

    bl_idname = "mouthpiece.load_mapping_preset"
    bl_label = "Load Preset"
    bl_description = "Fill the table from a preset, for the shape keys the mesh has"
    needs_table = False

    name: bpy.props.StringProperty(name="Name", description="Name of the preset")

    def change(self, obj: Any) -> str:
        """Read it."""
        return put(obj, mapping_presets.load(self.name))


class MOUTHPIECE_OT_delete_mapping_preset(bpy.types.Operator):
    """Delete a preset; tables filled from it stay."""

    bl_idname = "mouthpiece.delete_mapping_preset"
    bl_label = "Delete Preset"
    bl_description = "Delete a preset; tables filled from it stay"
    bl_options = {"REGISTER"}

    name: bpy.props.StringProperty(name="Name", description="Name of the preset")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete it."""
        from mouthpiece.errors import MouthpieceError

        try:
            mapping_presets.remove(self.name)
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def put(obj: Any, table: Any) -> str:
    """Make a table from elsewhere the object's own, for the keys it has, and return what came of it."""
    found = mapping_presets.fitted(obj, table)
    mapping_table.fill(obj, found)
    return f"{len(found.entries)} of {len(table.entries)} entries fit '{obj.name}'"


register, unregister = register_classes_factory(
    (
        MOUTHPIECE_OT_export_mapping,
        MOUTHPIECE_OT_import_mapping,
        MOUTHPIECE_OT_save_mapping_preset,
        MOUTHPIECE_OT_load_mapping_preset,
        MOUTHPIECE_OT_delete_mapping_preset,
    )
)
