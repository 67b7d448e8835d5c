"""The command ``lint``: what is wrong with takes and films, told with line, time and remedy."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import MouthpieceError, PlaceError, TakeError
from ..files.places import in_words, is_folder, refuse_inputs
from ..files.writer import write_whole
from ..phrases import counted
from .paths import named_path
from .report import BAD_ARGUMENTS, DONE, FAILED, Reporter, reporter

if TYPE_CHECKING:
    from ..lint.limits import CastLimits
    from ..lint.reports import LintReport

#: Endings of what is looked at as a film.
FILMS: Final = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".mxf")
_EPILOG: Final = """\
examples:
  mouthpiece lint take.npz                          judged by what was heard when the take was made
  mouthpiece lint take.npz --audio line.wav         judged by the sound itself
  mouthpiece lint film.mp4 --limits limits.toml     a face in a film and the film's own sound
  mouthpiece lint takes/*.npz --format junit -o lint.xml   for a CI server

exit codes: 0 all within limits, 1 something is beyond them or cannot be read, 2 bad arguments or limits
"""


def add_lint_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``lint`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lint",
        help="what is wrong with takes and films",
        description="Check takes and films: sync, motion in silence, jumps, frozen faces, lids, gaze and more.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs", type=named_path, nargs="+", metavar="FILE", help="takes (.npz) and films (.mp4, .mov, .mkv …)"
    )
    parser.add_argument(
        "--audio",
        type=named_path,
        action="append",
        metavar="SOUND",
        help="the sound to judge by: one for all files, or once for each in their order (default: a film's own sound, "
        "and for a take what was heard when it was made)",
    )
    parser.add_argument(
        "--face", type=_number, default=1, metavar="N", help="which face of a film, 1 for the most prominent (default)"
    )
    add_lint_arguments(parser)
    parser.set_defaults(command=run_lint)
    return parser


def add_lint_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--limits``, ``--format`` and ``--output``: what every command that checks has."""
    parser.add_argument(
        "--limits", type=named_path, metavar="TOML", help="how much of each fault is let pass (docs/lint.md)"
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "junit", "github"),
        help="how findings are told: text (default), json (also what is within limits), junit (XML for CI servers), "
        "github (annotations)",
    )
    parser.add_argument("-o", "--output", type=named_path, metavar="FILE", help="write them there (default: stdout)")


def limits_asked(options: argparse.Namespace) -> CastLimits:
    """Return the limits chosen by the arguments of :func:`add_lint_arguments`.

    Raises
    ------
    LimitsError
        If the file cannot be used.
    """
    from ..lint.limits import CastLimits, read_limits

    return CastLimits() if options.limits is None else read_limits(options.limits)


def tell(options: argparse.Namespace, reports: Sequence[LintReport], teller: Reporter) -> int:
    """Tell or write what was found as the arguments of :func:`add_lint_arguments` say; return the exit code.

    That is 0 if everything could be checked and is within limits, else 1.

    Raises
    ------
    MouthpieceError
        If the report cannot be written.
    """
    from ..lint.reports import FORMATS, as_dict

    ending = DONE if all(report.passes for report in reports) else FAILED
    text = FORMATS[options.format or ("json" if options.json else "text")](reports)
    if options.output is None:
        teller.result(as_dict(reports), text)
        return ending
    try:
        write_whole(options.output, text + "\n")
    except OSError as error:
        reason = error.strerror or error
        raise PlaceError(f"'{options.output}' cannot be written: {reason}. Choose another place.") from error
    found = sum(len(report.findings) for report in reports)
    wrong = sum(bool(report.error) for report in reports)
    failed = f", {wrong} could not be read" if wrong else ""
    teller.result(
        {"ok": ending == DONE, "output": str(options.output), "findings": found},
        f"{options.output}  {counted(found, 'finding')} in {counted(len(reports), 'file')}{failed}",
    )
    return ending


def run_lint(options: argparse.Namespace) -> int:
    """Check every file, also if an earlier one failed. Return 0, 1 or 2 as the command's help says."""
    teller = reporter(options)
    try:
        limits = limits_asked(options)
        sounds = _sounds(options)
        _check_place(options, sounds)
    except MouthpieceError as error:
        teller.error("", str(error))
        return BAD_ARGUMENTS
    reports = [
        _report(path, sound, options, limits, teller) for path, sound in zip(options.inputs, sounds, strict=True)
    ]
    try:
        return tell(options, reports, teller)
    except MouthpieceError as error:
        teller.error("", str(error))
        return FAILED


def _check_place(options: argparse.Namespace, sounds: Sequence[Path | None]) -> None:
    """Raise MouthpieceError if the report may not be written where it is asked for, or not in that format."""
    if options.output is None:
        if options.json and options.format not in (None, "json"):
            raise PlaceError(f"--json and --format {options.format} both go to stdout. Name a file with -o for one.")
        return
    read = [*options.inputs, *(sound for sound in sounds if sound)]
    refuse_inputs([options.output], [*read, options.limits] if options.limits else read)
    if is_folder(options.output):
        raise PlaceError(f"'{options.output}' is a folder. Name a file for the report.")


def _sounds(options: argparse.Namespace) -> list[Path | None]:
    """Return the sound given for each file, None for its own."""
    given: list[Path] = options.audio or []
    if len(given) <= 1:
        return [given[0] if given else None] * len(options.inputs)
    if len(given) != len(options.inputs):
        raise PlaceError(
            f"{counted(len(given), 'sound')} for {counted(len(options.inputs), 'file')}: give --audio once, or once "
            "for each file in their order."
        )
    return list(given)


def _report(
    path: Path, sound: Path | None, options: argparse.Namespace, limits: CastLimits, teller: Reporter
) -> LintReport:
    """Return what is found in one file, or why it cannot be checked."""
    from ..lint.checks import examined
    from ..lint.reports import LintReport
    from ..pipeline import Progress, Warned

    remarks: list[str] = []
    try:
        with in_words(path), in_words(sound) if sound else nullcontext():
            for item in _seen(path, sound, options.face):
                if isinstance(item, Progress):
                    teller.progress(str(path), item.fraction, item.message)
                elif isinstance(item, Warned):
                    remarks.append(item.message)
                else:
                    examination = examined(item, limits.of(item.character).without(*_unseen(path)))
                    return LintReport(str(path), (examination,), remarks=tuple(remarks))
    except MouthpieceError as error:
        teller.error(str(path), str(error))
        return LintReport(str(path), error=str(error), remarks=tuple(remarks))
    raise AssertionError("a file is seen or not")


def _unseen(path: Path) -> tuple[str, ...]:
    """Return the checks of what a take or a film does not hold."""
    from ..lint.limits import OF_KEYS

    return (*OF_KEYS, "clipping") if path.suffix.lower() in FILMS else OF_KEYS


def _seen(path: Path, sound: Path | None, face: int) -> Iterator[Any]:
    """Yield progress and warnings, and last what is seen in a file."""
    ending = path.suffix.lower()
    if ending in FILMS:
        yield from _seen_film(path, sound, face)
    elif ending == ".blend":
        raise TakeError(f"'{path}' is checked inside Blender: blender -b '{path}' -c mouthpiece lint")
    else:
        yield from _seen_take(path, sound)


def _seen_take(path: Path, sound: Path | None) -> Iterator[Any]:
    from ..audio import SoundFile
    from ..lint.sources.sound import WITHOUT_SOUND, Hearing, heard
    from ..lint.sources.takes import seen_take
    from ..performance import Performance
    from ..pipeline import Warned

    take = Performance.load(path)
    told: Hearing | None = None
    if sound is None:
        yield Warned(WITHOUT_SOUND)
    else:
        for item in heard(SoundFile(sound), take.fps):
            if isinstance(item, Hearing):
                told = item
            else:
                yield item
    yield seen_take(take, path.stem, path.stem, told)


def _seen_film(path: Path, sound: Path | None, face: int) -> Iterator[Any]:
    from ..audio import SoundFile
    from ..lint.sources.films import seen_film
    from ..portrait.films import FilmReader

    if sound is not None:
        yield from seen_film(path, SoundFile(sound), 0.0, face)
        return
    if FilmReader(path).facts.sound_late is None:
        raise TakeError(f"'{path}' holds no sound, so nothing can be said of sync. Give one with --audio.")
    yield from seen_film(path, SoundFile(path), None, face)


def _number(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"'{text[:40]}' is not the number of a face: 1, 2 …")
    return value
