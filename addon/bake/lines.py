"""The lines a character carries, and where they are heard."""

from __future__ import annotations

import bpy

from ..keys import kept_takes, ledgers
from ..targets import drawers, owners_of
from . import edits

#: Kinds of targets whose shape keys may be played by the controls of a rig.
_PLAYED = ("NAMES", "SOLVED")


def dialled_lines(obj: bpy.types.Object | None, frame: int | None = None) -> list[kept_takes.KeptLine]:
    """Return the lines of a character that can be dialled, or those of them heard at ``frame``."""
    found: dict[str, kept_takes.KeptLine] = {}
    for owner in owners_of([obj], None):
        for line in kept_takes.lines(owner):
            if obj is not None and _is_anothers(obj, owner, line):
                continue
            if frame is None or _is_heard(owner, line, frame):
                found.setdefault(line.sound, line)
    return list(found.values())


def unread(obj: bpy.types.Object | None) -> list[str]:
    """Return a sentence about each data-block of a character in which what is noted of lines cannot be read."""
    found: dict[str, None] = {}
    for owner in owners_of([obj], None):
        why = kept_takes.objection(owner) or next((w for kind in drawers(owner) if (w := kind.objection(owner))), "")
        found |= {why: None} if why else {}
    return list(found)


def _is_anothers(obj: bpy.types.Object, owner: bpy.types.ID, line: kept_takes.KeptLine) -> bool:
    """Return whether a line that is kept in a rig belongs to another mesh, whose shape keys the rig's controls play."""
    saved = line.targets[0]
    name = str(saved["object_name"])
    if name == obj.name or saved["kind"] not in _PLAYED or owner == getattr(obj.data, "shape_keys", None):
        return False
    other = bpy.data.objects.get(name)
    if other is None:
        return False
    # Its drivers may have been deleted since: then the mesh still remembers the rig.
    return owner in owners_of([other], None) or any(entry.object == obj for entry in other.mouthpiece.driven)


def _is_heard(owner: bpy.types.ID, line: kept_takes.KeptLine, frame: int) -> bool:
    """Return whether a line plays at a frame: by the ledger if it is keyed, by its grid if it is drawn."""
    if line.home == ledgers.Home(owner):
        grid = line.frames()
        return grid.first <= frame <= grid.last
    return any(first <= frame <= last for first, last in edits.ranges_of(owner, line.sound))
