"""Shape keys told by their shape, so that a renamed one is known again."""

from __future__ import annotations

import zlib
from typing import Any

import bpy
import numpy as np


def movers(key: bpy.types.Key) -> list[bpy.types.ShapeKey]:
    """Return the shape keys that move something: all but the basis."""
    return [block for block in key.key_blocks if block != key.reference_key]


def mark(key: bpy.types.Key, name: str) -> str:
    """Return the checksum of a key's shape; empty if there is no such key."""
    block = key.key_blocks.get(name)
    if block is None:
        return ""
    places = np.zeros(3 * len(block.data), np.float32)
    block.data.foreach_get("co", places)
    return f"{zlib.crc32(places.tobytes()):08x}"


def names_now(obj: bpy.types.Object, settings: Any) -> dict[str, str]:
    """Return what each key of the table is called now: as noted, or, where that is gone, what has its shape."""
    key = obj.data.shape_keys
    there = {block.name for block in movers(key)}
    names = {item.key: item.key for item in settings.entries if item.key in there}
    if all(item.key in names for item in settings.entries):
        return names
    marks: dict[str, list[str]] = {}
    for block in movers(key):
        marks.setdefault(mark(key, block.name), []).append(block.name)
    # Shapes that are all alike, such as empty ones, tell nothing.
    alone = {item.key: marks[item.mark][0] for item in settings.entries if len(marks.get(item.mark, ())) == 1}
    taken = set(alone.values())
    return {name: now for name, now in names.items() if now not in taken} | alone
