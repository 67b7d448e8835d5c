"""Films with sound, outside Blender: the one place that writes them, and reads their pictures, with PyAV.

Inside Blender, Blender writes them.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from ..files.references import AV_OPTIONS, reference_at

Frame = NDArray[np.uint8]

#: Samples per second that AAC knows; other sounds are resampled to the next above, at most 48,000.
_SOUND_RATES: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
#: Bits per second of sound, for each channel.
_SOUND_BITS: Final = 96_000
#: ITU-T H.273's numbers of BT.709: what players take high-definition films for, and sRGB pictures are close to.
_BT709: Final = 1
#: Levels from 16 to 235, as films have them.
_FILM_RANGE: Final = 1


#: Longest side in pixels at which the pictures of a film are read, and longest film, in pictures.
_READ_SIDE: Final = 1920
_MOST_PICTURES: Final = 300_000
#: Bytes that packets may have beyond twice the file: headers that are left out of the file.
_LEEWAY: Final = 1 << 16
#: Frames per second that a film has, at least and at most.
_RATES: Final = (1.0, 240.0)


class Sound(Protocol):
    """A sound that can be read in its own channels."""

    rate: int

    def channels(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks of samples (N, C), full scale at 1."""
        ...


@dataclass(frozen=True, slots=True)
class FilmOptions:
    """How a film is written.

    Attributes
    ----------
    fps : Fraction
        Frames per second, exactly.
    quality : int
        H.264's constant rate factor: 1 is the best, 16 loses nothing one sees, 51 is the worst. 0, which loses nothing,
        is a kind of H.264 that few players play.
    background : (int, int, int)
        sRGB colour that transparent frames stand on: films have no alpha.
    comment : str
        A sentence that players show as the film's comment.
    """

    fps: Fraction
    quality: int = 16
    background: tuple[int, int, int] = (255, 255, 255)
    comment: str = ""


def package() -> Any:
    """Return PyAV.

    Raises
    ------
    PictureError
        If it is not installed, or cannot write H.264.
    """
    try:
        import av
    except ImportError as error:
        raise PictureError(
            "Writing films outside Blender needs the package PyAV: python -m pip install 'mouthpiece[portrait]'. "
            "Frames can be written without it: -o frames_####.png"
        ) from error
    if "libx264" not in av.codecs_available:
        raise PictureError("This build of PyAV cannot write H.264. Install the package 'av' from the usual index.")
    return av


def write_film(
    path: Path,
    frames: Iterator[Frame],
    size: tuple[int, int],
    options: FilmOptions,
    sound: Sound | None = None,
    place: Path | None = None,
) -> Generator[int, None, None]:
    """Write a film (MP4, H.264 and AAC, made to be played while it loads), yielding how many frames are in it so far.

    Closing the iterator, or an error, takes the unfinished film away. Memory does not grow with the film's length.

    Parameters
    ----------
    path
        Where the film goes, ``.mp4`` or ``.mov``; a file there is replaced.
    frames
        Frames (H, W, 3 or 4) uint8, sRGB, straight alpha, all of one size.
    size
        Their width and height in pixels. Odd sides, which films do not have, get one more row or column like the last.
    sound
        What is heard; its first sample is heard with the first frame, and none after the last frame.
    place
        Where the film is moved to afterwards, for messages.

    Raises
    ------
    PictureError
        If PyAV is missing, or the film cannot be written.
    AudioError
        If the sound cannot be read to its end.
    """
    av = package()
    film: _FilmWriter | None = None
    done = False
    try:
        film = _FilmWriter(av, path, size, options, sound)
        for count, frame in enumerate(frames, 1):
            film.show(frame)
            yield count
        film.close()
        done = True
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(
            f"The film cannot be written to '{place or path}': {reason}. Choose another place."
        ) from error
    finally:
        if not done:
            if film is not None:
                film.abandon()
            with suppress(OSError):
                path.unlink()


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """What a film says of itself.

    Attributes
    ----------
    fps : float
        Frames per second, on average.
    pictures : int or None
        How many it says it has.
    sound_late : float or None
        Seconds by which its sound begins after its first picture; None if it has none.
    """

    fps: float
    pictures: int | None
    sound_late: float | None


class FilmReader:
    """The pictures of a film, one after the other, in memory that does not grow with its length."""

    def __init__(self, path: Path) -> None:
        """Look at the film.

        Raises
        ------
        PictureError
            If PyAV is missing, or the file cannot be read or holds no pictures.
        """
        try:
            import av
        except ImportError as error:
            raise PictureError(
                "Reading films needs the package PyAV: python -m pip install 'mouthpiece[files]'"
            ) from error
        self._av, self._path = av, path
        if not path.is_file():
            raise PictureError(f"There is no film at '{path}'. Check the path.")
        if words := reference_at(path):
            raise PictureError(f"'{path}' {words}, not a film. Choose the film itself.")
        with self._opened() as container:
            stream = self._stream(container)
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            sound = next(iter(container.streams.audio), None)
            late = None if sound is None else _begin(sound) - _begin(stream)
            self.facts = FilmFacts(rate, int(stream.frames) or None, late)
        if not _RATES[0] <= rate <= _RATES[1]:
            raise PictureError(f"'{path}' says it has {rate:g} frames per second. Export the film again.")

    def pictures(self) -> Iterator[tuple[float, Frame]]:
        """Yield seconds since the first picture and each picture (H, W, 3) uint8, upright, at most 1920 pixels long.

        Raises
        ------
        PictureError
            If the film is damaged, so that what follows cannot be read, or far too long.
        """
        first: float | None = None
        left = 2 * self._path.stat().st_size + _LEEWAY
        with self._opened() as container:
            stream = self._stream(container)
            for number, frame in enumerate(self._frames(container, stream, left)):
                if number >= _MOST_PICTURES:
                    raise PictureError(f"'{self._path}' has more than {_MOST_PICTURES:,} pictures. Cut it into parts.")
                seconds = number / self.facts.fps if frame.time is None else float(frame.time)
                first = seconds if first is None else first
                yield seconds - first, self._picture(frame)

    def _frames(self, container: Any, stream: Any, left: int) -> Iterator[Any]:
        """Yield decoded frames; packets that cannot be decoded are passed over, and no file is decoded twice."""
        try:
            for packet in container.demux(stream):
                left -= packet.size
                if left < 0:
                    raise PictureError(f"'{self._path}' names more pictures than are in it. Export the film again.")
                with suppress(self._av.error.InvalidDataError):
                    yield from packet.decode()
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise PictureError(f"'{self._path}' is damaged: {error}. Export the film again.") from error

    def _picture(self, frame: Any) -> Frame:
        share = min(1.0, _READ_SIDE / max(frame.width, frame.height))
        sides = {"width": max(1, round(frame.width * share)), "height": max(1, round(frame.height * share))}
        picture: Frame = frame.to_ndarray(format="rgb24", **(sides if share < 1 else {}))
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture

    def _opened(self) -> Any:
        try:
            place = f"file:{os.path.abspath(self._path)}"  # noqa: PTH100  # resolve() follows links
            return self._av.open(place, options=dict(AV_OPTIONS), metadata_errors="replace")
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise PictureError(f"'{self._path}' is no film that can be read: {error}. Export it as MP4.") from error

    def _stream(self, container: Any) -> Any:
        if not container.streams.video:
            raise PictureError(f"'{self._path}' holds no pictures. Choose a film, or a take (.npz).")
        return container.streams.video[0]


def _begin(stream: Any) -> float:
    """Return the second at which a stream begins."""
    return float((stream.start_time or 0) * stream.time_base)


class _FilmWriter:
    """A film being written: every frame is followed by the sound that is heard while it is seen."""

    def __init__(self, av: Any, path: Path, size: tuple[int, int], options: FilmOptions, sound: Sound | None) -> None:
        self._av, self._options = av, options
        self._even = tuple(side + side % 2 for side in size)
        self._count = 0
        self._out = av.open(str(path), "w", format=_format(path), options={"movflags": "+faststart+use_metadata_tags"})
        if options.comment:
            self._out.metadata["comment"] = options.comment
        self._video = self._out.add_stream("libx264", rate=options.fps)
        self._video.width, self._video.height = self._even
        self._video.pix_fmt, self._video.time_base = "yuv420p", 1 / options.fps
        self._video.options = {"crf": str(options.quality), "preset": "fast"}
        context = self._video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _FILM_RANGE
        self._heard = None if sound is None else _FilmSound(av, self._out, sound)

    def show(self, frame: Frame) -> None:
        """Add a frame, and the sound up to its end."""
        picture = self._av.VideoFrame.from_ndarray(self._laid(frame), "rgb24")
        converted = picture.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_FILM_RANGE)
        converted.colorspace, converted.color_range = _BT709, _FILM_RANGE
        converted.pts, converted.time_base = self._count, 1 / self._options.fps
        self._out.mux(self._video.encode(converted))
        self._count += 1
        if self._heard is not None:
            self._heard.until(self._count / self._options.fps)

    def close(self) -> None:
        """Finish the film."""
        self._out.mux(self._video.encode())
        if self._heard is not None:
            self._heard.close()
        self._out.close()

    def abandon(self) -> None:
        """Let go of the file without caring for what is in it."""
        with suppress(self._av.FFmpegError, OSError, ValueError):
            self._out.close()

    def _laid(self, frame: Frame) -> Frame:
        """Return a frame without alpha, on the background, with even sides."""
        if frame.shape[2] == 4:
            alpha = frame[..., 3:]
            if (alpha == 255).all():
                frame = frame[..., :3]
            else:
                share = alpha.astype(np.uint16)
                below = np.array(self._options.background, np.uint16)
                frame = ((frame[..., :3] * share + below * (255 - share) + 127) // 255).astype(np.uint8)
        wide, high = self._even
        more = ((0, high - frame.shape[0]), (0, wide - frame.shape[1]), (0, 0))
        return np.ascontiguousarray(np.pad(frame, more, mode="edge") if any(side[1] for side in more) else frame)


class _FilmSound:
    """The sound of a film, brought into it piece by piece."""

    def __init__(self, av: Any, out: Any, sound: Sound) -> None:
        self._av, self._out = av, out
        self._blocks = sound.channels()
        first = next(self._blocks, np.zeros((0, 1), np.float32))
        self._rate = sound.rate
        self._rest = _one_or_two(first)
        self._given = 0
        rate = next((known for known in _SOUND_RATES if known >= sound.rate), _SOUND_RATES[-1])
        layout = "mono" if self._rest.shape[1] == 1 else "stereo"
        self._stream = out.add_stream("aac", rate=rate, layout=layout)
        self._stream.bit_rate = _SOUND_BITS * self._rest.shape[1]
        self._change = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        self._layout = layout

    def until(self, seconds: Fraction) -> None:
        """Bring the sound in up to a moment."""
        wanted = int(seconds * self._rate) - self._given
        while wanted > 0:
            if not len(self._rest):
                block = next(self._blocks, None)
                if block is None:
                    return
                self._rest = _one_or_two(block)
            piece, self._rest = self._rest[:wanted], self._rest[wanted:]
            wanted -= len(piece)
            self._bring(piece)

    def close(self) -> None:
        """Bring in what is still on its way."""
        for changed in self._change.resample(None):
            self._out.mux(self._stream.encode(changed))
        self._out.mux(self._stream.encode())

    def _bring(self, piece: NDArray[np.float32]) -> None:
        frame = self._av.AudioFrame.from_ndarray(np.ascontiguousarray(piece.T), "fltp", self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._given, Fraction(1, self._rate)
        self._given += len(piece)
        for changed in self._change.resample(frame):
            self._out.mux(self._stream.encode(changed))


def _one_or_two(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one channel or two: of more than two, their mean in both would be no better than one."""
    return block if block.shape[1] <= 2 else block.mean(axis=1, keepdims=True, dtype=np.float32)


def _format(path: Path) -> str:
    return "mov" if path.suffix.lower() == ".mov" else "mp4"
