"""What came of a batch, line by line: for people, for programs, and as a file that is whole at any moment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Literal, get_args

from ..errors import PlaceError, UnreadableError
from ..files.json_text import read_json
from ..files.places import is_there, said_of
from ..files.writer import write_whole
from ..phrases import counted

#: What became of a line, or, before it is looked at, will.
Outcome = Literal["made", "up to date", "failed", "missing", "cancelled", "skipped", "to do"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
#: Under which name a report holds the number of its format, by which it is known.
_MARK: Final = "mouthpiece_batch"
_FORMAT: Final = 1
#: A report is written when so many times longer has passed than writing it took: a thousand lines cost next to nothing.
_SPARING: Final = 20.0


@dataclass(frozen=True, slots=True)
class BatchLine:
    """What became of one line.

    Attributes
    ----------
    number : int
        Number of the line in the cast, from 1.
    label, character : str
        Name of the line, and who speaks it.
    state : str
        One of :data:`OUTCOMES`.
    row : int
        Where the table says so; 0 for lines without a table.
    audio, strip : str
        Path of the sound, name of the strip.
    take : str
        Path of the take.
    blend, scene : str
        Where the line is animated; empty for takes alone.
    error : str
        Why it failed, or what is missing, and what to do.
    seconds : float
        Seconds of motion.
    wall_seconds : float
        Seconds it took; those of a sound that lines share stand with the first of them.
    warnings : tuple of str
        What to say about a line that was made nevertheless.
    contacts : mapping of str to mapping of str to int
        How many contacts of its lips are ``met`` and ``missed``: ``bilabials`` (m b p) and ``labiodentals`` (f v).
        Empty if that is not known, as of takes in which no phones are.
    """

    number: int
    label: str
    character: str
    state: Outcome = "to do"
    row: int = 0
    audio: str = ""
    strip: str = ""
    take: str = ""
    blend: str = ""
    scene: str = ""
    error: str = ""
    seconds: float = 0.0
    wall_seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    contacts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class BatchReport:
    """What came of a batch so far.

    Attributes
    ----------
    facts : mapping of str to JSON values
        What holds for all lines: the cast, the version of Mouthpiece, the networks, options.
    path : Path or None
        The file it is kept in.
    lines : dict of int to BatchLine
        What became of each line, by number.
    """

    facts: Mapping[str, Any]
    path: Path | None = None
    lines: dict[int, BatchLine] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)
    _next: float = 0.0

    def put(self, line: BatchLine, save: bool = True) -> None:
        """Note what became of a line, and write the file if it has been long enough since.

        If that fails the work goes on: it is told when the file is written at the end.
        """
        self.lines[line.number] = line
        if save and perf_counter() >= self._next:
            with suppress(PlaceError):
                self.write()

    @property
    def totals(self) -> dict[str, int]:
        """How many lines there are of each outcome."""
        found = Counter(line.state for line in self.lines.values())
        return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}

    @property
    def ok(self) -> bool:
        """Whether all lines are made, or could be, and nothing else (``failures`` among the facts) went wrong."""
        return not {"failed", "missing", "cancelled"} & set(self.totals) and not self.facts.get("failures")

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        lines = [self.lines[number] for number in sorted(self.lines)]
        return {
            _MARK: _FORMAT,
            **self.facts,
            "ok": self.ok,
            "totals": self.totals,
            "seconds": round(sum(line.seconds for line in lines), 3),
            "wall_seconds": round(perf_counter() - self.began, 3),
            "lines": [asdict(line) | {"warnings": list(line.warnings)} for line in lines],
        }

    def summary(self) -> str:
        """Return what came of all lines as one line of text."""
        parts = [f"{count:,} {outcome}" for outcome, count in self.totals.items()]
        return f"{counted(len(self.lines), 'line')}: {', '.join(parts) or 'none'}"

    def told(self) -> Iterator[str]:
        """Yield a line of text for every line of the cast: what became, or would become, of it, and why."""
        width = len(str(max(self.lines, default=0)))
        for number in sorted(self.lines):
            line = self.lines[number]
            why = f": {line.error}" if line.error else f"  {line.take}" if line.take else ""
            yield f"{number:{width}}  {line.state:10}  {line.label}{why}"

    def write(self) -> None:
        """Write the file, if there is to be one, whole or not at all.

        Raises
        ------
        PlaceError
            If it cannot be written.
        """
        if self.path is None:
            return
        began = perf_counter()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, json.dumps(self.as_dict(), indent=1) + "\n")
        except OSError as error:
            raise PlaceError(f"The report cannot be written. {said_of(error, self.path)}") from error
        self._next = perf_counter() + _SPARING * (perf_counter() - began)


def check_report_place(path: Path, force: bool) -> None:
    """Check that a report may be written: where nothing is, over an earlier report, or with ``force`` over any file.

    Raises
    ------
    PlaceError
        If something else is there, or it is called as takes and .blend files are, which would be written over it.
    """
    if path.suffix.lower() in (".npz", ".blend"):
        raise PlaceError(f"'{path}' is no name for a report: takes and Blender files end so. Call it report.json, say.")
    if force or not is_there(path):
        return
    try:
        found = read_json(path, 1 << 28)
    except UnreadableError:
        found = None
    if not isinstance(found, dict) or _MARK not in found:
        raise PlaceError(f"'{path}' exists and is no report. Choose another place, or replace it with --force.")
