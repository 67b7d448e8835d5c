"""Dialling lines again: new values for keys that are there, from motion kept in the scene. No network, no sound.

Frames and channels stay as they were baked; keys of the user's own, and keys changed since, stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ..keys import kept_takes, ledgers, nla, shared_actions, writer
from ..keys.channels import Channel, Line, Part, Written
from ..keys.drawings import Drawings
from ..keys.fcurve_keys import Held, Keys, Step, rewritten
from ..keys.plan import Change, Plan, Rescued, check_editable, curves_by_place
from ..targets import Driven, drawers, find_object, owners_of
from . import edits, rebuild
from .layers import LayeredTake

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials


#: Dials that change how a head moves; the others need not touch it.
_HEAD_DIALS: Final = ("head", "style", "smoothing", "offset")


@dataclass(slots=True)
class _Redialled:
    """What dialling a line changes: keys, and drawings that are made again."""

    keyed: list[Changed] = field(default_factory=list)
    drawn: list[Drawings] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rescued: Rescued = field(default_factory=Rescued)


def redial(
    obj: bpy.types.Object,
    dials: Dials,
    frame: int | None = None,
    replace_edited: bool = False,
    draft: bool = False,
) -> Written:
    """Give the lines of a character other dials, and return what was done.

    With ``frame``, only the lines heard at it. A ``draft``, while a dial is dragged, takes less time where keys are
    reduced: they are within the same error, but may be more than needed. Raises RigError or TakeError, with nothing
    changed, if there is no such line, or its keys may not be edited.
    """
    total = Written()
    with ExitStack() as undo:
        owners = _owners(obj, _chosen(obj, frame), dials)
        total.warnings += shared_actions.separate(owners, undo)
        # One after the other: lines share curves.
        for line in _chosen(obj, frame):
            change = _changes(obj, line, dials, replace_edited, draft)
            for changed in change.keyed:
                carry_out(changed, line.sound, f"Mouthpiece {obj.name}", undo)
                total.add(changed.written)
            writer.carry_out(change.rescued.plans, f"Mouthpiece {obj.name}", undo)
            grid = line.frames()
            for drawing in change.drawn:
                total.add(drawing.write(Line(line.sound, grid.first, grid.last), undo))
            total.warnings += change.warnings
            assert line.home is not None  # it was found there
            undo.callback(ledgers.restore, line.home.holder, ledgers.snapshot(line.home.holder))
            kept_takes.remember_dials(line, dials.saved())
        undo.pop_all()
    return total


def _owners(obj: bpy.types.Object, lines: list[kept_takes.KeptLine], dials: Dials) -> list[bpy.types.ID]:
    """Return the data-blocks in which keys of lines will change."""
    found: dict[bpy.types.ID, None] = {}
    for line in lines:
        for number, saved in enumerate(line.targets):
            still = saved["kind"] == "HEAD" and _as_before(line, dials, _HEAD_DIALS)
            target = None if still else rebuild.target_again(obj, line, number, [])
            for owner in type(target).owners(find_object(target.object_name)) if target is not None else ():
                if edits.ranges_of(owner, line.sound):
                    found[owner] = None
    return list(found)


def dialled_lines(obj: bpy.types.Object | None, frame: int | None = None) -> list[kept_takes.KeptLine]:
    """Return the lines of a character that can be dialled, or those of them heard at ``frame``."""
    found: dict[str, kept_takes.KeptLine] = {}
    for owner in owners_of([obj], None):
        for line in kept_takes.lines(owner):
            if frame is None or _heard(owner, line, frame):
                found.setdefault(line.sound, line)
    return list(found.values())


def _heard(owner: bpy.types.ID, line: kept_takes.KeptLine, frame: int) -> bool:
    """Return whether a line plays at a frame: as the ledger has it, or where it was put if it is drawn."""
    if line.home == ledgers.Home(owner):
        grid = line.frames()
        return grid.first <= frame <= grid.last
    return any(first <= frame <= last for first, last in edits.ranges_of(owner, line.sound))


def _chosen(obj: bpy.types.Object, frame: int | None) -> list[kept_takes.KeptLine]:
    if not dialled_lines(obj):
        raise RigError(f"'{obj.name}' carries no line that can be dialled. Animate it first.")
    chosen = dialled_lines(obj, frame)
    if not chosen:
        raise RigError(f"'{obj.name}' speaks no line at frame {frame}. Go to one, or dial all lines.")
    return chosen


def _changes(obj: bpy.types.Object, line: kept_takes.KeptLine, dials: Dials, replace: bool, draft: bool) -> _Redialled:
    """Return what dialling one line changes, having changed nothing."""
    found, layered = _Redialled(), rebuild.is_layered(line)
    if layered and not replace:
        edits.rescue(found.rescued, obj, line)
    seen, grid = LayeredTake.of(kept_takes.motion(line), dials, layered, line.error), line.frames()
    for number, saved in enumerate(line.targets):
        if saved["kind"] == "HEAD" and _as_before(line, dials, _HEAD_DIALS):
            continue
        target = rebuild.target_again(obj, line, number, found.warnings)
        if target is None:
            continue
        driven = seen.drive(target, grid, True)
        found.warnings += driven.warnings
        found.keyed += [replanned(part, line.sound, replace, found.rescued.of(part), draft) for part in _keyed(driven)]
        if driven.drawings is not None and drawers(driven.drawings.owner):
            driven.drawings.check()
            found.drawn.append(driven.drawings)
    return found


def _keyed(driven: Driven) -> list[Part]:
    return [part for part in driven.parts if part.channels]


def _as_before(line: kept_takes.KeptLine, dials: Dials, names: tuple[str, ...]) -> bool:
    """Return whether a line has those dials already."""
    saved = dials.saved()
    return all(line.dials.get(name) == saved.get(name) for name in names)


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
            ledgers.LedgerLine(t.sound, t.first, t.last, {c: sums.get((k, c), own) for c, own in t.channels.items()})
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
    plan.takes = others + [ledgers.LedgerLine(sound, *place, sums) for place, sums in mine.items()]
    return plan
