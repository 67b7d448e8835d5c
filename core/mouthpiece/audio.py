"""Reads sound: any file or array becomes blocks of 16 kHz mono samples, in bounded memory.

The package soundfile reads wav, flac, ogg, mp3 and similar formats. Other formats are tried with librosa if the extra
``files`` is installed. Inside Blender the add-on decodes the sound itself and passes an :class:`Audio`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import AudioError
from .features import RATE
from .mixdown import AUTOMATIC, Mixdown, decided
from .models.windows import Window, gather

if TYPE_CHECKING:
    pass

Array = NDArray[np.float32]

#: Seconds of sound decoded at a time.
BLOCK_SECONDS: Final = 10
#: Least and greatest sample rate that is accepted; a header with another rate is damaged or not of a sound.
RATE_LIMITS: Final = (1_000, 1_000_000)
#: Values of a WAV header's size field that a program writes when it does not know the length yet.
_UNKNOWN_SIZES: Final = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)


class Source(Protocol):
    """A sound that can be read more than once, from its start each time."""

    @property
    def label(self) -> str:
        """What to call it in a message."""
        ...

    @property
    def content(self) -> str:
        """SHA-256 of what the sound is, by which what was made of it is found again; empty if that is not wanted.

        It differs for different channels of one sound.
        """
        ...

    @property
    def mixdown(self) -> Mixdown:
        """What is heard of its channels: the same for all parts of the sound."""
        ...

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield consecutive mono samples at 16 kHz from the second ``start`` on, to the end or the second ``stop``.

        Only that part is decoded. Nothing is yielded if the sound ends before it.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A sound held in memory.

    Attributes
    ----------
    samples : (N,) float32
        Mono, full scale at 1.
    rate : int
        Samples per second.
    label : str
        What to call it in a message.
    content : str
        SHA-256 of what the sound is; empty if nothing made of it shall be kept for the session.
    """

    samples: Array
    rate: int
    label: str = "The sound"
    content: str = ""

    def __post_init__(self) -> None:
        """Check that the samples are sound.

        Raises
        ------
        AudioError
            If it is empty, not one row of finite numbers, or the rate makes no sense.
        """
        samples = np.ascontiguousarray(self.samples, dtype=np.float32)
        if samples.ndim != 1:
            raise AudioError(f"{self.label} has shape {samples.shape}; one row of samples is needed. Mix it to mono.")
        _check_rate(self.rate, self.label)
        if not len(samples):
            raise AudioError(f"{self.label} is empty: it holds no samples. Choose another sound.")
        _check_finite(samples, self.label)
        object.__setattr__(self, "samples", samples)

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / self.rate

    @property
    def mixdown(self) -> Mixdown:
        """The only channel there is."""
        return Mixdown(1)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the sound, or its seconds ``start`` to ``stop``, as 16 kHz mono blocks."""
        heard = self.samples[start * self.rate : None if stop is None else stop * self.rate]
        step = self.rate * BLOCK_SECONDS
        pieces = (heard[begin : begin + step] for begin in range(0, len(heard), step))
        return resample_blocks(pieces, len(heard), self.rate)


class SoundFile:
    """A sound file, decoded block by block."""

    #: What is made of it is written to files, and not kept in memory as well.
    content = ""

    def __init__(self, path: str | os.PathLike[str], channel: str = AUTOMATIC) -> None:
        """Open ``path`` briefly to check that it is a sound file with the ``channel`` (see :func:`.mixdown.choice`).

        Raises
        ------
        AudioError
            If it is missing, empty, damaged, cut off, in a format that cannot be read here, or lacks the channel.
        """
        self.path = Path(path)
        self.label = f"'{self.path}'"
        check_file(self.path)
        self._decoded: Audio | None = None
        try:
            with _soundfile().SoundFile(self.path) as stream:
                self.frames, self.rate = int(stream.frames), int(stream.samplerate)
        except (_soundfile().LibsndfileError, TypeError) as error:
            self._decoded = _load_with_librosa(self.path, str(error))
            self.frames, self.rate = len(self._decoded.samples), self._decoded.rate
        _check_rate(self.rate, self.label)
        if self.frames <= 0:
            raise AudioError(f"{self.label} is empty: it holds no samples. Export the sound again.")
        self._channel, self._mixdown = channel, None if channel == AUTOMATIC else self._decided(channel)

    @property
    def mixdown(self) -> Mixdown:
        """What is heard of the channels; the file is looked at the first time."""
        if self._mixdown is None:
            self._mixdown = self._decided(self._channel)
        return self._mixdown

    def _decided(self, channel: str) -> Mixdown:
        return decided(self.channels, self.rate, self.label, channel)

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate

    def channels(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the channels (N, C) at the file's own rate, a block at a time, from second ``start`` to ``stop``.

        Raises
        ------
        AudioError
            If decoding fails half-way, the file ends early or holds values that are not numbers.
        """
        first, last = start * self.rate, self.frames if stop is None else min(stop * self.rate, self.frames)
        if self._decoded is not None:
            yield self._decoded.samples[first:last, None]
            return
        if first >= last:
            return
        library = _soundfile()
        count = first
        try:
            with library.SoundFile(self.path) as stream:
                if first:
                    stream.seek(first)
                while count < last or stop is None:
                    step = self.rate * BLOCK_SECONDS
                    block = stream.read(
                        step if stop is None else min(step, last - count), dtype="float32", always_2d=True
                    )
                    if not len(block):
                        break
                    _check_finite(block, self.label)
                    count += len(block)
                    yield block
        except library.LibsndfileError as error:
            raise AudioError(
                f"{self.label} is damaged after {count / self.rate:.1f} s ({error}). Export the sound again."
            ) from error
        if count < last:
            raise AudioError(
                f"{self.label} ends early: {count / self.rate:.1f} of {self.seconds:.1f} s can be read. "
                "Export or copy the sound again."
            )

    def mono(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield what is heard of the channels at the file's own rate; parts and errors as for :meth:`channels`."""
        mixdown = self.mixdown
        for block in self.channels(start, stop):
            yield mixdown.mono(block)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the sound, or its seconds ``start`` to ``stop``, as 16 kHz mono blocks."""
        last = self.frames if stop is None else min(stop * self.rate, self.frames)
        return resample_blocks(self.mono(start, stop), max(0, last - start * self.rate), self.rate)


def load(path: str | os.PathLike[str]) -> Audio:
    """Return the whole sound at ``path``, mono, at its own rate.

    Raises
    ------
    AudioError
        As :class:`SoundFile`.
    """
    source = SoundFile(path)
    return Audio(np.concatenate(list(source.mono())), source.rate, source.label)


def resample_blocks(blocks: Iterator[Array], count: int, rate: int) -> Iterator[Array]:
    """Yield ``count`` samples given in ``blocks`` at ``rate`` as blocks at 16 kHz.

    Equal, to rounding, to polyphase resampling of the whole (``scipy.signal.resample_poly``): each piece is
    filtered with as much of its neighbours as the filter is long.
    """
    if rate == RATE:
        yield from blocks
        return
    from scipy.signal import resample_poly

    common = gcd(rate, RATE)
    up, down = RATE // common, rate // common
    step = max(1, rate * BLOCK_SECONDS // down) * down
    margin = (10 * max(up, down) // up // down + 2) * down
    starts = range(0, count, step)
    spans = [Window(start - margin, start + step + margin) for start in starts]
    total = -(-count * up // down)
    for start, heard in zip(starts, gather(blocks, spans), strict=True):
        first = margin * up // down
        wanted = min(step * up // down, total - start * up // down)
        piece = resample_poly(heard, up, down)[first : first + wanted]
        yield np.asarray(piece, dtype=np.float32)


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise AudioError(
            "The package 'soundfile' is missing, so sound files cannot be read here. "
            "Run: python -m pip install soundfile"
        ) from error
    return soundfile


def check_file(path: Path) -> None:
    """Check a sound file for faults that need no decoder to find, or that decoders do not report.

    Raises
    ------
    AudioError
        If ``path`` is missing, a folder, empty, unreadable, or a WAV file cut off before its end.
    """
    if path.is_dir():
        raise AudioError(f"'{path}' is a folder. Choose a sound file in it.")
    if not path.is_file():
        raise AudioError(f"There is no sound at '{path}'. Check the path.")
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            head = stream.read(12)
            declared = _wav_size(stream, head)
    except OSError as error:
        raise AudioError(f"'{path}' cannot be read: {error.strerror}. Check its permissions.") from error
    if not size:
        raise AudioError(f"'{path}' is an empty file. Export the sound again.")
    if declared is not None and declared > size:
        raise AudioError(
            f"'{path}' is cut off: {declared:,} bytes are announced, {size:,} are there. Export or copy it again."
        )


def _wav_size(stream: Any, head: bytes) -> int | None:
    """Return at which byte a RIFF file's ``data`` chunk ends by its header, or None if the header does not say."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    while len(chunk := stream.read(8)) == 8:
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            return None if length in _UNKNOWN_SIZES else stream.tell() + length
        stream.seek(length + length % 2, os.SEEK_CUR)
    return None


def _load_with_librosa(path: Path, reason: str) -> Audio:
    advice = f"'{path}' is not a sound that can be read ({reason}). Export it as WAV, FLAC, OGG or MP3."
    try:
        import librosa
    except ImportError:
        more = "(More formats are read after: python -m pip install 'mouthpiece[files]')"
        raise AudioError(f"{advice} {more}") from None
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            samples, rate = librosa.load(path, sr=None, mono=True)
    except Exception as error:  # librosa passes on whatever its decoders raise
        raise AudioError(advice) from error
    return Audio(samples, int(rate), f"'{path}'")


def _check_rate(rate: float, label: str) -> None:
    if not RATE_LIMITS[0] <= rate <= RATE_LIMITS[1]:
        raise AudioError(f"{label} says it has {rate:,} samples per second. Export it at 16,000 to 48,000.")


def _check_finite(samples: Array, label: str) -> None:
    if not np.isfinite(samples).all():
        raise AudioError(f"{label} holds samples that are not numbers (NaN or infinite). Export it again.")
