"""The plane a face is drawn in, and the points of drawings in it.

Places in the plane are (right, down) in the object's own units, as the core wants them; what stands off the plane
keeps its distance.
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

#: Depth over size up to which a drawing counts as drawn in the front view.
_FLAT: Final = 0.1
#: What points to the right and to the viewer in the front view, in the object's own axes.
_RIGHT, _VIEWER = np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """``origin`` (3,), and ``axes`` (2, 3): right and down, of length 1, all in the object's own axes."""

    origin: Points
    axes: Points

    @property
    def normal(self) -> Points:
        """Return what points at the viewer (3,)."""
        return np.cross(self.axes[1], self.axes[0])

    def flat(self, points: Points) -> Points:
        """Return places in the plane (..., 2) of ``points`` (..., 3)."""
        return (points - self.origin) @ self.axes.T

    def raised(self, flat: Points) -> Points:
        """Return the points (..., 3) at those places (..., 2) of the plane."""
        return self.origin + flat @ self.axes

    def turned_by(self, flat: Points) -> Points:
        """Return directions (..., 3) for those (..., 2) in the plane."""
        return flat @ self.axes


def front(origin: Points | None = None) -> Plane:
    """Return the plane of the front view."""
    return Plane(np.zeros(3) if origin is None else origin, np.array([[1.0, 0, 0], [0, 0, -1.0]]))


def found(points: Points) -> Plane:
    """Return the plane that ``points`` (N, 3) are drawn in: the front view's unless they say otherwise.

    It is laid so that its right is as near +X, and its viewer as near -Y (then +Z) as can be.
    """
    if len(points) < 3:
        return front(points.mean(axis=0) if len(points) else None)
    origin = (points.min(axis=0) + points.max(axis=0)) / 2
    size = np.ptp(points, axis=0)
    if size[1] <= _FLAT * max(size[0], size[2]):
        return front(origin)
    _, spread, rows = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    if spread[1] < 1e-6 * max(spread[0], 1e-12):  # a line lies in many planes
        return front(origin)
    normal = rows[2]
    if abs(normal @ _VIEWER) > 1e-3:
        normal = normal * np.sign(normal @ _VIEWER)
    else:
        normal = normal * (np.sign(normal[2]) or 1.0)
    right = _RIGHT - normal * (normal @ _RIGHT)
    if np.linalg.norm(right) < 0.3:  # seen from the side: the viewer's right is across up and the line of sight
        right = np.cross(np.array([0.0, 0.0, 1.0]), normal)
    right /= np.linalg.norm(right)
    return Plane(origin, np.array([right, np.cross(right, normal)]))


def layer_matrix(obj: bpy.types.Object, layer: Any) -> Points:
    """Return the matrix (4, 4) from a layer's own axes to the object's, its parent included as it is posed now."""
    local = layer.matrix_local
    parent = layer.parent
    if parent is None:
        return np.array(local)
    world = parent.matrix_world
    bone = parent.pose.bones.get(layer.parent_bone) if parent.pose is not None and layer.parent_bone else None
    if bone is not None:
        world = world @ bone.matrix
    # What has no size cannot be looked at from inside; such a layer is left as it is.
    inverse = obj.matrix_world.inverted_safe()
    return np.array(inverse @ world @ layer.matrix_parent_inverse @ local)


def applied(matrix: Points, points: Points) -> Points:
    """Return ``points`` (N, 3) moved by a ``matrix`` (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def vectors(drawing: Any, name: str) -> NDArray[np.float32]:
    """Return a drawing's attribute of vectors (N, 3); no rows if it has none of that name."""
    attribute = drawing.attributes.get(name)
    if attribute is None:
        return np.zeros((0, 3), np.float32)
    values = np.zeros(3 * len(attribute.data), np.float32)
    attribute.data.foreach_get("vector", values)
    return values.reshape(-1, 3)


def starts(drawing: Any) -> NDArray[np.int64]:
    """Return the index of each stroke's first point (S,)."""
    return offsets(drawing)[:-1]


def offsets(drawing: Any) -> NDArray[np.int64]:
    """Return the index of each stroke's first point, and the number of points (S + 1,); nothing without strokes."""
    if not has_points(drawing):  # an empty drawing's offsets have a length in 4.5, but no values
        return np.zeros(0, np.int64)
    values = np.zeros(len(drawing.curve_offsets), np.int32)
    drawing.curve_offsets.foreach_get("value", values)
    return values.astype(np.int64)


def has_points(drawing: Any) -> bool:
    """Return whether anything is drawn."""
    attribute = drawing.attributes.get("position")
    return attribute is not None and len(attribute.data) > 0


def drawn_points(obj: bpy.types.Object, shown: Iterable[tuple[Any, Any]]) -> Points:
    """Return all points (N, 3), in the object's axes, of drawings, each with its layer before it."""
    parts = [np.zeros((0, 3))]
    for layer, drawing in shown:
        parts.append(applied(layer_matrix(obj, layer), vectors(drawing, "position").astype(np.float64)))
    return np.concatenate(parts)


def to_numbers(plane: Plane) -> list[float]:
    """Return a plane as 9 numbers, to be kept in a property."""
    return [float(v) for v in (*plane.origin, *plane.axes.ravel())]


def from_numbers(numbers: Any) -> Plane:
    """Return the plane kept as 9 numbers; the front view if there are none yet."""
    values = np.array(numbers, np.float64)
    if not values[3:].any():
        return front()
    return Plane(values[:3], values[3:].reshape(2, 3))


def to_matrix(plane: Plane) -> Matrix:
    """Return the matrix from the plane's (right, towards the viewer, up) to the object's axes."""
    columns = np.eye(4)
    columns[:3, 0], columns[:3, 1], columns[:3, 2] = plane.axes[0], -plane.normal, -plane.axes[1]
    columns[:3, 3] = plane.origin
    return Matrix(columns.tolist())
