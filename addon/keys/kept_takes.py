"""Takes kept in the Action that plays them, so that they can be dialled again without being heard again.

The motion as inferred lies in a custom property of its own for each line (bytes, :func:`mouthpiece.performance.pack`);
what it was baked onto lies with the ledger (:mod:`.ledgers`). Both leave with the Action: into other files, copies and
libraries. What is drawn instead of keyed is kept with the drawing's data-block in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import bpy
from mouthpiece.errors import TakeError

from . import ledgers

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line that can be dialled: its sound, where it lies, what it was baked onto, and how it is dialled.

    ``grid`` holds the numbers of a :class:`FrameGrid`; ``targets`` what :meth:`Target.saved` says, the character
    first; ``error`` how far its keys may be from it; ``home`` is where all of this is kept.
    """

    sound: str
    label: str
    grid: Mapping[str, Any]
    targets: tuple[Mapping[str, Any], ...] = ()
    dials: Mapping[str, Any] = field(default_factory=dict)
    error: float = 0.0
    home: ledgers.Home | None = field(default=None, compare=False)

    @classmethod
    def of(cls, entry: Mapping[str, Any], home: ledgers.Home) -> KeptLine:
        """Return the line noted as ``entry``; ValueError if that makes no sense."""
        try:
            items = entry["targets"] if "targets" in entry else _targets_before(entry)
            targets, dials = tuple(dict(item) for item in items), dict(entry["dials"])
            far = float(entry.get("error", 0.0))
            return cls(str(entry["sound"]), str(entry["label"]), dict(entry["grid"]), targets, dials, far, home)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no line: {error}") from error

    def entry(self) -> dict[str, Any]:
        """Return what is noted."""
        return {
            "sound": self.sound,
            "label": self.label,
            "grid": dict(self.grid),
            "targets": [dict(item) for item in self.targets],
            "dials": dict(self.dials),
            "error": self.error,
        }

    def frames(self) -> FrameGrid:
        """Return where it lies."""
        from mouthpiece.curves import FrameGrid

        return FrameGrid(**self.grid)


def keep(home: ledgers.Home, line: KeptLine, take: Performance) -> None:
    """Keep a line and its motion, in place of an earlier one of the same sound."""
    from mouthpiece.performance import pack

    number = _number(home, line)
    ledgers.put_line(home, number, line.entry())
    ledgers.put_bytes(home.holder, ledgers.TAKE_PREFIX + number, pack(take))


def lines(owner: bpy.types.ID) -> list[KeptLine]:
    """Return the lines kept for ``owner``; what cannot be read is left out."""
    found = []
    for home in ledgers.homes(owner):
        for entry in ledgers.lines(home).values():
            with suppress(ValueError):
                found.append(KeptLine.of(entry, home))
    return found


def motion(line: KeptLine) -> Performance:
    """Return a kept line's motion as inferred; TakeError if it is gone or damaged."""
    home = _home(line)
    content = home.holder.get(ledgers.TAKE_PREFIX + _number(home, line))
    if not isinstance(content, bytes):
        raise TakeError(f"The motion of {line.label} is not in '{home.holder.name}'. Animate the sound again.")
    return _unpacked(content)


def remember_dials(line: KeptLine, dials: Mapping[str, Any]) -> None:
    """Note how a line is dialled now."""
    home = _home(line)
    ledgers.put_line(home, _number(home, line), line.entry() | {"dials": dict(dials)})


@lru_cache(maxsize=4)
def _unpacked(content: bytes) -> Performance:
    from mouthpiece.performance import unpack

    return unpack(content)


def _targets_before(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the targets of a line noted when there were named shape keys and a head only."""
    face = {"kind": "NAMES", "object_name": "", "strength": entry["strength"]}
    return [face, {"kind": "HEAD", **entry["head"]}] if entry["head"] else [face]


def _home(line: KeptLine) -> ledgers.Home:
    assert line.home is not None  # only what :func:`lines` found is asked for
    return line.home


def _number(home: ledgers.Home, line: KeptLine) -> str:
    """Return what a line's motion is filed under: two characters may share an action, not a slot."""
    return hashlib.sha256(f"{home.slot} {line.sound}".encode()).hexdigest()[:16]
