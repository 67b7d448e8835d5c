"""What a table's columns are called, and how one of its rows becomes a line."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import CastError, MouthpieceError, UnreadableError
from ..files.json_text import quoted
from ..files.places import is_there
from ..motion.dials import LIMITS, Dials
from ..phrases import listed
from . import times
from .lines import CastLine
from .turns import speakers_in

#: Columns, and other names that they go by.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "character": ("speaker", "name", "who", "actor", "role"),
    "audio": ("sound", "file", "wav", "audio file", "sound file"),
    "start": ("time", "in", "timecode"),
    "frame": ("start frame",),
    "begin": ("from",),
    "end": ("until",),
    "strip": (),
    "channel": (),
    "style": ("manner",),
    "emotion": ("mood",),
    "intensity": (),
    "seed": (),
    "transcript": ("text", "line", "words", "dialogue"),
    "to": ("listener", "addressee", "spoken to"),
    "turns": ("subtitles", "srt", "vtt"),
    "blend": ("shot", "file.blend", "blend file", "blendfile"),
    "scene": (),
    "label": ("id", "take"),
}
#: Amounts, as columns call them, and the dials that they are. Emotion and its strength are columns above.
_AMOUNTS: Final[Mapping[str, str]] = {
    **{dial.replace("_", " "): dial for dial in LIMITS if dial not in _ALIASES},
    "style blend": "style",
}
#: Every name of a column, and the column.
_KNOWN: Final[Mapping[str, str]] = (
    {name: name for name in (*_ALIASES, *_AMOUNTS)}
    | {other: name for name, others in _ALIASES.items() for other in others}
)  # fmt: skip
#: Columns whose values a character may have once for all of its lines.
SHARED: Final = frozenset({"channel", "style", "emotion", "intensity", "seed", "to", *_AMOUNTS})
#: Longest name and longest text, in characters.
_LONGEST_NAME: Final = 200
_LONGEST_TEXT: Final = 20_000
_LONGEST_PATH: Final = 4_000
#: Seeds lie below this: 18 digits.
_SEEDS: Final = 10**18


def column_of(name: str) -> str:
    """Return the column that a heading names; empty if there is none of that name."""
    return _KNOWN.get(_plain(name), "")


def nearest(name: str) -> str:
    """Return the known name of a column that is most like ``name``; empty if none is."""
    return next(iter(difflib.get_close_matches(_plain(name), _KNOWN, 1, 0.7)), "")


def unknown(name: str) -> str:
    """Return the remark about a heading that names no column."""
    like = nearest(name)
    hint = f" Did you mean '{like}'?" if like else ""
    return f"The column {quoted(name)} is not known and was not read.{hint}"


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


@dataclass(slots=True)
class Faults:
    """The mistakes of a table, gathered so that all are told at once; whether its columns are among them."""

    told: list[str] = field(default_factory=list)
    has_columns_wrong: bool = False

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Note what goes wrong in the block, as a sentence that begins with where it is."""
        try:
            yield
        except MouthpieceError as error:
            text = str(error)
            self.told.append(f"{where}: {text if text.endswith(('.', '?', '!')) else text + '.'}")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is read: where it is, in words and as a number, and what it says by column, texts or JSON values."""

    number: int
    where: str
    values: Mapping[str, Any]


def line_of(row: Row, folder: Path, faults: Faults, needs_character: bool = True) -> CastLine | None:
    """Return the line that a row is, or None and its mistakes in ``faults``.

    Parameters
    ----------
    row
        The row; ``turns`` in it is left to whoever splits it.
    folder
        Where relative paths begin.
    faults
        Takes the mistakes.
    needs_character
        Whether a row without a character is a mistake.
    """
    before = len(faults.told)
    fields: dict[str, Any] = {"character": "", "dials": {}}
    for column, value in row.values.items():
        if _says(row, column):
            with faults.at(f"{row.where}, {quoted(column)}"):
                _read(column, value, folder, fields)
    with faults.at(row.where):
        if needs_character and not _says(row, "character"):
            raise CastError("it names no character. Say who speaks")
        if not _says(row, "audio") and not _says(row, "strip"):
            raise CastError("it names neither a sound nor a strip. Fill 'audio' or 'strip'")
        begin, end = fields.get("begin", 0.0), fields.get("end")
        if end is not None and end <= begin:
            raise CastError(f"it ends at {end:g} s, not after {begin:g} s where it begins")
    return CastLine(row=row.number, **fields) if len(faults.told) == before else None


def _says(row: Row, column: str) -> bool:
    """Return whether a row says something in a column, be it right or wrong."""
    value = row.values.get(column)
    return value is not None and not (isinstance(value, str) and not value.strip())


def _read(column: str, value: Any, folder: Path, fields: dict[str, Any]) -> None:
    """Add what one column says to the fields of a line."""
    if column in _AMOUNTS:
        fields["dials"] |= _dial(_AMOUNTS[column], value)
    elif column in ("start", "frame"):
        if "start" in fields:
            raise CastError("both a time and a frame are given. Leave one of them empty")
        fields["start"] = (times.moment if column == "start" else times.frame)(value)
    elif column in _READERS:
        fields[column] = _READERS[column](value, folder)


def path_of(text: str, folder: Path) -> Path:
    """Return the full path that a text names, from ``folder`` on; a path with backslashes is read on any system."""
    if len(text) > _LONGEST_PATH or "\0" in text:
        raise CastError(f"{quoted(text)} is no path")
    path = folder / text
    if os.sep == "/" and "\\" in text and not is_there(path):
        other = folder / text.replace("\\", "/")
        path = other if is_there(other) or not text.startswith("\\") else path
    return Path(os.path.normpath(path))


def name_of(value: Any, _folder: Path | None = None) -> str:
    """Return a name: one line of text, not too long.

    Raises
    ------
    CastError
        If it is something else.
    """
    text = _text(value)
    if len(text) > _LONGEST_NAME or any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in text):
        raise CastError(f"{quoted(text)} is no name: it is one line of at most {_LONGEST_NAME} characters")
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise CastError(f"{quoted(value)} is not a text")
    text = (value if isinstance(value, str) else f"{value:.15g}").strip()
    if len(text) > _LONGEST_TEXT:
        raise CastError(f"it is longer than {_LONGEST_TEXT:,} characters")
    return text


def _path(value: Any, folder: Path) -> Path:
    return path_of(_text(value), folder)


def _seconds(value: Any, _folder: Path) -> float:
    return times.seconds(value)


def _channel(value: Any, _folder: Path) -> str:
    from ..sounds.mixdown import choice

    return choice(_text(value))


def _style(value: Any, folder: Path) -> str:
    text = name_of(value)
    if text.lower().endswith(".json"):
        return str(path_of(text, folder))
    from ..styles import NAMES

    if text.lower() not in NAMES:
        raise CastError(f"there is no style {quoted(text)}. Choose {listed(NAMES, 9)}, or a style.json of an actor")
    return text.lower()


def _emotion(value: Any, _folder: Path) -> str:
    return str(_dial("emotion", _text(value).lower())["emotion"])


def _intensity(value: Any, _folder: Path) -> float:
    return float(_dial("intensity", value)["intensity"])


def _dial(name: str, value: Any) -> dict[str, Any]:
    given = {name: value if name == "emotion" else times.number(value)}
    Dials.of(given)
    return given


def _seed(value: Any, _folder: Path) -> int:
    found = times.number(value)
    whole = int(found)
    if isinstance(value, int) or (isinstance(value, str) and value.strip().isdigit()):
        whole, found = int(value), 0.0  # exactly: a float has sixteen digits only
    if found % 1 or not 0 <= whole < _SEEDS:
        raise CastError(f"{quoted(value)} is not a whole number from 0 up, of 18 digits at most")
    return whole


def _transcript(value: Any, _folder: Path) -> str:
    text = _text(value)
    names = speakers_in(text)
    if len(names) > 1:
        raise CastError(
            f"{listed(names)} speak in it, and it has no times: who speaks when is not heard here. Give each a row "
            "with 'begin' and 'end', or subtitles with names (SRT, VTT) under 'turns'"
        )
    return text


_READERS: Final[Mapping[str, Callable[[Any, Path], Any]]] = {
    "character": name_of,
    "audio": _path,
    "begin": _seconds,
    "end": _seconds,
    "strip": name_of,
    "channel": _channel,
    "style": _style,
    "emotion": _emotion,
    "intensity": _intensity,
    "seed": _seed,
    "transcript": _transcript,
    "to": name_of,
    "blend": _path,
    "scene": name_of,
    "label": name_of,
}


def refused(path: Path, faults: Faults) -> CastError:
    """Return the error about a table with mistakes."""
    told = sorted(faults.told, key=_place)
    shown = " ".join(told[:3]) + (f" And {len(told) - 3} more." if len(told) > 3 else "")
    return CastError(f"'{path}' cannot be used as a cast. {shown}", tuple(told))


def _place(fault: str) -> int:
    """Return the number of the row that a fault is about; 0 for all rows."""
    found = re.match(r"(?:Row|Line) (\d+)", fault)
    return int(found[1]) if found else 0


def unreadable(path: Path, error: UnreadableError) -> CastError:
    """Return the error about a table that cannot be read at all."""
    advice = "A cast is a table in CSV, JSON or OpenTimelineIO."
    return CastError(error.told(f"'{path}'", "is not a cast", advice))
