"""Takes taken off a character again: keys, layers, drawings, and the actions that were made for them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import bpy

from ..keys import ledgers, nla, shared_actions, writer
from ..keys.channels import Written
from ..keys.plan import plan_removal
from ..targets import drawers


def remove(owners: Sequence[bpy.types.ID], replace_edited: bool = False) -> Written:
    """Take every take off ``owners``: keys, curves, drawings and actions Mouthpiece made go, earlier values come back.

    Keys changed since stay, and are the user's from then on, unless ``replace_edited``. Layers go as a whole, edits and
    all: an offset is nothing without what it is added to.
    """
    drawn = [(owner, kind) for owner in owners for kind in drawers(owner)]
    with ExitStack() as undo:
        taken = [owner for owner in owners if any(ledgers.read(owner, layer).takes for layer in nla.sheets(owner))]
        shared_actions.separate(taken, undo)
        plans = [
            plan_removal(owner, replace_edited or bool(layer), layer) for owner in owners for layer in nla.sheets(owner)
        ]
        total = writer.total(plans)
        for item in plans:
            if item.ledger.takes:
                writer.apply(item, undo)
        for owner, kind in drawn:
            total.add(kind.erase(owner, undo))
        undo.pop_all()
    for owner in owners:
        nla.drop(owner, "edits")
    for item in plans:
        writer.tidy(item)
    for owner, _ in drawn:
        ledgers.forget_lines(owner)
    return total


def has_takes(owner: bpy.types.ID) -> bool:
    """Return whether a take of Mouthpiece's animates ``owner``, or is drawn in it."""
    return any(ledgers.read(owner, layer).takes for layer in nla.sheets(owner)) or bool(drawers(owner))
