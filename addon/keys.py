"""Curves into f-curves: the only file that writes keys.

Takes replace takes and nothing else (see :mod:`planning`). Everything is planned before anything is
written, and what fails half-way is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import bpy

from . import compat, sharing, store, values
from .keyframes import Keys
from .planning import Change, Line, Part, Plan, Written, action_of, plan, plan_removal
from .targets import Drawings, drawers


def write(
    parts: Sequence[Part],
    line: Line,
    action_name: str,
    replace_edited: bool = False,
    drawings: Sequence[Drawings] = (),
) -> Written:
    """Write a take and return what was done.

    Parts without an Action share a new one called ``action_name``. Raises RigError, with nothing
    changed, if an Action may not be edited, drawings may not be made, or every channel holds keys of the user's own.
    """
    from mouthpiece.errors import RigError

    with ExitStack() as undo:
        remarks = sharing.separate([part.owner for part in parts], undo)
        plans = [plan(part, line, replace_edited) for part in parts]
        total = _total(plans)
        total.warnings += remarks
        if not total.channels and not drawings:
            reasons = ", ".join(sorted(set(total.kept.values())))
            raise RigError(
                f"Nothing was keyed: every channel is taken ({reasons}). Remove those keys, or turn on "
                "Replace Edited Keys."
            )
        for drawing in drawings:
            drawing.check()
        shared = next((a for a in map(action_of, (item.owner for item in plans)) if a and store.was_made(a)), None)
        for item in plans:
            if item.changes:
                shared = _assign_action(item, shared, action_name, undo)
                _apply(item, undo)
        for drawing in drawings:
            total.add(drawing.write(line, undo))
        undo.pop_all()
    return total


def remove(owners: Sequence[bpy.types.ID], replace_edited: bool = False) -> Written:
    """Take every take off ``owners``: keys, curves, drawings and actions Mouthpiece made go, earlier values come back.

    Keys changed since stay, and are the user's from then on, unless ``replace_edited``.
    """
    drawn = [(owner, kind) for owner in owners for kind in drawers(owner)]
    with ExitStack() as undo:
        sharing.separate([owner for owner in owners if store.read(owner).takes], undo)
        plans = [plan_removal(owner, replace_edited) for owner in owners]
        total = _total(plans)
        for item in plans:
            if item.ledger.takes:
                _apply(item, undo)
        for owner, kind in drawn:
            total.add(kind.erase(owner, undo))
        undo.pop_all()
    for item in plans:
        _tidy(item)
    for owner, _ in drawn:
        store.forget_lines(owner)
    return total


def has_takes(owner: bpy.types.ID) -> bool:
    """Return whether a take of Mouthpiece's animates ``owner``, or is drawn in it."""
    return bool(store.read(owner).takes) or bool(drawers(owner))


def _total(plans: Sequence[Plan]) -> Written:
    total = Written()
    for item in plans:
        total.add(item.written)
    return total


def _assign_action(item: Plan, shared: bpy.types.Action | None, name: str, undo: ExitStack) -> bpy.types.Action | None:
    """Give the plan's owner an action if it has none; return the action Mouthpiece made, for others to share."""
    owner = item.owner
    if owner.animation_data is None:
        owner.animation_data_create()
        item.ledger.made_data = True
        undo.callback(owner.animation_data_clear)
    data = owner.animation_data
    if data.action is not None:
        if data.action_slot is None:
            undo.callback(_drop_slot, data)
        return shared
    if shared is None:
        shared = bpy.data.actions.new(name)
        store.mark_made(shared)
        undo.callback(bpy.data.actions.remove, shared)
    undo.callback(_unassign, data)
    data.action = shared
    return shared


def _unassign(data: bpy.types.AnimData) -> None:
    """Take the action off, and its slot out of the action."""
    _drop_slot(data)
    data.action = None


def _drop_slot(data: bpy.types.AnimData) -> None:
    """Take the slot out of the action."""
    slot = data.action_slot
    if slot is not None:
        data.action.slots.remove(slot)


def _apply(item: Plan, undo: ExitStack) -> None:
    """Carry out a plan; ``undo`` gets what puts everything back."""
    owner, ledger = item.owner, item.ledger
    existing = {(f.data_path, f.array_index): f for f in compat.fcurves_of(owner)}
    before = dict(ledger.before)
    for channel, change in item.changes.items():
        fcurve = existing.get((change.data_path, change.index))
        if len(change.keys):
            undo.callback(_put, owner, change, change.before)
            if fcurve is None:
                before.setdefault(channel, values.get(owner, change.data_path, change.index))
            _put(owner, change, change.keys, fcurve)
        elif fcurve is not None:
            _take_off(owner, channel, change, fcurve, before, undo)
    undo.callback(_remember(owner))
    store.write(owner, store.Ledger(item.takes, before if item.takes else {}, ledger.made_data))
    owner.update_tag()


def _put(owner: bpy.types.ID, change: Change, keys: Keys | None, fcurve: Any = None) -> None:
    """Make ``keys`` the only keys of a channel, whose curve is made, or with None removed."""
    action = owner.animation_data.action
    if keys is None:
        curves = compat.fcurves_of(owner)
        made = curves.find(change.data_path, index=change.index) if curves else None
        if made is not None:
            curves.remove(made)
        return
    curve = fcurve or action.fcurve_ensure_for_datablock(owner, change.data_path, index=change.index)
    keys.put(curve)


def _take_off(
    owner: bpy.types.ID, channel: str, change: Change, fcurve: Any, before: dict[str, float], undo: ExitStack
) -> None:
    """Empty a curve; one that Mouthpiece made goes, and the value it drove comes back."""
    undo.callback(_put, owner, change, change.before)
    if channel not in before:
        change.keys.put(fcurve)
        return
    undo.callback(values.put, owner, change.data_path, change.index, _value(owner, change))
    compat.fcurves_of(owner).remove(fcurve)
    values.put(owner, change.data_path, change.index, before.pop(channel))


def _value(owner: bpy.types.ID, change: Change) -> float:
    return values.get(owner, change.data_path, change.index)


def _remember(owner: bpy.types.ID) -> Callable[[], None]:
    """Return what puts the action's ledger and kept takes back as they are now."""
    action = owner.animation_data.action
    before = store.snapshot(action)
    return lambda: store.restore(action, before)


def _tidy(item: Plan) -> None:
    """Remove the slot, action and animation data Mouthpiece made for an owner, once nothing is in them."""
    owner = item.owner
    data = owner.animation_data
    if data is None or data.action is None or len(compat.fcurves_of(owner)) or not store.was_made(data.action):
        return
    action = data.action
    _unassign(data)
    if not len(action.slots):
        bpy.data.actions.remove(action)
    if item.ledger.made_data and not len(data.drivers) and not len(data.nla_tracks):
        owner.animation_data_clear()
