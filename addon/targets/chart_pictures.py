"""Mouths that are pictures: pages of an image sequence, cells of a sprite sheet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import bpy

from .chart_setup import Setup, Switch, Switches, check_editable, numbers_of, refused

_NUMBER: Final = re.compile(r"(\d+)(?=\D*$)")


def images(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Show pictures of an image sequence, in a material's Image Texture node or in an empty."""
    owner, user, image, prefix = _image_user(obj, setup)
    if image is None or image.source != "SEQUENCE":
        raise refused("The picture is not an image sequence. Load the mouths as an Image Sequence, then press Set Up.")
    if user.frame_duration != 1:
        raise refused(f"The image sequence '{image.name}' runs by itself. Press Set Up, so that the chart turns it.")
    values = tuple(value - 1 for value in numbers_of(setup.entries))  # one frame long, it shows 1 + offset
    return Switches([Switch(owner, "Picture", f"{prefix}image_user.frame_offset", 0, values)])


def _image_user(obj: bpy.types.Object, setup: Setup) -> tuple[bpy.types.ID, Any, Any, str]:
    if not setup.material and obj.type == "EMPTY":
        check_editable(obj, f"'{obj.name}'")
        return obj, obj.image_user, obj.data, ""
    tree, node = material_node(setup.material, setup.node, "TEX_IMAGE", "Image Texture")
    return tree, node.image_user, node.image, f"{node.path_from_id()}."


def material_node(material_name: str, node_name: str, kind: str, label: str) -> tuple[Any, Any]:
    """Return a material's node tree and its node; RigError if either is gone or of another type."""
    material: Any = bpy.data.materials.get((material_name, None)) or bpy.data.materials.get(material_name)
    if material is None or material.node_tree is None:
        raise refused(f"There is no material '{material_name}' with nodes. Choose one, and press Set Up.")
    check_editable(material, f"The material '{material.name}'")
    node = material.node_tree.nodes.get(node_name)
    if node is None or node.type != kind:
        raise refused(f"The material '{material.name}' has no {label} node '{node_name}'. Press Set Up.")
    return material.node_tree, node


def picture_numbers(image: Any) -> list[int]:
    """Return the numbers of an image sequence's files, ascending; none where the files are not on the disk."""
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    match = _NUMBER.search(path.stem)
    if match is None or not path.parent.is_dir():
        return []
    before, after = path.stem[: match.start()], path.stem[match.end() :]
    same = re.compile(re.escape(before) + r"(\d+)" + re.escape(after) + re.escape(path.suffix))
    return sorted({int(m[1]) for file in path.parent.iterdir() if (m := same.fullmatch(file.name))})


def check_pictures(obj: bpy.types.Object, setup: Setup) -> None:
    """Raise RigError if pictures of the sequence are not on the disk; for that it looks there, as no panel should."""
    image = _image_user(obj, setup)[2]
    there = picture_numbers(image)
    gone = [f"{e.shape} ({e.number})" for e in setup.entries if e.used and e.number not in there]
    if gone and not image.packed_file:
        raise refused(f"The image sequence '{image.name}' has no pictures for {', '.join(gone)}. Correct the table.")


def cells(obj: bpy.types.Object, setup: Setup) -> Switches:
    """Show one cell of a sprite sheet by a Mapping node's location; cells count from 0, row by row from the top."""
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
