"""Dialling lines again: new values for keys that are there, from motion kept in the scene. No network, no sound.

Frames and channels stay as they were baked; keys of the user's own, and keys changed since, stay as they are.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import bpy

from . import edits, rekeying, remaking
from .keys import kept_takes, ledgers, shared_actions, writer
from .keys.plan import Line, Part, Rescued, Written
from .layering import Seen
from .targets import Drawings, Driven, drawers, find_object, owners_of

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials
#: Dials that change how a head moves; the others need not touch it.
_HEAD_DIALS: Final = ("head", "style", "smoothing", "offset")


@dataclass(slots=True)
class _Redialled:
    """What dialling a line changes: keys, and drawings that are made again."""

    keyed: list[rekeying.Changed] = field(default_factory=list)
    drawn: list[Drawings] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rescued: Rescued = field(default_factory=Rescued)


def redial(
    obj: bpy.types.Object,
    dials: Dials,
    frame: int | None = None,
    replace_edited: bool = False,
    draft: bool = False,
) -> Written:
    """Give the lines of a character other dials, and return what was done.

    With ``frame``, only the lines heard at it. A ``draft``, while a dial is dragged, takes less time where keys are
    reduced: they are within the same error, but may be more than needed. Raises RigError or TakeError, with nothing
    changed, if there is no such line, or its keys may not be edited.
    """
    total = Written()
    with ExitStack() as undo:
        owners = _owners(obj, _chosen(obj, frame), dials)
        total.warnings += shared_actions.separate(owners, undo)
        # One after the other: lines share curves.
        for line in _chosen(obj, frame):
            change = _changes(obj, line, dials, replace_edited, draft)
            for changed in change.keyed:
                rekeying.carry_out(changed, line.sound, f"Mouthpiece {obj.name}", undo)
                total.add(changed.written)
            writer.carry_out(change.rescued.plans, f"Mouthpiece {obj.name}", undo)
            grid = line.frames()
            for drawing in change.drawn:
                total.add(drawing.write(Line(line.sound, grid.first, grid.last), undo))
            total.warnings += change.warnings
            assert line.home is not None  # it was found there
            undo.callback(ledgers.restore, line.home.holder, ledgers.snapshot(line.home.holder))
            kept_takes.remember_dials(line, dials.saved())
        undo.pop_all()
    return total


def _owners(obj: bpy.types.Object, lines: list[kept_takes.Kept], dials: Dials) -> list[bpy.types.ID]:
    """Return the data-blocks in which keys of lines will change."""
    found: dict[bpy.types.ID, None] = {}
    for line in lines:
        for number, saved in enumerate(line.targets):
            still = saved["kind"] == "HEAD" and _as_before(line, dials, _HEAD_DIALS)
            target = None if still else remaking.target_again(obj, line, number, [])
            for owner in type(target).owners(find_object(target.object_name)) if target is not None else ():
                if edits.ranges_of(owner, line.sound):
                    found[owner] = None
    return list(found)


def dialled_lines(obj: bpy.types.Object | None, frame: int | None = None) -> list[kept_takes.Kept]:
    """Return the lines of a character that can be dialled, or those of them heard at ``frame``."""
    found: dict[str, kept_takes.Kept] = {}
    for owner in owners_of([obj], None):
        for line in kept_takes.lines(owner):
            if frame is None or _heard(owner, line, frame):
                found.setdefault(line.sound, line)
    return list(found.values())


def _heard(owner: bpy.types.ID, line: kept_takes.Kept, frame: int) -> bool:
    """Return whether a line plays at a frame: as the ledger has it, or where it was put if it is drawn."""
    if line.home == ledgers.Home(owner):
        grid = line.frames()
        return grid.first <= frame <= grid.last
    return any(first <= frame <= last for first, last in edits.ranges_of(owner, line.sound))


def _chosen(obj: bpy.types.Object, frame: int | None) -> list[kept_takes.Kept]:
    from mouthpiece.errors import RigError

    if not dialled_lines(obj):
        raise RigError(f"'{obj.name}' carries no line that can be dialled. Animate it first.")
    chosen = dialled_lines(obj, frame)
    if not chosen:
        raise RigError(f"'{obj.name}' speaks no line at frame {frame}. Go to one, or dial all lines.")
    return chosen


def _changes(obj: bpy.types.Object, line: kept_takes.Kept, dials: Dials, replace: bool, draft: bool) -> _Redialled:
    """Return what dialling one line changes, having changed nothing."""
    found, layered = _Redialled(), remaking.is_layered(line)
    if layered and not replace:
        edits.rescue(found.rescued, obj, line)
    seen, grid = Seen.of(kept_takes.motion(line), dials, layered, line.error), line.frames()
    for number, saved in enumerate(line.targets):
        if saved["kind"] == "HEAD" and _as_before(line, dials, _HEAD_DIALS):
            continue
        target = remaking.target_again(obj, line, number, found.warnings)
        if target is None:
            continue
        driven = seen.drive(target, grid, True)
        found.warnings += driven.warnings
        found.keyed += [
            rekeying.replanned(part, line.sound, replace, found.rescued.of(part), draft) for part in _keyed(driven)
        ]
        if driven.drawings is not None and drawers(driven.drawings.owner):
            driven.drawings.check()
            found.drawn.append(driven.drawings)
    return found


def _keyed(driven: Driven) -> list[Part]:
    return [part for part in driven.parts if part.channels]


def _as_before(line: kept_takes.Kept, dials: Dials, names: tuple[str, ...]) -> bool:
    """Return whether a line has those dials already."""
    saved = dials.saved()
    return all(line.dials.get(name) == saved.get(name) for name in names)
