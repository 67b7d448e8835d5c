"""The keys of one line in one place, given other values: planned, then carried out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import edits
from .keys import ledgers, nla, writer
from .keys.channels import Channel, Part, Written
from .keys.fcurve_keys import Held, Keys, Step, rewritten
from .keys.plan import Change, Plan, check_editable, curves_by_place


@dataclass(slots=True)
class Changed:
    """What dialling changes of a part: how to carry it out, and how to take it back.

    ``sums`` holds the new checksums, by the number of the take and the channel's id, ``fresh`` the keys they are of;
    ``missing`` is what a layer had no use for before.
    """

    part: Part
    sums: dict[tuple[int, str], int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    fresh: dict[str, Keys] = field(default_factory=dict)
    missing: list[Channel] = field(default_factory=list)
    written: Written = field(default_factory=Written)


def carry_out(changed: Changed, sound: str, name: str, undo: ExitStack) -> None:
    """Carry out what was planned for a line; a layer's new action is called after ``name``, ``undo`` takes it back."""
    owner, layer = changed.part.owner, changed.part.layer
    found = nla.place(owner, layer)
    if found is not None:
        undo.callback(ledgers.restore, found[0], ledgers.snapshot(found[0]))
        for do, take_back in changed.steps:
            undo.callback(take_back)
            do()
        # Read anew: another target on the same data-block (a head bone) may have changed it meanwhile.
        ledger, sums = ledgers.read(owner, layer), changed.sums
        kept = [
            ledgers.Take(t.sound, t.first, t.last, {c: sums.get((k, c), own) for c, own in t.channels.items()})
            for k, t in enumerate(ledger.takes)
        ]
        ledger.takes = writer.settled(owner, layer, kept, changed.fresh)
        ledgers.write(owner, ledger, layer)
        owner.update_tag()
    plan = _more(changed.part, sound, changed.missing)
    writer.carry_out([] if plan is None else [plan], name, undo)


def replanned(part: Part, sound: str, replace: bool, rescued: frozenset[str], draft: bool) -> Changed:
    """Return new values for the keys a line has in one data-block, or a layer of it."""
    check_editable(part.owner, part.layer)
    ledger, changed = ledgers.read(part.owner, part.layer), Changed(part)
    curves = curves_by_place(part.owner, part.layer)
    made: dict[tuple[tuple[int, int], ...], dict[str, Keys]] = {}
    for channel in part.channels:
        mine = [k for k, take in enumerate(ledger.takes) if take.sound == sound and channel.id in take.channels]
        fcurve = curves.get((channel.data_path, channel.index))
        if not mine and fcurve is None:
            changed.missing.append(channel)
        if not mine or fcurve is None:
            continue
        ranges = tuple((ledger.takes[k].first, ledger.takes[k].last) for k in mine)
        if ranges not in made:
            made[ranges] = part.keys(ranges, _frames(curves, part) if draft and part.error else None)
        places = [(place, (k, ledger.takes[k].channels[channel.id])) for place, k in zip(ranges, mine, strict=True)]
        _rekey(changed, fcurve, channel, (made[ranges][channel.name], places), replace or channel.id in rescued)
    return changed


def _rekey(
    changed: Changed, fcurve: Any, channel: Channel,
    wanted: tuple[Keys, list[tuple[tuple[int, int], tuple[int, int]]]], over: bool,
) -> None:  # fmt: skip
    """Add to ``changed`` what gives a channel the ``wanted`` keys on ranges, each with its take's number and sum."""
    fresh, places = wanted
    ranges = [place for place, _ in places]
    sought = [fresh.checksum(*place) for place in ranges]
    had = [number for _, (_, number) in places]
    if not fresh.is_curved and sought == had:
        changed.written.count(fresh)  # it has these values, or the animator's instead
        return
    held = Held.read(fcurve)
    if fresh.is_curved and held.is_like(fresh, ranges):
        changed.written.count(fresh)
        return
    edited = [held.checksum(*place) for place in ranges] != had
    if fcurve.lock or (edited and not over):
        changed.written.kept[channel.name] = "locked" if fcurve.lock else "edited since it was baked"
        return
    if edited or not held.has_frames_of(fresh, ranges):
        changed.steps.append(rewritten(fcurve, fresh, ranges))
    else:
        changed.steps += held.moved(fcurve, fresh, ranges)
    changed.fresh[channel.id] = fresh
    for (_, (take, _)), number in zip(places, sought, strict=True):
        changed.sums[take, channel.id] = number
    changed.written.count(fresh)


def _frames(curves: Mapping[tuple[str, int], Any], part: Part) -> dict[str, NDArray[np.float32]]:
    """Return the frames of the keys that a part's channels have now, by name."""
    there = {channel.name: curves.get((channel.data_path, channel.index)) for channel in part.channels}
    return {name: Held.read(curve).co[:, 0] for name, curve in there.items() if curve is not None}


def _more(part: Part, sound: str, channels: list[Channel]) -> Plan | None:
    """Return the plan that gives a layer channels it had no use for before, where the line is heard; None for none."""
    ranges = edits.ranges_of(part.owner, sound)
    if not (channels and part.layer and ranges):
        return None
    ledger = ledgers.read(part.owner, part.layer)
    plan, made = Plan(part.owner, ledger, part.layer), part.keys(ranges)
    mine = {(take.first, take.last): dict(take.channels) for take in ledger.takes if take.sound == sound}
    for channel in channels:
        keys = made[channel.name]
        plan.changes[channel.id] = Change(channel.data_path, channel.index, keys)
        for place in ranges:
            mine.setdefault(place, {})[channel.id] = keys.checksum(*place)
    others = [take for take in ledger.takes if take.sound != sound]
    plan.takes = others + [ledgers.Take(sound, *place, sums) for place, sums in mine.items()]
    return plan
