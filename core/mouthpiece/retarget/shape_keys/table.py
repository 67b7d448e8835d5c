"""The table of what drives each shape key, which an animator can edit, save and share."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ...errors import RigError, UnreadableError
from ...files.json_text import quoted, read_json
from ...files.writer import write_whole
from ...topology import ARKIT_NAMES
from . import drivers, formulas

FORMAT: Final = 1
_KIND: Final = "mouthpiece shape-key mapping"
#: Most of what a gain or an offset may be.
_MOST: Final = 1e6
LAYERS: Final = ("lips", "tongue", "expression", "eyes", "head")


@dataclass(frozen=True, slots=True)
class Entry:
    """A shape key and what drives it: its value is ``offset + gain * f``, where f is the value of the formula.

    Attributes
    ----------
    key : str
        Name of the shape key.
    formula : str
        Formula over the drivers (:mod:`.formulas`).
    gain, offset : float
        Factor on the formula's value, and number added to it.
    enabled : bool
        Whether it is driven at all.
    invert : bool
        Whether ``1 - f`` is used in place of f.
    layer : str
        Layer of its keys: lips, expression, eyes or head.
    """

    key: str
    formula: str
    gain: float = 1.0
    offset: float = 0.0
    enabled: bool = True
    invert: bool = False
    layer: str = "lips"

    def parsed(self) -> formulas.Formula:
        """Return the parsed formula; raise RigError, which names the key, if it is not valid."""
        try:
            return formulas.parse(self.formula, drivers.NAMES)
        except RigError as error:
            raise RigError(f"Shape key '{self.key}': {error}") from error

    def value(self, tracks: Mapping[str, formulas.Array], strength: float = 1.0) -> formulas.Array:
        """Return the key's value (F,) for the drivers' ``tracks``, without limits."""
        driven = self.parsed().evaluate(tracks)
        return self.offset + strength * self.gain * (1 - driven if self.invert else driven)


@dataclass(frozen=True, slots=True)
class ShapeMap:
    """A rig's table of shape keys.

    Attributes
    ----------
    entries : tuple of Entry
        One entry for each key.
    families : tuple of str
        Labels of the detected rig families; empty if the table was made by hand.
    missing : mapping of str to str
        Shapes the rig lacks -> the keys that substitute them, or an empty text.
    unused : tuple of str
        Keys of the rig that are not driven.
    match_lips : bool
        Whether the rig's mouth opens as far as in the take (:mod:`.lip_opening`).
    still : tuple of str
        Keys of the rig whose names are known, or that the table drives, but that move nothing.
    both : mapping of str to tuple of str
        Driven keys that play a shape of both sides -> the two shapes.
    """

    entries: tuple[Entry, ...]
    families: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    match_lips: bool = True
    still: tuple[str, ...] = ()
    both: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def driven(self) -> tuple[Entry, ...]:
        """The enabled entries."""
        return tuple(entry for entry in self.entries if entry.enabled)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the driven keys."""
        return tuple(entry.key for entry in self.driven)

    def drivers(self) -> set[str]:
        """Return the names of all drivers of the enabled entries."""
        return {name for entry in self.driven for name in entry.parsed().names}

    def playing(self, driver: str) -> tuple[str, ...]:
        """Return the driven keys whose formula reads ``driver``, first those that read only it."""
        found = [entry for entry in self.driven if driver in entry.parsed().names]
        return tuple(entry.key for entry in sorted(found, key=lambda entry: len(entry.parsed().names)))

    def summary(self) -> str:
        """Return one line for a panel or a report."""
        count = len(self.keys)
        plural = "shape key" if count == 1 else "shape keys"
        if not self.families:
            return f"{count} {plural} driven by the table{self._told()}"
        if self.families[0] == "ARKit":
            there = sum(name not in self.missing for name in ARKIT_NAMES)
            text = f"{there} of {len(ARKIT_NAMES)} ARKit shapes matched"
            if len(self.families) > 1:
                text = f"{text}, {count} {plural} with {' + '.join(self.families[1:])}"
        else:
            text = f"{' + '.join(self.families)}: {count} {plural} matched"
        absent = {name: by for name, by in self.missing.items() if by or name not in self.still}
        missing = [f"{name} ({by} {_stands(by)} in)" if by else name for name, by in _paired(absent)]
        return (f"{text}, missing: {', '.join(missing)}" if missing else text) + self._told()

    def _told(self) -> str:
        """Return what a summary says of keys that play both sides, and of those that move nothing."""
        both = "".join(f"; {key} plays both sides ({_both(names)})" for key, names in self.both.items())
        return f"{both}; {self.still_text()}" if self.still else both

    def still_text(self) -> str:
        """Return the keys that move nothing, in words; empty if there are none."""
        return f"moves nothing: {listed(self.still)}" if self.still else ""

    def missing_lines(self) -> list[str]:
        """Return a line for each missing shape with a substitute, one for all without, and those of :meth:`_told`."""
        lines = [f"{name}: {by} {_stands(by)} in" for name, by in _paired(self.missing) if by]
        lines += [f"{_both(names)}: {key} plays both sides" for key, names in self.both.items()]
        absent = {name: by for name, by in self.missing.items() if name not in self.still}
        lost = [name for name, by in _paired(absent) if not by]
        lines += [f"Not played: {', '.join(lost)}"] if lost else []
        return lines + ([f"Moves nothing: {listed(self.still)}"] if self.still else [])


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return names as a list in words, the first few of them if there are many."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _stands(by: str) -> str:
    """Return the verb for the keys in ``by``, which are joined by "and"."""
    return "stand" if " and " in by else "stands"


def _both(names: Sequence[str]) -> str:
    """Return the names of a pair, joined by "and"."""
    return " and ".join(names)


def _paired(missing: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return missing shapes and their substitutes, with the shapes of both sides in one line, by their full names."""
    found: dict[str, str] = {}
    for name, by in missing.items():
        other, place = _other_side(name)
        # jawLeft and jawRight (and mouthLeft, mouthRight) are two motions and not two sides of one.
        if other in missing and bool(missing[other]) == bool(by) and place not in ("jaw", "mouth"):
            if _both((other, name)) in found:
                continue
            every = dict.fromkeys([key for text in (by, missing[other]) for key in text.split(" and ") if key])
            found[_both((name, other))] = " and ".join(every)
        else:
            found[name] = by
    return list(found.items())


def _other_side(name: str) -> tuple[str, str]:
    """Return the name of the same shape on the other side, and what both have in common; ("", "") if it has no side."""
    for one, other in _SIDES:
        for here, there in ((one, other), (other, one)):
            if name.endswith(here):
                return name.removesuffix(here) + there, name.removesuffix(here)
            if name.startswith(here + "_"):
                return there + name.removeprefix(here), name.removeprefix(here)
    return "", ""


_SIDES: Final = (("Left", "Right"), ("left", "right"), ("_L", "_R"))


def save(path: str | os.PathLike[str], table: ShapeMap, name: str = "") -> Path:
    """Write a table as JSON, whole or not at all, and return the path.

    Raises
    ------
    RigError
        If the file cannot be written.
    """
    target = Path(path)
    if not target.name:
        raise RigError("No file is named. Choose a place for the mapping.")
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
        If the file is missing, not a table, of a newer format, or an entry is not valid.
    """
    source = Path(path)
    try:
        data = read_json(source)
    except UnreadableError as error:
        raise RigError(error.told(f"'{source}'", "is not a mapping", "Export it again.")) from error
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
    """Return a table as JSON values."""
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
    """Return the table in the JSON values of :func:`as_dict`; raise RigError, which names a wrong entry."""
    items = data.get("entries")
    if not isinstance(items, list) or not items:
        raise RigError("The mapping has no entries. Export it again.")
    entries = tuple(_entry(item, number) for number, item in enumerate(items, 1))
    keys = [entry.key for entry in entries]
    twice = sorted(key for key, count in Counter(keys).items() if count > 1)
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
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST:
            raise RigError(f"{where}: {name} is {quoted(value)}, which is no number, or too large a one.")
    for name in ("enabled", "invert"):
        if not isinstance(item.get(name, True), bool):
            raise RigError(f"{where}: {name} must be true or false.")
    if item.get("layer", "lips") not in LAYERS:
        raise RigError(f"{where}: the layer is {quoted(item['layer'])}, not one of {', '.join(LAYERS)}.")
    entry = Entry(**item)
    entry.parsed()
    return entry
