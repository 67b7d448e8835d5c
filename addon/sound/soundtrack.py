"""Mixes the sounds of a portrait's lines, as they lie on the scene's frames, for its film and for the sequencer."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bpy
from mouthpiece.errors import AudioError, MouthpieceError
from mouthpiece.files.places import is_file

from ..keys import kept_takes
from . import decoder, recordings, strips

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Sample rate of a soundtrack in Hz.
RATE: Final = 48_000
#: Samples mixed at a time, to limit memory.
_BLOCK: Final = 20 * RATE


@dataclass(frozen=True, slots=True)
class TrackSound:
    """A line's sound, and the frames on which it is heard, both included."""

    recording: recordings.Recording
    first: int
    last: int


def heard(lines: Sequence[kept_takes.KeptLine], scene: bpy.types.Scene) -> tuple[list[TrackSound], list[str]]:
    """Return the sounds of lines at their present position, and a remark on each that is missing or was moved."""
    found, remarks = [], []
    for line in lines:
        grid = line.frames()
        try:
            recording = _recording(line, scene)
        except MouthpieceError as error:
            remarks.append(f"The film has no sound for {line.label}: {error}")
            continue
        if recording is None:
            remarks.append(f"The film has no sound for {line.label}: it was animated from a take (.npz).")
            continue
        place = recording.placement
        if abs(place.origin - grid.origin) > 0.5 or abs(place.speed - grid.speed) > 1e-3:
            remarks.append(f"{line.label} was moved since it was animated. Animate it again, or the lips are off.")
        # a strip that was trimmed since is heard as it is now
        first = grid.first if place.left is None else max(grid.first, place.left)
        last = grid.last if place.right is None else min(grid.last, place.right - 1)
        if last >= first:
            found.append(TrackSound(recording, first, last))
    return found, remarks


def _recording(line: kept_takes.KeptLine, scene: bpy.types.Scene) -> recordings.Recording | None:
    """Return the sound a line was animated from; None if that was a take (.npz). Raises AudioError if it is gone."""
    kind, _, name = line.sound.partition(":")
    grid = line.frames()
    if kind == "file":
        if line.place.lower().endswith(".npz"):
            return None
        # 0.4.0 noted the full path
        path = name if is_file(Path(name)) else recordings.found(line.content, line.place)
        return recordings.from_file(path, scene, grid.origin)
    if kind == "sound":
        block = next((block for block in bpy.data.sounds if block.name_full == name), None)
        return recordings.from_sound(block, scene, grid.origin)
    for source in bpy.data.scenes:
        if name.startswith(source.name + "/"):
            return strips.from_strip(strips.find_strip(source, name[len(source.name) + 1 :]), source)
    raise AudioError(f"the scene of the strip '{name}' is gone.")


def mixed(tracks: Sequence[TrackSound], fps: float, first: int, count: int) -> NDArray[np.float32]:
    """Return the mixed sound (N, 1 or 2) of ``count`` frames from ``first`` on, in -1..1 at :data:`RATE`.

    Any thread may call this: it uses no Blender data. Raises AudioError if a sound cannot be read.
    """
    import numpy as np

    length = round(count / fps * RATE)
    total = np.zeros((length, 1), np.float32)
    for track in tracks:
        place = track.recording.placement
        begin, end = (round((frame - first) / fps * RATE) for frame in (track.first, track.last + 1))
        with recordings.opened(track.recording) as sound:
            if sound.channels > 1 and total.shape[1] == 1:
                total = np.repeat(total, 2, axis=1)
            for start in range(max(begin, 0), min(end, length), _BLOCK):
                moments = np.arange(start, min(start + _BLOCK, end, length)) / RATE
                seconds = place.offset + (moments + (first - place.origin) / fps) * place.speed
                total[start : start + len(moments)] += _read(sound, seconds) * np.float32(track.recording.volume)
    return np.clip(total, -1.0, 1.0, out=total)


def _read(sound: decoder.StreamedSound, seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the samples (N, 1 or 2) at ascending ``seconds`` (N,), interpolated linearly; silence beyond the ends."""
    import numpy as np

    low = max(0, int(seconds[0]))
    part = sound.native(low, max(low, int(seconds[-1])) + 2)[:, :2]
    if not len(part):
        return np.zeros((len(seconds), min(sound.channels, 2)), np.float32)
    places = low * sound.rate + np.arange(len(part))
    at = seconds * sound.rate
    columns = [np.interp(at, places, part[:, c], left=0.0, right=0.0) for c in range(part.shape[1])]
    return np.stack(columns, axis=1).astype(np.float32)


def write(samples: NDArray[np.float32], path: Path) -> None:
    """Write a soundtrack (N, C) at :data:`RATE` as a 16-bit WAV file."""
    import numpy as np

    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
