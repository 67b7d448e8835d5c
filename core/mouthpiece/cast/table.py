"""The table of a film's lines: read from CSV, JSON or OpenTimelineIO, checked as a whole."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ..errors import CastError, UnreadableError
from ..files.encodings import decoded
from ..files.json_text import parsed_json, quoted, row_of, rows_of
from ..files.regular_files import read_file
from ..phrases import counted
from . import csv_table, timeline
from .columns import SHARED, Faults, Row, column_of, line_of, name_of, path_of, refused, unknown, unreadable
from .lines import CastLine, Moment
from .turns import read_turns

#: Largest table, in bytes, and most of its lines.
LARGEST: Final = 64 << 20
MOST_LINES: Final = 20_000
#: Most names that are compared with each other.
_MOST_COMPARED: Final = 200


@dataclass(frozen=True, slots=True)
class Cast:
    """Who speaks what in a film.

    Attributes
    ----------
    path : Path
        The table it was read from.
    lines : tuple of CastLine
        The lines, in the order of the table (of time, in a timeline). Their labels differ from each other.
    remarks : tuple of str
        What to say about the table to whoever wrote it, sentences.
    """

    path: Path
    lines: tuple[CastLine, ...]
    remarks: tuple[str, ...] = ()

    @property
    def characters(self) -> tuple[str, ...]:
        """The names of all who speak, in order of their first lines."""
        return tuple(dict.fromkeys(line.character for line in self.lines))


def read_cast(path: Path) -> Cast:
    """Return the cast in a table: CSV, JSON or OpenTimelineIO, told apart by what is in it.

    Paths in it begin at its folder. Nothing but the table, and the subtitles it names, is opened: whether sounds are
    there is not looked at.

    Raises
    ------
    CastError
        If it cannot be read, has no lines, or mistakes; the error holds all of them.
    """
    faults = Faults()
    folder = Path(path).absolute().parent
    try:
        read = _read(Path(path), folder, faults)
    except UnreadableError as error:
        raise unreadable(path, error) from error
    except CastError as error:
        raise CastError(f"'{path}' cannot be used as a cast: {error}.") from error
    lines: list[CastLine] = []
    remarks, names = read.remarks, read.names
    for row in read.rows:
        lines += _lines(row, folder, read, names, faults)
        if len(lines) > MOST_LINES:
            raise CastError(f"'{path}' has more than {MOST_LINES:,} lines. Split it.")
    if faults.told:
        raise refused(path, faults)
    if not lines:
        raise CastError(f"'{path}' holds no lines. Add a row for each line that is spoken.")
    return Cast(Path(path), tuple(_labelled(_spelled(lines, remarks))), tuple(dict.fromkeys(remarks)))


@dataclass(frozen=True, slots=True)
class _Read:
    """The rows of a table, remarks about it, and what characters say of all of their lines, by name in small letters.

    A character's name as it is spelled stands with what it says, under ``character``.
    """

    rows: list[Row]
    remarks: list[str]
    shared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of characters, as the table spells them first."""
        said = (str(said["character"]) for said in self.shared.values())
        found = (*said, *(str(row.values.get("character") or "").strip() for row in self.rows))
        return tuple({name.casefold(): name for name in reversed(found) if name}.values())[::-1]

    def of_character(self, name: str) -> Mapping[str, Any]:
        """Return what a character says of all of its lines."""
        return self.shared.get(name.casefold(), {})


def _read(path: Path, folder: Path, faults: Faults) -> _Read:
    """Return what is in a table."""
    text, remark = decoded(read_file(path, LARGEST))
    if not text.strip():
        raise UnreadableError("it is empty")
    if text.lstrip()[:1] not in ("{", "["):
        if path.suffix.lower() in (".json", ".otio"):
            parsed_json(text, LARGEST)  # which says what is wrong with it
        rows, remarks = csv_table.rows_in(text, faults, MOST_LINES)
        return _Read(rows, [*([remark] if remark else []), *remarks])
    value = parsed_json(text, LARGEST)
    if isinstance(value, dict) and timeline.SCHEMA in value:
        return _Read(*timeline.rows_in(value, folder, faults))
    return _read_json(value, faults)


def _read_json(value: Any, faults: Faults) -> _Read:
    """Return what is in a cast in JSON: a list of lines, or an object with ``lines`` and ``characters``."""
    shared: dict[str, dict[str, Any]] = {}
    read = _Read([], [], shared)
    if isinstance(value, dict):
        for name, said in row_of(value.get("characters", {}), "'characters'").items():
            with faults.at(f"Character {quoted(name)}"):
                found = _by_column(row_of(said, "what it says"), read.remarks)
                wrong = sorted(set(found) - SHARED)
                if wrong:
                    raise CastError(f"'{wrong[0]}' belongs to a line, not to a character")
                if found_before := shared.get(name.strip().casefold()):
                    raise CastError(f"{quoted(found_before['character'])} is the same character. Leave one out")
                shared[name.strip().casefold()] = {"character": name.strip(), **found}
        read.remarks.extend(unknown(name) for name in value if name not in ("lines", "characters"))
        value = value.get("lines")
    if len(rows_of(value, "'lines'")) > MOST_LINES:
        raise CastError(f"it has more than {MOST_LINES:,} lines. Split it")
    for number, item in enumerate(value, 1):
        with faults.at(f"Line {number}"):
            said = _by_column(row_of(item), read.remarks)
            own = read.of_character(str(said.get("character") or "").strip())
            read.rows.append(Row(number, f"Line {number}", {**own, **said}))
    return read


def _by_column(said: Mapping[str, Any], remarks: list[str]) -> dict[str, Any]:
    """Return what a JSON object says by column; amounts may stand in an object ``dials`` of their own."""
    amounts = row_of(said.get("dials", {}), "'dials'")
    named = [(name, column_of(name), value) for name, value in said.items() if name != "dials"]
    named += [(name, column_of("style blend" if name == "style" else name), value) for name, value in amounts.items()]
    found: dict[str, Any] = {}
    for name, column, value in named:
        if not column:
            remarks.append(unknown(name))
        elif column in found:
            raise CastError(f"it says {column} twice. Leave one out")
        else:
            found[column] = value
    return found


def _lines(row: Row, folder: Path, read: _Read, names: Sequence[str], faults: Faults) -> Iterator[CastLine]:
    """Yield the line of a row, or those that its subtitles split it into; ``names`` are those of all characters."""
    turns = row.values.get("turns")
    given = turns is not None and str(turns).strip() != ""
    line = line_of(row, folder, faults, needs_character=not given and not faults.has_columns_wrong)
    if line is None:
        return
    if "_start" in row.values:  # a timeline knows it without rounding
        line = replace(line, start=Moment(seconds=row.values["_start"]))
    if not given:
        yield line
        return
    with faults.at(f"{row.where}, 'turns'"):
        if line.begin or line.end is not None:
            raise CastError("'begin' and 'end' are given as well. Leave them empty, or 'turns'")
        subtitles = path_of(name_of(turns), folder)
        found = read_turns(subtitles, line.character, names)
        read.remarks.extend(found.remarks)
        for number, turn in enumerate(found.turns, 1):
            values = {**read.of_character(turn.speaker), **row.values, "character": turn.speaker}
            one = line_of(Row(row.number, row.where, values), folder, faults)
            if one is None:
                return
            label = f"{line.label}_turn{number:02d}" if line.label else ""
            said = turn.text or line.transcript
            yield replace(
                one, begin=turn.begin, end=turn.end, transcript=said, label=label, subtitles=subtitles.absolute()
            )


def _spelled(lines: Sequence[CastLine], remarks: list[str]) -> Iterator[CastLine]:
    """Yield lines whose characters are spelled alike; tell names that are nearly the same."""
    first: dict[str, str] = {}
    count = Counter(line.character.casefold() for line in lines)
    for line in lines:
        name = first.setdefault(line.character.casefold(), line.character)
        if name != line.character:
            remarks.append(f"{quoted(name)} and {quoted(line.character)} are taken for one character.")
        yield replace(line, character=name)
    if len(count) > _MOST_COMPARED:
        return
    for name, times in count.items():
        others = [other for other in count if count[other] > times]
        like = difflib.get_close_matches(name, others, 1, 0.85) if times == 1 and len(name) > 3 else []
        if like:
            remarks.append(
                f"{quoted(first[name])} has {counted(times, 'line')}. Did you mean {quoted(first[like[0]])}?"
            )
    silent = dict.fromkeys(line.to for line in lines if line.to and line.to.casefold() not in count)
    for name in islice(silent, _MOST_COMPARED):
        like = difflib.get_close_matches(name.casefold(), count, 1, 0.75)
        if like:
            remarks.append(f"{quoted(name)} is spoken to and has no lines. Did you mean {quoted(first[like[0]])}?")


def _labelled(lines: Iterator[CastLine]) -> Iterator[CastLine]:
    """Yield lines with labels that differ: their own, or made of character and sound."""
    taken: set[str] = set()
    last: dict[str, int] = {}
    for line in lines:
        wanted = line.label or f"{line.character}_{line.audio.stem if line.audio else line.strip}"
        label, number = wanted, last.get(wanted.casefold(), 1)
        while label.casefold() in taken:
            number += 1
            label = f"{wanted}_{number}"
        last[wanted.casefold()] = number
        taken.add(label.casefold())
        yield replace(line, label=label)
