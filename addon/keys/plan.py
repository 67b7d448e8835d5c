"""What baking a line would change: which keys are a take's, which are the user's own, and what stays.

A channel with keys of the user's own (an f-curve Mouthpiece did not make, keys added among a take's, or a
take's keys changed since) is kept and reported. Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import bpy
from mouthpiece.errors import RigError

from . import ledgers, nla
from .channels import Line, Part, Written
from .fcurve_keys import Keys, split_id


@dataclass(frozen=True, slots=True)
class Change:
    """The keys an f-curve is to have (none: it goes), and those it had, if it was there."""

    data_path: str
    index: int
    keys: Keys
    before: Keys | None = None


@dataclass(slots=True)
class Plan:
    """What is to change in a data-block's action, or in a layer's."""

    owner: bpy.types.ID
    ledger: ledgers.Ledger
    layer: str = ""
    changes: dict[str, Change] = field(default_factory=dict)
    takes: list[ledgers.Take] = field(default_factory=list)
    written: Written = field(default_factory=Written)


def action_of(owner: bpy.types.ID) -> bpy.types.Action | None:
    """Return the action that animates ``owner``, if any."""
    data = getattr(owner, "animation_data", None)
    return None if data is None else data.action


def check_editable(owner: bpy.types.ID, layer: str = "") -> None:
    """Raise RigError if the keys of ``owner``, or of a layer of it, may not be changed now."""
    data, found = getattr(owner, "animation_data", None), nla.place(owner, layer)
    action = found[0] if found else None if layer else action_of(owner)
    if action is not None and not action.is_editable:
        raise RigError(f"The action '{action.name}' is linked and may not be edited. Make it local first.")
    if data is not None and data.use_tweak_mode:
        raise RigError(f"An NLA strip of '{owner.name}' is being tweaked. Leave tweak mode (Tab) first.")


def curves_by_place(owner: bpy.types.ID, layer: str = "") -> dict[tuple[str, int], Any]:
    """Return the f-curves of ``owner``, or of a layer of it, by path and index."""
    return {(f.data_path, f.array_index): f for f in nla.fcurves_of(owner, layer)}


def _beyond_reach(part: Part) -> dict[tuple[str, int], str]:
    """Return properties that keys cannot move, and why: drivers, and for a layer the action that plays over it."""
    data = part.owner.animation_data
    found = dict.fromkeys(curves_by_place(part.owner), "has keys of your own") if part.layer else {}
    return found | {(d.data_path, d.array_index): "has a driver" for d in (data.drivers if data else ())}


@dataclass(slots=True)
class Rescued:
    """Edits of the user's that have become a layer: the plans that write it, and the channels that may be baked over.

    ``channels`` holds data-block, layer and channel id.
    """

    plans: list[Plan] = field(default_factory=list)
    channels: set[tuple[bpy.types.ID, str, str]] = field(default_factory=set)

    def of(self, part: Part) -> frozenset[str]:
        """Return the ids of a part's channels that may be baked over."""
        return frozenset(id for owner, layer, id in self.channels if (owner, layer) == (part.owner, part.layer))


def plan(part: Part, line: Line, over: bool, rescued: frozenset[str] = frozenset()) -> Plan:
    """Return what writing ``part`` would change, changing nothing; keys of ``rescued`` channels may go."""
    check_editable(part.owner, part.layer)
    ledger = ledgers.read(part.owner, part.layer)
    result = Plan(part.owner, ledger, part.layer)
    existing = curves_by_place(part.owner, part.layer)
    beyond = _beyond_reach(part)
    sums: dict[str, int] = {}
    made = part.keys()
    for channel in part.channels:
        place = (channel.data_path, channel.index)
        fcurve = existing.get(place)
        held = None if fcurve is None else Keys.read(fcurve)
        reason = beyond.get(place) or _reason_to_keep(
            fcurve, held, channel.id, ledger, line, over or channel.id in rescued
        )
        if reason:
            result.written.kept[channel.name] = reason
            continue
        fresh = made[channel.name]
        keys = fresh if held is None else _around(fcurve, held, channel.id, ledger, line).joined(fresh)
        result.changes[channel.id] = Change(*place, keys, held)
        sums[channel.id] = fresh.checksum(line.first, line.last)
        result.written.keys += len(fresh)
        if fcurve is not None and fcurve.mute:
            result.written.warnings.append(f"The curve of {channel.name} is muted: unmute it to see the take.")
    result.written.channels = len(sums)
    _retire(result, {channel.id for channel in part.channels}, existing, line)
    result.takes = _takes_after(result, line, sums)
    _warn_of_nla(result)
    return result


def _warn_of_nla(plan: Plan) -> None:
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


def _concerned(channel: str, ledger: ledgers.Ledger, line: Line) -> list[ledgers.Take]:
    """Return the takes on a channel that a new line replaces: its own earlier ones and those it overlaps."""
    takes = (take for take in ledger.takes if channel in take.channels)
    return [take for take in takes if take.sound == line.sound or take.overlaps(line.first, line.last)]


def _reason_to_keep(
    fcurve: Any, keys: Keys | None, channel: str, ledger: ledgers.Ledger, line: Line, over: bool
) -> str:
    """Return why a channel's keys are not to be touched; empty if they may be."""
    if keys is None:
        return ""
    if fcurve.lock:
        return "locked"
    if over:
        return ""
    if channel not in ledger.before and not any(channel in take.channels for take in ledger.takes):
        return "has keys of your own"
    if any(is_edited(keys, channel, take) for take in _concerned(channel, ledger, line)):
        return "edited since it was baked"
    if _outside(keys, channel, ledger, line, keep_line=True).within(line.first, line.last).any():
        return "has keys of your own"
    return ""


def is_edited(keys: Keys, channel: str, take: ledgers.Take) -> bool:
    return keys.checksum(take.first, take.last) != take.channels[channel]


def _outside(keys: Keys, channel: str, ledger: ledgers.Ledger, line: Line, keep_line: bool = False) -> Keys:
    """Return the keys that stay when ``line`` is written; with ``keep_line`` those on its frames as well."""
    gone = keys.within(line.first, line.last) & (not keep_line)
    for take in _concerned(channel, ledger, line):
        first, last = take.first, take.last
        if take.sound != line.sound:
            first, last = max(first, line.first), min(last, line.last)
        gone |= keys.within(first, last)
    return keys.only(~gone)


def _around(fcurve: Any, held: Keys, channel: str, ledger: ledgers.Ledger, line: Line) -> Keys:
    """Return the keys that stay, and those that keep what is left of a cut take in shape where it has none."""
    stays = _outside(held, channel, ledger, line)
    for take in _concerned(channel, ledger, line):
        if take.sound == line.sound:
            continue
        for edge, step in ((line.first - 1, -1), (line.last + 1, 1)):
            if take.first <= edge <= take.last:
                stays = stays.joined(held.filled(edge, step, take.first, take.last, fcurve.evaluate))
    return stays


def _retire(plan: Plan, written: set[str], existing: Mapping[tuple[str, int], Any], line: Line) -> None:
    """Plan to take off what an earlier take of the same line wrote on channels the new one does not write."""
    for take in plan.ledger.takes:
        for channel in take.channels if take.sound == line.sound else ():
            place = split_id(channel)
            fcurve = existing.get(place)
            if channel in written or fcurve is None or fcurve.lock:
                continue
            keys = Keys.read(fcurve)
            if not is_edited(keys, channel, take):
                # A take that another cut in two is met twice.
                stays = plan.changes[channel].keys if channel in plan.changes else keys
                stays = stays.only(~stays.within(take.first, take.last))
                plan.changes[channel] = Change(*place, stays, keys)


def _takes_after(plan: Plan, line: Line, sums: Mapping[str, int]) -> list[ledgers.Take]:
    """Return the takes there will be: untouched ones, what is left of overlapped ones, and the new one."""
    takes = []
    for take in plan.ledger.takes:
        if take.sound != line.sound and not take.overlaps(line.first, line.last):
            takes.append(take)
            continue
        untouched = {channel: crc for channel, crc in take.channels.items() if channel not in plan.changes}
        if untouched:
            takes.append(ledgers.Take(take.sound, take.first, take.last, untouched))
        if take.sound == line.sound:
            continue
        cut = [channel for channel in take.channels if channel in plan.changes]
        for first, last in take.without(line.first, line.last) if cut else ():
            left = {channel: plan.changes[channel].keys.checksum(first, last) for channel in cut}
            takes.append(ledgers.Take(take.sound, first, last, left))
    return [*takes, ledgers.Take(line.sound, line.first, line.last, dict(sums))] if sums else takes


def plan_removal(owner: bpy.types.ID, over: bool, layer: str = "", rescued: frozenset[str] = frozenset()) -> Plan:
    """Return what taking every take off ``owner``, or off a layer of it, would change; ``rescued`` channels may go."""
    check_editable(owner, layer)
    ledger = ledgers.read(owner, layer)
    result = Plan(owner, ledgers.Ledger(ledger.takes, dict(ledger.before), ledger.made_data), layer)
    existing = curves_by_place(owner, layer)
    for channel in {channel for take in ledger.takes for channel in take.channels}:
        place = split_id(channel)
        fcurve = existing.get(place)
        takes = [take for take in ledger.takes if channel in take.channels]
        if fcurve is None:
            continue
        keys = Keys.read(fcurve)
        edited = channel not in rescued and any(is_edited(keys, channel, take) for take in takes)
        if not over and (fcurve.lock or edited):
            result.written.kept[place[0]] = "locked" if fcurve.lock else "edited since it was baked"
            result.ledger.before.pop(channel, None)
            continue
        stays = keys
        for take in takes:
            stays = stays.only(~stays.within(take.first, take.last))
        result.changes[channel] = Change(*place, stays, keys)
        result.written.channels += 1
        result.written.keys += len(keys) - len(stays)
    return result
