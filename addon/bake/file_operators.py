"""Operators that read a file for a character: what is said, and how its actor moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import bpy
from bpy.props import StringProperty
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ImportHelper
from mouthpiece.errors import RigError

from .. import scene_settings
from ..reports import reports_errors
from ..sound.spoken_texts import read_text
from . import actor_fits, redial

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


class _Fits:
    """Mixin for operators that fit the actor of the active character to a recording of one of its lines."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active character speaks a line."""
        obj = scene_settings.character(context)
        found = bool(redial.dialled_lines(obj)) and not context.window_manager.mouthpiece.running
        if not found:
            cls.poll_message_set("Animate the sound that the recording is of first")  # type: ignore[attr-defined]
        return found


class MOUTHPIECE_OT_fit_actor(_Fits, bpy.types.Operator, ImportHelper):
    """Let the character move as an actor does, of whom one of its lines was recorded."""

    bl_idname = "mouthpiece.fit_actor"
    bl_label = "Fit to Actor…"
    bl_description = (
        "Let the character move as an actor does: from a recording of the line at the playhead, a table of ARKit "
        "weights (CSV, as Live Link Face writes it) or a take (.npz). Takes seconds; written beside the recording"
    )
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".csv"
    filter_glob: StringProperty(default="*.csv;*.npz", options={"HIDDEN"})

    def check(self, _context: bpy.types.Context) -> bool:
        """Keep the name as it is chosen: it is read, not written."""
        return False

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fit, write the actor beside the recording, and choose it."""
        obj: Any = scene_settings.character(context)
        recording = Path(bpy.path.abspath(self.filepath))
        line = actor_fits.line_meant(obj, context.scene.frame_current)
        found = actor_fits.fit_file(line, recording, recording.stem)
        place = recording.with_name(f"{recording.stem}.actor.json")
        actor_fits.keep(found, obj, place)
        self.report({"INFO"}, actor_fits.told(found, place))
        return {"FINISHED"}

    def draw(self, _context: bpy.types.Context) -> Any:
        """Draw nothing: there is nothing to choose but the file."""


class MOUTHPIECE_OT_fit_actor_to_keys(_Fits, bpy.types.Operator):
    """Let the character move as the other selected face does, whose keys are a recording of the same line."""

    bl_idname = "mouthpiece.fit_actor_to_keys"
    bl_label = "Fit to Selected"
    bl_description = (
        "Let the character move as the other selected face does, whose keys were recorded with the line at the "
        "playhead: shapes named as ARKit's. Written beside the .blend file"
    )
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fit, write the actor beside the .blend file, and choose it."""
        obj: Any = scene_settings.character(context)
        others = [other for other in context.selected_objects if other != obj]
        if len(others) != 1:
            raise RigError("Select the face that was recorded, and the character last.")
        if not bpy.data.filepath:
            raise RigError("Save the scene first: the actor is written beside it.")
        line = actor_fits.line_meant(obj, context.scene.frame_current)
        found = actor_fits.fit_keys(line, others[0], others[0].name)
        place = Path(bpy.path.abspath(f"//{bpy.path.clean_name(others[0].name)}.actor.json"))
        actor_fits.keep(found, obj, place)
        self.report({"INFO"}, actor_fits.told(found, place))
        return {"FINISHED"}


register, unregister = register_classes_factory(
    (MOUTHPIECE_OT_read_text, MOUTHPIECE_OT_fit_actor, MOUTHPIECE_OT_fit_actor_to_keys)
)
