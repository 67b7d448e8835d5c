"""The command ``phones``: what is said in a take, as a table or a TextGrid, and corrected by one or by a text."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import MouthpieceError, TakeError
from ..files.places import is_there, refuse_inputs
from ..phrases import counted
from .paths import named_path
from .report import BAD_ARGUMENTS, DONE, FAILED, Reporter, reporter, shown
from .spoken import add_text_arguments, facts, tell, text_asked, text_file

if TYPE_CHECKING:
    from ..performance import Performance
    from ..phones.speech import Segment

#: Seconds by which a TextGrid may be longer than its take without being told: takes end with a whole frame.
_SLACK: Final = 0.1
_EPILOG = """\
examples:
  mouthpiece phones take.npz                            words and phones with their times
  mouthpiece phones take.npz -o line.TextGrid           to be looked at and corrected in Praat
  mouthpiece phones take.npz --from line.TextGrid       the corrected phones go into the take
  mouthpiece phones take.npz --text "what is said"      the words of a text, in time with the sound

Without -o, --from and --text change the take itself; lips and tongue follow what it then says.
"""


def add_phones_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``phones`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "phones",
        help="what is said in a take: phones and words, shown, written and corrected",
        description="Show what is said in a take, write it as a TextGrid (Praat), or correct it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("take", type=named_path, metavar="TAKE", help="a .npz written by animate")
    parser.add_argument(
        "-o",
        "--output",
        type=named_path,
        metavar="PATH",
        help="a .TextGrid to be written, or, with --from or --text, another take",
    )
    parser.add_argument(
        "--from", dest="source", type=named_path, metavar="TEXTGRID", help="take phones and words from this TextGrid"
    )
    parser.add_argument("--force", action="store_true", help="replace a file at PATH")
    add_text_arguments(parser)
    parser.set_defaults(command=run_phones)
    return parser


def run_phones(options: argparse.Namespace) -> int:
    """Show, write or correct what is said in a take. Return 0, 1 if it fails, 2 if arguments contradict each other."""
    from ..performance import Performance

    teller = reporter(options)
    name = str(options.take)
    if options.source is not None and options.text is not None:
        teller.error(name, "Both --from and --text say what is spoken. Choose one of them.")
        return BAD_ARGUMENTS
    try:
        output = options.output
        grid = output if output is not None and output.suffix.lower() == ".textgrid" else None
        place = _place(options, grid)
        take = Performance.load(options.take)
        changed, report = _corrected(take, options, teller)
        if changed is not take:
            changed.save(place)
        elif output is not None and grid is None:
            raise TakeError(
                f"'{output}' has not the ending .TextGrid, and nothing is to be changed. Name a .TextGrid, or give "
                "--from or --text."
            )
        if grid is not None:
            from ..phones import textgrids

            _known(changed, name)
            textgrids.write(changed.speech, changed.seconds, grid)
    except MouthpieceError as error:
        teller.error(name, str(error))
        return FAILED
    written = grid or (place if changed is not take else None)
    teller.result({"ok": True, **_listed(changed), **report, **_written(written)}, _text(changed, written))
    return DONE


def _place(options: argparse.Namespace, grid: Path | None) -> Path:
    """Return where a changed take goes; PlaceError or TakeError if a result may not be written there."""
    from ..performance import check_replaceable

    read = [options.take, *([options.source] if options.source else [])]
    text = text_file(options)
    read += [text] if text is not None else []
    if grid is not None:
        refuse_inputs([grid], read)
        if is_there(grid) and not options.force:
            raise TakeError(f"'{grid}' exists. Choose another place, or replace it with --force.")
        return Path(options.take)
    if options.output is None:
        return Path(options.take)
    output: Path = options.output
    refuse_inputs([output], read)
    check_replaceable(output, options.force)
    return output


def _corrected(take: Performance, options: argparse.Namespace, teller: Reporter) -> tuple[Performance, dict[str, Any]]:
    """Return the take with what the arguments say, and what is reported; the take itself if they say nothing."""
    if options.source is not None:
        from ..performance import with_speech
        from ..phones import textgrids
        from ..phones.corrections import corrected

        found = textgrids.read(options.source)
        phones = take.speech.phones if found.phones is None else found.phones
        words = take.speech.words if found.words is None else found.words
        last = max((one.stop for one in (*phones, *words)), default=0.0)
        if last > take.seconds + _SLACK:
            teller.warning(
                str(options.source),
                f"It goes on to {last:.2f} s, the take to {take.seconds:.2f} s: what is beyond is left out. "
                "Check that it is the TextGrid of this take.",
            )
        return with_speech(take, corrected(take.speech, phones, words, take.seconds)), {"from": str(options.source)}
    text = text_asked(options)
    if text is None:
        return take, {}
    from ..cast.spoken_text import with_text

    changed, alignment = with_text(take, text, options.language)
    tell(alignment, str(options.take), teller)
    return changed, {"text": {"ok": True, **facts(alignment)}}


def _known(take: Performance, name: str) -> None:
    if not take.speech:
        raise TakeError(f"'{name}' knows no phones, as it was made by an earlier Mouthpiece. Animate the sound again.")


def _written(place: Path | None) -> dict[str, str]:
    return {} if place is None else {"output": str(place)}


def _listed(take: Performance) -> dict[str, Any]:
    def rows(segments: tuple[Segment, ...]) -> list[list[Any]]:
        return [[one.label, round(one.start, 4), round(one.stop, 4), round(one.confidence, 3)] for one in segments]

    speech = take.speech
    return {
        "seconds": take.seconds,
        "words": rows(speech.words),
        "phones": rows(speech.phones),
        "spoken": speech.text,
        "language": speech.language,
    }


def _text(take: Performance, written: Path | None) -> str:
    """Return the table that is printed, or what was written."""
    from ..phones.excerpts import phones_of

    speech = take.speech
    counts = f"{counted(len(speech.words), 'word')}, {counted(len(speech.phones), 'phone')}"
    if written is not None:
        return f"{shown(written)}  {counts}"
    if not speech:
        return "No phones are known: the take was made by an earlier Mouthpiece. Animate the sound again."
    groups = [(word, phones_of(word, speech.phones)) for word in speech.words]
    inside = {id(phone) for _, phones in groups for phone in phones}
    rows = [(word.start, word.stop, word.confidence, word.label, phones) for word, phones in groups]
    rows += [(one.start, one.stop, one.confidence, "", (one,)) for one in speech.phones if id(one) not in inside]
    lines = [f"{'start':>8}  {'stop':>8}  sure  {'word':<16}  phones"]
    for start, stop, sure, label, phones in sorted(rows, key=lambda row: row[0]):
        said = " ".join(phone.label for phone in phones)
        lines.append(f"{start:8.2f}  {stop:8.2f}  {sure:4.2f}  {label:<16}  {said}")
    return "\n".join([*lines, counts])
