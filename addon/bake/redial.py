"""Dials lines again: gives their keys new values, computed from the takes kept in the scene. Runs no network.

Lines keep the frames and channels they were baked on. Keys of the user's own, and edited keys, stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ..keys import kept_takes, ledgers, nla, shared_actions, writer
from ..keys.channels import Channel, Line, Part, Written
from ..keys.drawings import Drawings
from ..keys.fcurve_keys import BareKeys, Keys, Step, rewritten
from ..keys.plan import Change, Plan, Rescued, check_editable, curves_by_place
from ..targets import Driven, drawers, find_object
from . import edits, eye_lines, frame_rates, interlude_keys, interludes, rebuild
from .claims import alone
from .layers import LayeredTake
from .lines import dialled_lines as dialled_lines
from .lines import unread

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials


#: Dials that change how a head moves; for other dials its keys are left alone.
_HEAD_DIALS: Final = ("head", "style", "smoothing", "offset")
#: Seconds between two lines up to which they are looked at: farther apart they never have to give way.
_NEAR: Final = 2.0


@dataclass(slots=True)
class _Redialled:
    """What dialling one line changes: keys, drawings that are made again, and edits that move into their layer.

    ``seen`` is what the line plays then.
    """

    keyed: list[Changed] = field(default_factory=list)
    drawn: list[Drawings] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rescued: Rescued = field(default_factory=Rescued)
    seen: LayeredTake | None = None


def redial(
    obj: bpy.types.Object,
    dials: Dials,
    frame: int | None = None,
    replace_edited: bool = False,
    draft: bool = False,
) -> Written:
    """Give the lines of a character other dials, and return what was written.

    With ``frame``, only the lines heard at that frame are dialled. A ``draft`` (while a dial is dragged) is quicker
    where keys are reduced: the error is the same, but there may be more keys than needed. Raises RigError or TakeError,
    with nothing changed, if there is no such line or its keys may not be edited.
    """
    total = Written()
    with alone(obj), ExitStack() as undo:
        rebuild.note_bones(obj, dialled_lines(obj), undo)
        owners = _changed_owners(obj, _chosen_lines(obj, frame), dials)
        total.warnings += shared_actions.separate(owners, undo)
        moved = Rescued() if replace_edited else rescue_interludes(obj, undo)
        seen: dict[str, LayeredTake] = {}
        # Each line is planned after the one before is written, as lines share curves.
        for line in _chosen_lines(obj, frame):
            change = _dial(obj, line, dials, (replace_edited, draft), undo, total)
            assert change.seen is not None  # set by _changes
            seen[line.sound] = change.seen
            total.warnings += frame_rates.remarks(obj, line)
            assert line.home is not None  # kept lines that were read have one
            undo.callback(ledgers.restore, line.home.holder, ledgers.snapshot(line.home.holder))
            stays = {channel for changed in change.keyed for channel in changed.stays}
            follows = {channel for changed in change.keyed for channel in changed.fresh}
            kept_takes.remember_dials(line, dials.saved(), stays, follows)
        renew(obj, undo, interlude_keys.How(replace_edited, draft, rescued=moved), seen)
        undo.pop_all()
    return total


def _dial(
    obj: bpy.types.Object, line: kept_takes.KeptLine, dials: Dials, how: tuple[bool, bool], undo: ExitStack,
    total: Written, bends: tuple[Mapping[str, Any], ...] | None = None,
) -> _Redialled:  # fmt: skip
    """Give the keys of one line other dials, or other ``bends``; add to ``total`` what was written.

    ``how`` tells whether edited keys are replaced, and whether it is a draft. Returns what was changed.
    """
    over, draft = how
    change = _changes(obj, line, dials, over, draft, bends)
    for changed in change.keyed:
        carry_out(changed, line.sound, f"Mouthpiece {obj.name}", undo)
        total.add(changed.written)
    writer.carry_out(change.rescued.plans, f"Mouthpiece {obj.name}", undo)
    grid = line.frames()
    for drawing in change.drawn:
        total.add(drawing.write(Line(line.sound, grid.first, grid.last), undo))
    total.warnings += change.warnings
    return change


def rescue_interludes(obj: bpy.types.Object, undo: ExitStack) -> Rescued:
    """Move what the user changed between layered lines into the edits' layer; return what may be overwritten.

    This has to be done before any line changes.
    """
    found, lines = Rescued(), dialled_lines(obj)
    if any(rebuild.is_layered(line) for line in lines):
        interludes.rescue(found, obj, lines)
        writer.carry_out(found.plans, f"Mouthpiece {obj.name}", undo)
    return found


def renew(
    obj: bpy.types.Object, undo: ExitStack, how: interlude_keys.How, seen: Mapping[str, LayeredTake] | None = None
) -> Written:
    """Bring up to date what depends on which lines a character speaks where: call this whenever that has changed.

    Lines that touch give way to each other, a character that knows of others looks at them, and interludes are keyed
    before, between and after lines. ``seen`` holds
    takes that were dialled already, by sound. ``undo`` gets callbacks that revert everything.
    """
    from mouthpiece.motion.dials import Dials

    known, lines = dict(seen or {}), dialled_lines(obj)
    for line, bends in _other_bends(obj, lines, known):
        if bends or line.bends:
            change = _dial(obj, line, Dials.of(line.dials), (False, how.draft), undo, Written(), bends)
            assert change.seen is not None  # set by _changes
            known[line.sound] = change.seen
        assert line.home is not None  # kept lines that were read have one
        undo.callback(ledgers.restore, line.home.holder, ledgers.snapshot(line.home.holder))
        kept_takes.remember(replace(line, bends=bends))
    return interlude_keys.renew(obj, dialled_lines(obj), how, interludes.Ends(known), undo)


def _other_bends(
    obj: bpy.types.Object, lines: list[kept_takes.KeptLine], seen: Mapping[str, LayeredTake]
) -> list[tuple[kept_takes.KeptLine, tuple[Mapping[str, Any], ...]]]:
    """Return the lines that have to give way to their neighbours otherwise than they do, each with its new bends."""
    wanted: dict[str, list[Mapping[str, Any]]] = {line.sound: [] for line in lines}
    ends = interludes.Ends({line.sound: seen[line.sound] for line in lines if line.sound in seen and not line.bends})
    spoken = interludes.pieces(obj, lines)
    for one, other in pairwise(spoken):
        if one.line is None or other.line is None or not (_rests(one.line) or _rests(other.line)):
            continue
        if other.first - one.last > _NEAR * one.line.frames().fps:
            continue
        for sound, found in interludes.bends_between(one, other, ends).items():
            wanted[sound] += [bend.saved() for bend in found]
    looking = eye_lines.regard_of(obj, spoken)
    if looking is not None:
        for line in lines:
            wanted[line.sound] += eye_lines.bends_of(looking, line)
    same = {line.sound: line.bends is not None and [*line.bends] == wanted[line.sound] for line in lines}
    return [(line, tuple(wanted[line.sound])) for line in lines if not same[line.sound]]


def _rests(line: kept_takes.KeptLine) -> bool:
    """Return whether a line does not end as raw as its take."""
    return float(line.dials.get("rest", 1.0)) > 0


def _changed_owners(obj: bpy.types.Object, lines: list[kept_takes.KeptLine], dials: Dials) -> list[bpy.types.ID]:
    """Return the data-blocks in which keys of lines will change."""
    found: dict[bpy.types.ID, None] = {}
    for line in lines:
        for number, saved in enumerate(line.targets):
            same = saved["kind"] == "HEAD" and _has_dials(line, dials, _HEAD_DIALS)
            target = None if same else rebuild.target_again(obj, line, number, [])
            for owner in type(target).owners(find_object(target.object_name)) if target is not None else ():
                if edits.ranges_of(owner, line.sound):
                    found[owner] = None
    return list(found)


def _chosen_lines(obj: bpy.types.Object, frame: int | None) -> list[kept_takes.KeptLine]:
    """Return the lines to dial; raises RigError if there are none."""
    if not dialled_lines(obj):
        raise RigError(" ".join([f"'{obj.name}' has no line to adjust. Animate it first.", *unread(obj)]))
    chosen = dialled_lines(obj, frame)
    if not chosen:
        raise RigError(f"'{obj.name}' speaks no line at frame {frame}. Go to one, or choose All Lines.")
    return chosen


def _changes(
    obj: bpy.types.Object, line: kept_takes.KeptLine, dials: Dials, over: bool, draft: bool,
    bends: tuple[Mapping[str, Any], ...] | None = None,
) -> _Redialled:  # fmt: skip
    """Return what dialling one line changes, with its own bends or others; nothing is changed yet."""
    found, layered = _Redialled(), rebuild.is_layered(line)
    if layered and not over:
        edits.rescue(found.rescued, obj, line)
    given = line.bends if bends is None else bends
    seen, grid = LayeredTake.of(kept_takes.motion(line), dials, layered, line.error, given), line.frames()
    found.seen = seen
    for number, saved in enumerate(line.targets):
        if saved["kind"] == "HEAD" and bends is None and _has_dials(line, dials, _HEAD_DIALS):
            continue
        target = rebuild.target_again(obj, line, number, found.warnings)
        if target is None:
            continue
        driven = seen.drive(target, grid, True)
        found.warnings += driven.warnings
        found.keyed += [replanned(part, line.sound, over, found.rescued.of(part), draft) for part in _keyed(driven)]
        if driven.drawings is not None and drawers(driven.drawings.owner):
            driven.drawings.check()
            found.drawn.append(driven.drawings)
    return found


def _keyed(driven: Driven) -> list[Part]:
    """Return the parts that have channels."""
    return [part for part in driven.parts if part.channels]


def _has_dials(line: kept_takes.KeptLine, dials: Dials, names: tuple[str, ...]) -> bool:
    """Return whether the dials called ``names`` have the same values in a line and in ``dials``."""
    saved = dials.saved()
    return all(line.dials.get(name) == saved.get(name) for name in names)


@dataclass(slots=True)
class Changed:
    """What dialling changes in one part: the steps to carry out, and what to write into the ledger.

    ``sums`` holds new checksums by the index of the ledger line and the channel id; ``fresh`` holds the keys they are
    computed from, by channel id; ``missing`` are channels that have no curve yet, ``stays`` the ids of those that
    keep an edit.
    """

    part: Part
    sums: dict[tuple[int, str], int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    fresh: dict[str, Keys] = field(default_factory=dict)
    missing: list[Channel] = field(default_factory=list)
    stays: set[str] = field(default_factory=set)
    written: Written = field(default_factory=Written)


def carry_out(changed: Changed, sound: str, name: str, undo: ExitStack) -> None:
    """Carry out a change; ``undo`` gets callbacks that revert it. A layer's new action gets its name from ``name``."""
    owner, layer = changed.part.owner, changed.part.layer
    found = nla.action_and_slot(owner, layer)
    if found is not None:
        undo.callback(ledgers.restore, found[0], ledgers.snapshot(found[0]))
        # The ledger is read again: another target of the same data-block (a head bone) may have changed it meanwhile.
        # That has to be before keys change: what was renamed is recognised by the keys it has.
        ledger, sums = ledgers.read(owner, layer), changed.sums
        for do, take_back in changed.steps:
            undo.callback(take_back)
            do()
        lines = [
            replace(noted, channels={c: sums.get((k, c), old) for c, old in noted.channels.items()})
            for k, noted in enumerate(ledger.lines)
        ]
        ledger.lines = writer.settled(owner, layer, lines, changed.fresh)
        ledgers.write(owner, ledger, layer)
        owner.update_tag()
    plan = _plan_missing(changed.part, sound, changed.missing)
    writer.carry_out([] if plan is None else [plan], name, undo)


def replanned(part: Part, sound: str, over: bool, rescued: frozenset[str], draft: bool) -> Changed:
    """Return what gives the keys of a line in one data-block, or in a layer of it, the values of ``part``.

    Edited keys are changed only if ``over`` is set, or in channels whose ids are in ``rescued``.
    """
    check_editable(part.owner, part.layer)
    ledger, changed = ledgers.read(part.owner, part.layer), Changed(part)
    curves = curves_by_place(part.owner, part.layer)
    made: dict[tuple[tuple[int, int], ...], dict[str, Keys]] = {}
    for channel in part.channels:
        mine = [k for k, noted in enumerate(ledger.lines) if noted.sound == sound and channel.id in noted.channels]
        fcurve = curves.get((channel.data_path, channel.index))
        if not mine and fcurve is None:
            changed.missing.append(channel)
        if not mine or fcurve is None:
            continue
        ranges = tuple((ledger.lines[k].first, ledger.lines[k].last) for k in mine)
        if ranges not in made:
            made[ranges] = part.keys(ranges, _key_frames(curves, part) if draft and part.error else None)
        if channel.name not in made[ranges]:  # another program changed the frames that are noted: nothing lies there
            continue
        sums = [(span, (k, ledger.lines[k].channels[channel.id])) for span, k in zip(ranges, mine, strict=True)]
        _rekey(changed, fcurve, channel, (made[ranges][channel.name], sums), over or channel.id in rescued)
    return changed


def _rekey(
    changed: Changed, fcurve: Any, channel: Channel,
    wanted: tuple[Keys, list[tuple[tuple[int, int], tuple[int, int]]]], over: bool,
) -> None:  # fmt: skip
    """Add to ``changed`` the steps that give a channel the ``wanted`` keys.

    ``wanted`` holds the keys, and for each frame range the index of its ledger line and the checksum noted there.
    """
    fresh, noted = wanted
    ranges = [span for span, _ in noted]
    sought = [fresh.checksum(*span) for span in ranges]
    had = [number for _, (_, number) in noted]
    if not fresh.is_curved and sought == had:
        changed.written.count(fresh)  # the keys have these values already, or were edited
        return
    present = BareKeys.read(fcurve)
    if fresh.is_curved and present.is_like(fresh, ranges):
        changed.written.count(fresh)
        return
    edited = [present.checksum(*span) for span in ranges] != had
    if fcurve.lock or (edited and not over):
        changed.written.kept[channel.name] = "locked" if fcurve.lock else "edited since it was animated"
        changed.stays |= {channel.id} if edited else set()
        return
    if edited or not present.has_frames_of(fresh, ranges):
        changed.steps.append(rewritten(fcurve, fresh, ranges))
    else:
        changed.steps += present.moved(fcurve, fresh, ranges)
    changed.fresh[channel.id] = fresh
    for (_, (k, _)), number in zip(noted, sought, strict=True):
        changed.sums[k, channel.id] = number
    changed.written.count(fresh)


def _key_frames(curves: Mapping[tuple[str, int], Any], part: Part) -> dict[str, NDArray[np.float32]]:
    """Return the frames of the keys that a part's channels have now, by channel name."""
    there = {channel.name: curves.get((channel.data_path, channel.index)) for channel in part.channels}
    return {name: BareKeys.read(curve).co[:, 0] for name, curve in there.items() if curve is not None}


def _plan_missing(part: Part, sound: str, channels: list[Channel]) -> Plan | None:
    """Return the plan that adds ``channels`` to a layer where the line is heard; None if nothing is to be added."""
    ranges = edits.ranges_of(part.owner, sound)
    if not (channels and part.layer and ranges):
        return None
    ledger = ledgers.read(part.owner, part.layer)
    plan, made = Plan(part.owner, ledger, part.layer), part.keys(ranges)
    mine = {(noted.first, noted.last): dict(noted.channels) for noted in ledger.lines if noted.sound == sound}
    for channel in channels:
        keys = made[channel.name]
        plan.changes[channel.id] = Change(channel.data_path, channel.index, keys)
        for span in ranges:
            mine.setdefault(span, {})[channel.id] = keys.checksum(*span)
    others = [noted for noted in ledger.lines if noted.sound != sound]
    plan.lines = others + [ledgers.LedgerLine(sound, *span, sums) for span, sums in mine.items()]
    return plan
