"""The lines of a portrait: stores which there are, and joins their takes into one for a range of frames."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError, UnreadableError
from mouthpiece.files.json_text import parsed_json, rows_of, text_in, whole_in

from ...bake import interludes
from ...bake.layers import LayeredTake
from ...keys import kept_takes, ledgers, notes
from ...keys.channels import Line, Written
from .. import find_object
from .settings import not_editable

if TYPE_CHECKING:
    from mouthpiece.performance import Performance
    from numpy.typing import NDArray

#: Custom property of a portrait's mesh: JSON, a row of sound, first and last frame for each line, the oldest first.
PROPERTY: Final = "mouthpiece_portrait_lines"
#: Frames that lines may lie on: more than any scene has.
_FRAMES: Final = 1 << 31


def order(owner: bpy.types.ID) -> list[Line]:
    """Return the lines of a portrait, the one baked last at the end; an empty list if the property is malformed."""
    try:
        return _parsed(notes.text_of(owner, PROPERTY, "[]"))
    except UnreadableError:
        return []


def _parsed(text: str) -> list[Line]:
    """Return the lines in a text; raises UnreadableError if it is malformed."""
    lines = []
    for row in rows_of(parsed_json(text)):
        if not isinstance(row, list) or len(row) != 3:
            raise UnreadableError("a line in it is none")
        noted = dict(zip(("sound", "first", "last"), row, strict=True))
        first, last = (whole_in(noted, name, -_FRAMES, _FRAMES) for name in ("first", "last"))
        lines.append(Line(text_in(noted, "sound"), first, last))
    return lines


def objection(owner: bpy.types.ID) -> str:
    """Return why the lines of a portrait cannot be read, as a sentence for people; empty if they can."""
    try:
        _parsed(notes.text_of(owner, PROPERTY, "[]"))
    except UnreadableError as error:
        return (
            f"The list of what '{owner.name}' says cannot be read ({error}). It is kept there: open an earlier version "
            "of the file, or animate its sounds again."
        )
    return ""


def _note(owner: bpy.types.ID, lines: Sequence[Line]) -> None:
    """Store the lines of a portrait; a list that cannot be read is kept aside."""
    if objection(owner):
        notes.set_aside(owner, PROPERTY)
    notes.put(owner, PROPERTY, json.dumps([[line.sound, line.first, line.last] for line in lines]) if lines else None)


@dataclass(slots=True)
class Spoken:
    """What a bake writes for a portrait: the line is noted, and nothing is drawn (see ``addon.keys.drawings``)."""

    owner: bpy.types.ID
    object_name: str

    def check(self) -> None:
        """Raise RigError if the portrait may not be changed."""
        reason = not_editable(find_object(self.object_name))
        if reason:
            raise RigError(reason)

    def room(self, first: int, last: int) -> tuple[int, int] | None:
        """Return all of the frames: nothing is drawn on them."""
        return first, last

    def write(self, line: Line, undo: ExitStack) -> Written:
        """Note the line as the last one, replacing one of the same sound; where lines overlap, the last one counts."""
        undo.callback(notes.put, self.owner, PROPERTY, notes.value_of(self.owner, PROPERTY))
        known = order(self.owner)
        if line not in known:
            known = [other for other in known if other.sound != line.sound] + [line]
        _note(self.owner, known)
        self.owner.update_tag()
        return Written()


def erase(owner: bpy.types.ID, undo: ExitStack, sounds: Collection[str] | None = None) -> Written:
    """Delete a portrait's lines from its list, all or those of ``sounds``.

    Takes are deleted by ``ledgers.forget_lines``. Raises RigError if the list cannot be read.
    """
    if reason := objection(owner):
        raise RigError(reason)
    undo.callback(notes.put, owner, PROPERTY, notes.value_of(owner, PROPERTY))
    left = [] if sounds is None else [line for line in order(owner) if line.sound not in sounds]
    _note(owner, left)
    return Written()


def rename(owner: bpy.types.ID, before: str, now: str, undo: ExitStack) -> None:
    """Note the line of the sound ``before`` under ``now``."""
    undo.callback(notes.put, owner, PROPERTY, notes.value_of(owner, PROPERTY))
    _note(owner, [replace(line, sound=now) if line.sound == before else line for line in order(owner)])


def spoken(obj: bpy.types.Object) -> list[kept_takes.KeptLine]:
    """Return the lines of a portrait that can be rendered, the one baked last at the end."""
    kept = {line.sound: line for line in kept_takes.lines(obj.data) if line.home == ledgers.Home(obj.data)}
    return [kept[line.sound] for line in order(obj.data) if line.sound in kept]


def span(obj: bpy.types.Object) -> tuple[int, int] | None:
    """Return the first and the last frame on which a portrait speaks; None if it has no lines."""
    grids = [line.frames() for line in spoken(obj)]
    return (min(grid.first for grid in grids), max(grid.last for grid in grids)) if grids else None


def played(obj: bpy.types.Object, fps: float, first: int, last: int) -> Performance:
    """Return a portrait's performance on the scene's frames ``first`` to ``last``, with style and dials applied.

    Frame ``i`` of it is frame ``first + i`` of the scene, whatever the lines' own rates, offsets and speeds. Around
    lines the face rests and lives (:mod:`addon.bake.interludes`), but for lines whose dial *rest* is 0: there it stays
    still. Raises RigError if there is no line, TakeError if the take of one is gone.
    """
    lines = spoken(obj)
    if not lines:
        raise RigError(f"'{obj.name}' has no line to speak. Choose a sound and press Animate first.")
    frames = np.arange(first, last + 1)
    finals = [_Final.of(line) for line in lines]
    known = interludes.Ends({line.line.sound: LayeredTake(line.take) for line in finals})
    between = []
    if any(line.bends is not None for line in lines):  # films begun with version 0.4.0 go on as they were
        between = interludes.interludes(obj, interludes.pieces(obj, lines), known, (first, last))
    return _joined(finals, frames, fps, [_silent(one, frames) for one in between])


def _silent(one: interludes.Interlude, frames: NDArray[np.int64]) -> tuple[NDArray[np.bool_], dict[str, NDArray[Any]]]:
    """Return on which frames (F,) of the scene an interlude lies, and its arrays there, by name."""
    from mouthpiece.portrait.frame_motion import read_on_frames

    take, origin = one.take()
    here = (frames >= one.first) & (frames <= one.last)
    times = (frames[here] - origin) / take.whole.fps
    return here, read_on_frames(take.whole, times, float(one.carrier.targets[0].get("strength", 1.0)))


@dataclass(frozen=True, slots=True)
class _Final:
    """A line with its frames, its strength, and its take after dialling."""

    first: int
    last: int
    line: kept_takes.KeptLine
    strength: float
    take: Performance

    @classmethod
    def of(cls, line: kept_takes.KeptLine) -> _Final:
        """Return a kept line with its own dials applied."""
        from mouthpiece.motion.dials import Dials

        take = LayeredTake.of(kept_takes.motion(line), Dials.of(line.dials), False, 0.0, line.bends).whole
        grid = line.frames()
        return cls(grid.first, grid.last, line, float(line.targets[0].get("strength", 1.0)), take)

    def at(self, frames: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the take's arrays, by name, on frames of the scene; before and after the line, those of its ends."""
        from mouthpiece.portrait.frame_motion import read_on_frames

        grid = self.line.frames()
        inside = np.clip(frames, self.first, self.last).astype(np.float64)
        times = grid.offset + (inside - grid.origin) / grid.fps * grid.speed
        return read_on_frames(self.take, times, self.strength)


def _joined(
    lines: Sequence[_Final],
    frames: NDArray[np.int64],
    fps: float,
    silent: Sequence[tuple[NDArray[np.bool_], dict[str, NDArray[Any]]]],
) -> Performance:
    """Return one performance for the frames, with the line of :func:`_owners` on each, or what is ``silent`` there."""
    from mouthpiece.performance import Performance

    owner = _owners(lines, frames)
    tracks: dict[str, Any] = {}
    for number, line in enumerate(lines):
        here = owner == number
        if not here.any():
            continue
        for name, values in line.at(frames[here]).items():
            tracks.setdefault(name, np.zeros((len(frames), *values.shape[1:]), np.float32))[here] = values
    for rows, courses in silent:
        for name, course in courses.items():
            tracks[name][rows] = course
    last = lines[-1].take
    tracks["landmarks"] += last.neutral
    models = {name: sha for line in lines for name, sha in line.take.models.items()}
    sounds = "+".join(dict.fromkeys(line.take.audio_sha256 for line in lines))
    return Performance(
        **tracks, neutral=last.neutral, fps=fps, audio_sha256=sounds, models=models, options=last.options
    )


def _owners(lines: Sequence[_Final], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the line played on each frame: of those that have the frame, the one baked last.

    Between lines it is the one that ended last; before all lines, the first.
    """
    owner = np.full(len(frames), -1)
    for number, line in enumerate(lines):
        owner[(frames >= line.first) & (frames <= line.last)] = number
    ended = [np.where(frames > line.last, line.last, np.iinfo(np.int64).min) for line in lines]
    before = np.argmax(ended, axis=0)
    earliest = int(np.argmin([line.first for line in lines]))
    none_before = np.max(ended, axis=0) == np.iinfo(np.int64).min
    return np.where(owner >= 0, owner, np.where(none_before, earliest, before)).astype(np.int64)
