"""The command line's parser, whose commands Blender's own ``mouthpiece`` command has as well."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import PlaceError
from ..files.places import in_words
from .animate import add_animate_command
from .batch import add_batch_command
from .cues import add_cues_command
from .dial import add_dial_command
from .farm import add_farm_command
from .fit import add_fit_command
from .inspect import add_inspect_command
from .landmarks import add_landmarks_command
from .lint import add_lint_command
from .phones import add_phones_command
from .portrait import add_portrait_command
from .report import (
    DONE,
    FAILED,
    INTERRUPTED,
    NOT_READ,
    NotWritten,
    Reporter,
    add_report_arguments,
    shown,
)
from .verify import add_verify_command

if TYPE_CHECKING:
    from ..audio import Source

_EPILOG = """\
examples:
  mouthpiece animate line.wav                       writes line.npz beside it
  mouthpiece animate line.wav -o take.npz --seed 3  another head, other blinks, the same lips
  mouthpiece animate scene/*.flac -o takes          one take a file; a bad file does not stop the rest
  mouthpiece batch cast.csv -o takes                all takes of a film: a table says who speaks which sound
  mouthpiece adjust take.npz --lips 1.2 --emotion sad   afterwards, without hearing it again
  mouthpiece cues take.npz --set rhubarb -o cues.tsv    which drawn mouth when, on twos
  mouthpiece fit anna.csv --sound anna.wav -o anna.json   an actor's way of moving, for --actor
  mouthpiece phones take.npz -o line.TextGrid       what is said when, for Praat
  mouthpiece portrait --image face.png --audio line.wav -o out.mp4 --consent "own: …"   a picture that talks
  mouthpiece inspect take.npz --plot take.png       what is in it, and its curves as a picture
  mouthpiece lint take.npz --audio line.wav         what is wrong with it, and what to do about it

In Blender, with the add-on enabled:
  blender -b scene.blend -c mouthpiece bake --audio line.wav --object Face --output out.blend

exit codes: 0 all done, 1 something failed, 2 bad arguments, 130 stopped by Ctrl-C, 141 nobody reads the output
"""


def add_commands(commands: Any, open_sound: Callable[..., Source] | None = None) -> None:
    """Add to ``parser.add_subparsers()`` the commands that Blender's own ``mouthpiece`` command has as well.

    ``open_sound`` reads a sound file in place of this package's own reader (Blender decodes sounds itself).
    """
    add_report_arguments(add_animate_command(commands, open_sound))
    add_report_arguments(add_dial_command(commands))
    add_report_arguments(add_cues_command(commands))
    add_report_arguments(add_phones_command(commands))
    add_report_arguments(add_fit_command(commands, open_sound))
    add_report_arguments(add_landmarks_command(commands))
    add_report_arguments(add_verify_command(commands))
    add_report_arguments(add_inspect_command(commands))


class _Version(argparse.Action):
    """Prints the version. An action of its own, because looking up the version would slow down ``--help``."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from .. import __version__

        print(f"mouthpiece {__version__}")
        parser.exit(DONE)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m mouthpiece``."""
    parser = argparse.ArgumentParser(
        prog="mouthpiece",
        description="Speech in, an editable facial performance out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_commands(commands)
    add_farm_command(commands)
    # Blender's command line has its own ``portrait``, which encodes films with Blender, and its own ``batch``
    add_report_arguments(add_batch_command(commands))
    add_report_arguments(add_portrait_command(commands))
    # and its own ``lint``, which checks scenes
    add_report_arguments(add_lint_command(commands))
    return parser


def run(argv: Sequence[str] | None = None, parser: argparse.ArgumentParser | None = None) -> int:
    """Run the command line ``argv`` (default: that of the process) and return its exit code.

    ``parser`` (default: :func:`build_parser`'s) sets ``command``, a function from the parsed options to the exit code.
    Without it this is a program of its own, whose stderr holds its own lines only: what libraries print is left out
    (``python -X dev -m mouthpiece`` shows it).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        with _streams(parser is None and not sys.flags.dev_mode):
            try:
                with in_words(Path()):
                    return _run(words, as_json, parser or build_parser())
            except PlaceError as error:
                Reporter(as_json).error("", str(error))
                return FAILED
            except NotWritten as error:
                _let_go_of_stdout()
                if error.code != NOT_READ:
                    Reporter(as_json).error("", f"The result cannot be written to standard output: {error}.")
                return error.code
    except KeyboardInterrupt:
        Reporter(as_json).error("", "Stopped. What was finished before is kept.")
        return INTERRUPTED


def _run(words: Sequence[str], as_json: bool, parser: argparse.ArgumentParser) -> int:
    """Parse the arguments and run their command; return its exit code.

    Raises
    ------
    NotWritten
        If the result, or the help, cannot be written to stdout.
    """
    help_text, said = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(help_text), contextlib.redirect_stderr(said):
            options = parser.parse_args(words)
    except SystemExit as stop:
        if said.getvalue():
            _complain(said.getvalue(), as_json)
        if help_text.getvalue():
            Reporter().result({}, help_text.getvalue().removesuffix("\n"))
        return int(stop.code or 0)
    return int(options.command(options))


def _complain(said: str, as_json: bool) -> None:
    """Tell what argparse says of bad arguments, as a line of JSON if that is asked for."""
    text = shown(said, keep="\n").rstrip()
    if as_json:
        Reporter(as_json).error("", text.rpartition("error: ")[2])
    elif sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


@contextlib.contextmanager
def _streams(own: bool) -> Iterator[None]:
    """Let stdout and stderr take any text; if they are our ``own``, keep what libraries say out of stderr."""
    with contextlib.ExitStack() as undo:
        if own:
            undo.enter_context(warnings.catch_warnings())
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            undo.enter_context(_silent_logging())
            undo.enter_context(_own_stderr())
        for stream in (sys.stdout, sys.stderr):
            # File names may hold characters that the terminal's encoding lacks.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        yield


@contextlib.contextmanager
def _silent_logging() -> Iterator[None]:
    """Keep warnings that libraries log from being printed where nobody asked for logs."""
    last, logging.lastResort = logging.lastResort, None
    raising, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        yield
    finally:
        logging.lastResort, logging.raiseExceptions = last, raising


@contextlib.contextmanager
def _own_stderr() -> Iterator[None]:
    """Give sys.stderr a descriptor of its own, and lead the process's, on which libraries in C print, nowhere.

    Descriptors 0 to 2 that are closed lead nowhere as well: else the next file that is opened would be taken for one.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free
    before = sys.stderr
    try:
        is_own = before is not None and before.fileno() == 2
    except (OSError, ValueError):
        is_own = False
    if not is_own:
        yield
        return
    before.flush()
    kept = os.dup(2)
    ours = open(os.dup(kept), "w", encoding=before.encoding, errors="backslashreplace", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = ours
    try:
        yield
    finally:
        sys.stderr = before
        os.dup2(kept, 2)
        os.close(kept)
        with contextlib.suppress(OSError):
            ours.close()


def _let_go_of_stdout() -> None:
    """Lead stdout nowhere, so that what is left in it is not written, and complained about, at the end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
