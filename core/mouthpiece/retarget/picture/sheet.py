"""Lays a picture rig out as a mesh in space: x right, y away from the viewer, z up, upright as the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..warp.triangles import areas, cross
from ..warp.warp import Points, Triangles
from .keys import PictureRig, folds

Array = NDArray[np.float32]

#: Distance between layers, in eye distances, and the share of it by which the lower lip is behind the upper.
_LAYER, _LOWER_LIP = 0.004, 0.4
#: Factors on a frame's key values that are tried in turn where triangles would fold.
_SHARES: Final = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
#: Number of frames before and after a reduced one over which the factor returns to 1.
_EASE: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """The data of a mesh and its shape keys.

    Attributes
    ----------
    vertices : (V, 3) float32
        In units in which the picture's longer side is ``longest``; the picture's middle is the origin.
    faces : tuple of tuples of int
        Indices of vertices, counter-clockwise as seen from -y.
    painted : (F,) bool
        Which faces show the painting and not the picture.
    texture : (V, 2) float32
        Texture place of each vertex in the picture or painting, 0..1, y up.
    moves : mapping of str to (V, 3) float32
        Displacement of each vertex at value 1 of each key.
    parts : mapping of str to range
        Range of the vertices of the skin and of each layer.
    """

    vertices: Array
    faces: tuple[tuple[int, ...], ...]
    painted: NDArray[np.bool_]
    texture: Array
    moves: dict[str, Array]
    parts: dict[str, range]


def laid_out(rig: PictureRig, longest: float = 2.0) -> Sheet:
    """Return the mesh of a rig; ``longest`` is the length of the picture's longer side."""
    face = rig.face
    scale = longest / max(face.width, face.height)
    middle = np.array([face.width, face.height]) / 2
    flat = (face.outward(rig.points) - middle) * scale
    parts, faces, painted, texture, behind = _pieces(rig)
    step = _LAYER * face.unit * scale
    vertices = np.column_stack([flat[:, 0], behind * step, -flat[:, 1]]).astype(np.float32)
    turn = face.axes.T * scale
    moves = {}
    for name, moved in rig.keys.items():
        across = moved @ turn
        moves[name] = np.column_stack([across[:, 0], np.zeros(len(across)), -across[:, 1]]).astype(np.float32)
    return Sheet(vertices, _facing(vertices, faces), np.array(painted), texture, moves, parts)


def _pieces(rig: PictureRig) -> tuple[dict[str, range], list[tuple[int, ...]], list[bool], Array, Points]:
    """Return each part's vertices, all faces, which are painted, texture places, and depths in layers (V,)."""
    face, skin = rig.face, rig.skin
    size = np.array([face.width, face.height])
    parts = {"skin": range(len(skin.points))}
    faces, painted = list(skin.faces), [False] * len(skin.faces)
    places = [_upright(face.outward(skin.points) / size)]
    behind = [np.zeros(len(skin.points))]
    for line in skin.mouth[:2]:
        behind[0][line[len(line) // 2 + 1 :]] = _LOWER_LIP
    start = len(skin.points)
    for layer in rig.layers:
        parts[layer.name] = range(start, start + len(layer.points))
        faces += [tuple(start + index for index in row) for row in layer.faces]
        painted += [layer.painted] * len(layer.faces)
        places.append(layer.texture if layer.painted else _upright(face.outward(layer.texture) / size))
        behind.append(np.full(len(layer.points), float(layer.rank)))
        start += len(layer.points)
    return parts, faces, painted, np.concatenate(places).astype(np.float32), np.concatenate(behind)


def _upright(places: Points) -> Points:
    return np.column_stack([places[:, 0], 1 - places[:, 1]])


def _facing(vertices: Array, faces: list[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return the faces ordered to be visible from -y; flat ones are unchanged."""
    seen = vertices[:, [0, 2]].astype(np.float64)
    fans = [(row[0], row[k], row[k + 1]) for row in faces for k in range(1, len(row) - 1)]
    signed = areas(seen, np.array(fans, np.int64))
    turned, place = [], 0
    for row in faces:
        count = len(row) - 2
        turned.append(tuple(reversed(row)) if signed[place : place + count].sum() < 0 else row)
        place += count
    return tuple(turned)


@dataclass(frozen=True, slots=True, eq=False)
class HeldBack:
    """Key values (T, K), reduced where triangles folded, how many on how many frames had, and how many still do."""

    values: Array
    folds: int
    frames: int
    left: int


def held_back(
    points: NDArray[Any], triangles: Triangles, moves: NDArray[Any], values: Array, free: NDArray[np.bool_], unit: float
) -> HeldBack:
    """Return ``values`` (T, K), reduced where a triangle would fold, with a smooth transition on the frames around.

    Parameters
    ----------
    points, moves : (V, 2), (K, V, 2)
        Vertices of the skin at rest, and their displacements at value 1 of each key.
    triangles : (N, 3) int64
        Indices of vertices; triangles folded at rest are ignored.
    free : (K,) bool
        Keys that may be reduced.
    unit : float
        Length of an eye distance.
    """
    points, moves = np.asarray(points, np.float64), np.asarray(moves, np.float64)
    if len(triangles):
        wrong = areas(points, triangles) < 0
        triangles = np.where(wrong[:, None], triangles[:, ::-1], triangles)
    triangles = triangles[_might_fold(points, triangles, moves, np.abs(values).max(axis=0, initial=0.0))]
    used, corners = np.unique(triangles, return_inverse=True)
    triangles = corners.reshape(-1, 3)
    points, moves = points[used] / unit, moves[:, used] / unit
    # folds by keys that may not be reduced (shut lips or eyes) cannot be avoided
    bound = _folds(points, triangles, moves, np.where(free, 0, values))
    folded = np.maximum(_folds(points, triangles, moves, values) - bound, 0)
    rows = np.flatnonzero(folded)
    share = np.ones(len(values))
    for row in rows:
        tried = np.array([np.where(free, values[row] * candidate, values[row]) for candidate in _SHARES])
        left = np.maximum(_folds(points, triangles, moves, tried) - bound[row], 0)
        if left.min() < folded[row]:  # otherwise less motion would not reduce the folds
            share[row] = _SHARES[int(left.argmin())]
    eased = share.copy()
    for away in range(1, _EASE + 1):
        back = away / (_EASE + 1)
        eased[away:] = np.minimum(eased[away:], share[:-away] + (1 - share[:-away]) * back)
        eased[:-away] = np.minimum(eased[:-away], share[away:] + (1 - share[away:]) * back)
    result = np.where(free, values * eased[:, None], values).astype(np.float32)
    after = np.maximum(_folds(points, triangles, moves, result) - bound, 0)
    return HeldBack(result, int(folded.sum()), len(rows), int(after.sum()))


def _might_fold(points: Points, triangles: Triangles, moves: Points, most: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which triangles (N,) may fold while no key exceeds ``most`` (K,); the others certainly do not."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    da, db, dc = (moves[:, triangles[:, k]] for k in range(3))
    first, second, d1, d2 = b - a, c - a, db - da, dc - da
    steps = np.abs(cross(first, d2) + cross(d1, second))
    lengths = [np.tensordot(most, np.linalg.norm(d, axis=-1), axes=1) for d in (d1, d2)]
    least: Points = cross(first, second) - np.tensordot(most, steps, axes=1) - lengths[0] * lengths[1]
    return np.asarray(least < 0)


def _folds(points: Points, triangles: Triangles, moves: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the number (T,) of folded triangles at each row of key values."""
    counts = np.zeros(len(values), np.int64)
    for start in range(0, len(values), 256):
        part = slice(start, start + 256)
        moved = points + np.tensordot(values[part].astype(np.float64), moves, axes=1)
        counts[part] = folds(moved, triangles).sum(axis=1)
    return counts
