"""What is said in a take, as a text or subtitles have it, brought into time with its sound."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Final

from ..errors import TextError, UnreadableError
from ..files.encodings import decoded
from ..files.regular_files import read_file
from ..performance import Performance, with_speech
from ..phones.alignment import Alignment, TimedText, aligned
from . import turns

#: Endings of files that hold what is said.
ENDINGS: Final = (".txt", ".srt", ".vtt")
#: Seconds by which a part may be shorter than a take and still is all of it.
_NEAR: Final = 0.05
#: A text, or its parts with their times.
SpokenText = str | tuple[TimedText, ...]


def read_spoken_text(path: Path) -> SpokenText:
    """Return what a file says: plain text, or the captions of subtitles (SRT, WebVTT) with their times.

    Raises
    ------
    TextError
        If it cannot be read or holds no text.
    CastError
        If times of subtitles cannot be read.
    """
    try:
        text, _ = decoded(read_file(path, turns.LARGEST))
    except UnreadableError as error:
        raise TextError(
            error.told(f"'{path}'", "is no text", "Choose a text (TXT) or subtitles (SRT, VTT).")
        ) from error
    return spoken_text(text, f"'{path.name}'")


def spoken_text(text: str, label: str = "The text") -> SpokenText:
    """Return ``text``, or its captions if it is that of subtitles, whose names of speakers are left out."""
    if "-->" not in text:
        if not text.strip():
            raise TextError(f"{label} is empty: no word is in it. Give what is said, or leave the text out.")
        return unescape(text)
    captions = turns.captions_of(text, label)
    if not captions:
        raise TextError(f"{label} holds no captions with words. Choose other subtitles, or a plain text.")
    return captions


def with_text(take: Performance, text: SpokenText, language: str = "") -> tuple[Performance, Alignment]:
    """Return ``take`` with the words of ``text`` in their time, and where sound and text disagree.

    Parameters
    ----------
    take
        A take of this version: earlier ones know no phones.
    text
        What is said, of it all or of a part.
    language
        A BCP 47 tag; empty to guess by the letters.

    Raises
    ------
    TextError
        If the text cannot be read or does not fit; the take is then as good as before.
    """
    found = aligned(take.speech, text, language)
    return with_speech(take, found.speech), found


def within(text: SpokenText, begin: float, seconds: float, part: tuple[float, float] | None = None) -> SpokenText:
    """Return ``text`` for a take of ``seconds`` that begins at second ``begin`` of the sound whose text it is.

    With ``part``, seconds of the sound, words without times are said in it alone, and captions outside it are left out.

    Raises
    ------
    TextError
        If no caption is left.
    """
    low, high = (begin, begin + seconds) if part is None else part
    if isinstance(text, str):
        if part is None or (low <= begin + _NEAR and high >= begin + seconds - _NEAR):
            return text
        return (TimedText(max(low - begin, 0.0), high - begin, text),)
    captions = tuple(
        replace(one, begin=one.begin - begin, end=one.end - begin) for one in text if one.begin < high and one.end > low
    )
    if not captions:
        raise TextError(
            f"No caption of the text lies between {low:.2f} s and {high:.2f} s of the sound, where it is heard."
        )
    return captions


def text_beside(sound: Path, folder: Path) -> Path:
    """Return the text in ``folder`` that is called as ``sound`` is; TextError if there is none."""
    for ending in ENDINGS:
        place = folder / f"{sound.stem}{ending}"
        if place.is_file():
            return place
    names = ", ".join(f"'{sound.stem}{ending}'" for ending in ENDINGS)
    raise TextError(f"There is no text for '{sound.name}' in '{folder}'. Put one of {names} there.")
