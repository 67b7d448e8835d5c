"""Tells which shape keys move nothing: empty ones, those with no weight or no range, those relative to themselves.

Panels ask at every redraw. A key that moves is proved to by one vertex, which is remembered; only for keys that do not
move, and for those that changed, all vertices are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import bpy
import numpy as np

from .fingerprints import movers, places
from .keyed_mesh import group_weights

#: Largest displacement, as a share of the mesh's extent, that counts as no motion: exporters leave such noise.
_NOISE: Final = 1e-5
#: Greatest value of a key with no range: Blender keeps the ends of a range .001 apart.
_RANGE: Final = 2e-3


class _Witness(NamedTuple):
    """A vertex that a key moves, and the least displacement that counts."""

    vertex: int
    least: float


#: Vertices that were moved when last looked, by shape-key data-block and name. Dropped when it grows too large.
_WITNESSES: Final[dict[tuple[int, str], _Witness]] = {}
_MOST: Final = 8192


def still(obj: bpy.types.Object) -> tuple[str, ...]:
    """Return the names of a mesh's shape keys that move nothing at any value their range allows."""
    return tuple(_still(obj))


def _still(obj: bpy.types.Object) -> Iterator[str]:
    key = obj.data.shape_keys
    if len(_WITNESSES) > _MOST:
        _WITNESSES.clear()
    for block in movers(key):
        place = (key.session_uid, block.name)
        if max(abs(block.slider_min), abs(block.slider_max)) < _RANGE or block.relative_key == block:
            yield block.name
            continue
        known = _WITNESSES.get(place)
        if known is not None and _moves(obj, block, known):
            continue
        found = _witness(obj, block)
        if found is None:
            _WITNESSES.pop(place, None)
            yield block.name
        else:
            _WITNESSES[place] = found


def _moves(obj: bpy.types.Object, block: bpy.types.ShapeKey, known: _Witness) -> bool:
    """Return whether a key still moves the vertex it moved before."""
    base = block.relative_key
    if known.vertex >= min(len(block.points), len(base.points)):
        return False
    moved = float((block.points[known.vertex].co - base.points[known.vertex].co).length)
    return moved * _weight(obj, block, known.vertex) > known.least


def _weight(obj: bpy.types.Object, block: bpy.types.ShapeKey, vertex: int) -> float:
    """Return the weight of a vertex in the key's vertex group; 1 without one, or if the name is not of a group."""
    group = obj.vertex_groups.get(block.vertex_group) if block.vertex_group else None
    if group is None:
        return 1.0
    try:
        return float(group.weight(vertex))
    except RuntimeError:  # the vertex is not in the group
        return 0.0


def _witness(obj: bpy.types.Object, block: bpy.types.ShapeKey) -> _Witness | None:
    """Return the vertex that a key moves furthest; None if it moves none."""
    here, base = places(block), places(block.relative_key)
    if not len(here) or len(here) != len(base) or np.array_equal(here, base):
        return None
    moved = np.linalg.norm(here - base, axis=1)
    weights = group_weights(obj, {block.vertex_group} if block.vertex_group else set())
    if block.vertex_group in weights:
        moved = moved * weights[block.vertex_group]
    least = _NOISE * float(np.linalg.norm(np.ptp(base, axis=0)))
    far = int(moved.argmax())
    return _Witness(far, least) if moved[far] > least else None
