"""The command ``batch``, which makes all takes of a cast, and the arguments that Blender's command has as well."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from ..errors import CastError, MouthpieceError, PlaceError
from ..files.places import is_folder, is_there, refuse_inputs
from ..phrases import counted, listed
from .animate import add_motion_arguments, channel_asked, style_asked
from .cues import rate
from .paths import named_path
from .report import BAD_ARGUMENTS, DONE, FAILED, Reporter, reporter

if TYPE_CHECKING:
    from ..cast.batch import TakeBatch
    from ..cast.lines import CastLine
    from ..cast.report import BatchReport
    from ..cast.table import Cast

#: Most lines that numbers may name, and most threads.
_MOST_LINES: Final = 1_000_000
_MOST_JOBS: Final = 64
#: Seconds without a message after which a line's progress is told.
_SILENCE: Final = 3.0
_EPILOG = """\
A cast is a table in CSV, JSON or OpenTimelineIO: docs/cast.md. Sounds that lines share are heard once. Takes that are
up to date are left alone, so a run that was stopped goes on where it was. Amounts adjusted by hand are kept.

exit codes: 0 all done (--dry-run: all could be), 1 something failed or is missing, 2 bad arguments, 130 stopped
"""


def add_batch_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``batch`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "batch",
        help="all takes of a cast",
        description="Make the takes of all lines of a cast.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cast", type=named_path, metavar="CAST", help="the table: who speaks which sound")
    parser.add_argument("-o", "--output", type=named_path, required=True, metavar="TAKES", help="folder for the takes")
    parser.add_argument("--fps", type=rate, default=25.0, metavar="F", help="frames per second, 1 to 240 (default 25)")
    parser.add_argument("--force", action="store_true", help="replace files that were not made for these lines")
    add_batch_arguments(parser)
    add_motion_arguments(parser)
    parser.add_argument(
        "--language",
        metavar="TAG",
        default="",
        help="language of the transcripts, such as de (default: by their letters)",
    )
    parser.set_defaults(command=run_batch)
    return parser


def add_batch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of all batches: which lines, how many at once, and what is told of them."""
    group = parser.add_argument_group("batch")
    group.add_argument("--only", action="append", default=[], metavar="CHARACTER", help="only lines of this character")
    group.add_argument(
        "--lines", type=line_numbers, metavar="N-M,…", help="only these lines, counted from 1 in the cast"
    )
    group.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="sounds heard at once (default 1)")
    group.add_argument("--report", type=named_path, metavar="JSON", help="write what became of each line")
    group.add_argument("--dry-run", action="store_true", help="only tell what would be done, and what is missing")
    group.add_argument(
        "--resume", action="store_true", help="go on with what a stopped run left (batches without Blender always do)"
    )


def line_numbers(text: str) -> tuple[range, ...]:
    """Return the numbers that ``1-10,14`` names, as ranges.

    Raises
    ------
    argparse.ArgumentTypeError
        If it names none.
    """
    found = []
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        numbers = [
            int(word)
            for word in (first, last if dash else first)
            if word.isascii() and word.isdigit() and len(word) < 8
        ]
        if len(numbers) < 2 or not 1 <= numbers[0] <= numbers[1] <= _MOST_LINES:
            raise argparse.ArgumentTypeError(f"'{text[:60]}' is no list of lines such as 1-10,14")
        found.append(range(numbers[0], numbers[1] + 1))
    return tuple(found)


def chosen(cast: Cast, options: argparse.Namespace) -> dict[int, CastLine]:
    """Return the lines of a cast that ``--only`` and ``--lines`` choose, by number from 1.

    Raises
    ------
    CastError
        If the cast has no such character or line.
    """
    everyone = {name.casefold(): name for name in cast.characters}
    for name in options.only:
        if name.strip().casefold() not in everyone:
            raise CastError(
                f"Nobody in '{cast.path}' is called '{name}'. There are: {listed(list(cast.characters), 12)}."
            )
    wanted = {name.strip().casefold() for name in options.only} or set(everyone)
    last = max((numbers.stop - 1 for numbers in options.lines or ()), default=0)
    if last > len(cast.lines):
        raise CastError(f"'{cast.path}' has {counted(len(cast.lines), 'line')}: there is no line {last}.")
    return {
        number: line
        for number, line in enumerate(cast.lines, 1)
        if line.character.casefold() in wanted and (not options.lines or any(number in some for some in options.lines))
    }


def read_chosen(options: argparse.Namespace, teller: Reporter) -> tuple[Cast, dict[int, CastLine]] | int:
    """Return the cast ``options.cast`` and its chosen lines, or the exit code if there are none; tell what is wrong."""
    from ..cast.table import read_cast

    try:
        cast = read_cast(options.cast)
    except CastError as error:
        for fault in error.faults:
            teller.error(str(options.cast), fault)
        return failed(teller, options, str(error))
    for remark in cast.remarks:
        teller.warning(str(options.cast), remark)
    try:
        found = chosen(cast, options)
    except CastError as error:
        teller.error("", str(error))
        return BAD_ARGUMENTS
    if not found:
        teller.error("", f"No line in '{options.cast}' is both of such a character and of such a number.")
        return BAD_ARGUMENTS
    return cast, found


def begun_report(options: argparse.Namespace, facts: dict[str, Any], read: Iterable[Path]) -> BatchReport:
    """Return the report of a batch that begins; ``facts`` hold for all lines, ``read`` is not written over.

    Raises
    ------
    PlaceError
        If there may be no report at ``options.report``.
    """
    from .. import __version__
    from ..cast.report import BatchReport, check_report_place

    if options.report is not None:
        refuse_inputs([options.report], read)
        check_report_place(options.report, options.force)
    about = {"version": __version__, "dry_run": options.dry_run, **facts}
    return BatchReport(about, options.report)


def run_batch(options: argparse.Namespace) -> int:
    """Make the takes of a cast; return 0 if all lines have theirs, 1 if not, 2 if there are no such lines."""
    from ..cast.batch import TakeBatch, TakeSettings

    teller = reporter(options)
    found = read_chosen(options, teller)
    if isinstance(found, int):
        return found
    cast, lines = found
    if options.style_from is not None:
        teller.error("", "--style-from is not for batches. Make a style.json, or animate such lines one by one.")
        return BAD_ARGUMENTS
    try:
        if is_there(options.output) and not is_folder(options.output):
            raise PlaceError(f"'{options.output}' is a file. Name a folder for the takes.")
        style, channel = options.style or "speaker", channel_asked(options)
        style_asked(options)  # which says what is wrong with it
        chosen_so = options.fps, options.seed, style, channel, options.models, options.force, options.language
        settings = TakeSettings(*chosen_so)
        batch = TakeBatch(cast.lines, options.output, settings, lines)
        read = [options.cast, *(line.audio for line in cast.lines if line.audio is not None)]
        facts = {"cast": str(options.cast), "output": str(options.output), "networks": batch.networks}
        report = begun_report(options, facts, read)
        for remark in batch.remarks:
            teller.warning(str(options.models), remark)
        return _run(batch, report, options, teller)
    except MouthpieceError as error:
        teller.error("", str(error))
        return failed(teller, options, str(error))


def failed(teller: Reporter, options: argparse.Namespace, error: str) -> int:
    """Return the exit code of a batch that failed before it began, having said so on stdout if that is JSON."""
    if options.json:
        teller.result({"ok": False, "error": error}, "Failed.")
    return FAILED


def _run(batch: TakeBatch, report: BatchReport, options: argparse.Namespace, teller: Reporter) -> int:
    """Carry a batch out, or only tell of it; return the exit code."""
    for line in batch.lines.values():
        report.put(line, save=False)
        if line.state in ("failed", "missing"):
            teller.error(line.label, line.error)
    report.write()
    if not options.dry_run:
        try:
            _make(batch, report, options.jobs, teller)
        finally:  # however it ends, Ctrl-C included
            for line in batch.lines.values():
                report.put(line, save=False)
            report.write()
    text = "\n".join([*(report.told() if options.dry_run else ()), report.summary()])
    teller.result(report.as_dict(), text)
    return DONE if report.ok else FAILED


def _make(batch: TakeBatch, report: BatchReport, jobs: int, teller: Reporter) -> None:
    """Make the takes, and tell of each line as it is done."""
    from ..cast.batch import LineProgress

    total, done, last = batch.to_do, 0, monotonic()
    work = batch.steps(jobs)
    try:
        for message in work:
            if isinstance(message, LineProgress):
                if monotonic() - last > _SILENCE:
                    label = batch.lines[message.number].label
                    teller.step(done, total, label, f"{message.message}, {message.fraction:.0%}")
                    last = monotonic()
                continue
            done, last = done + 1, monotonic()
            for warning in message.warnings:
                teller.warning(message.label, warning)
            if message.state == "made":
                took = f"{message.seconds:.2f} s of motion in {message.wall_seconds:.2f} s"
                teller.step(done, total, message.label, took)
            else:
                teller.error(message.label, message.error)
            report.put(message)
    finally:
        work.close()  # which says of the rest that it was cancelled


def _jobs(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if not 1 <= value <= _MOST_JOBS:
        raise argparse.ArgumentTypeError(f"'{text[:40]}' is not a whole number from 1 to {_MOST_JOBS}")
    return value
