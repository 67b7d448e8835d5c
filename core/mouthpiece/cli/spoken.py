"""The arguments by which a text says what is spoken, and what is told of how it fits."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import MouthpieceError, TextError
from ..files.places import is_folder, is_there
from ..phrases import counted
from .report import Reporter

if TYPE_CHECKING:
    from ..cast.spoken_text import SpokenText
    from ..performance import Performance
    from ..phones.alignment import Alignment

#: Endings by which a text that is given is the name of a file, and most disagreements that are told one by one.
_ENDINGS: Final = (".txt", ".srt", ".vtt")
_TOLD: Final = 12


def add_text_arguments(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add ``--text`` and ``--language``; with ``several`` sounds a folder of texts may be given as well."""
    group = parser.add_argument_group("text", "what is said, so that words and phones are known exactly")
    group.add_argument(
        "--text",
        metavar="TEXT",
        help="the words, or a file with them (txt, srt, vtt)"
        + (", or a folder with a text for each sound, of its name" if several else ""),
    )
    group.add_argument(
        "--language",
        metavar="TAG",
        default="",
        help="language of the text, such as de (default: by its letters, else en-us)",
    )


def text_asked(options: argparse.Namespace, sound: Path | None = None, alone: bool = True) -> SpokenText | None:
    """Return the text that the arguments give for ``sound``; None if none is given.

    Raises
    ------
    MouthpieceError
        If it cannot be read, or one text is given for several sounds (not ``alone``).
    """
    if options.text is None:
        return None
    from ..cast.spoken_text import read_spoken_text, spoken_text, text_beside

    place = text_file(options)
    if place is None:
        if not alone:
            raise TextError("One text is given for several sounds. Give a folder with a text for each, of its name.")
        return spoken_text(options.text, "The text of --text")
    if is_folder(place) and sound is not None:
        place = text_beside(sound, place)
    elif not alone:
        raise TextError("One text is given for several sounds. Give a folder with a text for each, of its name.")
    return read_spoken_text(place)


def text_file(options: argparse.Namespace) -> Path | None:
    """Return the file or folder that ``--text`` names, if it names one."""
    if options.text is None or not options.text.strip():
        return None
    said = str(options.text)
    is_name = said.lower().endswith(_ENDINGS) and "\n" not in said
    try:
        return Path(said) if is_name or (len(said) < 1000 and is_there(Path(said))) else None
    except (OSError, ValueError):
        return None


def with_text_asked(
    take: Performance, text: SpokenText, options: argparse.Namespace, name: str, teller: Reporter
) -> tuple[Performance, dict[str, Any], str]:
    """Return the take with its text, what is reported of that, and an error if the text could not be used.

    The take is then returned as it was: nothing is lost.
    """
    from ..cast.spoken_text import with_text

    try:
        changed, found = with_text(take, text, options.language)
    except MouthpieceError as error:
        return take, {"text": {"ok": False, "error": str(error)}}, str(error)
    tell(found, name, teller)
    return changed, {"text": {"ok": True, **facts(found)}}, ""


def tell(found: Alignment, name: str, teller: Reporter) -> None:
    """Tell where sound and text disagree, the first dozen of it."""
    for one in found.disagreements[:_TOLD]:
        teller.warning(name, one.told())
    more = len(found.disagreements) - _TOLD
    if more > 0:
        teller.warning(name, f"Sound and text disagree in {counted(more, 'more place')}; --json lists all.")


def facts(found: Alignment) -> dict[str, Any]:
    """Return an alignment for a report in JSON."""
    return {
        "language": found.speech.language,
        "agreement": round(found.agreement, 3),
        "words": len(found.speech.words),
        "disagreements": [asdict(one) for one in found.disagreements],
    }
