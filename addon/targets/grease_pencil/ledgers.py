"""What Mouthpiece drew into a Grease Pencil, remembered with it: takes, their frames, and drawings laid aside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import bpy

#: Custom property of a Grease Pencil: JSON.
PROPERTY: Final = "mouthpiece_drawings"
#: How many frames earlier a drawing of the user's lies while a take's is in its place: no scene begins there.
ASIDE: Final = 20_000


@dataclass(slots=True)
class Drawn:
    """One take: its sound, its first and last frame, and by layer the checksum of the drawing on each of its frames."""

    sound: str
    first: int
    last: int
    layers: dict[str, dict[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """Takes in a Grease Pencil; by layer, the frames on which the user's own drawing resumes, and those laid aside.

    Frames on which it resumes have the checksum of what is drawn there, those laid aside the frame they lie on now.
    """

    takes: list[Drawn] = field(default_factory=list)
    ends: dict[str, dict[int, int]] = field(default_factory=dict)
    aside: dict[str, dict[int, int]] = field(default_factory=dict)

    def take(self, sound: str) -> Drawn | None:
        """Return the take of a sound, if there is one."""
        return next((take for take in self.takes if take.sound == sound), None)

    def frames(self, layer: str) -> dict[int, int]:
        """Return all frames that takes have on a layer, with checksums."""
        return {frame: crc for take in self.takes for frame, crc in take.layers.get(layer, {}).items()}

    def rename(self, before: str, now: str) -> None:
        """Follow a layer that was renamed."""
        tables: list[dict[str, Any]] = [self.ends, self.aside, *(take.layers for take in self.takes)]
        for rows in tables:
            if before in rows:
                rows[now] = rows.pop(before)

    def layer_names(self) -> set[str]:
        """Return the layers that takes have frames on."""
        return {*self.ends, *self.aside, *(name for take in self.takes for name in take.layers)}


def read(owner: bpy.types.ID) -> Ledger:
    """Return the ledger of a Grease Pencil; an empty one if it makes no sense: all is the user's."""
    try:
        stored = json.loads(str(owner.get(PROPERTY, "{}")))
        takes = [
            Drawn(str(t["sound"]), int(t["first"]), int(t["last"]), dict(_layers(t["layers"])))
            for t in stored.get("takes", [])
        ]
        ends = dict(_layers(stored.get("ends", {})))
        aside = dict(_layers(stored.get("aside", {})))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return Ledger()
    return Ledger(takes, ends, aside)


def _layers(stored: Any) -> Iterator[tuple[str, dict[int, int]]]:
    for name, rows in stored.items():
        yield str(name), {int(frame): int(value) for frame, value in rows}


def write(owner: bpy.types.ID, ledger: Ledger) -> None:
    """Remember a ledger; forget it if it has nothing to say."""
    takes = ledger.takes  # also those that draw nothing now: dialled again they may
    ends = {name: sorted(rows.items()) for name, rows in ledger.ends.items() if rows}
    aside = {name: sorted(rows.items()) for name, rows in ledger.aside.items() if rows}
    if not (takes or ends or aside):
        owner.pop(PROPERTY, None)
        return
    owner[PROPERTY] = json.dumps({
        "takes": [
            {"sound": t.sound, "first": t.first, "last": t.last,
             "layers": {name: sorted(rows.items()) for name, rows in t.layers.items() if rows}}
            for t in takes
        ],
        "ends": ends,
        "aside": aside,
    })  # fmt: skip


def restore(owner: bpy.types.ID, before: Any) -> None:
    """Make a Grease Pencil's ledger what its property held before; None for none."""
    owner.pop(PROPERTY, None)
    if before is not None:
        owner[PROPERTY] = before
