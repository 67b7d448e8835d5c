"""Which shape key is driven by what: the table an animator sees, edits, saves and shares."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ...errors import RigError
from ...files import write_whole
from ...topology import ARKIT_NAMES
from . import drivers, formulas

FORMAT: Final = 1
_KIND: Final = "mouthpiece shape-key mapping"
LAYERS: Final = ("lips", "expression", "eyes", "head")


@dataclass(frozen=True, slots=True)
class Entry:
    """One shape key and what drives it: its value is ``offset + gain * f``, f being the formula's value.

    Attributes
    ----------
    key : str
        Name of the shape key.
    formula : str
        What drives it (:mod:`.formulas`).
    gain, offset : float
        Factor, and what is added.
    enabled : bool
        Whether it is driven at all.
    invert : bool
        Whether ``1 - f`` is taken for f.
    layer : str
        Where its keys land: lips, expression, eyes or head.
    """

    key: str
    formula: str
    gain: float = 1.0
    offset: float = 0.0
    enabled: bool = True
    invert: bool = False
    layer: str = "lips"

    def parsed(self) -> formulas.Formula:
        """Return the formula taken apart; RigError, naming the key, if it is none."""
        try:
            return formulas.parse(self.formula, drivers.NAMES)
        except RigError as error:
            raise RigError(f"Shape key '{self.key}': {error}") from error

    def value(self, tracks: Mapping[str, formulas.Array], strength: float = 1.0) -> formulas.Array:
        """Return the key's value (F,) for the drivers' ``tracks``, limits aside."""
        driven = self.parsed().evaluate(tracks)
        return self.offset + strength * self.gain * (1 - driven if self.invert else driven)


@dataclass(frozen=True, slots=True)
class ShapeMap:
    """A rig's table.

    Attributes
    ----------
    entries : tuple of Entry
        One for each key, every key once.
    families : tuple of str
        Labels of the rig families it was detected as; empty if someone made it by hand.
    missing : mapping of str to str
        Shapes the family has and the rig does not -> what stands in, or an empty text.
    unused : tuple of str
        Keys of the rig that nothing drives.
    match_lips : bool
        Whether the rig's own measured opening is made to follow the lips (:mod:`.opening`).
    """

    entries: tuple[Entry, ...]
    families: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    match_lips: bool = True

    @property
    def driven(self) -> tuple[Entry, ...]:
        """The entries that are switched on."""
        return tuple(entry for entry in self.entries if entry.enabled)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the keys that are driven."""
        return tuple(entry.key for entry in self.driven)

    def drivers(self) -> set[str]:
        """Return everything the driven keys read."""
        return {name for entry in self.driven for name in entry.parsed().names}

    def playing(self, driver: str) -> tuple[str, ...]:
        """Return the driven keys whose formula reads ``driver``, those that read nothing else first."""
        found = [entry for entry in self.driven if driver in entry.parsed().names]
        return tuple(entry.key for entry in sorted(found, key=lambda entry: len(entry.parsed().names)))

    def summary(self) -> str:
        """Return one line for a panel or a report."""
        if not self.families:
            return f"{len(self.keys)} shape keys driven by the table"
        if self.families == ("ARKit",):
            text = f"{len(ARKIT_NAMES) - len(self.missing)} of {len(ARKIT_NAMES)} ARKit shapes matched"
        else:
            text = f"{' + '.join(self.families)}: {len(self.keys)} shape keys matched"
        missing = [f"{name} ({by} stands in)" if by else name for name, by in _paired(self.missing)]
        return f"{text}, missing: {', '.join(missing)}" if missing else text

    def missing_lines(self) -> list[str]:
        """Return a line for each that something stands in for, and one for all that nothing stands in for."""
        lines = [f"{name}: {by} stands in" for name, by in _paired(self.missing) if by]
        lost = [name for name, by in _paired(self.missing) if not by]
        return lines + ([f"Not played: {', '.join(lost)}"] if lost else [])


def _paired(missing: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what is missing and what stands in, a shape of both sides once, without its side."""
    found: dict[str, str] = {}
    for name, by in missing.items():
        other = name.replace("Left", "Right") if name.endswith("Left") else name.replace("Right", "Left")
        whole = name.removesuffix("Left").removesuffix("Right")
        # Going left and going right (jaw, mouth) are two things, no pair.
        if whole not in ("jaw", "mouth") and other != name and other in missing and bool(missing[other]) == bool(by):
            found[whole] = by.replace("Left", "").replace("Right", "")
        else:
            found[name] = by
    return list(found.items())


def save(path: str | os.PathLike[str], table: ShapeMap, name: str = "") -> Path:
    """Write a table as JSON and return the path; the file appears whole or not at all.

    Raises
    ------
    RigError
        If the place cannot be written to.
    """
    target = Path(path)
    data = {"kind": _KIND, "format": FORMAT, "name": name or target.stem, **as_dict(table)}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise RigError(
            f"The mapping cannot be written to '{target}': {error.strerror or error}. Choose another place."
        ) from error
    return target


def load(path: str | os.PathLike[str]) -> ShapeMap:
    """Return the table in a JSON file.

    Raises
    ------
    RigError
        If the file is missing, no mapping, of a newer format, or an entry makes no sense.
    """
    source = Path(path)
    try:
        data = json.loads(source.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RigError(f"The mapping '{source}' cannot be read: {error.strerror or error}. Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise RigError(f"'{source.name}' is not a mapping: it is no JSON ({error}). Export it again.") from error
    if not isinstance(data, dict) or data.get("kind") != _KIND:
        raise RigError(f"'{source.name}' is not a shape-key mapping of Mouthpiece. Export one from the panel.")
    number = data.get("format")
    if not isinstance(number, int) or number > FORMAT:
        raise RigError(
            f"'{source.name}' was made by a newer Mouthpiece (format {number}, this one reads up to {FORMAT}). Update."
        )
    try:
        return from_dict(data)
    except RigError as error:
        raise RigError(f"'{source.name}': {error}") from error


def as_dict(table: ShapeMap) -> dict[str, Any]:
    """Return a table for JSON."""
    entries = [
        {
            "key": entry.key,
            "formula": entry.formula,
            "gain": entry.gain,
            "offset": entry.offset,
            "enabled": entry.enabled,
            "invert": entry.invert,
            "layer": entry.layer,
        }
        for entry in table.entries
    ]
    return {"match_lips": table.match_lips, "entries": entries}


def from_dict(data: Mapping[str, Any]) -> ShapeMap:
    """Return the table of :func:`as_dict`; RigError says which entry is wrong, and how."""
    items = data.get("entries")
    if not isinstance(items, list) or not items:
        raise RigError("The mapping has no entries. Export it again.")
    entries = tuple(_entry(item, number) for number, item in enumerate(items, 1))
    keys = [entry.key for entry in entries]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise RigError(f"The mapping names shape keys more than once: {', '.join(twice)}.")
    return ShapeMap(entries, match_lips=bool(data.get("match_lips", True)))


def _entry(item: object, number: int) -> Entry:
    if not isinstance(item, dict) or not isinstance(item.get("key"), str) or not item["key"]:
        raise RigError(f"Entry {number} of the mapping names no shape key.")
    where = f"Entry {number} of the mapping ('{item['key']}')"
    unknown = set(item) - {"key", "formula", "gain", "offset", "enabled", "invert", "layer"}
    if unknown:
        raise RigError(f"{where} has settings nobody knows: {', '.join(sorted(unknown))}.")
    if not isinstance(item.get("formula"), str):
        raise RigError(f"{where} has no formula.")
    for name in ("gain", "offset"):
        value = item.get(name, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise RigError(f"{where}: {name} is '{value}', which is no number.")
    for name in ("enabled", "invert"):
        if not isinstance(item.get(name, True), bool):
            raise RigError(f"{where}: {name} must be true or false.")
    if item.get("layer", "lips") not in LAYERS:
        raise RigError(f"{where}: the layer is '{item['layer']}', not one of {', '.join(LAYERS)}.")
    entry = Entry(**item)
    entry.parsed()
    return entry
