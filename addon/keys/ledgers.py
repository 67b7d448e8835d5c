"""What Mouthpiece wrote, remembered in the Action that holds it: takes, checksums, and what was there before."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import bpy

from . import nla, renamed_channels, rna_values
from .fcurve_keys import channel_id, split_id
from .renamed_channels import renamed

#: Custom property of an Action: JSON, one ledger per slot handle.
PROPERTY = "mouthpiece"
#: Custom properties of an Action that hold the motion of its lines begin with this.
TAKE_PREFIX = "mouthpiece_take_"


def read(owner: bpy.types.ID, layer: str = "") -> Ledger:
    """Return the ledger of ``owner``'s current action and slot, or of a layer's, by the names of now; empty if none."""
    found = nla.place(owner, layer)
    if found is None:
        return Ledger()
    ledger = _noted(_text(found[0]), str(found[1].handle))
    names = renamed_channels.names_now(ledger, nla.fcurves_of(owner, layer)) if ledger.takes else {}
    return ledger.renamed(names) if names else Ledger(list(ledger.takes), dict(ledger.before), ledger.made_data)


def write(owner: bpy.types.ID, ledger: Ledger, layer: str = "") -> None:
    """Remember ``ledger`` in the action that holds the keys; forget it if it has nothing to say."""
    found = nla.place(owner, layer)
    assert found is not None  # there are keys to tell of
    action, handle = found[0], str(found[1].handle)
    stored = _load(action)
    slots = stored.setdefault("slots", {})
    slots.pop(handle, None)
    if ledger.takes or ledger.before:
        slots[handle] = {
            "takes": [[t.sound, t.first, t.last, dict(t.channels)] for t in ledger.takes],
            "before": ledger.before,
            "made_data": ledger.made_data,
        }
    _drop_lines(action, stored)
    action[PROPERTY] = json.dumps(stored)
    if not slots and not stored.get("made"):
        del action[PROPERTY]


def forget_slots(action: bpy.types.Action, handles: Sequence[str]) -> None:
    """Forget what is noted of slots that are about to go."""
    stored = _load(action)
    if not stored:
        return
    stored["slots"] = {handle: entry for handle, entry in stored.get("slots", {}).items() if handle not in handles}
    _drop_lines(action, stored)
    action[PROPERTY] = json.dumps(stored)


@dataclass(frozen=True, slots=True)
class Home:
    """Where lines are kept: an action, for one of its slots, or with an empty slot a data-block without keys."""

    holder: bpy.types.ID
    slot: str = ""


def homes(owner: bpy.types.ID) -> list[Home]:
    """Return where lines of ``owner`` may be kept: actions and slots of its own and its layers, and the data-block."""
    found = [nla.place(owner, layer) for layer in ("", *nla.layers_of(owner))]
    return [*(Home(place[0], str(place[1].handle)) for place in found if place is not None), Home(owner)]


def home(owner: bpy.types.ID, layer: str = "") -> Home:
    """Return where lines are kept with the keys of ``owner``, or of one of its layers."""
    found = nla.place(owner, layer)
    return Home(owner) if found is None else Home(found[0], str(found[1].handle))


def takes_at(home: Home) -> list[Take]:
    """Return the takes noted with the keys of a home, in the order they were baked."""
    return list(_noted(_text(home.holder), home.slot).takes)


def lines(home: Home) -> dict[str, dict[str, Any]]:
    """Return what is noted of the lines kept there, by number."""
    return {number: entry for number, (of, entry) in _lines(home.holder).items() if of == home.slot}


def put_line(home: Home, number: str, entry: Mapping[str, Any]) -> None:
    """Note something of a line that is kept there."""
    stored = _load(home.holder)
    stored["lines"] = _lines(home.holder) | {number: [home.slot, dict(entry)]}
    home.holder[PROPERTY] = json.dumps(stored)


def forget_lines(holder: bpy.types.ID) -> None:
    """Forget the lines kept with a data-block itself, and their motion."""
    for key in snapshot(holder):
        del holder[key]


def _lines(action: bpy.types.ID) -> dict[str, Any]:
    found = _load(action).get("lines", {})
    if not isinstance(found, dict):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, list) and len(v) == 2 and isinstance(v[1], dict)}


def _drop_lines(action: bpy.types.Action, stored: dict[str, Any]) -> None:
    """Forget the lines that their slot's ledger names no more, and their motion."""
    played = {(slot, take.sound) for slot, entry in stored["slots"].items() for take in _ledger(entry).takes}
    known = _lines(action)
    stored["lines"] = {n: [slot, entry] for n, (slot, entry) in known.items() if (slot, entry.get("sound")) in played}
    for number in known.keys() - stored["lines"].keys():
        action.pop(TAKE_PREFIX + number, None)
    if not stored["lines"]:
        del stored["lines"]


def snapshot(action: bpy.types.ID) -> dict[str, Any]:
    """Return everything of Mouthpiece's in an action, for :func:`restore`."""
    return {key: action[key] for key in action.keys() if key == PROPERTY or key.startswith(TAKE_PREFIX)}


def restore(action: bpy.types.ID, before: Mapping[str, Any]) -> None:
    """Make an action hold again what it held at :func:`snapshot`."""
    for key in snapshot(action).keys() - before.keys():
        del action[key]
    for key, value in before.items():
        put_bytes(action, key, value)


def put_bytes(action: bpy.types.ID, key: str, value: Any) -> None:
    """Set a custom property that may hold bytes: over others, 4.5 copies them only up to the first zero."""
    action.pop(key, None)
    action[key] = value


def mark_made(action: bpy.types.Action) -> None:
    """Remember that Mouthpiece made this action."""
    action[PROPERTY] = json.dumps({"made": True, "slots": {}})


def was_made(action: bpy.types.Action) -> bool:
    """Return whether Mouthpiece made this action."""
    return bool(_load(action).get("made"))


def value_before(owner: bpy.types.ID, data_path: str, index: int) -> float:
    """Return the property's value before any take: what is remembered, else what it is now."""
    for layer in ("", *nla.layers_of(owner)):
        remembered = read(owner, layer).before.get(channel_id(data_path, index))
        if remembered is not None:
            return remembered
    return rna_values.get(owner, data_path, index)


def _load(action: bpy.types.ID) -> dict[str, Any]:
    """Return what is stored; nothing if a user or another tool made it unreadable."""
    return _parsed(_text(action))


def _text(action: bpy.types.ID) -> str:
    return str(action.get(PROPERTY, "{}"))


@lru_cache(maxsize=64)
def _noted(text: str, handle: str) -> Ledger:
    """Return the ledger of a slot; remembered, as it is asked for many times while a dial is dragged. Not to change."""
    return _ledger(_parsed(text).get("slots", {}).get(handle))


def _parsed(text: str) -> dict[str, Any]:
    try:
        stored = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return stored if isinstance(stored, dict) and isinstance(stored.get("slots", {}), dict) else {}


def _ledger(stored: Any) -> Ledger:
    """Return the ledger in ``stored``; an empty one, which calls every key the user's, if it makes no sense."""
    if not isinstance(stored, dict):
        return Ledger()
    try:
        takes = [
            Take(str(sound), int(first), int(last), {str(k): int(v) for k, v in channels.items()})
            for sound, first, last, channels in stored["takes"]
        ]
        before = {str(k): float(v) for k, v in stored["before"].items()}
        for channel in before:
            split_id(channel)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Ledger()
    if not all(map(math.isfinite, before.values())):
        return Ledger()
    return Ledger(takes, before, bool(stored.get("made_data")))


@dataclass(frozen=True, slots=True)
class Take:
    """One baked line: its sound, its first and last frame, and a checksum of its keys by channel id."""

    sound: str
    first: int
    last: int
    channels: Mapping[str, int]

    def overlaps(self, first: int, last: int) -> bool:
        """Return whether any frame from ``first`` to ``last`` is the take's."""
        return self.first <= last and first <= self.last

    def without(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the frame ranges left of the take when ``first`` to ``last`` is cut out."""
        if self.first < first:
            yield self.first, min(self.last, first - 1)
        if self.last > last:
            yield max(self.first, last + 1), self.last


@dataclass(slots=True)
class Ledger:
    """What Mouthpiece did to one data-block.

    ``before`` holds, by channel id, the value of each property whose f-curve Mouthpiece made; ``made_data``
    whether it made the animation data as well.
    """

    takes: list[Take] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    made_data: bool = False

    def renamed(self, names: Mapping[str, str]) -> Ledger:
        """Return the ledger with channels under other ids."""
        takes = [Take(t.sound, t.first, t.last, renamed(t.channels, names)) for t in self.takes]
        return Ledger(takes, renamed(self.before, names), self.made_data)
