"""Rotations, locations and scales as values of properties: those before any line was baked, and those without jumps."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import Final

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion, Vector
from numpy.typing import NDArray

from ...keys import ledgers

#: Below this angle, in radians, the axis of a rotation is not defined.
_NO_TURN: Final = 1e-5


def quaternions_of(turns: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return rotation matrices (F, 3, 3) as quaternions (F, 4), w first, with signs that make them continuous."""
    a, b, c = turns[:, 0, 0], turns[:, 1, 1], turns[:, 2, 2]
    squares = np.stack([1 + a + b + c, 1 + a - b - c, 1 - a + b - c, 1 - a - b + c], axis=1)
    # Dividing by the largest component is most exact; its products with the others are sums and differences of
    # elements off the diagonal.
    x, y, z = (turns[:, i, j] - turns[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    p, q, r = (turns[:, i, j] + turns[:, j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    s, t, u, v = squares.T
    products = np.stack([[s, x, y, z], [x, t, p, q], [y, p, u, r], [z, q, r, v]]).transpose(2, 0, 1)
    rows = products[np.arange(len(turns)), squares.argmax(axis=1)].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows *= np.where(rows[:1, :1] < 0, -1.0, 1.0)
    flips = np.where((rows[1:] * rows[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    rows[1:] *= np.cumprod(flips)[:, None]
    return rows


def rotation_rows(turns: Sequence[Matrix] | NDArray[np.floating], mode: str) -> tuple[str, list[list[float]]]:
    """Return the name of the rotation property for a mode, and its values on each frame, without jumps.

    ``turns`` may be an array (F, 3, 3), which is faster for quaternions.
    """
    if isinstance(turns, np.ndarray):
        if mode == "QUATERNION":
            return "rotation_quaternion", quaternions_of(turns).tolist()
        turns = [Matrix(turn) for turn in turns.tolist()]
    if mode not in ("QUATERNION", "AXIS_ANGLE"):
        eulers = [turns[0].to_euler(mode)]
        for turn in turns[1:]:
            eulers.append(turn.to_euler(mode, eulers[-1]))
        return "rotation_euler", [list(euler) for euler in eulers]
    quaternions = [turns[0].to_quaternion()]
    for turn in turns[1:]:
        quaternion = turn.to_quaternion()
        quaternions.append(-quaternion if quaternion.dot(quaternions[-1]) < 0 else quaternion)
    if mode == "QUATERNION":
        return "rotation_quaternion", [list(quaternion) for quaternion in quaternions]
    return "rotation_axis_angle", [[angle, *axis] for axis, angle in _axes_and_angles(quaternions)]


def _axes_and_angles(quaternions: Sequence[Quaternion]) -> list[tuple[Vector, float]]:
    """Return axes and angles without jumps; where the rotation is zero, the axis is that of the frame before."""
    found = [quaternion.to_axis_angle() for quaternion in quaternions]
    axis = next((axis for axis, angle in found if abs(angle) > _NO_TURN), Vector((1.0, 0.0, 0.0)))
    pairs: list[tuple[Vector, float]] = []
    for own, angle in found:
        angle = (angle + pi) % (2 * pi) - pi
        if abs(angle) > _NO_TURN:
            own, angle = (-own, -angle) if own.dot(axis) < 0 else (own, angle)
            axis = own
        pairs.append((axis, angle))
    return pairs


def before(owner: bpy.types.ID, path: str, width: int) -> Vector:
    """Return the value that a property of ``width`` components had before any line was baked."""
    return Vector([ledgers.value_before(owner, path, index) for index in range(width)])


def rotation_before(owner: bpy.types.ID, prefix: str, delta: str, mode: str) -> Matrix:
    """Return the rotation before any line was baked, from the properties of a rotation mode.

    ``prefix`` is the path of the bone, and ``delta`` is "delta_" for an object's delta transform.
    """
    if mode == "QUATERNION":
        return Quaternion(before(owner, f"{prefix}{delta}rotation_quaternion", 4)).normalized().to_matrix()
    if mode == "AXIS_ANGLE":
        angle, *axis = before(owner, f"{prefix}rotation_axis_angle", 4)
        return Quaternion(axis, angle).to_matrix()
    return Euler(before(owner, f"{prefix}{delta}rotation_euler", 3), mode).to_matrix()


def scale_of(matrix: Matrix) -> float:
    """Return the mean scale of a transform; 1 if it would be 0."""
    return abs(matrix.determinant()) ** (1 / 3) or 1.0
