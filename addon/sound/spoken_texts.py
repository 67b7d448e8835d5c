"""What is said in a line, as a text field or subtitles have it, brought into time with the line's take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mouthpiece.errors import MouthpieceError, TextError, UnreadableError
from mouthpiece.files.encodings import decoded
from mouthpiece.files.regular_files import read_file
from mouthpiece.phrases import counted

if TYPE_CHECKING:
    from mouthpiece.performance import Performance
    from mouthpiece.pipeline import Warned

#: Largest file with a text, in bytes, and most places that are named where sound and text disagree.
_LARGEST: Final = 1 << 20
_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class LineText:
    """What is said in a line: words, or all that a file of subtitles holds; ``language`` is a BCP 47 tag, or empty."""

    text: str = ""
    language: str = ""

    def __bool__(self) -> bool:
        """Return whether there is a word in it."""
        return bool(self.text.strip())


@dataclass(frozen=True, slots=True)
class TextFit:
    """How a text fits its sound.

    ``agreement`` is the share of the text that is heard, 0..1; ``disagreements`` are sentences, in order of time.
    """

    language: str
    words: int
    agreement: float
    disagreements: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return it in a sentence that fits the panel."""
        places = f", {counted(len(self.disagreements), 'place')} to check" if self.disagreements else ""
        return f"{counted(self.words, 'word')} in time ({self.language}): {self.agreement:.0%} of it heard{places}"


@dataclass(frozen=True, slots=True, eq=False)
class SpokenTake:
    """The last message of :func:`with_text`: the take with its text, and how that fits; as it was and None if not."""

    take: Performance
    fit: TextFit | None


def with_text(
    take: Performance, line: LineText, begin: float = 0.0, part: tuple[float, float] | None = None
) -> Iterator[Warned | SpokenTake]:
    """Yield warnings and last the take with the words of its line in their time.

    Parameters
    ----------
    take
        The line's take. One that has a text already, and no other is given, stays as it is.
    line
        What is said.
    begin
        Second of the sound at which the take begins.
    part
        First and last second of the sound that the line speaks; None for all of it.
    """
    from mouthpiece.cast import spoken_text
    from mouthpiece.pipeline import Warned

    if not line:
        yield SpokenTake(take, None)
        return
    try:
        said = spoken_text.within(spoken_text.spoken_text(line.text), begin, take.seconds, part)
        changed, found = spoken_text.with_text(take, said, line.language.strip())
    except MouthpieceError as error:  # whatever is wrong with the text, the line is animated
        yield Warned(f"The line is animated without its text. {error}")
        yield SpokenTake(take, None)
        return
    told = tuple(one.told() for one in found.disagreements)
    yield from map(Warned, told[:_TOLD])
    if len(told) > _TOLD:
        yield Warned(f"Sound and text disagree in {counted(len(told) - _TOLD, 'more place')}.")
    yield SpokenTake(changed, TextFit(found.speech.language, len(found.speech.words), round(found.agreement, 3), told))


def read_text(path: Path) -> str:
    """Return what is in a file that says what is spoken: a text, or subtitles (SRT, WebVTT) with their times.

    Raises
    ------
    MouthpieceError
        If it cannot be read, or holds no text.
    """
    from mouthpiece.cast.spoken_text import spoken_text

    try:
        text, _ = decoded(read_file(path, _LARGEST))
    except UnreadableError as error:
        raise TextError(
            error.told(f"'{path}'", "is no text", "Choose a text (TXT) or subtitles (SRT, VTT).")
        ) from error
    spoken_text(text, f"'{path.name}'")
    return text.strip()
