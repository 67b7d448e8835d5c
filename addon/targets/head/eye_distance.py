"""Measures the distance of a character's eyes, which is the unit of head shifts."""

from __future__ import annotations

from typing import Final

import bpy
import numpy as np
from mathutils import Vector
from mouthpiece.errors import RigError

from ..bones.face_frame import frame_of
from ..bones.rotations import scale_of
from ..bones.target import mapped
from ..shape_keys.target import editable_keys, table_of

#: Distance of the outer eye corners over that of the eyes' centres, and over the width of a head with ears.
OUTER_OVER_CENTRES: Final = 1.43
_OUTER_OVER_WIDTH: Final = 0.5


def measured_eye_distance(obj: bpy.types.Object) -> float:
    """Return the distance of a character's outer eye corners in world units.

    It is measured on the blink shapes, which move only the lids, or else on the width of the mesh, taken for a head.
    """
    if obj.type == "ARMATURE":
        return _between_bones(obj)
    key = editable_keys(obj)
    try:
        blinks = [table_of(obj).playing(driver)[:1] for driver in ("eyeBlinkLeft", "eyeBlinkRight")]
    except RigError:
        blinks = []
    if all(blinks) and len(set(blinks)) == 2:
        left, right = (moved_centre(key, names[0]) for names in blinks)
        if left is not None and right is not None:
            return (left - right).length * scale_of(obj.matrix_world) * OUTER_OVER_CENTRES
    return obj.dimensions[0] * _OUTER_OVER_WIDTH


def _between_bones(rig: bpy.types.Object) -> float:
    """Return the distance as set for an armature or measured on its face bones; raises RigError if it has none."""
    from mouthpiece.models.registry import find

    own: float = rig.mouthpiece_bones.eye_distance
    if own:
        return own
    found = frame_of(rig, mapped(rig).links, find("content").sidecar.neutral_face())
    return found.eye_distance * scale_of(rig.matrix_world)


def moved_centre(key: bpy.types.Key, name: str) -> Vector | None:
    """Return the mean position of a shape key's vertices, weighted by how far it moves them; None if it moves none."""
    block = key.key_blocks[name]
    basis, moved = (np.zeros(3 * len(block.data), np.float32) for _ in range(2))
    key.reference_key.data.foreach_get("co", basis)
    block.data.foreach_get("co", moved)
    far = np.linalg.norm((moved - basis).reshape(-1, 3), axis=1)
    return Vector(np.average(basis.reshape(-1, 3), axis=0, weights=far).tolist()) if far.sum() > 0 else None
