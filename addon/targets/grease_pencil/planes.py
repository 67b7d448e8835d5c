"""The plane in which a face is drawn, and conversions between points of drawings and that plane.

Positions in the plane are (right, down) in the object's own units, as the core expects them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

Points = NDArray[np.float64]

#: A drawing whose depth is at most this share of its size counts as drawn in the front view.
_FLAT: Final = 0.1
#: Attributes that Blender makes for each point of a drawing, and for each stroke.
_OF_POINTS: Final = frozenset(("position", "radius", "opacity", "vertex_color", "handle_left", "handle_right"))
_OF_STROKES: Final = frozenset(("material_index", "curve_type", "cyclic", "fill_color", "fill_opacity", "fill_id"))
#: Directions to the right and to the viewer in the front view, in the object's own axes.
_RIGHT, _VIEWER = np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A plane in the object's own axes: ``origin`` (3,), and ``axes`` (2, 3), the unit vectors right and down."""

    origin: Points
    axes: Points

    @property
    def normal(self) -> Points:
        """Return the unit vector (3,) towards the viewer."""
        return np.cross(self.axes[1], self.axes[0])

    def flat(self, points: Points) -> Points:
        """Return ``points`` (..., 3) projected into the plane, (..., 2)."""
        return (points - self.origin) @ self.axes.T

    def raised(self, flat: Points) -> Points:
        """Return the points (..., 3) at positions (..., 2) in the plane."""
        return self.origin + flat @ self.axes

    def turned_by(self, flat: Points) -> Points:
        """Return directions (..., 3) in the object's axes for directions (..., 2) in the plane."""
        return flat @ self.axes


def front(origin: Points | None = None) -> Plane:
    """Return the plane of the front view through ``origin`` (by default the object's own)."""
    return Plane(np.zeros(3) if origin is None else origin, np.array([[1.0, 0, 0], [0, 0, -1.0]]))


def found(points: Points) -> Plane:
    """Return the plane that fits ``points`` (N, 3): that of the front view if they lie in it or fit no plane.

    Of its possible orientations it has the one with right nearest to +X, and the viewer nearest to -Y (else +Z).
    """
    if len(points) < 3:
        return front(points.mean(axis=0) if len(points) else None)
    origin = (points.min(axis=0) + points.max(axis=0)) / 2
    size = np.ptp(points, axis=0)
    if size[1] <= _FLAT * max(size[0], size[2]):
        return front(origin)
    _, spread, rows = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    if spread[1] < 1e-6 * max(spread[0], 1e-12):  # points on a line fit many planes
        return front(origin)
    normal = rows[2]
    if abs(normal @ _VIEWER) > 1e-3:
        normal = normal * np.sign(normal @ _VIEWER)
    else:
        normal = normal * (np.sign(normal[2]) or 1.0)
    right = _RIGHT - normal * (normal @ _RIGHT)
    if np.linalg.norm(right) < 0.3:  # seen from the side: right is perpendicular to up and to the line of sight
        right = np.cross(np.array([0.0, 0.0, 1.0]), normal)
    right /= np.linalg.norm(right)
    return Plane(origin, np.array([right, np.cross(right, normal)]))


def layer_matrix(obj: bpy.types.Object, layer: Any) -> Points:
    """Return the matrix (4, 4) from a layer's own axes to the object's, with the present pose of the layer's parent."""
    local = layer.matrix_local
    parent = layer.parent
    if parent is None:
        return np.array(local)
    world = parent.matrix_world
    bone = parent.pose.bones.get(layer.parent_bone) if parent.pose is not None and layer.parent_bone else None
    if bone is not None:
        world = world @ bone.matrix
    # the matrix of an object scaled to nothing has no inverse; inverted_safe returns one all the same
    inverse = obj.matrix_world.inverted_safe()
    return np.array(inverse @ world @ layer.matrix_parent_inverse @ local)


def applied(matrix: Points, points: Points) -> Points:
    """Return ``points`` (N, 3) transformed by a ``matrix`` (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def vectors(drawing: Any, name: str) -> NDArray[np.float32]:
    """Return a drawing's attribute of vectors (N, 3); no rows if it has none of that name."""
    attribute = drawing.attributes.get(name)
    if attribute is None:
        return np.zeros((0, 3), np.float32)
    values = np.zeros(3 * length(attribute, sizes(drawing)), np.float32)
    attribute.data.foreach_get("vector", values)
    return values.reshape(-1, 3)


def sizes(drawing: Any) -> tuple[int, int] | None:
    """Return how many points and strokes a drawing has; None if it has no strokes."""
    count = len(drawing.curve_offsets) - 1
    return (int(drawing.curve_offsets[count].value), count) if count > 0 else None


def length(attribute: Any, sizes: tuple[int, int] | None) -> int:
    """Return how many values an attribute of a drawing has, from how many points and strokes that has.

    Blender goes through all drawings of a Grease Pencil to tell it.
    """
    if sizes is not None and attribute.name in _OF_POINTS:
        return sizes[0]
    if sizes is not None and attribute.name in _OF_STROKES:
        return sizes[1]
    return len(attribute.data)


def starts(drawing: Any) -> NDArray[np.int64]:
    """Return the index of each stroke's first point (S,)."""
    return offsets(drawing)[:-1]


def offsets(drawing: Any) -> NDArray[np.int64]:
    """Return the index of each stroke's first point, and last the number of points (S + 1,); empty without strokes."""
    if not has_points(drawing):  # an empty drawing's offsets have a length in 4.5, but no values
        return np.zeros(0, np.int64)
    values = np.zeros(len(drawing.curve_offsets), np.int32)
    drawing.curve_offsets.foreach_get("value", values)
    return values.astype(np.int64)


def has_points(drawing: Any) -> bool:
    """Return whether a drawing has any points."""
    return sizes(drawing) is not None and drawing.attributes.get("position") is not None


def drawn_points(obj: bpy.types.Object, shown: Iterable[tuple[Any, Any]]) -> Points:
    """Return all points (N, 3) in the object's axes; ``shown`` holds pairs of a layer and one of its drawings."""
    parts = [np.zeros((0, 3))]
    for layer, drawing in shown:
        parts.append(applied(layer_matrix(obj, layer), vectors(drawing, "position").astype(np.float64)))
    return np.concatenate(parts)


def to_numbers(plane: Plane) -> list[float]:
    """Return a plane as 9 numbers, as a property stores it."""
    return [float(v) for v in (*plane.origin, *plane.axes.ravel())]


def from_numbers(numbers: Any) -> Plane:
    """Return the plane stored as 9 numbers; the front view if they are all 0."""
    values = np.array(numbers, np.float64)
    if not values[3:].any():
        return front()
    return Plane(values[:3], values[3:].reshape(2, 3))


def to_matrix(plane: Plane) -> Matrix:
    """Return the matrix from axes of the plane (right, away from the viewer, up) to the object's axes."""
    columns = np.eye(4)
    columns[:3, 0], columns[:3, 1], columns[:3, 2] = plane.axes[0], -plane.normal, -plane.axes[1]
    columns[:3, 3] = plane.origin
    return Matrix(columns.tolist())
