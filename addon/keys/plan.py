"""Plans what baking or removing a line changes: which keys are Mouthpiece's, which the user's own, and which stay.

A channel with keys of the user's own (an f-curve Mouthpiece did not make, keys added between baked ones, or baked keys
that were edited) is kept and reported. Planning changes nothing in the scene.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import bpy
from mouthpiece.errors import RigError

from . import ledgers, nla
from .channels import Line, Part, Written
from .fcurve_keys import Keys, split_id


@dataclass(frozen=True, slots=True)
class Change:
    """The keys an f-curve shall have (none: the curve is removed), and those it has before (None: no curve)."""

    data_path: str
    index: int
    keys: Keys
    before: Keys | None = None


@dataclass(slots=True)
class Plan:
    """What shall change in a data-block's active action, or in one ``layer`` of it.

    ``changes`` are by channel id, ``lines`` are those the ledger has afterwards, and ``written`` is what to report.
    """

    owner: bpy.types.ID
    ledger: ledgers.Ledger
    layer: str = ""
    changes: dict[str, Change] = field(default_factory=dict)
    lines: list[ledgers.LedgerLine] = field(default_factory=list)
    written: Written = field(default_factory=Written)


def action_of(owner: bpy.types.ID) -> bpy.types.Action | None:
    """Return the action that animates ``owner``, if any."""
    data = getattr(owner, "animation_data", None)
    return None if data is None else data.action


def check_editable(owner: bpy.types.ID, layer: str = "") -> None:
    """Raise RigError if the keys of ``owner``, or of a layer of it, may not be changed now."""
    data, found = getattr(owner, "animation_data", None), nla.action_and_slot(owner, layer)
    action = found[0] if found else None if layer else action_of(owner)
    if action is not None and not action.is_editable:
        raise RigError(f"The action '{action.name}' is linked and may not be edited. Make it local first.")
    if data is not None and data.use_tweak_mode:
        raise RigError(f"An NLA strip of '{owner.name}' is being tweaked. Leave tweak mode (Tab) first.")


def curves_by_place(owner: bpy.types.ID, layer: str = "") -> dict[tuple[str, int], Any]:
    """Return the f-curves of ``owner``, or of a layer of it, by path and index."""
    return {(f.data_path, f.array_index): f for f in nla.fcurves_of(owner, layer)}


def properties_without_effect(owner: bpy.types.ID, layer: str) -> dict[tuple[str, int], str]:
    """Return the reason by data path and index for properties on which keys would have no effect.

    They have a driver, or, for a layer, keys in the active action, which plays over it.
    """
    data = owner.animation_data
    found = dict.fromkeys(curves_by_place(owner), "has keys of your own") if layer else {}
    return found | {(d.data_path, d.array_index): "has a driver" for d in (data.drivers if data else ())}


@dataclass(slots=True)
class Rescued:
    """Edits of the user's that move into a layer: the plans that write it, and the channels that may be overwritten.

    ``channels`` holds tuples of data-block, layer and channel id.
    """

    plans: list[Plan] = field(default_factory=list)
    channels: set[tuple[bpy.types.ID, str, str]] = field(default_factory=set)

    def of(self, part: Part) -> frozenset[str]:
        """Return the ids of a part's channels that may be overwritten."""
        return frozenset(id for owner, layer, id in self.channels if (owner, layer) == (part.owner, part.layer))


def plan(part: Part, line: Line, over: bool, rescued: frozenset[str] = frozenset()) -> Plan:
    """Return what writing ``part`` for ``line`` changes; nothing is changed yet.

    Edited keys are kept, unless ``over``, or in channels whose ids are in ``rescued``.
    """
    check_editable(part.owner, part.layer)
    ledger = ledgers.read(part.owner, part.layer)
    result = Plan(part.owner, ledger, part.layer)
    existing = curves_by_place(part.owner, part.layer)
    beyond = properties_without_effect(part.owner, part.layer)
    sums: dict[str, int] = {}
    made = part.keys()
    for channel in part.channels:
        place = (channel.data_path, channel.index)
        fcurve = existing.get(place)
        present = None if fcurve is None else Keys.read(fcurve)
        reason = beyond.get(place) or _reason_to_keep(
            fcurve, present, channel.id, ledger, line, over or channel.id in rescued
        )
        if reason:
            result.written.kept[channel.name] = result.written.left[part.place(channel)] = reason
            continue
        fresh = made[channel.name]
        keys = fresh if present is None else _keys_around(fcurve, present, channel.id, ledger, line).joined(fresh)
        result.changes[channel.id] = Change(*place, keys, present)
        sums[channel.id] = fresh.checksum(line.first, line.last)
        result.written.keys += len(fresh)
        if fcurve is not None and fcurve.mute:
            result.written.warnings.append(f"The curve of {channel.name} is muted: unmute it to see the take.")
    result.written.channels = len(sums)
    _plan_unwritten(result, {channel.id for channel in part.channels}, existing, line)
    result.lines = _lines_after(result, line, sums)
    _warn_of_nla(result)
    return result


def _warn_of_nla(plan: Plan) -> None:
    """Add a warning to the plan for each setting of the NLA that hides or moves what it writes."""
    data = plan.owner.animation_data
    if data is None or not plan.changes:
        return
    if plan.layer and not data.use_nla:
        plan.written.warnings.append(f"The NLA of '{plan.owner.name}' is off: turn it on to see the layers.")
    if plan.layer and nla.is_moved(plan.owner, plan.layer):
        label = nla.NAMES[plan.layer]
        plan.written.warnings.append(f"The strip of the layer {label} was moved: it plays where you put it.")
    mine = {nla.strip_of(plan.owner, layer) for layer in nla.layers_of(plan.owner)}
    theirs = [track for track in data.nla_tracks if not track.mute and not mine & set(track.strips)]
    if theirs and data.use_nla:
        plan.written.warnings.append(f"'{plan.owner.name}' has NLA tracks: the take plays over them.")


def _replaced_lines(channel: str, ledger: ledgers.Ledger, line: Line) -> list[ledgers.LedgerLine]:
    """Return the ledger lines on a channel that a new line replaces: those of the same sound, and those it overlaps."""
    lines = (noted for noted in ledger.lines if channel in noted.channels)
    return [noted for noted in lines if noted.sound == line.sound or noted.overlaps(line.first, line.last)]


def _reason_to_keep(
    fcurve: Any, keys: Keys | None, channel: str, ledger: ledgers.Ledger, line: Line, over: bool
) -> str:
    """Return why a channel's keys must stay as they are; empty if they may be replaced."""
    if keys is None:
        return ""
    if fcurve.lock:
        return "locked"
    if over:
        return ""
    if channel not in ledger.before and not any(channel in noted.channels for noted in ledger.lines):
        return "has keys of your own"
    if any(is_edited(keys, channel, noted) for noted in _replaced_lines(channel, ledger, line)):
        return "edited since it was animated"
    if _keys_outside(keys, channel, ledger, line, keep_line=True).within(line.first, line.last).any():
        return "has keys of your own"
    return ""


def is_edited(keys: Keys, channel: str, noted: ledgers.LedgerLine) -> bool:
    """Return whether the keys a line has on a channel differ from those its ledger line was written for."""
    return keys.checksum(noted.first, noted.last) != noted.channels[channel]


def _keys_outside(keys: Keys, channel: str, ledger: ledgers.Ledger, line: Line, keep_line: bool = False) -> Keys:
    """Return the keys outside the lines that ``line`` replaces, and outside its own frames unless ``keep_line``."""
    gone = keys.within(line.first, line.last) & (not keep_line)
    for noted in _replaced_lines(channel, ledger, line):
        first, last = noted.first, noted.last
        if noted.sound != line.sound:
            first, last = max(first, line.first), min(last, line.last)
        gone |= keys.within(first, last)
    return keys.only(~gone)


def _keys_around(fcurve: Any, present: Keys, channel: str, ledger: ledgers.Ledger, line: Line) -> Keys:
    """Return the keys that stay, with keys added where a line is cut, so that the rest of it keeps its shape."""
    stays = _keys_outside(present, channel, ledger, line)
    for noted in _replaced_lines(channel, ledger, line):
        if noted.sound == line.sound:
            continue
        for edge, step in ((line.first - 1, -1), (line.last + 1, 1)):
            if noted.first <= edge <= noted.last:
                stays = stays.joined(present.filled(edge, step, noted.first, noted.last, fcurve.evaluate))
    return stays


def _plan_unwritten(plan: Plan, written: set[str], existing: Mapping[tuple[str, int], Any], line: Line) -> None:
    """Plan the removal of what the same sound wrote before on channels that are not written now."""
    for noted in plan.ledger.lines:
        for channel in noted.channels if noted.sound == line.sound else ():
            place = split_id(channel)
            fcurve = existing.get(place)
            if channel in written or fcurve is None or fcurve.lock:
                continue
            keys = Keys.read(fcurve)
            if not is_edited(keys, channel, noted):
                # A line that another one cut in two is in the ledger twice.
                stays = plan.changes[channel].keys if channel in plan.changes else keys
                stays = stays.only(~stays.within(noted.first, noted.last))
                plan.changes[channel] = Change(*place, stays, keys)


def _lines_after(plan: Plan, line: Line, sums: Mapping[str, int]) -> list[ledgers.LedgerLine]:
    """Return the ledger lines after writing: those untouched, what is left of overlapped ones, and the new one."""
    lines = []
    for noted in plan.ledger.lines:
        if noted.sound != line.sound and not noted.overlaps(line.first, line.last):
            lines.append(noted)
            continue
        untouched = {channel: crc for channel, crc in noted.channels.items() if channel not in plan.changes}
        if untouched:
            lines.append(ledgers.LedgerLine(noted.sound, noted.first, noted.last, untouched))
        if noted.sound == line.sound:
            continue
        cut = [channel for channel in noted.channels if channel in plan.changes]
        for first, last in noted.without(line.first, line.last) if cut else ():
            left = {channel: plan.changes[channel].keys.checksum(first, last) for channel in cut}
            lines.append(ledgers.LedgerLine(noted.sound, first, last, left))
    return [*lines, ledgers.LedgerLine(line.sound, line.first, line.last, dict(sums))] if sums else lines


def plan_removal(
    owner: bpy.types.ID,
    over: bool,
    layer: str = "",
    rescued: frozenset[str] = frozenset(),
    is_meant: Callable[[ledgers.LedgerLine, str], bool] = lambda _line, _channel: True,
) -> Plan:
    """Return what removing lines from ``owner``, or from a layer of it, changes; nothing is changed yet.

    ``is_meant`` tells by ledger line and channel id what is to go: by default every line. Edited and locked keys are
    kept unless ``over``; edited ones also go in channels whose ids are in ``rescued``.
    """
    check_editable(owner, layer)
    ledger = ledgers.read(owner, layer)
    result = Plan(owner, ledgers.Ledger(ledger.lines, dict(ledger.before), ledger.made_data), layer)
    existing = curves_by_place(owner, layer)
    rest = {channel for noted in ledger.lines for channel in noted.channels if not is_meant(noted, channel)}
    for channel in {channel for noted in ledger.lines for channel in noted.channels}:
        place = split_id(channel)
        fcurve = existing.get(place)
        lines = [noted for noted in ledger.lines if channel in noted.channels and is_meant(noted, channel)]
        if fcurve is None or not lines:
            continue
        keys = Keys.read(fcurve)
        edited = channel not in rescued and any(is_edited(keys, channel, noted) for noted in lines)
        if not over and (fcurve.lock or edited):
            result.written.kept[place[0]] = "locked" if fcurve.lock else "edited since it was animated"
            if channel not in rest:
                result.ledger.before.pop(channel, None)
            continue
        stays = keys
        for noted in lines:
            stays = stays.only(~stays.within(noted.first, noted.last))
        result.changes[channel] = Change(*place, stays, keys)
        result.written.channels += 1
        result.written.keys += len(keys) - len(stays)
    for noted in ledger.lines:
        left = {channel: number for channel, number in noted.channels.items() if not is_meant(noted, channel)}
        if left:
            result.lines.append(ledgers.LedgerLine(noted.sound, noted.first, noted.last, left))
    return result
