"""Pivots: the point about which an object that is a head turns, in the space of that object."""

from __future__ import annotations

from typing import Final

import bpy
import numpy as np
from mathutils import Matrix, Vector
from mouthpiece.errors import RigError

from ..bones.rotations import before, rotation_before
from ..shape_keys.target import table_of
from .eye_distance import OUTER_OVER_CENTRES, moved_centre

#: The joint on which a head turns, below and behind the midpoint of the eyes, in distances of the outer eye corners, along the
#: axes of a character that looks along -Y. Measured on the bundled head: its head bone begins there.
_NECK: Final = Vector((0.0, 0.84, -0.41))
#: The height of a head over the distance of the outer eye corners, and of a standing body over a head's.
_HEAD_OVER_EYES: Final = 2.5
_BODY_OVER_HEAD: Final = 7.5
#: An origin is far from the head if it is farther from the neck than this many distances of the outer eye corners.
_FAR: Final = 2.2
#: Where the neck is in the box around a head without a body: parts of its height from below, of its depth from behind.
_NECK_UP: Final = 0.25
_NECK_IN: Final = 0.46


def pivot_of(face: bpy.types.Object, turned: bpy.types.Object) -> tuple[float, float, float] | None:
    """Return the pivot of ``turned``, the head of the character ``face``, in its own space; None for its origin.

    Raises RigError if the pivot is to be another object and none is chosen, or that turns with the head itself.
    """
    head = face.mouthpiece_head
    if head.pivot == "PLACE":
        return _triple(Vector(head.pivot_place))
    if head.pivot == "OBJECT":
        return _triple(_within(turned, *_marked(face)))
    if head.pivot == "ORIGIN":
        return None
    found = neck_of(face)
    if found is None:
        return None
    neck, distance = found
    place = _within(turned, neck, face)
    far = (turned.matrix_world.to_3x3() @ place).length > _FAR * distance
    return _triple(place) if far or head.pivot == "NECK" else None


def words(face: bpy.types.Object, turned: bpy.types.Object) -> str:
    """Return in words about what an object turns; empty if the settings say it already."""
    if face.mouthpiece_head.pivot != "AUTO":
        return ""
    return "Turns about its origin" if pivot_of(face, turned) is None else "Turns about the neck, estimated on the face"


def _marked(face: bpy.types.Object) -> tuple[Vector, bpy.types.Object]:
    """Return where the object that marks the pivot is, in world space, and that object."""
    marker = face.mouthpiece_head.pivot_object
    if marker is None:
        raise RigError("No pivot is chosen. Under Head Motion, pick the object to turn about, or another Pivot.")
    return marker.matrix_world.translation.copy(), marker


def neck_of(face: bpy.types.Object) -> tuple[Vector, float] | None:
    """Return where the neck of a face is in world space, and the distance of its eyes' outer corners; None if unknown.

    It is estimated from the eyes, where shape keys close them, else from the box around the mesh.
    """
    if face.type != "MESH" or not len(face.data.vertices):
        return None
    turn, size = face.matrix_world.to_3x3(), face.matrix_world.to_scale()
    scale = (abs(size.x) + abs(size.y) + abs(size.z)) / 3.0
    eyes = _eyes(face)
    if eyes is not None:
        left, right = (face.matrix_world @ eye for eye in eyes)
        distance = (left - right).length * OUTER_OVER_CENTRES
        return (left + right) / 2 + turn.normalized() @ _NECK * distance, distance
    corners = np.array(face.bound_box)
    low, high = corners.min(axis=0), corners.max(axis=0)
    width, depth, height = high - low
    if height <= 0 or width <= 0:
        return None
    head = min(height, height / _BODY_OVER_HEAD if height > 2.2 * max(width, depth) else height)
    place = Vector(((low[0] + high[0]) / 2, high[1] - _NECK_IN * depth, high[2] - head * (1 - _NECK_UP)))
    return face.matrix_world @ place, float(head / _HEAD_OVER_EYES) * scale


def _eyes(face: bpy.types.Object) -> tuple[Vector, Vector] | None:
    """Return the centres of the lids, left and right, in the mesh's own space; None if no keys close them one by one."""
    key = face.data.shape_keys
    if key is None:
        return None
    try:
        table = table_of(face)
    except RigError:
        return None
    blinks = [table.playing(driver)[:1] for driver in ("eyeBlinkLeft", "eyeBlinkRight")]
    if not all(blinks) or len(set(blinks)) != 2:
        return None
    left, right = (moved_centre(key, names[0]) for names in blinks)
    return None if left is None or right is None or (left - right).length == 0 else (left, right)


def _within(turned: bpy.types.Object, place: Vector, marker: bpy.types.Object) -> Vector:
    """Return a place in world space that belongs to ``marker`` in the space of the object that turns.

    A marker that does not turn along is where it is whatever the head does now: the object is then taken as it was
    before any line was baked.
    """
    along = marker
    while along is not None and along != turned:
        along = along.parent
    at = turned.matrix_world if along == turned else _at_rest(turned)
    return at.inverted_safe() @ place


def _at_rest(turned: bpy.types.Object) -> Matrix:
    """Return the world matrix an object has with the delta transform it had before any line was baked."""
    mode = turned.rotation_mode
    own, delta = rotation_before(turned, "", "", mode), rotation_before(turned, "", "delta_", mode)
    where = before(turned, "delta_location", 3) + before(turned, "location", 3)
    size = Vector(one * other for one, other in zip(turned.scale, turned.delta_scale, strict=True))
    local = Matrix.LocRotScale(where, (delta @ own).to_quaternion(), size)
    if turned.parent is None:
        return local
    # what stands above: the parent with its inverse, or the bone or vertices it is parented to
    return turned.matrix_world @ turned.matrix_local.inverted_safe() @ local


def _triple(place: Vector) -> tuple[float, float, float]:
    """Return a place as three rounded numbers."""
    return round(place[0], 6), round(place[1], 6), round(place[2], 6)
