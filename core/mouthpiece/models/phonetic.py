"""The phonetic listener, which turns 16 kHz sound into hidden features of a speech recogniser, and reads phones.

The network (the first half of Whisper's encoder, and a head that reads phones, in one graph) attends over its whole
input, so what it gives depends on where a window begins and ends. It is therefore *defined* here as that of
cross-faded windows on a fixed grid: one window for up to 16 seconds, else the fewest equal ones, always the same for a
given length. Training uses the same windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..features import (
    FRAME_RATE,
    FRAME_SAMPLES,
    HOPS_PER_FRAME,
    MARGIN_SAMPLES,
    PHONETIC_PER_FRAME,
    PHONETIC_RATE,
    RATE,
    fit,
    mfcc,
    stack,
)
from ..phones.inventory import PHONES
from .encoder import Encoder
from .session import Session
from .signatures import READINGS
from .windows import Window, aggregate, gather, split

Array = NDArray[np.float32]

#: Longest window, overlap, unused border and cross-fade, in motion frames (16, 3, 0.5 and 2 seconds). Attention costs
#: the square of a window: in windows of 28 s listening takes a sixth longer, and the correlation of the lips' opening,
#: .812 on validation speakers, is .814; between 10 and 20 s it does not change.
WINDOW: Final = 16 * FRAME_RATE
OVERLAP: Final = 3 * FRAME_RATE
BORDER: Final = FRAME_RATE // 2
FADE: Final = 2 * FRAME_RATE
#: Sounds shorter than this are repeated three times, with pauses between, and the features of the middle are used.
SHORT_SAMPLES: Final = 5 * RATE
PAUSE_SAMPLES: Final = RATE
#: Samples per hidden vector.
_STEP_SAMPLES: Final = RATE // PHONETIC_RATE


class Rows(Protocol):
    """An array or tensor: its rows can be sliced."""

    def __getitem__(self, rows: slice, /) -> Self:
        """Return some of the rows."""
        ...


R = TypeVar("R", bound=Rows)


def repeated(samples: Array, run: Callable[[Array], R]) -> R:
    """Return the features (steps, P) that ``run`` gives for ``samples`` (N,), repeated three times if short."""
    if len(samples) >= SHORT_SAMPLES:
        return run(samples)
    steps = -(-len(samples) // _STEP_SAMPLES)
    period = steps * _STEP_SAMPLES + PAUSE_SAMPLES
    heard = np.zeros(3 * period - PAUSE_SAMPLES, np.float32)
    for start in (0, period, 2 * period):
        heard[start : start + len(samples)] = samples
    first = period // _STEP_SAMPLES
    return run(heard)[first : first + steps + 1]


@dataclass(frozen=True, slots=True, eq=False)
class HeardSound:
    """What a listener makes of a stretch of sound.

    Attributes
    ----------
    features : (T, F) float32
        What the content network takes, one row per motion frame.
    posteriors : (2 T, P) float32
        Probability of each of :data:`~mouthpiece.phones.inventory.PHONES` at 50 Hz; P is 0 if the listener reads none.
    word_starts : (2 T,) float32
        Probability that a word begins there; empty if the listener does not tell.
    """

    features: Array
    posteriors: Array
    word_starts: Array


class PhoneticListener:
    """Turns sound into one feature vector per motion frame, and tells which phones are heard."""

    def __init__(self, session: Session, encoder: Encoder | None = None) -> None:
        """Use the network that ``session`` runs and, if given, ``encoder`` as well."""
        self._session, self._encoder = session, encoder

    def hidden(self, samples: Array) -> tuple[Array, Array]:
        """Return features (about N / 320, 512) and readings (as many, R) at 50 Hz of one window of ``samples`` (N,).

        Readings are the logarithms that :data:`~.signatures.READINGS` names, as far as the listener gives them. Short
        samples are repeated, because the network attends over its whole input and does badly on a lone word.
        (On the validation pack's single words, that raised the correlation of the lips' opening from .53 to .55.)
        """
        width = 0

        def run(heard: Array) -> Array:
            nonlocal width
            hidden, read = self._run(heard)
            width = hidden.shape[1]
            return np.concatenate([hidden, read], axis=1)

        rows = repeated(samples, run)
        return rows[:, :width], rows[:, width:]

    def _run(self, heard: Array) -> tuple[Array, Array]:
        outputs = self._session({"waveform": heard[None], "waveform_lengths": np.array([len(heard)], dtype=np.int64)})
        parts = {name: np.asarray(rows[0], dtype=np.float32) for name, rows in outputs.items()}
        count = len(next(iter(parts.values())))
        hidden = [fit(rows, count) for name, rows in parts.items() if name not in READINGS]
        read = [fit(parts[name], count) for name in READINGS if name in parts]
        return np.concatenate(hidden, axis=1), np.concatenate([*read, np.zeros((count, 0), np.float32)], axis=1)

    def window_features(self, samples: Array, frames: int) -> tuple[Array, Array]:
        """Return features (frames, 1076) and probabilities (frames, 2 R) of one window, two steps in a row.

        ``samples`` has a margin of 256 samples at both ends. An encoder of width D adds 2 D numbers to each frame.
        """
        inner = samples[MARGIN_SAMPLES : MARGIN_SAMPLES + frames * FRAME_SAMPLES]
        hidden, read = self.hidden(inner)
        rows = stack(hidden, mfcc(samples, frames * HOPS_PER_FRAME), frames)
        likely = np.exp(fit(read, frames * PHONETIC_PER_FRAME)).reshape(frames, -1)
        if self._encoder is None:
            return rows, likely
        encoded = fit(repeated(inner, self._encoder.hidden), frames * PHONETIC_PER_FRAME)
        return np.concatenate([rows, encoded.reshape(frames, -1)], axis=1), likely

    def hear(self, blocks: Iterable[Array], frames: int, gain: float = 1.0) -> Iterator[HeardSound]:
        """Yield what is heard in a whole sound, some frames at a time, ``frames`` in all.

        ``blocks`` are consecutive 16 kHz samples of any length; ``gain`` multiplies them. It holds one window in
        memory.
        """
        windows = split(frames, WINDOW, OVERLAP)
        spans = [
            Window(w.start * FRAME_SAMPLES - MARGIN_SAMPLES, w.stop * FRAME_SAMPLES + MARGIN_SAMPLES) for w in windows
        ]
        width = 0

        def pieces() -> Iterator[Array]:
            nonlocal width
            for heard, window in zip(gather(blocks, spans), windows, strict=True):
                rows, likely = self.window_features(heard * np.float32(gain), len(window))
                width = rows.shape[1]
                yield np.concatenate([rows, likely], axis=1)

        for joined in aggregate(pieces(), windows, BORDER, FADE):
            likely = joined[:, width:].reshape(len(joined) * PHONETIC_PER_FRAME, -1)
            phones, starts = likely[:, : len(PHONES)], likely[:, len(PHONES) :].ravel()
            yield HeardSound(joined[:, :width], phones, starts)

    def features(self, blocks: Iterable[Array], frames: int, gain: float = 1.0) -> Iterator[Array]:
        """Yield the features of a whole sound, (t, 1076) at a time; arguments as for :meth:`hear`."""
        for heard in self.hear(blocks, frames, gain):
            yield heard.features
