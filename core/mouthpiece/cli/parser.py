"""The command line, and the argument grammar Blender's ``mouthpiece`` command shares with it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import MouthpieceError, TakeError
from .cues import add_cues_command
from .dial import add_dial_arguments, add_dial_command, dials_of
from .inspect import add_inspect_command
from .landmarks import add_landmarks_command
from .portrait import add_portrait_command
from .report import Reporter
from .verify import add_verify_command

if TYPE_CHECKING:
    from ..audio import Source
    from ..styles import Style

DONE, FAILED, BAD_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
examples:
  mouthpiece animate line.wav                       writes line.npz beside it
  mouthpiece animate line.wav -o take.npz --seed 3  another head, other blinks, the same lips
  mouthpiece animate scene/*.flac -o takes          one take a file; a bad file does not stop the rest
  mouthpiece dial take.npz --lips 1.2 --emotion happy   turn it afterwards: no network runs again
  mouthpiece cues take.npz --set rhubarb -o cues.tsv    which drawn mouth when, on twos
  mouthpiece portrait --image face.png --audio line.wav -o out.mp4 --consent "own: …"   a picture that talks
  mouthpiece inspect take.npz --plot take.png       what is in it, and its curves as a picture

In Blender, with the add-on enabled:
  blender -b scene.blend -c mouthpiece bake --audio line.wav --object Face --output out.blend

exit codes: 0 all done, 1 something failed, 2 bad arguments
"""


def add_motion_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what decides how a face moves: ``--seed``, ``--style``, ``--style-from`` and ``--models``."""
    group = parser.add_argument_group("motion")
    group.add_argument(
        "--seed", type=_whole, default=0, metavar="N", help="choose head motion, blinks and gaze (default 0)"
    )
    group.add_argument(
        "--style",
        metavar="NAME",
        help="manner of moving: speaker (as in the sound, the default), neutral, calm, energetic, reserved, cheerful, "
        "or a style.json of an actor",
    )
    group.add_argument(
        "--style-from", type=Path, metavar="SOUND", help="move in the manner of whoever speaks in this sound"
    )
    group.add_argument(
        "--models", type=Path, metavar="DIR", help="use the networks in DIR in place of the shipped ones of that name"
    )


def style_asked(options: argparse.Namespace) -> Style | None:
    """Return the style asked for by :func:`add_motion_arguments`; None for the sound's own.

    Raises
    ------
    MouthpieceError
        If there is no such style, two are asked for, or the sound it is to come from cannot be used.
    """
    from .. import styles

    if options.style_from is None:
        name = options.style or styles.SPEAKER
        return styles.read(Path(name)) if name.lower().endswith(".json") else styles.named(name)
    if options.style is not None:
        raise MouthpieceError("Both --style and --style-from are given. Choose one of them.")
    from ..audio import SoundFile
    from ..pipeline import style_of

    reader = getattr(options, "open_sound", None) or SoundFile
    return replace(style_of(reader(options.style_from), options.models), name=f"from {options.style_from.name}")


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how to tell about it: ``--json`` and ``--quiet``."""
    group = parser.add_argument_group("report")
    group.add_argument("--json", action="store_true", help="report on stdout, and progress on stderr, as JSON")
    group.add_argument("--quiet", action="store_true", help="no progress, only warnings and errors")


def reporter(options: argparse.Namespace) -> Reporter:
    """Return the reporter asked for by :func:`add_report_arguments`."""
    return Reporter(as_json=options.json, quiet=options.quiet)


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 up")
    return value


def add_commands(commands: Any, open_sound: Callable[[Path], Source] | None = None) -> None:
    """Add ``animate``, ``dial``, ``cues``, ``landmarks``, ``verify`` and ``inspect`` to ``parser.add_subparsers()``.

    ``open_sound`` reads a sound file where this package's own reader is not to be used (Blender decodes by itself).
    """
    text = argparse.RawDescriptionHelpFormatter
    animate = commands.add_parser(
        "animate",
        help="sound in, take (.npz) out",
        description="Turn speech into a take: landmarks, ARKit weights, head, gaze and blinks over time.",
        epilog="A take already at the place is replaced; any other file only with --force.",
        formatter_class=text,
    )
    animate.add_argument("sounds", nargs="+", type=Path, metavar="SOUND", help="sound file (wav, flac, ogg, mp3, …)")
    animate.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="the take, or, for several sounds, a folder (default: beside)"
    )
    animate.add_argument("--fps", type=float, default=25.0, metavar="F", help="frames per second (default 25)")
    animate.add_argument("--force", action="store_true", help="replace files that are not takes")
    add_motion_arguments(animate)
    add_dial_arguments(animate)
    add_report_arguments(animate)
    animate.set_defaults(command=run_animate, open_sound=open_sound)

    add_report_arguments(add_dial_command(commands))
    add_report_arguments(add_cues_command(commands))
    add_report_arguments(add_landmarks_command(commands))
    add_report_arguments(add_verify_command(commands))
    add_report_arguments(add_inspect_command(commands))


class _Version(argparse.Action):
    """Print the version; a class, because finding it costs more than help should."""

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
    # Blender has a command of this name of its own, which writes films with what Blender has
    add_report_arguments(add_portrait_command(commands))
    return parser


def run(argv: Sequence[str] | None = None, parser: argparse.ArgumentParser | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own) and return its exit code.

    ``parser`` (default: :func:`build_parser`'s) sets ``command``, a function from the parsed options to the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        # File names may hold what the terminal's encoding does not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = (parser or build_parser()).parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        Reporter(as_json=options.json).error("", "Stopped. What was finished before is kept.")
        return INTERRUPTED


def run_animate(options: argparse.Namespace) -> int:
    """Animate every sound; a bad one does not stop the rest. Return 0 if all succeeded, else 1."""
    teller = reporter(options)
    results: list[dict[str, Any]] = []
    try:
        style = style_asked(options)
    except MouthpieceError as error:
        teller.error(str(options.style_from or options.style), str(error))
        return FAILED
    places = _places(options.sounds, options.output)
    for sound, place in zip(options.sounds, places, strict=True):
        try:
            if places.count(place) > 1:
                raise TakeError(f"Several of the sounds would be written to '{place}'. Animate them one by one.")
            results.append(_animate_one(sound, place, options, style, teller))
        except MouthpieceError as error:
            teller.error(str(sound), str(error))
            results.append({"input": str(sound), "ok": False, "error": str(error)})
    good = [result for result in results if result["ok"]]
    lines = [f"{r['output']}  {r['seconds']:.2f} s of motion in {r['wall_seconds']:.2f} s" for r in good]
    if len(results) > len(good):
        lines.append(f"{len(results) - len(good)} of {len(results)} sounds failed")
    ok = len(good) == len(results)
    teller.result({"ok": ok, "results": results}, "\n".join(lines))
    return DONE if ok else FAILED


def _places(sounds: Sequence[Path], output: Path | None) -> list[Path]:
    """Return where each take goes."""
    if output is None:
        return [sound.with_suffix(".npz") for sound in sounds]
    if len(sounds) > 1 or output.is_dir():
        return [output / f"{sound.stem}.npz" for sound in sounds]
    return [output if output.suffix.lower() == ".npz" else output.with_name(output.name + ".npz")]


def _animate_one(
    sound: Path, place: Path, options: argparse.Namespace, style: Style | None, teller: Reporter
) -> dict[str, Any]:
    from time import perf_counter

    from ..audio import SoundFile
    from ..motion.dials import dialled
    from ..performance import Performance
    from ..pipeline import Options, Progress, Warned, steps

    check_replaceable(place, options.force)
    began = perf_counter()
    warnings: list[str] = []
    take: Performance | None = None
    source = (options.open_sound or SoundFile)(sound)
    for item in steps(source, Options(options.fps, options.seed, style), options.models):
        if isinstance(item, Progress):
            teller.progress(str(sound), item.fraction, item.message)
        elif isinstance(item, Warned):
            warnings.append(item.message)
            teller.warning(str(sound), item.message)
        else:
            take = dialled(item, dials_of(options))
    assert take is not None
    written = take.save(place)
    return {
        "input": str(sound),
        "ok": True,
        "output": str(written),
        "seconds": take.seconds,
        "frames": len(take),
        "fps": take.fps,
        "wall_seconds": round(perf_counter() - began, 3),
        "warnings": warnings,
    }


def check_replaceable(place: Path, force: bool) -> None:
    """Refuse to write over anything at ``place`` but a take, unless ``force``.

    Raises
    ------
    TakeError
        If something else is there.
    """
    from ..performance import Performance

    if force or not place.exists():
        return
    try:
        Performance.load(place)
    except TakeError as error:
        raise TakeError(
            f"'{place}' exists and is not a take this version reads. Choose another place, or replace it with --force."
        ) from error
