"""Ledgers: what Mouthpiece wrote into an Action, stored as a custom property of that Action.

A ledger lists baked lines with checksums of their keys, and the values properties had before. The same property holds
the entries of kept lines (see :mod:`.kept_takes`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import bpy
from mouthpiece.errors import UnreadableError
from mouthpiece.files.json_text import number_in, parsed_json, row_of, rows_of, whole_in

from . import nla, notes, renamed_channels, rna_values
from .fcurve_keys import channel_id, split_id
from .renamed_channels import renamed

#: Name of the custom property: JSON with one ledger per slot handle.
PROPERTY = "mouthpiece"
#: Custom properties whose names begin with this hold the take of a kept line each.
TAKE_PREFIX = "mouthpiece_take_"
#: Largest ledger, in bytes: thousands of lines.
_LARGEST = 64 << 20
#: Frames that lines lie on: more than any scene has.
_FRAMES = 1 << 31
#: What the sound of a ledger line begins with that is no speech: what the face does between lines.
INTERLUDE = "interlude:"
#: What the sound of a line begins with on which a character says nothing: it only listens to others.
SILENT = "silent:"


#: What tells the channels of other characters, by data-block and channel id; the last one counts.
_foreign: list[Callable[[bpy.types.ID, str], bool]] = []


@contextmanager
def without(is_foreign: Callable[[bpy.types.ID, str], bool]) -> Iterator[None]:
    """Hide channels of other characters meanwhile: :func:`read` leaves them out, :func:`write` alone."""
    _foreign.append(is_foreign)
    try:
        yield
    finally:
        _foreign.pop()


def read(owner: bpy.types.ID, layer: str = "") -> Ledger:
    """Return the ledger of ``owner``'s active action and slot, or of a layer's; an empty one if there is none.

    Channels that were renamed since are found by their present names. Those hidden by :func:`without` are left out.
    """
    return _parted(owner, layer)[0]


def _parted(owner: bpy.types.ID, layer: str) -> tuple[Ledger, Ledger]:
    """Return the ledger of an action and slot, and what of it is hidden."""
    found = nla.action_and_slot(owner, layer)
    if found is None:
        return Ledger(), Ledger()
    ledger = _noted(_text(found[0]), str(found[1].handle))
    names = renamed_channels.names_now(ledger, nla.fcurves_of(owner, layer)) if ledger.lines else {}
    whole = ledger.renamed(names) if names else Ledger(list(ledger.lines), dict(ledger.before), ledger.made_data)
    if not _foreign:
        return whole, Ledger()
    channels = {channel for line in whole.lines for channel in line.channels} | set(whole.before)
    hidden = frozenset(channel for channel in channels if _foreign[-1](owner, channel))
    return (whole.only(channels - hidden), whole.only(hidden)) if hidden else (whole, Ledger())


def names_now(owner: bpy.types.ID, layer: str = "") -> dict[str, str]:
    """Return the present channel id by the one that was noted, for channels that were renamed since."""
    found = nla.action_and_slot(owner, layer)
    ledger = Ledger() if found is None else _noted(_text(found[0]), str(found[1].handle))
    return renamed_channels.names_now(ledger, nla.fcurves_of(owner, layer)) if ledger.lines else {}


def write(owner: bpy.types.ID, ledger: Ledger, layer: str = "") -> None:
    """Store ``ledger`` in the action that holds the keys of ``owner``, or of a layer; an empty one is deleted."""
    found = nla.action_and_slot(owner, layer)
    assert found is not None  # a ledger is written only where keys are
    hidden = _parted(owner, layer)[1]
    lines, before = [*hidden.lines, *ledger.lines], hidden.before | dict(ledger.before)
    action, handle = found[0], str(found[1].handle)
    stored = _to_change(action)
    slots = stored.setdefault("slots", {})
    slots.pop(handle, None)
    if lines or before:
        slots[handle] = {
            # the lines: stored as "takes" in files of released versions, so this name stays
            "takes": [[one.sound, one.first, one.last, dict(one.channels)] for one in lines],
            "before": before,
            "made_data": ledger.made_data,
        }
    _drop_lines(action, stored)
    action[PROPERTY] = json.dumps(stored)
    if not slots and not stored.get("made"):
        del action[PROPERTY]


def forget_slots(action: bpy.types.Action, handles: Sequence[str]) -> None:
    """Delete the ledgers and kept lines of slots that are about to be removed."""
    stored = _to_change(action)
    if not stored:
        return
    stored["slots"] = {handle: entry for handle, entry in stored.get("slots", {}).items() if handle not in handles}
    _drop_lines(action, stored)
    action[PROPERTY] = json.dumps(stored)


@dataclass(frozen=True, slots=True)
class Home:
    """Where kept lines are stored: in an action for one of its slots, or, with an empty slot, in a drawn data-block."""

    holder: bpy.types.ID
    slot: str = ""


def homes(owner: bpy.types.ID) -> list[Home]:
    """Return where lines of ``owner`` may be stored: its active action, the actions of its layers, and itself."""
    found = [nla.action_and_slot(owner, layer) for layer in nla.keyed_layers(owner)]
    return [*(Home(action, str(slot.handle)) for action, slot in filter(None, found)), Home(owner)]


def home(owner: bpy.types.ID, layer: str = "") -> Home:
    """Return where lines are stored that are keyed in ``owner``, or in one of its layers."""
    found = nla.action_and_slot(owner, layer)
    return Home(owner) if found is None else Home(found[0], str(found[1].handle))


def ledger_lines(home: Home) -> list[LedgerLine]:
    """Return the lines in the ledger of an action and slot, in the order they were baked."""
    return list(_noted(_text(home.holder), home.slot).lines)


def kept_entries(home: Home) -> dict[str, dict[str, Any]]:
    """Return the entries of the lines kept in ``home``, by the key they are stored under."""
    return {number: entry for number, (slot, entry) in _kept(home.holder).items() if slot == home.slot}


def put_line(home: Home, number: str, entry: Mapping[str, Any]) -> None:
    """Store the entry of a kept line under the key ``number``."""
    stored = _to_change(home.holder)
    stored["lines"] = _kept(home.holder) | {number: [home.slot, dict(entry)]}
    home.holder[PROPERTY] = json.dumps(stored)


def rename_line(home: Home, before: str, now: str, number: str) -> None:
    """Note the line of the sound ``before`` under ``now``, and what is kept of it under the key ``number``."""
    stored, kept = _to_change(home.holder), _kept(home.holder)
    entry = stored.get("slots", {}).get(home.slot)
    for row in entry.get("takes", ()) if isinstance(entry, dict) else ():
        if isinstance(row, list) and row and row[0] == before:
            row[0] = now
    for key, (slot, line) in list(kept.items()):
        if slot != home.slot or line.get("sound") != before:
            continue
        kept[number] = [slot, kept.pop(key)[1] | {"sound": now}]
        take = home.holder.pop(TAKE_PREFIX + key, None)
        if take is not None:
            notes.put(home.holder, TAKE_PREFIX + number, take)
    if kept:
        stored["lines"] = kept
    if stored:
        home.holder[PROPERTY] = json.dumps(stored)


def forget_lines(holder: bpy.types.ID) -> None:
    """Delete the ledger, the kept lines and their takes from a data-block; if they cannot be read, all of it stays."""
    if objection(holder):
        return
    for key in snapshot(holder):
        if not key.startswith(notes.ASIDE_PREFIX):
            del holder[key]


def _kept(action: bpy.types.ID) -> dict[str, Any]:
    """Return slot and entry of every kept line in a data-block, by the key they are stored under."""
    found = _load(action).get("lines", {})
    return {k: v for k, v in found.items() if _is_kept(v)} if isinstance(found, dict) else {}


def _is_kept(value: object) -> bool:
    """Return whether a value is slot and entry of a kept line."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def _drop_lines(action: bpy.types.Action, stored: dict[str, Any]) -> None:
    """Delete the kept lines, and their takes, that are no longer in their slot's ledger.

    Takes stay where something could not be read and was set aside: lines of it may need them.
    """
    played = {(slot, line.sound) for slot in stored["slots"] for line in _slot(stored, slot).lines}
    known = _kept(action)
    stored["lines"] = {n: [slot, entry] for n, (slot, entry) in known.items() if (slot, entry.get("sound")) in played}
    for number in known.keys() - stored["lines"].keys() if not notes.has_aside(action) else ():
        action.pop(TAKE_PREFIX + number, None)
    if not stored["lines"]:
        del stored["lines"]


def snapshot(action: bpy.types.ID) -> dict[str, Any]:
    """Return all custom properties that Mouthpiece stored in an action, for :func:`restore`."""
    mine = (TAKE_PREFIX, notes.ASIDE_PREFIX)
    return {key: notes.value_of(action, key) for key in action.keys() if key == PROPERTY or key.startswith(mine)}


def restore(action: bpy.types.ID, before: Mapping[str, Any]) -> None:
    """Give an action back the custom properties it had at :func:`snapshot`."""
    for key in snapshot(action).keys() - before.keys():
        del action[key]
    for key, value in before.items():
        notes.put(action, key, value)


def mark_made(action: bpy.types.Action) -> None:
    """Note in an action that Mouthpiece made it."""
    action[PROPERTY] = json.dumps({"made": True, "slots": {}})


def was_made(action: bpy.types.Action) -> bool:
    """Return whether Mouthpiece made this action."""
    return bool(_load(action).get("made"))


def value_before(owner: bpy.types.ID, data_path: str, index: int) -> float:
    """Return the value a property had before any line was baked: as a ledger has it, else its present value."""
    for layer in nla.keyed_layers(owner):
        remembered = read(owner, layer).before.get(channel_id(data_path, index))
        if remembered is not None:
            return remembered
    return rna_values.get(owner, data_path, index)


def _load(action: bpy.types.ID) -> dict[str, Any]:
    """Return the parsed custom property, not to be changed; an empty dict if a user or another tool spoilt it."""
    return _read(_text(action))


def objection(holder: bpy.types.ID) -> str:
    """Return why what is noted in a data-block cannot be read, or not all of it; empty if it can."""
    return _wrong(_text(holder))


def _to_change(holder: bpy.types.ID) -> dict[str, Any]:
    """Return the parsed custom property, to be changed and stored.

    If it cannot be read, or not all of it, it is kept under another name first, so that nothing is lost, and only what
    can be read is returned.
    """
    text = _text(holder)
    found = _parsed(text)
    if not _wrong(text):
        return found
    notes.set_aside(holder, PROPERTY)
    slots = {slot: entry for slot, entry in found.get("slots", {}).items() if not _is_malformed(found, slot)}
    return {**found, "slots": slots, "lines": _kept(holder)}


def _text(action: bpy.types.ID) -> str:
    """Return the custom property as text; an empty JSON object if it is missing, no text if another tool set it."""
    if PROPERTY in action.bl_rna.properties:  # an object's settings have this name, and lie there in Blender 4.5
        return "{}"
    return notes.text_of(action, PROPERTY, "{}")


@lru_cache(maxsize=64)
def _noted(text: str, handle: str) -> Ledger:
    """Return the ledger of a slot; do not change it: it is cached, as it is read many times while a dial is dragged.

    If it is malformed, return an empty one: all keys then count as the user's.
    """
    return _slot(_read(text), handle)


def _slot(stored: Mapping[str, Any], handle: str) -> Ledger:
    """Return the ledger of a slot in the parsed property; an empty one if it is malformed."""
    found = stored.get("slots", {})
    return Ledger() if handle not in found or _is_malformed(stored, handle) else _ledger(found[handle])


def _is_malformed(stored: Mapping[str, Any], handle: str) -> bool:
    """Return whether the ledger of a slot cannot be read."""
    try:
        _ledger(stored["slots"][handle])
    except UnreadableError:
        return True
    return False


@lru_cache(maxsize=64)
def _read(text: str) -> dict[str, Any]:
    """Return parsed JSON, cached as panels ask at every redraw; do not change it."""
    return _parsed(text)


def _parsed(text: str) -> dict[str, Any]:
    """Return parsed JSON; an empty dict if it is malformed."""
    try:
        stored = parsed_json(text, _LARGEST)
    except UnreadableError:
        return {}
    return stored if isinstance(stored, dict) and isinstance(stored.get("slots", {}), dict) else {}


@lru_cache(maxsize=64)
def _wrong(text: str) -> str:
    """Return what is wrong with the text of the custom property; empty if all of it can be read."""
    try:
        stored = row_of(parsed_json(text, _LARGEST))
        for entry in row_of(stored.get("slots", {}), "what is noted of slots").values():
            _ledger(entry)
        for entry in row_of(stored.get("lines", {}), "what is noted of lines").values():
            if not _is_kept(entry):
                raise UnreadableError("a line in it is none")
    except UnreadableError as error:
        return str(error)
    return ""


def _ledger(stored: Any) -> Ledger:
    """Return the ledger in ``stored``; raises UnreadableError if it is malformed."""
    row = row_of(stored, "a ledger in it")
    before = row_of(row.get("before"), "what was before")
    lines = []
    for entry in rows_of(row.get("takes"), "its lines"):
        if not isinstance(entry, list) or len(entry) != 4:
            raise UnreadableError("a line in it is none")
        noted = {"sound": entry[0], "first": entry[1], "last": entry[2]}
        sums = row_of(entry[3], "a line's channels")
        first, last = (whole_in(noted, name, -_FRAMES, _FRAMES) for name in ("first", "last"))
        lines.append(LedgerLine(str(entry[0]), first, last, {channel: whole_in(sums, channel) for channel in sums}))
    for channel in (*before, *(channel for line in lines for channel in line.channels)):
        _check_channel(channel)
    return Ledger(lines, {channel: number_in(before, channel) for channel in before}, bool(row.get("made_data")))


def _check_channel(channel: str) -> None:
    """Raise UnreadableError if a text is no id of a channel."""
    try:
        split_id(channel)
    except ValueError as error:
        raise UnreadableError(f"'{channel[:40]}' in it is no channel") from error


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One baked line: its sound, its first and last frame, and a checksum of its keys by channel id."""

    sound: str
    first: int
    last: int
    channels: Mapping[str, int]

    def overlaps(self, first: int, last: int) -> bool:
        """Return whether the line has any of the frames ``first`` to ``last``."""
        return self.first <= last and first <= self.last

    def without(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the frame ranges that are left of the line when ``first`` to ``last`` is cut out."""
        if self.first < first:
            yield self.first, min(self.last, first - 1)
        if self.last > last:
            yield max(self.first, last + 1), self.last


@dataclass(slots=True)
class Ledger:
    """What Mouthpiece baked into one slot of an action.

    ``before`` holds, by channel id, the value each property had before Mouthpiece made its f-curve; ``made_data`` tells
    whether Mouthpiece made the owner's animation data as well.
    """

    lines: list[LedgerLine] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    made_data: bool = False

    def only(self, chosen: Collection[str]) -> Ledger:
        """Return what the ledger has of the channels with those ids."""
        lines = []
        for one in self.lines:
            left = {channel: number for channel, number in one.channels.items() if channel in chosen}
            if left:
                lines.append(LedgerLine(one.sound, one.first, one.last, left))
        before = {channel: value for channel, value in self.before.items() if channel in chosen}
        return Ledger(lines, before, self.made_data)

    def has(self, sound: str) -> bool:
        """Return whether a line of that sound is in the ledger."""
        return any(line.sound == sound for line in self.lines)

    def renamed(self, names: Mapping[str, str]) -> Ledger:
        """Return the ledger with the channel ids that are keys of ``names`` replaced by its values."""
        lines = [LedgerLine(one.sound, one.first, one.last, renamed(one.channels, names)) for one in self.lines]
        return Ledger(lines, renamed(self.before, names), self.made_data)
