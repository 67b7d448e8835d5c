"""How a mouth chart is shown: by names only, so that it can be kept, and the properties that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import bpy
from mouthpiece.errors import RigError


@dataclass(frozen=True, slots=True)
class Entry:
    """What shows a shape: a number (frame, picture, cell, value) or a name (object, collection, shape key).

    ``used`` is whether it has a drawing of its own at all.
    """

    shape: str
    used: bool = True
    number: int = 0
    name: str = ""
    collection: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """How a chart is shown: what is switched (a key of ``SWITCHES``), by names only, and what shows each shape."""

    how: str
    entries: tuple[Entry, ...]
    object: str = ""
    material: str = ""
    node: str = ""
    path: str = ""
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Switch:
    """A property, and its value for each entry of the setup (NaN where the entry is not used)."""

    owner: bpy.types.ID
    name: str
    data_path: str
    index: int = 0
    values: tuple[float, ...] = ()


@dataclass(slots=True)
class Switches:
    """All properties of a setup, and remarks."""

    switches: list[Switch] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def refused(text: str) -> Exception:
    """Return the error that refuses a setup with ``text``."""
    return RigError(text)


def numbers_of(entries: Sequence[Entry]) -> tuple[float, ...]:
    """Return the entries' numbers, NaN for those not used."""
    return tuple(float(entry.number) if entry.used else float("nan") for entry in entries)


def check_editable(owner: Any, what: str) -> None:
    """Raise RigError if ``owner``, told of as ``what``, may not be edited."""
    if not owner.is_editable:
        raise refused(f"{what} is linked from a library. Make a library override of it, or make it local.")


def about_property(holder: Any, path: str) -> dict[str, Any]:
    """Return what Blender knows of a custom property (``min``, ``max``, ``items`` …); nothing of other properties."""
    place, _, rest = path.rpartition("[")
    try:
        owner = holder.path_resolve(place) if place else holder
        about: dict[str, Any] = owner.id_properties_ui(rest.strip("]\"'")).as_dict()
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
    return about
