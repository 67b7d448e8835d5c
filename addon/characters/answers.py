"""Answers about characters that hold for a moment: panels ask the same many times while they are drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import bpy
from bpy.app.handlers import persistent

#: Seconds for which an answer holds, if nothing in the file changes meanwhile.
_FRESH: Final = 1.0

_known: dict[tuple[str, str], tuple[float, list[str]]] = {}


def fresh(question: str, obj: bpy.types.Object, ask: Callable[[], list[bpy.types.Object]]) -> list[bpy.types.Object]:
    """Return the objects that ``ask`` returns as the answer to a question about an object, or did a moment ago.

    Without a user interface every question is asked anew: a script may have changed anything since.
    """
    if bpy.app.background:
        return ask()
    place, now = (question, obj.name_full), time.monotonic()
    when, names = _known.get(place, (-_FRESH, []))
    if now - when < _FRESH:
        there = {one.name_full: one for one in bpy.data.objects if one.name_full in names}
        if len(there) == len(set(names)):
            return [there[name] for name in names]
    found = ask()
    _known[place] = (now, [one.name_full for one in found])
    return found


@persistent
def forget(*_: Any) -> None:
    """Forget all answers: something in the file has changed."""
    _known.clear()


_HANDLERS: Final = ("depsgraph_update_post", "undo_post", "redo_post", "load_post")


def register() -> None:
    """Listen to changes."""
    for name in _HANDLERS:
        getattr(bpy.app.handlers, name).append(forget)


def unregister() -> None:
    """No longer listen."""
    for name in _HANDLERS:
        getattr(bpy.app.handlers, name).remove(forget)
    _known.clear()
