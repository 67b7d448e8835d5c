"""Keeps takes in the Actions that play them, so that lines can be dialled again without running the networks.

The take of each line, as inferred, is a custom property of the Action (bytes, :func:`mouthpiece.performance.pack`).
What it was baked onto is stored with the ledger (:mod:`.ledgers`). Both go wherever the Action goes: into other files,
copies and libraries. Lines that are drawn instead of keyed are kept in the drawing's data-block in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import bpy
from mouthpiece.errors import TakeError, UnreadableError
from mouthpiece.files.json_text import number_in, quoted, row_of, rows_of, text_in, whole_in

from . import ledgers, notes

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance

#: Frames that lines may lie on, their number, and any other number in an entry: far more than any scene has.
_FRAMES: Final = 1 << 21
_FAR: Final = 1e7
#: Least speed and frame rate.
_SLOWEST: Final = 1e-6
#: Most targets of a line.
_MOST: Final = 1000
#: What the values are that targets save, by name; what is not named here each kind of target looks at itself.
_TEXTS: Final = ("kind", "object_name", "bone", "profile")
_NUMBERS: Final = ("strength", "eye_distance")
_ROWS: Final = ("hinge", "chart", "setup", "exposure")


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line that can be dialled again: its sound, its frames, its targets and its dials.

    ``grid`` holds the fields of a :class:`FrameGrid`; ``targets`` what :meth:`Target.saved` returned, the character's
    first; ``dials`` what ``Dials.saved()`` returned; ``error`` is the largest error of its keys; ``content`` is the
    SHA-256 of the sound's bytes (empty for lines of 0.4.0): lines with the same are pieces of one sound. ``begin`` is
    the second of the sound at which the take begins, which is cut to what the line needs. ``place`` is where the
    sound's file was: relative to the .blend file (``//``) or only its name, never a full path. ``bends`` is how its
    ends give way to neighbours it touches, each as ``Bend.saved()`` returned it, None for lines that nothing was done
    to since 0.4.0, which knew no interludes. ``held`` has the dials that channels which keep an edit were generated
    with, by channel id, where those are not the line's; ``channel`` says which channel of a sound with several was
    heard, as takes note it, and is empty for the mean of all; ``made`` is what it was made of, as
    :mod:`addon.bake.fingerprints` tells (empty for lines of 0.4.0); ``home`` is where all of this is stored.
    """

    sound: str
    label: str
    grid: Mapping[str, Any]
    targets: tuple[Mapping[str, Any], ...] = ()
    dials: Mapping[str, Any] = field(default_factory=dict)
    error: float = 0.0
    content: str = ""
    begin: float = 0.0
    place: str = ""
    bends: tuple[Mapping[str, Any], ...] | None = None
    held: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    home: ledgers.Home | None = field(default=None, compare=False)
    channel: str = ""
    made: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, entry: Mapping[str, Any], home: ledgers.Home) -> KeptLine:
        """Return the line that :meth:`entry` made an entry of; raises ValueError if it is malformed."""
        try:
            items = rows_of(entry.get("targets"), "'targets'") if "targets" in entry else _targets_before(entry)
            sound = text_in(entry, "sound")
            return cls(
                sound,
                text_in(entry, "label"),
                _grid(row_of(entry.get("grid"), "'grid'")),
                _targets(items),
                _dials(entry.get("dials")),
                number_in({"error": 0.0, **entry}, "error", 0.0, _FAR),
                str(entry.get("content", "")),
                number_in({"begin": 0.0, **entry}, "begin", -_FAR, _FAR),
                str(entry.get("place", _place_before(sound))),
                tuple(dict(row_of(item)) for item in rows_of(entry["bends"])) if "bends" in entry else None,
                {channel: _dials(item) for channel, item in row_of(entry.get("held", {}), "'held'").items()},
                home,
                str(entry.get("channel", "")),
                {str(name): str(value) for name, value in row_of(entry.get("made", {}), "'made'").items()},
            )
        except UnreadableError as error:
            raise ValueError(f"no line: {error}") from error

    def entry(self) -> dict[str, Any]:
        """Return the line as it is stored, fit for JSON."""
        return {
            "sound": self.sound,
            "label": self.label,
            "grid": dict(self.grid),
            "targets": [dict(item) for item in self.targets],
            "dials": dict(self.dials),
            "error": self.error,
            "content": self.content,
            "begin": self.begin,
            "place": self.place,
            **({} if self.bends is None else {"bends": [dict(item) for item in self.bends]}),
            **({"held": {channel: dict(item) for channel, item in self.held.items()}} if self.held else {}),
            **({"channel": self.channel} if self.channel else {}),
            **({"made": dict(self.made)} if self.made else {}),
        }

    def second_at(self, frame: float) -> float:
        """Return the second of the sound heard at a frame."""
        grid = self.frames()
        return self.begin + grid.offset + (frame - grid.origin) / grid.fps * grid.speed

    def frames(self) -> FrameGrid:
        """Return the line's frames."""
        from mouthpiece.curves import FrameGrid

        return FrameGrid(**self.grid)


def keep(home: ledgers.Home, line: KeptLine, take: Performance) -> None:
    """Store a line and its take in ``home``, replacing those of the same sound."""
    from mouthpiece.performance import pack

    number = _number(home, line)
    ledgers.put_line(home, number, line.entry())
    notes.put(home.holder, ledgers.TAKE_PREFIX + number, pack(take))


def rename(home: ledgers.Home, before: str, now: str) -> None:
    """Note the line of the sound ``before``, with its keys and its take, under the sound ``now``."""
    ledgers.rename_line(home, before, now, _number_of(home, now))


def lines(owner: bpy.types.ID) -> list[KeptLine]:
    """Return the lines kept for ``owner``; malformed ones are left out."""
    found = []
    for home in ledgers.homes(owner):
        for entry in ledgers.kept_entries(home).values():
            with suppress(ValueError):
                found.append(KeptLine.of(entry, home))
    return found


def objection(owner: bpy.types.ID) -> str:
    """Return what of ``owner``'s lines cannot be read, as a sentence for people; empty if all can."""
    for home in ledgers.homes(owner):
        why = ledgers.objection(home.holder)
        for entry in ledgers.kept_entries(home).values() if not why else ():
            try:
                KeptLine.of(entry, home)
            except ValueError as error:
                why = str(error)
        if why:
            return (
                f"What Mouthpiece noted in '{home.holder.name}' cannot be read ({why}). It is kept there, and its keys "
                "count as yours: open an earlier version of the file, or remove them and animate again."
            )
    return ""


def motion(line: KeptLine) -> Performance:
    """Return a kept line's take as inferred; raises TakeError if it is missing or damaged."""
    home = _home(line)
    content = home.holder.get(ledgers.TAKE_PREFIX + _number(home, line))
    if not isinstance(content, bytes):
        raise TakeError(f"The motion of {line.label} is not in '{home.holder.name}'. Animate the sound again.")
    return _unpacked(content)


def remember_dials(
    line: KeptLine, dials: Mapping[str, Any], stays: Iterable[str] = (), follows: Iterable[str] = ()
) -> None:
    """Store other dials with a kept line.

    Channels with ids in ``stays`` kept an edit and are still as the dials before made them; those in ``follows`` do as
    the others again.
    """
    home = _home(line)
    held = {channel: item for channel, item in line.held.items() if channel not in set(follows)}
    held = {**dict.fromkeys(stays, line.dials), **held}
    ledgers.put_line(home, _number(home, line), replace(line, dials=dials, held=held).entry())


def remember(line: KeptLine) -> None:
    """Store what else was changed of a kept line than its take: its bends, or the names of what it drives."""
    home = _home(line)
    ledgers.put_line(home, _number(home, line), line.entry())


def take_id(line: KeptLine) -> str:
    """Return a number that tells a kept line's take from others, as text; empty if it is missing."""
    home = _home(line)
    content = home.holder.get(ledgers.TAKE_PREFIX + _number(home, line))
    return hashlib.blake2b(content, digest_size=8).hexdigest() if isinstance(content, bytes) else ""


@lru_cache(maxsize=4)
def _unpacked(content: bytes) -> Performance:
    """Return the take in ``content``, from the cache if possible."""
    from mouthpiece.performance import unpack

    return unpack(content)


def _targets_before(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the targets of an entry from before targets were listed: named shape keys, and perhaps a head."""
    face = {"kind": "NAMES", "object_name": "", "strength": number_in(entry, "strength")}
    return [face, {"kind": "HEAD", **row_of(entry["head"], "'head'")}] if entry.get("head") else [face]


def _targets(items: list[Any]) -> tuple[Mapping[str, Any], ...]:
    """Return saved targets after checking that names, numbers and lists are what they must be."""
    if not 0 < len(items) <= _MOST:
        raise UnreadableError(f"it has {len(items)} targets")
    return tuple(map(_target, items))


def _target(item: Any) -> Mapping[str, Any]:
    row = row_of(item, "a target")
    for name in ("kind", "object_name", *(each for each in _TEXTS if each in row)):
        text_in(row, name)
    for name in _NUMBERS:
        if name in row:
            number_in(row, name, -_FAR, _FAR)
    for name in _ROWS:
        if name in row:
            row_of(row[name], f"'{name}'")
    for link in rows_of(row.get("links", []), "'links'"):
        text_in(row_of(link, "a link"), "bone")
    if row["kind"] == "BONES":
        rows_of(row.get("links"), "'links'")
    return dict(row)


def _grid(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a line's frames after checking that there are not absurdly many of them."""
    found = {
        "fps": number_in(row, "fps", _SLOWEST, _FAR),
        "origin": number_in(row, "origin", -_FAR, _FAR),
        "first": whole_in(row, "first", -_FRAMES, _FRAMES),
        "last": whole_in(row, "last", -_FRAMES, _FRAMES),
        "offset": number_in({"offset": 0.0, **row}, "offset", -_FAR, _FAR),
        "speed": number_in({"speed": 1.0, **row}, "speed", _SLOWEST, _FAR),
    }
    if not 0 <= found["last"] - found["first"] <= _FRAMES:
        raise UnreadableError(f"it has the frames {found['first']} to {found['last']}")
    return found


def _dials(saved: Any) -> dict[str, Any]:
    """Return dials after checking that they are numbers, or a text where there is a choice."""
    row = row_of(saved, "'dials'")
    for name, value in row.items():
        if isinstance(value, str) != (name == "emotion"):
            raise UnreadableError(f"its amount '{name}' is {quoted(value)}")
        if name != "emotion":
            number_in(row, name)
    return dict(row)


def _home(line: KeptLine) -> ledgers.Home:
    """Return where a line is stored."""
    assert line.home is not None  # callers pass lines that :func:`lines` returned
    return line.home


def _place_before(sound: str) -> str:
    """Return the name of the file that a line of 0.4.0 was animated from; empty if it was no file."""
    kind, _, path = sound.partition(":")
    return path.replace("\\", "/").rpartition("/")[2] if kind == "file" else ""


def _number(home: ledgers.Home, line: KeptLine) -> str:
    """Return the key a line is stored under. It includes the slot, as characters may share an action but no slot."""
    return _number_of(home, line.sound)


def _number_of(home: ledgers.Home, sound: str) -> str:
    return hashlib.sha256(f"{home.slot} {sound}".encode()).hexdigest()[:16]
