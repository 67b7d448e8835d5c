"""Takes kept in the Action that plays them, so that they can be dialled again without being heard again.

The motion as inferred lies in a custom property of its own a line (bytes, see :mod:`mouthpiece.packing`); what it was
baked onto lies with the ledger (:mod:`store`). Both leave with the Action: into other files, copies and libraries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import bpy

from . import store

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance


@dataclass(frozen=True, slots=True)
class Kept:
    """A line that can be dialled: its sound, where it lies, what turned with the head, strength and dials.

    ``grid`` holds the numbers of a :class:`FrameGrid`, ``head`` those of a head target, or nothing.
    """

    sound: str
    label: str
    grid: Mapping[str, Any]
    strength: float = 1.0
    head: Mapping[str, Any] = field(default_factory=dict)
    dials: Mapping[str, Any] = field(default_factory=dict)

    def frames(self) -> FrameGrid:
        """Return where it lies."""
        from mouthpiece.curves import FrameGrid

        return FrameGrid(**self.grid)


def keep(owner: bpy.types.ID, line: Kept, take: Performance) -> None:
    """Keep a line with the action and slot that animate ``owner``, in place of an earlier one of the same sound."""
    from mouthpiece.packing import pack

    action, number = owner.animation_data.action, _number(owner, line)
    store.put_line(owner, number, asdict(line))
    store.put_bytes(action, store.TAKE_PREFIX + number, pack(take))


def lines(owner: bpy.types.ID) -> list[Kept]:
    """Return the lines kept for ``owner``; what cannot be read is left out."""
    found = []
    for entry in store.lines(owner).values():
        try:
            found.append(Kept(**entry))
        except TypeError:
            continue
    return found


def motion(owner: bpy.types.ID, line: Kept) -> Performance:
    """Return a kept line's motion as inferred; TakeError if it is gone or damaged."""
    from mouthpiece.errors import TakeError

    action = owner.animation_data.action
    content = action.get(store.TAKE_PREFIX + _number(owner, line))
    if not isinstance(content, bytes):
        raise TakeError(f"The motion of {line.label} is not in the action '{action.name}'. Animate the sound again.")
    return _unpacked(content)


def remember_dials(owner: bpy.types.ID, line: Kept, dials: Mapping[str, Any]) -> None:
    """Note how a line is dialled now."""
    store.put_line(owner, _number(owner, line), asdict(line) | {"dials": dict(dials)})


@lru_cache(maxsize=4)
def _unpacked(content: bytes) -> Performance:
    from mouthpiece.packing import unpack

    return unpack(content)


def _number(owner: bpy.types.ID, line: Kept) -> str:
    """Return what a line's motion is filed under: two characters may share an action, not a slot."""
    return hashlib.sha256(f"{owner.animation_data.action_slot.handle} {line.sound}".encode()).hexdigest()[:16]
