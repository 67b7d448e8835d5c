"""Sets what a portrait's plane shows: its picture, the frame previewed last, or what was rendered last."""

from __future__ import annotations

from typing import Any, Final

import bpy

from ... import previews

#: Greatest number of frames that Blender's images have.
_MOST: Final = 1_048_574


def first_number(first: int) -> int:
    """Return the number that the file of the scene's frame ``first`` bears: its own, but at least 1."""
    return max(first, 1)


def chosen(self: Any, _context: bpy.types.Context) -> None:
    """Update callback: show what was chosen."""
    refresh(self.id_data)


def followed(self: Any, _context: bpy.types.Context) -> None:
    """Update callback: preview at once when following the playhead is turned on; show the picture when turned off."""
    if self.follow:
        previews.changed(self.id_data)
    elif self.shown == "PREVIEW":
        self.shown = "STILL"


def exchanged(obj: bpy.types.Object) -> None:
    """Show another picture that was chosen, instead of frames that were rendered of the one before."""
    if obj.mouthpiece_portrait.shown == "FRAMES":
        obj.mouthpiece_portrait.shown = "STILL"
    refresh(obj)
    previews.changed(obj)


def refresh(obj: bpy.types.Object) -> None:
    """Set the plane's image to what its settings say, or to the picture if there is no such image."""
    settings = obj.mouthpiece_portrait
    image = {"PREVIEW": settings.preview, "FRAMES": settings.rendered}.get(settings.shown)
    node = texture_of(obj)
    if node is None:
        return
    node.image = image or obj.mouthpiece_picture.image
    user = node.image_user
    if image is None or settings.shown != "FRAMES":
        return
    user.frame_start, user.frame_duration = settings.first, min(max(1, settings.last - settings.first + 1), _MOST)
    # files of a sequence are numbered like the scene's frames; the frames of a film begin with 1
    user.frame_offset = first_number(settings.first) - 1 if image.source == "SEQUENCE" else 0
    user.use_cyclic, user.use_auto_refresh = False, True


def texture_of(obj: bpy.types.Object) -> Any:
    """Return the node that shows the picture; None if the material has no image texture any more."""
    slots = obj.material_slots
    material = slots[0].material if len(slots) else None
    tree = material.node_tree if material is not None else None
    nodes = [node for node in tree.nodes if node.bl_idname == "ShaderNodeTexImage"] if tree is not None else []
    return nodes[0] if nodes else None
