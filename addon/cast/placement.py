"""A cast table on the timeline: its lines as sound strips of a scene, or as settings of strips that are there.

Everything is looked at before anything is changed. A strip remembers which row placed it and what the row said, so that
a table that is placed again moves and changes what it placed before, and leaves alone what was changed by hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bpy
from mouthpiece.errors import AudioError, CastError, MouthpieceError
from mouthpiece.phrases import counted, listed

from .. import compat, scene_settings
from ..bake import settings as bake_settings
from ..bake.line_identity import turn_second
from ..sound import recordings, strips, timeline
from . import settings as cast_settings
from .settings import AS_IS
from .speakers import Roster

if TYPE_CHECKING:
    from mouthpiece.cast.lines import CastLine
    from mouthpiece.cast.table import Cast

#: Custom property of a strip: what a row of a table said about it, as JSON.
_MARK: Final = "mouthpiece_row"
#: At most so many mistakes and names are in a message.
_MOST: Final = 3
_NAMES: Final = 8
#: Frames by which an edge may be off.
_SLACK: Final = 1e-3
#: Greatest seed that a strip holds.
_MOST_SEED: Final = 2**31 - 1
#: The last channel of the sequencer.
_LAST_CHANNEL: Final = 128


@dataclass(frozen=True, slots=True)
class PlacedTable:
    """What became of a table: ``remarks`` about it, and where its lines are.

    ``rows`` holds each line by the name of its strip, the second at which its turn begins, as the identities of turns
    have it (empty for a strip that is no turns), and the name of its character's main object.
    """

    remarks: tuple[str, ...] = ()
    rows: Mapping[tuple[str, str, str], CastLine] = field(default_factory=dict)


@dataclass(slots=True)
class _PlacedStrip:
    """What is to become one strip: the lines that are spoken on it, and whether it is there.

    ``frame`` is where second 0 of the sound lies; None for a strip that stays where it is. ``is_ours`` tells a strip
    that the table placed, or is about to.
    """

    lines: list[CastLine]
    speakers: list[bpy.types.Object]
    listeners: list[bpy.types.Object | None]
    strip: Any = None
    frame: int | None = None
    is_ours: bool = False

    @property
    def row(self) -> str:
        """The name of the row that it was made for."""
        return self.lines[0].label

    @property
    def stretch(self) -> tuple[float, float | None] | None:
        """First and last second of a lone line that is not the whole sound; None for others."""
        first = self.lines[0]
        is_part = len(self.lines) == 1 and (first.begin > 0 or first.end is not None)
        return (first.begin, first.end) if is_part else None


@dataclass(slots=True)
class _Table:
    """What is known while a table is placed: the scene, its roster, mistakes and remarks so far."""

    name: str
    scene: bpy.types.Scene
    roster: Roster
    fps: float
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    sounds: dict[Path, str] = field(default_factory=dict)

    def strips(self) -> list[Any]:
        """Return the scene's sound strips."""
        return [strip for strip in compat.all_strips(self.scene) if strip.type == "SOUND"]


def placed(scene: bpy.types.Scene, cast: Cast, extend: bool = False) -> PlacedTable:
    """Put the lines of a cast on a scene's timeline and return where they are, with remarks.

    Rows with a start become sound strips on their character's channel, or on a free one; rows that name a strip, or
    whose sound one strip plays, set what that strip says. Rows of one sound that begin together, and of one strip, are
    its turns. Rows of other scenes and .blend files are left to them. Characters that are no members yet become some.

    Parameters
    ----------
    scene
        The scene.
    cast
        The table, as it was read.
    extend
        Whether the scene's last frame is moved to the end of the lines, if it is earlier.

    Raises
    ------
    CastError
        If rows cannot be placed: all mistakes are in it, and nothing is changed.
    AudioError
        If Blender cannot play a sound; nothing is changed then either.
    """
    table = _Table(cast.path.name, scene, Roster.of(scene), recordings.true_fps(scene))
    ours = [line for line in cast.lines if _is_of(line, scene, table)]
    places = _places(ours, table)
    if table.faults:
        raise CastError(_refusal(table), tuple(table.faults))
    if not ours:
        table.remarks.append(f"'{table.name}' has no line of the scene '{scene.name}'.")
        return PlacedTable(tuple(table.remarks))
    made = _made(places, table)
    before = {id(place): _noted(place.strip) for place in places}
    for place in places:
        _put(place, before[id(place)], table)
    _join(places, table)
    table.remarks += _left_over(places, table)
    last = max((compat.strip_times(place.strip).right - 1 for place in places), default=scene.frame_start)
    if extend:
        scene.frame_end = max(scene.frame_end, last)
    ends = timeline.beyond(scene, math.floor(last * recordings.pace(scene)))
    table.remarks += [ends.replace("The line runs", "The lines run")] if ends else []
    if made:
        table.remarks += timeline.sync(scene)
        compat.show_in_sequencers(scene)
    rows: dict[tuple[str, str, str], CastLine] = {}
    for place in places:
        for line, speaker in zip(place.lines, place.speakers, strict=True):
            second = turn_second(line.begin) if len(place.lines) > 1 else ""
            rows[place.strip.name, second, speaker.name] = line
    return PlacedTable(tuple(dict.fromkeys(table.remarks)), rows)


def _is_of(line: CastLine, scene: bpy.types.Scene, table: _Table) -> bool:
    """Return whether a line belongs to the scene of the opened file; a remark tells of scenes that there are not."""
    if line.blend is not None and (not bpy.data.filepath or line.blend.resolve() != Path(bpy.data.filepath).resolve()):
        return False
    if line.scene and line.scene not in bpy.data.scenes:
        table.remarks.append(f"There is no scene '{line.scene}' in this file: its lines were left out.")
    return line.scene in ("", scene.name)


def _refusal(table: _Table) -> str:
    """Return the message about all mistakes."""
    more = len(table.faults) - _MOST
    rest = f" And {more} more." if more > 0 else ""
    return f"'{table.name}' was not placed, and nothing has changed. {' '.join(table.faults[:_MOST])}{rest}"


def _places(lines: list[CastLine], table: _Table) -> list[_PlacedStrip]:
    """Return what is to become strips, in the order of the table; mistakes are noted."""
    found: dict[tuple[Any, ...], _PlacedStrip] = {}
    for line in lines:
        try:
            speaker = _speaker(line, table)
            strip, frame = _where(line, table)
            if line.seed is not None and line.seed > _MOST_SEED:
                raise CastError(f"{line.seed} is too large a seed for Blender. Choose one below {_MOST_SEED:,}.")
        except MouthpieceError as error:
            table.faults.append(f"Row {line.row}: {error}")
            continue
        key = ("strip", strip.name) if strip is not None else ("sound", line.audio, frame)
        place = found.setdefault(key, _PlacedStrip([], [], [], strip, None if strip is not None else frame))
        place.lines.append(line)
        place.speakers.append(speaker)
        place.listeners.append(_listener(line, table))
    _recognise([place for place in found.values() if place.strip is None], table)
    return list(found.values())


def _speaker(line: CastLine, table: _Table) -> bpy.types.Object:
    """Return the character of a line; raises CastError if there is none of that name."""
    obj = table.roster.called(line.character)
    if obj is None:
        known = [role.title for role in table.roster.roles]
        known += [one.name for one in table.scene.objects if one.name not in known and scene_settings.kind_of(one)]
        shown = listed([f"'{name}'" for name in known[:_NAMES]])
        there = f"There {'is' if len(known) == 1 else 'are'} {shown}." if known else "The scene has none yet."
        raise CastError(f"there is no character '{line.character}'. {there}")
    return obj


def _listener(line: CastLine, table: _Table) -> bpy.types.Object | None:
    """Return who is spoken to; None if nobody is named, or nobody of that name is there, which is told."""
    obj = table.roster.called(line.to) if line.to else None
    if line.to and obj is None:
        table.remarks.append(f"Nobody is called '{line.to}', whom {line.character} speaks to.")
    return obj


def _where(line: CastLine, table: _Table) -> tuple[Any, int | None]:
    """Return the strip that a line is about, or None and the frame at which second 0 of its sound is to lie.

    Raises MouthpieceError if that is not known, or the sound cannot be placed.
    """
    if line.strip:
        strip = next((one for one in table.strips() if one.name == line.strip), None)
        if strip is not None:
            _compare(line, strip, table)
            return strip, None
        if line.audio is None or line.start is None:
            raise CastError(
                f"there is no sound strip '{line.strip}' in '{table.scene.name}'. Rename a strip, or fill 'audio' and "
                "'start'."
            )
    assert line.audio is not None  # a table's row has a strip or a sound
    if line.start is None:
        playing = [one for one in table.strips() if _plays(one, line.audio)]
        if len(playing) != 1:
            where = f"{len(playing)} strips of '{table.scene.name}' play" if playing else "no strip plays"
            raise CastError(f"{where} '{line.audio.name}', and no start is given. Fill 'start' or 'strip'.")
        return playing[0], None
    frame = round(line.start.frame_at(table.fps))
    heard = recordings.from_file(str(line.audio), table.scene, frame)
    if heard.is_take:
        raise CastError(f"'{line.audio.name}' is a take, which the sequencer cannot play. Name its sound.")
    if line.audio not in table.sounds:
        table.sounds[line.audio] = _unplayable(heard)
    if table.sounds[line.audio]:
        raise AudioError(table.sounds[line.audio])
    return None, frame


def _compare(line: CastLine, strip: Any, table: _Table) -> None:
    """Tell if a row that names a strip would have it lie elsewhere: it stays where it is."""
    if line.start is None:
        return
    wanted, origin = round(line.start.frame_at(table.fps)), origin_of(strip, table.fps)
    if abs(wanted - origin) >= 1:
        table.remarks.append(
            f"'{strip.name}' stays where it is: the sound begins at frame {origin:.0f} there, and row {line.row} says "
            f"{wanted}. Move the strip, or name none in the row."
        )


def origin_of(strip: Any, fps: float) -> float:
    """Return the frame of the timeline at which second 0 of a strip's sound lies, at normal speed."""
    times = compat.strip_times(strip)
    return float(times.left - times.hidden - times.trim_start + strip.sound_offset * fps)


def _unplayable(heard: recordings.Recording) -> str:
    """Return what is wrong with a sound; empty if it can be played."""
    try:
        recordings.channel_count(heard)
    except MouthpieceError as error:
        return str(error)
    return ""


def _plays(strip: Any, path: Path) -> bool:
    """Return whether a strip's sound is the file at ``path``, or one of the same content."""
    return timeline.plays(strip, str(path)) if strip.sound is not None else False


def _recognise(places: list[_PlacedStrip], table: _Table) -> None:
    """Find the strips that were placed for the same rows before, or play the same sound from the same frame on."""
    marked = {_noted(strip).get("row"): strip for strip in table.strips() if _noted(strip).get("table") == table.name}
    taken: set[str] = set()
    for place in places:
        strip = marked.get(place.row)
        if strip is not None:
            place.strip, place.is_ours = strip, True
            taken.add(strip.name)
    for place in (one for one in places if one.strip is None):
        assert place.frame is not None and place.lines[0].audio is not None  # that is why it has no strip yet
        for strip in table.strips():
            times = compat.strip_times(strip)
            starts = abs(times.left - times.hidden - place.frame) < 1
            if (
                starts
                and strip.name not in taken
                and not _noted(strip).get("row")
                and _plays(strip, place.lines[0].audio)
            ):
                place.strip, place.frame = strip, None
                taken.add(strip.name)
                break


def _noted(strip: Any) -> Mapping[str, Any]:
    """Return what a strip remembers of the row that said something about it; nothing if none did."""
    try:
        found = json.loads(strip[_MARK]) if strip is not None and isinstance(strip.get(_MARK), str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _made(places: list[_PlacedStrip], table: _Table) -> list[Any]:
    """Add the strips that are missing, or whose sound is another now; return them. If one fails, none is added.

    A strip with another sound takes name and settings of the one it replaces.
    """
    added: list[Any] = []
    exchanged: list[tuple[_PlacedStrip, Any]] = []
    collection = compat.strips_of(table.scene.sequence_editor_create())
    with ExitStack() as undo:
        for place in places:
            audio = place.lines[0].audio
            if place.strip is not None and (not place.is_ours or audio is None or _plays(place.strip, audio)):
                continue
            assert audio is not None and place.frame is not None  # it is to be placed
            name = place.lines[0].strip or place.lines[0].label
            stored, channel = timeline.stored(str(audio)), timeline.free_channel(table.scene)
            strip = strips.new_strip(collection, name, stored, channel, place.frame)
            undo.callback(_take_out, collection, strip)
            stretch = place.stretch
            if stretch is not None and stretch[0] * table.fps >= compat.strip_length(strip):
                raise CastError(f"Row {place.lines[0].row}: '{audio.name}' is over before {stretch[0]:g} s.")
            if place.strip is not None:
                exchanged.append((place, strip))
            else:
                place.strip, place.is_ours = strip, True
                _trim(strip, place.frame, stretch, table.fps)
                _to_channel(strip, 1 if len(set(place.speakers)) > 1 else _lane(place, table, undo), table)
            added.append(strip)
        undo.pop_all()
    for place, strip in exchanged:
        times = compat.strip_times(place.strip)
        frame = times.left - round(times.hidden)  # where it lies now: it may have been moved by hand
        _take_the_place(strip, place.strip, collection)
        compat.move_strip(strip, frame)
        _trim(strip, frame, place.stretch, table.fps)
        _to_channel(strip, strip.channel, table)
        place.strip = strip
    return added


def _take_out(collection: Any, strip: Any) -> None:
    """Remove a strip and its sound, if nothing else plays that."""
    sound = strip.sound
    collection.remove(strip)
    if sound is not None and not sound.users:
        bpy.data.sounds.remove(sound)


def _take_the_place(strip: Any, old: Any, collection: Any) -> None:
    """Give a strip the name, the channel and the settings of one that is removed."""
    for prop in ("mute", "volume", "pan", "color_tag", "select"):
        setattr(strip, prop, getattr(old, prop))
    for key, value in list(old.items()):
        if isinstance(value, str | int | float):
            strip[key] = value
    _copy(old.mouthpiece, strip.mouthpiece)
    name, channel = old.name, old.channel
    _take_out(collection, old)
    strip.name = name
    strip.channel = channel


def _copy(source: Any, target: Any) -> None:
    """Copy the settings of one group to another of the same kind, lists of groups too."""
    for prop in source.bl_rna.properties:
        name = prop.identifier
        if prop.type == "COLLECTION":
            for entry in getattr(source, name):
                _copy(entry, getattr(target, name).add())
        elif name not in ("rna_type", "speaker") and not prop.is_readonly:
            setattr(target, name, getattr(source, name))


def _put(place: _PlacedStrip, before: Mapping[str, Any], table: _Table) -> None:
    """Move and trim a strip if its row says otherwise than before, and give it the row's settings."""
    strip, stretch = place.strip, place.stretch
    now: dict[str, Any] = {"table": table.name, "row": place.row if place.is_ours else ""}
    if place.is_ours:
        now |= {"frame": place.frame, "stretch": list(stretch) if stretch else None}
        if before.get("row") and (before.get("frame"), before.get("stretch")) != (now["frame"], now["stretch"]):
            assert place.frame is not None  # where ours are to lie is known
            compat.move_strip(strip, place.frame)
            _trim(strip, place.frame, stretch, table.fps)
            _to_channel(strip, strip.channel, table)
    own = strip.mouthpiece
    own.is_speech = True
    said = set(before.get("said", ()))
    if len(place.lines) == 1 and (stretch is None or place.is_ours or _covers(strip, stretch, table)):
        if "turns" in said:
            own.turns.clear()
        now["said"] = sorted(_say(own, place.lines[0], place.speakers[0], place.listeners[0], said))
    else:
        own.turns.clear()
        for line, speaker, listener in zip(place.lines, place.speakers, place.listeners, strict=True):
            turn = own.turns.add()
            turn.begin, turn.end = line.begin, line.end or 0.0
            _say(turn, line, speaker, listener, set())
        now["said"] = ["turns"]
    strip[_MARK] = json.dumps(now)


def _trim(strip: Any, frame: int, stretch: tuple[float, float | None] | None, fps: float) -> None:
    """Put the handles of a strip around a stretch of its sound, or around all of it."""
    begin, end = stretch or (0.0, None)
    right = frame + compat.strip_length(strip)
    if end is not None:
        right = min(right, math.ceil(frame + end * fps - _SLACK))
    left = math.ceil(frame + begin * fps - _SLACK)
    compat.trim_strip(strip, left, max(right, left + 1))


def _covers(strip: Any, stretch: tuple[float, float | None], table: _Table) -> bool:
    """Return whether a stretch of a sound is all that a strip's handles show of it, give or take a frame."""
    try:
        place = strips.from_strip(strip, table.scene).placement
    except MouthpieceError:
        return False
    part = place.within(*stretch)
    if part is None or None in (part.left, part.right, place.left, place.right):
        return False
    return abs(part.left - place.left) <= 1 and abs(part.right - place.right) <= 1  # type: ignore[operator]


def _to_channel(strip: Any, wanted: int, table: _Table) -> None:
    """Put a strip on a channel, or on the next above where it lies on no other strip and is not muted."""
    if strip.parent_meta() is not None:
        return
    editor, times = table.scene.sequence_editor, compat.strip_times(strip)
    taken = {number for number in range(1, _LAST_CHANNEL + 1) if editor.channels[number].mute}
    for one in compat.strips_of(editor):
        other = compat.strip_times(one)
        if one != strip and other.left < times.right and times.left < other.right:
            taken.add(one.channel)
    free = next((number for number in range(wanted, _LAST_CHANNEL + 1) if number not in taken), None)
    if free is not None and free != strip.channel:
        strip.channel = free


def _lane(place: _PlacedStrip, table: _Table, undo: ExitStack) -> int:
    """Return the channel of whoever speaks a new strip: by its rule, by the channel's name, or a free one.

    That is the lowest without strips. It gets the character's name; ``undo`` gets a callback that takes it off.
    """
    editor, title = table.scene.sequence_editor, place.lines[0].character
    role = next((one for one in table.roster.roles if one.character == place.speakers[0]), None)
    if role is not None and role.channel:
        return role.channel
    names = {title.casefold(), *([role.name] if role is not None else [])}
    used = {one.channel for one in compat.strips_of(editor) if one != place.strip}
    numbers = range(1, _LAST_CHANNEL + 1)
    named = next((n for n in numbers if editor.channels[n].name.strip().casefold() in names), None)
    if named is not None:
        return named
    free = next((n for n in numbers if n not in used and editor.channels[n].name == f"Channel {n}"), None)
    if free is None:
        return 1
    editor.channels[free].name = title
    undo.callback(setattr, editor.channels[free], "name", f"Channel {free}")
    return free


def _say(
    own: Any, line: CastLine, speaker: bpy.types.Object, listener: bpy.types.Object | None, before: set[str]
) -> set[str]:
    """Set what a line says on a strip or a turn, and take back what it said ``before`` and says no more.

    Return the names of what it says.
    """
    own.character = speaker
    values: dict[str, Any] = {
        "style": line.style or None,
        "emotion": line.emotion or None,
        "channel": line.channel or None,
        "intensity": line.intensity,
        "seed": line.seed,
        "to": listener,
        "transcript": line.transcript or None,
        **{name: line.dials.get(name) for name in cast_settings.AMOUNTS if name != "style"},
        "style blend": line.dials.get("style"),
    }
    for name, value in values.items():
        if value is not None or name in before:
            _set(own, name, value)
    return {name for name, value in values.items() if value is not None}


def _set(own: Any, name: str, value: Any) -> None:
    """Set one thing that a line says; None takes it back to what the character has."""
    if name == "channel" and value is not None:
        bake_settings.choose_channel(own, value)
    elif name == "style" and value is not None and value.lower().endswith(".json"):
        own.style, own.style_file = "FILE", timeline.stored(value)
    elif name in ("style", "emotion", "channel"):
        setattr(own, name, AS_IS if value is None else value.upper())
    elif name == "intensity":
        own.own_intensity, own.intensity = value is not None, 1.0 if value is None else value
    elif name == "seed":
        own.seed = -1 if value is None else value
    elif name == "to":
        own.to = value
    elif name == "transcript":
        own.transcript = value or ""
    else:
        cast_settings.set_amount(own, "style" if name == "style blend" else name, value)


def _join(places: list[_PlacedStrip], table: _Table) -> None:
    """Let characters of the table be members of the cast."""
    members = table.scene.mouthpiece_cast.members
    known = {role.character for role in table.roster.roles}
    for place in places:
        for line, obj in zip(place.lines, place.speakers, strict=True):
            if obj not in known:
                known.add(obj)
                member = members.add()
                member.object = obj
                member.name = "" if line.character == obj.name else line.character


def _left_over(places: list[_PlacedStrip], table: _Table) -> Iterator[str]:
    """Yield a remark about strips that the table placed before and does not know any more."""
    now = {place.strip.name for place in places}
    old = [
        f"'{strip.name}'"
        for strip in table.strips()
        if _noted(strip).get("table") == table.name and _noted(strip).get("row") and strip.name not in now
    ]
    if old:
        them = "it" if len(old) == 1 else "them"
        yield (
            f"{counted(len(old), 'strip')} that '{table.name}' placed before {'is' if len(old) == 1 else 'are'} not in "
            f"it any more ({listed(old, _NAMES)}). Delete {them} if nobody speaks {them}."
        )
