"""Finds the main object of a character from any of its parts: the mesh whose shape keys play its mouth, or its rig.

Parts of one character share an armature, a parent, or a collection, and they are in one place: what belongs to a face
lies within the box around it. So two characters under one empty, or two heads on one armature, stay two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Vector
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ..bake import redial
from ..targets import DRIVABLE, target_for
from ..targets.head.joints import armature_of
from ..targets.shape_keys import stillness
from ..targets.shape_keys.target import leader, table_of
from . import answers

#: Words in names of what is only a part of a face, though it may have all of its keys.
_PART: Final = re.compile(
    r"teeth|tooth|tongue|gums?(?![a-z])|lash|brow|eye|cornea|iris|pupil|tear|occlusion|beard|must|hair|cap(?![a-z])",
    re.IGNORECASE,
)
#: How far beyond its box a face reaches, in parts of the box's size.
_MARGIN: Final = 0.15
#: A mesh with fewer of the mouth's keys than this part of the fullest one is no face of its own.
_FULL: Final = 0.5


@dataclass(frozen=True, slots=True)
class FaceParts:
    """A face and the objects that lie within it, the face first."""

    parts: tuple[bpy.types.Object, ...]

    @property
    def main(self) -> bpy.types.Object:
        """The object whose keys play the mouth."""
        return self.parts[0]


def main_object(obj: bpy.types.Object) -> bpy.types.Object:
    """Return the main object of the character ``obj`` is a part of; itself if there is none, or several."""
    return answers.fresh("main", obj, lambda: [_main(obj)])[0]


def _main(obj: bpy.types.Object) -> bpy.types.Object:
    """Return the main object, asked anew."""
    if obj.type not in (*DRIVABLE, "EMPTY") or obj.type == "GREASEPENCIL" or _is_set_up(obj):
        return obj
    leading = leader(obj) if obj.type == "MESH" else None
    if leading is not None:
        return leading
    members = related(obj)
    faces = faces_of(members)
    for face in faces:
        if obj in face.parts:
            return face.main
    if len(faces) == 1:
        return faces[0].main
    if faces:
        return obj
    rig = armature_of(obj)
    if rig is None:
        rigs = [member for member in members if member.type == "ARMATURE"]
        rig = rigs[0] if len(rigs) == 1 else None
    if rig is not None and _plays(rig):
        return rig if obj.type != "MESH" or not _plays(obj) else obj
    keyed = [member for member in members if member.type == "MESH" and member.data.shape_keys]
    return keyed[0] if obj.type != "MESH" and len(keyed) == 1 else obj


def _is_set_up(obj: bpy.types.Object) -> bool:
    """Return whether somebody made this object itself a character: by its target, its list, its head or a line."""
    own = obj.mouthpiece
    chosen = own.target != "AUTO" or len(own.also) > 0 or obj.mouthpiece_head.turns != "NONE"
    return chosen or bool(redial.dialled_lines(obj))


def _plays(obj: bpy.types.Object) -> bool:
    """Return whether there is a target for an object."""
    try:
        target_for(obj)
    except RigError:
        return False
    return True


def related(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the objects that may be parts of the same character as ``obj``, itself first, each once."""
    found = dict.fromkeys([obj])
    if obj.type == "EMPTY" and obj.instance_type == "COLLECTION" and obj.instance_collection is not None:
        return [*(found | dict.fromkeys(obj.instance_collection.all_objects))]
    rig = armature_of(obj)
    top = rig or obj
    while top.parent is not None:
        top = top.parent
    found |= dict.fromkeys([top, *top.children_recursive])
    if rig is not None:
        found |= dict.fromkeys(_wearers(rig))
        found = dict.fromkeys(one for one in found if armature_of(one) in (rig, None))
    if len(found) == 1:
        found |= dict.fromkeys(_neighbours(obj))
    return list(found)


def _wearers(rig: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """Yield the meshes that an armature deforms."""
    for other in bpy.data.objects:
        if any(modifier.type == "ARMATURE" and modifier.object == rig for modifier in other.modifiers):
            yield other


def _neighbours(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the loose objects in an object's own collections, but for those that hold a whole scene."""
    whole = {scene.collection for scene in bpy.data.scenes}
    inside = [one for found in obj.users_collection if found not in whole for one in found.objects]
    return [one for one in inside if one.parent is None and armature_of(one) is None]


def faces_of(members: Iterable[bpy.types.Object]) -> list[FaceParts]:
    """Return the faces among objects that may be parts of one character, each with the parts that lie within it."""
    meshes = [one for one in members if one.type == "MESH" and len(one.data.vertices)]
    ranked = sorted(((mouth_keys(one), one) for one in meshes), key=_rank)
    best = max((count for count, one in ranked if count), default=0)
    boxes = {one: _box(one) for one in meshes}
    mains: list[bpy.types.Object] = []
    parts: dict[bpy.types.Object, list[bpy.types.Object]] = {}
    for count, one in ranked:
        within = next((main for main in mains if _inside(boxes[one], boxes[main])), None)
        if within is not None:
            parts[within].append(one)
        elif count and (not mains or (count >= _FULL * best and not _PART.search(one.name))):
            mains.append(one)
            parts[one] = [one]
    return [FaceParts(tuple(parts[main])) for main in mains]


def _rank(item: tuple[int, bpy.types.Object]) -> tuple[bool, bool, int, int]:
    """Return the sort key of a mesh: those that play a mouth first, parts of a face last, then by keys and vertices."""
    count, obj = item
    return count == 0, bool(_PART.search(obj.name)), -count, -len(obj.data.vertices)


def mouth_keys(obj: bpy.types.Object) -> int:
    """Return how many keys of a mesh move lips and jaw, by its table or the keys' names; of a pinned one all may."""
    named = sum(layer == "lips" for layer in known_keys(obj))
    if named or obj.type != "MESH" or obj.data.shape_keys is None or not obj.mouthpiece_pins.points:
        return named
    return len(obj.data.shape_keys.key_blocks) - 1


def known_keys(obj: bpy.types.Object) -> tuple[str, ...]:
    """Return the layer of each key of a mesh that is known, by its table or its name.

    It is found out once for the same keys, as panels ask at every redraw; also that none is known.
    """
    if obj.type != "MESH" or obj.data.shape_keys is None:
        return ()
    key = obj.data.shape_keys
    names = (block.name for block in key.key_blocks)
    shape = (key.session_uid, len(obj.mouthpiece_names.entries), stillness.still(obj), *names)
    if shape not in _known:
        if len(_known) > 256:
            _known.clear()
        try:
            _known[shape] = tuple(entry.layer for entry in table_of(obj).driven)
        except RigError:
            _known[shape] = ()
    return _known[shape]


_known: dict[tuple[Any, ...], tuple[str, ...]] = {}


def _box(obj: bpy.types.Object) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest corner of the box around an object in world space."""
    corners = np.array([obj.matrix_world @ Vector(corner) for corner in obj.bound_box], np.float64)
    return corners.min(axis=0), corners.max(axis=0)


def _inside(
    box: tuple[NDArray[np.float64], NDArray[np.float64]], other: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> bool:
    """Return whether the middle of a box lies within another, or a little beyond."""
    middle, slack = (box[0] + box[1]) / 2, _MARGIN * (other[1] - other[0]) + 1e-6
    return bool((middle >= other[0] - slack).all() and (middle <= other[1] + slack).all())
