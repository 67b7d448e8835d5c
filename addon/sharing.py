"""Actions that others use as well: a duplicate shares its original's, an override has its library's.

Before a take is written, dialled or removed, a data-block gets an Action of its own, so that the others stay as they
are. An Action of the user's that several data-blocks share stays shared: that is how Blender animates them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

import bpy

from . import store


def separate(owners: Iterable[bpy.types.ID], undo: ExitStack) -> list[str]:
    """Give each data-block whose Action is not its own a copy of it, and return remarks; ``undo`` gets the way back.

    Data-blocks among ``owners`` that share an Action go on sharing the copy.
    """
    chosen = list(dict.fromkeys(owners))
    copies: dict[bpy.types.Action, bpy.types.Action] = {}
    remarks = []
    for owner in chosen:
        others = _others(owner, chosen)
        if others is None:
            continue
        data = owner.animation_data
        action = data.action
        if action not in copies:
            copies[action] = action.copy()
            undo.callback(bpy.data.actions.remove, copies[action])
        undo.callback(_assigner(data))
        _assign(data, copies[action], data.action_slot.handle)
        remarks.append(f"'{owner.name}' has an action of its own now: it shared one with {others}.")
    for copy in copies.values():
        _drop_unused(copy)
    return remarks


def _others(owner: bpy.types.ID, chosen: list[bpy.types.ID]) -> str | None:
    """Return who else uses the Action of ``owner`` that it may not keep, in words; None if it may keep it."""
    data = getattr(owner, "animation_data", None)
    if data is None or data.action is None or data.action_slot is None or data.use_tweak_mode:
        return None
    if owner.override_library is not None and not data.action.is_editable:
        return "its library"
    if not store.was_made(data.action):
        return None
    others = [user.name for user in data.action_slot.users() if user is not None and user not in chosen]
    return ", ".join(f"'{name}'" for name in sorted(set(others))) or None


def _assign(data: bpy.types.AnimData, action: bpy.types.Action, handle: int) -> None:
    data.action = action
    data.action_slot = next(slot for slot in action.slots if slot.handle == handle)


def _assigner(data: bpy.types.AnimData) -> Callable[[], None]:
    """Return what gives back the Action and slot of now."""
    return partial(_assign, data, data.action, data.action_slot.handle)


def _drop_unused(action: bpy.types.Action) -> None:
    """Take the slots that animate nothing out of a copy, with what is noted of them."""
    unused: list[Any] = [slot for slot in action.slots if not slot.users()]
    store.forget_slots(action, [str(slot.handle) for slot in unused])
    for slot in unused:
        action.slots.remove(slot)
