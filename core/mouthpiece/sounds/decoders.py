"""Who decodes which file: libsndfile (the package soundfile) what it knows, PyAV where it is installed the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from ..files.references import AV_OPTIONS
from . import flac, headers, mpeg, ogg
from .splice import ByteSpan, Splice

Array = NDArray[np.float32]

#: Seconds decoded at a time, and numbers of all channels together at most.
_SECONDS, _NUMBERS = 10, 8_000_000
#: Coding of MP3 in WAV files.
_MP3_IN_WAV: Final = 0x55
#: Numbers of the planar formats of samples, as FFmpeg calls them.
_PLANAR: Final = {"u8p": "u1", "s16p": "i2", "s32p": "i4", "s64p": "i8", "fltp": "f4", "dblp": "f8"}
#: Bytes that packets may have beyond twice the file: headers that are left out of the file.
_LEEWAY: Final = 1 << 16
#: Kinds of files that say where in them which second is.
_INDEXED: Final = ("mov", "matroska")
#: Seconds decoded before a stretch and dropped.
_LEAD: Final = 1.0


class SoundDecoder(Protocol):
    """Decodes one file, as often as it is asked.

    Attributes
    ----------
    rate : int
        Samples per second.
    whole : int or None
        Samples that there must be at least; None if nobody knows before all is decoded.
    """

    rate: int
    whole: int | None

    def blocks(self, first: int, last: int | None) -> Iterator[Array]:
        """Yield samples (N, C) from the sample ``first`` to ``last`` or the end.

        Raises
        ------
        DecoderFault
            If the file is damaged.
        """
        ...


def decoder_of(path: Path) -> SoundDecoder:
    """Return who decodes the file at ``path``, which has been checked (:func:`headers.check_file`).

    Raises
    ------
    AudioError
        If nobody does, with what to do about it.
    """
    try:
        return _Sndfile(path)
    except OSError as error:
        raise AudioError(f"'{path}' cannot be read: {error.strerror}. Check its permissions.") from error
    except _RefusedError as error:
        return _of_av(path, str(error))


class DecoderFault(AudioError):
    """Decoding ended before the file did; ``str()`` of it is what the decoder says."""


class _RefusedError(AudioError):
    """The decoder does not know the file."""


class _Sndfile:
    """What libsndfile decodes, a part at a time.

    It reads no further than a header says, so it is given files whose headers are true.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts, self.whole = _parts(path)
        with ExitStack() as stack:
            stream = self._open(self._parts[0], stack)
            self.rate, self._channels = int(stream.samplerate), int(stream.channels)

    def _open(self, pieces: Sequence[bytes | ByteSpan] | None, stack: ExitStack) -> Any:
        library = _soundfile()
        try:
            if pieces is None:
                return stack.enter_context(library.SoundFile(_handed_over(self._path, self._path, stack)))
            splice = stack.enter_context(Splice(self._path, pieces))
            return stack.enter_context(library.SoundFile(splice))
        except (library.LibsndfileError, TypeError) as error:
            raise _RefusedError(str(error)) from error

    def blocks(self, first: int, last: int | None) -> Iterator[Array]:
        skip, left = first, None if last is None else last - first
        for number, pieces in enumerate(self._parts):
            if left is not None and left <= 0:
                return
            with ExitStack() as stack:
                try:
                    stream = self._open(pieces, stack)
                except _RefusedError:
                    if number:  # a link of a chain of another kind, which holds no sound
                        continue
                    raise
                _check_same(self.rate, int(stream.samplerate))
                if len(self._parts) == 1:
                    yield from self._read(stream, first, left)
                    return
                for block in self._read(stream, 0, None if left is None else left + skip):
                    kept, skip = block[skip:], max(0, skip - len(block))
                    left = None if left is None else left - len(kept)
                    if len(kept):
                        yield _with_channels(kept, self._channels)

    def _read(self, stream: Any, first: int, count: int | None) -> Iterator[Array]:
        library = _soundfile()
        step = max(1, min(_SECONDS * self.rate, _NUMBERS // int(stream.channels)))
        try:
            if first:
                if first >= stream.frames:
                    return
                stream.seek(first)
            while stream.tell() < stream.frames:
                block = stream.read(step if count is None else min(step, count), dtype="float32", always_2d=True)
                if not len(block):
                    return
                if count is not None:
                    count -= len(block)
                yield block
                if count is not None and count <= 0:
                    return
        except library.LibsndfileError as error:
            raise DecoderFault(str(error)) from error


def _parts(path: Path) -> tuple[list[Sequence[bytes | ByteSpan] | None], int | None]:
    """Return the files, one after the other, as which libsndfile is to see a file (None is the file as it is).

    With them, how many samples there must be, if that is known.
    """
    with open(path, "rb") as stream:
        head = stream.read(64)
    if head[:4] == b"OggS":
        found = ogg.links(path)
        return ([[link] for link in found] if len(found) > 1 else [None]), None
    length = flac.length(path)
    if length is not None:
        return [length.pieces(path)], length.found
    told = headers.extent(path)
    if told is not None:
        return [_mended(path, told)], None
    if head[:3] == b"ID3" or head[:1] == b"\xff" or not head[:8].strip(b"\0"):
        frames = mpeg.frames(path)
        if frames is not None:
            return [frames.pieces], None
    return [None], None


def _mended(path: Path, told: headers.SoundExtent) -> Sequence[bytes | ByteSpan] | None:
    """Return a file whose samples are where its header says, or None if they are."""
    if told.coded == _MP3_IN_WAV:
        frames = mpeg.frames(path, ByteSpan(told.start, min(told.stop or told.size, told.size)))
        return None if frames is None else frames.pieces
    return told.mended() if headers.is_mistaken(path, told) else None


def _handed_over(path: Path, name: Path | str, stack: ExitStack) -> Any:
    """Return what a library is to open: ``name``, or the opened file where its name is no Unicode, as on old drives."""
    try:
        str(name).encode("utf-8")
    except UnicodeEncodeError:
        return stack.enter_context(open(path, "rb"))
    return name


def _check_same(rate: int, other: int) -> None:
    if rate != other:
        raise DecoderFault(f"it goes on with {other:,} samples per second after {rate:,}")


def _with_channels(block: Array, count: int) -> Array:
    """Return samples with that many channels: as they are, or their mean in each."""
    if block.shape[1] == count:
        return block
    return np.repeat(block.mean(axis=1, keepdims=True, dtype=np.float32), count, axis=1)


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise AudioError(
            "The package 'soundfile' is missing, so sound files cannot be read here. "
            "Run: python -m pip install soundfile"
        ) from error
    return soundfile


def _of_av(path: Path, reason: str) -> SoundDecoder:
    advice = f"'{path}' is not a sound that can be read ({reason}). Export it as WAV, FLAC, OGG or MP3."
    try:
        import av
    except ImportError:
        more = "(M4A, MP4, MOV, WebM and more are read after: python -m pip install 'mouthpiece[files]')"
        raise AudioError(f"{advice} {more}") from None
    try:
        return _Av(av, path)
    except _RefusedError as error:
        raise AudioError(f"{advice} {error}".rstrip()) from error


class _Av:
    """What FFmpeg's libraries decode: the first sound of a file, as Blender hears it."""

    whole: int | None = None

    def __init__(self, av: Any, path: Path) -> None:
        self._av, self._path = av, path
        with ExitStack() as stack:
            try:
                container, stream = self._open(stack)
                frame = next(self._frames(container, stream), None)
            except (av.FFmpegError, OSError, ValueError) as error:
                raise _RefusedError(f"({error})") from error
            if frame is None:
                raise _RefusedError("No sound is found in it.")
            self.rate, self._channels = int(frame.sample_rate), len(frame.layout.channels)
            self._is_indexed = container.format.name.split(",")[0] in _INDEXED and frame.pts is not None
            self._begin = 0.0 if frame.pts is None else float(frame.pts * frame.time_base)

    def _open(self, stack: ExitStack) -> tuple[Any, Any]:
        place = f"file:{os.path.abspath(self._path)}"  # noqa: PTH100  # resolve() follows links
        source = _handed_over(self._path, place, stack)
        container = stack.enter_context(self._av.open(source, options=dict(AV_OPTIONS), metadata_errors="replace"))
        if not container.streams.audio:
            raise _RefusedError("It holds no sound.")
        return container, container.streams.audio[0]

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        """Yield decoded frames; packets that cannot be decoded are passed over, as in Blender.

        A table in the file may name the same bytes again and again: what is decoded is no more than twice the file.
        """
        left = 2 * self._path.stat().st_size + _LEEWAY
        for packet in container.demux(stream):
            left -= packet.size
            if left < 0:
                raise ValueError("its table of contents names more than is in it")
            try:
                yield from packet.decode()
            except self._av.error.InvalidDataError:
                continue

    def blocks(self, first: int, last: int | None) -> Iterator[Array]:
        held: list[Array] = []
        count = 0
        for block in self._pieces(first, last):
            held.append(block)
            count += len(block)
            if count >= self.rate:
                yield np.concatenate(held)
                held, count = [], 0
        if held:
            yield np.concatenate(held)

    def _pieces(self, first: int, last: int | None) -> Iterator[Array]:
        """Yield the samples as the frames of the file have them."""
        with ExitStack() as stack:
            try:
                container, stream = self._open(stack)
                at: int | None = 0
                if self._is_indexed and first > 2 * _LEAD * self.rate:
                    moment = self._begin + first / self.rate - _LEAD
                    container.seek(round(moment / stream.time_base), stream=stream)
                    at = None  # told by the first frame
                for frame in self._frames(container, stream):
                    block = self._samples(frame)
                    if at is None:
                        at = round((float(frame.pts * frame.time_base) - self._begin) * self.rate)
                    low, high = max(first - at, 0), len(block) if last is None else last - at
                    if high <= 0:
                        return
                    if low < min(high, len(block)):
                        yield block[low:high]
                    at += len(block)
            except (self._av.FFmpegError, OSError, ValueError) as error:
                raise DecoderFault(str(error)) from error

    def _samples(self, frame: Any) -> Array:
        """Return a frame's samples (N, C), full scale at 1."""
        _check_same(self.rate, int(frame.sample_rate))
        channels = len(frame.layout.channels)
        if frame.format.is_planar:
            # by hand: of more than seven channels, PyAV takes what follows the last for one more
            kind = _PLANAR[frame.format.name]
            planes = [np.frombuffer(plane, kind, frame.samples) for plane in frame.planes[:channels]]
            data = np.stack(planes)
            block = data.T
        else:
            data = frame.to_ndarray()
            block = data.reshape(-1, channels)
        if block.dtype.kind == "u":
            block = (block.astype(np.float32) - 128) / np.float32(128)
        elif block.dtype.kind == "i":
            block = block.astype(np.float32) / np.float32(1 << 8 * data.dtype.itemsize - 1)
        return _with_channels(np.ascontiguousarray(block, np.float32), self._channels)
