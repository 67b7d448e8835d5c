"""Who speaks when in one sound, as subtitles with names say it (SRT, WebVTT)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Final

from ..errors import CastError, UnreadableError
from ..files.encodings import decoded
from ..files.json_text import quoted
from ..files.regular_files import read_file
from ..phones.alignment import TimedText
from ..phrases import counted, listed

#: Largest file of subtitles, in bytes, and most of its captions.
LARGEST: Final = 8 << 20
_MOST: Final = 20_000
#: Captions of one character with less than so many seconds between them are one turn.
_BREATH: Final = 2.0
#: Seconds of silence between turns from which it is told, and of speech in common.
_LONG_GAP: Final = 10.0
_COMMON: Final = 0.05
_TIME: Final = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
#: ``<v Anna>``, ``<v.loud Anna>``, and other marks in a caption.
_VOICE: Final = re.compile(r"<v(?:\.[^\s>]{0,100})?\s+([^<>]{1,200})>")
_MARK: Final = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|<\d[^<>]{0,40}>|\{\\[^{}]{0,200}\}")
#: ``ANNA:``, ``- Anna (off):``, ``[Old Man]`` at the beginning of a line.
_NAMED: Final = re.compile(
    r"\s*(?:[-–—•]\s*)?(?:\[([^\]\[]{1,60})\]:?|([^\W\d_][^:\[\]()<>!?]{0,59}?)\s*(?:\([^)]{0,60}\)\s*)?:(?!\d))\s*(.*)",
    re.DOTALL,
)
#: Small words that names have: Anna von Stein, Charles de Gaulle.
_SMALL: Final = frozenset({"and", "da", "de", "del", "della", "der", "di", "du", "la", "le", "of", "the", "van", "von"})
_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """A stretch of a sound that one character speaks: from second ``begin`` to ``end``, and what is said."""

    speaker: str
    begin: float
    end: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Turns:
    """Who speaks when, in order of time, and what to say about it to whoever wrote it."""

    turns: tuple[SpokenTurn, ...]
    remarks: tuple[str, ...] = ()


def read_turns(path: Path, speaker: str = "", known: Sequence[str] = ()) -> Turns:
    """Return the turns in a file of subtitles; parameters and errors as for :func:`turns_of`."""
    try:
        text, remark = decoded(read_file(path, LARGEST))
    except UnreadableError as error:
        advice = "Choose subtitles in SRT or WebVTT."
        raise CastError(error.told(f"'{path}'", "does not hold subtitles", advice)) from error
    found = turns_of(text, f"'{path.name}'", speaker, known)
    return replace(found, remarks=(*([f"'{path.name}': {remark}"] if remark else []), *found.remarks))


def turns_of(text: str, label: str = "The subtitles", speaker: str = "", known: Sequence[str] = ()) -> Turns:
    """Return the turns that subtitles with names give.

    Captions say who speaks as ``ANNA: text``, ``[Anna] text`` or ``<v Anna>text``. One without a name goes on with who
    spoke before. Captions of one character that follow closely are one turn.

    Parameters
    ----------
    text
        The subtitles, SRT or WebVTT.
    label
        What to call them in messages.
    speaker
        Who speaks the captions without a name at the beginning; empty if that is not known.
    known
        Names of characters, however they are spelled there: they are recognised before any colon.

    Raises
    ------
    CastError
        If it holds no captions with times, or names nobody.
    """
    spelled = {_folded(name): name for name in (*known, speaker) if name}
    turns: list[SpokenTurn] = []
    remarks: list[str] = []
    unnamed = shared = 0
    last = speaker
    for begin, end, words in sorted(_captions(text, label), key=lambda caption: caption[0]):
        parts = _parts(words, spelled)
        unnamed += not parts[0][0]
        shared += len(parts) > 1
        total = sum(max(1, len(said)) for _, said in parts)
        at = begin
        for number, (name, said) in enumerate(parts):
            last = spelled.setdefault(_folded(name), name) if name else last
            if not last:
                raise CastError(
                    f"{label} does not say who speaks at {begin:.2f} s. Write captions as 'ANNA: …', or name the "
                    "character of those without a name."
                )
            until = end if number + 1 == len(parts) else at + (end - begin) * max(1, len(said)) / total
            turns.append(SpokenTurn(last, at, until, said))
            at = until
    if not turns:
        raise CastError(f"{label} {_without_times(text)}")
    if unnamed:
        remarks.append(f"{label}: {counted(unnamed, 'caption')} without a name went to whoever spoke before.")
    if shared:
        remarks.append(
            f"{label}: {counted(shared, 'caption')} of several characters split in proportion to what each says."
        )
    merged = tuple(_merged(turns))
    return Turns(merged, (*remarks, *_about(merged, label, known)))


def captions_of(text: str, label: str = "The subtitles") -> tuple[TimedText, ...]:
    """Return what the captions of subtitles say, in order of time, without marks and names of who says it.

    Raises
    ------
    CastError
        If times in it cannot be read.
    """
    found = []
    for begin, end, lines in sorted(_captions(text, label), key=lambda caption: caption[0]):
        said = " ".join(said for _, said in _parts(lines, {}) if said)
        if said:
            found.append(TimedText(begin, end, said))
    return tuple(found)


def speakers_in(text: str) -> tuple[str, ...]:
    """Return the names before a colon at the beginning of a text's lines, each once: a script without times."""
    found = [_name_before(line, {}) for line in text.splitlines() if line.strip()]
    return tuple(dict.fromkeys(name for name, _ in found if name))


def _without_times(text: str) -> str:
    names = speakers_in(text)
    if len(names) > 1:
        return (
            f"says what {listed(names)} speak, but not when: who speaks when is not heard here. Export subtitles with "
            "times (SRT, VTT), or fill 'begin' and 'end'."
        )
    return "holds no captions with times (00:01.000 --> 00:02.000). Choose subtitles in SRT or WebVTT."


def _captions(text: str, label: str) -> Iterator[tuple[float, float, list[str]]]:
    """Yield begin, end and lines of every caption."""
    count = 0
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")):
        lines = block.strip("\n").split("\n")
        at = next((number for number, line in enumerate(lines[:3]) if "-->" in line), None)
        if at is None or lines[0].startswith(("NOTE", "STYLE", "REGION")):
            continue
        times = _TIMES.fullmatch(lines[at])
        if times is None:
            raise CastError(f"{label} has times that cannot be read: {quoted(lines[at].strip())}. Export it again.")
        begin, end = (_second(times.groups()[first : first + 4]) for first in (0, 4))
        if end <= begin:
            raise CastError(f"{label} has a caption at {begin:.2f} s that ends at {end:.2f} s. Correct its times.")
        count += 1
        if count > _MOST:
            raise CastError(f"{label} has more than {_MOST:,} captions. Split it.")
        words = [line for line in lines[at + 1 :] if line.strip()]
        if words:
            yield begin, end, words


def _second(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _parts(lines: Sequence[str], spelled: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return who says what in a caption; the first may be unnamed."""
    parts: list[tuple[str, str]] = []
    for line in lines:
        pieces = _VOICE.split(line)
        named = [("", pieces[0]), *zip(pieces[1::2], pieces[2::2], strict=True)]
        for voice, piece in named:
            plain = unescape(_MARK.sub("", piece)).strip()
            name = " ".join(unescape(voice).split())
            if not name:
                name, plain = _name_before(plain, spelled)
            if not name and not plain:
                continue
            if name or not parts:
                parts.append((name, plain))
            else:
                parts[-1] = (parts[-1][0], f"{parts[-1][1]} {plain}".strip())
    return parts or [("", "")]


def _name_before(line: str, spelled: Mapping[str, str]) -> tuple[str, str]:
    """Return the name at the beginning of a line, or an empty text, and the rest."""
    match = _NAMED.fullmatch(line)
    if match is None:
        return "", line.strip()
    bracketed, before, rest = match.groups()
    name = " ".join((bracketed or before).split())
    if _folded(name) in spelled or (_is_a_name(name) and (before or rest)):
        return name, rest.strip()
    return "", line.strip()


def _is_a_name(text: str) -> bool:
    """Return whether words are a name: few, and each written large or a small one between."""
    words = text.split()
    large = [word[0].isupper() or word[0].isdigit() or not (word[0].islower()) for word in words]
    return len(words) <= _WORDS and large[0] and all(
        is_large or word in _SMALL for word, is_large in zip(words, large, strict=True)
    )  # fmt: skip


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _merged(turns: Sequence[SpokenTurn]) -> Iterator[SpokenTurn]:
    """Yield turns, those of one character that follow closely as one."""
    open_turn: SpokenTurn | None = None
    for turn in turns:
        if open_turn is not None and turn.speaker == open_turn.speaker and turn.begin - open_turn.end <= _BREATH:
            text = f"{open_turn.text} {turn.text}".strip()
            open_turn = replace(open_turn, end=max(open_turn.end, turn.end), text=text)
            continue
        if open_turn is not None:
            yield open_turn
        open_turn = turn
    if open_turn is not None:
        yield open_turn


def _about(turns: Sequence[SpokenTurn], label: str, known: Sequence[str]) -> Iterator[str]:
    """Yield remarks about turns that overlap, silence between them, and characters that nobody knows."""
    until, who = 0.0, ""
    for turn in turns:
        if who and turn.begin < until - _COMMON:
            other = "itself" if turn.speaker == who else who
            yield (
                f"{label}: {turn.speaker} overlaps {other} from {turn.begin:.2f} to {min(until, turn.end):.2f} s; "
                "each face moves to all that is heard there."
            )
        elif who and turn.begin - until > _LONG_GAP:
            yield f"{label}: nobody speaks from {until:.2f} to {turn.begin:.2f} s."
        if turn.end > until:
            until, who = turn.end, turn.speaker
    names = {_folded(name) for name in known}
    strangers = Counter(turn.speaker for turn in turns if names and _folded(turn.speaker) not in names)
    for name, count in strangers.items():
        yield f"{label}: {quoted(name)} has {counted(count, 'turn')} and is nowhere else in the cast."
