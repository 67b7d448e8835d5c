"""The company of a character: what else of it plays the same performance, such as teeth, tongue, lashes and eyes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import bpy
from mathutils import Vector
from mouthpiece.errors import RigError
from mouthpiece.retarget.coverage import part_named

from ..targets import Target, target_for
from ..targets.eyeball.target import EyeballTarget
from ..targets.head.pivots import eyes_of
from ..targets.lower_teeth.target import LowerTeethTarget
from ..targets.shape_keys.target import table_of
from . import answers, family

#: Kinds of targets whose meshes come in several parts.
_IN_PARTS: Final = ("NAMES", "SOLVED")
#: Words for lower and upper teeth.
_LOWER: Final = re.compile(r"low|bottom|mandib|under|inferior|unter", re.IGNORECASE)
_UPPER: Final = re.compile(r"up|top|maxil|superior|ober", re.IGNORECASE)
#: Why upper teeth do not follow the jaw.
_UPPER_ROW: Final = "upper teeth stand still"
#: An eyeball is at most so large, and so far from the middle of the lids, in distances of the eyes' middles.
_EYE_SIZE: Final = 0.9
_EYE_NEAR: Final = 0.4


def of(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the further objects that play a character's performance, each once: those on its list, and those found."""
    listed = dict.fromkeys(entry.object for entry in obj.mouthpiece.also)
    return [other for other in (*listed, *found(obj)) if other is not None and other != obj]


def found(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the parts of a character that can play along, and are neither on its list nor left out."""
    able = answers.fresh("company", obj, lambda: [part for part, why in _looked_at(obj) if not why])
    known = {entry.object for entry in (*obj.mouthpiece.also, *obj.mouthpiece.left_out)}
    return [part for part in able if part not in known]


def standing(obj: bpy.types.Object) -> list[str]:
    """Return a sentence for each part of a character that should move and does not; those left out are not named."""
    known = {entry.object for entry in (*obj.mouthpiece.also, *obj.mouthpiece.left_out)}
    return [f"Not driven: {why}." for part, why in _looked_at(obj) if why and part not in known]


def targets_of(obj: bpy.types.Object, strength: float) -> list[Target]:
    """Return the targets of a character's company; raises RigError if an object on its list has none."""
    listed = {entry.object for entry in obj.mouthpiece.also}
    made = []
    for other in of(obj):
        try:
            made.append(target_of(obj, other, strength))
        except RigError:
            if other in listed:
                raise  # what was only found is left alone until it is on the list, and goes by the face's table
    return made


def target_of(obj: bpy.types.Object, other: bpy.types.Object, strength: float) -> Target:
    """Return the target of an object in a character's company; raises RigError if it has none.

    An object without shape keys is an eyeball where it lies behind lids, or lower teeth by its name.
    """
    kind = other.mouthpiece.target
    if obj.type == "MESH" and other.type == "MESH" and other.data.shape_keys is None:
        if kind == "EYEBALL" or (kind == "AUTO" and _near_eyes(obj, other) is not None):
            eye = next((eye for eye in _eyes(obj) if other in eye), (other,))
            return EyeballTarget.beside(obj, other, eye, strength)
        if kind == "LOWER_TEETH" or (kind == "AUTO" and _meant(other) == "teeth"):
            return LowerTeethTarget.beside(obj, other, strength)
    return target_for(other, strength, other.mouthpiece.target)


def _looked_at(obj: bpy.types.Object) -> Iterator[tuple[bpy.types.Object, str]]:
    """Yield every part of a character that might play along, and why it does not; empty if it does."""
    if obj.type != "MESH" or obj.data.shape_keys is None or obj.mouthpiece.target not in ("AUTO", *_IN_PARTS):
        return
    eyes = [part for eye in _eyes(obj) for part in eye]
    for part in _parts(obj):
        why = _why_still(obj, part) if part.data.shape_keys is not None else _why_not_moved(obj, part, part in eyes)
        if why is not None:
            yield part, why


def _why_still(obj: bpy.types.Object, part: bpy.types.Object) -> str | None:
    """Return why the keys of a part of a face are not driven, "" if they are; None if it need not move."""
    if _plays_along(obj, part):
        return ""
    if part.mouthpiece.target == "AUTO" and _keyed_as(part):
        return f"'{part.name}'. {_why_not_keyed(part)}"
    return None


def _why_not_moved(obj: bpy.types.Object, part: bpy.types.Object, is_eye: bool) -> str | None:
    """Return why a part of a face without keys does not move as a whole, "" if it does; None if it need not move."""
    if is_eye:
        return _hindered(part)
    named = _meant(part)
    if named == "gaze" and _is_between_eyes(obj, part):
        return f"'{part.name}' holds both eyes in one mesh, which cannot be turned one by one"
    why = _why_not_lower(obj, part) if named == "teeth" else _UPPER_ROW
    return None if why == _UPPER_ROW else why


def _parts(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the meshes that lie within a face, without itself."""
    faces = [face for face in family.faces_of(family.related(obj)) if face.main == obj]
    return [part for face in faces for part in face.parts if part != obj]


def _plays_along(face: bpy.types.Object, part: bpy.types.Object) -> bool:
    """Return whether a part of a face has keys that can be driven, and is no character of its own.

    They are known by themselves, or they are called as those of the face.
    """
    if part.mouthpiece.target != "AUTO" or len(part.mouthpiece.also):
        return False
    if not family.known_keys(part):
        return _shares_keys(face, part)
    try:
        return target_for(part).kind == "NAMES"
    except RigError:
        return False


def _keyed_as(part: bpy.types.Object) -> str:
    """Return which part of a face a mesh with keys is, by its own name or those of its keys; empty if none says."""
    names = (part.name, part.data.name, *(block.name for block in part.data.shape_keys.key_blocks[1:]))
    return next(filter(None, map(part_named, names)), "")


def _why_not_keyed(part: bpy.types.Object) -> str:
    """Return the first sentence of why a mesh has no keys that can be driven."""
    try:
        return target_for(part).summary()
    except RigError as error:
        return str(error).partition(". ")[0].rstrip(".")


def _shares_keys(face: bpy.types.Object, part: bpy.types.Object) -> bool:
    """Return whether keys of a part are called like keys of its face."""
    from mouthpiece.retarget.shape_keys.matching import with_keys

    names = [block.name for block in part.data.shape_keys.key_blocks[1:]]
    try:
        return bool(with_keys(table_of(face), names).entries)
    except RigError:
        return False


def _hindered(part: bpy.types.Object) -> str:
    """Return why an object without keys cannot be moved as a whole; empty if it can."""
    if any(modifier.type == "ARMATURE" and modifier.object for modifier in part.modifiers):
        return f"'{part.name}' has no shape keys and moves with the bones of its armature"
    if any(one.influence > 0 and not one.mute for one in part.constraints):
        return f"'{part.name}' has no shape keys, and constraints of its own"
    if part.rotation_mode == "AXIS_ANGLE":
        return f"'{part.name}' rotates by Axis Angle, which has no delta. Set its rotation to XYZ"
    return "" if part.is_editable else f"'{part.name}' is linked. Make a library override of it"


def _meant(part: bpy.types.Object) -> str:
    """Return which part of a face an object is, by its own name or that of an empty above it."""
    above = part
    for _ in range(3):
        named = part_named(above.name) or (part_named(above.data.name) if above.data is not None else "")
        if named:
            return named
        above = above.parent
        if above is None or above.type != "EMPTY" or len(above.children) > 2:
            return ""
    return ""


# --- eyes


def _eyes(obj: bpy.types.Object) -> list[tuple[bpy.types.Object, ...]]:
    """Return the objects without keys that make up each eye."""
    sides: dict[int, list[bpy.types.Object]] = {}
    for part in _parts(obj):
        if part.data.shape_keys is None:
            side = _near_eyes(obj, part)
            if side is not None:
                sides.setdefault(side, []).append(part)
    return [tuple(parts) for parts in sides.values()]


def _near_eyes(obj: bpy.types.Object, part: bpy.types.Object) -> int | None:
    """Return which eye an object is (0 or 1): it is small, and behind the lids of one; None if it is none."""
    eyes = _lids(obj)
    if eyes is None or _meant(part) not in ("gaze", ""):
        return None
    apart = (eyes[0] - eyes[1]).length
    size = max(part.dimensions)
    if size > _EYE_SIZE * apart or (not _meant(part) and not _is_round(part)):
        return None
    middle = _middle(part)
    far = [(middle - eye).length for eye in eyes]
    side = 0 if far[0] < far[1] else 1
    return side if far[side] <= _EYE_NEAR * apart else None


def _is_round(part: bpy.types.Object) -> bool:
    """Return whether the box around an object is nearly a cube."""
    sizes = sorted(part.dimensions)
    return bool(sizes[0] > 0.7 * sizes[2] > 0)


def _is_between_eyes(obj: bpy.types.Object, part: bpy.types.Object) -> bool:
    """Return whether an object lies about the middle between the eyes, as a mesh with both of them does."""
    eyes = _lids(obj)
    return eyes is not None and (_middle(part) - (eyes[0] + eyes[1]) / 2).length < 0.5 * (eyes[0] - eyes[1]).length


def _lids(obj: bpy.types.Object) -> tuple[Vector, Vector] | None:
    """Return the middles of the lids in world space; None if no keys close them one by one."""
    eyes = eyes_of(obj)
    return None if eyes is None else (obj.matrix_world @ eyes[0], obj.matrix_world @ eyes[1])


def _middle(part: bpy.types.Object) -> Vector:
    """Return the middle of the box around an object in world space."""
    return part.matrix_world @ (sum((Vector(corner) for corner in part.bound_box), Vector()) / 8)


# --- teeth


def _why_not_lower(obj: bpy.types.Object, part: bpy.types.Object) -> str:
    """Return why teeth do not follow the jaw: they are the upper ones, or it cannot be told; empty if they do."""
    words = f"{part.name} {part.data.name} {part.parent.name if part.parent else ''}"
    lower, upper = bool(_LOWER.search(words)), bool(_UPPER.search(words))
    if lower == upper:
        rows = [
            one
            for one in _parts(obj)
            if one.data.shape_keys is None and _meant(one) == "teeth" and one.parent == part.parent
        ]
        if len(rows) != 2:
            return f"'{part.name}' may hold both rows of teeth in one mesh, of which only the lower follows the jaw"
        lower = min(rows, key=lambda one: _middle(one).z) == part
    if not lower:
        return _UPPER_ROW
    try:
        LowerTeethTarget.beside(obj, part)
    except RigError as error:
        return f"'{part.name}' cannot follow the jaw. {str(error).rstrip('.')}"
    return _hindered(part)


# --- the list


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
