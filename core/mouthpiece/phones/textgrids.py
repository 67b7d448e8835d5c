"""Phones and words as a TextGrid, the file of Praat in which speech is labelled by hand.

Written is Praat's long text format in UTF-8. Read are both its text formats, long and short, in UTF-8 and UTF-16: what
counts in them are numbers and quoted texts that stand alone, whatever words are between (Praat's manual, "TextGrid
file formats").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import TextError, UnreadableError
from ..files.encodings import decoded
from ..files.json_text import quoted
from ..files.regular_files import read_file
from ..files.writer import write_whole
from .excerpts import checked_order
from .ipa import phones_in_label
from .speech import Segment, Speech

#: Largest file, in bytes, most intervals of a tier, and the longest label.
LARGEST: Final = 32 << 20
_MOST: Final = 500_000
_LONGEST: Final = 200
#: Latest second, and the shortest interval that counts.
_LATEST: Final = 360_000.0
_SHORTEST: Final = 1e-4
#: Names of tiers, in lower case, without what comes before the last ``-``: aligners write ``Anna - phones``.
_PHONE_TIERS: Final = ("phones", "phone", "phonemes", "segments", "mau")
_WORD_TIERS: Final = ("words", "word", "ort-mau", "ort", "orthography")
#: What counts: a quoted text, in which a quotation mark is doubled; a flag; a number that stands alone.
_ITEM: Final = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|<(?P<flag>[a-z]+)>|(?<![^\s])(?P<number>[-+]?\d[\d.]*(?:[eE][-+]?\d{1,3})?)(?![^\s])'
)


@dataclass(frozen=True, slots=True)
class LabelledSpeech:
    """Phones and words of a TextGrid; ``words`` is None if it has no tier of them, as is ``phones``."""

    phones: tuple[Segment, ...] | None
    words: tuple[Segment, ...] | None


def text_of(speech: Speech, seconds: float) -> str:
    """Return what is said in a take of ``seconds`` as a TextGrid with tiers ``words`` and ``phones``."""
    end = max([seconds, *(one.stop for one in (*speech.phones, *speech.words))])
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ", f"xmax = {_number(end)} "]
    lines += ["tiers? <exists> ", "size = 2 ", "item []: "]
    for number, (name, segments) in enumerate((("words", speech.words), ("phones", speech.phones)), 1):
        intervals = list(_intervals(segments, end))
        lines += [f"    item [{number}]:", '        class = "IntervalTier" ', f'        name = "{name}" ']
        lines += [
            "        xmin = 0 ",
            f"        xmax = {_number(end)} ",
            f"        intervals: size = {len(intervals)} ",
        ]
        for place, (start, stop, label) in enumerate(intervals, 1):
            said = label.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {_number(start)} "]
            lines += [f"            xmax = {_number(stop)} ", f'            text = "{said}" ']
    return "\n".join(lines) + "\n"


def write(speech: Speech, seconds: float, path: Path) -> Path:
    """Write :func:`text_of` to ``path``, whole or not at all, and return it; TextError if it cannot be written."""
    try:
        write_whole(path, text_of(speech, seconds))
    except OSError as error:
        raise TextError(f"'{path}' cannot be written: {error.strerror or error}. Choose another place.") from error
    return path


def read(path: Path) -> LabelledSpeech:
    """Return the phones and words that a TextGrid holds; errors as for :func:`labelled_speech`."""
    try:
        text, _ = decoded(read_file(path, LARGEST))
        return labelled_speech(text)
    except UnreadableError as error:
        advice = "Write it with Praat, or with 'mouthpiece phones TAKE -o LINE.TextGrid'."
        raise TextError(error.told(f"'{path}'", "is no TextGrid that can be used", advice)) from error


def labelled_speech(text: str) -> LabelledSpeech:
    """Return the phones and words of a TextGrid's text. Empty labels, and what aligners write there, are silences.

    Raises
    ------
    UnreadableError
        If it is none, has no tier of phones or words, or holds a label that is no phone or times in no order.
    """
    tiers = dict(_tiers(_Items(text)))
    phones = next((tiers[name] for name in _PHONE_TIERS if name in tiers), None)
    words = next((tiers[name] for name in _WORD_TIERS if name in tiers), None)
    if phones is None and words is None:
        names = ", ".join(f"'{name}'" for name in tiers) or "none"
        raise UnreadableError(f"it has no tier called 'phones' or 'words' (its tiers: {names})")
    return LabelledSpeech(
        None if phones is None else _in_order([one for interval in phones for one in _phones(interval)]),
        None if words is None else _in_order([one for one in words if phones_in_label(one.label) != ()]),
    )


class _Items:
    """The numbers and texts of a TextGrid, one by one."""

    def __init__(self, text: str) -> None:
        self._found = _ITEM.finditer(text)

    def _next(self, kind: str, what: str) -> str:
        for match in self._found:
            if match.lastgroup == kind:
                return str(match.group(kind))
            raise UnreadableError(f"it has {quoted(match.group())} where {what} should be")
        raise UnreadableError(f"it ends where {what} should be")

    def text(self, what: str) -> str:
        """Return the text that comes next."""
        return self._next("text", what).replace('""', '"')

    def flag(self) -> str:
        """Return the flag that comes next."""
        return self._next("flag", "<exists>")

    def number(self, what: str) -> float:
        """Return the number that comes next."""
        said = self._next("number", what)
        try:
            value = float(said)
        except ValueError:
            value = -1.0
        if not 0 <= value <= _LATEST:
            raise UnreadableError(f"{what} is {quoted(said)}, which no take has")
        return value

    def count(self, what: str) -> int:
        """Return the whole number that comes next."""
        value = self.number(what)
        if value != int(value) or value > _MOST:
            raise UnreadableError(f"{what} is {value:g}, which cannot be")
        return int(value)


def _tiers(items: _Items) -> Iterator[tuple[str, list[Segment]]]:
    """Yield name and labelled intervals of each tier of intervals."""
    if items.text("the type of file") != "ooTextFile" or items.text("the class") != "TextGrid":
        raise UnreadableError("it does not begin as one")
    items.number("its begin")
    items.number("its end")
    if items.flag() != "exists":
        return
    for _ in range(min(items.count("the number of tiers"), 1000)):
        kind = items.text("the class of a tier")
        name = items.text("the name of a tier").lower().rpartition(" - ")[2].strip()
        items.number("the begin of a tier")
        items.number("the end of a tier")
        intervals = []
        for _ in range(items.count("the number of intervals")):
            start = items.number("a time")
            stop = items.number("a time") if kind == "IntervalTier" else start
            if stop < start:
                raise UnreadableError(f"the interval at {start:.2f} s does not follow the one before it")
            label = items.text("a label").strip()
            if len(label) > _LONGEST:
                raise UnreadableError(f"a label at {start:.2f} s is longer than {_LONGEST} characters")
            if kind == "IntervalTier":
                intervals.append(Segment(label, start, stop, 1.0))
        if kind == "IntervalTier":
            yield name, intervals


def _phones(interval: Segment) -> Iterator[Segment]:
    """Yield the phones of an interval, which share its time if its label names several."""
    labels = phones_in_label(interval.label)
    if labels is None:
        raise UnreadableError(f"{quoted(interval.label)} at {interval.start:.2f} s is no phone, in IPA or ARPABET")
    step = (interval.stop - interval.start) / max(len(labels), 1)
    for number, label in enumerate(labels):
        start = interval.start + number * step
        stop = interval.stop if number + 1 == len(labels) else start + step
        if stop - start >= _SHORTEST:
            yield Segment(label, start, stop, 1.0)


def _in_order(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    for segment, good in zip(segments, checked_order(segments), strict=True):
        if not good:
            raise UnreadableError(f"the interval at {segment.start:.2f} s does not follow the one before it")
    return tuple(segments)


def _intervals(segments: Sequence[Segment], end: float) -> Iterator[tuple[float, float, str]]:
    """Yield intervals without gaps from 0 to ``end``, as Praat asks for."""
    at = 0.0
    for segment in segments:
        if segment.start > at + _SHORTEST:
            yield at, segment.start, ""
            at = segment.start
        if segment.stop > at:
            yield at, segment.stop, segment.label
            at = segment.stop
    if end > at + _SHORTEST or not segments:
        yield at, end, ""


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
