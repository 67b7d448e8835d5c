"""Operators for mouth charts: set up, show a mouth, load and save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.utils import register_classes_factory
from mouthpiece.errors import RigError

from ... import exports
from ...reports import reports_errors
from . import files, fill, recognition
from . import settings as chart_settings
from .target import ChartTarget


def disabled_reason(context: bpy.types.Context) -> str:
    """Return why the active object's chart may not be changed; empty if it may."""
    obj = context.object
    if obj is None:
        return "Click the character first"
    if not obj.is_editable:
        return f"'{obj.name}' is linked from a library: make a library override of it"
    if context.window_manager.mouthpiece.running:
        return "Wait until the sound is animated"
    return ""


class _OfChart:
    """Mixin for operators on the chart of the active object."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls: Any, context: bpy.types.Context) -> bool:
        """Return whether the chart may be changed; if not, the reason becomes the poll message."""
        reason = disabled_reason(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason


class MOUTHPIECE_OT_set_up_chart(_OfChart, bpy.types.Operator):
    """Prepare what is switched, and fill the table by names or by order."""

    bl_idname = "mouthpiece.set_up_chart"
    bl_label = "Set Up"
    bl_description = (
        "Prepare what is switched and fill the table: from names (selected objects, shape keys, timeline markers), "
        "else in the order of drawings"
    )

    @reports_errors
    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Set the chart up, make it the object's target, and report the result."""
        obj: Any = context.object
        text = fill.set_up(obj, context.selected_objects, context.scene)
        obj.mouthpiece.target = "CHART"
        self.report({"INFO"}, text)
        return {"FINISHED"}


class MOUTHPIECE_OT_use_as_chart(_OfChart, bpy.types.Operator):
    """Make what looks like a mouth chart one."""

    bl_idname = "mouthpiece.use_as_chart"
    bl_label = "Use as Mouth Chart"
    bl_description = "Set the pictures, mouths or drawings that were recognised up as a mouth chart"

    @reports_errors
    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Take up what was recognised, set the chart up and report the result; all settings stay if that fails."""
        obj: Any = context.object
        found = recognition.likeness(obj)
        if found is None:
            raise RigError(f"Nothing of '{obj.name}' looks like a mouth chart. Choose what it is under Mouth Chart.")
        before, pictures = chart_settings.snapshot(obj.mouthpiece_chart), []
        try:
            pictures = recognition.take_up(obj, found)
            text = fill.set_up(obj, (), context.scene)
        except Exception:
            chart_settings.restore(obj.mouthpiece_chart, before)
            for picture in pictures:
                picture.source = "FILE"
            raise
        obj.mouthpiece.target = "CHART"
        self.report({"INFO"}, text)
        return {"FINISHED"}


class MOUTHPIECE_OT_show_mouth(_OfChart, bpy.types.Operator):
    """Show one mouth of the chart."""

    bl_idname = "mouthpiece.show_mouth"
    bl_label = "Show Mouth"
    bl_description = "Show this mouth now; nothing is keyed, and keys take over again when the frame changes"

    shape: StringProperty(name="Shape", description="Name of the shape to show; none for the chosen one")

    @reports_errors
    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Show the mouth and make its row active."""
        obj: Any = context.object
        settings = obj.mouthpiece_chart
        target = ChartTarget.of(obj)
        names = [row.shape for row in settings.rows]
        target.show(self.shape or names[settings.index])
        settings.index = names.index(self.shape) if self.shape in names else settings.index
        return {"FINISHED"}


class _OnFile(_OfChart):
    """Mixin for operators that ask for a file."""

    def invoke(self: Any, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open the file browser."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class MOUTHPIECE_OT_load_chart(_OnFile, bpy.types.Operator):
    """Load a chart, or a whole table, from a file."""

    bl_idname = "mouthpiece.load_chart"
    bl_label = "Load Mouth Chart"
    bl_description = "Load a set of your own, or a table saved before, from a JSON file"

    filepath: StringProperty(subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Read the file and report the result."""
        text = files.apply(context.object, files.read(Path(self.filepath)), context.scene)
        self.report({"INFO"}, text)
        return {"FINISHED"}


class MOUTHPIECE_OT_save_chart(_OnFile, bpy.types.Operator):
    """Save the table to a file."""

    bl_idname = "mouthpiece.save_chart"
    bl_label = "Save Mouth Chart"
    bl_description = "Save set, table and timing as JSON, for other characters and for the command line"
    bl_options = {"REGISTER"}

    filepath: StringProperty(subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Write the file."""
        obj: Any = context.object
        ending = "" if not self.filepath or self.filepath.lower().endswith(".json") else ".json"
        path = exports.place(self.filepath + ending)
        chart_settings.check_rows(obj, chart_settings.chart_of(obj.mouthpiece_chart))
        files.write(obj, path)
        self.report({"INFO"}, f"Saved {path}")
        return {"FINISHED"}


register, unregister = register_classes_factory(
    (
        MOUTHPIECE_OT_set_up_chart,
        MOUTHPIECE_OT_use_as_chart,
        MOUTHPIECE_OT_show_mouth,
        MOUTHPIECE_OT_load_chart,
        MOUTHPIECE_OT_save_chart,
    )
)
