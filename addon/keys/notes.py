"""What Mouthpiece notes in custom properties, which anybody may change: read as it is, and never lost unread."""

from __future__ import annotations

from typing import Any, Final

import bpy

#: Custom properties whose names begin with this hold what could not be read when something else had to be noted.
ASIDE_PREFIX: Final = "mouthpiece_unreadable"


def text_of(owner: bpy.types.ID, name: str, empty: str) -> str:
    """Return a custom property that is a text; ``empty`` if it is missing, no text at all if it is something else."""
    found = owner.get(name, empty)
    return found if isinstance(found, str) else ""


def value_of(owner: bpy.types.ID, name: str) -> Any:
    """Return the value of a custom property, None if it is missing; groups and arrays are copied."""
    found = owner.get(name)
    for copied in ("to_dict", "to_list"):
        if hasattr(found, copied):
            return getattr(found, copied)()
    return found


def set_aside(owner: bpy.types.ID, name: str) -> None:
    """Keep the present value of a custom property, which cannot be read, under another name, unless it is there."""
    value = value_of(owner, name)
    known = [key for key in owner.keys() if key.startswith(ASIDE_PREFIX)]
    if value is not None and not any(value_of(owner, key) == value for key in known):
        owner[f"{ASIDE_PREFIX}_{len(known) + 1}"] = value


def has_aside(owner: bpy.types.ID) -> bool:
    """Return whether anything was set aside in a data-block."""
    return any(key.startswith(ASIDE_PREFIX) for key in owner.keys())


def put(owner: bpy.types.ID, name: str, value: Any) -> None:
    """Set a custom property, or remove it for None. It is removed first: 4.5 overwrites bytes up to a zero byte."""
    owner.pop(name, None)
    if value is not None:
        owner[name] = value
