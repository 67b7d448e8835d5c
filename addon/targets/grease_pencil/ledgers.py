"""Ledgers of Grease Pencils: the lines drawn into one, their frames, and which drawings of the user's were moved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import bpy

#: Name of the custom property of a Grease Pencil: JSON.
PROPERTY: Final = "mouthpiece_drawings"
#: A drawing of the user's moves so many frames earlier while a line's is in its place: no scene begins there.
ASIDE: Final = 20_000


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


def read(owner: bpy.types.ID) -> DrawingLedger:
    """Return the ledger of a Grease Pencil. If it is malformed, return an empty one: all drawings are the user's."""
    try:
        stored = json.loads(str(owner.get(PROPERTY, "{}")))
        lines = [
            DrawnLine(str(row["sound"]), int(row["first"]), int(row["last"]), dict(_layers(row["layers"])))
            for row in stored.get("takes", [])
        ]
        ends = dict(_layers(stored.get("ends", {})))
        aside = dict(_layers(stored.get("aside", {})))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return DrawingLedger()
    return DrawingLedger(lines, ends, aside)


def _layers(stored: Any) -> Iterator[tuple[str, dict[int, int]]]:
    """Yield the name of each layer with its stored rows as a dict."""
    for name, rows in stored.items():
        yield str(name), {int(frame): int(value) for frame, value in rows}


def write(owner: bpy.types.ID, ledger: DrawingLedger) -> None:
    """Store a ledger in a Grease Pencil; an empty one is deleted."""
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
    owner.pop(PROPERTY, None)
    if before is not None:
        owner[PROPERTY] = before
