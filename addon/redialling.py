"""Dialling lines again: new values for keys that are there, from motion kept in the scene. No network, no sound.

Frames and channels stay as they were baked; keys of the user's own, and keys changed since, stay as they are.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import bpy

from . import compat, sharing, store, takes
from .keyframes import Keys
from .moving import Held, Step
from .planning import Line, Part, Written, check_editable
from .targets import Drawings, Target, drawers, made_again, owners_of

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials
#: Dials that change how a head moves; the others need not touch it.
_HEAD_DIALS: Final = ("head", "style", "smoothing", "offset")

@dataclass(slots=True)
class _Changed:
    """What dialling changes in one data-block: how to carry it out, and how to take it back.

    ``sums`` holds the new checksums, by the number of the take and the channel's id.
    """

    owner: bpy.types.ID
    sums: dict[tuple[int, str], int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    written: Written = field(default_factory=Written)


@dataclass(slots=True)
class _Redialled:
    """What dialling a line changes: keys, and drawings that are made again."""

    line: takes.Kept
    keyed: list[_Changed] = field(default_factory=list)
    drawn: list[Drawings] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def redial(obj: bpy.types.Object, dials: Dials, frame: int | None = None, replace_edited: bool = False) -> Written:
    """Give the lines of a character other dials, and return what was done.

    With ``frame``, only the lines heard at it. Raises RigError or TakeError, with nothing changed, if there is no
    such line, or its keys may not be edited.
    """
    total = Written()
    with ExitStack() as undo:
        changes = [_changes(obj, line, dials, replace_edited) for line in _chosen(obj, frame)]
        total.warnings += sharing.separate([changed.owner for change in changes for changed in change.keyed], undo)
        if total.warnings:  # their curves and their lines are those of other actions now
            changes = [_changes(obj, line, dials, replace_edited) for line in _chosen(obj, frame)]
        for change in changes:
            for changed in change.keyed:
                _carry_out(changed, undo)
                total.add(changed.written)
            grid = change.line.frames()
            for drawing in change.drawn:
                total.add(drawing.write(Line(change.line.sound, grid.first, grid.last), undo))
            total.warnings += change.warnings
        for change in changes:
            takes.remember_dials(change.line, dials.saved())
        undo.pop_all()
    return total


def _carry_out(changed: _Changed, undo: ExitStack) -> None:
    action = changed.owner.animation_data.action
    undo.callback(store.restore, action, store.snapshot(action))
    for do, take_back in changed.steps:
        undo.callback(take_back)
        do()
    # read anew: a line before, or another target on the same data-block (a head bone), may have changed it meanwhile
    ledger, sums = store.read(changed.owner), changed.sums
    kept = [
        store.Take(t.sound, t.first, t.last, {c: sums.get((k, c), own) for c, own in t.channels.items()})
        for k, t in enumerate(ledger.takes)
    ]
    store.write(changed.owner, store.Ledger(kept, ledger.before, ledger.made_data))
    changed.owner.update_tag()


def dialled_lines(obj: bpy.types.Object | None, frame: int | None = None) -> list[takes.Kept]:
    """Return the lines of a character that can be dialled, or those of them heard at ``frame``."""
    found: dict[str, takes.Kept] = {}
    for owner in owners_of([obj], None):
        for line in takes.lines(owner):
            if frame is None or _heard(owner, line, frame):
                found.setdefault(line.sound, line)
    return list(found.values())


def _heard(owner: bpy.types.ID, line: takes.Kept, frame: int) -> bool:
    """Return whether a line plays at a frame: as the ledger has it, or where it was put if it is drawn."""
    if line.home == store.Home(owner):
        grid = line.frames()
        return grid.first <= frame <= grid.last
    return any(take.sound == line.sound and take.first <= frame <= take.last for take in store.read(owner).takes)


def _chosen(obj: bpy.types.Object, frame: int | None) -> list[takes.Kept]:
    from mouthpiece.errors import RigError

    if not dialled_lines(obj):
        raise RigError(f"'{obj.name}' carries no line that can be dialled. Animate it first.")
    chosen = dialled_lines(obj, frame)
    if not chosen:
        raise RigError(f"'{obj.name}' speaks no line at frame {frame}. Go to one, or dial all lines.")
    return chosen


def _changes(obj: bpy.types.Object, line: takes.Kept, dials: Dials, replace: bool) -> _Redialled:
    """Return what dialling one line changes, having changed nothing."""
    from mouthpiece.motion.dials import apply

    found = _Redialled(line)
    seen, grid = apply(takes.motion(line), dials), line.frames()
    for number, saved in enumerate(line.targets):
        if saved["kind"] == "HEAD" and _as_before(line, dials, _HEAD_DIALS):
            continue
        target = _made_again(obj, line, number, found)
        if target is None:
            continue
        driven = target.drive(seen, grid)
        found.warnings += driven.warnings
        found.keyed += [_replanned(part, line.sound, replace) for part in driven.parts if part.channels]
        if driven.drawings is not None and drawers(driven.drawings.owner):
            driven.drawings.check()
            found.drawn.append(driven.drawings)
    return found


def _as_before(line: takes.Kept, dials: Dials, names: tuple[str, ...]) -> bool:
    """Return whether a line has those dials already."""
    saved = dials.saved()
    return all(line.dials.get(name) == saved.get(name) for name in names)


def _made_again(obj: bpy.types.Object, line: takes.Kept, number: int, found: _Redialled) -> Target | None:
    """Return a line's target; None, with a remark, if it is gone and not the character itself."""
    from mouthpiece.errors import RigError

    saved = line.targets[number]
    try:
        return made_again({**saved, "object_name": _name_now(obj, line, number)})
    except RigError as error:
        if number == 0:
            raise
        what = "The head" if saved["kind"] == "HEAD" else f"'{saved['object_name']}'"
        found.warnings.append(f"{what} stays as it is: {error}")
        return None


def _name_now(obj: bpy.types.Object, line: takes.Kept, number: int) -> str:
    """Return what a line's object is called now: a character, and what plays along, may be renamed, or copies."""
    if number == 0:
        return obj.name
    saved = line.targets[number]
    also = [entry.object for entry in obj.mouthpiece.also if entry.object is not None]
    place = number - 1
    if saved["kind"] != "HEAD" and place < len(also):
        return also[place].name
    playing = [one.name for one in _kin(obj) if any(take.sound == line.sound for take in store.read(one).takes)]
    named = str(saved["object_name"])
    return named if saved["kind"] != "HEAD" or named in playing or not playing else playing[0]


def _kin(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the objects that hang together with a character: what it is parented to, and what deforms it."""
    top = obj
    while top.parent is not None:
        top = top.parent
    rigs = [modifier.object for modifier in obj.modifiers if modifier.type == "ARMATURE" and modifier.object]
    return [*rigs, top, *top.children_recursive]


def _replanned(part: Part, sound: str, replace: bool) -> _Changed:
    """Return new values for the keys a line has in one data-block."""
    check_editable(part.owner)
    ledger = store.read(part.owner)
    changed = _Changed(part.owner)
    curves = {(f.data_path, f.array_index): f for f in compat.fcurves_of(part.owner)}
    for channel in part.channels:
        mine = [k for k, take in enumerate(ledger.takes) if take.sound == sound and channel.id in take.channels]
        fcurve = curves.get((channel.data_path, channel.index))
        if not mine or fcurve is None:
            continue
        fresh = part.keys(channel)
        ranges = [(ledger.takes[k].first, ledger.takes[k].last) for k in mine]
        held = Held.read(fcurve)
        edited = any(
            held.checksum(*ranges[n]) != ledger.takes[k].channels[channel.id] for n, k in enumerate(mine)
        )
        if fcurve.lock or (edited and not replace):
            changed.written.kept[channel.name] = "locked" if fcurve.lock else "edited since it was baked"
            continue
        if edited or channel.stepped:
            changed.steps.append(_rewritten(fcurve, fresh, ranges))
        else:
            changed.steps += held.moved(fcurve, fresh, ranges)
        for n, k in enumerate(mine):
            changed.sums[k, channel.id] = fresh.checksum(*ranges[n])
        changed.written.channels += 1
        changed.written.keys += sum(last - first + 1 for first, last in ranges)
    return changed


def _rewritten(fcurve: Any, fresh: Keys, ranges: list[tuple[int, int]]) -> Step:
    """Return how to bake over keys that were edited."""
    before = after = Keys.read(fcurve)
    for first, last in ranges:
        after = after.only(~after.within(first, last)).joined(fresh.only(fresh.within(first, last)))
    return partial(after.put, fcurve), partial(before.put, fcurve)
