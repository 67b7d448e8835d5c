"""The operator that takes what is said in a line from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import bpy
from bpy.props import StringProperty
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ImportHelper

from .. import scene_settings
from ..reports import reports_errors
from .spoken_texts import read_text

_TEXTS: Final = "*.txt;*.srt;*.vtt"


class MOUTHPIECE_OT_read_text(bpy.types.Operator, ImportHelper):
    """Take what is said from a file: a text, or subtitles with their times."""

    bl_idname = "mouthpiece.read_text"
    bl_label = "Read Text"
    bl_description = "Take what is said from a file: a text (TXT), or subtitles (SRT, VTT), whose times count"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".txt"
    filter_glob: StringProperty(default=_TEXTS, options={"HIDDEN"})

    def check(self, _context: bpy.types.Context) -> bool:
        """Keep the name as it is chosen: it is read, not written."""
        return False

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the file into the field of the chosen sound."""
        path = Path(bpy.path.abspath(self.filepath))
        holder, name = scene_settings.text_field(context)
        setattr(holder, name, read_text(path))
        self.report({"INFO"}, f"The text is that of {path.name} now")
        return {"FINISHED"}

    def draw(self, _context: bpy.types.Context) -> Any:
        """Draw nothing: there is nothing to choose but the file."""


register, unregister = register_classes_factory((MOUTHPIECE_OT_read_text,))
