"""The operator Make Picture Rig, and what it shares with the one that adds portraits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ImportHelper
from mouthpiece.errors import MouthpieceError, PictureError
from mouthpiece.files.places import is_folder

from ... import stage
from ...reports import reports_errors
from . import builder as rig_builder
from . import images
from . import landmarks as rig_landmarks
from .builder import WantedFace


class OfImage(ImportHelper):
    """Mixin for operators that make a character of an image and the face in it."""

    bl_options = {"REGISTER", "UNDO"}
    #: What is made, as text, and the function that makes it.
    what = ""
    make: Callable[..., rig_builder.MadeRig]

    filename_ext = ""
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    image: StringProperty(
        name="Image", description="An image of this file instead of one from disk", options={"HIDDEN", "SKIP_SAVE"}
    )
    placement: EnumProperty(
        name="Landmarks",
        description="How the face's points are found",
        items=(
            ("DETECT", "Find Face", "Find the face in the picture"),
            ("HAND", "By Hand", "An average face in the middle, to be moved: animals, objects, drawings"),
            ("FILE", "From File", "Points from a file, as `mouthpiece landmarks` writes it"),
        ),
    )
    landmarks: StringProperty(name="Points", description="File of landmarks (.json)", subtype="FILE_PATH")
    face: IntProperty(
        name="Face", description="Which face, where the picture shows several: 1 for the largest", default=1, min=1
    )
    longest: FloatProperty(
        name="Size",
        description="Longer side of the picture in the scene",
        default=rig_builder.LONGEST,
        min=0.001,
        subtype="DISTANCE",
    )
    camera: BoolProperty(
        name="Add Camera", description="Add a flat camera on the picture if the scene has none", default=True
    )

    def draw(self: Any, context: bpy.types.Context) -> None:
        """Draw the options beside the file browser."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "placement")
        if self.placement == "FILE":
            layout.prop(self, "landmarks")
        if self.placement != "HAND":
            layout.prop(self, "face")
        layout.prop(self, "longest")
        layout.prop(self, "camera")

    @reports_errors
    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Make the character and report warnings; images loaded for it are removed again if that fails."""
        if context.mode != "OBJECT":
            self.report({"ERROR"}, f"Leave the present mode first (Tab): a {self.what} is made in Object Mode.")
            return {"CANCELLED"}
        before = set(bpy.data.images)
        try:
            if self.placement == "FILE" and not self.landmarks:
                raise PictureError("No file of landmarks is named. Choose one, or let the face be found.")
            made = type(self).make(context, self._image(), self._wanted(), self.longest)
        except MouthpieceError:
            for image in set(bpy.data.images) - before:
                bpy.data.images.remove(image)
            raise
        body = stage.box_of(made.rig)
        assert body is not None  # pictures have an extent
        made.rig.location = stage.free_place(context, body, made.rig)
        context.view_layer.update()
        if self.camera:
            rig_builder.add_camera(context, made.rig)
        stage.show(context, picture=True)
        if self.placement == "HAND":
            rig_landmarks.show(context, made.rig)
            made.warnings.append("Now press Place Landmarks and click the eyes and the corners of the mouth.")
        for warning in made.warnings:
            self.report({"WARNING"}, warning)
        self.report({"INFO"}, f"Made the {self.what} '{made.rig.name}'")
        return {"FINISHED"}

    def _image(self: Any) -> bpy.types.Image:
        """Return the chosen image; raises PictureError if there is none."""
        if self.image:
            found = bpy.data.images.get(self.image)
            if found is None:
                raise PictureError(f"There is no image '{self.image}' in this file.")
            images.check(found)
            return found
        if not self.filepath or is_folder(Path(bpy.path.abspath(self.filepath))):
            raise PictureError("No picture is chosen. Click an image file.")
        return images.load(self.filepath)

    def _wanted(self: Any) -> WantedFace:
        """Return where the landmarks shall come from."""
        return WantedFace(self.face, self.landmarks if self.placement == "FILE" else "", self.placement == "HAND")


class MOUTHPIECE_OT_make_picture_rig(OfImage, bpy.types.Operator):
    """Turn a photo, painting or drawing into a mesh whose face can be animated."""

    bl_idname = "mouthpiece.make_picture_rig"
    bl_label = "Make Picture Rig"
    bl_description = "Turn a photo, painting or drawing into a mesh whose face can be animated"
    what = "picture rig"
    make = staticmethod(rig_builder.make)


def _menu(self: Any, context: bpy.types.Context) -> None:
    """Draw the menu entry."""
    self.layout.operator(MOUTHPIECE_OT_make_picture_rig.bl_idname, text="Picture Rig (Mouthpiece)", icon="IMAGE_DATA")


_register, _unregister = register_classes_factory((MOUTHPIECE_OT_make_picture_rig,))


def register() -> None:
    """Register the operator and add it to the menu Add > Image."""
    _register()
    bpy.types.VIEW3D_MT_image_add.append(_menu)


def unregister() -> None:
    """Remove the menu entry and unregister the operator."""
    bpy.types.VIEW3D_MT_image_add.remove(_menu)
    _unregister()
