"""Where the face of an armature looks, and how large it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import bpy
from mouthpiece.retarget.bones.controls import CONTROLS, control_points, hinge
from mouthpiece.retarget.bones.response import FaceFrame, face_frame
from numpy.typing import NDArray

from .rotations import scale_of

if TYPE_CHECKING:
    from mouthpiece.retarget.bones.mapping import Link

#: A lid that begins this near to the eye's centre, in its own length, turns about it.
_AT_EYE: Final = 0.5


def in_face(link: Link) -> bool:
    """Return whether a link asks for motion of the face, to be brought into the bone's channels."""
    return link.space == "FACE" and link.channel != "SCALE"


def turning_lids(rig: bpy.types.Object, links: Sequence[Link]) -> tuple[Link, ...]:
    """Return ``links`` with lids that lie about the eye's centre turning about it, rather than shifting.

    A name does not tell; where the bone begins does: at the eye, or at the edge of the lid.
    """
    bones = rig.data.bones
    eyes = {link.source[-1]: bones[link.bone].head_local for link in links if link.source in ("eye.L", "eye.R")}
    found = []
    for link in links:
        if link.source.startswith("lid_") and link.channel == "LOCATION" and link.point == "HEAD" and not link.watch:
            bone, eye = bones[link.bone], eyes.get(link.source[-1])
            if eye is not None and (bone.head_local - eye).length < _AT_EYE * bone.length:
                link = replace(link, channel="ROTATION", point="TAIL")
        found.append(link)
    return tuple(found)


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
