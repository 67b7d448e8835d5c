"""Finds a mesh's lips by its shape keys and measures how far each key opens them, so that its mouth can be matched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from .fingerprints import mark, places

if TYPE_CHECKING:
    from mouthpiece.retarget.shape_keys.lip_opening import Lips
    from mouthpiece.retarget.shape_keys.table import ShapeMap

Array = NDArray[np.float32]
_Pairs = tuple[tuple[int, int], ...]

#: Drivers that open the mouth, the best first, and drivers whose keys move the lips but neither chin nor teeth.
_OPENERS: Final = ("jawOpen", "viseme.aa", "opening", "viseme.E")
_SHAPERS: Final = ("mouthPucker", "mouthFunnel", "viseme.ou", "viseme.oh", "mouthUpperUpLeft", "mouthLowerDownLeft")
#: Cache of pairs found on meshes: lips stay where they are on a mesh, and finding them is slow on a big one.
_KNOWN: Final[dict[tuple[object, ...], _Pairs]] = {}
_MOST: Final = 64


def measured(key: bpy.types.Key, table: ShapeMap) -> Lips | None:
    """Return how far each shape key parts the lips; None if no lips are found, or the table does not match lips."""
    from mouthpiece.retarget.shape_keys.lip_opening import Lips
    from mouthpiece.retarget.shape_keys.lip_pairs import parting

    if not are_found(key, table):
        return None
    opener = openers(table)[0]
    pairs = _found(key, table, opener)
    moved = _moved_at(key, table.keys, pairs)
    opening = moved[table.keys.index(opener)]
    apart = parting(pairs, opening, moved)
    return Lips(table, dict(zip(table.keys, apart.tolist(), strict=True)))


def are_found(key: bpy.types.Key, table: ShapeMap) -> bool:
    """Return whether lips are found, and the table matches them."""
    found = openers(table)
    return bool(found) and table.match_lips and bool(_found(key, table, found[0]))


def openers(table: ShapeMap) -> tuple[str, ...]:
    """Return the driven keys that open the mouth, the best first."""
    return tuple(dict.fromkeys(name for driver in _OPENERS for name in table.playing(driver)))


def _found(key: bpy.types.Key, table: ShapeMap, opener: str) -> _Pairs:
    """Return the pairs of vertices where the lips meet, from the cache if possible."""
    from mouthpiece.retarget.shape_keys.lip_pairs import lip_pairs

    shapers = tuple(dict.fromkeys(name for driver in _SHAPERS for name in table.playing(driver) if name != opener))[:4]
    known = (key.session_uid, mark(key, key.reference_key.name), mark(key, opener), opener, shapers)
    if known not in _KNOWN:
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()
        moved = [_moved(key, name) for name in shapers]
        _KNOWN[known] = lip_pairs(places(key.reference_key), _moved(key, opener), moved)
    return _KNOWN[known]


def _moved(key: bpy.types.Key, name: str) -> Array:
    """Return the displacement (V, 3) of all vertices by a key at value 1."""
    block = key.key_blocks[name]
    return places(block) - places(block.relative_key)


def _moved_at(key: bpy.types.Key, names: Sequence[str], pairs: _Pairs) -> NDArray[np.float64]:
    """Return the displacements (K, P, 2, 3) of P pairs of vertices by K keys at value 1, without reading all."""
    there = [index for pair in pairs for index in pair]
    resting: dict[str, Array] = {}

    def seen(block: bpy.types.ShapeKey) -> Array:
        data = block.data
        return np.array([data[index].co for index in there], np.float32)

    moved = []
    for name in names:
        block = key.key_blocks[name]
        relative = block.relative_key
        if relative.name not in resting:
            resting[relative.name] = seen(relative)
        moved.append(seen(block) - resting[relative.name])
    return np.array(moved, np.float64).reshape(len(names), len(pairs), 2, 3)
