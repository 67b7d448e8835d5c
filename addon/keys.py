"""Curves into f-curves: the only file, with its hand :mod:`writing`, that writes keys.

Takes replace takes and nothing else (see :mod:`planning`). Everything is planned before anything is
written, and what fails half-way is put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import bpy

from . import nla, sharing, store, writing
from .planning import Line, Part, Plan, Rescued, Written, plan, plan_removal
from .targets import Drawings, drawers


def write(
    parts: Sequence[Part],
    line: Line,
    action_name: str,
    replace_edited: bool = False,
    drawings: Sequence[Drawings] = (),
    rescued: Rescued | None = None,
    undo: ExitStack | None = None,
) -> Written:
    """Write a take and return what was done.

    Parts without an Action share a new one called ``action_name``. Edits that were ``rescued`` become a layer first.
    Raises RigError, with nothing changed, if an Action may not be edited, drawings may not be made, or every channel
    holds keys of the user's own. With ``undo``, that takes it all back should what comes next fail.
    """
    from mouthpiece.errors import RigError

    saved = rescued or Rescued()
    with ExitStack() as mine:
        remarks = sharing.separate([part.owner for part in parts], mine)
        plans = [plan(part, line, replace_edited, saved.of(part)) for part in parts]
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
        writing.carry_out([*plans, *saved.plans], action_name, mine)
        for part, item in zip(parts, plans, strict=True):
            total.add(Written(reduction=writing.measured(part, item.written.kept)))
        for drawing in drawings:
            total.add(drawing.write(line, mine))
        rest = mine.pop_all()
    if undo is not None:
        undo.push(rest)
    return total


def remove(owners: Sequence[bpy.types.ID], replace_edited: bool = False) -> Written:
    """Take every take off ``owners``: keys, curves, drawings and actions Mouthpiece made go, earlier values come back.

    Keys changed since stay, and are the user's from then on, unless ``replace_edited``. Layers go as a whole, edits and
    all: an offset is nothing without what it is added to.
    """
    drawn = [(owner, kind) for owner in owners for kind in drawers(owner)]
    with ExitStack() as undo:
        taken = [owner for owner in owners if any(store.read(owner, layer).takes for layer in _sheets(owner))]
        sharing.separate(taken, undo)
        plans = [
            plan_removal(owner, replace_edited or bool(layer), layer) for owner in owners for layer in _sheets(owner)
        ]
        total = _total(plans)
        for item in plans:
            if item.ledger.takes:
                writing.apply(item, undo)
        for owner, kind in drawn:
            total.add(kind.erase(owner, undo))
        undo.pop_all()
    for owner in owners:
        nla.drop(owner, "edits")
    for item in plans:
        writing.tidy(item)
    for owner, _ in drawn:
        store.forget_lines(owner)
    return total


def has_takes(owner: bpy.types.ID) -> bool:
    """Return whether a take of Mouthpiece's animates ``owner``, or is drawn in it."""
    return any(store.read(owner, layer).takes for layer in _sheets(owner)) or bool(drawers(owner))


def _sheets(owner: bpy.types.ID) -> list[str]:
    """Return where keys of ``owner`` may be: its active action, and its layers."""
    return ["", *nla.layers_of(owner)]


def _total(plans: Sequence[Plan]) -> Written:
    total = Written()
    for item in plans:
        total.add(item.written)
    return total
