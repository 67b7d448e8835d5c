"""The phonetic listener, which turns 16 kHz sound into hidden features of speech recognisers.

The networks (hama and the first half of Whisper's encoder, in one graph) pool and attend over their whole input, so
their features depend on where a window begins and ends. The features are therefore *defined* here as those of
cross-faded windows on a fixed grid: one window for up to 28 seconds, else the fewest equal ones, always the same for a
given length. Training uses the same windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
from .encoder import Encoder
from .session import Session
from .windows import Window, aggregate, gather, split

Array = NDArray[np.float32]

#: Longest window, overlap, unused border and cross-fade, in motion frames (28, 3, 0.5 and 2 seconds). Both networks
#: were made for up to thirty seconds; one long window gives better results than two short ones (on clips of 21 to 28 s
#: the correlation of the lips' opening is .828 in windows of 20 s and more, .821 in ones of 14 s).
WINDOW: Final = 28 * FRAME_RATE
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


class PhoneticListener:
    """Turns sound into one feature vector per motion frame."""

    def __init__(self, session: Session, encoder: Encoder | None = None) -> None:
        """Use the network that ``session`` runs and, if given, ``encoder`` as well."""
        self._session, self._encoder = session, encoder

    def hidden(self, samples: Array) -> Array:
        """Return the hidden features (about N / 320, 896) at 50 Hz of one window of 16 kHz ``samples`` (N,).

        Short samples are repeated, because the network pools over its whole input and does badly on a lone word.
        (On the validation pack's single words, that raised the correlation of the lips' opening from .53 to .55.)
        """
        return repeated(samples, self._run)

    def _run(self, heard: Array) -> Array:
        outputs = self._session({"waveform": heard[None], "waveform_lengths": np.array([len(heard)], dtype=np.int64)})
        parts = [np.asarray(rows[0], dtype=np.float32) for rows in outputs.values()]
        return np.concatenate([fit(rows, len(parts[0])) for rows in parts], axis=1)

    def window_features(self, samples: Array, frames: int) -> Array:
        """Return the features (frames, 1844) of one window; ``samples`` has a margin of 256 samples at both ends.

        An encoder of width D adds 2 D numbers to each frame.
        """
        inner = samples[MARGIN_SAMPLES : MARGIN_SAMPLES + frames * FRAME_SAMPLES]
        rows = stack(self.hidden(inner), mfcc(samples, frames * HOPS_PER_FRAME), frames)
        if self._encoder is None:
            return rows
        encoded = fit(repeated(inner, self._encoder.hidden), frames * PHONETIC_PER_FRAME)
        return np.concatenate([rows, encoded.reshape(frames, -1)], axis=1)

    def features(self, blocks: Iterable[Array], frames: int, gain: float = 1.0) -> Iterator[Array]:
        """Yield the features of a whole sound, (t, 1844) at a time, ``frames`` rows in all.

        ``blocks`` are consecutive 16 kHz samples of any length; ``gain`` multiplies them. It holds one window in
        memory.
        """
        windows = split(frames, WINDOW, OVERLAP)
        spans = [
            Window(w.start * FRAME_SAMPLES - MARGIN_SAMPLES, w.stop * FRAME_SAMPLES + MARGIN_SAMPLES) for w in windows
        ]
        pieces = (
            self.window_features(heard * np.float32(gain), len(window))
            for heard, window in zip(gather(blocks, spans), windows, strict=True)
        )
        yield from aggregate(pieces, windows, BORDER, FADE)
