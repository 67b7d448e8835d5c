"""What is said in a sound, as the listener hears it or as a text says: phones and words with their times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .inventory import PHONES
from .posteriors import as_kept

#: Posteriors a second.
POSTERIOR_RATE: Final = 50


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of sound in which one phone or one word is said.

    Attributes
    ----------
    label : str
        One of :data:`~.inventory.PHONES` (silences have no segment), or a word.
    start, stop : float
        Seconds from the beginning of the take.
    confidence : float
        0..1: mean posterior of the label over the stretch (of a word: of its phones).
    """

    label: str
    start: float
    stop: float
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """What is said during a take.

    Attributes
    ----------
    posteriors : (S, P) float32
        Probability of each of :data:`~.inventory.PHONES` at :data:`POSTERIOR_RATE`; row ``k`` is centred at
        ``(k + 0.5) / 50`` seconds of the take. They are as exact as takes keep them (:mod:`.posteriors`). No rows: the
        take was made before phones were heard, and none is known.
    phones, words : tuple of Segment
        In order, not overlapping.
    text : str
        The text that the sound was aligned with; empty if none was given.
    language : str
        Language of the text, as a BCP 47 tag; empty if there is none.
    """

    posteriors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, len(PHONES)), np.float32))
    phones: tuple[Segment, ...] = ()
    words: tuple[Segment, ...] = ()
    text: str = ""
    language: str = ""

    def __post_init__(self) -> None:
        """Make all as exact as takes keep it, so that a take that was saved does what it did before."""
        object.__setattr__(self, "posteriors", as_kept(self.posteriors))
        for name in ("phones", "words"):
            object.__setattr__(self, name, tuple(_as_kept(segment) for segment in getattr(self, name)))

    def __bool__(self) -> bool:
        """Return whether anything is known of what is said."""
        return bool(len(self.posteriors) or self.phones)


def _as_kept(segment: Segment) -> Segment:
    """Return a segment whose times are whole tenths of a millisecond, and its confidence whole hundredths."""
    times = round(segment.start, 4), round(segment.stop, 4)
    return Segment(segment.label, *times, round(segment.confidence, 2))


def resampled(speech: Speech, times: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the posteriors (T, P) at ``times`` (T,) in seconds; those of the ends beyond the ends.

    Raises
    ------
    ValueError
        If there are no posteriors, which is a programming error: ask first.
    """
    if not len(speech.posteriors):
        raise ValueError("no phones are known")
    at = np.clip(np.asarray(times, np.float64) * POSTERIOR_RATE - 0.5, 0, len(speech.posteriors) - 1)
    low = at.astype(int)
    high = np.minimum(low + 1, len(speech.posteriors) - 1)
    share = (at - low)[:, None].astype(np.float32)
    rows: NDArray[np.float32] = (1 - share) * speech.posteriors[low] + share * speech.posteriors[high]
    return rows
