"""The command ``portrait``: a still picture and a sound into a film or frames, here and in Blender's command."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from ..errors import MouthpieceError
from .animate import add_actor_argument, add_motion_arguments
from .dial import add_dial_arguments, strength
from .landmarks import FaceBox, pixel
from .paths import named_path
from .report import BAD_ARGUMENTS, DONE, FAILED, reporter

#: Endings of films.
FILMS: Final = (".mp4", ".m4v", ".mov")
#: Options that name files which are read; a style or network may be a name, and then no file.
_READ: Final = ("image", "audio", "take", "landmarks", "style", "style_from", "generator", "certificate", "private_key")
#: Frame rates of television as they are written, and as they are.
_RATES: Final = {
    "23.976": Fraction(24000, 1001),
    "23.98": Fraction(24000, 1001),
    "29.97": Fraction(30000, 1001),
    "47.952": Fraction(48000, 1001),
    "59.94": Fraction(60000, 1001),
    "119.88": Fraction(120000, 1001),
}
#: Most characters of a frame rate.
_LONGEST_RATE: Final = 40
EPILOG: Final = """\
examples:
  mouthpiece portrait --image face.png --audio line.wav -o out.mp4 --consent "own: I am the person in this picture"
  mouthpiece portrait --image face.png --take take.npz --audio line.wav -o out.mp4 --consent "…"
  mouthpiece portrait --image cat.png --points 210,180 320,178 230,300 305,300 --audio line.wav -o frames/ \\
                      --consent "nobody: a cat I painted"

--consent says why this face may be made to talk: that it is your own, that the person shown agreed (who, when, to
what), or that nobody real is shown. "own:", "permission:", "nobody:" or "historical:" may stand in front. It is
recorded in everything that is made, which also says that it is synthetic; `mouthpiece verify` reads it back.

exit codes: 0 done, 1 failed, 2 bad arguments, 130 stopped (frames made so far are kept, and the next run goes on)
"""


def add_portrait_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all that decides about a talking portrait: picture, sound, frames, output, responsibility, motion, dials.

    Shared by ``python -m mouthpiece portrait`` and Blender's ``mouthpiece portrait``. The dial ``--head`` is how much
    the head moves, in portraits as everywhere.
    """
    _add_picture(parser)
    sound = parser.add_argument_group("sound", "at least one of the two")
    sound.add_argument(
        "--audio", type=named_path, metavar="SOUND", help="what is heard, and said unless there is --take"
    )
    sound.add_argument("--take", type=named_path, metavar="TAKE", help="a .npz made by animate: how the face moves")
    _add_frames(parser)
    _add_output(parser)
    _add_responsibility(parser)
    add_motion_arguments(parser)
    add_actor_argument(parser)
    add_dial_arguments(parser)


def _add_picture(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("picture")
    group.add_argument("--image", required=True, type=named_path, metavar="PICTURE", help="photo, painting or drawing")
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--landmarks", type=named_path, metavar="JSON", help="points, as written by `landmarks` or in Blender"
    )
    where.add_argument(
        "--points", metavar="X,Y", nargs=4, type=pixel,
        help="eye, eye, corner and corner of the mouth in pixels, the left of the picture first",
    )  # fmt: skip
    where.add_argument("--box", metavar="PX", nargs=4, action=FaceBox, help="left, top, right and bottom of the face")
    group.add_argument(
        "--backend", choices=("mediapipe", "face_alignment"), default="mediapipe", help="who finds faces"
    )
    group.add_argument("--face", type=_from_one, default=1, metavar="N", help="which face; 1 (default) is the largest")


def _add_frames(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("frames")
    group.add_argument("--fps", type=frame_rate, metavar="F", help="frames per second, such as 25, 24000/1001 or 29.97")
    group.add_argument("--size", type=_side, metavar="PX", help="longest side of the frames (default: the picture's)")
    group.add_argument("--strength", type=strength, default=1.0, metavar="X", help="factor on all motion (default 1)")
    group.add_argument(
        "--generator",
        metavar="FILE",
        help="network that repairs the face: a file (.onnx), none, or shipped (default: shipped; none for drawings in "
        "flat colours, which it would smear)",
    )
    group.add_argument(
        "--background", type=colour, default=(255, 255, 255), metavar="RRGGBB",
        help="what transparent pictures stand on in films (default ffffff); frames stay transparent",
    )  # fmt: skip


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--output", required=True, type=named_path, metavar="PATH",
        help="film (.mp4, .mov), or frames: a folder, or a name such as frames_####.png",
    )  # fmt: skip
    group.add_argument(
        "--keep-frames",
        type=named_path,
        metavar="FOLDER",
        help="keep a film's frames too; a film stopped half-way goes on",
    )
    group.add_argument("--quality", type=_quality, default=16, metavar="N", help="of a film: 1 best to 51 (default 16)")
    group.add_argument("--force", action="store_true", help="replace a film, and frames of other inputs")


def _add_responsibility(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("responsibility", "recorded in every file that is made")
    group.add_argument("--consent", required=True, metavar="TEXT", help="why this face may be made to talk (see below)")
    group.add_argument("--consent-by", default="", metavar="NAME", help="who says so")
    group.add_argument("--mark", action="store_true", help="draw a small mark that says so into every frame")
    group.add_argument("--certificate", type=named_path, metavar="PEM", help="sign with this certificate (chain)")
    group.add_argument("--private-key", type=named_path, metavar="PEM", help="its key (default: both made here, once)")
    group.add_argument("--time-stamp", default="", metavar="URL", help="ask this authority for a time stamp (network)")
    group.add_argument("--no-credentials", action="store_true", help="do not sign; the record says so")


def contradiction(options: argparse.Namespace) -> str:
    """Return what is wrong with the options as a whole; empty if nothing is."""
    if options.audio is None and options.take is None:
        return "Nothing is said: give a sound with --audio, or a take with --take."
    if bool(options.certificate) != bool(options.private_key):
        return "--certificate and --private-key belong together: give both, or neither."
    if options.no_credentials and (options.certificate or options.time_stamp):
        return "--no-credentials leaves out what --certificate and --time-stamp are for. Choose one of them."
    if options.keep_frames is not None and options.output.suffix.lower() not in FILMS:
        return "--keep-frames is for films: with frames as the output they are kept anyway."
    if options.take is not None and options.channel is not None:
        return "--channel is for --audio without --take: a take is of the channel it was made from."
    if options.take is not None and (options.style or options.style_from):
        return "--style is for --audio without --take: the manner of a take is in it (--style-blend turns it)."
    return ""


def files_read(options: argparse.Namespace) -> list[Path]:
    """Return the files that the options name to be read, the picture first."""
    return [Path(path) for name in _READ if (path := getattr(options, name)) is not None]


def add_portrait_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``portrait`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "portrait",
        help="a still picture that talks, as a film or frames",
        description="Make the face of a still picture speak a sound, and write a film with it, or frames.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_portrait_arguments(parser)
    parser.set_defaults(command=run_portrait)
    return parser


def frame_rate(text: str) -> Fraction:
    """Return the frame rate an argument names, exactly; 1 to 240."""
    try:
        # an exponent would be worked out to its last digit
        rate = _RATES.get(text) or Fraction(text if len(text) < _LONGEST_RATE and "e" not in text.lower() else "0")
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 1 <= rate <= 240 or rate.denominator > 100_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a frame rate: give 25, 24000/1001 or 29.97, from 1 to 240")
    return rate


def colour(text: str) -> tuple[int, int, int]:
    """Return the colour an argument such as ``00b140`` names, 0 to 255."""
    plain = text.removeprefix("#")
    if len(plain) != 6 or any(sign not in "0123456789abcdefABCDEF" for sign in plain):
        raise argparse.ArgumentTypeError(f"'{text}' is not a colour: give six digits such as ffffff or 00b140")
    red, green, blue = bytes.fromhex(plain)
    return red, green, blue


def _whole(text: str, low: int, high: int, what: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"'{text}' is not {what} from {low} to {high}")
    return value


def _from_one(text: str) -> int:
    return _whole(text, 1, 1000, "the number of a face")


def _side(text: str) -> int:
    return _whole(text, 16, 3840, "a number of pixels")


def _quality(text: str) -> int:
    return _whole(text, 1, 51, "a quality")


def run_portrait(options: argparse.Namespace) -> int:
    """Make the portrait talk. Return 0, 1 if it fails, 2 if the arguments contradict each other or the picture."""
    from ..portrait.find.placement import PlacementError
    from .portrait_request import made

    teller = reporter(options)
    wrong = contradiction(options)
    if wrong:
        teller.error("portrait", wrong)
        return BAD_ARGUMENTS
    try:
        result, text = made(options, files_read(options), teller)
    except MouthpieceError as error:
        teller.error(str(options.image), str(error))
        if options.json:
            teller.result({"ok": False, "error": str(error)}, "")
        return BAD_ARGUMENTS if isinstance(error, PlacementError) else FAILED
    teller.result(result, text)
    return DONE
