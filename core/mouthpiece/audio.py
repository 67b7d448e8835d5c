"""Reads sound: any file or array becomes blocks of 16 kHz mono samples, in bounded memory.

The package soundfile reads wav, flac, ogg, mp3 and similar formats, PyAV (the extra ``files``) what is in m4a, mp4,
mov, webm and more (:mod:`mouthpiece.sounds`). Inside Blender the add-on decodes the sound itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import AudioError
from .features import RATE
from .models.windows import Window, gather
from .sounds.decoders import DecoderFault, decoder_of
from .sounds.headers import check_file
from .sounds.mixdown import AUTOMATIC, Mixdown, decided

Array = NDArray[np.float32]

#: Seconds of sound decoded at a time.
BLOCK_SECONDS: Final = 10
#: Least and greatest sample rate that is accepted; a header with another rate is damaged or not of a sound.
RATE_LIMITS: Final = (1_000, 1_000_000)
#: Greatest denominator of the ratio of 16 kHz to a sound's rate. Rates up to it are resampled exactly; above it a ratio
#: is off by 2.5 millionths at most, which in a piece is less than half a sample.
_LONGEST_RATIO: Final = 200_000


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
        check_rate(self.rate, self.label)
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
        return resample_blocks(pieces, self.rate)


class SoundFile:
    """A sound file, decoded block by block. How long it is, is known when it has been decoded to its end once."""

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
        self._decoder = decoder_of(self.path)
        self.rate = self._decoder.rate
        self._frames: int | None = None
        check_rate(self.rate, self.label)
        if next(self.channels(0, 1), None) is None:
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
    def frames(self) -> int:
        """Samples of each channel. The first time all is decoded for it; raises AudioError if that fails."""
        if self._frames is None:
            for _ in self.channels():
                pass
        assert self._frames is not None
        return self._frames

    @property
    def seconds(self) -> float:
        """Duration in seconds; effort and errors as for :attr:`frames`."""
        return self.frames / self.rate

    def channels(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the channels (N, C) at the file's own rate, a block at a time, from second ``start`` to ``stop``.

        Raises
        ------
        AudioError
            If decoding fails half-way, the file ends early or holds values that are not numbers.
        """
        first = count = start * self.rate
        try:
            for block in self._decoder.blocks(first, None if stop is None else stop * self.rate):
                _check_finite(block, self.label)
                count += len(block)
                yield block
        except DecoderFault as error:
            raise AudioError(
                f"{self.label} is damaged after {count / self.rate:.1f} s ({error}). Export the sound again."
            ) from error
        if stop is None and (count > first or not first):
            whole = self._decoder.whole or 0
            if count < whole:
                raise AudioError(
                    f"{self.label} ends early: {count / self.rate:.1f} of {whole / self.rate:.1f} s can be read. "
                    "Export or copy the sound again."
                )
            self._frames = count

    def mono(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield what is heard of the channels at the file's own rate; parts and errors as for :meth:`channels`."""
        mixdown = self.mixdown
        for block in self.channels(start, stop):
            yield mixdown.mono(block)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the sound, or its seconds ``start`` to ``stop``, as 16 kHz mono blocks."""
        return resample_blocks(self.mono(start, stop), self.rate)


def load(path: str | os.PathLike[str]) -> Audio:
    """Return the whole sound at ``path``, mono, at its own rate.

    Raises
    ------
    AudioError
        As :class:`SoundFile`.
    """
    source = SoundFile(path)
    return Audio(np.concatenate(list(source.mono())), source.rate, source.label)


def resample_blocks(blocks: Iterable[Array], rate: int) -> Iterator[Array]:
    """Yield samples given in ``blocks`` at ``rate`` as blocks at 16 kHz.

    Equal, to rounding, to polyphase resampling of the whole (``scipy.signal.resample_poly``): each piece is
    filtered with as much of its neighbours as the filter is long. Rates that would need an endless filter are taken for
    the nearest that does not; every piece begins where it should, so that this adds up to nothing.
    """
    if rate == RATE:
        yield from blocks
        return
    from scipy.signal import resample_poly

    up, down = ratio_of(rate)
    taps = _filter(up, down)
    step = rate * BLOCK_SECONDS
    margin = (10 * max(up, down) // up // down + 2) * down
    given = _Counted(blocks)
    spans = (Window(start - margin, start + step + margin) for start in count(0, step))
    for number, heard in enumerate(gather(given, spans)):
        left = -(-given.count * RATE // rate) - number * RATE * BLOCK_SECONDS
        if given.has_ended and left <= 0:
            return
        first = margin * up // down
        wanted = min(RATE * BLOCK_SECONDS, left) if given.has_ended else RATE * BLOCK_SECONDS
        piece = resample_poly(heard, up, down, window=taps)[first : first + wanted]
        yield np.asarray(piece, dtype=np.float32)


def ratio_of(rate: int) -> tuple[int, int]:
    """Return by how much a sound at ``rate`` is sampled up, and then down, to be at 16 kHz."""
    ratio = Fraction(RATE, rate).limit_denominator(_LONGEST_RATIO)
    return ratio.numerator, ratio.denominator


@lru_cache(maxsize=2)
def _filter(up: int, down: int) -> Array:
    """Return the filter with which ``resample_poly`` resamples if it is given none: float32, one number a tap."""
    from scipy.signal import firwin

    longest = max(up, down)
    return np.asarray(firwin(20 * longest + 1, 1 / longest, window=("kaiser", 5.0)), np.float32)


class _Counted:
    """Blocks handed on, and how many samples there were."""

    def __init__(self, blocks: Iterable[Array]) -> None:
        self._blocks, self.count, self.has_ended = iter(blocks), 0, False

    def __iter__(self) -> Iterator[Array]:
        for block in self._blocks:
            self.count += len(block)
            yield block
        self.has_ended = True


def check_rate(rate: float, label: str) -> None:
    """Check a sample rate; raises AudioError if it is not one of sound (:data:`RATE_LIMITS`)."""
    if not RATE_LIMITS[0] <= rate <= RATE_LIMITS[1]:
        raise AudioError(f"{label} says it has {rate:,} samples per second. Export it at 16,000 to 48,000.")


def _check_finite(samples: Array, label: str) -> None:
    if not np.isfinite(samples).all():
        raise AudioError(f"{label} holds samples that are not numbers (NaN or infinite). Export it again.")
