"""Proposes pins for a mesh: from tables of known meshes, or by detecting the face in renderings of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np
from mouthpiece.errors import RigError
from mouthpiece.topology import LEFT_EYE, RIGHT_EYE

from ..shape_keys import keyed_mesh
from . import pins

_LIDS: Final = frozenset((*RIGHT_EYE, *LEFT_EYE))


@dataclass(frozen=True, slots=True)
class Proposed:
    """How pins were found, as text, and remarks."""

    text: str
    remarks: tuple[str, ...] = ()


def propose(obj: bpy.types.Object) -> Proposed:
    """Pin all 68 landmarks of a mesh and return how they were found.

    Raises RigError, with the pins unchanged, if no face is found. Works without a graphics card.
    """
    from mouthpiece.retarget.pins.known_meshes import recognise

    if obj.type == "MESH" and len(obj.data.vertices):
        known = recognise(keyed_mesh.rest_of(obj.data))
        if known is not None:
            pins.set_pins(obj, known[1].tolist())
            return Proposed(f"pins of the {known[0]}")
    return _propose_by_detector(obj)


def _propose_by_detector(obj: bpy.types.Object) -> Proposed:
    """Pin the landmarks where the detector finds them on a mesh."""
    from mouthpiece.portrait.find.faces import find_faces
    from mouthpiece.retarget.pins.facing import Head
    from mouthpiece.retarget.pins.proposal import propose as look
    from mouthpiece.retarget.solve.unpinned_parts import pieces

    if obj.type != "MESH" or len(obj.data.polygons) == 0:
        raise RigError(f"'{obj.name}' has no surface to look for a face on. Click the mesh with the face.")
    if len(obj.data.vertices) < pins.COUNT:
        raise RigError(f"'{obj.name}' has {len(obj.data.vertices)} vertices: too few for {pins.COUNT} landmarks.")
    if obj.data.shape_keys is not None:
        mesh = keyed_mesh.read(obj)
    else:
        rest = keyed_mesh.rest_of(obj.data)
        mesh = keyed_mesh.KeyedMesh(rest, (), np.zeros((0, *rest.shape), np.float32))
    triangles, colours = keyed_mesh.triangles_of(obj.data)
    piece = pieces(mesh.rest, keyed_mesh.edges_of(obj.data))
    found = look(Head(mesh.rest, triangles, colours, piece, mesh.names, mesh.deltas), find_faces)
    pins.set_pins(obj, found.vertices.tolist())
    pins.mark_doubtful(obj, found.doubtful)
    remarks = []
    if set(found.doubtful) & _LIDS:
        remarks.append(
            "Upper and lower lids could not be told apart: correct the orange pins, or open the eyes and propose again"
        )
    if set(found.doubtful) - _LIDS:
        remarks.append(
            "Upper and lower lip could not be told apart: correct the orange pins. "
            "If the mesh has no slit between the lips, cut one"
        )
    if not found.symmetric:
        remarks.append("The mesh is not symmetric: check both sides")
    return Proposed(f"a face found with {found.score:.0%} certainty", tuple(remarks))
