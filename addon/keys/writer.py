"""Carries plans out: writes f-curves, drawings and ledgers, and can revert all of it.

A baked line replaces baked lines and nothing else (see :mod:`.plan`). Everything is planned before anything is written;
if writing fails half-way, everything is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import bpy
import numpy as np
from mouthpiece.errors import RigError

from .. import remarks as sentences
from . import kept_takes, ledgers, nla, rna_values, shared_actions
from .channels import Line, Part, Reduction, Written
from .drawings import Drawings
from .fcurve_keys import BareKeys, Keys, split_id
from .plan import Change, Plan, Rescued, action_of, curves_by_place, plan


def write(
    parts: Sequence[Part],
    line: Line,
    action_name: str,
    replace_edited: bool = False,
    drawings: Sequence[Drawings] = (),
    rescued: Rescued | None = None,
    undo: ExitStack | None = None,
) -> Written:
    """Write the keys and drawings of a line and return what was written.

    Parts without an Action share a new one called ``action_name``. Edits that were ``rescued`` are written into their
    layer. Raises RigError, with nothing changed, if an Action or a drawing may not be edited, or if every channel holds
    keys of the user's own. ``undo`` gets callbacks that revert everything, for the case that a later step fails.
    """
    saved = rescued or Rescued()
    with ExitStack() as mine:
        remarks = shared_actions.separate([part.owner for part in parts], mine)
        plans = [plan(part, line, replace_edited, saved.of(part)) for part in parts]
        written = total(plans)
        unread = dict.fromkeys(filter(None, (kept_takes.objection(part.owner) for part in parts)))
        written.warnings += [*remarks, *unread]
        if not written.channels and not drawings:
            raise RigError(f"Nothing was keyed: {' '.join([*sentences.kept(written.kept), *unread])}")
        for drawing in drawings:
            drawing.check()
        carry_out([*plans, *saved.plans], action_name, mine)
        for part, item in zip(parts, plans, strict=True):
            written.add(Written(reduction=measured(part, item.written.kept)))
        for drawing in drawings:
            written.add(drawing.write(line, mine))
        rest = mine.pop_all()
    if undo is not None:
        undo.push(rest)
    return written


def total(plans: Sequence[Plan]) -> Written:
    """Return the sum of what several plans write."""
    written = Written()
    for item in plans:
        written.add(item.written)
    return written


def carry_out(plans: Sequence[Plan], action_name: str, undo: ExitStack) -> None:
    """Carry out plans. Data-blocks without an action share a new one, ``action_name``, and one more for each layer."""
    shared = {item.layer: action for item in plans for action in _made_action(item)}
    for item in plans:
        if any(len(change.keys) or change.before is not None for change in item.changes.values()):
            _ensure_action(item, shared, action_name, undo)
            apply(item, undo)


def _made_action(item: Plan) -> list[bpy.types.Action]:
    """Return in a list the action that holds the keys a plan changes, if Mouthpiece made it; else an empty list."""
    found = nla.action_and_slot(item.owner, item.layer)
    action = found[0] if found else None if item.layer else action_of(item.owner)
    return [action] if action is not None and ledgers.was_made(action) else []


def _ensure_action(item: Plan, shared: dict[str, bpy.types.Action], name: str, undo: ExitStack) -> None:
    """Give a plan's owner what it is missing: animation data, and an action (for a layer, in an NLA track)."""
    owner = item.owner
    if owner.animation_data is None:
        owner.animation_data_create()
        item.ledger.made_data = True
        undo.callback(owner.animation_data_clear)
    item.ledger.made_data |= any(ledgers.read(owner, layer).made_data for layer in nla.layers_of(owner))
    if item.layer:
        if nla.strip_of(owner, item.layer) is None:
            nla.put_in_place(owner, item.layer, _shared_action(shared, item.layer, name, undo), undo)
        return
    data = owner.animation_data
    if data.action is not None:
        if data.action_slot is None:
            undo.callback(_drop_slot, data)
        return
    action = _shared_action(shared, "", name, undo)
    undo.callback(_unassign, data)
    data.action = action


def _shared_action(shared: dict[str, bpy.types.Action], layer: str, name: str, undo: ExitStack) -> bpy.types.Action:
    """Return the action that all data-blocks share for a layer, making it if it is missing."""
    if layer not in shared:
        label = f"Mouthpiece {nla.NAMES[layer]} – {name.removeprefix('Mouthpiece ')}" if layer else name
        action = nla.new_action(label, layer) if layer else bpy.data.actions.new(label)
        ledgers.mark_made(action)
        undo.callback(bpy.data.actions.remove, action)
        shared[layer] = action
    return shared[layer]


def _unassign(data: bpy.types.AnimData) -> None:
    """Unassign the action, and remove its slot from it."""
    _drop_slot(data)
    data.action = None


def _drop_slot(data: bpy.types.AnimData) -> None:
    """Remove the slot in use from the action."""
    slot = data.action_slot
    if slot is not None:
        data.action.slots.remove(slot)


def apply(item: Plan, undo: ExitStack) -> None:
    """Carry out one plan whose owner has an action; ``undo`` gets callbacks that revert it."""
    owner, ledger = item.owner, item.ledger
    existing = curves_by_place(owner, item.layer)
    before = dict(ledger.before)
    for channel, change in item.changes.items():
        fcurve = existing.get((change.data_path, change.index))
        if len(change.keys):
            undo.callback(_set_keys, item, change, change.before)
            if fcurve is None:
                before.setdefault(channel, ledgers.value_before(owner, change.data_path, change.index))
            _set_keys(item, change, change.keys, fcurve)
        elif fcurve is not None:
            _empty_curve(item, channel, change, fcurve, before, undo)
    undo.callback(_ledger_restorer(item))
    item.lines = settled(owner, item.layer, item.lines, {id: change.keys for id, change in item.changes.items()})
    ledgers.write(owner, ledgers.Ledger(item.lines, before if item.lines else {}, ledger.made_data), item.layer)
    if item.layer:
        undo.callback(nla.fit, owner, item.layer)
        nla.fit(owner, item.layer)
    owner.update_tag()


def settled(
    owner: bpy.types.ID, layer: str, lines: Sequence[ledgers.LedgerLine], written: Mapping[str, Keys]
) -> list[ledgers.LedgerLine]:
    """Return ledger lines with the checksums of ``written`` keys as Blender has them now: it moves aligned handles."""
    bent = {channel: keys for channel, keys in written.items() if len(keys) and keys.is_curved}
    curves = curves_by_place(owner, layer) if bent else {}
    present = {channel: BareKeys.read(curves[split_id(channel)]) for channel in bent}
    found = []
    for line in lines:
        sums = dict(line.channels)
        for channel in present.keys() & sums.keys():
            if sums[channel] == bent[channel].checksum(line.first, line.last):
                sums[channel] = present[channel].checksum(line.first, line.last)
        found.append(ledgers.LedgerLine(line.sound, line.first, line.last, sums))
    return found


def measured(part: Part, kept: Collection[str]) -> Reduction | None:
    """Return how many keys a part's channels have, and how far Blender's evaluation is from the part's curves.

    Channels that were ``kept`` as they were, or that hold their values, do not count. None if none is left, and if the
    part has a key on every frame.
    """
    if part.error <= 0:
        return None
    curves = curves_by_place(part.owner, part.layer)
    frames = part.curves.frames.tolist()
    total = Reduction()
    for channel in part.channels:
        curve = curves.get((channel.data_path, channel.index))
        if channel.stepped or channel.name in kept or curve is None:
            continue
        played = np.array([curve.evaluate(frame) for frame in frames])
        missed = float(np.abs(played - part.curves[channel.name]).max()) / channel.reach
        keys = int(Keys.read(curve).within(frames[0], frames[-1]).sum())
        total = Reduction(total.keys + keys, total.frames + len(frames), max(total.error, missed))
    return total if total.frames else None


def _set_keys(item: Plan, change: Change, keys: Keys | None, fcurve: Any = None) -> None:
    """Make ``keys`` the only keys of a channel, making its curve if it is missing; None removes the curve."""
    if keys is None:
        curves = nla.fcurves_of(item.owner, item.layer)
        made = curves.find(change.data_path, index=change.index) if curves else None
        if made is not None:
            curves.remove(made)
        return
    keys.put(fcurve or nla.ensure_fcurve(item.owner, item.layer, change.data_path, change.index))


def _empty_curve(
    item: Plan, channel: str, change: Change, fcurve: Any, before: dict[str, float], undo: ExitStack
) -> None:
    """Remove all keys of a curve. If Mouthpiece made it, remove it too and restore the value its property had."""
    undo.callback(_set_keys, item, change, change.before)
    if channel not in before:
        change.keys.put(fcurve)
        return
    place, value = (item.owner, change.data_path, change.index), before.pop(channel)
    there = rna_values.exists(*place)  # what the curve moved may have been removed since
    if there:
        undo.callback(rna_values.put, *place, rna_values.get(*place))
    nla.fcurves_of(item.owner, item.layer).remove(fcurve)
    if there:
        rna_values.put(*place, value)


def _ledger_restorer(item: Plan) -> Callable[[], None]:
    """Return a function that restores the action's ledger and kept takes as they are now."""
    found = nla.action_and_slot(item.owner, item.layer)
    assert found is not None  # keys have just been put there
    action, before = found[0], ledgers.snapshot(found[0])
    return lambda: ledgers.restore(action, before)


def tidy(item: Plan) -> None:
    """Remove the track, slot, action and animation data Mouthpiece made for an owner, once nothing is in them."""
    owner, data = item.owner, item.owner.animation_data
    if data is None:
        return
    if item.layer:
        nla.tidy(owner, item.layer)
    elif data.action is not None and not len(nla.fcurves_of(owner)) and ledgers.was_made(data.action):
        action = data.action
        _unassign(data)
        if not len(action.slots):
            bpy.data.actions.remove(action)
    if item.ledger.made_data and data.action is None and not len(data.drivers) and not len(data.nla_tracks):
        owner.animation_data_clear()
