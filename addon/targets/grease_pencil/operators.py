"""Operators for drawn faces: find or place handles, select and mirror them, list layers."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from ...reports import reports_errors
from . import face_finder, handles
from . import settings as drawing_settings

_FEATURES = (
    ("ALL", "All", "Every handle"),
    *((name.upper().replace(" ", "_"), name, f"The handles of: {name.lower()}") for name in handles.FEATURES),
)


def drawing(context: bpy.types.Context) -> bpy.types.Object | None:
    """Return the active drawing: the active Grease Pencil, or the one whose handles are active."""
    obj = context.active_object
    return handles.drawing_of(obj) if obj is not None else None


class _OfDrawing:
    """Mixin for operators that work on the active drawing."""

    poll_message_set: Any

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is an active drawing."""
        found = drawing(context) is not None
        if not found:
            cls.poll_message_set("Click a Grease Pencil, or the handles of one")
        return found


class _WithHandles(_OfDrawing):
    """Mixin for operators that work on the handles of the active drawing."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active drawing has usable handles."""
        obj = drawing(context)
        reason = "Click a Grease Pencil, or the handles of one" if obj is None else handles.missing(obj)
        if reason:
            cls.poll_message_set(reason)
        return not reason


class MOUTHPIECE_OT_find_drawn_face(_OfDrawing, bpy.types.Operator):
    """Lay handles on the face of the drawing, where the face detector sees it."""

    bl_idname = "mouthpiece.find_drawn_face"
    bl_label = "Find Face"
    bl_description = "Look for the face in the drawing and lay its 68 handles on it, to be corrected by hand"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Place handles on the face; if none is found, place them as *Place Handles* does."""
        found = face_finder.place(drawing(context), context.scene.frame_current, look=True)
        if not found:
            self.report({"WARNING"}, "No face was seen: handles lie where most drawings have one. Move them onto it")
        return {"FINISHED"}


class MOUTHPIECE_OT_place_handles(_OfDrawing, bpy.types.Operator):
    """Lay handles of a plain face on the drawing."""

    bl_idname = "mouthpiece.place_handles"
    bl_label = "Place Handles"
    bl_description = "Lay 68 handles on the drawing as on a plain face seen from the front, to be moved by hand"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Place the handles."""
        face_finder.place(drawing(context), context.scene.frame_current, look=False)
        return {"FINISHED"}


class MOUTHPIECE_OT_lay_lips(_WithHandles, bpy.types.Operator):
    """Lay the handles of the lips on the mouth that is drawn."""

    bl_idname = "mouthpiece.lay_lips"
    bl_label = "Lay Lips on Mouth"
    bl_description = "Look for the drawn mouth below the eyes and lay the handles of the lips on its line"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Lay the handles, or say that no mouth was found."""
        obj: Any = drawing(context)
        face_finder.lay_lips(obj, context.scene.frame_current)
        return {"FINISHED"}


class MOUTHPIECE_OT_edit_handles(_WithHandles, bpy.types.Operator):
    """Select the handles of a feature in Edit Mode."""

    bl_idname = "mouthpiece.edit_handles"
    bl_label = "Edit Handles"
    bl_description = "Select the handles of a feature in Edit Mode: G moves, S scales and R turns them"
    bl_options = {"REGISTER", "UNDO"}

    feature: bpy.props.EnumProperty(name="Feature", items=_FEATURES)
    extend: bpy.props.BoolProperty(name="Extend", description="Add to what is selected")

    def invoke(self, context: bpy.types.Context, event: Any) -> set[str]:
        """Extend the selection if Shift is held."""
        self.extend = event.shift
        return self.execute(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Select the handles."""
        obj: Any = drawing(context)
        mesh_object = obj.mouthpiece_strokes.handles
        _enter(context, mesh_object, "EDIT")
        handles.select(mesh_object, self.feature, self.extend)
        return {"FINISHED"}


class MOUTHPIECE_OT_leave_handles(_WithHandles, bpy.types.Operator):
    """Leave the handles and go back to the drawing."""

    bl_idname = "mouthpiece.leave_handles"
    bl_label = "Done"
    bl_description = "Leave the handles and make the drawing active again"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the drawing active in Object Mode."""
        _enter(context, drawing(context), "OBJECT")
        return {"FINISHED"}


class MOUTHPIECE_OT_mirror_handles(_WithHandles, bpy.types.Operator):
    """Lay the handles of one side of the face over to the other."""

    bl_idname = "mouthpiece.mirror_handles"
    bl_label = "Mirror Handles"
    bl_description = "Lay the handles of one side of the face over to the other, across its own middle"
    bl_options = {"REGISTER", "UNDO"}

    to_left: bpy.props.BoolProperty(
        name="To the Left", description="From the character's right side to its left", default=True
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Mirror the handles."""
        obj: Any = drawing(context)
        handles.put(obj, handles.mirrored(obj, self.to_left))
        return {"FINISHED"}


class MOUTHPIECE_OT_list_layers(_OfDrawing, bpy.types.Operator):
    """Bring the table of layers up to date."""

    bl_idname = "mouthpiece.list_layers"
    bl_label = "List Layers"
    bl_description = "List the layers as they are now; those there keep their part, new ones get one by their name"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Update the table of layers."""
        drawing_settings.list_layers(drawing(context))
        return {"FINISHED"}


def _enter(context: bpy.types.Context, obj: Any, mode: str) -> None:
    """Make an object active and the only selected one, and enter a mode."""
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for other in context.selected_objects:
        other.select_set(False)
    obj.hide_set(False)
    obj.select_set(True)
    context.view_layer.objects.active = obj
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode=mode)


register, unregister = register_classes_factory((
    MOUTHPIECE_OT_find_drawn_face, MOUTHPIECE_OT_place_handles, MOUTHPIECE_OT_edit_handles, MOUTHPIECE_OT_leave_handles,
    MOUTHPIECE_OT_mirror_handles, MOUTHPIECE_OT_list_layers, MOUTHPIECE_OT_lay_lips,
))  # fmt: skip
