"""Operators for the landmarks of a picture rig or portrait: place, edit, mirror, load and save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatVectorProperty, StringProperty
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ExportHelper, ImportHelper
from bpy_extras.view3d_utils import region_2d_to_origin_3d, region_2d_to_vector_3d
from mouthpiece.errors import PictureError, RigError
from mouthpiece.files.writer import write_whole

from ... import compat, exports
from ...reports import reports_errors
from ..portrait import settings as portrait_settings
from . import landmarks as rig_landmarks
from . import settings as picture_settings

_ASKED: Final = (
    "Click the eye on the left of the picture", "Click the eye on the right", "Click the left corner of the mouth",
    "Click the right corner of the mouth",
)  # fmt: skip


class OnRig:
    """Mixin for operators that need a picture rig or a portrait."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls: Any, context: bpy.types.Context) -> bool:
        """Return whether there is one that may be changed; if not, the reason becomes the poll message."""
        rig = picture_settings.face_meant(context.active_object)
        reason = "" if rig is not None else "Click a picture rig or portrait, or its landmarks"
        if picture_settings.is_portrait(rig):
            reason = portrait_settings.not_editable(rig)
        elif rig is not None and (rig.data.shape_keys is None or not rig.data.shape_keys.is_editable):
            reason = f"The mesh of '{rig.name}' is linked, or has lost its shape keys"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def tell(self: Any, work: Any, done: str) -> set[str]:
        """Call ``work``, report the remarks it returns as warnings and then ``done``."""
        for remark in work() or ():
            self.report({"WARNING"}, remark)
        self.report({"INFO"}, done)
        return {"FINISHED"}


class MOUTHPIECE_OT_place_landmarks(OnRig, bpy.types.Operator):
    """Place a face by four clicks: both eyes and both corners of the mouth."""

    bl_idname = "mouthpiece.place_landmarks"
    bl_label = "Place Landmarks"
    bl_description = "Place a face by four clicks: both eyes, then both corners of the mouth. Keys and animation stay"

    points: FloatVectorProperty(
        name="Points", description="The four places in pixels of the picture, x and y each, from the top left", size=8
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Place an average face by the four points."""
        from mouthpiece.portrait.find.placement import placed_by_clicks

        rig: Any = picture_settings.face_meant(context.active_object)
        clicked = np.array(self.points[:]).reshape(4, 2)

        def work() -> list[str]:
            remarks = rig_landmarks.place(context, rig, placed_by_clicks(clicked[:2], clicked[2:]))
            rig_landmarks.show(context, rig)
            return remarks

        return self.tell(work, f"Placed the landmarks of '{rig.name}'")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start asking for clicks in the viewport, which arrive in :meth:`modal`."""
        if bpy.app.background or context.area is None or context.area.type != "VIEW_3D":
            return self.execute(context)
        if context.mode != "OBJECT":
            self.report({"ERROR"}, "Leave Edit Mode first (Tab).")
            return {"CANCELLED"}
        self._clicked: list[tuple[float, float]] = []
        compat.set_status(context, f"{_ASKED[0]}  ·  Esc to stop")
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Collect clicks; other events are passed on, so that the view can be moved."""
        if event.type in ("ESC", "RIGHTMOUSE"):
            compat.set_status(context, None)
            return {"CANCELLED"}
        if event.type != "LEFTMOUSE" or event.value != "PRESS":
            return {"PASS_THROUGH"}
        pixel = pixel_under(context, event)
        if pixel is None:
            self.report({"WARNING"}, "That is beside the picture: click on it")
            return {"RUNNING_MODAL"}
        self._clicked.append(pixel)
        if len(self._clicked) < len(_ASKED):
            compat.set_status(context, f"{_ASKED[len(self._clicked)]}  ·  Esc to stop")
            return {"RUNNING_MODAL"}
        compat.set_status(context, None)
        self.points = [value for pixel in self._clicked for value in pixel]
        return self.execute(context)


def pixel_under(context: bpy.types.Context, event: bpy.types.Event) -> tuple[float, float] | None:
    """Return the pixel of the rig's picture under the mouse; None if the mouse is beside the picture."""
    rig: Any = picture_settings.face_meant(context.active_object)
    region, view = context.region, context.region_data
    if region is None or view is None:
        return None
    mouse = (event.mouse_region_x, event.mouse_region_y)
    inward = rig.matrix_world.inverted_safe()
    origin = inward @ region_2d_to_origin_3d(region, view, mouse)
    direction = inward.to_3x3() @ region_2d_to_vector_3d(region, view, mouse)
    if abs(direction.y) < 1e-9:
        return None
    hit = origin - direction * (origin.y / direction.y)
    return rig_landmarks.pixel_at(rig, hit.x, hit.z)


class MOUTHPIECE_OT_edit_landmarks(OnRig, bpy.types.Operator):
    """Show the landmarks as a mesh and edit it."""

    bl_idname = "mouthpiece.edit_landmarks"
    bl_label = "Edit Landmarks"
    bl_description = "Show the face's points as a mesh to edit: move them (O for proportional editing), then Apply"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the landmark mesh active and enter Edit Mode."""
        rig: Any = picture_settings.face_meant(context.active_object)

        def work() -> list[str]:
            if context.mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            editor = rig_landmarks.show(context, rig)
            if picture_settings.is_portrait(rig):
                rig.mouthpiece_portrait.shown = "STILL"  # the face must lie where its landmarks do
            for other in context.selected_objects:
                other.select_set(False)
            editor.select_set(True)
            context.view_layer.objects.active = editor
            bpy.ops.object.mode_set(mode="EDIT")
            return []

        return self.tell(work, f"Move the points, then press Apply Landmarks for '{rig.name}' to follow")


class MOUTHPIECE_OT_apply_landmarks(OnRig, bpy.types.Operator):
    """Rebuild the rig from its landmark mesh."""

    bl_idname = "mouthpiece.apply_landmarks"
    bl_label = "Apply Landmarks"
    bl_description = "Have the picture follow its moved landmarks. Animation stays"

    hide: BoolProperty(name="Hide Landmarks", description="Hide the landmarks afterwards", default=True)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Rebuild the rig and make it active."""
        rig: Any = picture_settings.face_meant(context.active_object)

        def work() -> list[str]:
            editor = rig_landmarks.editor_of(rig)
            if editor is None:
                raise RigError(f"'{rig.name}' has no landmarks shown. Press Edit Landmarks first.")
            remarks = rig_landmarks.apply(editor)
            if context.mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            editor.select_set(False)
            rig.select_set(True)
            context.view_layer.objects.active = rig
            editor.hide_set(self.hide)
            return remarks

        return self.tell(work, f"'{rig.name}' follows its landmarks")


class MOUTHPIECE_OT_mirror_landmarks(OnRig, bpy.types.Operator):
    """Mirror the landmarks of one side of the face to the other."""

    bl_idname = "mouthpiece.mirror_landmarks"
    bl_label = "Mirror Landmarks"
    bl_description = "Make both sides of the face as one of them; suits faces seen from the front"

    keep: EnumProperty(
        name="Keep",
        description="Which side stays, seen in the picture",
        items=(("RIGHT", "Left of Picture", "The person's right"), ("LEFT", "Right of Picture", "The person's left")),
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Mirror the landmarks, as they are in the landmark mesh if there is one, and rebuild the rig."""
        from mouthpiece.portrait.find.placement import mirrored

        rig: Any = picture_settings.face_meant(context.active_object)

        def work() -> list[str]:
            mode = context.mode
            if mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            editor = rig_landmarks.editor_of(rig)
            points = rig_landmarks.read(editor) if editor else picture_settings.landmarks_of(rig)
            remarks = rig_landmarks.place(context, rig, mirrored(points, self.keep))
            if mode == "EDIT_MESH":
                bpy.ops.object.mode_set(mode="EDIT")
            return remarks

        return self.tell(work, f"Mirrored the landmarks of '{rig.name}'")


class MOUTHPIECE_OT_load_landmarks(OnRig, bpy.types.Operator, ImportHelper):
    """Give a rig the landmarks of a file."""

    bl_idname = "mouthpiece.load_landmarks"
    bl_label = "Load Landmarks"
    bl_description = "Give the rig the landmarks of a file (.json), scaled to its picture"
    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the file and rebuild the rig."""
        from mouthpiece.portrait.find.placement import read_points

        rig: Any = picture_settings.face_meant(context.active_object)

        def work() -> list[str]:
            width, height = picture_settings.picture_of(rig).size
            placed = read_points(Path(bpy.path.abspath(self.filepath)), width, height)
            return rig_landmarks.place(context, rig, placed)

        return self.tell(work, f"'{rig.name}' has the landmarks of '{self.filepath}'")


class MOUTHPIECE_OT_save_landmarks(OnRig, bpy.types.Operator, ExportHelper):
    """Write a rig's landmarks to a file."""

    bl_idname = "mouthpiece.save_landmarks"
    bl_label = "Save Landmarks"
    bl_description = "Write the rig's landmarks to a file (.json), for a copy of this picture or the command line"
    bl_options = {"REGISTER"}
    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the file."""
        rig: Any = picture_settings.face_meant(context.active_object)

        def work() -> list[str]:
            try:
                write_whole(exports.place(self.filepath), rig.mouthpiece_picture.points + "\n")
            except OSError as error:
                raise PictureError(f"'{self.filepath}' cannot be written: {error.strerror}.") from error
            return []

        return self.tell(work, f"Wrote '{self.filepath}'")


register, unregister = register_classes_factory(
    (
        MOUTHPIECE_OT_place_landmarks,
        MOUTHPIECE_OT_edit_landmarks,
        MOUTHPIECE_OT_apply_landmarks,
        MOUTHPIECE_OT_mirror_landmarks,
        MOUTHPIECE_OT_load_landmarks,
        MOUTHPIECE_OT_save_landmarks,
    )
)
