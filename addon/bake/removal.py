"""Removes lines from a character again: keys, layers, drawings, and the actions that were made for them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import bpy

from ..keys import ledgers, nla, shared_actions, writer
from ..keys.channels import Written
from ..keys.plan import plan_removal
from ..targets import drawers


def remove(owners: Sequence[bpy.types.ID], replace_edited: bool = False) -> Written:
    """Remove every line from ``owners`` and return what was removed.

    Keys, curves, drawings and actions that Mouthpiece made are removed, and earlier values restored. Edited keys stay
    unless ``replace_edited``, and are the user's own from then on. Layers are removed with their edits: an offset has
    no meaning without the motion it is added to.
    """
    drawn = [(owner, kind) for owner in owners for kind in drawers(owner)]
    with ExitStack() as undo:
        shared_actions.separate([owner for owner in owners if _is_keyed(owner)], undo)
        plans = [
            plan_removal(owner, replace_edited or bool(layer), layer)
            for owner in owners
            for layer in nla.keyed_layers(owner)
        ]
        total = writer.total(plans)
        for item in plans:
            if item.ledger.lines:
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


def has_lines(owner: bpy.types.ID) -> bool:
    """Return whether any line is keyed or drawn in ``owner``."""
    return _is_keyed(owner) or bool(drawers(owner))


def _is_keyed(owner: bpy.types.ID) -> bool:
    """Return whether any line is keyed in ``owner``, in its active action or in a layer."""
    return any(ledgers.read(owner, layer).lines for layer in nla.keyed_layers(owner))
