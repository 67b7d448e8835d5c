"""The command line's parser, whose commands Blender's own ``mouthpiece`` command has as well."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import PlaceError
from ..places import in_words
from .animate import add_animate_command
from .cues import add_cues_command
from .dial import add_dial_command
from .inspect import add_inspect_command
from .landmarks import add_landmarks_command
from .portrait import add_portrait_command
from .report import DONE, FAILED, INTERRUPTED, Reporter, add_report_arguments
from .verify import add_verify_command

if TYPE_CHECKING:
    from ..audio import Source

_EPILOG = """\
examples:
  mouthpiece animate line.wav                       writes line.npz beside it
  mouthpiece animate line.wav -o take.npz --seed 3  another head, other blinks, the same lips
  mouthpiece animate scene/*.flac -o takes          one take a file; a bad file does not stop the rest
  mouthpiece adjust take.npz --lips 1.2 --emotion sad   afterwards, without hearing it again
  mouthpiece cues take.npz --set rhubarb -o cues.tsv    which drawn mouth when, on twos
  mouthpiece portrait --image face.png --audio line.wav -o out.mp4 --consent "own: …"   a picture that talks
  mouthpiece inspect take.npz --plot take.png       what is in it, and its curves as a picture

In Blender, with the add-on enabled:
  blender -b scene.blend -c mouthpiece bake --audio line.wav --object Face --output out.blend

exit codes: 0 all done, 1 something failed, 2 bad arguments
"""


def add_commands(commands: Any, open_sound: Callable[..., Source] | None = None) -> None:
    """Add ``animate``, ``dial``, ``cues``, ``landmarks``, ``verify`` and ``inspect`` to ``parser.add_subparsers()``.

    ``open_sound`` reads a sound file in place of this package's own reader (Blender decodes sounds itself).
    """
    add_report_arguments(add_animate_command(commands, open_sound))
    add_report_arguments(add_dial_command(commands))
    add_report_arguments(add_cues_command(commands))
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
    # Blender's command line has its own ``portrait``, which encodes films with Blender
    add_report_arguments(add_portrait_command(commands))
    return parser


def run(argv: Sequence[str] | None = None, parser: argparse.ArgumentParser | None = None) -> int:
    """Run the command line ``argv`` (default: that of the process) and return its exit code.

    ``parser`` (default: :func:`build_parser`'s) sets ``command``, a function from the parsed options to the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        # File names may hold characters that the terminal's encoding lacks.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = (parser or build_parser()).parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        with in_words(Path()):
            return int(options.command(options))
    except PlaceError as error:
        Reporter(as_json=options.json).error("", str(error))
        return FAILED
    except KeyboardInterrupt:
        Reporter(as_json=options.json).error("", "Stopped. What was finished before is kept.")
        return INTERRUPTED
