"""The company of a character: what else of it plays the same performance, such as teeth, tongue, lashes and eyes."""

from __future__ import annotations

import bpy
from mouthpiece.errors import RigError

from ..targets import target_for
from . import family

#: Kinds of targets whose meshes come in several parts.
_IN_PARTS = ("NAMES", "SOLVED")


def of(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the further objects that play a character's performance, each once: those on its list, and those found."""
    listed = dict.fromkeys(entry.object for entry in obj.mouthpiece.also)
    return [other for other in (*listed, *found(obj)) if other is not None and other != obj]


def found(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the parts of a character that can play along, and are neither on its list nor left out."""
    if obj.type != "MESH" or obj.data.shape_keys is None or obj.mouthpiece.target not in ("AUTO", *_IN_PARTS):
        return []
    known = {entry.object for entry in (*obj.mouthpiece.also, *obj.mouthpiece.left_out)} | {obj}
    faces = [face for face in family.faces_of(family.related(obj)) if obj in face.parts]
    parts = [part for face in faces if face.main == obj for part in face.parts if part not in known]
    return [part for part in parts if _plays_along(part)]


def _plays_along(part: bpy.types.Object) -> bool:
    """Return whether a part of a face has keys that can be driven, and is no character of its own."""
    if part.data.shape_keys is None or part.mouthpiece.target != "AUTO" or len(part.mouthpiece.also):
        return False
    try:
        return target_for(part).kind == "NAMES"
    except RigError:
        return False


def join(obj: bpy.types.Object) -> None:
    """Put the parts that were found on a character's list."""
    for part in found(obj):
        obj.mouthpiece.also.add().object = part


def leave_out(obj: bpy.types.Object, part: bpy.types.Object) -> None:
    """Take a part off a character's list, and remember that it does not play along."""
    for index in reversed(range(len(obj.mouthpiece.also))):
        if obj.mouthpiece.also[index].object == part:
            obj.mouthpiece.also.remove(index)
    if all(entry.object != part for entry in obj.mouthpiece.left_out):
        obj.mouthpiece.left_out.add().object = part


def take_in(obj: bpy.types.Object, part: bpy.types.Object) -> None:
    """Put an object on a character's list, left out before or not."""
    for index in reversed(range(len(obj.mouthpiece.left_out))):
        if obj.mouthpiece.left_out[index].object == part:
            obj.mouthpiece.left_out.remove(index)
    if all(entry.object != part for entry in obj.mouthpiece.also):
        obj.mouthpiece.also.add().object = part
