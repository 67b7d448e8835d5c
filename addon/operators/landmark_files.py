"""Landmarks of a picture rig from files and into files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ExportHelper, ImportHelper

from .. import picture_landmarks, picture_settings
from .landmarks import OnRig


class MOUTHPIECE_OT_load_landmarks(OnRig, bpy.types.Operator, ImportHelper):
    """Give a rig the landmarks of a file."""

    bl_idname = "mouthpiece.load_landmarks"
    bl_label = "Load Landmarks"
    bl_description = "Give the rig the landmarks of a file (.json), scaled to its picture"
    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read and rebuild."""
        from mouthpiece.portrait.placing import read_points

        rig: Any = picture_settings.face_meant(context.active_object)

        def work() -> list[str]:
            width, height = picture_settings.picture_of(rig).size
            placed = read_points(Path(bpy.path.abspath(self.filepath)), width, height)
            return picture_landmarks.place(context, rig, placed)

        return self.tell(work, f"'{rig.name}' has the landmarks of '{self.filepath}'")


class MOUTHPIECE_OT_save_landmarks(OnRig, bpy.types.Operator, ExportHelper):
    """Write a rig's landmarks to a file."""

    bl_idname = "mouthpiece.save_landmarks"
    bl_label = "Save Landmarks"
    bl_description = "Write the rig's landmarks to a file (.json), for a copy of this picture or the command line"
    bl_options = {"REGISTER"}
    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write."""
        from mouthpiece.errors import PictureError

        rig: Any = picture_settings.face_meant(context.active_object)

        def work() -> list[str]:
            try:
                Path(self.filepath).write_text(rig.mouthpiece_picture.points + "\n", encoding="utf-8")
            except OSError as error:
                raise PictureError(f"'{self.filepath}' cannot be written: {error.strerror}.") from error
            return []

        return self.tell(work, f"Wrote '{self.filepath}'")


register, unregister = register_classes_factory((MOUTHPIECE_OT_load_landmarks, MOUTHPIECE_OT_save_landmarks))
