"""What was recorded of an actor's face: a take, or ARKit weights as Live Link Face and others write them (CSV)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ActorError, UnreadableError
from ..files.encodings import decoded
from ..files.regular_files import read_file
from ..motion.shapes import landmark_shapes
from ..performance import Performance
from ..topology import ARKIT_INDEX, ARKIT_NAMES, MOUTH_LEFT_CORNER, MOUTH_RIGHT_CORNER

#: Largest table, in bytes, and most of its rows and columns: an hour at 60 frames a second.
_LARGEST: Final = 256 << 20
_ROWS: Final = 250_000
_COLUMNS: Final = 400
#: Least ARKit weights of the mouth that a table has: fewer say too little.
_LEAST: Final = 5
_MOUTH: Final = ("jaw", "mouth")
#: Width in eye distances from which resting lips are a mouth's.
_NARROWEST: Final = 0.2
#: ``10:21:07:14.053``: hours, minutes, seconds, frames and a share of one.
_TIMECODE: Final = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2})[:;](\d{1,3}(?:\.\d{1,9})?)")
_ANGLES: Final = ("headPitch", "headYaw", "headRoll")
_FORMAT_ADVICE: Final = "Choose a take (.npz) or a table of ARKit weights (.csv), as Live Link Face writes it."


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """Recorded motion of a face.

    Attributes
    ----------
    times : (T,) float64
        Seconds, rising; of a file from the beginning of the recording.
    offsets : (T, 68, 3) float32
        Displacements of the landmarks from rest, in eye distances, on a mouth ``scale`` times as wide as that of takes.
    arkit : (T, 52) float32
        ARKit weights.
    angles : (T, 3) float32 or None
        Pitch, yaw and roll of the head in radians, if they were recorded.
    scale : float
        Width of the resting lips beside that of the faces of takes; 1 if it is not known.
    """

    times: NDArray[np.float64]
    offsets: NDArray[np.float32]
    arkit: NDArray[np.float32]
    angles: NDArray[np.float32] | None = None
    scale: float = 1.0


def read_capture(path: Path, neutral: NDArray[np.floating[Any]]) -> Capture:
    """Return what a file records of a face; ``neutral`` (68, 3) is the resting face of takes.

    Raises
    ------
    ActorError
        If it cannot be read or records no mouth.
    TakeError
        If it is a take that cannot be read.
    """
    ending = path.suffix.lower()
    if ending == ".npz":
        return of_take(Performance.load(path), neutral)
    if ending != ".csv":
        raise ActorError(f"'{path}' is no recording that can be read. {_FORMAT_ADVICE}")
    try:
        text, _ = decoded(read_file(path, _LARGEST))
        return of_table(text)
    except UnreadableError as error:
        raise ActorError(error.told(f"'{path}'", "holds no motion of a face", _FORMAT_ADVICE)) from error


def of_take(take: Performance, neutral: NDArray[np.floating[Any]]) -> Capture:
    """Return what a take, made of a recording of an actor, shows: its motion with everything applied."""
    seen = take.final()
    wide, usual = _lips(seen.neutral), _lips(neutral)
    scale = wide / usual if min(wide, usual) > _NARROWEST else 1.0
    times = np.arange(len(seen)) / seen.fps
    return Capture(times, seen.landmarks - seen.neutral, seen.arkit, seen.head[:, :3], scale)


def of_weights(times: NDArray[np.float64], arkit: NDArray[np.float32], angles: Any = None) -> Capture:
    """Return what ARKit weights (T, 52) at ``times`` (T,) in seconds show."""
    moved = np.tensordot(np.clip(arkit, 0, 1), landmark_shapes(), axes=1).astype(np.float32)
    return Capture(times, moved, arkit.astype(np.float32), angles)


def of_table(text: str) -> Capture:
    """Return what a table of ARKit weights shows.

    Its columns have ARKit's names (``JawOpen`` or ``jawOpen``). Times are a column ``Timecode``, whose frames are those
    of the camera, or ``time`` in seconds.

    Raises
    ------
    UnreadableError
        If it has no such columns, no times, or a value is no number.
    """
    rows = csv.reader(io.StringIO(text))
    try:
        header = [name.strip() for name in next(rows, [])]
        lines = [line for _, line in zip(range(_ROWS + 1), rows, strict=False) if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise UnreadableError(f"it is no table ({error})") from error
    if not 1 < len(header) <= _COLUMNS:
        raise UnreadableError("its first line names no columns")
    if len(lines) > _ROWS:
        raise UnreadableError(f"it has more than {_ROWS:,} lines")
    names = {name[:1].lower() + name[1:]: number for number, name in enumerate(header)}
    found = {name: names[name] for name in ARKIT_NAMES if name in names}
    if sum(name.startswith(_MOUTH) for name in found) < _LEAST:
        raise UnreadableError("its columns are not named as ARKit's weights are (JawOpen, MouthFunnel …)")
    times = _times(names, lines)
    arkit = np.zeros((len(lines), len(ARKIT_NAMES)), np.float32)
    for name, number in found.items():
        arkit[:, ARKIT_INDEX[name]] = _column(lines, number, name)
    turned = [names[name] for name in _ANGLES if name in names]
    angles = None
    if len(turned) == len(_ANGLES):
        angles = np.stack([_column(lines, number, "head") for number in turned], axis=1).astype(np.float32)
    return of_weights(times, arkit, angles)


def _column(lines: Sequence[Sequence[str]], number: int, name: str) -> NDArray[np.float64]:
    try:
        values = np.array([float(line[number]) for line in lines])
    except (ValueError, IndexError) as error:
        raise UnreadableError(f"a value of '{name}' is no number") from error
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) > 100:
        raise UnreadableError(f"a value of '{name}' is no weight")
    return values


def _times(names: dict[str, int], lines: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return the times of a table's lines in seconds from the first."""
    if "time" in names or "seconds" in names:
        times = np.array([float(value) for value in _seconds(lines, names.get("time", names.get("seconds", 0)))])
    elif "timecode" in names:
        codes = [_TIMECODE.fullmatch(line[names["timecode"]].strip()) if line else None for line in lines]
        if not all(codes):
            raise UnreadableError("a time in 'Timecode' is not like 10:21:07:14")
        parts = np.array([[float(part) for part in code.groups()] for code in codes if code])
        if not len(parts):
            raise UnreadableError("it has no lines")
        rate = _rate(float(np.floor(parts[:, 3].max())) + 1)
        times = parts[:, :3] @ [3600.0, 60.0, 1.0] + parts[:, 3] / rate
    else:
        raise UnreadableError("it has no column 'Timecode' or 'time'")
    if len(times) < 2 or not np.isfinite(times).all() or (np.diff(times) < 0).any():
        raise UnreadableError("its times do not rise from line to line")
    rising: NDArray[np.float64] = times - times[0]
    return rising


def _seconds(lines: Sequence[Sequence[str]], number: int) -> NDArray[np.float64]:
    try:
        return np.array([float(line[number]) for line in lines])
    except (ValueError, IndexError) as error:
        raise UnreadableError("a time is no number of seconds") from error


def _rate(frames: float) -> float:
    """Return the frame rate of a camera whose seconds have that many frames, as far as they were seen."""
    return next((rate for rate in (24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 100.0, 120.0) if frames <= rate), frames)


def _lips(face: NDArray[np.floating[Any]]) -> float:
    return float(face[MOUTH_LEFT_CORNER, 0] - face[MOUTH_RIGHT_CORNER, 0])
