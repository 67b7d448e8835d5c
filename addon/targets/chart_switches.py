"""What a mouth chart switches: the properties that show one drawn mouth or another, and the value each shape needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import bpy

from . import find_object
from .chart_pictures import cells, images
from .chart_setup import Entry, Setup, Switch, Switches, about_property, check_editable, numbers_of, refused

#: The modifier that shows one drawing of a grease pencil object, and its type.
MODIFIER: Final = "Mouthpiece Chart"
MODIFIER_TYPE: Final = "GREASE_PENCIL_TIME"


def drawings(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Show drawings of a grease pencil object by its Time Offset modifier."""
    drawn = find_object(setup.object) if setup.object else obj
    if drawn.type != "GREASEPENCIL":
        raise refused(f"'{drawn.name}' is not a grease pencil object. Choose the one with the mouth's drawings.")
    check_editable(drawn, f"'{drawn.name}'")
    modifier: Any = drawn.modifiers.get(MODIFIER)
    if modifier is None or modifier.type != MODIFIER_TYPE or modifier.mode != "FIX":
        raise refused(f"'{drawn.name}' has no Time Offset modifier '{MODIFIER}' set to Fixed Frame. Press Set Up.")
    layers = [la for la in drawn.data.layers if modifier.tree_node_filter in ("", la.name)]
    there = {frame.frame_number for layer in layers for frame in layer.frames}
    gone = [f"{e.shape} ({e.number})" for e in setup.entries if e.used and e.number not in there]
    if gone:
        where = f"layer '{modifier.tree_node_filter}' of " if modifier.tree_node_filter else ""
        raise refused(
            f"There is no drawing on these frames of {where}'{drawn.name}': {', '.join(gone)}. Draw them, or correct "
            "the table."
        )
    path = f'modifiers["{bpy.utils.escape_identifier(modifier.name)}"].offset'
    result = Switches([Switch(drawn, "Drawing", path, 0, numbers_of(setup.entries))])
    if not (modifier.show_viewport and modifier.show_render):
        result.warnings.append(f"The modifier '{MODIFIER}' of '{drawn.name}' is turned off: turn it on to see the take")
    return result


def objects(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Show one object, or the objects of one collection, at a time."""
    shown: dict[bpy.types.Object, set[int]] = {}
    for number, entry in enumerate(setup.entries):
        for mouth in _mouths(entry) if entry.used else ():
            check_editable(mouth, f"'{mouth.name}'")
            shown.setdefault(mouth, set()).add(number)
    result = Switches()
    for mouth, numbers in shown.items():
        hidden = tuple(
            float(number not in numbers) if entry.used else float("nan") for number, entry in enumerate(setup.entries)
        )
        result.switches += [
            Switch(mouth, f"{mouth.name} {name}", name, 0, hidden) for name in ("hide_viewport", "hide_render")
        ]
        if mouth.hide_get():
            result.warnings.append(f"'{mouth.name}' is hidden by its eye in the outliner: show it to see the take")
    return result


def _mouths(entry: Entry) -> list[bpy.types.Object]:
    if not entry.collection:
        return [find_object(entry.name)] if entry.name else _none(entry)
    collection = bpy.data.collections.get((entry.name, None)) or bpy.data.collections.get(entry.name)
    if collection is None:
        raise refused(f"There is no collection '{entry.name}' for the shape {entry.shape}. Choose another.")
    return list(collection.all_objects) or _none(entry)


def _none(entry: Entry) -> list[Any]:
    raise refused(f"The shape {entry.shape} has no object to show: it may have been deleted. Choose one, or untick it.")


def numbers(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Set a property that switches mouths by itself: a custom property of an object or bone."""
    holder = find_object(setup.object) if setup.object else obj
    check_editable(holder, f"'{holder.name}'")
    if not setup.path or setup.path.startswith("data"):
        raise refused("No property is chosen. Copy its data path (right click > Copy Data Path) into Property.")
    try:
        value = holder.path_resolve(setup.path)
    except ValueError as error:
        raise refused(f"'{holder.name}' has no property {setup.path}. Copy its data path into Property.") from error
    if isinstance(value, str) or not isinstance(value, bool | int | float):
        raise refused(f"The property {setup.path} of '{holder.name}' is not a number. Choose a whole number property.")
    about = about_property(holder, setup.path)
    low, high = about.get("min", float("-inf")), about.get("max", float("inf"))
    beyond = [f"{e.shape} ({e.number})" for e in setup.entries if e.used and not low <= e.number <= high]
    if beyond:
        raise refused(f"{setup.path} goes from {low:g} to {high:g}: {', '.join(beyond)} cannot be shown.")
    return Switches([Switch(holder, setup.path, setup.path, 0, numbers_of(setup.entries))])


def shape_keys(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Show one shape key at a time; an entry without one is the basis."""
    from .shape_keys.target import editable_keys

    key = editable_keys(obj)
    names = {entry.name for entry in setup.entries if entry.used and entry.name}
    gone = sorted(names - set(key.key_blocks.keys()))
    if gone or not names:
        raise refused(f"'{obj.name}' has no shape keys {', '.join(gone) or 'for the chart'}. Correct the table.")
    return Switches([
        Switch(
            key, name, f'key_blocks["{bpy.utils.escape_identifier(name)}"].value', 0,
            tuple(float(entry.name == name) if entry.used else float("nan") for entry in setup.entries),
        )
        for name in sorted(names)
    ])  # fmt: skip


#: How a chart can be shown.
SWITCHES: Final[Mapping[str, Callable[[bpy.types.Object, Setup], Switches]]] = {
    "DRAWINGS": drawings,
    "IMAGE": images,
    "OBJECTS": objects,
    "PROPERTY": numbers,
    "KEYS": shape_keys,
    "CELLS": cells,
}
