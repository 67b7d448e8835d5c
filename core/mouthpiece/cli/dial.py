"""The dials on the command line: arguments for commands that make takes, and the command ``dial``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import MouthpieceError, PlaceError, TakeError
from ..files.places import refuse_inputs
from .paths import named_path
from .report import BAD_ARGUMENTS, DONE, FAILED, reporter, shown

if TYPE_CHECKING:
    from ..motion.dials import Dials

#: For each argument its name, the dial it sets, the place holder of its value, and its help text.
_ARGUMENTS: Final = (
    ("--lips", "lips", "X", "how much the lips move, 0 to 2 (as heard: 1)"),
    ("--jaw", "jaw", "X", "how far the jaw opens, 0 to 2"),
    ("--articulation", "articulation", "X", "how far lips do what phones ask for, 0 to 1.5; 0: as inferred"),
    ("--tongue", "tongue", "X", "how far the tongue moves, 0 to 2"),
    ("--brows", "brows", "X", "how much the brows move, 0 to 2"),
    ("--blink", "blink", "X", "how far the lids close, 0 (never) to 2"),
    ("--head", "head", "X", "how much the head moves, 0 to 2"),
    ("--gaze", "gaze", "X", "how far the eyes stray, 0 to 2"),
    ("--expression", "expression", "X", "how much cheeks, nose, eyes and the emotion show, 0 to 2"),
    ("--style-blend", "style", "X", "0 nobody in particular, 1 the speaker, up to 1.5"),
    ("--emotion", "emotion", "NAME", "neutral, happy, sad, angry or surprised"),
    ("--intensity", "intensity", "X", "strength of the emotion, 0 to 1"),
    ("--smoothing", "smoothing", "X", "calm the motion, 0 to 1; lips that shut stay shut"),
    ("--rest", "rest", "X", "in a scene: how far the face rests before and after its lines, 0 (raw ends) to 1"),
    ("--life", "life", "X", "in a scene: blinks, looks and head between lines, 0 (motionless) to 1.5"),
    ("--attention", "attention", "X", "in a scene: how much it looks at the other characters, 0 (never) to 1.5"),
    ("--nods", "nods", "X", "in a scene: how often and deeply it nods while others speak, 0 (never) to 2"),
    ("--offset", "offset", "SECONDS", "let the motion come later, or earlier if below 0; -5 to 5"),
)


def add_dial_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that set dials: ``--lips``, ``--jaw``, …, ``--emotion``, ``--offset``."""
    group = parser.add_argument_group("amounts", "kept beside the motion, and adjusted again at any time")
    for flag, dial, holder, text in _ARGUMENTS:
        group.add_argument(flag, dest=f"dial_{dial}", type=_reader(dial), metavar=holder, help=text)


def _reader(dial: str) -> Any:
    """Return the function that reads the text given for ``dial``; it imports numpy only when called, not for help."""

    def read(text: str) -> Any:
        from ..motion.dials import Dials

        try:
            value = text if dial == "emotion" else float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
        try:
            Dials.of({dial: value})
        except TakeError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return value

    return read


def strength(text: str) -> float:
    """Return the factor on all motion, 0 to 3, that an argument's text gives.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is not a number from 0 to 3.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 3.0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 3")
    return value


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the dials given on the command line, by name."""
    values = {dial: getattr(options, f"dial_{dial}") for _, dial, _, _ in _ARGUMENTS}
    return {dial: value for dial, value in values.items() if value is not None}


def dials_of(options: argparse.Namespace, saved: Mapping[str, Any] | None = None) -> Dials:
    """Return the dials set by the arguments of :func:`add_dial_arguments`; the others are as ``saved``, or at default.

    Raises
    ------
    TakeError
        If a saved dial is unknown or out of range.
    """
    from ..motion.dials import Dials

    return Dials.of({**(saved or {}), **given(options)})


def add_dial_command(commands: Any) -> argparse.ArgumentParser:
    """Add the ``adjust`` command, also called ``dial``, to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "adjust",
        aliases=["dial"],
        help="adjust a take: at once, without hearing the sound again",
        description="Adjust a take. Its motion is kept as heard; amounts that are not named stay as they are.",
        epilog="Without -o the take itself is adjusted: nothing in it is lost, and --reset takes that off again.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("take", type=named_path, metavar="TAKE", help="a .npz written by animate")
    parser.add_argument(
        "-o", "--output", type=named_path, metavar="PATH", help="write another take and leave TAKE alone"
    )
    parser.add_argument("--reset", action="store_true", help="put all amounts back first")
    parser.add_argument(
        "--apply", action="store_true", help="write the motion as it is seen, for other programs; needs -o"
    )
    parser.add_argument("--force", action="store_true", help="replace a file at PATH that is not a take")
    add_dial_arguments(parser)
    parser.set_defaults(command=run_dial)
    return parser


def run_dial(options: argparse.Namespace) -> int:
    """Set the dials of a take and save it. Return 0, 1 if it fails, 2 if the arguments contradict each other."""
    from ..motion.dials import dialled
    from ..performance import Performance, check_replaceable

    teller = reporter(options)
    try:
        if options.apply and options.output is None:
            teller.error(str(options.take), "--apply would replace the motion as heard. Name another place with -o.")
            return BAD_ARGUMENTS
        place = options.output or options.take
        if options.output is not None:
            if not place.name:
                raise PlaceError(f"'{place}' is no name of a file. Name the take to be written.")
            place = place if place.suffix.lower() == ".npz" else place.with_name(place.name + ".npz")
        if options.apply:
            refuse_inputs([place], [options.take])  # the motion as heard would be lost
        take = Performance.load(options.take)
        if options.output is not None:
            check_replaceable(place, options.force)
        dials = dials_of(options, {} if options.reset else take.dials)
        take = dialled(take, dials)
        seen = take.final()
        written = (seen if options.apply else take).save(place)
    except MouthpieceError as error:
        teller.error(str(options.take), str(error))
        return FAILED
    turned = dials.saved()
    text = ", ".join(f"{name} {value}" for name, value in turned.items()) or "as heard"
    teller.result({"ok": True, "output": str(written), "dials": turned}, f"{shown(written)}  {text}")
    return DONE
