"""Pictures and sound of a video file on one clock: 25 frames per second, 16 kHz mono."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, RATE
from mouthpiece.files.references import AV_OPTIONS, reference_at
from numpy.typing import NDArray

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")


class VideoError(MouthpieceError):
    """A video cannot be used; the message says which and why."""


def _opened(path: Path) -> av.container.InputContainer:
    """Return an opened film; VideoError if it is a list of other files, which FFmpeg would open."""
    if words := reference_at(path):
        raise VideoError(f"'{path.name}' {words}, not a film")
    return av.open(str(path), options=dict(AV_OPTIONS))


def frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield RGB frames (H, W, 3) at 25 per second: for each 40 ms the picture shown in their middle.

    Variable frame rates are handled; two pictures at most are in memory.

    Raises
    ------
    VideoError
        If the file has no pictures or cannot be decoded.
    """
    try:
        with _opened(path) as container:
            if not container.streams.video:
                raise VideoError(f"'{path.name}' has no pictures")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            yield from _at_frame_rate(container, stream)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"'{path.name}' cannot be decoded: {error}") from error


def _at_frame_rate(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[NDArray[np.uint8]]:
    """Yield upright frames at 25 per second; each picture is repeated or left out as its time asks."""
    begin: float | None = None
    shown: av.VideoFrame | None = None
    step = 1.0 / FRAME_RATE
    count = 0
    end = 0.0
    for frame in container.decode(stream):
        moment = float(frame.pts * stream.time_base) if frame.pts is not None else end
        begin = moment if begin is None else begin
        if shown is not None:
            picture = None
            while (count + 0.5) * step < moment - begin - 1e-6:
                picture = _upright(shown) if picture is None else picture
                yield picture
                count += 1
        shown = frame
        end = moment + (float(frame.duration * stream.time_base) if frame.duration else step)
    if shown is None or begin is None:
        return
    picture = _upright(shown)
    while (count + 0.5) * step < end - begin - 1e-6:
        yield picture
        count += 1


def _upright(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return turned(frame.to_ndarray(format="rgb24"), frame.rotation)


def turned(picture: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """Return ``picture`` turned anticlockwise by a multiple of 90 ``degrees``, as telephones store them sideways."""
    return np.ascontiguousarray(np.rot90(picture, round(degrees / 90) % 4))


def sound(path: Path) -> NDArray[np.float32]:
    """Return a video's sound (N,) at 16 kHz, mono; it starts with the first picture.

    Raises
    ------
    VideoError
        If the file has no sound or cannot be decoded.
    """
    try:
        with _opened(path) as container:
            if not container.streams.audio:
                raise VideoError(f"'{path.name}' has no sound")
            video = container.streams.video[0] if container.streams.video else None
            stream = container.streams.audio[0]
            late = _start(stream) - (_start(video) if video is not None else 0.0)
            samples = _decoded(container, stream)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"'{path.name}' cannot be decoded: {error}") from error
    if not len(samples):
        raise VideoError(f"the sound of '{path.name}' is empty")
    offset = round(late * RATE)
    return np.pad(samples, (offset, 0)) if offset >= 0 else samples[-offset:]


def _start(stream: av.stream.Stream) -> float:
    """Return when the stream starts, in seconds of the file."""
    return float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0


def _decoded(container: av.container.InputContainer, stream: av.AudioStream) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    pieces = []
    for frame in container.decode(stream):
        pieces += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
    pieces += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    return np.concatenate(pieces).astype(np.float32) if pieces else np.zeros(0, np.float32)


def cut(samples: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Return the samples of the motion frames from ``start`` up to ``stop``, with silence outside the sound."""
    low, high = start * FRAME_SAMPLES, stop * FRAME_SAMPLES
    inner = samples[max(low, 0) : max(high, 0)]
    before = min(max(-low, 0), high - low)
    return np.pad(inner, (before, high - low - before - len(inner)))
