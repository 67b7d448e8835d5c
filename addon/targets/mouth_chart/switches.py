"""The properties that a mouth chart switches to show one mouth or another, and their value for each shape.

There is one function for each way to show a chart. They raise RigError if something is missing or not editable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import bpy
from mouthpiece.files.places import names_in

from .. import find_object
from ..shape_keys.target import editable_keys
from .setup import MouthEntry, Setup, Switch, Switches, about_property, check_editable, numbers_of, refused

#: Name and type of the modifier that shows one drawing of a Grease Pencil object.
MODIFIER: Final = "Mouthpiece Chart"
MODIFIER_TYPE: Final = "GREASE_PENCIL_TIME"
#: Matches the number of a picture in a sequence: the last digits of its name.
_NUMBER: Final = re.compile(r"(\d+)(?=\D*$)")


def drawings(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Return the offset of the Time Offset modifier, which shows one drawing of a Grease Pencil object."""
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
    """Return the visibility of objects, of which one, or those of one collection, are shown at a time.

    Those of entries that are not used, and the spares, are never shown: two mouths would be seen at once.
    """
    shown: dict[bpy.types.Object, set[int]] = {}
    for number, entry in enumerate(setup.entries):
        for mouth in _mouths(entry) if entry.used else ():
            check_editable(mouth, f"'{mouth.name}'")
            shown.setdefault(mouth, set()).add(number)
    for mouth in _never_shown(setup):
        shown.setdefault(mouth, set())
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


def _never_shown(setup: Setup) -> list[bpy.types.Object]:
    """Return the objects of entries that are not used, and the spares; those that are gone are left out."""
    names = [entry.name for entry in setup.entries if not entry.used and entry.name and not entry.collection]
    grouped = [entry.name for entry in setup.entries if not entry.used and entry.name and entry.collection]
    found = [bpy.data.objects.get(name) for name in (*names, *setup.spares)]
    found += [mouth for name in grouped for mouth in getattr(bpy.data.collections.get(name), "all_objects", ())]
    return [mouth for mouth in found if mouth is not None and mouth.is_editable]


def _mouths(entry: MouthEntry) -> list[bpy.types.Object]:
    """Return the objects that show an entry's shape."""
    if not entry.collection:
        return [find_object(entry.name)] if entry.name else _none(entry)
    collection = bpy.data.collections.get((entry.name, None)) or bpy.data.collections.get(entry.name)
    if collection is None:
        raise refused(f"There is no collection '{entry.name}' for the shape {entry.shape}. Choose another.")
    return list(collection.all_objects) or _none(entry)


def _none(entry: MouthEntry) -> list[Any]:
    """Raise the RigError for an entry without objects."""
    raise refused(f"The shape {entry.shape} has no object to show: it may have been deleted. Choose one, or untick it.")


def numbers(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Return a property of the rig that switches mouths itself: a custom property of an object or bone."""
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
    """Return the values of shape keys, of which one is on at a time; none for an entry without a key."""
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


def images(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Return the frame offset of an image sequence, in a material's Image Texture node or in an empty."""
    owner, user, image, prefix = _image_user(obj, setup)
    if image is None or image.source != "SEQUENCE":
        raise refused("The picture is not an image sequence. Load the mouths as an Image Sequence, then press Set Up.")
    if user.frame_duration != 1:
        raise refused(f"The image sequence '{image.name}' runs by itself. Press Set Up, so that the chart turns it.")
    values = tuple(value - 1 for value in numbers_of(setup.entries))  # a sequence of one frame shows picture 1 + offset
    return Switches([Switch(owner, "Picture", f"{prefix}image_user.frame_offset", 0, values)])


def _image_user(obj: bpy.types.Object, setup: Setup) -> tuple[bpy.types.ID, Any, Any, str]:
    """Return the data-block to key, its image user, the image, and the start of the image user's data path."""
    if not setup.material and obj.type == "EMPTY":
        check_editable(obj, f"'{obj.name}'")
        return obj, obj.image_user, obj.data, ""
    tree, node = material_node(setup.material, setup.node, "TEX_IMAGE", "Image Texture")
    return tree, node.image_user, node.image, f"{node.path_from_id()}."


def material_node(material_name: str, node_name: str, kind: str, label: str) -> tuple[Any, Any]:
    """Return a material's node tree and its node; raises RigError if either is gone or of another type."""
    material: Any = bpy.data.materials.get((material_name, None)) or bpy.data.materials.get(material_name)
    if material is None or material.node_tree is None:
        raise refused(f"There is no material '{material_name}' with nodes. Choose one, and press Set Up.")
    check_editable(material, f"The material '{material.name}'")
    node = material.node_tree.nodes.get(node_name)
    if node is None or node.type != kind:
        raise refused(f"The material '{material.name}' has no {label} node '{node_name}'. Press Set Up.")
    return material.node_tree, node


def picture_numbers(image: Any) -> list[int]:
    """Return the numbers of an image sequence's files, ascending; an empty list if there are no files."""
    return numbers_beside(Path(bpy.path.abspath(image.filepath, library=image.library)))


def numbers_beside(path: Path) -> list[int]:
    """Return the numbers of the files that are called as ``path`` but for their number, ascending."""
    match = _NUMBER.search(path.stem)
    if match is None or not (names := names_in(path.parent)):
        return []
    before, after = path.stem[: match.start()], path.stem[match.end() :]
    same = re.compile(re.escape(before) + r"(\d+)" + re.escape(after) + re.escape(path.suffix))
    return sorted({int(found[1]) for name in names if (found := same.fullmatch(name))})


def check_pictures(obj: bpy.types.Object, setup: Setup) -> None:
    """Raise RigError if pictures of the sequence are not on the disk. This reads a folder: too slow for panels."""
    image = _image_user(obj, setup)[2]
    there = picture_numbers(image)
    gone = [f"{e.shape} ({e.number})" for e in setup.entries if e.used and e.number not in there]
    if gone and not image.packed_file:
        raise refused(f"The image sequence '{image.name}' has no pictures for {', '.join(gone)}. Correct the table.")


def cells(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Return a Mapping node's location, which shows one cell of a sprite sheet; cell 0 is at the top left."""
    tree, node = material_node(setup.material, setup.node, "MAPPING", "Mapping")
    columns, rows = setup.columns, setup.rows
    beyond = [f"{e.shape} ({e.number})" for e in setup.entries if e.used and not 0 <= e.number < columns * rows]
    if beyond:
        raise refused(f"The sheet has the cells 0 to {columns * rows - 1}: there is no {', '.join(beyond)}.")
    path = f"{node.path_from_id()}.inputs[1].default_value"
    nan = float("nan")
    across = tuple((e.number % columns) / columns if e.used else nan for e in setup.entries)
    up = tuple(1 - (e.number // columns + 1) / rows if e.used else nan for e in setup.entries)
    return Switches([Switch(tree, "Column", path, 0, across), Switch(tree, "Row", path, 1, up)])


#: The functions above by how a chart is shown.
SWITCHES: Final[Mapping[str, Callable[[bpy.types.Object, Setup], Switches]]] = {
    "DRAWINGS": drawings,
    "IMAGE": images,
    "OBJECTS": objects,
    "PROPERTY": numbers,
    "KEYS": shape_keys,
    "CELLS": cells,
}
