"""Types that say how a mouth chart is shown: a setup with names only, which can be saved, and switched properties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import bpy
from mouthpiece.errors import RigError


@dataclass(frozen=True, slots=True)
class MouthEntry:
    """What shows a shape: a number (frame, picture, cell, value) or a name (object, collection, shape key).

    ``used`` is whether the shape has a drawing of its own; ``collection`` whether ``name`` is that of a collection.
    """

    shape: str
    used: bool = True
    number: int = 0
    name: str = ""
    collection: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """How a chart is shown: ``how`` (a key of ``SWITCHES``), the entries of its shapes, and names of data-blocks.

    ``spares`` are objects that stand for no shape: they are hidden as long as the chart shows others.
    """

    how: str
    entries: tuple[MouthEntry, ...]
    object: str = ""
    material: str = ""
    node: str = ""
    path: str = ""
    columns: int = 1
    rows: int = 1
    spares: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Switch:
    """A property to key, and its value for each entry of the setup (NaN for entries that are not used)."""

    owner: bpy.types.ID
    name: str
    data_path: str
    index: int = 0
    values: tuple[float, ...] = ()


@dataclass(slots=True)
class Switches:
    """All properties that a setup switches, and warnings."""

    switches: list[Switch] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def refused(text: str) -> Exception:
    """Return the error to raise for a setup that cannot be used."""
    return RigError(text)


def numbers_of(entries: Sequence[MouthEntry]) -> tuple[float, ...]:
    """Return the numbers of entries, NaN for those that are not used."""
    return tuple(float(entry.number) if entry.used else float("nan") for entry in entries)


def check_editable(owner: Any, what: str) -> None:
    """Raise RigError if ``owner``, called ``what`` in the message, may not be edited."""
    if not owner.is_editable:
        raise refused(f"{what} is linked from a library. Make a library override of it, or make it local.")


def about_property(holder: Any, path: str) -> dict[str, Any]:
    """Return the settings of a custom property (``min``, ``max``, ``items`` …); an empty dict for other properties."""
    place, _, rest = path.rpartition("[")
    try:
        owner = holder.path_resolve(place) if place else holder
        about: dict[str, Any] = owner.id_properties_ui(rest.strip("]\"'")).as_dict()
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
    return about
