"""Separates Actions that several data-blocks share: a duplicate uses its original's, an override its library's.

Before a line is written, dialled or removed, a data-block gets an Action of its own, so that the others stay as they
are. An Action of the user's that several data-blocks share stays shared: that is how Blender animates them together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import bpy

from . import ledgers, nla


def separate(owners: Iterable[bpy.types.ID], undo: ExitStack) -> list[str]:
    """Give each of ``owners`` that shares an Action with other data-blocks a copy of it, and return remarks.

    Those of ``owners`` that share an Action share the copy as well. ``undo`` gets callbacks that revert it.
    """
    chosen = list(dict.fromkeys(owners))
    copies: dict[bpy.types.Action, bpy.types.Action] = {}
    remarks: dict[str, None] = {}
    played = Counter(holder.action for owner in chosen for holder in _holders(owner))
    for owner in chosen:
        for holder in _holders(owner):
            others = _other_users(owner, holder, chosen, played)
            if others is None:
                continue
            action = holder.action
            if action not in copies:
                copies[action] = action.copy()
                undo.callback(bpy.data.actions.remove, copies[action])
            undo.callback(_assign, holder, action, holder.action_slot.handle)
            _assign(holder, copies[action], holder.action_slot.handle)
            remarks[f"'{owner.name}' has an action of its own now: it shared one with {others}."] = None
    for copy in copies.values():
        _drop_unused(copy)
    return list(remarks)


def _holders(owner: bpy.types.ID) -> list[Any]:
    """Return the animation data and the layers' strips of ``owner``, as far as they have an Action and a slot."""
    data = getattr(owner, "animation_data", None)
    if data is None or data.use_tweak_mode:
        return []
    strips = [nla.strip_of(owner, layer) for layer in nla.layers_of(owner)]
    return [it for it in (data, *strips) if it.action is not None and it.action_slot is not None]


def _other_users(
    owner: bpy.types.ID, holder: Any, chosen: list[bpy.types.ID], played: Mapping[bpy.types.Action, int]
) -> str | None:
    """Return the names of the other users of a ``holder``'s Action, as text; None if ``owner`` may keep that Action.

    ``played`` is how often the ``chosen`` data-blocks use each Action: if Blender counts no more users than that, the
    slow search for others is left out.
    """
    action, slot = holder.action, holder.action_slot
    if owner.override_library is not None and not action.is_editable:
        return "its library"
    if action.users - int(action.use_fake_user) <= played[action] or not ledgers.was_made(action):
        return None
    others = [user.name for user in nla.players(action, slot) if user not in chosen]
    return ", ".join(f"'{name}'" for name in sorted(set(others))) or None


def _assign(holder: Any, action: bpy.types.Action, handle: int) -> None:
    """Give animation data or a strip an Action and its slot with that handle."""
    holder.action = action
    holder.action_slot = next(slot for slot in action.slots if slot.handle == handle)


def _drop_unused(action: bpy.types.Action) -> None:
    """Remove the slots that animate nothing from a copied Action, with their ledgers."""
    unused: list[Any] = [slot for slot in action.slots if not nla.players(action, slot)]
    ledgers.forget_slots(action, [str(slot.handle) for slot in unused])
    for slot in unused:
        action.slots.remove(slot)
