"""Finds the side a mesh looks to, and a close view of its face, by rendering it from all sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import RigError
from ...topology import LANDMARK_COUNT
from .mesh_render import View, picture

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Orientations of a character, as rows: the picture's x right, y down and z away in the mesh's axes. Blender's own
#: front comes first, then others turned about Z, then those of programs with Y up, then lying characters.
FRONTS: Final = (
    ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    ((-1, 0, 0), (0, 0, -1), (0, -1, 0)),
    ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    ((0, -1, 0), (0, 0, -1), (1, 0, 0)),
    ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    ((0, 0, 1), (0, -1, 0), (1, 0, 0)),
    ((0, 0, -1), (0, -1, 0), (-1, 0, 0)),
    ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
)
#: Score from which a face ends the search, score below which it is no face, and greatest roll (radians) to end it.
_SURE, _LEAST, _LEVEL = 0.85, 0.6, 0.4
#: Size in pixels of the picture in which a face is searched, and of the one in which its landmarks are found.
_SEARCH, _READ = 512, 768
#: Height of a standing figure in depths of it, and the share of its height that shows the head.
_TALL, _TOP = 3.0, 0.18
#: Margin around the moving vertices, and around a face's box, as shares of their size.
_ROOM, _MARGIN = 0.5, 0.3


class FacingView(Protocol):
    """A face found in a picture: landmarks (68, 2 or more) in pixels, the detector's score, and its roll in radians."""

    @property
    def landmarks(self) -> NDArray[np.floating[Any]]: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def roll(self) -> float: ...  # noqa: D102


Find = Callable[[NDArray[np.uint8]], Sequence[FacingView]]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A mesh at rest.

    Attributes
    ----------
    vertices : (V, 3)
        Places of the vertices, in the mesh's space and unit.
    triangles : (F, 3)
        Indices of vertices.
    colours : (F, 3)
        Colours of the triangles, linear, 0..1.
    piece : (V,)
        Number of the connected piece of each vertex (:func:`~mouthpiece.retarget.solve.unpinned_parts.pieces`).
    names : tuple of str
        Names of its K shape keys.
    deltas : (K, V, 3) float32
        Displacements of the vertices by each key at weight 1.
    """

    vertices: Floats
    triangles: Indices
    colours: Floats
    piece: Indices
    names: tuple[str, ...]
    deltas: NDArray[np.float32]


def front(head: Head, find: Find) -> tuple[View, float]:
    """Return a close view of the face from the front, and the detector's score for it."""
    best: tuple[float, View] | None = None
    for view in _views(head):
        faces = find(picture(view, head.vertices, head.triangles, head.colours)[0])
        level = [face for face in faces if abs(face.roll) < _LEVEL]
        if level and (best is None or level[0].score > best[0]):
            marks = np.asarray(level[0].landmarks, np.float64)[:, :2]
            low, high = marks.min(axis=0), marks.max(axis=0)
            room = _MARGIN * (high - low).max()
            best = level[0].score, view.zoomed(low - room, high + room, _READ)
        if best is not None and best[0] > _SURE:
            break
    if best is None or best[0] < _LEAST:
        raise RigError(
            "No face was found on the mesh, from whichever side. Pin the landmarks by hand, or turn the mesh so that "
            "it looks along -Y and apply its rotation."
        )
    return best[1], best[0]


def _views(head: Head) -> Iterator[View]:
    """Yield views from all sides, likely ones first: of the vertices that shape keys move, then of the whole mesh."""
    size = float(np.ptp(head.vertices, axis=0).max())
    far = np.abs(head.deltas).max(axis=(0, 2)) if len(head.deltas) else np.zeros(len(head.vertices))
    moving = far > 1e-4 * size
    parts = [head.vertices[moving]] if moving.sum() > LANDMARK_COUNT else []
    sides = _likely(head.vertices, far, moving) if parts else FRONTS
    for points in (*parts, head.vertices):
        for rows in sides:
            rotation = np.array(rows, np.float64)
            turned = points @ rotation.T
            low, high = turned[:, :2].min(axis=0), turned[:, :2].max(axis=0)
            if high[1] - low[1] > _TALL * np.ptp(turned[:, 2]):
                # A whole figure: its face is too small in a picture of all of it.
                top = turned[turned[:, 1] < low[1] + _TOP * (high[1] - low[1]), :2]
                low, high = top.min(axis=0), top.max(axis=0)
            yield View(rotation, (low + high) / 2, (1 + _ROOM) * float((high - low).max()), _SEARCH)


def _likely(vertices: Floats, far: Floats, moving: NDArray[np.bool_]) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Return the orientations, likeliest first: shape keys move the face, not the back of the head."""
    middle = np.average(vertices, axis=0, weights=far)
    reach = np.linalg.norm(vertices[moving] - middle, axis=1).max()
    about = vertices[np.linalg.norm(vertices - middle, axis=1) < 1.2 * reach]
    towards = middle - (about.min(axis=0) + about.max(axis=0)) / 2
    return tuple(sorted(FRONTS, key=lambda rows: float(towards @ np.array(rows[2]))))
