"""Casts as spreadsheets and scripts write them: CSV with commas, semicolons or tabs."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, Final

from ..errors import CastError
from ..files.json_text import quoted
from .columns import Faults, Row, column_of, nearest, unknown

_SEPARATORS: Final = ",;\t"
#: Most columns, and most letters in one cell.
_MOST_COLUMNS: Final = 200
_COMMENT: Final = "#"


class _Lines:
    """The lines of a text for a reader of CSV: comments and blank lines between rows are passed over."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self.number = 0
        self.first = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, 1):
            self.number = number
            if not self.first:  # between two rows
                if not line.strip() or line.lstrip().startswith(_COMMENT):
                    continue
                self.first = number
            yield line + "\n"


def rows_in(text: str, faults: Faults, most: int) -> tuple[list[Row], list[str]]:
    """Return the rows of a table in CSV, and remarks.

    Raises
    ------
    CastError
        If it has no line that names columns, or more than ``most`` rows.
    """
    lines = _Lines(text)
    kept = iter(lines)
    heading = next(kept, "")
    separator = _said_separator(heading)
    if separator:
        lines.first = 0
        heading = next(kept, "")
    separator = separator or _separator(heading)
    lines.first = 0
    names, columns, remarks = _columns(heading, separator, faults)
    rows: list[Row] = []
    reader = csv.reader(kept, delimiter=separator, strict=False)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            faults.told.append(f"Row {lines.first or lines.number}: it cannot be read ({error}).")
            break
        if cells is None:
            break
        number, lines.first = lines.first or lines.number, 0
        if not any(cell.strip() for cell in cells):
            continue
        if len(rows) + len(faults.told) >= most:
            raise CastError(f"it has more than {most:,} lines. Split it")
        with faults.at(f"Row {number}"):
            if any(cell.strip() for cell in cells[len(names) :]):
                advice = f"Quote texts that hold {_said(separator)}"
                raise CastError(f"it has {len(cells)} cells, but {len(names)} columns have names. {advice}")
            said = {column: cell.strip() for column, cell in zip(columns, cells, strict=False) if column}
            rows.append(Row(number, f"Row {number}", said))
    return rows, remarks


def _columns(heading: str, separator: str, faults: Faults) -> tuple[list[str], list[str], list[str]]:
    """Return the names of a table's columns, which each is (empty: unknown), and remarks."""
    names = [name.strip() for name in next(csv.reader([heading], delimiter=separator), [])]
    columns = [column_of(name) for name in names]
    if not any(columns) or len(names) > _MOST_COLUMNS:
        raise CastError(
            f"its first row names no columns of a cast ({quoted(heading.strip())}). Begin with a row such as: "
            "character, audio, start"
        )
    for column in sorted(set(columns) - {""}):
        twice = [name for name, one in zip(names, columns, strict=True) if one == column]
        if len(twice) > 1:
            faults.told.append(f"The first row: {' and '.join(map(quoted, twice))} both say {column}. Leave one out.")
    if "character" not in columns and "turns" not in columns:
        like = next(
            (name for name, one in zip(names, columns, strict=True) if not one and "character" in nearest(name)), ""
        )
        hint = f" Did you mean it by {quoted(like)}?" if like else ""
        faults.has_columns_wrong = True
        faults.told.append(f"The first row: there is no column 'character'.{hint} Name one, or 'turns'.")
    remarks = [unknown(name) for name, column in zip(names, columns, strict=True) if name and not column]
    return names, columns, remarks


def _said_separator(heading: str) -> str:
    """Return the separator of a line as Excel writes it (``sep=;``)."""
    word = heading.strip().lower()
    return heading.strip()[4:5] if word.startswith("sep=") and len(word) == 5 else ""


def _separator(heading: str) -> str:
    """Return what separates cells: with it the heading names most columns."""

    def known(separator: str) -> tuple[int, int]:
        cells: list[Any] = next(csv.reader([heading], delimiter=separator), [])
        return sum(bool(column_of(cell)) for cell in cells), len(cells)

    return max(_SEPARATORS, key=known)


def _said(separator: str) -> str:
    return "tabs" if separator == "\t" else f"'{separator}'"
