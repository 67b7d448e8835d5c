"""The command ``fit``, which fits an actor's way of moving to what was recorded of that actor."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import ActorError, MouthpieceError, PlaceError, UnreadableError
from ..files.places import in_words, is_there, refuse_inputs
from .paths import named_path
from .report import BAD_ARGUMENTS, DONE, FAILED, Reporter, reporter, shown

if TYPE_CHECKING:
    from ..audio import Source
    from ..performance import Performance

_EPILOG: Final = """\
  mouthpiece fit anna.csv --sound anna.wav -o anna.json     Live Link Face and the sound recorded with it
  mouthpiece animate line.wav --actor anna.json             other lines, as Anna moves

Recordings are tables of ARKit weights (.csv, as Live Link Face writes them) or takes (.npz) of a recording. Several
recordings need a --sound each, in the same order. No network is trained: it takes seconds. A minute is good, ten
seconds are the least to be sure of."""


def add_fit_command(commands: Any, open_sound: Callable[..., Source] | None = None) -> argparse.ArgumentParser:
    """Add ``fit`` to ``parser.add_subparsers()`` and return its parser; ``open_sound`` as for ``animate``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fit",
        help="an actor's way of moving, from a recording of that actor",
        description="Fit an actor's way of moving: how far lips and jaw move, width, rest, head and brows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("captures", nargs="+", type=named_path, metavar="RECORDING", help="what was recorded of a face")
    parser.add_argument(
        "--sound", required=True, action="append", type=named_path, metavar="SOUND",
        help="the sound of the recording, or its take (.npz); once for each recording",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, type=named_path, metavar="FILE", help="the actor (.json)")
    parser.add_argument("--name", default="", help="what the actor is called (default: as the file)")
    parser.add_argument(
        "--delay",
        type=float,
        metavar="S",
        help="seconds by which recordings begin before their sounds (default: found)",
    )
    parser.add_argument("--models", type=named_path, metavar="DIR", help="use the networks in DIR")
    parser.add_argument("--force", action="store_true", help="replace a file that is no actor")
    parser.set_defaults(command=run_fit, open_sound=open_sound)
    return parser


def run_fit(options: argparse.Namespace) -> int:
    """Fit an actor and write the file. Return 0, 1 if it fails, 2 if arguments contradict each other."""
    from ..actors.captures import read_capture
    from ..actors.fit import fitted

    teller, name = reporter(options), str(options.captures[0])
    if len(options.sound) != len(options.captures):
        counts = f"{len(options.captures)} and {len(options.sound)}"
        teller.error(name, f"Recordings and sounds differ in number ({counts}). Give each recording its --sound.")
        return BAD_ARGUMENTS
    try:
        with in_words(options.captures[0]):
            place = _place(options)
            pairs = []
            for capture, sound in zip(options.captures, options.sound, strict=True):
                take = _take(sound, options, teller)
                pairs.append((read_capture(capture, take.neutral), take))
            found = fitted(pairs, options.name or place.stem, options.delay)
            found.actor.save(place)
    except MouthpieceError as error:
        teller.error(name, str(error))
        return FAILED
    facts = {"r_open": found.r_open, "spread": found.spread, "delay": found.delay, "seconds": found.seconds}
    teller.result(
        {"ok": True, "output": str(place), **facts},
        f"{shown(place)}  {found.seconds:.1f} s of speech; opening of the lips: correlation {found.r_open[0]:.3f} to "
        f"{found.r_open[1]:.3f}, size {found.spread[0]:.2f} to {found.spread[1]:.2f} of the recorded",
    )
    return DONE


def _place(options: argparse.Namespace) -> Path:
    """Return where the actor goes; raises PlaceError if that is something else."""
    from ..actors.actor import read_actor

    place: Path = options.output
    if not place.name:
        raise PlaceError(f"'{place}' is no name of a file. Name the actor to be written.")
    place = place if place.suffix.lower() == ".json" else place.with_name(place.name + ".json")
    refuse_inputs([place], [*options.captures, *options.sound])
    if is_there(place) and not options.force:
        try:
            read_actor(place)
        except (ActorError, UnreadableError) as error:
            raise PlaceError(
                f"'{place}' exists and is no actor. Choose another place, or replace it with --force."
            ) from error
    return place


def _take(sound: Path, options: argparse.Namespace, teller: Reporter) -> Performance:
    """Return the take of a sound, as the average speaker moves, or the take in a file."""
    from ..audio import SoundFile
    from ..performance import Performance
    from ..pipeline import Options, Progress, Warned, steps
    from ..styles import Style

    if sound.suffix.lower() == ".npz":
        return Performance.load(sound)
    take: Performance | None = None
    for item in steps((options.open_sound or SoundFile)(sound), Options(style=Style()), options.models):
        if isinstance(item, Progress):
            teller.progress(str(sound), item.fraction, item.message)
        elif isinstance(item, Warned):
            teller.warning(str(sound), item.message)
        else:
            take = item
    assert take is not None
    return take
