"""The command ``inspect``, which shows what is in a take, as text, numbers or a plot."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import MouthpieceError, TakeError
from ..files.places import is_folder, is_there, refuse_inputs
from ..files.writer import replacing
from ..performance import Performance
from ..phrases import counted
from ..topology import ARKIT_INDEX, INNER_LIP_BOTTOM, INNER_LIP_TOP, MOUTH_LEFT_CORNER, MOUTH_RIGHT_CORNER
from .paths import named_path
from .report import DONE, FAILED, reporter, shown


def add_inspect_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``inspect`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "inspect",
        help="what is in a take",
        description="Show a take's length, speech, lips, blinks, head and provenance.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("take", type=named_path, metavar="TAKE", help="a .npz written by animate")
    parser.add_argument(
        "--plot", type=named_path, metavar="PNG", help="draw the curves into a picture (PNG, SVG, PDF …)"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists and is no plot of ours")
    parser.set_defaults(command=run_inspect)
    return parser


def run_inspect(options: argparse.Namespace) -> int:
    """Show what is in a take. Return 0, or 1 if it cannot be read or the plot not be written."""
    teller = reporter(options)
    try:
        if options.plot is not None:
            _check_place(options.plot, options.take, options.force)
        take = Performance.load(options.take)
        text, facts = describe(take), summarise(take)
        if options.plot is not None:
            facts["plot"] = str(plot(take, options.plot))
            text += f"\npicture    {shown(facts['plot'])}"
    except MouthpieceError as error:
        teller.error(str(options.take), str(error))
        return FAILED
    teller.result(facts, text)
    return DONE


def _check_place(place: Path, take: Path, replaces: bool) -> None:
    """Raise MouthpieceError if a plot may not be written to a place, before any work."""
    refuse_inputs([place], [take])
    if place.suffix.lower() not in _PLOTS:
        raise TakeError(f"'{place}' is no place for a plot: its name has to end in {', '.join(_PLOTS)}.")
    if is_folder(place):
        raise TakeError(f"'{place}' is a folder. Name a file for the plot.")
    if not replaces and is_there(place) and not _is_plot(place):
        raise TakeError(f"'{place}' exists. Choose another place, or replace it with --force.")


def _is_plot(place: Path) -> bool:
    """Return whether a file is a PNG that :func:`plot` wrote."""
    try:
        if not place.is_file():
            return False
        with place.open("rb") as file:
            return _MARK.encode() in file.read(_MARKED)
    except OSError:
        return False


#: Endings of the files that plots are written to. Others have matplotlib start other programs.
_PLOTS: Final = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
#: What a PNG says that is a plot of ours, and in how many of its first bytes.
_MARK: Final = "A take of Mouthpiece"
_MARKED: Final = 4096
#: Lid closure, 0 to 1, from which on it counts as a blink.
_BLINK: float = 0.5


def lip_gap(take: Performance) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the distance (T,) between the inner lips, in eye distances."""
    gap: np.ndarray[Any, np.dtype[np.float32]] = np.linalg.norm(
        take.landmarks[:, INNER_LIP_TOP, :2] - take.landmarks[:, INNER_LIP_BOTTOM, :2], axis=-1
    )
    return gap


def lip_width(take: Performance) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the distance (T,) between the corners of the mouth, in eye distances."""
    width: np.ndarray[Any, np.dtype[np.float32]] = np.linalg.norm(
        take.landmarks[:, MOUTH_RIGHT_CORNER, :2] - take.landmarks[:, MOUTH_LEFT_CORNER, :2], axis=-1
    )
    return width


def summarise(take: Performance) -> dict[str, Any]:
    """Return measures of ``take``, dials applied, as JSON values; units are in the names, or as in ``Performance``."""
    given, take = take, take.final()
    gap = lip_gap(take)
    shut = take.blink[:, 0] > _BLINK
    return {
        "seconds": round(take.seconds, 3),
        "fps": take.fps,
        "frames": len(take),
        "speech_share": round(float((take.activity > 0.5).mean()), 3),
        "words": len(given.speech.words),
        "phones": len(given.speech.phones),
        "language": given.speech.language,
        "lip_gap_mean": round(float(gap.mean()), 4),
        "lip_gap_max": round(float(gap.max()), 4),
        "jaw_open_max": round(float(take.arkit[:, ARKIT_INDEX["jawOpen"]].max()), 3),
        "blinks": int((shut[1:] & ~shut[:-1]).sum() + shut[0]),
        "head_degrees_std": [round(float(x), 2) for x in np.degrees(take.head[:, :3].std(axis=0))],
        "audio_sha256": take.audio_sha256,
        "models": dict(take.models),
        "options": dict(take.options),
        "dials": dict(given.dials),
    }


def _said(facts: Mapping[str, Any]) -> str:
    """Return how much is known of what is said."""
    if not facts["phones"]:
        return "unknown"
    language = f", a text in {facts['language']}" if facts["language"] else ""
    return f"{counted(facts['words'], 'word')}, {counted(facts['phones'], 'phone')}{language}"


def describe(take: Performance) -> str:
    """Return the measures of :func:`summarise` as text of several lines."""
    facts = summarise(take)
    models = ", ".join(f"{name} {digest[:12]}" for name, digest in facts["models"].items()) or "none recorded"
    options = ", ".join(f"{name} {value}" for name, value in facts["options"].items()) or "none recorded"
    dials = ", ".join(f"{name} {value}" for name, value in facts["dials"].items()) or "as heard"
    pitch, yaw, roll = facts["head_degrees_std"]
    return "\n".join(
        [
            f"length     {facts['seconds']:.2f} s, {counted(facts['frames'], 'frame')} at {facts['fps']:g} per second",
            f"speech     {facts['speech_share']:.0%} of the time",
            f"said       {_said(facts)}",
            f"lips       {facts['lip_gap_mean']:.3f} eye distances apart, {facts['lip_gap_max']:.3f} at most",
            f"jawOpen    {facts['jaw_open_max']:.2f} at most",
            f"blinks     {facts['blinks']}",
            f"head       pitch {pitch:.1f}, yaw {yaw:.1f}, roll {roll:.1f} degrees (standard deviation)",
            f"options    {shown(options)}",
            f"adjusted   {shown(dials)}",
            f"networks   {shown(models)}",
            f"sound      {facts['audio_sha256'][:16] or 'not recorded'}",
        ]
    )


def plot(take: Performance, path: str | os.PathLike[str]) -> Path:
    """Plot the curves of ``take`` into a picture file and return its path.

    Raises
    ------
    TakeError
        If matplotlib is missing or the picture cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TakeError(
            "Drawing needs the package 'matplotlib'. Run: python -m pip install 'mouthpiece[plot]'"
        ) from error
    take = take.final()
    times = np.arange(len(take)) / take.fps
    figure = Figure(figsize=(max(8.0, min(40.0, take.seconds * 1.2)), 8), layout="constrained")
    rows = figure.subplots(4, 1, sharex=True)
    rows[0].plot(times, lip_gap(take), label="lip gap")
    rows[0].plot(times, lip_width(take) - lip_width(take).mean(), label="lip width - mean")
    rows[0].fill_between(times, 0, take.activity * 0.05, color="0.85", label="speech")
    rows[0].set_ylabel("eye distances")
    for name in ("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthSmileLeft"):
        rows[1].plot(times, take.arkit[:, ARKIT_INDEX[name]], label=name)
    rows[1].set_ylabel("weight")
    for column, name in enumerate(("pitch", "yaw", "roll")):
        rows[2].plot(times, np.degrees(take.head[:, column]), label=name)
    rows[2].set_ylabel("degrees")
    rows[3].plot(times, take.blink[:, 0], label="blink (left)")
    rows[3].plot(times, np.degrees(take.gaze[:, 0]) / 10, label="gaze, 10 degrees")
    rows[3].set_xlabel("seconds")
    for row in rows:
        row.legend(loc="upper right", ncols=5, fontsize="small")
        row.grid(alpha=0.3)
    marks = {"Description": _MARK} if Path(path).suffix.lower() == ".png" else None
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=100, metadata=marks)
    except (OSError, ValueError) as error:
        raise TakeError(f"The picture cannot be written to '{path}' ({error}). Choose another place.") from error
    return Path(path)
