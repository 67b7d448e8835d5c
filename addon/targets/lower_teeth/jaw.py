"""How a jaw moves, measured on the shape key that opens it: a turn about a hinge, as chin and lower lip show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np
from mathutils import Matrix, Quaternion
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ..shape_keys.target import table_of

#: Vertices that move at least this part of the largest way belong to the jaw, not to the cheeks it pulls along.
_OF_JAW: Final = 0.7
#: Turns below this angle in radians are shifts: their hinge lies too far away to tell.
_LEAST_TURN: Final = 0.01


@dataclass(frozen=True, slots=True)
class Hinge:
    """The motion of a jaw when it is wide open: a ``turn`` (axis times angle) about ``place``, and a ``shift``."""

    turn: tuple[float, ...]
    place: tuple[float, ...]
    shift: tuple[float, ...]


def hinge_of(face: bpy.types.Object, to_space: Matrix) -> Hinge:
    """Return how the jaw of a face moves, in the space that ``to_space`` carries the mesh's own to.

    Raises RigError if the face has no shape key for the jaw alone, or that moves nothing.
    """
    key = face.data.shape_keys if face.type == "MESH" else None
    players = table_of(face).playing("jawOpen") if key is not None else ()
    if key is None or not players:
        raise RigError(f"No shape key of '{face.name}' opens the jaw by itself.")
    block = key.key_blocks[players[0]]
    start, end = _places(block.relative_key), _places(block)
    far = np.linalg.norm(end - start, axis=1)
    if far.max(initial=0.0) <= 1e-7:
        raise RigError(f"The shape key '{block.name}' of '{face.name}' moves nothing.")
    jaw = far >= _OF_JAW * far.max()
    turn, move = np.array(to_space.to_3x3()), np.array(to_space.translation)
    return fitted(start[jaw] @ turn.T + move, end[jaw] @ turn.T + move)


def fitted(start: NDArray[np.float64], end: NDArray[np.float64]) -> Hinge:
    """Return the rigid motion that carries points (N, 3) nearest to others."""
    middle, moved = start.mean(axis=0), end.mean(axis=0)
    left, _, right = np.linalg.svd((start - middle).T @ (end - moved))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(right.T @ left.T)) or 1.0])
    turn = right.T @ sign @ left.T
    rotation: Quaternion = Matrix(turn.tolist()).to_quaternion()
    axis, angle = rotation.to_axis_angle()
    if len(start) < 3 or abs(angle) < _LEAST_TURN:
        return Hinge((0.0, 0.0, 0.0), _triple(middle), _triple(moved - middle))
    way = moved - turn @ middle
    along = np.array(axis)
    slide = along * float(along @ way)
    # (1 - turn) is singular along the axis: the place nearest to the points is taken there
    place, *_ = np.linalg.lstsq(np.eye(3) - turn, way - slide, rcond=None)
    place = place + along * float(along @ (middle - place))
    return Hinge(_triple(along * angle), _triple(place), _triple(slide))


def _places(block: bpy.types.ShapeKey) -> NDArray[np.float64]:
    """Return the vertices (V, 3) of a shape key."""
    found = np.zeros(3 * len(block.data), np.float32)
    block.data.foreach_get("co", found)
    return found.reshape(-1, 3).astype(np.float64)


def _triple(place: NDArray[np.float64]) -> tuple[float, ...]:
    """Return three rounded numbers."""
    return tuple(round(float(value), 6) for value in place)
