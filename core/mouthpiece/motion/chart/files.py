"""Writes cue tracks for other programs: Rhubarb's tsv, json and xml, Moho's switch data, Papagayo's projects."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from ...errors import TakeError
from ...files.writer import write_whole
from .cues import CueTrack

#: Least and greatest frame rate that Moho and Papagayo read.
_FPS_RANGE: Final = (1.0, 240.0)


@dataclass(frozen=True, slots=True)
class Context:
    """Data for a file besides the cues: the sound's name, and the frame rate (for formats that count frames)."""

    sound: str = ""
    fps: float = 24.0


def tsv(track: CueTrack, context: Context) -> str:
    """Return Rhubarb's text format: a line with seconds and shape for each change; the last is the end, at rest."""
    lines = [f"{start:.2f}\t{shape}" for start, shape in zip(track.starts, track.shapes, strict=True)]
    return "\n".join([*lines, f"{track.seconds:.2f}\t{_rest(track)}"]) + "\n"


def json_text(track: CueTrack, context: Context) -> str:
    """Return Rhubarb's JSON format: ``metadata``, and ``mouthCues`` with start, end and value."""
    ends = (*track.starts[1:], track.seconds)
    cues = [
        {"start": round(start, 3), "end": round(end, 3), "value": shape}
        for start, end, shape in zip(track.starts, ends, track.shapes, strict=True)
    ]
    metadata = {"soundFile": context.sound, "duration": round(track.seconds, 3), "mouthChart": track.chart.name}
    return json.dumps({"metadata": metadata, "mouthCues": cues}, indent=2, ensure_ascii=False) + "\n"


def xml(track: CueTrack, context: Context) -> str:
    """Return Rhubarb's XML format."""
    ends = (*track.starts[1:], track.seconds)
    cues = [
        f'    <mouthCue start="{start:.2f}" end="{end:.2f}">{escape(shape)}</mouthCue>'
        for start, end, shape in zip(track.starts, ends, track.shapes, strict=True)
    ]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            "<rhubarbResult>",
            "  <metadata>",
            f"    <soundFile>{escape(context.sound)}</soundFile>",
            f"    <duration>{track.seconds:.2f}</duration>",
            "  </metadata>",
            "  <mouthCues>",
            *cues,
            "  </mouthCues>",
            "</rhubarbResult>",
            "",
        ]
    )


def dat(track: CueTrack, context: Context) -> str:
    """Return Moho's switch data (OpenToonz and Synfig read it as well): frames, counted from 1, and shapes."""
    changes = _frames(track, context)
    end = max(changes[-1][0] + 1, math.ceil(track.seconds * context.fps - 1e-6))
    lines = [f"{frame + 1} {shape}" for frame, shape in (*changes, (end, _rest(track)))]
    return "\n".join(["MohoSwitch1", *lines]) + "\n"


def pgo(track: CueTrack, context: Context) -> str:
    """Return a project for Papagayo: one voice, with a phrase of one word for every stretch between rests."""
    changes = _frames(track, context)
    count = max(changes[-1][0] + 1, math.ceil(track.seconds * context.fps - 1e-6))
    phrases = _phrases(changes, count, _rest(track))
    fps = round(context.fps)
    head = ["lipsync version 1", context.sound, str(fps), str(count), "1", "\tVoice 1", "\tspeech", f"\t{len(phrases)}"]
    lines = []
    for number, (end, own) in enumerate(phrases, 1):
        word, start = f"speech{number}", own[0][0]
        lines += [f"\t\t{word}", f"\t\t{start}", f"\t\t{end}", "\t\t1", f"\t\t\t{word} {start} {end} {len(own)}"]
        lines += [f"\t\t\t\t{frame} {shape}" for frame, shape in own]
    return "\n".join([*head, *lines]) + "\n"


def _phrases(changes: list[tuple[int, str]], count: int, rest: str) -> list[tuple[int, list[tuple[int, str]]]]:
    """Return, for each stretch between rests, its last frame and its changes."""
    phrases: list[tuple[int, list[tuple[int, str]]]] = []
    own: list[tuple[int, str]] = []
    for frame, shape in (*changes, (count, rest)):
        if shape != rest:
            own.append((frame, shape))
        elif own:
            phrases.append((frame - 1, own))
            own = []
    return phrases


def _rest(track: CueTrack) -> str:
    return track.chart.names[track.chart.rest]


def _frames(track: CueTrack, context: Context) -> list[tuple[int, str]]:
    """Return the changes on whole frames, counted from 0; if several fall on one frame, only the last."""
    found: dict[int, str] = {}
    for start, shape in zip(track.starts, track.shapes, strict=True):
        found[round(start * context.fps)] = shape
    return sorted(found.items())


FORMATS: Final[Mapping[str, Callable[[CueTrack, Context], str]]] = {
    "tsv": tsv,
    "json": json_text,
    "xml": xml,
    "dat": dat,
    "pgo": pgo,
}


def text_of(track: CueTrack, form: str, context: Context | None = None) -> str:
    """Return ``track`` as a file of the format ``form``, one of ``FORMATS``.

    Characters of the sound's name that cannot be seen, which some formats cannot hold, are written as U+FFFD.

    Raises
    ------
    TakeError
        If the format is unknown, or counts frames and cannot have that frame rate.
    """
    context = context or Context()
    if form not in FORMATS:
        raise TakeError(f"Cues cannot be written as '{form}'. There are: {', '.join(FORMATS)}.")
    low, high = _FPS_RANGE
    if form in ("dat", "pgo") and not low <= context.fps <= high:
        raise TakeError(f"A frame rate of {context.fps:g} is not one the format '{form}' takes ({low:g} to {high:g}).")
    if form == "pgo" and abs(context.fps - round(context.fps)) > 1e-6:
        raise TakeError(f"Papagayo counts whole frames per second, not {context.fps:g}. Choose --fps 24, or tsv.")
    sound = "".join(letter if letter.isprintable() else "\ufffd" for letter in context.sound)
    return FORMATS[form](track, replace(context, sound=sound))


def write(track: CueTrack, path: Path, form: str = "", context: Context | None = None) -> Path:
    """Write ``track`` to ``path`` in the format ``form`` (default: the file's ending) and return the path.

    Raises
    ------
    TakeError
        If the format is unknown or the place cannot be written to.
    """
    text = text_of(track, form or path.suffix.lower().lstrip("."), context)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise TakeError(f"The cues cannot be written to '{path}': {error.strerror}. Choose another place.") from error
    return path
