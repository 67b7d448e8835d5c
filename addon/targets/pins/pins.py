"""Pins: which vertex of a mesh is each of the 68 landmarks, stored with the object.

A pin stores the index of its vertex and the vertex's position at rest. If vertices were added, removed or reordered
since, these no longer fit together, and the pin is found again at a vertex that has the stored position.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from bpy.props import BoolProperty, CollectionProperty, FloatVectorProperty, IntProperty, PointerProperty
from bpy.utils import register_classes_factory
from mouthpiece.errors import RigError, UnreadableError
from mouthpiece.files.json_text import number_in, read_json, row_of, rows_of, whole_in
from mouthpiece.files.writer import write_whole
from numpy.typing import NDArray

from ..shape_keys import keyed_mesh

COUNT: Final = 68
#: How far a vertex may be from its stored position to be the same, and to be found again: shares of the pins' extent.
_SAME, _FOUND = 1e-5, 2e-3
_FORMAT: Final = 1
#: Most vertices of a mesh, and the farthest place, in files of pins.
_VERTICES: Final = 1 << 31
_FAR: Final = 1e12
_OVERRIDE: Final = {"LIBRARY_OVERRIDABLE"}


class MOUTHPIECE_PG_pin(bpy.types.PropertyGroup):
    """The vertex of one landmark."""

    vertex: IntProperty(name="Vertex", default=-1, override=_OVERRIDE)
    place: FloatVectorProperty(name="Place", size=3, override=_OVERRIDE)
    doubtful: BoolProperty(
        name="Doubtful", description="Upper and lower lid, or lip, could not be told apart here", override=_OVERRIDE
    )


class MOUTHPIECE_PG_pins(bpy.types.PropertyGroup):
    """All pins of a mesh, in the order of the landmarks; the list is empty before the first is set."""

    points: CollectionProperty(type=MOUTHPIECE_PG_pin, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    active: IntProperty(name="Landmark", description="Landmark chosen in the list")
    count: IntProperty(name="Vertices", description="Vertices the mesh had when it was pinned", override=_OVERRIDE)
    mirror: BoolProperty(
        name="Mirror",
        description="Pin the other side's landmark to the mirrored vertex as well, across the mesh's own X",
        default=True,
        override=_OVERRIDE,
    )
    show: BoolProperty(name="Show Pins", description="Draw the pins of the active object in the viewport", default=True)


@dataclass(frozen=True, slots=True, eq=False)
class Pins:
    """The present pins of a mesh.

    ``vertices`` (68,) are -1 for landmarks without a pin. ``lost`` are the landmarks whose vertices are gone, ``found``
    is the number of pins that were found at other vertices.
    """

    vertices: NDArray[np.int64]
    lost: tuple[int, ...] = ()
    found: int = 0

    @property
    def set(self) -> int:
        """Number of landmarks that have a vertex."""
        return int((self.vertices >= 0).sum())


def pins_of(obj: bpy.types.Object, rest: NDArray[np.float64] | None = None) -> Pins:
    """Return the pins of a mesh object, found again if its vertices changed; the stored pins are not changed.

    ``rest`` are the vertices (V, 3) at rest, read from the mesh if not given.
    """
    stored = obj.mouthpiece_pins
    if not len(stored.points):
        return Pins(np.full(COUNT, -1))
    vertices, places = np.full(COUNT, -1), np.zeros((COUNT, 3))
    for number, pin in enumerate(stored.points[:COUNT]):  # another program may have added or removed some
        vertices[number], places[number] = pin.vertex, pin.place
    rest = keyed_mesh.rest_of(obj.data) if rest is None else rest
    kept = vertices >= 0
    spread = float(np.ptp(places[kept], axis=0).max()) if kept.any() else 1.0
    there = kept & (vertices < len(rest))
    off = np.full(COUNT, np.inf)
    off[there] = np.linalg.norm(rest[vertices[there]] - places[there], axis=1)
    moved = kept & ~(off <= _SAME * spread)  # places that are no numbers are nowhere
    if not moved.any():
        return Pins(vertices)
    return _found_again(vertices, places, rest, moved, spread, same=len(rest) == stored.count)


def _found_again(
    vertices: NDArray[np.int64],
    places: NDArray[np.float64],
    rest: NDArray[np.float64],
    moved: NDArray[np.bool_],
    spread: float,
    same: bool,
) -> Pins:
    """Return the pins with those that ``moved`` searched for by their positions.

    ``same`` is whether the mesh has as many vertices as when it was pinned.
    """
    result, elsewhere = vertices.copy(), []
    for point in np.flatnonzero(moved):
        apart = np.linalg.norm(rest - places[point], axis=1) if len(rest) else np.array([np.inf])
        if apart.min() < _FOUND * spread:
            result[point] = int(apart.argmin())
            elsewhere.append(int(point))
    lost = [int(point) for point in np.flatnonzero(moved) if int(point) not in elsewhere]
    if same and lost:
        # If vertices were reordered, every position is still found; if one is not, the mesh was sculpted instead, and
        # its vertices keep their numbers.
        return Pins(np.where(vertices < len(rest), vertices, -1))
    result[lost] = -1
    return Pins(result, tuple(lost), len(elsewhere))


def set_pins(obj: bpy.types.Object, vertices: Mapping[int, int] | Sequence[int]) -> None:
    """Pin landmarks to vertices (-1: unpin); landmarks that are not given keep theirs.

    Raises RigError if there is no such landmark or vertex.
    """
    wanted = dict(vertices) if isinstance(vertices, Mapping) else dict(enumerate(vertices))
    rest = keyed_mesh.rest_of(obj.data)
    beyond = [vertex for vertex in wanted.values() if vertex >= len(rest)]
    if beyond or any(not 0 <= point < COUNT for point in wanted):
        raise RigError(f"'{obj.name}' has {len(rest)} vertices: these pins are of another mesh.")
    now = pins_of(obj, rest).vertices
    now[list(wanted)] = list(wanted.values())
    stored = obj.mouthpiece_pins
    while len(stored.points) < COUNT:
        stored.points.add()
    while len(stored.points) > COUNT:
        stored.points.remove(COUNT)
    for point in wanted:
        stored.points[point].doubtful = False
    for pin, vertex in zip(stored.points, now.tolist(), strict=True):
        pin.vertex = max(vertex, -1)
        pin.place = rest[vertex] if vertex >= 0 else (0.0, 0.0, 0.0)
    stored.count = len(rest)
    obj.update_tag()


def mark_doubtful(obj: bpy.types.Object, points: Iterable[int]) -> None:
    """Mark pins as doubtful: they are drawn as such until they are set anew."""
    for point in points:
        obj.mouthpiece_pins.points[point].doubtful = True


def doubtful(obj: bpy.types.Object) -> tuple[int, ...]:
    """Return the landmarks whose pins are doubtful."""
    return tuple(k for k, pin in enumerate(obj.mouthpiece_pins.points) if pin.doubtful and pin.vertex >= 0)


def clear_pins(obj: bpy.types.Object) -> None:
    """Remove all pins."""
    obj.mouthpiece_pins.points.clear()
    obj.mouthpiece_pins.count = 0


def mirrored(obj: bpy.types.Object, vertex: int, rest: NDArray[np.float64] | None = None) -> int:
    """Return the vertex at the position mirrored across the mesh's X, or -1 if there is none near it."""
    rest = keyed_mesh.rest_of(obj.data) if rest is None else rest
    place = rest[vertex] * np.array([-1.0, 1.0, 1.0])
    apart = np.linalg.norm(rest - place, axis=1)
    size = float(np.ptp(rest, axis=0).max())
    return int(apart.argmin()) if apart.min() < 0.01 * size else -1


def write_file(obj: bpy.types.Object, path: Path) -> None:
    """Write the pins as JSON; raises RigError if there are none or the file cannot be written."""
    pins = pins_of(obj)
    if not pins.set:
        raise RigError(f"'{obj.name}' has no pins to write.")
    rest = keyed_mesh.rest_of(obj.data)
    row = {
        "format": _FORMAT,
        "vertices": pins.vertices.tolist(),
        "places": [[round(float(x), 6) for x in rest[v]] if v >= 0 else None for v in pins.vertices],
        "count": len(rest),
    }
    try:
        write_whole(path, json.dumps(row))
    except OSError as error:
        raise RigError(f"The pins cannot be written to '{path}': {error.strerror}. Choose another place.") from error


def read_file(obj: bpy.types.Object, path: Path) -> int:
    """Pin a mesh by a file and return how many landmarks are pinned.

    A mesh with the same number of vertices gets the vertices of the same index, any other those at the positions in the
    file. Raises RigError if it is not a file of pins, or no position has a vertex.
    """
    try:
        vertices, places, count = _parsed(read_json(path))
    except UnreadableError as error:
        raise RigError(error.told(f"'{path}'", "holds no pins that can be read", "Write them again.")) from error
    rest = keyed_mesh.rest_of(obj.data)
    if len(rest) == count:
        set_pins(obj, vertices.tolist())
        return int((vertices >= 0).sum())
    kept = vertices >= 0
    spread = float(np.ptp(places[kept], axis=0).max()) if kept.any() else 1.0
    found = _found_again(vertices, places, rest, kept, spread, same=False)
    if not found.set:
        raise RigError(f"None of the pins in '{path.name}' has a vertex at its place on '{obj.name}'.")
    set_pins(obj, found.vertices.tolist())
    return found.set


def _parsed(saved: Any) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Return vertices (68,), places (68, 3) and the number of vertices in the JSON of a file of pins.

    Landmarks without a pin have the vertex -1 and no place (NaN). Raises UnreadableError if it is malformed.
    """
    row = row_of(saved)
    if whole_in(row, "format") > _FORMAT:
        raise UnreadableError("it is of a newer Mouthpiece")
    vertices, places = (rows_of(row.get(name), f"'{name}'") for name in ("vertices", "places"))
    if len(vertices) != COUNT or len(places) != COUNT:
        raise UnreadableError(f"it is not about {COUNT} landmarks")
    numbers = [whole_in({"a vertex": vertex}, "a vertex", -1, _VERTICES) for vertex in vertices]
    return np.array(numbers, np.int64), np.array([_place(place) for place in places]), whole_in(row, "count", 0)


def _place(saved: Any) -> list[float]:
    """Return a stored place, NaN for none."""
    if not saved:
        return [np.nan] * 3
    if len(rows_of(saved, "a place")) != 3:
        raise UnreadableError("a place in it is none")
    return [number_in({"a place": value}, "a place", -_FAR, _FAR) for value in saved]


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_PG_pin, MOUTHPIECE_PG_pins))


def register() -> None:
    """Register the pins and add them to every object."""
    _register_classes()
    bpy.types.Object.mouthpiece_pins = PointerProperty(type=MOUTHPIECE_PG_pins, override=_OVERRIDE)


def unregister() -> None:
    """Remove the pins from objects and unregister them."""
    del bpy.types.Object.mouthpiece_pins
    _unregister_classes()
