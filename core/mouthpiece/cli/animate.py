"""The command ``animate``, which makes takes from sounds, and the arguments that set how a face moves."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MouthpieceError, PlaceError
from ..files.places import collisions, in_words, is_folder, refuse_inputs
from ..phrases import counted
from .cues import rate
from .dial import add_dial_arguments, dials_of
from .paths import named_path
from .report import DONE, FAILED, Reporter, reporter, shown
from .spoken import add_text_arguments, text_asked, text_file, with_text_asked

if TYPE_CHECKING:
    from ..actors.actor import Actor
    from ..audio import Source
    from ..styles import Style


def add_animate_command(commands: Any, open_sound: Callable[..., Source] | None = None) -> argparse.ArgumentParser:
    """Add ``animate`` to ``parser.add_subparsers()`` and return its parser.

    ``open_sound`` reads a sound file, given its path and perhaps its channel, in place of this package's own reader
    (Blender decodes sounds itself).
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        "animate",
        help="sound in, take (.npz) out",
        description="Turn speech into a take: landmarks, ARKit weights, head, gaze and blinks over time.",
        epilog="A take already at the place is replaced; any other file only with --force.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sounds", nargs="+", type=named_path, metavar="SOUND", help="sound file (wav, flac, ogg, mp3, …)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=named_path,
        metavar="PATH",
        help="the take, or, for several sounds, a folder (default: beside)",
    )
    parser.add_argument("--fps", type=rate, default=25.0, metavar="F", help="frames per second, 1 to 240 (default 25)")
    parser.add_argument("--force", action="store_true", help="replace files that are not takes")
    add_motion_arguments(parser)
    add_actor_argument(parser)
    add_text_arguments(parser, several=True)
    add_dial_arguments(parser)
    parser.set_defaults(command=run_animate, open_sound=open_sound)
    return parser


def add_motion_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that set how a face moves: what is heard, the seed, the style and the networks.

    ``channel`` is None where it is not given.
    """
    group = parser.add_argument_group("motion")
    group.add_argument(
        "--channel",
        type=_channel,
        metavar="CHANNEL",
        help="what of a sound with several channels is heard: auto (the mean, or one channel where they cancel each "
        "other out; the default), mix (the mean), left, right, or a number from 1",
    )
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
        "--style-from", type=named_path, metavar="SOUND", help="move in the manner of whoever speaks in this sound"
    )
    group.add_argument(
        "--models",
        type=named_path,
        metavar="DIR",
        help="use the networks in DIR in place of the shipped ones of that name",
    )


def add_actor_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that says as which actor a face moves."""
    parser.add_argument(
        "--actor",
        type=named_path,
        metavar="FILE",
        help="move as an actor does: a file that 'mouthpiece fit' wrote",
    )


def channel_asked(options: argparse.Namespace) -> str:
    """Return the channel chosen by the arguments of :func:`add_motion_arguments`, automatic by default."""
    from ..sounds.mixdown import AUTOMATIC

    return options.channel or AUTOMATIC


def actor_asked(options: argparse.Namespace) -> Actor | None:
    """Return the actor chosen by :func:`add_actor_argument`, if one is; raises ActorError if the file is none."""
    if options.actor is None:
        return None
    from ..actors.actor import read_actor

    return read_actor(options.actor)


def style_asked(options: argparse.Namespace) -> Style | None:
    """Return the style chosen by the arguments of :func:`add_motion_arguments`; None for the sound's own speaker.

    Raises
    ------
    MouthpieceError
        If there is no such style, two styles are given, or the sound to take the style from cannot be used.
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
    return replace(style_of(reader(options.style_from), options.models), name=f"from {shown(options.style_from.name)}")


def files_read(options: argparse.Namespace) -> list[Path]:
    """Return the files that ``animate`` reads: sounds, the actor, the text, and what the style is from."""
    text = text_file(options)
    style = [Path(options.style)] if options.style else []  # most often a name, and then no file
    actor = [options.actor] if options.actor else []
    return [
        *options.sounds,
        *actor,
        *([text] if text else []),
        *style,
        *([options.style_from] if options.style_from else []),
    ]


def run_animate(options: argparse.Namespace) -> int:
    """Animate every sound, also if an earlier one failed. Return 0 if all succeeded, else 1."""
    teller = reporter(options)
    results: list[dict[str, Any]] = []
    asked = str(options.style_from or options.style or "")  # whose fault it is, if anything is wrong
    try:
        with in_words(Path(asked)):
            style = style_asked(options)
        asked = str(options.actor or "")
        with in_words(Path(asked)):
            actor = actor_asked(options)
    except MouthpieceError as error:
        teller.error(asked, str(error))
        return FAILED
    places = _places(options.sounds, options.output)
    shared = collisions([(a, b) for a, b in zip(options.sounds, places, strict=True) if b is not None])
    for sound, place in zip(options.sounds, places, strict=True):
        try:
            if place is None:
                raise PlaceError(f"'{sound}' is no name of a file. Check the path.")
            if place in shared:
                names = " and ".join(f"'{other}'" for other in shared[place])
                raise PlaceError(f"{names} would all be written to '{place}'. Animate them one by one, each with -o.")
            refuse_inputs([place], files_read(options))
            with in_words(sound):
                results.append(_animate_one(sound, place, options, (style, actor), teller))
        except MouthpieceError as error:
            teller.error(str(sound), str(error))
            results.append({"input": str(sound), "ok": False, "error": str(error)})
    good = [result for result in results if result["ok"]]
    made = [result for result in results if "output" in result]  # those whose text does not fit as well
    lines = [f"{shown(r['output'])}  {r['seconds']:.2f} s of motion in {r['wall_seconds']:.2f} s" for r in made]
    if len(results) > len(good):
        lines.append(f"{len(results) - len(good)} of {counted(len(results), 'sound')} failed")
    ok = len(good) == len(results)
    teller.result({"ok": ok, "results": results}, "\n".join(lines))
    return DONE if ok else FAILED


def _places(sounds: Sequence[Path], output: Path | None) -> list[Path | None]:
    """Return the file each sound's take is written to; None for a sound whose path ends without a name."""
    if output is None:
        return [sound.with_suffix(".npz") if sound.name else None for sound in sounds]
    if len(sounds) > 1 or is_folder(output) or not output.name:
        return [output / f"{sound.stem}.npz" if sound.name else None for sound in sounds]
    return [output if output.suffix.lower() == ".npz" else output.with_name(output.name + ".npz")]


def _animate_one(
    sound: Path, place: Path, options: argparse.Namespace, manner: tuple[Style | None, Actor | None], teller: Reporter
) -> dict[str, Any]:
    from time import perf_counter

    from ..audio import SoundFile
    from ..motion.dials import dialled
    from ..performance import Performance, check_replaceable
    from ..pipeline import Options, Progress, Warned, steps

    check_replaceable(place, options.force)
    text = text_asked(options, sound, len(options.sounds) == 1)
    began = perf_counter()
    warnings: list[str] = []
    take: Performance | None = None
    source = (options.open_sound or SoundFile)(sound, channel_asked(options))
    for item in steps(source, Options(options.fps, options.seed, *manner), options.models):
        if isinstance(item, Progress):
            teller.progress(str(sound), item.fraction, item.message)
        elif isinstance(item, Warned):
            warnings.append(item.message)
            teller.warning(str(sound), item.message)
        else:
            take = dialled(item, dials_of(options))
    assert take is not None
    report, wrong = dict[str, Any](), ""
    if text is not None:
        take, report, wrong = with_text_asked(take, text, options, str(sound), teller)
    written = take.save(place)
    if wrong:
        teller.error(str(sound), f"{wrong} The take is made without the text.")
    return {
        "input": str(sound),
        "ok": not wrong,
        "output": str(written),
        "seconds": take.seconds,
        "frames": len(take),
        "fps": take.fps,
        "wall_seconds": round(perf_counter() - began, 3),
        "warnings": warnings,
        **report,
    }


def _channel(text: str) -> str:
    from ..sounds.mixdown import choice

    try:
        return choice(text)
    except MouthpieceError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 10**18:  # as pipeline.SEEDS, which takes long to import
        raise argparse.ArgumentTypeError(f"'{text[:40]}' is not a whole number from 0 up, of 18 digits at most")
    return value
