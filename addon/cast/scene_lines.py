"""The lines of a scene's cast: every sound strip that somebody speaks, with who it is and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import bpy
from mouthpiece.errors import AudioError, MouthpieceError

from .. import compat, scene_settings
from ..bake import settings as bake_settings
from ..bake.line_identity import turn_second
from ..sound import recordings, strips
from ..sound.recordings import Recording
from . import settings as cast_settings
from .settings import AS_IS
from .speakers import Roster, Speaker
from .strip_lines import FAILED, MUTED, UNASSIGNED, StripLine, Unspoken


def resolved(scene: bpy.types.Scene, shown_in: bpy.types.Scene | None = None) -> tuple[list[StripLine], list[Unspoken]]:
    """Return the lines that the strips of a scene's sequencer are, in order of time, and the strips that are none.

    ``shown_in`` is the scene whose frames get keys, ``scene`` itself by default. Music and effects, of which *Speech*
    is off, are in neither list. Nothing is changed and no error is raised: what is wrong with a strip is its reason.
    """
    lines: list[StripLine] = []
    unspoken: list[Unspoken] = []
    for _, found in by_strip(scene, shown_in):
        for one in found:
            (lines if isinstance(one, StripLine) else unspoken).append(one)  # type: ignore[arg-type]
    lines.sort(key=lambda line: line.recording.placement.left or 0)
    return lines, unspoken


def by_strip(
    scene: bpy.types.Scene, shown_in: bpy.types.Scene | None = None
) -> Iterator[tuple[str, list[StripLine | Unspoken]]]:
    """Yield the name of each strip that may be speech and the lines it is, or why it is none; several if it has turns.

    Between two of them the file may change: strips that are gone by then are left out.
    """
    roster = Roster.of(scene)
    for name in [strip.name for strip in spoken_strips(scene)]:
        strip = next((one for one in compat.all_strips(scene) if one.name == name), None)
        if strip is not None and strip.type == "SOUND":
            yield name, list(_of_strip(strip, scene, shown_in, roster))


def spoken_strips(scene: bpy.types.Scene) -> list[Any]:
    """Return the sound strips of a scene that may be speech, those in meta strips too, in order of time."""
    found = [one for one in compat.all_strips(scene) if one.type == "SOUND" and one.mouthpiece.is_speech]
    return sorted(found, key=lambda strip: (compat.strip_times(strip).left, strip.channel, strip.name))


def _of_strip(
    strip: Any, scene: bpy.types.Scene, shown_in: bpy.types.Scene | None, roster: Roster
) -> Iterator[StripLine | Unspoken]:
    """Yield the lines of one strip."""
    words = strips.unheard(strip, scene)
    if words:
        yield Unspoken(scene.name, strip.name, _name(roster.speaker(strip)), words, MUTED)
        return
    turns = list(strip.mouthpiece.turns)
    speakers = [_of_turn(turn, strip, roster) for turn in turns] or [roster.speaker(strip)]
    try:
        whole = _heard(strip, scene, shown_in)
    except MouthpieceError as error:
        named = list(dict.fromkeys(map(_name, speakers)))
        yield Unspoken(scene.name, strip.name, named[0] if len(named) == 1 else "", str(error), FAILED)
        return
    for number, speaker in enumerate(speakers):
        turn = turns[number] if turns else None
        try:
            part = whole if turn is None else cut(whole, turn, strip)
            if part is None:  # beyond the strip's handles: the knife leaves such turns
                continue
            if speaker.character is None:
                yield Unspoken(scene.name, strip.name, "", speaker.words, UNASSIGNED)
                continue
            yield _line(strip, turn, speaker.character, part, roster)
        except MouthpieceError as error:
            yield Unspoken(scene.name, strip.name, _name(speaker), str(error), FAILED)


def _heard(strip: Any, scene: bpy.types.Scene, shown_in: bpy.types.Scene | None) -> Recording:
    """Return the sound of a strip on the frames of the scene that gets keys."""
    if shown_in is not None and recordings.true_fps(shown_in) != recordings.true_fps(scene):
        raise AudioError(
            f"The sequencer shows '{scene.name}' at {recordings.true_fps(scene):g} frames per second, the characters' "
            f"scene runs at {recordings.true_fps(shown_in):g}. Give both the same rate, or put the strip in the scene."
        )
    return strips.from_strip(strip, scene, shown_in)


def _name(speaker: Speaker) -> str:
    """Return the name of a speaker's main object; empty for nobody."""
    return "" if speaker.character is None else str(speaker.character.name)


def _of_turn(turn: Any, strip: Any, roster: Roster) -> Speaker:
    """Return who speaks a turn: its own character, or whoever speaks the strip."""
    return roster.own(turn, strip.name) or roster.speaker(strip)


def cut(whole: Recording, turn: Any, strip: Any) -> Recording | None:
    """Return the part of a strip's sound that is a turn; None if the strip's handles hide all of it.

    Raises AudioError if the turn ends before it begins.
    """
    begin, end = round(turn.begin, 5), round(turn.end, 5) or None
    if end is not None and end <= begin:
        raise AudioError(
            f"A turn of '{strip.name}' ends at {end:g} s, before it begins at {begin:g} s. Correct its times."
        )
    place = whole.placement.within(begin, end)
    if place is None:
        return None
    name = whole.identity.partition(":")[2]
    return replace(
        whole, identity=f"turn:{name}@{turn_second(begin)}", label=f"'{strip.name}' from {begin:.2f} s", placement=place
    )


def _line(strip: Any, turn: Any, obj: bpy.types.Object, heard: Recording, roster: Roster) -> StripLine:
    """Return a strip, or a turn of it, as a line of a character; a turn has the manner of its strip but for its own."""
    own, base = (strip.mouthpiece if turn is None else turn), strip.mouthpiece
    by_channel = next((one for one in (own, base) if one.channel != AS_IS), None)
    if by_channel is None:
        heard = scene_settings.spoken_by(obj, heard)
    else:
        heard = recordings.with_channel(heard, bake_settings.channel_of(by_channel))
    style, style_from = cast_settings.style_of(next((one for one in (own, base) if one.style != AS_IS), own))
    feeling = next((one for one in (own, base) if one.emotion != AS_IS), own)
    strong = next((one for one in (own, base) if one.own_intensity), None)
    seeded = next((one for one in (own, base) if one.seed >= 0), None)
    to = own.to or base.to
    return StripLine(
        character=obj.name,
        scene=strip.id_data.name,
        strip=strip.name,
        recording=heard,
        style=style,
        style_from=style_from,
        emotion="" if feeling.emotion == AS_IS else feeling.emotion.lower(),
        intensity=None if strong is None else round(strong.intensity, 6),
        seed=None if seeded is None else seeded.seed,
        dials={one.name: round(one.value, 6) for group in (base, own) for one in group.amounts},
        transcript=own.transcript,
        to="" if to is None else roster.main(to).name,
    )
