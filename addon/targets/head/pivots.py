"""Pivots: the point about which an object that is a head turns, in the space of that object."""

from __future__ import annotations

from typing import Any, Final

import bpy
import numpy as np
from mathutils import Vector
from mouthpiece.errors import RigError

from ..shape_keys.target import table_of
from .delta_transforms import at_rest
from .eye_distance import OUTER_OVER_CENTRES, moved_centre

#: The joint on which a head turns, below and behind the midpoint of the lids, along the axes of a character that looks
#: along -Y, in distances of the outer eye corners as lids give them. The head bone of the bundled head begins there.
NECK: Final = Vector((0.0, 1.12, -0.51))
#: The height of a head over the distance of the outer eye corners, and of a standing body over a head's.
_HEAD_OVER_EYES: Final = 2.5
_BODY_OVER_HEAD: Final = 7.5
#: An origin is far from the head if it is farther from the neck than this many distances of the outer eye corners.
_FAR: Final = 2.5
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
    eyes = eyes_of(face)
    if eyes is not None:
        left, right = (face.matrix_world @ eye for eye in eyes)
        distance = (left - right).length * OUTER_OVER_CENTRES
        return (left + right) / 2 + turn.normalized() @ NECK * distance, distance
    corners = np.array(face.bound_box)
    low, high = corners.min(axis=0), corners.max(axis=0)
    width, depth, height = high - low
    if height <= 0 or width <= 0:
        return None
    head = min(height, height / _BODY_OVER_HEAD if height > 2.2 * max(width, depth) else height)
    place = Vector(((low[0] + high[0]) / 2, high[1] - _NECK_IN * depth, high[2] - head * (1 - _NECK_UP)))
    return face.matrix_world @ place, float(head / _HEAD_OVER_EYES) * scale


def eyes_of(face: bpy.types.Object) -> tuple[Vector, Vector] | None:
    """Return the centres of the lids, left and right, in the mesh's own space; None if no keys close them one by one.

    They are measured once for a mesh, as panels ask at every redraw.
    """
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
    names = [some[0] for some in blinks]
    shape = (key.session_uid, *names, *(_sample(key.key_blocks[name]) for name in names))
    if shape not in _measured:
        if len(_measured) > 64:
            _measured.clear()
        left, right = (moved_centre(key, name) for name in names)
        apart = left is not None and right is not None and (left - right).length > 0
        _measured[shape] = (left, right) if apart else None
    return _measured[shape]


#: Centres of lids by mesh, keys and a sample of their vertices.
_measured: dict[tuple[Any, ...], Any] = {}


def _sample(block: bpy.types.ShapeKey) -> tuple[float, ...]:
    """Return some coordinates of a shape key, by which it is seen that the mesh was changed."""
    step = max(1, len(block.data) // 16)
    return tuple(round(block.data[index].co[axis], 6) for index in range(0, len(block.data), step) for axis in range(3))


def _within(turned: bpy.types.Object, place: Vector, marker: bpy.types.Object) -> Vector:
    """Return a place in world space that belongs to ``marker`` in the space of the object that turns.

    A marker that does not turn along is where it is whatever the head does now: the object is then taken as it was
    before any line was baked.
    """
    along = marker
    while along is not None and along != turned:
        along = along.parent
    at = turned.matrix_world if along == turned else at_rest(turned)
    return at.inverted_safe() @ place


def _triple(place: Vector) -> tuple[float, float, float]:
    """Return a place as three rounded numbers."""
    return round(place[0], 6), round(place[1], 6), round(place[2], 6)
