"""The command ``farm``, which writes jobs for render farms: nothing is sent anywhere."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MouthpieceError, PlaceError
from ..files.places import in_words, is_file, is_there, refuse_inputs
from ..phrases import counted, listed
from .cues import rate
from .paths import named_path
from .report import DONE, FAILED, Reporter, add_report_arguments, reporter, shown

if TYPE_CHECKING:
    from ..farm.jobs import FarmJob, Order

_EPILOG = """\
examples:
  mouthpiece farm openjd --cast film.csv --blend film.blend --output made -o bundle
  openjd run bundle/template.json -p file://bundle/openjd_parameters.json --step Render
  deadline bundle submit bundle

  mouthpiece farm flamenco --cast film.csv --blend film.blend --output /shared/made -o job
  then job/mouthpiece.js goes into the Manager's folder scripts, and job/job.json to its /api/v3/jobs
"""


def add_farm_command(commands: Any) -> argparse.ArgumentParser:
    """Add the ``farm`` command to ``parser.add_subparsers()`` and return its parser; each engine has one in it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "farm",
        help="jobs for render farms: OpenJD, Flamenco",
        description="Write a job for a render farm: takes of a cast, keys in copies of its .blend files, frames.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    engines = parser.add_subparsers(title="engines", required=True, metavar="ENGINE")
    openjd = engines.add_parser(
        "openjd",
        help="a job bundle for Open Job Description and AWS Deadline Cloud",
        description="Write a job bundle: template.json, values of its parameters, and the files to be uploaded.",
    )
    _add_order_arguments(openjd, "blender", "python")
    openjd.add_argument(
        "--conda", default="blender mouthpiece", metavar="PACKAGES", help="what a queue installs from conda channels"
    )
    openjd.add_argument(
        "--no-chunking", action="store_true", help="for engines without the extension TASK_CHUNKING: fixed tasks"
    )
    openjd.add_argument(
        "--extension", type=named_path, metavar="ZIP", help="the add-on's zip, for workers whose Blender lacks it"
    )
    openjd.set_defaults(command=run_farm, job_files=_openjd_files)
    flamenco = engines.add_parser(
        "flamenco",
        help="a job type and a job for Flamenco 3",
        description="Write the job type's script, and the job as the Manager's API takes it.",
    )
    _add_order_arguments(flamenco, "{blender}", "{python}")
    flamenco.add_argument("--priority", type=_counted(0, 100), default=50, metavar="N", help="0 to 100 (default 50)")
    flamenco.add_argument("--preview", action="store_true", help="make a film of the frames with FFmpeg")
    flamenco.set_defaults(command=run_farm, job_files=_flamenco_files)
    return parser


def _add_order_arguments(parser: argparse.ArgumentParser, blender: str, python: str) -> None:
    """Add what is the same for all engines, with the programs each of them calls unless told."""
    from ..farm.jobs import FORMATS

    parser.add_argument("--cast", type=named_path, required=True, metavar="CAST", help="table of who speaks what")
    parser.add_argument("--blend", type=named_path, metavar="FILM", help="the .blend file, unless the table names it")
    parser.add_argument(
        "--output", type=named_path, required=True, metavar="DIR", help="folder for what the farm makes"
    )
    parser.add_argument("--takes", type=named_path, metavar="DIR", help="folder of the takes (default: OUTPUT/takes)")
    parser.add_argument(
        "--frames",
        type=_frame_range,
        metavar="A-B",
        help="frames to render, --frames=-9-50 before 0 (default: by the cast)",
    )
    parser.add_argument("--fps", type=rate, default=24.0, metavar="F", help="frames per second (default 24)")
    parser.add_argument("--lines-per-task", type=_counted(1), default=10, metavar="N", help="(default 10)")
    parser.add_argument("--frames-per-task", type=_counted(1), default=10, metavar="N", help="(default 10)")
    parser.add_argument("--pattern", default="######", metavar="NAME", help="frames' name (default ######)")
    parser.add_argument("--format", choices=FORMATS, default="PNG", help="frames' format (default PNG)")
    parser.add_argument("--no-render", action="store_true", help="takes and keys only")
    parser.add_argument(
        "--blender", type=_command, default=blender, metavar="CMD", help=f"on the workers (default {blender})"
    )
    parser.add_argument(
        "--python", type=_command, default=python, metavar="CMD", help=f"that has Mouthpiece (default {python})"
    )
    parser.add_argument(
        "-o", dest="folder", type=named_path, metavar="FOLDER", help="where to write (default: CAST's name with _farm)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    add_report_arguments(parser)


def run_farm(options: argparse.Namespace) -> int:
    """Write the files of a job, or of several, into a folder. Return 0, or 1 if it fails: then nothing is written."""
    from ..cast.table import read_cast
    from ..farm.jobs import Order, planned
    from ..files.writer import write_whole

    teller = reporter(options)
    folder = options.folder or Path(f"{options.cast.stem}_farm")
    order = Order(
        options.cast, options.output, options.blend, options.takes, options.frames, options.fps,
        options.lines_per_task, options.frames_per_task, not options.no_render, options.pattern, options.format,
    )  # fmt: skip
    try:
        cast = read_cast(options.cast)
        for remark in cast.remarks:
            teller.warning(str(options.cast), remark)
        jobs = planned(order, cast.lines)
        contents = {folder / name: text for name, text in options.job_files(jobs, options).items()}
        _check_places(contents, jobs, order, options.force)
        _warn(jobs, teller)
        with in_words(folder):
            for place in contents:
                place.parent.mkdir(parents=True, exist_ok=True)
            for place, text in contents.items():
                write_whole(place, text)
    except MouthpieceError as error:
        teller.error(str(options.cast), str(error))
        return FAILED
    facts = [{"name": job.name, "lines": len(job.lines), "frames": job.frames, "baked": str(job.baked)} for job in jobs]
    frames = sum(job.frames[1] - job.frames[0] + 1 for job in jobs if job.frames)
    text = f"{shown(folder)}  {counted(len(jobs), 'job')}, {counted(sum(len(job.lines) for job in jobs), 'line')}"
    teller.result(
        {"ok": True, "output": str(folder), "files": [str(place) for place in contents], "jobs": facts},
        text + (f", {counted(frames, 'frame')}" if frames else ""),
    )
    return DONE


def _check_places(contents: dict[Path, str], jobs: tuple[FarmJob, ...], order: Order, force: bool) -> None:
    """Refuse to write over what is read, and, unless that is wanted, over anything; raises PlaceError."""
    read = [order.cast, *(job.blend for job in jobs), *(path for job in jobs for path in job.files)]
    refuse_inputs(contents, read)
    there = [f"'{place}'" for place in contents if is_there(place)]
    if there and not force:
        raise PlaceError(f"{listed(there)} exist already. Choose another folder with -o, or replace with --force.")


def _warn(jobs: tuple[FarmJob, ...], teller: Reporter) -> None:
    """Tell what may fail on the farm."""
    for job in jobs:
        missing = [f"'{path.name}'" for path in job.files if not is_file(path)]
        if missing:
            teller.warning(job.name, f"{listed(missing)} cannot be found: their lines will fail.")
        if is_there(job.baked):
            teller.warning(job.name, f"The farm will replace '{job.baked}'.")


def _openjd_files(jobs: tuple[FarmJob, ...], options: argparse.Namespace) -> dict[str, str]:
    """Return the files of a bundle for each job by name, in a folder for each if there are several."""
    from ..farm.openjd import Workers, bundle

    extension = options.extension.absolute() if options.extension is not None else None
    if extension is not None and not is_file(extension):
        raise PlaceError(f"There is no file at '{extension}'. Name the add-on's zip.")
    workers = Workers(options.blender, options.python, options.conda, extension, not options.no_chunking)
    found: dict[str, str] = {}
    for job in jobs:
        files = bundle(job, workers)
        within = f"{job.name}/" if len(jobs) > 1 else ""
        found |= {within + name: text for name, text in files.items()}
    return found


def _flamenco_files(jobs: tuple[FarmJob, ...], options: argparse.Namespace) -> dict[str, str]:
    """Return the script of the job type, and a file to submit for each job, by their names."""
    from ..farm.flamenco import JOB_TYPE, job_type, submission

    found = {f"{JOB_TYPE}.js": job_type()}
    for job in jobs:
        name = f"{job.name}.json" if len(jobs) > 1 else "job.json"
        found[name] = submission(job, options.blender, options.python, options.priority, options.preview)
    return found


def _counted(least: int, most: int = 100_000) -> Callable[[str], int]:
    """Return a function from an argument's text to a whole number within limits."""

    def number(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least} to {most:,}")
        return int(text)

    return number


def _command(text: str) -> str:
    """Return an argument that names a program: not an empty one, as that of a shell's variable that was never set."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a program is needed, and it is empty")
    return text


def _frame_range(text: str) -> tuple[int, int]:
    """Return the first and the last frame that an argument names: ``1-240``, ``-10-50`` or ``7``."""
    found = re.fullmatch(r"\s*(-?\d{1,7})(?:\s*(?:-|\.\.)\s*(-?\d{1,7}))?\s*", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' names no frames: write 1-240")
    first = int(found[1])
    last = int(found[2]) if found[2] else first
    if last < first:
        raise argparse.ArgumentTypeError(f"'{text}' ends before it begins")
    return first, last
