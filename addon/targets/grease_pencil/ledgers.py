"""Ledgers of Grease Pencils: the lines drawn into one, their frames, and which drawings of the user's were moved."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import bpy
from mouthpiece.errors import UnreadableError
from mouthpiece.files.json_text import parsed_json, row_of, rows_of, text_in, whole_in

from ...keys import notes

#: Name of the custom property of a Grease Pencil: JSON.
PROPERTY: Final = "mouthpiece_drawings"
#: A drawing of the user's moves so many frames earlier while a line's is in its place: no scene begins there.
ASIDE: Final = 20_000
#: Frames that drawings may lie on: more than any scene has.
_FRAMES: Final = 1 << 31


@dataclass(slots=True)
class DrawnLine:
    """One line in a ledger: its sound, its first and last frame, and by layer and frame the checksum of a drawing."""

    sound: str
    first: int
    last: int
    layers: dict[str, dict[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class DrawingLedger:
    """What Mouthpiece drew into a Grease Pencil.

    ``ends`` holds by layer the frames that show the user's drawing again after a line, with its checksum. ``aside``
    holds by layer the user's frames that were moved away, with the number they have now.
    """

    lines: list[DrawnLine] = field(default_factory=list)
    ends: dict[str, dict[int, int]] = field(default_factory=dict)
    aside: dict[str, dict[int, int]] = field(default_factory=dict)

    def copy(self) -> DrawingLedger:
        """Return a ledger that has the same and can be changed."""
        lines = [DrawnLine(one.sound, one.first, one.last, _copied(one.layers)) for one in self.lines]
        return DrawingLedger(lines, _copied(self.ends), _copied(self.aside))

    def line(self, sound: str) -> DrawnLine | None:
        """Return the line of a sound, if there is one."""
        return next((line for line in self.lines if line.sound == sound), None)

    def frames(self, layer: str) -> dict[int, int]:
        """Return all frames that lines have on a layer, with checksums."""
        return {frame: crc for line in self.lines for frame, crc in line.layers.get(layer, {}).items()}

    def rename(self, before: str, now: str) -> None:
        """Replace the name of a layer that was renamed."""
        tables: list[dict[str, Any]] = [self.ends, self.aside, *(line.layers for line in self.lines)]
        for rows in tables:
            if before in rows:
                rows[now] = rows.pop(before)

    def layer_names(self) -> set[str]:
        """Return the names of all layers in the ledger."""
        return {*self.ends, *self.aside, *(name for line in self.lines for name in line.layers)}


def _copied(rows: dict[str, dict[int, int]]) -> dict[str, dict[int, int]]:
    return {name: dict(row) for name, row in rows.items()}


def read(owner: bpy.types.ID) -> DrawingLedger:
    """Return the ledger of a Grease Pencil. If it is malformed, return an empty one: all drawings are the user's."""
    try:
        return _parsed(notes.text_of(owner, PROPERTY, "{}")).copy()
    except UnreadableError:
        return DrawingLedger()


def objection(owner: bpy.types.ID) -> str:
    """Return why the ledger of a Grease Pencil cannot be read, as a sentence for people; empty if it can."""
    try:
        _parsed(notes.text_of(owner, PROPERTY, "{}"))
    except UnreadableError as error:
        return (
            f"What Mouthpiece noted of its drawings in '{owner.name}' cannot be read ({error}). It is kept there, and "
            f"all drawings count as yours: open an earlier version of the file. Drawings of yours that made room for a "
            f"line lie {ASIDE:,} frames earlier."
        )
    return ""


@lru_cache(maxsize=8)
def _parsed(text: str) -> DrawingLedger:
    """Return the ledger in a text, cached: do not change it. Raises UnreadableError if it is malformed."""
    stored = row_of(parsed_json(text))
    lines = []
    for entry in rows_of(stored.get("takes") if stored else [], "its lines"):
        row = row_of(entry, "a line in it")
        first, last = (whole_in(row, name, -_FRAMES, _FRAMES) for name in ("first", "last"))
        lines.append(DrawnLine(text_in(row, "sound"), first, last, _layers(row.get("layers"))))
    return DrawingLedger(lines, _layers(stored.get("ends", {})), _layers(stored.get("aside", {})))


def _layers(stored: Any) -> dict[str, dict[int, int]]:
    """Return the rows of each layer as a dict, by the layer's name; raises UnreadableError if they are malformed."""
    return {name: dict(map(_pair, rows_of(rows, "a layer"))) for name, rows in row_of(stored, "its layers").items()}


def _pair(row: Any) -> tuple[int, int]:
    if not isinstance(row, list) or len(row) != 2:
        raise UnreadableError("a frame in it is none")
    frame, value = row
    if type(frame) is int and type(value) is int and abs(frame) <= _FRAMES and 0 <= value < 1 << 32:
        return frame, value  # as nearly all are: there are many of them
    found = {"frame": frame, "value": value}
    return whole_in(found, "frame", -_FRAMES, _FRAMES), whole_in(found, "value")


def write(owner: bpy.types.ID, ledger: DrawingLedger) -> None:
    """Store a ledger in a Grease Pencil; an empty one is deleted, one that cannot be read is kept aside."""
    if objection(owner):
        notes.set_aside(owner, PROPERTY)
    lines = ledger.lines  # also those that draw nothing now: dialled again they may
    ends = {name: sorted(rows.items()) for name, rows in ledger.ends.items() if rows}
    aside = {name: sorted(rows.items()) for name, rows in ledger.aside.items() if rows}
    if not (lines or ends or aside):
        owner.pop(PROPERTY, None)
        return
    owner[PROPERTY] = json.dumps({
        # the lines: stored as "takes" in files of released versions, so this name stays
        "takes": [
            {"sound": line.sound, "first": line.first, "last": line.last,
             "layers": {name: sorted(rows.items()) for name, rows in line.layers.items() if rows}}
            for line in lines
        ],
        "ends": ends,
        "aside": aside,
    })  # fmt: skip


def restore(owner: bpy.types.ID, before: Any) -> None:
    """Set the property of a Grease Pencil to what it held ``before``; None removes it."""
    notes.put(owner, PROPERTY, before)
