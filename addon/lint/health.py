"""The last check of a character, kept with it until the next: what was found, and whether that may be out of date."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import bpy
from bpy.props import PointerProperty, StringProperty
from bpy.utils import register_classes_factory
from mouthpiece.errors import MouthpieceError, UnreadableError
from mouthpiece.files.json_text import parsed_json, row_of, rows_of, text_in, whole_in

from .. import compat
from ..bake.lines import dialled_lines
from ..sound import recordings
from . import faces

if TYPE_CHECKING:
    from mouthpiece.lint.checks import Examination

    from .faces import MeasuredFace

_OVERRIDE: Final = {"LIBRARY_OVERRIDABLE"}
#: Largest report that is read, in bytes, and most findings that are kept.
_LARGEST: Final = 1 << 20
_MOST: Final = 200
_FRAMES: Final = 1 << 31
#: After a bake so many seconds of its line are looked at, and evaluation ends after so many seconds of work.
_LOOKED_AT: Final = 6.0
_PATIENCE: Final = 0.15


class MOUTHPIECE_PG_health(bpy.types.PropertyGroup):
    """The last check of a character, as JSON."""

    report: StringProperty(name="Report", override=_OVERRIDE)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A finding as the panel shows it: the frame of the timeline where it begins, what is wrong, and what to do."""

    frame: int
    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the last check of a character found.

    ``first`` and ``last`` are the frames that were looked at, ``whole`` is whether these were all of the character's.
    ``number`` tells its lines, and where they are heard, from others. ``contacts`` says how many contacts of the lips
    are met and missed; empty if none is known.
    """

    troubles: tuple[Trouble, ...]
    first: int
    last: int
    whole: bool
    number: str
    remarks: tuple[str, ...] = ()
    contacts: str = ""

    def summary(self) -> str:
        """Return in a line what was looked at, and how much was found."""
        where = "All frames" if self.whole else f"Frames {self.first} to {self.last}"
        count = len(self.troubles)
        return f"{where}: {'nothing wrong' if not count else '1 finding' if count == 1 else f'{count} findings'}"


def read(obj: bpy.types.Object) -> Health | None:
    """Return the last check of a character; None if there is none that can be read."""
    text = obj.mouthpiece_health.report
    if not text:
        return None
    try:
        row = row_of(parsed_json(text, _LARGEST))
        troubles = [row_of(item) for item in rows_of(row.get("findings"))]
        return Health(
            tuple(
                Trouble(whole_in(one, "frame", -_FRAMES, _FRAMES), text_in(one, "sentence"), text_in(one, "remedy"))
                for one in troubles[:_MOST]
            ),
            whole_in(row, "first", -_FRAMES, _FRAMES),
            whole_in(row, "last", -_FRAMES, _FRAMES),
            bool(row.get("whole")),
            text_in(row, "number"),
            tuple(str(item) for item in rows_of(row.get("remarks"))),
            text_in(row, "contacts") if "contacts" in row else "",
        )
    except UnreadableError:
        return None


def keep(obj: bpy.types.Object, seen: MeasuredFace, found: Examination, whole: bool) -> None:
    """Keep what a check of a character found; an object that may not be edited keeps nothing."""
    from mouthpiece.lint.contacts import counted_contacts, told_contacts

    if not obj.is_editable:
        return
    compat.allow_overrides(obj)
    face = seen.face
    begin = face.start or 0
    count = 0 if face.loudness is None else len(face.loudness)
    report = {
        "findings": [
            {"frame": one.first if one.first is not None else begin, "sentence": one.sentence, "remedy": one.remedy}
            for one in found.findings[:_MOST]
        ],
        "first": round(begin / seen.pace),
        "last": round((begin + max(count - 1, 0)) / seen.pace),
        "whole": whole,
        "number": number_of(obj),
        "remarks": list(seen.remarks),
        "contacts": told_contacts(counted_contacts(found.measures)),
    }
    obj.mouthpiece_health.report = json.dumps(report)


def number_of(obj: bpy.types.Object) -> str:
    """Return a number, as text, that changes when lines come, go or change, or are heard elsewhere; quick."""
    rows: list[Any] = [line.entry() for line in dialled_lines(obj)]
    for scene in obj.users_scene:
        rows.append([round(recordings.animation_fps(scene), 6), scene.name])
        rows += [
            [strip.name, *compat.strip_times(strip), strip.mute]
            for strip in compat.all_strips(scene)
            if strip.type == "SOUND"
        ]
    return hashlib.blake2b(json.dumps(rows, default=str).encode(), digest_size=8).hexdigest()


def after_bake(obj: bpy.types.Object, scene: bpy.types.Scene, first: int, last: int) -> Health | None:
    """Look at a line that was just baked, on its frames ``first`` to ``last`` of the animation, and keep what is found.

    It takes a fraction of a second: no more than the line's first seconds are looked at, and fewer frames of slow rigs.
    """
    fps, pace = recordings.animation_fps(scene), recordings.pace(scene)
    last = min(last, first + round(_LOOKED_AT * fps))
    span = round(first / pace), round(last / pace)
    for seen in faces.measured([obj], scene, span, patience=_PATIENCE):
        if isinstance(seen, faces.MeasuredFace):
            try:
                found = seen.examined()
            except MouthpieceError:
                return None
            keep(obj, seen, found, whole=False)
    return read(obj)


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_PG_health,))


def register() -> None:
    """Add the report to every object."""
    _register_classes()
    bpy.types.Object.mouthpiece_health = PointerProperty(type=MOUTHPIECE_PG_health, override=_OVERRIDE)


def unregister() -> None:
    """Remove it."""
    del bpy.types.Object.mouthpiece_health
    _unregister_classes()
