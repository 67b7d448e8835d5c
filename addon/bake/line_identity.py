"""Which lines of a character are the line that is being animated, though they were noted under another name.

A line is noted under what it was chosen by: a strip, a turn of one (the strip and a second of its sound), a sound
data-block, or the content of a file. Files move, strips are renamed or split into turns, and 0.4.0 noted files by their
full path; the line they were is taken over, so that it is replaced and not doubled.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from mouthpiece.errors import MouthpieceError, TakeError

from .. import compat
from ..keys import kept_takes, ledgers
from ..sound import recordings
from ..targets import drawers, owners_of
from . import edits, redial
from .claims import Claims

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid

#: Seconds by which the same sound at the same place may be off: half a frame at 25 a second.
_ALIGNED = 0.02


def take_over(
    obj: bpy.types.Object,
    owners: Iterable[bpy.types.ID],
    sound: recordings.Recording,
    line: kept_takes.KeptLine,
    sha256: str,
    undo: ExitStack,
) -> None:
    """Note earlier lines of a character that are the one being animated under its present name.

    Parameters
    ----------
    obj
        The character.
    owners
        The data-blocks that are about to be written.
    sound
        The sound that is being animated.
    line
        The line as it will be kept.
    sha256
        Hash of the samples, as takes have it, for lines of 0.4.0.
    undo
        Gets callbacks that revert it.
    """
    same: dict[str, None] = {}
    places = {home: owner for owner in owners for home in ledgers.homes(owner)}
    for known in redial.dialled_lines(obj):
        if known.sound != line.sound and _is_same(known, line, sha256):
            same[known.sound] = None
            places |= {home: owner for owner in _owners(obj, known) for home in ledgers.homes(owner)}
    old = f"file:{sound.path}"  # of early versions, which kept no takes
    if old != line.sound and any(noted.sound == old for home in places for noted in ledgers.ledger_lines(home)):
        same[old] = None
    others = Claims.of(obj).others if same else ()
    for before in same:
        for home, owner in places.items():
            shared = any(claim.owner == owner and before in claim.sounds for claim in others)
            if home.holder.is_editable and not shared:
                _rename(home, before, line.sound, undo)


def _rename(home: ledgers.Home, before: str, now: str, undo: ExitStack) -> None:
    """Note a line under another name in one place, if it is there."""
    noted = any(one.sound == before for one in ledgers.ledger_lines(home))
    if not (noted or any(entry.get("sound") == before for entry in ledgers.kept_entries(home).values())):
        return
    undo.callback(ledgers.restore, home.holder, ledgers.snapshot(home.holder))
    kept_takes.rename(home, before, now)
    if not home.slot:
        for kind in drawers(home.holder):
            kind.rename_line(home.holder, before, now, undo)


def _owners(obj: bpy.types.Object, line: kept_takes.KeptLine) -> list[bpy.types.ID]:
    """Return the data-blocks in which a line may be noted, as far as they are still there."""
    try:
        return edits.owners_of_line(obj, line)
    except MouthpieceError:
        return owners_of([obj], None)


def _is_same(known: kept_takes.KeptLine, line: kept_takes.KeptLine, sha256: str) -> bool:
    """Return whether an earlier line is the one being animated."""
    kind, was = _kind(line), _kind(known)
    same = _is_content(known, line, sha256)
    if kind == was and kind in ("file", "take"):
        named = Path(known.place).name.casefold() == Path(line.place).name.casefold()
        placed = known.place == line.place and "/" in line.place
        return same or (named and (placed or _starts_together(known.frames(), line.frames())))
    if is_there(known):
        return False
    return same and (kind == was == "sound" or _is_heard_together(known, line))


def _kind(line: kept_takes.KeptLine) -> str:
    """Return by what a line's sound was chosen: ``strip``, ``turn``, ``sound``, ``file``, or ``take`` for a .npz."""
    kind = line.sound.partition(":")[0]
    return "take" if kind == "file" and line.place.lower().endswith(".npz") else kind


def _is_content(known: kept_takes.KeptLine, line: kept_takes.KeptLine, sha256: str) -> bool:
    """Return whether two lines are of the same sound, wherever it lies."""
    if known.content:
        return known.content == line.content
    try:
        return bool(sha256) and kept_takes.motion(known).audio_sha256 == sha256
    except TakeError:
        return False


def is_there(line: kept_takes.KeptLine) -> bool:
    """Return whether what a line was animated from is still there: a strip, a turn of one, or a sound data-block.

    A file is not. A strip that has been split into turns since is not there as a whole.
    """
    kind, _, name = line.sound.partition(":")
    if kind == "sound":
        return any(block.name_full == name for block in bpy.data.sounds)
    scene, name = strip_of(line)
    return any(second_of(line.sound) in begins if kind == "turn" else not begins for begins in _turns(scene, name))


def is_strip_there(scene: str, name: str) -> bool:
    """Return whether the sequencer of a scene has a sound strip of that name."""
    return bool(_turns(scene, name))


def strip_of(line: kept_takes.KeptLine) -> tuple[str, str]:
    """Return the names of the scene and of the strip that a line was animated from; empty if it was no strip."""
    kind, _, name = line.sound.partition(":")
    if kind not in ("strip", "turn"):
        return "", ""
    if kind == "turn":
        name = name.rpartition("@")[0]
    scene, _, strip = name.partition("/")
    for one in bpy.data.scenes:  # names of scenes may have slashes
        if name.startswith(f"{one.name}/"):
            scene, strip = one.name, name.removeprefix(f"{one.name}/")
    return scene, strip


def turn_second(begin: float) -> str:
    """Return the second of the sound at which a turn begins, as the identity of its line ends with it."""
    return f"{begin:.3f}"


def second_of(sound: str) -> str:
    """Return the second at which a turn begins, by its line's sound; empty if that is no turn."""
    return sound.rpartition("@")[2] if sound.startswith("turn:") else ""


def _turns(scene: str, name: str) -> list[list[str]]:
    """Return for each sound strip of that name in a scene the seconds at which its turns begin; none for no turns."""
    found = bpy.data.scenes.get(scene)
    strips = () if found is None else compat.all_strips(found)
    there = [strip for strip in strips if strip.name == name and strip.type == "SOUND"]
    return [[turn_second(turn.begin) for turn in strip.mouthpiece.turns] for strip in there]


def _starts_together(one: FrameGrid, other: FrameGrid) -> bool:
    return abs(one.origin / one.fps - other.origin / other.fps) < _ALIGNED


def _is_heard_together(one: kept_takes.KeptLine, other: kept_takes.KeptLine) -> bool:
    """Return whether two lines are the same part of a sound at the same place, give or take some frames at the ends."""
    before, now = one.frames(), other.frames()
    middle = (max(before.first, now.first) + min(before.last, now.last)) / 2
    common = min(before.last, now.last) - max(before.first, now.first) + 1
    shorter = min(before.last - before.first, now.last - now.first) + 1
    return 2 * common > shorter and abs(one.second_at(middle) - other.second_at(middle)) < _ALIGNED
