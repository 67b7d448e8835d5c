"""Finds the armature a character wears, and the bone of it that is its head, by the bones' names."""

from __future__ import annotations

import re
from typing import Final

import bpy
import numpy as np

#: What stands before the names of bones: a namespace, and what rigs put there (control, deform bone, maker).
_PREFIX: Final = re.compile(r"^(.*:)?((def|c|ctrl|j_bip_c|j|bip0*1|bip|cc_base|b|bn|bone)[-_ .])*", re.IGNORECASE)
#: Ends that say nothing: the middle of the body, a control.
_SUFFIX: Final = re.compile(r"[-_ .](x|m|c|fk|ctrl|control|jnt|bind|mid|center)$", re.IGNORECASE)
#: Bones of a rig's inner works: they are driven by others.
_INNER: Final = re.compile(r"^(org|mch|wgt|vis|trk|tgt)[-_ .]", re.IGNORECASE)
#: The bone of the head in spines that are numbered (Rigify's basic human).
_NUMBERED: Final = ("spine.006", "spine.005")


def armature_of(obj: bpy.types.Object) -> bpy.types.Object | None:
    """Return the armature an object wears: itself, that of a modifier, its parent's, or the nearest one above it."""
    if obj.type == "ARMATURE":
        return obj
    for modifier in obj.modifiers:
        if modifier.type == "ARMATURE" and modifier.object is not None:
            return modifier.object
    above = obj.parent
    while above is not None:
        if above.type == "ARMATURE":
            return above
        above = above.parent
    return None


def head_bone(rig: bpy.types.Object, face: bpy.types.Object | None = None) -> str:
    """Return the name of the bone that is a head's by its name; empty if none is.

    Of several (two heads on one armature) it is the one that moves most of the mesh ``face``.
    """
    names = [bone.name for bone in rig.data.bones]
    for alike in (_called_head, _with_head, *(number.__eq__ for number in _NUMBERED)):
        found = [name for name in names if alike(name)]
        if found:
            return _nearest(rig, found, face)
    return ""


def _called_head(name: str) -> bool:
    """Return whether a bone is called a head and nothing else, prefixes and suffixes apart."""
    return not _INNER.match(name) and _core(name) == "head"


def _with_head(name: str) -> bool:
    """Return whether a bone is called a head with a number or letter, as where there are several."""
    return not _INNER.match(name) and re.fullmatch(r"head[-_ .]?(\d+|[a-z])?|(\w[-_ .])head", _core(name)) is not None


def _core(name: str) -> str:
    """Return a bone's name without what stands before and after it, in small letters."""
    bare = _PREFIX.sub("", name)
    return _SUFFIX.sub("", bare or name).lower()


def _nearest(rig: bpy.types.Object, names: list[str], face: bpy.types.Object | None) -> str:
    """Return the bone that moves most of a face's vertices, itself or by those below it; the first if none does."""
    if face is None or face.type != "MESH" or len(names) == 1:
        return _control(names)
    moved = _weights(face)
    sums = {}
    for name in names:
        bone = rig.data.bones[name]
        sums[name] = sum(moved.get(one.name, 0.0) for one in (bone, *bone.children_recursive))
    best = max(sums.values())
    if best <= 0:
        return _control(names)
    return _control([name for name in names if sums[name] >= 0.9 * best])


def _control(names: list[str]) -> str:
    """Return the first bone that is no mere deform bone: those follow a control."""
    return next((name for name in names if not name.upper().startswith("DEF")), names[0])


def _weights(face: bpy.types.Object) -> dict[str, float]:
    """Return how much each vertex group of a mesh holds, by name: the sum of its weights over at most 2000 vertices."""
    names = {group.index: group.name for group in face.vertex_groups}
    found: dict[str, float] = {}
    step = max(1, len(face.data.vertices) // 2000)
    for index in np.arange(0, len(face.data.vertices), step).tolist() if names else ():
        for element in face.data.vertices[index].groups:
            if element.group in names:
                found[names[element.group]] = found.get(names[element.group], 0.0) + element.weight
    return found
