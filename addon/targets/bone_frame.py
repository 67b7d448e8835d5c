"""Where the face of an armature looks, and how large it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy
from mouthpiece.retarget.bone_response import FaceFrame, face_frame
from mouthpiece.retarget.bones import CONTROLS, control_points, hinge
from numpy.typing import NDArray

from .joints import scale_of

if TYPE_CHECKING:
    from mouthpiece.retarget.bone_profiles import Link


def in_face(link: Link) -> bool:
    """Return whether a link asks for motion of the face, to be brought into the bone's channels."""
    return link.space == "FACE" and link.channel != "SCALE"


def frame_of(
    rig: bpy.types.Object, links: Sequence[Link], neutral: NDArray[Any], eye_distance: float = 0.0
) -> FaceFrame:
    """Return where the face of an armature looks and how large it is, in its own space and unit.

    ``eye_distance`` is one in world units that is to count; without one, and without pairs of bones, the width of the
    meshes the armature carries is taken for a head's.
    """
    face = control_points(neutral) | {"jaw": hinge(neutral)}
    places = {}
    for link in links:
        if link.source in face and in_face(link) and not (link.watch and CONTROLS[link.source].turns):
            bone = rig.data.bones[link.watch or link.bone]
            turns = CONTROLS[link.source].turns
            end = bone.tail_local if link.point == "TAIL" and not turns else bone.head_local
            places[link.source] = tuple(end)
    found = face_frame(places, face)
    if eye_distance:
        return replace(found, eye_distance=eye_distance / scale_of(rig.matrix_world), measured_on="")
    if not found.eye_distance:
        return replace(found, eye_distance=_width(rig) / scale_of(rig.matrix_world) / 2)
    return found


def _width(rig: bpy.types.Object) -> float:
    """Return the width of the largest mesh an armature carries, in world units; else of the armature."""
    worn = [child for child in rig.children_recursive if child.type == "MESH"]
    return max((child.dimensions[0] for child in worn), default=rig.dimensions[0]) or 1.0
