"""Handles of a drawn face: a mesh of 68 vertices that the animator moves in Edit Mode. Vertex ``i`` is landmark ``i``.

As they are a mesh, all of Blender's editing, mirroring, undo and saving works with them. Edges connect the vertices of
a feature, so that Select Linked (L) selects a whole mouth.
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

#: Features by name, as polylines of landmarks; a closed one ends with its first landmark.
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
#: Handles on the character's right side.
_RIGHT: Final = (*range(0, 8), *range(17, 22), 31, 32, *range(36, 42), 48, 49, 50, 58, 59, 60, 61, 67)


def edges_of(feature: str) -> list[tuple[int, int]]:
    """Return the edges of a feature as pairs of landmarks."""
    return [(a, b) for line in FEATURES[feature] for a, b in pairwise(line)]


def make(obj: bpy.types.Object, landmarks: NDArray[np.float64], plane: planes.Plane) -> bpy.types.Object:
    """Place handles at ``landmarks`` (68, 2) in a plane of the drawing ``obj``, and return their object.

    If the drawing has handles already, their object is kept: only its vertices move.
    """
    place = planes.to_matrix(plane)
    points = np.array([(x, 0.0, -y) for x, y in landmarks], np.float32)
    handles = obj.mouthpiece_strokes.handles
    if (
        handles is not None
        and handles.type == "MESH"
        and len(handles.data.vertices) == COUNT
        and handles.mode == "OBJECT"
    ):
        handles.data.vertices.foreach_set("co", points.ravel())
        handles.data.update()
        handles.matrix_basis = handles.matrix_parent_inverse.inverted_safe() @ place
        obj.mouthpiece_strokes.plane = planes.to_numbers(plane)
        return handles
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
    """Return ``obj`` if it is a drawing, or the drawing whose handles it is; else None."""
    if obj.type == "GREASEPENCIL":
        return obj
    parent = obj.parent
    if parent is not None and parent.type == "GREASEPENCIL" and parent.mouthpiece_strokes.handles == obj:
        return parent
    return None


def select(handles: bpy.types.Object, feature: str, extend: bool) -> None:
    """Select the handles of a feature ("RIGHT_EYE", "ALL", …); they must be in Edit Mode."""
    import bmesh

    names = {name.upper().replace(" ", "_"): name for name in FEATURES}
    lines = FEATURES[names[feature]] if feature in names else (tuple(range(COUNT)),)
    chosen = {point for line in lines for point in line}
    mesh = bmesh.from_edit_mesh(handles.data)
    mesh.select_mode = {"VERT"}
    mesh.verts.ensure_lookup_table()
    for vertex in mesh.verts:
        vertex.select_set(vertex.index in chosen or (extend and vertex.select))
    mesh.select_flush_mode()
    bmesh.update_edit_mesh(handles.data)


def missing(obj: bpy.types.Object) -> str:
    """Return what is wrong with the handles of a drawing, or that it has none; empty if they are usable."""
    handles = obj.mouthpiece_strokes.handles
    if handles is None:
        return f"'{obj.name}' has no face yet. Press Find Face, or Place Handles, and lay the handles on the drawing."
    count = _count(handles)
    if handles.type != "MESH" or count != COUNT:
        return f"The handles '{handles.name}' have {count} points instead of {COUNT}. Undo that, or place them anew."
    return ""


def _count(handles: bpy.types.Object) -> int:
    """Return how many handles there are; 0 if the object is no mesh."""
    if handles.type != "MESH":
        return 0
    if handles.mode == "EDIT":
        handles.update_from_editmode()
    return len(handles.data.vertices)


def read(obj: bpy.types.Object) -> NDArray[np.float64]:
    """Return the handles' positions (68, 2) in the plane of a drawing; raises RigError if they are unusable."""
    reason = missing(obj)
    if reason:
        raise RigError(reason)
    handles = obj.mouthpiece_strokes.handles
    co = np.zeros(3 * COUNT, np.float32)
    handles.data.vertices.foreach_get("co", co)
    matrix = np.array(_to_drawing(handles))
    points = planes.applied(matrix, co.reshape(-1, 3).astype(np.float64))
    return planes.from_numbers(obj.mouthpiece_strokes.plane).flat(points)


def _to_drawing(handles: bpy.types.Object) -> Matrix:
    """Return the matrix from the handles' space to the drawing's, right even before the scene is updated.

    Handles of a copied drawing may still be children of the original: they count as if they were the copy's.
    """
    if handles.parent is None:
        return handles.matrix_basis.copy()
    return handles.matrix_parent_inverse @ handles.matrix_basis


def mirrored(obj: bpy.types.Object, to_left: bool) -> NDArray[np.float64]:
    """Return the handles' positions (68, 2) with one side of the face mirrored onto the other.

    The mirror line goes through the middles of paired landmarks. ``to_left`` means from the character's right side to
    its left.
    """
    from mouthpiece.topology import MIRROR

    points = read(obj)
    middles = (points + points[list(MIRROR)]) / 2
    centre = middles.mean(axis=0)
    # The direction across is the mean direction of the pairs; if that is zero, the face is taken as upright.
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
    handles: Any = obj.mouthpiece_strokes.handles
    plane = planes.from_numbers(obj.mouthpiece_strokes.plane)
    inverse = np.array(_to_drawing(handles).inverted_safe())
    points = planes.applied(inverse, plane.raised(landmarks))
    if handles.mode != "EDIT":
        handles.data.vertices.foreach_set("co", points.astype(np.float32).ravel())
        handles.data.update()
        return
    import bmesh

    mesh = bmesh.from_edit_mesh(handles.data)
    mesh.verts.ensure_lookup_table()
    for vertex, point in zip(mesh.verts, points, strict=True):
        vertex.co = point
    bmesh.update_edit_mesh(handles.data)
