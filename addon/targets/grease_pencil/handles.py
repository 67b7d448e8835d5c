"""Handles of a drawn face: a mesh of 68 points that the animator moves in Edit Mode, one line or loop a feature.

Being a mesh, they are moved, scaled, mirrored, undone and saved as any mesh is; lines join what belongs together, so
that L selects a whole mouth. Point ``i`` is landmark ``i``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Matrix
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from . import planes

#: Features by name, as lines of landmarks; a loop ends where it begins.
FEATURES: Final = {
    "Jaw": (tuple(range(0, 17)),),
    "Right Brow": (tuple(range(17, 22)),),
    "Left Brow": (tuple(range(22, 27)),),
    "Nose": (tuple(range(27, 31)), (30, 31, 32, 33, 34, 35, 30)),
    "Right Eye": ((36, 37, 38, 39, 40, 41, 36),),
    "Left Eye": ((42, 43, 44, 45, 46, 47, 42),),
    "Mouth": ((*range(48, 60), 48), (60, 61, 62, 63, 64, 65, 66, 67, 60), (48, 60), (54, 64)),
}
COUNT: Final = 68
#: Handles on the character's right.
_RIGHT: Final = (*range(0, 8), *range(17, 22), 31, 32, *range(36, 42), 48, 49, 50, 58, 59, 60, 61, 67)


def edges_of(feature: str) -> list[tuple[int, int]]:
    """Return the lines of a feature as pairs of landmarks."""
    return [(a, b) for line in FEATURES[feature] for a, b in pairwise(line)]


def make(obj: bpy.types.Object, landmarks: NDArray[np.float64], plane: planes.Plane) -> bpy.types.Object:
    """Lay handles on ``landmarks`` (68, 2) of a plane of ``obj``, in place of those it has, and return them.

    Handles that are there keep their object, name and place in the outliner: only their points move.
    """
    place = planes.to_matrix(plane)
    points = np.array([(x, 0.0, -y) for x, y in landmarks], np.float32)
    held = obj.mouthpiece_strokes.handles
    if held is not None and held.type == "MESH" and len(held.data.vertices) == COUNT and held.mode == "OBJECT":
        held.data.vertices.foreach_set("co", points.ravel())
        held.data.update()
        held.matrix_basis = held.matrix_parent_inverse.inverted_safe() @ place
        obj.mouthpiece_strokes.plane = planes.to_numbers(plane)
        return held
    mesh = bpy.data.meshes.new(f"Handles of {obj.name}")
    mesh.from_pydata(points.tolist(), [pair for name in FEATURES for pair in edges_of(name)], [])
    mesh.use_mirror_x = True
    made = bpy.data.objects.new(mesh.name, mesh)
    for name, lines in FEATURES.items():
        group = made.vertex_groups.new(name=name)
        group.add(sorted({point for line in lines for point in line}), 1.0, "REPLACE")
    made.parent, made.matrix_basis = obj, place
    made.show_in_front, made.hide_render, made.display_type = True, True, "WIRE"
    for collection in obj.users_collection or (bpy.context.scene.collection,):
        collection.objects.link(made)
    obj.mouthpiece_strokes.handles = made
    obj.mouthpiece_strokes.plane = planes.to_numbers(plane)
    return made


def drawing_of(obj: bpy.types.Object) -> bpy.types.Object | None:
    """Return the drawing an object is, or whose handles it is; None if it is neither."""
    if obj.type == "GREASEPENCIL":
        return obj
    parent = obj.parent
    if parent is not None and parent.type == "GREASEPENCIL" and parent.mouthpiece_strokes.handles == obj:
        return parent
    return None


def select(held: bpy.types.Object, feature: str, extend: bool) -> None:
    """Select the handles of a feature ("RIGHT_EYE", "ALL", …) of handles that are in Edit Mode."""
    import bmesh

    names = {name.upper().replace(" ", "_"): name for name in FEATURES}
    lines = FEATURES[names[feature]] if feature in names else (tuple(range(COUNT)),)
    chosen = {point for line in lines for point in line}
    mesh = bmesh.from_edit_mesh(held.data)
    mesh.select_mode = {"VERT"}
    mesh.verts.ensure_lookup_table()
    for vertex in mesh.verts:
        vertex.select_set(vertex.index in chosen or (extend and vertex.select))
    mesh.select_flush_mode()
    bmesh.update_edit_mesh(held.data)


def missing(obj: bpy.types.Object) -> str:
    """Return why the face of a drawing has no place yet; empty if it has one."""
    held = obj.mouthpiece_strokes.handles
    if held is None:
        return f"'{obj.name}' has no face yet. Press Find Face, or Place Handles, and lay the handles on the drawing."
    count = _count(held)
    if held.type != "MESH" or count != COUNT:
        return f"The handles '{held.name}' have {count} points instead of {COUNT}. Undo that, or place them anew."
    return ""


def _count(held: bpy.types.Object) -> int:
    if held.type != "MESH":
        return 0
    if held.mode == "EDIT":
        held.update_from_editmode()
    return len(held.data.vertices)


def read(obj: bpy.types.Object) -> NDArray[np.float64]:
    """Return where the handles lie (68, 2) in the plane of a drawing; RigError if they do not."""
    reason = missing(obj)
    if reason:
        raise RigError(reason)
    held = obj.mouthpiece_strokes.handles
    co = np.zeros(3 * COUNT, np.float32)
    held.data.vertices.foreach_get("co", co)
    matrix = np.array(_to_drawing(held))
    points = planes.applied(matrix, co.reshape(-1, 3).astype(np.float64))
    return planes.from_numbers(obj.mouthpiece_strokes.plane).flat(points)


def _to_drawing(held: bpy.types.Object) -> Matrix:
    """Return the matrix from handles to the drawing they belong to; read without waiting for an update.

    Handles of a copied drawing may still be the original's children: they lie on the copy as on the original.
    """
    if held.parent is None:
        return held.matrix_basis.copy()
    return held.matrix_parent_inverse @ held.matrix_basis


def mirrored(obj: bpy.types.Object, to_left: bool) -> NDArray[np.float64]:
    """Return the handles (68, 2) with one side of the face laid over to the other.

    The mirror line is the face's own: through the middles of what is paired. ``to_left``: from the character's right
    to its left.
    """
    from mouthpiece.topology import MIRROR

    points = read(obj)
    middles = (points + points[list(MIRROR)]) / 2
    centre = middles.mean(axis=0)
    # Pairs say which way is across; a face of few pairs on one spot is taken as upright.
    across = (points[list(MIRROR)] - points)[list(_RIGHT)].sum(axis=0)
    across = across / np.linalg.norm(across) if np.linalg.norm(across) > 0 else np.array([1.0, 0.0])
    offset = (points - centre) @ across
    reflected = points - 2 * offset[:, None] * across
    result = points.copy()
    for index, other in enumerate(MIRROR):
        if index == other:
            result[index] = points[index] - offset[index] * across
        elif (index in _RIGHT) == to_left:
            result[other] = reflected[index]
    return result


def put(obj: bpy.types.Object, landmarks: NDArray[np.float64]) -> None:
    """Move the handles to ``landmarks`` (68, 2) of the drawing's plane, in Object or Edit Mode."""
    held: Any = obj.mouthpiece_strokes.handles
    plane = planes.from_numbers(obj.mouthpiece_strokes.plane)
    inverse = np.array(_to_drawing(held).inverted_safe())
    points = planes.applied(inverse, plane.raised(landmarks))
    if held.mode != "EDIT":
        held.data.vertices.foreach_set("co", points.astype(np.float32).ravel())
        held.data.update()
        return
    import bmesh

    mesh = bmesh.from_edit_mesh(held.data)
    mesh.verts.ensure_lookup_table()
    for vertex, point in zip(mesh.verts, points, strict=True):
        vertex.co = point
    bmesh.update_edit_mesh(held.data)
