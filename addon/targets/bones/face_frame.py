"""Measures the direction and the size of an armature's face."""

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

#: A lid bone whose head is nearer to the eye's centre than this share of its length turns about that centre.
_AT_EYE: Final = 0.5
#: It must be nearer than this share of the eyes' distance, too: some rigs' lid bones are longer than the face.
_IN_EYE: Final = 0.12


def in_face(link: Link) -> bool:
    """Return whether a link's motion is given in the face's space and has to be converted to the bone's channels."""
    return link.space == "FACE" and link.channel != "SCALE"


def turning_lids(rig: bpy.types.Object, links: Sequence[Link]) -> tuple[Link, ...]:
    """Return ``links`` in which lid bones that begin at the eye's centre rotate instead of shifting.

    Names do not show which lids do, but the position of the bone's head does: at the eye, or at the edge of the lid.
    """
    bones = rig.data.bones
    eyes = {link.source[-1]: bones[link.bone].head_local for link in links if link.source in ("eye.L", "eye.R")}
    apart = (eyes["L"] - eyes["R"]).length if len(eyes) == 2 else float("inf")
    found = []
    for link in links:
        if link.source.startswith("lid_") and link.channel == "LOCATION" and link.point == "HEAD" and not link.watch:
            bone, eye = bones[link.bone], eyes.get(link.source[-1])
            if eye is not None and (bone.head_local - eye).length < min(_AT_EYE * bone.length, _IN_EYE * apart):
                link = replace(link, channel="ROTATION", point="TAIL")
        found.append(link)
    return tuple(found)


def frame_of(
    rig: bpy.types.Object, links: Sequence[Link], neutral: NDArray[Any], eye_distance: float = 0.0
) -> FaceFrame:
    """Return the direction and size of an armature's face, in the armature's space and unit.

    ``eye_distance``, in world units, overrides the measured one. If it is 0 and there are no pairs of bones to measure,
    the widest mesh among the armature's children is taken for the head.
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
    """Return the width of the widest mesh among an armature's children, else of the armature, in world units."""
    worn = [child for child in rig.children_recursive if child.type == "MESH"]
    return max((child.dimensions[0] for child in worn), default=rig.dimensions[0]) or 1.0
