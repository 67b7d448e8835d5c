"""The shape-key table of an object: what an artist sees and edits, saved with the object."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.utils import register_classes_factory

if TYPE_CHECKING:
    from mouthpiece.retarget.mapping import ShapeMap

_OVERRIDE: Final = {"LIBRARY_OVERRIDABLE"}
_LAYERS: Final = (
    ("lips", "Lips", "Mouth and jaw"),
    ("expression", "Expression", "Brows, cheeks, nose and moods"),
    ("eyes", "Eyes", "Blinks, looks and lids"),
    ("head", "Head", "Whatever goes with the head"),
)

#: Set while a table is filled by the program: nothing is dialled meanwhile.
_filling: list[bool] = []


def _edited(self: Any, context: bpy.types.Context) -> None:
    """Let the lines that are there follow the table at once, as they follow the dials."""
    if not _filling:
        from . import dials

        dials.follow(self.id_data, context)


class MOUTHPIECE_PG_shape_entry(bpy.types.PropertyGroup):
    """One shape key, and what drives it."""

    key: StringProperty(name="Shape Key", description="Shape key that is driven", override=_OVERRIDE, update=_edited)
    formula: StringProperty(
        name="Driven By",
        description="Drivers, numbers, + - * /, brackets, max and min: jawOpen - 0.5 * mouthClose",
        override=_OVERRIDE,
        update=_edited,
    )
    gain: FloatProperty(
        name="Gain", description="Factor on what drives the key", default=1.0, min=-10.0, max=10.0, soft_min=0.0,
        soft_max=2.0, override=_OVERRIDE, update=_edited,
    )  # fmt: skip
    offset: FloatProperty(
        name="Offset", description="Added to the key's value", min=-10.0, max=10.0, soft_min=-1.0, soft_max=1.0,
        override=_OVERRIDE, update=_edited,
    )  # fmt: skip
    enabled: BoolProperty(
        name="Driven", description="Whether the key is driven at all", default=True, override=_OVERRIDE, update=_edited
    )
    invert: BoolProperty(
        name="Invert", description="Take 1 minus what drives the key", override=_OVERRIDE, update=_edited
    )
    layer: EnumProperty(name="Layer", description="Layer its keys land in", items=_LAYERS, override=_OVERRIDE)
    mark: StringProperty(description="Checksum of the shape, by which a renamed key is found again", override=_OVERRIDE)


class MOUTHPIECE_PG_names(bpy.types.PropertyGroup):
    """Which shape key is driven by what."""

    entries: CollectionProperty(
        type=MOUTHPIECE_PG_shape_entry, name="Entries", override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"}
    )
    active: IntProperty(name="Active Entry", override=_OVERRIDE)
    match_lips: BoolProperty(
        name="Match Lips",
        description="Open the mouth as far as the lips are heard to open, measured on this mesh's own shape keys",
        default=True,
        override=_OVERRIDE,
        update=_edited,
    )


def read(obj: bpy.types.Object) -> ShapeMap | None:
    """Return the table of a mesh, or None if it has none and is to be detected.

    Keys that were renamed since are found by their shape. Entries of keys that are gone are left out.
    """
    from mouthpiece.retarget.mapping import ShapeMap

    settings = obj.mouthpiece_names
    if not settings.entries:
        return None
    names = _names_now(obj, settings)
    entries = tuple(
        _entry(item, names[item.key]) for item in settings.entries if item.key in names and item.formula.strip()
    )
    mapped = {entry.key for entry in entries}
    unused = tuple(block.name for block in movers(obj.data.shape_keys) if block.name not in mapped)
    return ShapeMap(entries, unused=unused, match_lips=settings.match_lips)


def _entry(item: Any, key: str) -> Any:
    from mouthpiece.retarget.mapping import Entry

    # sliders are single floats: 1.2 is 1.2000000477 in them
    return Entry(key, item.formula, round(item.gain, 6), round(item.offset, 6), item.enabled, item.invert, item.layer)


def fill(obj: bpy.types.Object, table: ShapeMap) -> None:
    """Make ``table`` the object's own, in place of what it had."""
    settings = obj.mouthpiece_names
    with _quietly():
        settings.entries.clear()
        for entry in table.entries:
            item = settings.entries.add()
            item.key, item.formula, item.layer = entry.key, entry.formula, entry.layer
            item.gain, item.offset = entry.gain, entry.offset
            item.enabled, item.invert = entry.enabled, entry.invert
            item.mark = mark(obj.data.shape_keys, entry.key)
        settings.active = 0
        settings.match_lips = table.match_lips


def add(obj: bpy.types.Object, name: str) -> None:
    """Add an entry for a shape key that nothing drives yet, and make it the active one."""
    settings = obj.mouthpiece_names
    with _quietly():
        item = settings.entries.add()
        item.key, item.mark = name, mark(obj.data.shape_keys, name)
        settings.active = len(settings.entries) - 1


def clear(obj: bpy.types.Object) -> None:
    """Go by the keys' names again."""
    with _quietly():
        obj.mouthpiece_names.entries.clear()
        obj.mouthpiece_names.active = 0
        obj.mouthpiece_names.match_lips = True


@contextmanager
def _quietly() -> Iterator[None]:
    """Let nothing follow what is changed meanwhile."""
    _filling.append(True)
    try:
        yield
    finally:
        _filling.pop()


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


def _names_now(obj: bpy.types.Object, settings: Any) -> dict[str, str]:
    """Return what each key of the table is called now: as noted, or, where that is gone, what has its shape."""
    key = obj.data.shape_keys
    names = {item.key: item.key for item in settings.entries if item.key in key.key_blocks}
    if len(names) == len(settings.entries):
        return names
    marks: dict[str, list[str]] = {}
    for block in movers(key):
        marks.setdefault(mark(key, block.name), []).append(block.name)
    # Shapes that are all alike, such as empty ones, tell nothing.
    alone = {item.key: marks[item.mark][0] for item in settings.entries if len(marks.get(item.mark, ())) == 1}
    taken = set(alone.values())
    return {name: now for name, now in names.items() if now not in taken} | alone


def refresh(obj: bpy.types.Object) -> None:
    """Write down what keys of the table are called now, and what they look like."""
    key = obj.data.shape_keys
    settings = obj.mouthpiece_names
    names = _names_now(obj, settings)
    with _quietly():
        for item in settings.entries:
            item.key = names.get(item.key, item.key)
            item.mark = mark(key, item.key) or item.mark


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_PG_shape_entry, MOUTHPIECE_PG_names))


def register() -> None:
    """Give every object a table."""
    _register_classes()
    bpy.types.Object.mouthpiece_names = bpy.props.PointerProperty(type=MOUTHPIECE_PG_names, override=_OVERRIDE)


def unregister() -> None:
    """Take it away again."""
    del bpy.types.Object.mouthpiece_names
    _unregister_classes()
