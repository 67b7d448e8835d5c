"""Operators for the pins of the active mesh: propose, clear, mirror, view, save and load them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ExportHelper, ImportHelper
from mouthpiece.phrases import counted

from ... import compat, exports
from ...reports import reports_errors
from . import made_shapes, overlay, pins, proposal


def pinnable(context: bpy.types.Context) -> str:
    """Return why the active object cannot be pinned; empty if it can."""
    obj = context.active_object
    if obj is None or obj.type != "MESH":
        return "Click the mesh with the face first"
    if obj.library is not None and obj.override_library is None:
        return "The object is linked from a library: make it local or override it"
    if obj.mode != "OBJECT":
        return "Go to Object Mode first"
    return ""


@contextmanager
def _busy(context: bpy.types.Context) -> Iterator[None]:
    """Show the wait cursor while something takes a few seconds."""
    window = None if bpy.app.background else context.window
    if window is not None:
        window.cursor_modal_set("WAIT")
    try:
        yield
    finally:
        if window is not None:
            window.cursor_modal_restore()


class _OnMesh:
    """Mixin for operators that need an active mesh whose pins may be changed."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is such a mesh; if not, the reason becomes the poll message."""
        reason = pinnable(context)
        if reason:
            cls.poll_message_set(reason)  # type: ignore[attr-defined]
        return not reason


class _OnPins(_OnMesh):
    """Mixin for operators that also need pins on that mesh."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the mesh has pins."""
        if not super().poll(context):
            return False
        found = len(context.active_object.mouthpiece_pins.points) > 0
        if not found:
            cls.poll_message_set("Nothing is pinned yet")  # type: ignore[attr-defined]
        return found


class MOUTHPIECE_OT_propose_pins(_OnMesh, bpy.types.Operator):
    """Find the face on the mesh and pin all landmarks."""

    bl_idname = "mouthpiece.propose_pins"
    bl_label = "Propose Pins"
    bl_description = "Find the face on the mesh and pin all 68 landmarks; takes a few seconds"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Pin all landmarks and report how they were found."""
        with _busy(context):
            done = proposal.propose(context.active_object)
        for remark in done.remarks:
            self.report({"WARNING"}, remark)
        self.report({"INFO"}, f"Pinned {context.active_object.name} by {done.text}")
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_make_missing_shapes(bpy.types.Operator):
    """Make the ARKit shapes that the mesh lacks."""

    bl_idname = "mouthpiece.make_missing_shapes"
    bl_label = "Make Missing Shapes"
    bl_description = (
        "Add the ARKit shape keys that this mesh lacks, made from its landmarks and the bundled head, "
        "to animate with and to sculpt on. Keys that move something are not touched"
    )
    bl_options = {"REGISTER", "UNDO"}

    parts: EnumProperty(
        name="Shapes",
        description="Which shapes to make",
        items=(
            ("MOUTH", "Mouth", "Jaw, lips, cheeks and tongue"),
            ("EYES", "Eyes", "Lids and looks"),
            ("BROWS", "Brows", "Brows and nose"),
        ),
        options={"ENUM_FLAG"},
        default={"MOUTH", "EYES", "BROWS"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a mesh that shape keys can be added to."""
        reason = made_shapes.refusal(context.active_object)
        if reason:
            cls.poll_message_set(reason)  # type: ignore[attr-defined]
        return not reason

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the shapes and report how many."""
        obj: Any = context.active_object
        manager = context.window_manager
        manager.progress_begin(0, 100)
        try:
            with _busy(context):
                done = made_shapes.make(obj, tuple(self.parts), lambda share: manager.progress_update(int(100 * share)))
        finally:
            manager.progress_end()
        for remark in done.remarks:
            self.report({"WARNING"}, remark)
        self.report({"INFO"}, made_shapes.said(obj, done))
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_clear_pins(_OnPins, bpy.types.Operator):
    """Take all pins off the mesh."""

    bl_idname = "mouthpiece.clear_pins"
    bl_label = "Clear Pins"
    bl_description = "Take all pins off the mesh. Keys already made stay"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove all pins."""
        pins.clear_pins(context.active_object)
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_mirror_pins(_OnPins, bpy.types.Operator):
    """Give the left side the mirror images of the right side's pins."""

    bl_idname = "mouthpiece.mirror_pins"
    bl_label = "Mirror Right to Left"
    bl_description = "Give the character's left side the mirror images of its right side's pins, across the mesh's X"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Mirror the pins; landmarks without a vertex at the mirrored place keep theirs."""
        from mouthpiece.retarget.pins.names import DIAGRAM
        from mouthpiece.topology import MIRROR

        obj: Any = context.active_object
        now = pins.pins_of(obj).vertices
        right = [point for point, (x, _) in enumerate(DIAGRAM) if x < 0]
        images = {MIRROR[p]: pins.mirrored(obj, int(now[p])) for p in right if now[p] >= 0}
        pins.set_pins(obj, {p: v for p, v in images.items() if v >= 0})
        missed = sum(v < 0 for v in images.values())
        if missed:
            self.report(
                {"WARNING"},
                f"{counted(missed, 'landmark')} without a vertex at the mirrored place: nothing was changed there",
            )
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_unpin(_OnPins, bpy.types.Operator):
    """Remove one pin."""

    bl_idname = "mouthpiece.unpin"
    bl_label = "Unpin"
    bl_description = "Take this pin off: the landmark then takes no part"
    bl_options = {"REGISTER", "UNDO"}

    point: IntProperty(name="Landmark", min=0, max=pins.COUNT - 1)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the pin."""
        pins.set_pins(context.active_object, {self.point: -1})
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_view_pin(_OnPins, bpy.types.Operator):
    """Turn the view to a pin."""

    bl_idname = "mouthpiece.view_pin"
    bl_label = "View Pin"
    bl_description = "Move the view so that this pin is in its middle"
    bl_options = {"INTERNAL"}

    point: IntProperty(name="Landmark", min=0, max=pins.COUNT - 1)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Move the 3D View that the button is in."""
        obj: Any = context.active_object
        place = overlay.places(obj, context.evaluated_depsgraph_get()).get(self.point)
        view = context.space_data
        if place is None or view is None or view.type != "VIEW_3D":
            self.report({"ERROR"}, "There is no pin to see, or no 3D View to see it in")
            return {"CANCELLED"}
        obj.mouthpiece_pins.active = self.point
        view.region_3d.view_location = place
        return {"FINISHED"}


class MOUTHPIECE_OT_export_pins(_OnPins, bpy.types.Operator, ExportHelper):
    """Write the pins to a file."""

    bl_idname = "mouthpiece.export_pins"
    bl_label = "Export Pins"
    bl_description = "Write the pins to a file, for other meshes with the same face"

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the file."""
        pins.write_file(context.active_object, exports.place(self.filepath))
        return {"FINISHED"}


class MOUTHPIECE_OT_import_pins(_OnMesh, bpy.types.Operator, ImportHelper):
    """Read pins from a file."""

    bl_idname = "mouthpiece.import_pins"
    bl_label = "Import Pins"
    bl_description = "Pin the mesh as a file has it: by vertex numbers, or by places if the mesh has other vertices"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the file and report how many landmarks are pinned."""
        count = pins.read_file(context.active_object, Path(self.filepath))
        self.report({"INFO"}, f"Pinned {counted(count, 'landmark')}")
        compat.redraw(context)
        return {"FINISHED"}


register, unregister = register_classes_factory(
    (
        MOUTHPIECE_OT_propose_pins,
        MOUTHPIECE_OT_make_missing_shapes,
        MOUTHPIECE_OT_clear_pins,
        MOUTHPIECE_OT_mirror_pins,
        MOUTHPIECE_OT_unpin,
        MOUTHPIECE_OT_view_pin,
        MOUTHPIECE_OT_export_pins,
        MOUTHPIECE_OT_import_pins,
    )
)
