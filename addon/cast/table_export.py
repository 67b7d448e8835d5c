"""The cast of a scene as a table in CSV, which can be edited elsewhere and placed again."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import bpy

from .. import compat
from ..bake import settings as bake_settings
from ..sound import recordings, strips
from . import settings as cast_settings
from .placement import origin_of
from .scene_lines import spoken_strips
from .settings import AS_IS
from .speakers import Roster

#: Columns that every table has, and those that are there if a line has something in them.
_ALWAYS: Final = ("character", "strip", "audio", "frame")
_MAYBE: Final = (
    "begin", "end", "channel", "style", "emotion", "intensity", "seed", "to", "transcript",
    *("style blend" if name == "style" else name for name in cast_settings.AMOUNTS),
)  # fmt: skip


def table_of(scene: bpy.types.Scene, folder: Path) -> tuple[str, list[str]]:
    """Return a scene's cast as CSV, with paths of sounds from ``folder`` on, and remarks on what it does not hold.

    The first line names the columns; without any line there is nothing else.
    """
    remarks: list[str] = []
    rows = [row for strip in spoken_strips(scene) for row in _rows(strip, scene, folder, Roster.of(scene), remarks)]
    columns = [*_ALWAYS, *(name for name in _MAYBE if any(name in row for row in rows))]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue(), remarks


def _rows(
    strip: Any, scene: bpy.types.Scene, folder: Path, roster: Roster, remarks: list[str]
) -> Iterator[dict[str, str]]:
    """Yield the rows of a strip: one, or one for each turn of which somebody is known to speak."""
    base = strip.mouthpiece
    where = _where(strip, scene, folder)
    for turn in list(base.turns) or [None]:
        own = base if turn is None else turn
        speaker = roster.speaker(strip) if turn is None else roster.own(turn, strip.name) or roster.speaker(strip)
        if speaker.character is None:
            remarks.append(f"'{strip.name}' is left out: nobody is known to speak it.")
            continue
        stretch = _trimmed(strip, scene) if turn is None else {"begin": _number(turn.begin), "end": _number(turn.end)}
        if turn is not None and turn.end <= 0:
            del stretch["end"]
        if "SOUND" in (own.style, base.style):
            remarks.append(f"The style of '{strip.name}' is that of another sound, which a table cannot say.")
        said = {**_manner(base, folder, roster), **_manner(own, folder, roster)}
        yield {"character": roster.title(speaker.character), **where, **stretch, **said}


def _where(strip: Any, scene: bpy.types.Scene, folder: Path) -> dict[str, str]:
    """Return which strip it is, and what sound lies where, as far as a table can say that."""
    found = {"strip": strip.name}
    if strip.sound is not None and strip.sound.packed_file is None:
        found["audio"] = _path(recordings.full_path(strip.sound.filepath, strip.sound.library), folder)
    if not len(strip.retiming_keys):
        found["frame"] = _number(origin_of(strip, recordings.true_fps(scene)))
    return found


def _trimmed(strip: Any, scene: bpy.types.Scene) -> dict[str, str]:
    """Return the stretch of its sound that a strip's handles show, if it is not all of it."""
    times, fps = compat.strip_times(strip), recordings.true_fps(scene)
    begin = (times.left - origin_of(strip, fps)) / fps
    if len(strip.retiming_keys) or strips.metas_of(strip):
        return {}
    end = (times.right - origin_of(strip, fps)) / fps
    found = {"begin": _number(begin)} if begin > 0 else {}
    if times.right < times.left - times.hidden + compat.strip_length(strip):
        found["end"] = _number(end)
    return found


def _manner(own: Any, folder: Path, roster: Roster) -> dict[str, str]:
    """Return what the settings of a strip or a turn say of its own."""
    found: dict[str, str] = {}
    if own.channel != AS_IS:
        found["channel"] = bake_settings.channel_of(own)
    if own.style == "FILE" and own.style_file:
        found["style"] = _path(recordings.full_path(own.style_file), folder)
    elif own.style not in (AS_IS, "FILE", "SOUND"):
        found["style"] = own.style.lower()
    if own.emotion != AS_IS:
        found["emotion"] = own.emotion.lower()
    if own.own_intensity:
        found["intensity"] = _number(own.intensity)
    if own.seed >= 0:
        found["seed"] = str(own.seed)
    if own.to is not None:
        found["to"] = roster.title(roster.main(own.to))
    if own.transcript:
        found["transcript"] = own.transcript
    amounts = {"style blend" if one.name == "style" else one.name: _number(one.value) for one in own.amounts}
    return found | amounts


def _path(path: str, folder: Path) -> str:
    """Return a path from ``folder`` on, with slashes; a full one on another drive."""
    try:
        return os.path.relpath(path, folder).replace("\\", "/")
    except ValueError:
        return path


def _number(value: float) -> str:
    """Return a number as a table has it: properties are single floats, of which five digits after the point count."""
    return f"{round(value, 5):.5f}".rstrip("0").rstrip(".")
