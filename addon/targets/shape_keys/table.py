"""The shape-key table of an object, which the user sees and edits; it is stored with the object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import bpy
from bpy.app.handlers import persistent
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.utils import register_classes_factory
from mouthpiece.errors import RigError

from ... import compat
from ...bake import settings as bake_settings
from .fingerprints import mark, movers, names_now

if TYPE_CHECKING:
    from mouthpiece.retarget.shape_keys.table import ShapeMap

_OVERRIDE: Final = {"LIBRARY_OVERRIDABLE"}
#: Their numbers are stored in files.
_LAYERS: Final = (
    ("lips", "Lips", "Mouth and jaw", 0),
    ("tongue", "Tongue", "Tip and back of the tongue", 4),
    ("expression", "Expression", "Brows, cheeks, nose and moods", 1),
    ("eyes", "Eyes", "Blinks, looks and lids", 2),
    ("head", "Head", "Whatever goes with the head", 3),
)

#: Not empty while the program changes a table: update callbacks then do nothing.
_filling: list[bool] = []


def _edited(self: Any, context: bpy.types.Context) -> None:
    """Update callback: dial the lines again at once, if the object is set to."""
    if not _filling:
        bake_settings.follow(self.id_data, context)


def _chosen(self: Any, context: bpy.types.Context) -> None:
    """Update callback: store the checksum of the key that was chosen."""
    key = self.id_data.data.shape_keys if self.id_data.type == "MESH" else None
    if not _filling and key is not None:
        self.mark = mark(key, self.key)
        _edited(self, context)


class MOUTHPIECE_PG_shape_entry(bpy.types.PropertyGroup):
    """An entry of the table: a shape key, and what drives it."""

    key: StringProperty(name="Shape Key", description="Shape key that is driven", override=_OVERRIDE, update=_chosen)
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
    """The shape-key table of an object."""

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
    """Return the table of a mesh; None if it is empty, so that one has to be detected.

    Keys that were renamed since are found by their checksum. Entries of keys that are gone are left out.
    Raises RigError if a key has two entries, or nothing is driven.
    """
    from mouthpiece.retarget.shape_keys.table import ShapeMap

    settings = obj.mouthpiece_names
    if not settings.entries:
        return None
    names = names_now(obj, settings)
    items = [item for item in settings.entries if item.key in names and item.formula.strip()]
    twice = {item.key for item in items if sum(other.key == item.key for other in items) > 1}
    if twice:
        raise RigError(f"Shape Key Mapping has two entries for {', '.join(sorted(twice))}. Remove one of them.")
    entries = tuple(_entry(item, names[item.key]) for item in items)
    if not any(entry.enabled for entry in entries):
        raise RigError(f"Shape Key Mapping of '{obj.name}' drives nothing. Switch entries on, or press Detect.")
    mapped = {entry.key for entry in entries}
    unused = tuple(block.name for block in movers(obj.data.shape_keys) if block.name not in mapped)
    return ShapeMap(entries, unused=unused, match_lips=settings.match_lips)


def _entry(item: Any, key: str) -> Any:
    """Return an entry as the core has it, for the key of that name."""
    from mouthpiece.retarget.shape_keys.table import Entry

    # properties are 32-bit floats, in which 1.2 is 1.2000000477
    return Entry(key, item.formula, round(item.gain, 6), round(item.offset, 6), item.enabled, item.invert, item.layer)


def fill(obj: bpy.types.Object, table: ShapeMap) -> None:
    """Replace an object's table by ``table``.

    In a library override, entries from the library cannot be removed: those of keys that are not in ``table`` are
    switched off.
    """
    compat.allow_overrides(obj)
    settings = obj.mouthpiece_names
    with _quietly():
        for index in reversed(range(len(settings.entries))):
            if not _removed(settings, index):
                settings.entries[index].enabled = False
        known = {item.key: item for item in settings.entries}
        for entry in table.entries:
            item = known.get(entry.key) or settings.entries.add()
            item.key, item.formula, item.layer = entry.key, entry.formula, entry.layer
            item.gain, item.offset = entry.gain, entry.offset
            item.enabled, item.invert = entry.enabled, entry.invert
            item.mark = mark(obj.data.shape_keys, entry.key)
        settings.active = 0
        settings.match_lips = table.match_lips


def add(obj: bpy.types.Object, name: str) -> None:
    """Add an empty entry for a shape key and make it active."""
    compat.allow_overrides(obj)
    settings = obj.mouthpiece_names
    with _quietly():
        item = settings.entries.add()
        item.key, item.mark = name, mark(obj.data.shape_keys, name)
        settings.active = len(settings.entries) - 1


def remove(obj: bpy.types.Object, index: int) -> None:
    """Remove an entry; raises RigError if it comes from the library of an override."""
    settings = obj.mouthpiece_names
    with _quietly():
        if not _removed(settings, index):
            raise RigError("The entry comes from the library the character is linked from. Switch it off instead.")
        settings.active = max(0, min(settings.active, len(settings.entries) - 1))


def clear(obj: bpy.types.Object) -> None:
    """Empty the table, so that keys are driven by their names.

    Raises RigError, with nothing changed, if entries come from the library of an override.
    """
    original = obj.override_library.reference if obj.override_library else None
    if original is not None and original.mouthpiece_names.entries:
        raise RigError("The table comes from the library the character is linked from. Detect fills it anew.")
    settings = obj.mouthpiece_names
    with _quietly():
        settings.entries.clear()
        settings.active, settings.match_lips = 0, True


def _removed(settings: Any, index: int) -> bool:
    """Remove an entry and return whether that was possible; in an override, one from the library cannot be removed."""
    try:
        settings.entries.remove(index)
    except TypeError:
        return False
    return True


@contextmanager
def _quietly() -> Iterator[None]:
    """Disable the update callbacks of the table meanwhile."""
    _filling.append(True)
    try:
        yield
    finally:
        _filling.pop()


def refresh(obj: bpy.types.Object) -> None:
    """Update the names and checksums of the keys in the table."""
    key = obj.data.shape_keys
    settings = obj.mouthpiece_names
    names = names_now(obj, settings)
    with _quietly():
        for item in settings.entries:
            item.key = names.get(item.key, item.key)
            item.mark = mark(key, item.key) or item.mark


#: Owner of the subscription to renames.
_LISTENER: Final = object()


def follow_renames() -> None:
    """Update every table in which a shape key was renamed."""
    for obj in bpy.data.objects:
        key = obj.data.shape_keys if obj.type == "MESH" and obj.is_editable else None
        if key is not None and any(item.key not in key.key_blocks for item in obj.mouthpiece_names.entries):
            refresh(obj)


@persistent
def _listen(*_: Any) -> None:
    """Subscribe to renames of shape keys; opening a file ends all subscriptions, so this is done after each."""
    bpy.msgbus.clear_by_owner(_LISTENER)
    bpy.msgbus.subscribe_rna(key=(bpy.types.ShapeKey, "name"), owner=_LISTENER, args=(), notify=follow_renames)


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_PG_shape_entry, MOUTHPIECE_PG_names))


def register() -> None:
    """Register the table, add it to every object, and subscribe to renames."""
    _register_classes()
    bpy.types.Object.mouthpiece_names = bpy.props.PointerProperty(type=MOUTHPIECE_PG_names, override=_OVERRIDE)
    bpy.app.handlers.load_post.append(_listen)
    _listen()


def unregister() -> None:
    """Unsubscribe, remove the table from objects and unregister it."""
    bpy.app.handlers.load_post.remove(_listen)
    bpy.msgbus.clear_by_owner(_LISTENER)
    del bpy.types.Object.mouthpiece_names
    _unregister_classes()
