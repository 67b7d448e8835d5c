"""Settings of a picture rig or a portrait, stored with its object: picture and landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, PointerProperty, StringProperty
from bpy.utils import register_classes_factory
from mouthpiece.errors import PictureError, UnreadableError
from mouthpiece.files.json_text import parsed_json

from ... import previews
from . import images

if TYPE_CHECKING:
    from mouthpiece.portrait.find.placement import Placed


def _has_face(_self: Any, obj: bpy.types.Object) -> bool:
    """Poll callback: return whether an object may be chosen, which needs a face."""
    return has_face(obj)


def _show(self: Any, _context: bpy.types.Context) -> None:
    """Update callback: show the picture that was chosen, such as a retouched version of the one before."""
    if self.portrait:
        previews.picture_chosen(self.id_data)
        return
    slots: Any = self.id_data.material_slots if isinstance(self.id_data, bpy.types.Object) else ()
    tree = slots[0].material.node_tree if len(slots) and slots[0].material is not None else None
    for node in tree.nodes if tree is not None and self.image is not None else ():
        if node.bl_idname == "ShaderNodeTexImage":
            node.image = self.image


class MOUTHPIECE_PG_picture(bpy.types.PropertyGroup):
    """Picture and landmarks of a picture rig or a portrait; or, on a landmark mesh, the object it belongs to."""

    image: PointerProperty(name="Picture", description="Picture with the face", type=bpy.types.Image, update=_show)
    portrait: BoolProperty(name="Portrait", description="Frames are rendered of it; it is no rig")
    painting: PointerProperty(name="Mouth", description="Painted inside of the mouth", type=bpy.types.Image)
    points: StringProperty(name="Landmarks", description="Landmarks of the face, as JSON")
    found: StringProperty(name="Found", description="How sure the face was when it was found; empty once moved by hand")
    points_of: PointerProperty(
        name="Picture", description="What these landmarks belong to", type=bpy.types.Object, poll=_has_face
    )


def has_face(obj: bpy.types.Object | None) -> bool:
    """Return whether an object is a picture with landmarks: a picture rig or a portrait."""
    return obj is not None and obj.type == "MESH" and bool(obj.mouthpiece_picture.points)


def is_rig(obj: bpy.types.Object | None) -> bool:
    """Return whether an object is a picture rig."""
    return obj is not None and has_face(obj) and not obj.mouthpiece_picture.portrait


def is_portrait(obj: bpy.types.Object | None) -> bool:
    """Return whether an object is a portrait."""
    return obj is not None and has_face(obj) and obj.mouthpiece_picture.portrait


def face_meant(obj: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return ``obj`` if it is a picture rig or portrait, or the one whose landmark mesh it is; else None."""
    if obj is None:
        return None
    owner = obj.mouthpiece_picture.points_of
    return obj if has_face(obj) else owner if has_face(owner) else None


def rig_meant(obj: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return ``obj`` if it is a picture rig, or the rig whose landmark mesh it is; else None."""
    found = face_meant(obj)
    return found if is_rig(found) else None


def portrait_meant(obj: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return ``obj`` if it is a portrait, or the portrait whose landmark mesh it is; else None."""
    found = face_meant(obj)
    return found if is_portrait(found) else None


def landmarks_of(rig: bpy.types.Object) -> Placed:
    """Return the landmarks of a rig or portrait in pixels of its picture; raises PictureError if they are damaged."""
    from mouthpiece.portrait.find.placement import from_json

    width, height = picture_of(rig).size
    return from_json(_stored(rig), width, height, label=rig.name)


def _stored(rig: bpy.types.Object) -> Any:
    """Return the stored landmarks as parsed JSON; raises PictureError if they are damaged."""
    try:
        return parsed_json(rig.mouthpiece_picture.points)
    except UnreadableError as error:
        raise PictureError(f"'{rig.name}' has lost its landmarks. Make the rig again.") from error


def eye_share(rig: bpy.types.Object) -> float:
    """Return the distance of a rig's outer eye corners as a share of the picture's longer side.

    This does not need the picture itself.
    """
    import numpy as np
    from mouthpiece.portrait.find.placement import from_json

    marks = from_json(_stored(rig), 1, 1, label=rig.name).landmarks  # in shares of width and height
    size = np.array(_stored(rig)["size"], np.float64)
    return float(np.linalg.norm((marks[45, :2] - marks[36, :2]) * size) / size.max())


def keep(rig: bpy.types.Object, placed: Placed) -> None:
    """Store the landmarks of a rig or portrait with its object."""
    from mouthpiece.portrait.find.choice import surety
    from mouthpiece.portrait.find.placement import as_json

    image = picture_of(rig)
    rig.mouthpiece_picture.points = as_json([placed], image.size[0], image.size[1], image.name).strip()
    rig.mouthpiece_picture.found = surety(placed)


def picture_of(rig: bpy.types.Object) -> bpy.types.Image:
    """Return the picture of a rig or portrait; raises PictureError if it is gone or cannot be read."""
    image = rig.mouthpiece_picture.image
    if image is None:
        raise PictureError(f"'{rig.name}' has lost its picture. Choose it again in the panel.")
    images.check(image)
    return image


_register, _unregister = register_classes_factory((MOUTHPIECE_PG_picture,))


def register() -> None:
    """Register the settings and add them to every object."""
    _register()
    bpy.types.Object.mouthpiece_picture = PointerProperty(type=MOUTHPIECE_PG_picture)


def unregister() -> None:
    """Remove the settings from objects and unregister them."""
    del bpy.types.Object.mouthpiece_picture
    _unregister()
