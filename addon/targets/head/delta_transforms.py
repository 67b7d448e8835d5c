"""Delta transforms of objects that move as a whole: as they are at rest, and as the curves of a motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion, Vector
from mouthpiece.curves import Curves, FrameGrid
from numpy.typing import NDArray

from ...keys.channels import Part
from ..bones.rotations import before, rotation_before
from .target import Joint

#: What the ids of the channels begin with that turn or shift an object's delta transform.
SCOPE: Final = ("delta_",)


def owners_without_keys(obj: bpy.types.Object) -> list[bpy.types.ID]:
    """Return in a list a mesh object without shape keys, which moves by its delta transform; else an empty list."""
    return [obj] if obj.type == "MESH" and obj.data.shape_keys is None else []


def at_rest(turned: bpy.types.Object) -> Matrix:
    """Return the world matrix an object has with the delta transform it had before any line was baked."""
    mode = turned.rotation_mode
    own, delta = rotation_before(turned, "", "", mode), rotation_before(turned, "", "delta_", mode)
    where = before(turned, "delta_location", 3) + before(turned, "location", 3)
    size = Vector(one * other for one, other in zip(turned.scale, turned.delta_scale, strict=True))
    local = Matrix.LocRotScale(where, (delta @ own).to_quaternion(), size)
    if turned.parent is None:
        return local
    if turned.parent_type == "OBJECT":
        return turned.parent.matrix_world @ turned.matrix_parent_inverse @ local
    # a bone, or vertices: where it hangs is where it is now, without its own transform
    return turned.matrix_world @ _own(turned).inverted_safe() @ local


def _own(obj: bpy.types.Object) -> Matrix:
    """Return an object's own transform as it is now, delta included."""
    if obj.rotation_mode == "QUATERNION":
        turn = obj.delta_rotation_quaternion @ obj.rotation_quaternion
    elif obj.rotation_mode == "AXIS_ANGLE":
        turn = Quaternion(obj.rotation_axis_angle[1:], obj.rotation_axis_angle[0])
    else:
        mode = obj.rotation_mode
        own = Euler(obj.rotation_euler, mode).to_quaternion()
        turn = Euler(obj.delta_rotation_euler, mode).to_quaternion() @ own
    size = Vector(one * other for one, other in zip(obj.scale, obj.delta_scale, strict=True))
    return Matrix.LocRotScale(obj.location + obj.delta_location, turn, size)


def frame_of(obj: bpy.types.Object) -> Matrix:
    """Return the matrix from the space in which an object turns at rest to world space: its own axes, not its scale."""
    size = Vector(one * other for one, other in zip(obj.scale, obj.delta_scale, strict=True))
    return at_rest(obj) @ Matrix.LocRotScale(None, None, size).inverted_safe()


def moved_part(
    obj: bpy.types.Object, grid: FrameGrid, turns: NDArray[np.floating], shifts: NDArray[np.floating], layer: str
) -> tuple[Part, list[str]]:
    """Return the curves of an object's delta transform, and remarks.

    ``turns`` (F, 3, 3) and ``shifts`` (F, 3) carry each point p of :func:`frame_of`'s space to ``turn @ p + shift``.
    """
    joint = Joint.of_object(obj)
    left, right = np.array(joint.left), np.array(joint.right)
    channels, rows, remarks = joint.rotation_channels(left @ turns @ right)
    more, extra, others = joint.location_channels([joint.left @ Vector(shift) for shift in shifts.tolist()])
    named = tuple(replace(channel, layer=layer) for channel in (*channels, *more))
    values = np.array([[*a, *b] for a, b in zip(rows, extra, strict=True)], np.float32).reshape(len(turns), len(named))
    return Part(obj, named, Curves(tuple(one.name for one in named), grid.frames, values)), remarks + others


def held(turns: NDArray[np.floating], place: Sequence[float]) -> NDArray[np.float64]:
    """Return the shifts (F, 3) that hold ``place`` where it is while ``turns`` (F, 3, 3) turn about it."""
    at = np.array(place, np.float64)
    return np.asarray(at - turns @ at, np.float64)
