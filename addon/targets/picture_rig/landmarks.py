"""Landmarks of a picture rig or portrait as a mesh that the user can edit, and reading them back."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError

from . import builder as rig_builder
from . import settings as picture_settings

if TYPE_CHECKING:
    from mouthpiece.portrait.find.placement import Placed

#: How far the landmarks lie in front of the picture, as a share of its longer side.
_BEFORE: Final = 0.01
#: Number of points besides the 68 landmarks: centre and rim of each iris.
_IRISES: Final = 4


def edges() -> list[tuple[int, int]]:
    """Return the edges of the landmark mesh: along the features, and from each iris' centre to its rim."""
    from mouthpiece.topology import INNER_LIPS, JAW, LEFT_BROW, LEFT_EYE, NOSE, OUTER_LIPS, RIGHT_BROW, RIGHT_EYE

    lines = [list(line) for line in (JAW, RIGHT_BROW, LEFT_BROW, NOSE[:4], NOSE[4:])]
    lines += [[*loop, loop[0]] for loop in (RIGHT_EYE, LEFT_EYE, OUTER_LIPS, INNER_LIPS)]
    lines += [[68, 69], [70, 71]]
    return [pair for line in lines for pair in pairwise(line)]


def groups() -> dict[str, tuple[int, ...]]:
    """Return the vertices of each vertex group by name; the groups are for selecting parts of the face."""
    from mouthpiece import topology as t

    return {
        "jaw": t.JAW, "brow_R": t.RIGHT_BROW, "brow_L": t.LEFT_BROW, "nose": t.NOSE, "eye_R": (*t.RIGHT_EYE, 68, 69),
        "eye_L": (*t.LEFT_EYE, 70, 71), "lips": t.OUTER_LIPS, "inner_lips": t.INNER_LIPS,
    }  # fmt: skip


def editor_of(rig: bpy.types.Object) -> bpy.types.Object | None:
    """Return the landmark mesh object of a rig, if there is one."""
    for obj in rig.children:
        if obj.mouthpiece_picture.points_of == rig:
            return obj
    return None


def show(context: bpy.types.Context, rig: bpy.types.Object) -> bpy.types.Object:
    """Show the landmark mesh of a rig, making it if it is missing, with the rig's landmarks, and return its object."""
    placed = picture_settings.landmarks_of(rig)
    obj = editor_of(rig)
    if obj is not None and len(obj.data.vertices) != 68 + _IRISES:
        # points were added or deleted: make a new mesh
        bpy.data.meshes.remove(obj.data)
        obj = None
    if obj is None:
        mesh = bpy.data.meshes.new(f"{rig.name} Landmarks")
        mesh.from_pydata([(0.0, 0.0, 0.0)] * (68 + _IRISES), edges(), [])
        obj = bpy.data.objects.new(mesh.name, mesh)
        for name, members in groups().items():
            obj.vertex_groups.new(name=name).add(list(members), 1.0, "REPLACE")
        obj.parent, obj.hide_render, obj.show_in_front = rig, True, True
        obj.mouthpiece_picture.points_of = rig
        for collection in rig.users_collection or (context.scene.collection,):
            collection.objects.link(obj)
    obj.matrix_parent_inverse.identity()
    obj.matrix_basis.identity()
    obj.hide_set(False)
    obj.data.vertices.foreach_set("co", np.ascontiguousarray(_laid_out(rig, placed), np.float32).ravel())
    obj.data.update()
    return obj


def _laid_out(rig: bpy.types.Object, placed: Placed) -> Any:
    """Return the positions (72, 3) of landmarks and iris points in the rig's own space."""
    return placed_on(rig, np.concatenate([placed.landmarks[:, :2], _iris_points(placed)]))


def placed_on(rig: bpy.types.Object, flat: Any) -> Any:
    """Return positions (N, 3) in a rig's own space, a little before it, of points (N, 2) in pixels of its picture."""
    width, height = picture_settings.picture_of(rig).size
    longest = rig_builder.longest_of(rig)
    scale = longest / max(width, height)
    x, z = (flat[:, 0] - width / 2) * scale, (height / 2 - flat[:, 1]) * scale
    return np.column_stack([x, np.full(len(x), -_BEFORE * longest), z])


def _iris_points(placed: Placed) -> Any:
    """Return centre and a point on the rim of each iris in pixels, (4, 2), the right iris first."""
    from mouthpiece.retarget.picture.face import ahead
    from mouthpiece.topology import LEFT_EYE, RIGHT_EYE

    irises = placed.irises
    if irises is None:
        irises = np.array([ahead(placed.landmarks[list(eye), :2]) for eye in (RIGHT_EYE, LEFT_EYE)])
    return np.array([point for x, y, radius in irises for point in ((x, y), (x + radius, y))])


def read(editor: bpy.types.Object) -> Placed:
    """Return the landmarks of a landmark mesh in pixels of its rig's picture.

    The points may have been moved, and the object as well. Depths are kept, in proportion to the face's size. Raises
    RigError if points are missing.
    """
    from mouthpiece.portrait.find.placement import Placed

    rig = picture_settings.face_meant(editor)
    if rig is None:
        raise RigError(f"The picture that '{editor.name}' belongs to is gone.")
    editor.update_from_editmode()
    count = len(editor.data.vertices)
    if count != 68 + _IRISES:
        raise RigError(
            f"'{editor.name}' has {count} points instead of {68 + _IRISES}. Move points only: undo, or press Edit "
            "Landmarks to begin with those of the rig again."
        )
    places = np.zeros(3 * count, np.float32)
    editor.data.vertices.foreach_get("co", places)
    turn = np.array(rig.matrix_world.inverted_safe() @ editor.matrix_world)
    places = places.reshape(-1, 3) @ turn[:3, :3].T + turn[:3, 3]
    width, height = picture_settings.picture_of(rig).size
    scale = max(width, height) / rig_builder.longest_of(rig)
    flat = np.column_stack([places[:, 0] * scale + width / 2, height / 2 - places[:, 2] * scale])
    before = picture_settings.landmarks_of(rig)
    marks = np.column_stack([flat[:68], before.landmarks[:, 2:]])
    if marks.shape[1] == 3:
        # depth is scaled like the distance of the eyes
        old = np.linalg.norm(before.landmarks[45, :2] - before.landmarks[36, :2])
        marks[:, 2] *= np.linalg.norm(marks[45, :2] - marks[36, :2]) / max(float(old), 1e-6)
    centres, rims = flat[68::2], flat[69::2]
    return Placed(marks, np.column_stack([centres, np.linalg.norm(rims - centres, axis=1)]))


def apply(editor: bpy.types.Object) -> list[str]:
    """Rebuild the rig from its landmark mesh and return remarks; raises PictureError or RigError if that fails."""
    rig = picture_settings.face_meant(editor)
    placed = read(editor)
    assert rig is not None  # read has raised otherwise
    return rig_builder.remake(rig, placed)


def place(context: bpy.types.Context, rig: bpy.types.Object, placed: Placed) -> list[str]:
    """Rebuild a rig for other landmarks, update its landmark mesh if there is one, and return remarks."""
    remarks = rig_builder.remake(rig, placed)
    if editor_of(rig) is not None:
        show(context, rig)
    return remarks


def pixel_at(rig: bpy.types.Object, x: float, z: float) -> tuple[float, float] | None:
    """Return the pixel of a rig's picture at a position in the rig's own space; None beside the picture."""
    width, height = picture_settings.picture_of(rig).size
    scale = max(width, height) / rig_builder.longest_of(rig)
    pixel = (x * scale + width / 2, height / 2 - z * scale)
    return pixel if 0 <= pixel[0] <= width and 0 <= pixel[1] <= height else None
