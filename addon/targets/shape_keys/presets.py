"""Presets of shape-key tables: JSON files in the extension's own folder of the user's profile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from mouthpiece.errors import RigError

from ... import compat
from .target import editable_keys, key_names

if TYPE_CHECKING:
    from mouthpiece.retarget.shape_keys.table import ShapeMap

ENDING = ".json"


def folder() -> Path:
    """Return the folder of presets, which may not exist yet."""
    return Path(compat.user_folder()) / "shape_key_mappings"


def names() -> list[str]:
    """Return the names of all presets in alphabetical order."""
    return sorted((path.stem for path in folder().glob(f"*{ENDING}")), key=str.casefold)


def path_of(name: str) -> Path:
    """Return the file of a preset; raises RigError if its name cannot be used for a file."""
    clean = name.strip()
    if not clean or clean.startswith(".") or re.search(r'[\\/:*?"<>|\x00-\x1f]', clean):
        raise RigError(f"'{name}' cannot be the name of a preset. Use letters, digits, spaces, - and _.")
    return folder() / f"{clean}{ENDING}"


def save(name: str, table: ShapeMap) -> Path:
    """Save a table as a preset, replacing one of the same name, and return its file."""
    from mouthpiece.retarget.shape_keys import table as core_table

    return core_table.save(path_of(name), table, name.strip())


def load(name: str) -> ShapeMap:
    """Return a preset's table; raises RigError if there is no such preset or it is damaged."""
    from mouthpiece.retarget.shape_keys import table as core_table

    return core_table.load(path_of(name))


def remove(name: str) -> None:
    """Delete a preset; raises RigError if that fails."""
    try:
        path_of(name).unlink()
    except OSError as error:
        raise RigError(f"The preset '{name}' cannot be deleted: {error.strerror or error}.") from error


def fitted(obj: bpy.types.Object, table: ShapeMap) -> ShapeMap:
    """Return the entries of ``table`` for keys that a mesh has; raises RigError if it has none of them."""
    from mouthpiece.retarget.shape_keys.matching import with_keys

    found = with_keys(table, key_names(editable_keys(obj)))
    if not found.entries:
        wanted = ", ".join(entry.key for entry in table.entries[:5])
        raise RigError(f"'{obj.name}' has none of the mapping's shape keys ({wanted}, …). Choose another mapping.")
    return found
