"""The command ``cues``, which writes which drawn mouth to show when in a take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MouthpieceError, TakeError
from ..files.places import is_there, refuse_inputs
from ..phrases import counted
from .paths import named_path
from .report import DONE, FAILED, reporter, shown

if TYPE_CHECKING:
    from ..motion.chart.cues import Timing

_FORMATS = ("tsv", "json", "xml", "dat", "pgo")
_EPILOG = """\
sets: simple (6 shapes), rhubarb-basic (6), rhubarb (9), blair (Preston Blair, 10), blair-12, oculus (15),
or a .json file: {"name": "mine", "shapes": [{"name": "A", "label": "closed", "visemes": {"PP": 1, "sil": 1}}, …]}

formats: tsv, json and xml as Rhubarb Lip Sync writes them, dat (Moho, OpenToonz, Synfig), pgo (Papagayo)
"""


def add_timing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the timing of drawn mouths: ``--on``, ``--hold`` and ``--lead``, in frames."""
    group = parser.add_argument_group("timing")
    group.add_argument("--on", type=int, metavar="N", choices=(1, 2, 3, 4), help="a drawing every N frames (default 2)")
    group.add_argument("--hold", type=_frames, metavar="N", help="least frames a mouth is shown (default 2)")
    group.add_argument("--lead", type=_lead, metavar="N", help="frames a mouth comes before the sound (default 1)")


def timing_of(options: argparse.Namespace, fps: float) -> Timing:
    """Return the timing set by the arguments of :func:`add_timing_arguments`, at ``fps`` frames per second."""
    from ..motion.chart.cues import Timing

    values = {"on": options.on, "hold": options.hold, "lead": options.lead}
    return Timing.of_frames(fps, **{name: value for name, value in values.items() if value is not None})


def add_cues_command(commands: Any) -> argparse.ArgumentParser:
    """Add the ``cues`` command to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "cues",
        help="which mouth of a chart to show when",
        description="Time the mouths of a chart to a take, as an animator would, and write them for other programs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("take", type=named_path, metavar="TAKE", help="a .npz written by animate")
    parser.add_argument("--set", dest="chart", default="rhubarb", metavar="SET", help="mouth chart (default rhubarb)")
    parser.add_argument(
        "-o", "--output", type=named_path, metavar="PATH", help="file to write (default: tsv, on stdout)"
    )
    parser.add_argument("--format", choices=_FORMATS, help="its format (default: by the file's ending)")
    parser.add_argument("--fps", type=rate, default=24.0, metavar="F", help="frames per second (default 24)")
    parser.add_argument("--sound", default="", metavar="NAME", help="sound to be named in the file")
    parser.add_argument("--force", action="store_true", help="replace a file at PATH")
    add_timing_arguments(parser)
    parser.set_defaults(command=run_cues)
    return parser


def run_cues(options: argparse.Namespace) -> int:
    """Choose the mouths of a chart for a take and write the cues. Return 0, or 1 if it fails."""
    from ..motion.chart import files
    from ..motion.chart.charts import named_chart
    from ..motion.chart.cues import cue_track
    from ..performance import Performance

    teller = reporter(options)
    try:
        if options.output is not None:
            refuse_inputs([options.output], [options.take, Path(options.chart)])
            if is_there(options.output) and not options.force:
                raise TakeError(f"'{options.output}' exists. Choose another place, or replace it with --force.")
        chart = named_chart(options.chart)
        take = Performance.load(options.take).final()
        track = cue_track(take, chart, timing_of(options, options.fps))
        context = files.Context(options.sound, options.fps)
        facts = {"ok": True, "chart": chart.name, "changes": len(track.shapes), "seconds": track.seconds}
        if options.output is None:
            text = files.text_of(track, options.format or "tsv", context)
            teller.result(facts | {"cues": [list(cue) for cue in zip(track.starts, track.shapes, strict=True)]}, text)
            return DONE
        written = files.write(track, options.output, options.format or "", context)
    except MouthpieceError as error:
        teller.error(str(options.take), str(error))
        return FAILED
    mean = track.seconds / len(track.shapes)
    text = f"{shown(written)}  {counted(len(track.shapes), 'mouth')} of {chart.label}, {mean:.2f} s each"
    teller.result(facts | {"output": str(written)}, text)
    return DONE


def _number(text: str, low: float, high: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"'{text}' is not {what} from {low:g} to {high:g}")
    return value


def rate(text: str) -> float:
    """Return the frame rate an argument names; argparse.ArgumentTypeError unless it is from 1 to 240."""
    return _number(text, 1, 240, "a frame rate")


def _lead(text: str) -> float:
    return _number(text, -4, 4, "a number of frames")


def _frames(text: str) -> int:
    value = _number(text, 1, 24, "a whole number")
    if value != int(value):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 to 24")
    return int(value)
